/* SPDX-License-Identifier: MIT
 * What a side shows of ICE: a plain side has none of it.
 * Always true: with ICE nothing is sent before a nomination, and nothing is heard but from sources
 * whose check was authentic. */
#pragma once

#include "media-relay/ice/ice.h"
#include "media-relay/session/session.h"

struct channel {
	struct handle handle;
	bool has_ice;
	struct ice ice;
};

/* NULL: fine; else what is wrong (static text). */
const char *channel_check(const struct ctl_stream_security *security);

bool channel_has_ice(const struct side *side);
/* May a datagram from there be looked at? Only asked with ICE. */
bool channel_hears(const struct flow *flow, const struct endpoint *source);
/* Takes the flow's target from the nominated path; without ICE nothing happens. */
void channel_aim(struct flow *flow);

/* When something of the side's channel is due; UINT64_MAX: never. */
uint64_t channel_due_ms(const struct side *side);
void channel_tick(struct sessions *sessions, struct side *side, uint64_t now_ms);
void channel_destroy(struct sessions *sessions, struct side *side);

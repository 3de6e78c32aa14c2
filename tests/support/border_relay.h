/* SPDX-License-Identifier: MIT
 * A relay of sessions and ports only, as the border of tests has it: nothing is relayed. */
#pragma once

#include "tests/support/unit.h"

#include "lib/ctl/ctl.h"

#define RELAY_LINES_MAX    8u
#define RELAY_SESSIONS_MAX 8192u

struct relay_session {
	uint64_t id; /* 0: free */
	uint16_t ports[RELAY_LINES_MAX][2];
	char realms[RELAY_LINES_MAX][2][16];
};

struct relay_sessions {
	struct relay_session at[RELAY_SESSIONS_MAX];
	uint32_t count;
	uint16_t next_port;
};

void relay_init(struct relay_sessions *relay);
/* NULL: there is none. */
struct relay_session *relay_find(struct relay_sessions *relay, uint64_t id);
/* ret: the ports of each side that was named; they lie in `ports`, 2 * RELAY_LINES_MAX. */
void relay_set(struct relay_sessions *relay, const struct ctl_session_set *set,
	       struct ctl_message *ret, struct ctl_stream_ports *ports);
/* Failures are answers, too. */
void relay_close(struct relay_sessions *relay, uint64_t id, struct ctl_message *ret);
void relay_fail(struct ctl_message *ret, enum err err);
/* Only these stay. */
void relay_keep(struct relay_sessions *relay, const uint64_t *ids, uint32_t count);

/* SPDX-License-Identifier: MIT
 * What a side shows of ICE and DTLS: the path that was nominated, and the associations that give the
 * keys. A side with neither has no channel.
 * Always true: with ICE nothing is sent before a nomination, and nothing is heard but from sources
 * whose check was authentic. */
#pragma once

#include "media-relay/dtls/dtls.h"
#include "media-relay/ice/ice.h"
#include "media-relay/session/session.h"

/* The DTLS of one component. */
struct channel_end {
	struct dtls *dtls;    /* NULL: no handshake began, or it failed */
	struct endpoint peer; /* of the association */
	uint64_t began_ms;
	uint8_t attempts;
	bool heard; /* a datagram of the peer came */
	bool failure_told;
};

struct channel {
	struct handle handle;
	bool has_ice;
	bool has_dtls;
	struct ice ice;
	struct ctl_dtls_setup setup; /* its fingerprint lies below */
	unsigned char fingerprint[DTLS_FINGERPRINT_MAX_BYTES];
	unsigned char shown[DTLS_FINGERPRINT_BYTES]; /* of it, too */
	struct channel_end ends[COMPONENTS];
};

/* NULL: fine; else what is wrong (static text). */
const char *channel_check(const struct ctl_stream_security *security);

bool channel_has_ice(const struct side *side);
bool channel_has_dtls(const struct side *side);
/* May a datagram from there be looked at? Only asked with ICE. */
bool channel_hears(const struct flow *flow, const struct endpoint *source);
/* Takes the flow's target from the nominated path; without ICE nothing happens. */
void channel_aim(struct flow *flow);

/* A former relay's path. */
void channel_recall(struct flow *flow, const struct endpoint *source, uint64_t now_ms);

/* When something of the side's channel is due; UINT64_MAX: never. */
uint64_t channel_due_ms(const struct side *side, uint64_t now_ms);
void channel_tick(struct sessions *sessions, struct side *side, uint64_t now_ms);
void channel_destroy(struct sessions *sessions, struct side *side);

/* ---- early.c: hellos before the answer ---- */

must_use enum err early_init(struct sessions *sessions);
/* True: the hello is held, until the side has answered or some seconds are over. */
bool early_hold(struct sessions *sessions, const struct packet *packet);
/* The side was told anew: what is held arrives now, if it may. */
void early_answered(struct sessions *sessions, struct flow *flow, uint64_t now_ms);
void early_forget(struct flow *flow);

/* ---- handshake.c: DTLS ---- */

/* setup: checked; NULL: none. Associations that it does not mean any more end. done: bits, 1 << enum
 * component, whose keys were told, from a former relay: as client, no handshake is begun there. */
void handshake_set(struct channel *channel, const struct ctl_dtls_setup *setup, bool reset,
		   unsigned done);
void handshake_clear(struct channel *channel);
/* Sends our ClientHello where that is our part and the way is known. */
void handshake_start(struct sessions *sessions, struct flow *flow, uint64_t now_ms);
enum packet_verdict handshake_receive(struct sessions *sessions, struct packet *packet);
/* The flow's side has a channel. */
uint64_t handshake_due_ms(const struct flow *flow, uint64_t now_ms);
void handshake_tick(struct sessions *sessions, struct flow *flow, uint64_t now_ms);

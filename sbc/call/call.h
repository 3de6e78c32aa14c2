/* SPDX-License-Identifier: MIT
 * The B2BUA: calls of two legs, each with a dialog of its own, every message written anew. Sans-I/O:
 * events come in, effects go out. Leg 0 is the caller's, leg 1 the callee's. One file for each
 * thing that happens to a call: invite, answer, reinvite, cancel, bye, inside (INFO, OPTIONS, UPDATE
 * without an offer), ack, stray, media. A call lives whole on one worker. */
#pragma once

#include "lib/base/pool.h"
#include "lib/base/rand.h"
#include "lib/base/wheel.h"
#include "lib/ctl/ctl.h"
#include "sbc/dialog/dialog.h"
#include "sbc/health/health.h"
#include "sbc/media/media.h"
#include "sbc/policy/policy.h"
#include "sbc/route/route.h"
#include "sbc/settings/settings.h"
#include "sbc/txn/txn.h"

struct calls; /* a worker's calls */

/* One event's surroundings. */
struct turn {
	uint64_t now_ms;      /* monotonic */
	uint64_t now_unix_ms;
	struct arena *arena;
	struct effects *out;
	bool relay_up;
};

struct calls_config {
	struct wheel *wheel;
	struct arena_cache *cache;
	struct txn_table *txns;
	struct rand *rand;
	struct policy *policy;
	struct health *health; /* NULL: every gateway may be tried */
	const struct media_relay *relay; /* what it can do; NULL: plain RTP. May change */
	struct hash_key hash_key;
	struct hash_key worker_key; /* the same for all workers: Call-ID to worker */
	uint32_t worker;
	uint32_t workers;
	uint32_t capacity;
	uint32_t timer_kind;   /* and the CALL_TIMER_COUNT - 1 numbers above it */
	uint64_t session_mask; /* random at each start: no session of an earlier process is named */
};

must_use enum err calls_create(const struct calls_config *config, struct calls **ret);
void calls_destroy(struct calls **calls);
uint32_t calls_live(const struct calls *calls);
enum call_digit { /* digits by how they came */
	CALL_DIGIT_INFO,    /* became events */
	CALL_DIGIT_EVENT,   /* became INFO */
	CALL_DIGIT_DROPPED, /* too many waited */
	CALL_DIGIT_WAYS,
};
/* INVITEs refused because the same request came by another path (RFC 3261 8.2.2.2), and so on. */
struct calls_figures {
	uint64_t digits[CALL_DIGIT_WAYS];
	uint64_t merged, exhausted, leaks_blocked, strays, out_of_order, one_way, media_timeouts;
};
const struct calls_figures *calls_figures(const struct calls *calls);

/* The worker that a Call-ID belongs to. */
uint32_t calls_worker_of(const struct hash_key *worker_key, uint32_t workers, struct slice call_id);

/* An INVITE outside a dialog, its server transaction made, its sender named by policy as `trunk`. */
void calls_on_invite(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		     const struct flow *flow, struct handle txn, struct settings *settings,
		     uint32_t trunk);

/* The request belongs to a dialog that lives here, and comes from where its peer may be by the
 * snapshot that the call began with: it is admitted whatever the present one says. */
bool calls_know(const struct calls *calls, const struct sip_msg *msg, const struct flow *flow);

/* A request with a To tag. txn: its server transaction; none for ACK. Answers 481 and the like
 * itself. */
void calls_on_request(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		      const struct flow *flow, struct handle txn);

/* A CANCEL named this INVITE server transaction (it was answered 200 already). */
void calls_on_cancel(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		     struct handle invite_txn);

/* Effects of the transaction layer: responses, timeouts, transport errors, missing ACKs. */
void calls_on_txn(struct calls *calls, const struct turn *turn, const struct effect *effect);

/* EFFECT_RELAY with this purpose wants no answer. */
#define CALL_RELAY_NO_ANSWER 0u
/* The relay's answer to an EFFECT_RELAY; message NULL: the relay is gone. */
void calls_on_relay(struct calls *calls, const struct turn *turn, struct handle owner,
		    uint32_t purpose, const struct ctl_message *message);

/* Resolved targets of an EFFECT_RESOLVE, best first; none: it failed. */
struct call_destination {
	uint8_t transport;
	struct endpoint remote;
};
void calls_on_resolved(struct calls *calls, const struct turn *turn, struct handle owner,
		       const struct call_destination *found, size_t count);

/* A timer of ours was popped from the wheel. */
void calls_on_timer(struct calls *calls, const struct turn *turn, struct timer *timer);

/* The relay pushed an event. */
void calls_on_media_event(struct calls *calls, const struct turn *turn,
			  const struct ctl_media_event *event);

/* A peer's DTLS is not that of its signalling, or cannot be agreed with: a call that demands keys has
 * no media any more. A handshake that only takes long is left to the limits on silence. */
void calls_on_insecure(struct calls *calls, const struct turn *turn,
		       const struct ctl_media_event *event);

/* The relay does not have this session (it restarted): it is told all again. */
void calls_on_session_missing(struct calls *calls, const struct turn *turn, uint64_t session);
/* Sessions of all live calls, in pages: *cursor starts at 0; returns how many were written. */
uint32_t calls_sessions(const struct calls *calls, uint32_t *cursor, uint64_t *ret_sessions,
			uint32_t room);

/* EFFECT_REAP came to the end of its turn: frees the call. */
void calls_reap(struct calls *calls, struct handle call);

/* ---- also for probes ---- */
/* How a peer in this realm sees us, from the realm's listener for the flow's transport (and local
 * address, when it is known; otherwise the remote's family); flow->local is filled. The host lives in
 * the configuration or in the arena. ERR_NOENT: the realm has no such listener; ERR_NOMEM. */
must_use enum err call_self_find(const struct conf_realm *realm, struct arena *arena,
				 struct flow *flow, struct dialog_self *ret);
/* "sip:user@host:port;transport=tcp", of which user may be empty. */
void call_gateway_uri_write(struct text *text, const struct conf_gateway *gateway,
			    struct slice user, bool with_transport);

/* ---- the operator ---- */
/* Live calls from *cursor on, at most `limit`; slices live in the arena. *cursor 0 at the end. */
must_use enum err calls_page(const struct calls *calls, struct arena *arena, uint64_t *cursor,
			     uint32_t limit, struct ctl_call_info **ret_infos, uint32_t *ret_count);
/* One call by its id. ERR_NOENT. */
must_use enum err calls_show(const struct calls *calls, struct arena *arena, struct slice id,
			     struct ctl_call_info *ret);
must_use enum err calls_hangup(struct calls *calls, const struct turn *turn, struct slice id);
/* Ends up to `limit` calls from *cursor on, which starts at 0 (a drain that ran out of patience): a
 * turn has no memory for the BYEs of all. False: there are no more. */
bool calls_hangup_some(struct calls *calls, const struct turn *turn, uint32_t *cursor,
		       uint32_t limit);

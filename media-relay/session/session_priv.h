/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "media-relay/session/session.h"

/* The receive filter: may this packet be heard? Counts it towards the latch. */
bool latch_accept(struct packet *packet);
/* Could latch_accept say yes? Changes nothing, so that a stranger's packet costs no cryptography. */
bool latch_may_accept(const struct packet *packet);
/* Forgets who was learned; the target is again the told address. */
void latch_reset(struct flow *flow);
/* From now on this source alone is heard, and sent to. */
void latch_lock(struct flow *flow, const struct endpoint *source);

/* Of a message that was checked. */
struct side_payload side_payload_of(const struct ctl_relay_payload *told);

/* Who was learned; NULL: nobody yet. */
const struct endpoint *latch_source(const struct flow *flow);

/* Remembers something to tell of the flow (of RTP's: of the side); sessions_pop gives it out. source,
 * keys: NULL: none. */
void session_note(struct sessions *sessions, const struct flow *flow,
		  enum ctl_media_event_kind kind, uint32_t value, const struct endpoint *source,
		  const struct dtls_keys *keys);
bool session_note_pop(struct sessions *sessions, struct session_event *ret);

/* NULL: fine; else what is wrong. */
const char *secure_check(const struct ctl_stream_security *security);
/* Takes the keys off, wiped. */
void side_forget_keys(struct side *side);
/* What the flow's packets are opened and sealed with; NULL: no keys. */
struct srtp *flow_srtp(const struct flow *flow);

enum session_timer { SESSION_TIMER, SESSION_TIMER_DIGITS };

/* The record of a direction's digits, made when there is none. ERR_NOMEM. */
must_use enum err digits_prepare(struct sessions *sessions, struct side *side);
/* NULL: fine; else what is wrong. */
const char *digit_check(const struct ctl_digit_send *told, const struct side *from);
/* The last stages, for a packet of our own: kind, bytes, flow and out are filled. */
enum packet_verdict packet_leave(struct packet *packet);

/* Lets the session's timer run for whatever comes first now. */
void session_arm(struct sessions *sessions, struct session *session);

/* Takes what an accepted RTCP packet says. */
void report_read(const struct packet *packet);

/* SRTP crosses as it is: neither side's keys are known here. */
static inline bool passes_through(const struct side *side)
{
	return side->pass && side->other->pass;
}

/* Where something of this kind leaves to the side. NULL: it has no address or port yet. */
struct flow *side_way_out(struct side *side, enum rtp_kind kind);
/* With this its words are replaced in RTCP. */
uint64_t side_name_seed(const struct side *side);

/* When it has to be looked whether this side's peer needs somebody to report for it; planned when it was
 * not yet. UINT64_MAX: never. */
uint64_t report_due_ms(struct side *side, uint64_t now_ms);
/* May send. */
void report_tick(struct sessions *sessions, struct side *side, uint64_t now_ms);

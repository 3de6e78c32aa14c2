/* SPDX-License-Identifier: MIT
 * The whole border without a socket: parser, admission, transactions, calls, and a relay that is
 * played here (it allocates ports, answers late, may be short of ports, silent, down or restarted).
 * The owner brings the clock and carries the datagrams. */
#pragma once

#include "sbc/core/dispatch.h"

struct border;

struct border_hooks {
	/* A message leaves. An error is a transport error, heard at once. */
	enum err (*send)(void *owner, const struct flow *flow, struct slice bytes);
	void (*record)(void *owner, const struct ctl_call_info *info);
	void *owner;
};

struct border_config {
	const char *provisioning;
	struct border_hooks hooks;
	uint64_t seed;
	uint64_t now_ms;
	uint32_t capacity;          /* calls */
	uint32_t relay_delay_ms;    /* its answers come after 0 … this */
	uint32_t relay_short_permille;  /* of questions answered ERR_EXHAUSTED */
	uint32_t relay_silent_permille; /* of questions never answered */
	uint32_t resolve_delay_ms;
};

struct border *border_create(const struct border_config *config);
/* Fails the test where anything is still held: calls, transactions, dialogs, timers, memory, limits'
 * counts, ports. */
void border_check_idle(struct border *border);
void border_destroy(struct border **border);

/* A datagram arrived. flow->local: one of the border's listeners. */
void border_receive(struct border *border, const struct flow *flow, struct slice bytes);
/* Timers, answers of the relay and of the resolver that are due. */
void border_tick(struct border *border, uint64_t now_ms);

/* Down: open questions are answered "gone". forgets: it comes back without its sessions. */
void border_relay_down(struct border *border);
void border_relay_up(struct border *border, bool forgets);
/* A media timeout of one of the live sessions, drawn. False: there is none. */
/* What the relay tells of a side of the only session. */
void border_media_event(struct border *border, uint8_t side, enum ctl_media_event_kind kind);
/* It heard a digit from this side: CTL_DIGIT_VALUE. */
void border_digit_heard(struct border *border, uint8_t side, uint32_t value);
/* The last digit that it was to send (with the first of its payload types), and how many there were. */
const struct ctl_digit_send *border_digit_sent(const struct border *border, unsigned *ret_count);
bool border_media_timeout(struct border *border);
/* DTLS of the first live session failed. */
void border_security_failed(struct border *border, enum ctl_security_failure failure);
/* The operator hangs up a live call, drawn. */
bool border_hangup(struct border *border);
void border_hangup_all(struct border *border);
/* The relay's knobs, while it runs. */
void border_relay_short(struct border *border, uint32_t permille);

struct calls *border_calls(struct border *border);
struct txn_table *border_txns(struct border *border);
/* Ports in use, sessions open in the relay. */
uint32_t border_relay_sessions(const struct border *border);
/* Of the call in this slot (1 …), in bytes, or 0. */
size_t border_call_bytes(const struct border *border, uint32_t slot);

/* SPDX-License-Identifier: MIT
 * The four transaction machines: RFC 3261 17.1.1, 17.1.2, 17.2.1, 17.2.2 with RFC 6026's Accepted
 * states, as tables, and RFC 4320's silence. Sans-I/O: timers stand on the wheel given at creation;
 * when it pops one, the caller hands it to txn_on_timer. Server transactions are matched by RFC 3261
 * 17.2.3 (branch, sent-by, method; the RFC 2543 rules when the branch has no magic cookie), client
 * transactions by 17.1.3. Keys are 128-bit keyed hashes, so no text is kept for matching. */
#pragma once

#include "lib/base/hash.h"
#include "lib/base/rand.h"
#include "lib/base/wheel.h"
#include "sbc/effect/effect.h"
#include "sbc/sip/sip.h"

struct txn_table;

struct txn_config {
	struct wheel *wheel;
	struct arena_cache *cache;
	struct hash_key hash_key;
	uint32_t capacity;        /* transactions; beyond it TXN_FULL and ERR_EXHAUSTED */
	uint32_t timer_kind;      /* written to every timer.kind, so that the owner of the wheel can
				     tell ours from others */
	uint32_t quota_bytes;     /* of a transaction's kept head, and of its stored message */
};

must_use enum err txn_table_create(const struct txn_config *config, struct txn_table **ret);
void txn_table_destroy(struct txn_table **table);
uint32_t txn_count(const struct txn_table *table);

struct txn_counters {
	uint64_t sent_again;       /* retransmissions, ours */
	uint64_t received_again;   /* retransmissions, the peers' */
	uint64_t timeouts;         /* timers B and F */
	uint64_t ack_timeouts;     /* timer H */
	uint64_t transport_errors;
	uint64_t ignored;          /* events in a state that has no use for them */
	uint64_t full;             /* no room for a transaction */
	uint64_t not_stored;       /* sent, but without memory to repeat it */
};
const struct txn_counters *txn_counters(const struct txn_table *table);

/* ---- server side ---- */
enum txn_match {
	TXN_NEW,       /* a transaction was made: the transaction user answers with txn_respond */
	TXN_ABSORBED,  /* a retransmission (answered from stored bytes), or an ACK to 3xx-6xx */
	TXN_ACK,       /* an ACK that matches no transaction: it belongs to a dialog's 2xx */
	TXN_FULL,      /* no room: answer 503 without a transaction */
};

/* Hands in a received request that parsed well. now_ms: monotonic. out: stored responses resent.
 * ret_txn: of TXN_NEW. For a CANCEL, *ret_invite is the INVITE server transaction that it names
 * (none: answer 481), RFC 3261 9.2. */
enum txn_match txn_on_request(struct txn_table *table, const struct sip_msg *msg,
			      const struct flow *flow, uint64_t now_ms, struct effects *out,
			      struct handle *ret_txn, struct handle *ret_invite);

/* The kept response head (Vias …); NULL when the handle is stale, or once a final response was sent. */
const struct sip_reply_head *txn_reply_head(const struct txn_table *table, struct handle txn);
/* Where responses go (RFC 3261 18.2.2, RFC 3581); a client's: where its request went. NULL: stale. */
const struct flow *txn_flow(const struct txn_table *table, struct handle txn);

/* Sends a response (whole message: lives through the turn, and is copied; when memory is short it is
 * sent once and cannot be repeated). 2xx to INVITE: the machine goes to Accepted, and the
 * transaction user retransmits it with txn_resend until the ACK (RFC 3261 13.3.1.4). ERR_NOENT:
 * stale; ERR_STATE: a final response was sent already. */
must_use enum err txn_respond(struct txn_table *table, struct handle txn, uint16_t status,
			      struct slice bytes, uint64_t now_ms, struct effects *out);
/* The last response once more. */
void txn_resend(struct txn_table *table, struct handle txn, struct effects *out);
/* The stored 2xx is not needed any more (its ACK came): frees its memory, the state stays. */
void txn_forget_response(struct txn_table *table, struct handle txn);

/* Whoever made the transaction marks it, to find its call again (CANCEL). Zero until set. */
void txn_set_user(struct txn_table *table, struct handle txn, struct txn_user user);
struct txn_user txn_user(const struct txn_table *table, struct handle txn);

/* ---- client side ---- */
struct txn_request {
	enum sip_method method;
	struct slice branch;   /* as written in the top Via */
	struct slice sent_by;  /* as written in the top Via, for 17.1.3 */
	struct flow flow;
	struct slice bytes;    /* the whole request: lives through the turn, and is copied */
	struct txn_user user;
	uint32_t timeout_ms;   /* timer B/F; 0: 64*T1 */
};

/* Sends a request (not ACK to a 2xx, which needs no transaction). ERR_EXHAUSTED, ERR_NOMEM. */
must_use enum err txn_request(struct txn_table *table, const struct txn_request *request,
			      uint64_t now_ms, struct effects *out, struct handle *ret_txn);

/* The request that this response answers. Who may do so is the caller's to judge (17.1.3 compares
 * branch and method only), by how it went (txn_flow). HANDLE_NONE: nothing matches, drop it. */
struct handle txn_asked(const struct txn_table *table, const struct sip_msg *msg);
/* Hands in a received response to `txn`. EFFECT_TXN_RESPONSE goes to the user for every one that the
 * machine passes up; the ACK to 3xx-6xx is made here (17.1.1.3). ERR_NOENT: there is no such
 * transaction, or it has more than one Via (8.1.3.3): drop it, do not answer. */
must_use enum err txn_on_response(struct txn_table *table, struct handle txn,
				  const struct sip_msg *msg, uint64_t now_ms, struct effects *out);

/* The request of an INVITE client transaction as sent, to write its CANCEL from (9.1: same
 * Request-URI, Call-ID, To, number of CSeq, From, Route, single Via). Empty when stale, or once it
 * has a final response. */
struct slice txn_request_bytes(const struct txn_table *table, struct handle txn);
/* The user has given this INVITE up: it is not repeated any more (its CANCEL must wait for a 1xx, and
 * a lost INVITE had better stay lost), and without a final response it ends 64*T1 from now, with
 * EFFECT_TXN_TIMEOUT (RFC 3261 9.1). To be called again when the CANCEL is sent. */
void txn_give_up(struct txn_table *table, struct handle txn, uint64_t now_ms);
/* Ends a transaction silently. Client: late responses will find nothing. Server: for one whose user
 * cannot answer at all; the request, repeated, will be a new one. */
void txn_abandon(struct txn_table *table, struct handle txn);

/* The transport could not send what was sent with this handle. Client: EFFECT_TXN_ERROR to the user,
 * unless it had a final response. Server: nobody is told; a non-INVITE one ends, an INVITE one goes on
 * (RFC 6026) and hears of it by the ACK that stays away. Stale handles are ignored. */
void txn_on_transport_error(struct txn_table *table, struct handle txn, uint64_t now_ms,
			    struct effects *out);

/* A timer of kind config.timer_kind was popped from the wheel. */
void txn_on_timer(struct txn_table *table, struct timer *timer, uint64_t now_ms,
		  struct effects *out);

/* A new branch with the magic cookie. */
void txn_branch_write(struct text *text, struct rand *rand);

/* SPDX-License-Identifier: MIT
 * What the files of this room share: the machines as tables, the transaction, the driver.
 * All four machines speak one alphabet of events, so one driver runs them all. A transaction has one
 * timer on the wheel for both of its deadlines: the one that repeats (A, E, G) and the one that ends
 * something (all others), of which a state never has more than one each. */
#pragma once

#include "lib/base/map.h"
#include "sbc/txn/txn.h"

#define TXN_64T1_MS (64 * SIP_T1_MS)

/* Timers come first: the bit of a timer in an action mask is its number. */
enum txn_event {
	TIMER_A, TIMER_B, TIMER_D, TIMER_E, TIMER_F, TIMER_G, TIMER_H, TIMER_I, TIMER_J, TIMER_K,
	TIMER_L, TIMER_M, TXN_TIMER_COUNT,
	RX_REQUEST = TXN_TIMER_COUNT, /* the same request again */
	RX_ACK, RX_1XX, RX_2XX, RX_3XX_6XX,
	TU_1XX, TU_2XX, TU_3XX_6XX,
	TRANSPORT_ERROR,
	TXN_EVENT_COUNT,
};

#define ACT_START(timer) (UINT32_C(1) << (timer))
#define ACT_STARTS (ACT_START(TXN_TIMER_COUNT) - 1)
#define ACT_STOP (UINT32_C(1) << 16)         /* whatever timers run */
#define ACT_SEND (UINT32_C(1) << 17)         /* what the transaction user gave, or gave last */
#define ACT_RESEND (UINT32_C(1) << 18)       /* the stored message */
#define ACT_ACK (UINT32_C(1) << 19)          /* write the ACK and send it */
#define ACT_PASS_UP (UINT32_C(1) << 20)      /* to the transaction user */
#define ACT_FORGET (UINT32_C(1) << 21)       /* nothing is ever sent again: free the stored bytes */
#define ACT_TELL_TIMEOUT (UINT32_C(1) << 22)
#define ACT_TELL_NO_ACK (UINT32_C(1) << 23)
#define ACT_TELL_ERROR (UINT32_C(1) << 24)
#define ACT_TAKEN (UINT32_C(1) << 31)        /* not an empty cell */

/* An empty cell: the event is ignored and counted. */
struct txn_step {
	uint32_t actions;
	uint8_t next;
};

#define GO(state, what) { .actions = (what) | ACT_TAKEN, .next = (state) }

/* The order of states is that of the figures, from the top. */
enum ict_state { ICT_CALLING, ICT_PROCEEDING, ICT_COMPLETED, ICT_ACCEPTED, ICT_TERMINATED, ICT_STATES };
enum nict_state { NICT_TRYING, NICT_PROCEEDING, NICT_COMPLETED, NICT_TERMINATED, NICT_STATES };
enum ist_state { IST_PROCEEDING, IST_COMPLETED, IST_ACCEPTED, IST_CONFIRMED, IST_TERMINATED, IST_STATES };
enum nist_state { NIST_TRYING, NIST_PROCEEDING, NIST_COMPLETED, NIST_TERMINATED, NIST_STATES };

extern const struct txn_step txn_ict_table[ICT_STATES][TXN_EVENT_COUNT];
extern const struct txn_step txn_nict_table[NICT_STATES][TXN_EVENT_COUNT];
extern const struct txn_step txn_ist_table[IST_STATES][TXN_EVENT_COUNT];
extern const struct txn_step txn_nist_table[NIST_STATES][TXN_EVENT_COUNT];

enum txn_kind { TXN_ICT, TXN_NICT, TXN_IST, TXN_NIST, TXN_KINDS };

struct txn_machine {
	const struct txn_step (*table)[TXN_EVENT_COUNT];
	uint8_t first;           /* state */
	uint8_t terminated;      /* state */
	enum txn_event repeats;  /* its timer that sends again; TXN_TIMER_COUNT: none */
};

extern const struct txn_machine txn_machines[TXN_KINDS];

struct txn {
	struct map_node node;
	struct timer timer;         /* the earlier of the two below */
	uint64_t repeat_due_ms;     /* 0: not running */
	uint64_t deadline_due_ms;   /* 0: not running */
	struct handle self;
	struct flow flow;           /* of a server transaction: for its responses */
	struct txn_user user;
	struct slice sent;          /* request, last response, or ACK; empty: not kept */
	struct arena_chunk *sent_chunks;
	struct sip_reply_head *head; /* server, until the final response */
	struct arena_chunk *head_chunks;
	uint32_t interval_ms;       /* of the timer that repeats */
	uint32_t to_tag_check;      /* server, RFC 2543 matching */
	uint16_t status;            /* of the last response sent or passed up */
	uint8_t kind;               /* enum txn_kind */
	uint8_t state;
	uint8_t deadline;           /* enum txn_event: which timer deadline_due_ms is */
};

struct txn_table {
	struct txn_config config;
	struct pool pool;
	struct map map;
	struct arena_chunk *chunks; /* in which this stands */
	struct txn_counters counters;
};

/* What an event brings along. */
struct txn_input {
	struct txn_table *table;
	uint64_t now_ms;
	struct effects *out;
	const struct sip_msg *msg; /* RX_* only */
	struct slice bytes;        /* TU_* only: lives through the turn */
};

/* Takes one step of the transaction's machine; it may end. False: the cell was empty. */
bool txn_step(const struct txn_input *in, struct txn *txn, enum txn_event event);
enum txn_event txn_tu_event(uint16_t status);
/* Outside a step, txn_arm must follow. */
void txn_start_timer(const struct txn_input *in, struct txn *txn, enum txn_event timer);
void txn_arm(struct txn_table *table, struct txn *txn);

static inline bool txn_is_client(const struct txn *txn)
{
	return txn->kind == TXN_ICT || txn->kind == TXN_NICT;
}

static inline bool txn_is_reliable(const struct txn *txn)
{
	return txn->flow.transport != SIP_UDP;
}

/* NULL: at capacity. */
struct txn *txn_new(struct txn_table *table, enum txn_kind kind, struct hash128 key);
void txn_free(struct txn_table *table, struct txn *txn);
struct txn *txn_get(const struct txn_table *table, struct handle handle);

/* Replaces the stored bytes by a copy of these. ERR_NOMEM: nothing is stored then. */
must_use enum err txn_store(struct txn_table *table, struct txn *txn, struct slice bytes);
void txn_store_drop(struct txn_table *table, struct txn *txn);
void txn_head_drop(struct txn_table *table, struct txn *txn);

/* Keys. method: that of the transaction which is looked for (INVITE for an ACK). */
struct hash128 txn_client_key(const struct txn_table *table, enum sip_method method,
			      struct slice branch, struct slice host, uint16_t port);
struct hash128 txn_server_key(const struct txn_table *table, enum sip_method method,
			      const struct sip_msg *msg, const struct flow *flow);
/* The branch of the top Via has the magic cookie, and something behind it. */
bool txn_has_cookie(const struct sip_msg *msg);
uint32_t txn_tag_check(const struct txn_table *table, struct slice tag);

/* The ACK to a final response of 3xx-6xx (RFC 3261 17.1.1.3), in `arena`. Empty when that is full. */
struct slice txn_ack_write(struct arena *arena, struct slice invite, struct slice to);

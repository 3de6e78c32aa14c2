/* SPDX-License-Identifier: MIT
 * What the sans-I/O rooms want done. They append effects in order; core/turn.c is the one place that
 * executes them. An effect and all it points to live in the turn's arena or in an object that lives
 * through the turn. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"
#include "lib/base/pool.h"
#include "lib/ctl/ctl.h"

/* Where a message came from, or goes to. Kept in dialogs and transactions by value. */
#define FLOW_NO_LISTENER 0xffffu /* flow.listener: found by flow.local when it is sent */

struct flow {
	uint8_t transport;        /* enum sip_transport */
	uint8_t worker;           /* that owns the connection */
	uint16_t listener;        /* edge's number of the local socket; never re-used in a process */
	struct handle connection; /* streams: the open connection, or none: one is found or made */
	struct endpoint local;
	struct endpoint remote;
};

/* Whom a transaction tells: the owner's own numbers, carried back unchanged. */
#define TXN_USER_PROBE 0xffu /* purpose, where the owner is no call but a probe of a gateway */
struct txn_user {
	struct handle owner;
	uint32_t leg;
	uint32_t purpose;
};

enum effect_kind {
	EFFECT_SEND,            /* bytes over a flow */
	EFFECT_TXN_RESPONSE,    /* a client transaction passes a response up */
	EFFECT_TXN_TIMEOUT,     /* a client transaction got no final response (timers B, F) */
	EFFECT_TXN_ERROR,       /* its request could not be sent: transport error */
	EFFECT_TXN_ACK_TIMEOUT, /* an INVITE server transaction got no ACK to its 3xx-6xx (timer H) */
	EFFECT_RELAY,           /* a message to the relay; its answer comes back with owner and purpose */
	EFFECT_RESOLVE,         /* RFC 3263 for a host name; the answer comes back to the owner */
	EFFECT_RECORD,          /* a finished call for the journal */
	EFFECT_REAP,            /* the call of this handle ended: free it at the turn's end */
	EFFECT_EVIDENCE,        /* what a call saw of a gateway */
};

struct sip_msg;
struct conf_trunk;
struct conf_gateway;

struct effect {
	struct effect *next;
	enum effect_kind kind;
	union {
		struct {
			struct flow flow;
			struct slice bytes;
			struct handle txn; /* told of a transport error; none: nobody cares */
		} send;
		struct {
			struct txn_user user;
			struct handle txn;
			const struct sip_msg *msg; /* TXN_RESPONSE only */
		} txn;
		struct {
			struct handle owner;
			uint32_t purpose;
			const struct ctl_message *message;
		} relay;
		struct {
			struct handle owner;
			struct slice host;
			uint16_t port;     /* 0: not given */
			uint8_t transport; /* enum sip_transport */
			bool transport_given;
			bool sips;
		} resolve;
		const struct ctl_call_info *record;
		struct handle reap;
		struct {
			const struct conf_trunk *trunk;
			const struct conf_gateway *gateway;
			uint8_t event;          /* enum health_event */
			uint16_t code;          /* of the response; 0: there was none */
			uint32_t retry_after_s; /* of a 503 */
		} evidence;
	};
};

struct effects {
	struct arena *arena; /* the turn's */
	struct effect *head;
	struct effect **tail;
	bool failed; /* an effect was lost: the arena is exhausted */
	struct effect scratch;
};

void effects_init(struct effects *effects, struct arena *arena);
/* Appends one, zeroed, of this kind. Never NULL: when the arena is exhausted it is a scratch effect
 * that is not executed, and effects->failed is set. */
struct effect *effects_add(struct effects *effects, enum effect_kind kind);
/* Takes the first; NULL when empty. Executing an effect may append others. */
struct effect *effects_pop(struct effects *effects);

/* bytes must live through the turn. */
void effects_send(struct effects *effects, const struct flow *flow, struct slice bytes,
		  struct handle txn);

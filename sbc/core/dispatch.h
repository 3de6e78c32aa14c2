/* SPDX-License-Identifier: MIT
 * The sans-I/O half of a turn: a parsed message to the room that it is for, and what the rooms want
 * to the hands that do it. A worker's hands are sockets, the relay's line and the journal; a test's
 * are a network in virtual time. Private to this room and to tests. */
#pragma once

#include "sbc/call/call.h"

enum reject_reason {
	REJECT_ACL,
	REJECT_MALFORMED,
	REJECT_NO_ROUTE,
	REJECT_LIMIT,
	REJECT_OVERLOAD,
	REJECT_RELAY_DOWN,
	REJECT_METHOD,
	REJECT_LOOP,
	REJECT_COUNT,
};

struct hands {
	void (*send)(void *owner, const struct flow *flow, struct slice bytes, struct handle txn);
	void (*relay)(void *owner, struct handle call, uint32_t purpose,
		      struct ctl_message *message);
	void (*resolve)(void *owner, const struct effect *effect);
	void (*record)(void *owner, const struct turn *turn, const struct ctl_call_info *info);
	void (*rejected)(void *owner, const struct sip_msg *msg, const struct flow *flow,
			 enum reject_reason reason);
	/* What became of a probe's transaction, and what a call saw of a gateway. Both may be NULL
	 * where nothing is probed. */
	void (*probe)(void *owner, const struct turn *turn, const struct effect *effect);
	void (*evidence)(void *owner, const struct turn *turn, const struct effect *effect);
};

/* Borrowed from whoever has them, for one turn. */
struct rooms {
	struct txn_table *txns;
	struct calls *calls;
	struct settings *settings;
	struct hash_key tag_key; /* of stateless answers' tags */
	struct rand *rand;
	bool draining; /* OPTIONS are answered 503, so that peers move away */
	const struct hands *hands;
	void *owner;   /* of the hands */
};

void dispatch_message(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		      const struct flow *flow);
/* Executes all effects in order, and those that they bring about. */
void dispatch_effects(const struct rooms *rooms, const struct turn *turn);
/* A response without a transaction. */
void reply_stateless(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		     const struct flow *flow, uint16_t status, const char *reason);

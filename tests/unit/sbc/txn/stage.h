/* SPDX-License-Identifier: MIT
 * A transaction table in virtual time, with all that it does written down as lines of text
 * ("1500 send INVITE"), so that a test reads like a ladder. */
#pragma once

#include "sbc/txn/txn.h"

struct stage {
	struct wheel wheel;
	struct arena_cache cache;
	struct arena turn;
	struct effects out;
	struct txn_table *table;
	size_t idle_bytes; /* held with no transaction and no turn */
	uint64_t now_ms; /* starts at 1000000, shown from 0 */
	char log[8192];
	size_t log_len;
	struct slice last_sent; /* of this turn */
	struct flow last_flow;
	struct txn_user last_user;
};

void stage_init(struct stage *stage, uint32_t capacity);
/* Ends the table and checks that it gave everything back. */
void stage_fini(struct stage *stage);
/* Executes what was asked for, into the log; then the turn's memory may go. */
void stage_drain(struct stage *stage);
/* Goes on millisecond by millisecond. */
void stage_run(struct stage *stage, uint64_t ms);
/* What happened since the last call. */
const char *stage_log(struct stage *stage);

struct flow stage_flow(enum sip_transport transport);
/* Messages in the turn's memory. branch empty: none. */
void stage_request(struct stage *stage, struct sip_msg *msg, enum sip_method method,
		   const char *branch);
void stage_response(struct stage *stage, struct sip_msg *msg, enum sip_method method,
		    const char *branch, uint16_t status);

/* Shorthands that also drain. */
struct handle stage_send(struct stage *stage, enum sip_transport transport, enum sip_method method,
			 const char *branch, uint32_t timeout_ms);
enum err stage_receive(struct stage *stage, enum sip_method method, const char *branch,
		       uint16_t status);
enum txn_match stage_ask(struct stage *stage, enum sip_transport transport, enum sip_method method,
			 const char *branch, struct handle *ret_txn);
enum err stage_answer(struct stage *stage, struct handle txn, uint16_t status);

/* SPDX-License-Identifier: MIT
 * What the files of the agents share. */
#pragma once

#include "tests/sim/peer.h"

#define ALLOW "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
#define SDP_BYTES 1024u

/* peer.c */
struct party *party_new(struct world *world, const struct endpoint *at, struct slice call_id);
void party_act_after(struct party *party, uint32_t ms);
void party_hang_up(struct party *party);
/* Both write into SDP_BYTES and return their storage. */
const char *party_offer(struct party *party, char *storage);
const char *party_answer(struct party *party, struct slice offer, char *storage);

/* peer_caller.c */
void caller_gives_up(struct party *party);
void caller_response(struct party *party, struct peer_txn *txn, struct slice bytes);

/* peer_callee.c */
void callee_begin(struct world *world, const struct flow *flow, struct slice bytes);
void callee_again(struct party *party, const struct flow *flow, struct slice bytes);
void callee_act(struct party *party);
void callee_fork_answers(struct party *party);
void callee_cancelled(struct party *party, struct peer_txn *cancel);

/* peer_inside.c */
void inside_act(struct party *party);
void inside_response(struct party *party, struct peer_txn *txn, struct slice bytes);
void inside_request(struct party *party, struct peer_txn *txn, struct slice bytes);
void inside_ack(struct party *party, struct slice bytes);

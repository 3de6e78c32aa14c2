/* SPDX-License-Identifier: MIT
 * User agents around a border, all in virtual time: a PBX and a carrier's gateways, each with its own
 * transactions, made without our writers. What they do is drawn from the seed; they know how to
 * behave, and often do not. */
#pragma once

#include "tests/sim/net.h"
#include "tests/support/border.h"
#include "tests/support/raw.h"

struct world;
struct party;

/* One request, on the side of a user agent. */
struct peer_txn {
	struct peer_txn *next; /* in its bucket */
	struct timer timer;    /* the earlier of repeat and end */
	struct timer reply;    /* server: when it answers */
	struct world *world;
	struct party *party;
	struct flow flow;
	bool client;
	bool invite;
	bool over;      /* client: a final came, or never will */
	bool acked;     /* server: the ACK of our final came */
	bool provisional;
	bool late;      /* an INVITE without offer */
	bool never_ack;
	bool cancel_wanted;
	bool cancelled;
	bool silent;    /* server: no final will be sent */
	unsigned status;
	unsigned plan;  /* server: final to come */
	uint32_t cseq;
	uint32_t interval_ms;
	uint64_t repeat_ms;
	uint64_t end_ms;
	uint64_t answered_ms; /* server: when its 2xx left */
	char branch[96];
	char method[16];
	char *bytes;    /* what is repeated */
	size_t len;
	char *asked;    /* server: the request */
	size_t asked_len;
	char *ack;
	size_t ack_len;
};

enum party_state { PARTY_TRYING, PARTY_EARLY, PARTY_UP, PARTY_OVER };

/* What a callee does with the INVITE. */
enum callee_kind {
	CALLEE_ANSWERS,
	CALLEE_REFUSES,
	CALLEE_IS_SILENT,
	CALLEE_RINGS_ONLY,
	CALLEE_IS_LATE,   /* no 1xx, and a 2xx when nobody expects it any more */
	CALLEE_FORKS,     /* two tags ring, both answer */
	CALLEE_SAYS_BYE,  /* while it rings */
	CALLEE_FORGETS_SDP,
};

struct party { /* one end of one dialog */
	struct party *next;
	struct world *world;
	struct endpoint at;
	unsigned call;
	bool caller;
	enum party_state state;
	enum callee_kind kind;
	struct raw_dialog dialog;
	char fork_tag[48];  /* the other tag of a callee that forks */
	struct peer_txn *invite;
	struct timer act;
	unsigned step;
	unsigned actions;   /* left, then it hangs up */
	uint32_t pace_ms;   /* between them, at most */
	unsigned sdp_version;
	unsigned offers;    /* of ours that are open */
	bool bye_in_early;
	bool fork_answered; /* the other fork sent its 2xx, and its BYE came */
	bool fork_bye;
	bool ignores_cancel;
	bool up_once;
	bool bye_sent;
	bool bye_received;
	char bodies[2];
};

#define PEER_BUCKETS 1024u
#define PEER_ADDRESSES 6u

struct world {
	struct sim_net *net;
	struct border *border;
	struct wheel wheel; /* the agents' */
	struct rand rand;
	struct peer_txn *txns[PEER_BUCKETS];
	struct party *parties[PEER_BUCKETS];
	unsigned txn_count;
	unsigned branches;
	struct endpoint agents[PEER_ADDRESSES]; /* the PBX first */
	struct endpoint border_at[2];           /* inside, outside */
	unsigned answered;  /* calls that both ends saw up */
	bool perfect;       /* nothing is lost or overtaken */
};

bool peer_chance(struct world *world, unsigned percent);
uint32_t peer_between(struct world *world, uint32_t min, uint32_t max);

/* Begins call number `call`, from the PBX or from a gateway. */
void peer_call(struct world *world, unsigned call, unsigned from, const char *called);
void peer_receive(struct world *world, const struct flow *flow, struct slice bytes);
void peer_tick(struct world *world, uint64_t now_ms);
void peer_free_all(struct world *world);

/* ---- transactions, private to the peer_*.c ---- */
enum peer_timer { PEER_TXN, PEER_REPLY, PEER_ACT };
struct peer_txn *peer_find(struct world *world, bool client, struct slice branch,
			   struct slice method);
struct peer_txn *peer_request(struct party *party, const char *method, const char *headers,
			      const char *sdp);
struct peer_txn *peer_server(struct party *party, const struct flow *flow, struct slice bytes);
void peer_respond(struct peer_txn *txn, unsigned status, const char *tag, const char *headers,
		  const char *sdp);
void peer_cancel(struct peer_txn *txn);
/* Stores and sends the ACK of a client INVITE's 2xx (again when it has one). */
void peer_ack(struct peer_txn *txn, const char *sdp);
void peer_on_txn_timer(struct peer_txn *txn);
void peer_txn_response(struct peer_txn *txn, struct slice bytes);
uint32_t peer_hash(struct slice s);

/* ---- behaviour ---- */
void party_response(struct party *party, struct peer_txn *txn, struct slice bytes);
void party_timeout(struct party *party, struct peer_txn *txn);
void party_no_ack(struct party *party, struct peer_txn *txn);
void party_act(struct party *party);
void party_reply(struct party *party, struct peer_txn *txn);

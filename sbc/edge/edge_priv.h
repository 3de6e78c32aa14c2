/* SPDX-License-Identifier: MIT
 * What edge's files share. Connections live in a pool and are named by handles; one that ends is
 * marked, and freed at the end of the turn, since its bytes may be in a caller's hands. */
#pragma once

#include "lib/base/map.h"
#include "lib/net/net.h"
#include "sbc/edge/edge.h"
#include "sbc/edge/frame.h"
#include "sbc/edge/source.h"

#define EDGE_SENT 4096u /* datagrams that an ICMP error can still be matched with */

struct listener {
	struct list link; /* edge->listeners */
	struct edge *edge;
	struct loop_io io;
	struct loop_timer pause; /* streams: no file descriptors were left */
	enum sip_transport transport;
	struct endpoint local;
	uint16_t number;
	struct net_queue *queue; /* UDP */
};

/* Who is told when bytes do not arrive: on a connection's list, then on edge->failures. */
struct waiter {
	struct list link;
	struct handle self;
	struct flow flow;
	struct handle txn;
	uint64_t end_byte; /* of the stream: taken beyond it, the message has arrived */
	char *request;     /* a copy, owned; NULL: it is no request, or went a second time */
	size_t request_len;
	bool again;        /* the peer ended the connection: it is to be sent over another */
	enum err err;
};

enum conn_state {
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_CLOSING, /* reads are thrown away, writes go on */
	CONN_LINGER,  /* our half is closed; until the peer closes or the time is up */
	CONN_DEAD,
};

struct conn {
	struct edge *edge;
	struct handle self;
	enum conn_state state;
	struct flow flow; /* as messages of this connection are handed up */
	struct loop_io io;
	struct loop_timer timer;
	enum frame_phase timed_phase; /* what the timer runs for */
	struct net_stream stream;
	struct frame frame;
	struct map_node by_remote;
	struct map_node by_source;
	struct list dirty;   /* edge->dirty: to be written at the end of the turn */
	struct list dead;    /* edge->dead */
	struct list waiters; /* in order of end_byte */
	struct bucket pongs;
	bool known;
};

struct sent {
	uint64_t hash; /* of the datagram's first bytes; 0: none */
	struct handle txn;
};

struct edge {
	struct loop *loop;
	struct edge_limits limits;
	struct edge_events events;
	struct hash_key key;
	bool reuse_port;
	uint8_t dscp;
	struct loop_hook hook;
	struct edge_counters counters;
	struct net_batch *batch;
	struct list listeners;
	uint16_t last_number;
	int reserve_fd; /* given up for a moment when no other is left */
	struct pool conns;
	struct map by_remote;
	struct map by_source;
	struct pool waiters;
	struct list failures;
	struct list dirty;
	struct list dead;
	struct source_table *sources;
	struct bucket unknown;
	struct sent sent[EDGE_SENT];
};

/* The owner is told at the end of the turn. */
void edge_fail(struct edge *edge, const struct flow *flow, struct handle txn, enum err err);
/* The guards before the parser; false: it is to be dropped, and was counted. *ret_known: a peer. */
bool edge_admit(struct edge *edge, const struct flow *flow, bool *ret_known);

/* Makes the send queue of a UDP listener. */
must_use enum err edge_udp_queue(struct listener *listener);

struct listener *listener_find(const struct edge *edge, uint16_t number);
void listener_close(struct listener *listener);

void conn_accept(struct listener *listener, int fd, const struct endpoint *remote);
/* again: it went over a connection that broke; it is not kept for a third time. */
void conn_send(struct edge *edge, const struct flow *flow, struct slice bytes, struct handle txn,
	       bool again);
void conn_shut(struct conn *conn);
/* Ends it now; what has not arrived failed with err, or goes another way. */
void conn_kill(struct conn *conn, enum err err);
void conn_flush(struct conn *conn);
void conn_free(struct conn *conn);

/* Notes a message that was queued to the end of the connection's stream. */
void waiter_add(struct conn *conn, const struct flow *flow, struct slice bytes, struct handle txn,
		bool again);
/* Lets those go whose bytes have arrived. */
void waiters_settle(struct conn *conn);
/* The connection ends: the others move to edge->failures. */
void waiters_fail(struct conn *conn, enum err err);
/* Tells of all failures, or sends again what may be. */
void waiters_tell(struct edge *edge);
/* Forgets all failures: nobody is told. */
void waiters_drop(struct edge *edge);

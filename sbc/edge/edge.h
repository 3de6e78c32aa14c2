/* SPDX-License-Identifier: MIT
 * SIP's sockets, one edge for each worker: listeners, connections, framing, and the guards that stand
 * before the parser. Whole messages go up with the flow they came by; bytes come down with the flow
 * they shall take. Nothing here understands SIP beyond where a message ends.
 *
 * Callbacks come from the loop's handlers. They may call edge_send and edge_close, never
 * edge_set_listeners or edge_destroy. What is sent leaves at the end of the turn. */
#pragma once

#include "lib/base/hash.h"
#include "lib/loop/loop.h"
#include "sbc/effect/effect.h"
#include "sbc/sip/sip.h"

struct edge;

/* What the owner knows about a source, before a byte of it is parsed. */
enum edge_filter {
	EDGE_DROP,    /* silence; a connection is closed */
	EDGE_UNKNOWN, /* let through on the budget of unknown sources */
	EDGE_KNOWN,   /* a peer of ours: no budget here, and the reserve of connections is for it */
};

struct edge_events {
	/* Asked for each datagram, connection and stream message; must be quick. NULL: all unknown.
	 * flow->connection is not set while a connection is being accepted. */
	enum edge_filter (*filter)(void *owner, const struct flow *flow);
	/* A whole message (never empty, no CRLFs before it). bytes: during the call. */
	void (*message)(void *owner, const struct flow *flow, struct slice bytes);
	/* A stream whose framing is broken (RFC 3261 18.3): answer the request whose header part is
	 * `head` once, with `status`, by edge_send during this call; then the connection is closed.
	 * why: [a-z_]+. */
	void (*malformed)(void *owner, const struct flow *flow, struct slice head, uint16_t status,
			  const char *why);
	/* What was given to edge_send with `txn` did not go, or ICMP said that it did not arrive.
	 * Never from within edge_send: at the end of the turn, before what is queued leaves. */
	void (*failed)(void *owner, const struct flow *flow, struct handle txn, enum err err);
	void *owner;
};

struct edge_limits {
	uint32_t max_message_bytes;   /* of a stream's message */
	uint32_t connections;         /* in all */
	uint32_t connections_reserve; /* of these, only for known peers; at most a quarter counts */
	uint32_t connections_per_ip;  /* of an unknown source (IPv6: a /64) */
	uint32_t queue_bytes;         /* that a peer may leave unread */
	uint32_t connect_ms;
	uint32_t head_ms;             /* from a message's first byte to its empty line */
	uint32_t body_ms;             /* from there to its end */
	uint32_t idle_unknown_ms;
	uint32_t idle_known_ms;
	uint32_t linger_ms;           /* for a closing peer to take the last answer */
	uint32_t sources;             /* unknown sources that are told apart; then the oldest goes */
	uint32_t source_per_s;        /* messages of one unknown source (IPv6: a /64) */
	uint32_t source_burst;
	uint32_t unknown_per_s;       /* messages of all unknown sources */
	uint32_t unknown_burst;
};
extern const struct edge_limits edge_limits_default;

#define EDGE_COUNTERS(X)                                                                           \
	X(received, "messages handed up")                                                          \
	X(sent, "messages taken for sending")                                                      \
	X(noise, "datagrams that cannot be SIP: empty, CRLF, NUL, STUN, a few bytes")               \
	X(filtered, "messages and connections of sources that get silence")                        \
	X(source_limited, "messages over the rate of their unknown source")                        \
	X(unknown_limited, "messages over the rate of all unknown sources")                        \
	X(sources_evicted, "unknown sources forgotten for newer ones")                             \
	X(send_dropped, "datagrams that the kernel had no room for")                               \
	X(send_failed, "messages that could not be sent")                                          \
	X(sent_again, "requests sent again because the peer ended their connection")               \
	X(icmp_errors, "ICMP errors to datagrams of ours")                                         \
	X(accepted, "connections accepted")                                                        \
	X(connected, "connections opened by us")                                                   \
	X(connect_failed, "connections that could not be opened")                                  \
	X(refused_total, "connections over the limit")                                             \
	X(refused_per_ip, "connections over the limit of their address")                           \
	X(refused_files, "connections closed for want of file descriptors")                        \
	X(closed_head_timeout, "connections whose header part came too slowly")                    \
	X(closed_body_timeout, "connections whose body came too slowly")                           \
	X(closed_idle, "connections closed after silence")                                         \
	X(closed_malformed, "connections whose framing was broken")                                \
	X(closed_slow_reader, "connections whose peer does not read")                              \
	X(closed_by_peer, "connections that the peer ended")                                       \
	X(pings, "keepalive pings (RFC 5626)")                                                     \
	X(pings_limited, "pings left unanswered, being too many")

struct edge_counters {
#define X(name, help) uint64_t name;
	EDGE_COUNTERS(X)
#undef X
};

/* limits NULL: the defaults. hash_key: secret. reuse_port: other workers bind the same endpoints. */
struct edge_config {
	struct loop *loop;
	const struct edge_limits *limits;
	struct edge_events events;
	struct hash_key hash_key;
	bool reuse_port;
	uint8_t dscp;
};
must_use enum err edge_create(const struct edge_config *config, struct edge **ret);
void edge_destroy(struct edge **edge);

struct edge_listener {
	enum sip_transport transport; /* SIP_UDP, SIP_TCP; others: ERR_UNSUPPORTED */
	struct endpoint local;
};
/* Opens what is in the list and not open, closes what is open and not in the list; the rest is not
 * touched. All or nothing: on an error *ret_failed is the index of what could not be opened, and what
 * was open before still is (only where a listener had to go first to make room for another, it is
 * gone: give the old list again). A listener's number goes up with each one opened, so workers that
 * are given the same lists number alike. Connections of a closed listener live on. */
must_use enum err edge_set_listeners(struct edge *edge, const struct edge_listener *list,
				     size_t count, size_t *ret_failed);
/* The number of an open listener. False: there is none. */
bool edge_listener_find(const struct edge *edge, enum sip_transport transport,
			const struct endpoint *local, uint16_t *ret_number);

/* Takes a message for sending (copied). UDP: flow->listener to flow->remote. Streams: the connection
 * of the flow while it is open, else an open one to flow->remote, else a new one there; so for a
 * response flow->remote is where RFC 3261 18.2.2 sends it when the connection is gone.
 * A request that the peer's system had not acknowledged when the peer ended the connection goes once
 * more, over another. Failures come to events.failed when txn is a handle. */
void edge_send(struct edge *edge, const struct flow *flow, struct slice bytes, struct handle txn);

/* Closes a connection at the end of the turn, after what is queued was sent. */
void edge_close(struct edge *edge, struct handle connection);

const struct edge_counters *edge_counters(const struct edge *edge);
/* In order of EDGE_COUNTERS; NULL behind the last. */
const char *edge_counter_name(unsigned index);
const char *edge_counter_help(unsigned index);
uint32_t edge_connections(const struct edge *edge);

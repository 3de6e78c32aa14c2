/* SPDX-License-Identifier: MIT
 * Sockets: UDP in batches both ways, and TCP streams with bounded queues. Non-blocking throughout.
 * A wake-up costs one recvmmsg for up to a batch of datagrams; what a turn sends leaves in one
 * sendmmsg for each socket at its end. Nothing here knows a protocol, a loop or a clock. */
#pragma once

#include "lib/base/addr.h"

#define NET_BATCH 64u            /* datagrams of one receive */
#define NET_DATAGRAM_BYTES 65536u /* more than UDP carries: nothing is ever truncated */

/* ---- UDP sockets ---- */
struct net_udp_options {
	bool reuse_port;      /* SO_REUSEPORT: one socket for each worker on one endpoint */
	uint8_t dscp;         /* 0-63 */
	uint32_t receive_buffer_bytes; /* 0: 4 MiB */
};

/* Bound; IPv6 sockets take IPv6 only; ICMP errors are queued (IP_RECVERR). -errno. */
must_use enum err net_udp_open(const struct endpoint *local, const struct net_udp_options *options,
			       int *ret_fd);
/* What a socket is bound to (port 0 was asked for). */
must_use enum err net_local(int fd, struct endpoint *ret);

/* ---- receiving datagrams ---- */
struct net_batch;

struct net_datagram {
	struct slice bytes; /* until the next net_receive of this batch */
	struct endpoint remote;
};

/* One for a worker: 64 buffers of 64 KiB, of which only what was ever filled takes memory. */
must_use enum err net_batch_create(struct net_batch **ret);
void net_batch_destroy(struct net_batch **batch);

/* One recvmmsg. The number of datagrams; 0: nothing there, or an ICMP error is pending (see
 * net_udp_errors). Fewer than NET_BATCH: the socket is empty, no second call is needed. */
unsigned net_receive(struct net_batch *batch, int fd);
const struct net_datagram *net_datagram(const struct net_batch *batch, unsigned index);

/* ---- sending datagrams ---- */
struct net_send_failure {
	struct endpoint remote;
	struct slice bytes; /* of ICMP: as much of the datagram as the router gave back; until return */
	uint64_t tag;       /* of a local failure: the datagram's; of ICMP: 0 */
	bool icmp;
	enum err err; /* -ECONNREFUSED, -EHOSTUNREACH, … */
};
typedef void net_failure_fn(void *owner, const struct net_send_failure *failure);

struct net_queue; /* of one socket */

/* fd stays the caller's. on_failure may queue more datagrams. */
must_use enum err net_queue_create(int fd, net_failure_fn *on_failure, void *owner,
				   struct net_queue **ret);
/* What is queued is lost. */
void net_queue_destroy(struct net_queue **queue);

/* Copies a datagram into the queue; a full queue is flushed first. ERR_LIMIT: longer than UDP
 * carries. */
must_use enum err net_queue_add(struct net_queue *queue, const struct endpoint *remote,
				struct slice bytes, uint64_t tag);
/* Sends what is queued. When the kernel's buffer is full the rest is dropped and counted, as the
 * network might have done (RFC 3261 retransmits); other failures go to on_failure. */
void net_queue_flush(struct net_queue *queue);
uint64_t net_queue_dropped(const struct net_queue *queue);

/* Reads the ICMP errors of a socket (on EPOLLERR), each to on_failure. */
void net_udp_errors(struct net_queue *queue);

/* ---- TCP ---- */
must_use enum err net_tcp_listen(const struct endpoint *local, bool reuse_port, int *ret_fd);
/* ERR_AGAIN: none is waiting. -EMFILE, -ENFILE: see sbc/edge for the way out. */
must_use enum err net_tcp_accept(int fd, int *ret_fd, struct endpoint *ret_remote);
/* Begins to connect. local: the source address (its port is not used), or NULL. */
must_use enum err net_tcp_connect(const struct ip_addr *local, const struct endpoint *remote,
				  int *ret_fd);
/* How the connecting ended, once the socket is writable: OK or -errno. */
must_use enum err net_tcp_connected(int fd);

/* ---- streams ---- */
struct net_stream {
	int fd;
	char *in; /* received and not consumed: in[in_at … in_len) */
	size_t in_at;
	size_t in_len;
	size_t in_cap;
	char *out;
	size_t out_at;
	size_t out_len;
	size_t out_cap;
	size_t out_limit_bytes;
	uint64_t queued_bytes;  /* ever taken into the write queue */
	uint64_t written_bytes; /* ever given to the kernel */
};

#define NET_STREAM_OUT_BYTES (256u * 1024)

/* Takes over fd. No memory is held while both queues are empty. */
void net_stream_init(struct net_stream *stream, int fd, size_t out_limit_bytes);
/* Closes fd. */
void net_stream_fini(struct net_stream *stream);

/* One read(2) of at most `max_held` bytes less what is held. OK: there is more input; ERR_AGAIN;
 * ERR_CLOSED: the peer's end; ERR_LIMIT: max_held bytes are held already; ERR_NOMEM; -errno. */
must_use enum err net_stream_read(struct net_stream *stream, size_t max_held);
/* What is held, until the next read or consume. */
struct slice net_stream_input(const struct net_stream *stream);
void net_stream_consume(struct net_stream *stream, size_t len);

/* Queues a copy. ERR_LIMIT: the peer does not read, close it; ERR_NOMEM. Nothing is taken then. */
must_use enum err net_stream_write(struct net_stream *stream, struct slice bytes);
/* OK: all is written; ERR_AGAIN: wait until it is writable; -errno. */
must_use enum err net_stream_flush(struct net_stream *stream);
/* How many of the written bytes the peer's system has acknowledged; also true of a connection that broke,
 * until its fd is closed. Linux (SIOCOUTQ). */
uint64_t net_stream_taken(const struct net_stream *stream);
static inline bool net_stream_pending(const struct net_stream *stream)
{
	return stream->out_len > stream->out_at;
}

/* SPDX-License-Identifier: MIT
 * The ways in and out: local ports, datagrams that arrive at them, datagrams that leave from them.
 * What bytes mean is not known here. This is the way that always works, a UDP socket for each port on
 * the worker's loop; the fastpath room has the two that go around sockets.
 *
 * A port costs four system calls to open, so the caller keeps ports open over several uses. One that
 * is not in use still listens, so that nothing waits in its socket when it is used again: what comes
 * is dropped and counted, and a port that is sprayed gets a filter that drops in the kernel.
 *
 * A peer that is sent to, and that alone is heard for a while, gets a second socket at the same port,
 * connected to it: for that one the kernel keeps the routes both ways instead of looking them up for
 * each datagram. Everybody else still arrives at the first socket, and is told to the user alike. Where
 * the kernel has io_uring (uring.h) these second sockets go by it, or the first one where there is no
 * second to be had. */
#pragma once

#include "lib/base/addr.h"
#include "lib/loop/loop.h"

#define IO_DATAGRAM_MAX_BYTES 65535u
#define IO_ROOM_BYTES 32u /* behind each datagram, for what its receiver adds */

#define IO_STEADY 50u /* datagrams of one peer after which it gets a socket: a second of voice */

struct io;
struct uring;

union io_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* One local port; embedded in its owner, which must not move it. Zeroed: not open. */
struct io_port {
	struct loop_io watch;
	struct io *io;
	struct endpoint local;
	void *flow; /* the user's; NULL: not in use */
	struct loop_io direct; /* the second socket, connected to the peer; fd -1: the ring alone has it */
	struct endpoint peer;  /* who is sent to, mostly; family none: nobody yet */
	union io_address peer_address; /* the same for the kernel */
	uint32_t seat; /* in the ring, of the second socket, or of the first one alone; 0: both are watched */
	uint64_t steady_ms; /* when the last of these came */
	uint8_t steady; /* datagrams of the peer alone, without a long pause, up to IO_STEADY */
	uint8_t elsewhere; /* datagrams that were sent to others since the last one to the peer */
	uint32_t stray; /* datagrams since it is not in use */
	uint8_t dscp;
	bool connected; /* there is a second socket */
	bool alone; /* without the ring, until it is used anew */
	bool deaf; /* the filter is on */
	bool used; /* by a session, since it was opened */
	bool open;
};

struct io_datagram {
	struct io_port *port;
	void *flow;
	unsigned char *bytes; /* the receiver's until it returns, and IO_ROOM_BYTES behind them */
	size_t len;
	struct endpoint source;
	uint64_t arrival_us; /* monotonic */
};

typedef void io_datagram_fn(void *owner, const struct io_datagram *datagram);
/* A datagram for this flow (NULL: of a port not in use) may come at once. */
typedef void io_expect_fn(const void *flow);

/* One for each worker. */
struct io {
	struct loop *loop;
	io_datagram_fn *fn;
	void *owner;
	io_expect_fn *expect; /* NULL, or set after io_init: called while the kernel is asked for it */
	uint64_t stray;       /* datagrams to ports not in use */
	uint64_t send_failed; /* the kernel did not take it */
	uint64_t too_long;    /* for the ring's buffers; the port then does without the ring */
	uint32_t direct;      /* ports with a second socket */
	struct uring *uring;  /* NULL: none */
	int direct_fd_max;    /* above it descriptors are left to new calls; negative: no second sockets */
	unsigned char *buffer;
};

/* fn gets every datagram to a port in use. */
must_use enum err io_init(struct io *io, struct loop *loop, io_datagram_fn *fn, void *owner);
void io_fini(struct io *io);
/* From now on io_uring is used. Called in the thread that the loop runs in, as all of this
 * room is then. ERR_UNSUPPORTED, -EPERM, -ENOSYS …: not here, all goes on without. */
must_use enum err io_start_uring(struct io *io);

/* -EADDRINUSE, -EADDRNOTAVAIL, -EMFILE … */
must_use enum err io_port_open(struct io *io, struct io_port *port, const struct endpoint *local,
			       uint8_t dscp);
void io_port_close(struct io_port *port);

/* From now on datagrams are flow's; those that came before are gone. */
void io_port_use(struct io_port *port, void *flow, uint8_t dscp);
void io_port_rest(struct io_port *port);

/* Sends at once. */
void io_send(struct io_port *port, const struct endpoint *to, const void *bytes, size_t len);
/* Sends on the datagram that is being handled, by its last turn here: where it lies, and with those that
 * came beside it. It is not to be changed any more. Order is kept with io_send. */
void io_forward(struct io_port *port, const struct endpoint *to, const unsigned char *bytes,
		size_t len);

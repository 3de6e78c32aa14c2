/* SPDX-License-Identifier: MIT
 * The ways in and out: local ports, datagrams that arrive at them, datagrams that leave from them.
 * What bytes mean is not known here. Today there is one way, a UDP socket for each port on the
 * worker's loop; others (AF_XDP, the kernel) stand behind the same five calls.
 *
 * A port costs four system calls to open, so the caller keeps ports open over several uses. One that
 * is not in use still listens, so that nothing waits in its socket when it is used again: what comes
 * is dropped and counted, and a port that is sprayed gets a filter that drops in the kernel. */
#pragma once

#include "lib/base/addr.h"
#include "lib/loop/loop.h"

#define IO_DATAGRAM_MAX_BYTES 65535u
#define IO_ROOM_BYTES 32u /* behind each datagram, for what its receiver adds */

struct io;

/* One local port; embedded in its owner, which must not move it. Zeroed: not open. */
struct io_port {
	struct loop_io watch;
	struct io *io;
	struct endpoint local;
	void *flow; /* the user's; NULL: not in use */
	uint32_t stray; /* datagrams since it is not in use */
	uint8_t dscp;
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

/* One for each worker. */
struct io {
	struct loop *loop;
	io_datagram_fn *fn;
	void *owner;
	uint64_t stray;       /* datagrams to ports not in use */
	uint64_t send_failed; /* the kernel did not take it */
	unsigned char *buffer;
};

/* fn gets every datagram to a port in use. */
must_use enum err io_init(struct io *io, struct loop *loop, io_datagram_fn *fn, void *owner);
void io_fini(struct io *io);

/* -EADDRINUSE, -EADDRNOTAVAIL, -EMFILE … */
must_use enum err io_port_open(struct io *io, struct io_port *port, const struct endpoint *local,
			       uint8_t dscp);
void io_port_close(struct io_port *port);

/* From now on datagrams are flow's; those that came before are gone. */
void io_port_use(struct io_port *port, void *flow, uint8_t dscp);
void io_port_rest(struct io_port *port);

/* Sends at once. */
void io_send(struct io_port *port, const struct endpoint *to, const void *bytes, size_t len);

/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "media-relay/io/io.h"
#include "media-relay/io/uring.h"

/* ---- udp.c ---- */

uint64_t io_now_us(void);
/* One datagram, told to the port's user or dropped. False: there was none, or an error. */
bool io_port_receive(struct io_port *port, int fd);
must_use enum err io_port_bind(const struct io_port *port, int fd);
/* The port's DSCP on this socket. */
void io_port_mark(const struct io_port *port, int fd);

/* ---- direct.c ---- */

/* Makes the socket for the peer, which was the only one heard for a while. When there is none to be
 * had everything goes on as before, and it is tried again after as many datagrams. */
void io_port_connect(struct io_port *port);
/* What waits in it is lost. Harmless without one. */
void io_port_disconnect(struct io_port *port);
static inline bool io_port_has_direct(const struct io_port *port)
{
	return port->direct.events != 0 || port->seat != 0;
}
/* Out of the ring: it is watched as any other. */
void io_port_alone(struct io_port *port);
bool io_port_send_direct(struct io_port *port, const void *bytes, size_t len);

/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "media-relay/io/io.h"
#include "media-relay/io/uring.h"

/* ---- udp.c ---- */

uint64_t io_now_us(void);
/* One datagram, told to the port's user or dropped. False: there was none, or an error. */
bool io_port_receive(struct io_port *port, int fd);
/* Tells the port's user of one that was received, or drops it; IO_ROOM_BYTES are behind it. */
void io_port_tell(struct io_port *port, const union io_address *from, unsigned char *bytes,
		  size_t len, uint64_t arrival_us);
must_use enum err io_port_bind(const struct io_port *port, int fd);
/* The port's DSCP on this socket. */
void io_port_mark(const struct io_port *port, int fd);
static inline socklen_t io_address_len(const union io_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}
/* To port->peer by a system call of its own, the second socket or the first. */
bool io_port_send_peer(const struct io_port *port, const void *bytes, size_t len);

/* ---- direct.c ---- */

/* Makes the socket for the peer, which was the only one heard for a while. When there is none to be had
 * the first one goes by the ring; when that is not to be had either everything goes on as before, and it
 * is tried again after as many datagrams. */
void io_port_connect(struct io_port *port);
/* What waits in the second socket is lost. Harmless without one. */
void io_port_disconnect(struct io_port *port);
/* The first socket out of the ring; what was received by then is lost. Harmless outside. */
void io_port_leave(struct io_port *port);
/* Without the ring for as long as this use of the port lasts. */
void io_port_alone(struct io_port *port);
bool io_port_send_direct(const struct io_port *port, const void *bytes, size_t len);

/* SPDX-License-Identifier: MIT
 * The second socket of a port, connected to its peer, and which of the two goes by the ring. What makes it
 * hard is that two sockets have one port for a moment before the second is connected: what reached it by
 * then may be anybody's, so every datagram's source is looked at here, too, and never taken from the
 * connection. */
#include "media-relay/io/io_priv.h"

#include <errno.h>
#include <unistd.h>

#define CATCH_UP 64u /* datagrams that may wait in the first socket by then */

static void on_readable(struct loop *loop, void *owner, uint32_t events)
{
	struct io_port *port = owner;

	(void)loop;
	(void)events;
	(void)io_port_receive(port, port->direct.fd);
}

static bool share(int fd, int yes)
{
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0;
}

/* Both have the port only because both say so; afterwards nobody else can have it. */
static bool join(const struct io_port *port, int fd)
{
	const union io_address *peer = &port->peer_address;
	bool bound = share(port->watch.fd, 1) && share(fd, 1) && io_port_bind(port, fd) == OK;

	(void)share(port->watch.fd, 0);
	(void)share(fd, 0);
	return bound && connect(fd, &peer->any, io_address_len(peer)) == 0;
}

/* Calls need descriptors first, but one that the ring takes is only lent. */
static bool may_have(const struct io *io, int fd)
{
	return fd <= io->direct_fd_max ||
	       (io->direct_fd_max >= 0 && io->uring && uring_can_hold(io->uring));
}

/* port->connected says whether there is one now. */
static void open_direct(struct io_port *port)
{
	int fd = socket(port->peer_address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	port->direct = (struct loop_io){ .fd = fd, .fn = on_readable, .owner = port };
	io_port_mark(port, fd);
	port->connected = may_have(port->io, fd) && join(port, fd) &&
			  loop_watch(port->io->loop, &port->direct, EPOLLIN) == OK;
	if (port->connected)
		port->io->direct++;
	else
		close(fd);
}

/* What waits there is told. False: there may be more, or the second socket is gone: who is told may have
 * turned to another peer. */
static bool catch_up(struct io_port *port, int fd)
{
	for (unsigned i = 0; i < CATCH_UP; i++)
		if (!io_port_receive(port, fd))
			return true;
		else if (!port->connected)
			return false;
	return false;
}

/* Of the second socket nothing from before its connection is left in it, so a ring need not look where
 * its datagrams are from. */
static bool may_join(struct io_port *port)
{
	return !port->connected ||
	       (catch_up(port, port->watch.fd) && /* what came before goes before */
		catch_up(port, port->direct.fd));
}

static struct loop_io *ring_side(struct io_port *port)
{
	return port->connected ? &port->direct : &port->watch;
}

void io_port_connect(struct io_port *port)
{
	struct io *io = port->io;

	port->steady = 0;
	if (port->connected || port->seat != 0)
		return;
	open_direct(port);
	if (!may_join(port) || !io->uring || port->alone || !uring_join(io->uring, port))
		return;
	loop_forget(io->loop, ring_side(port));
	if (!port->connected || !uring_holds(io->uring, port))
		return;
	close(port->direct.fd);
	port->direct.fd = -1;
}

void io_port_leave(struct io_port *port)
{
	if (port->seat == 0)
		return;
	/* Otherwise nobody would tell what comes to the first one: it is better off where it is. */
	if (loop_watch(port->io->loop, &port->watch, EPOLLIN) == OK)
		uring_leave(port->io->uring, port);
}

void io_port_alone(struct io_port *port)
{
	port->alone = true;
	if (port->connected)
		io_port_disconnect(port);
	else
		io_port_leave(port);
}

void io_port_disconnect(struct io_port *port)
{
	port->steady = 0;
	if (!port->connected)
		return;
	if (port->seat != 0)
		uring_leave(port->io->uring, port);
	if (port->direct.fd >= 0) {
		loop_forget(port->io->loop, &port->direct);
		close(port->direct.fd);
	}
	port->connected = false;
	port->io->direct--;
}

bool io_port_send_direct(const struct io_port *port, const void *bytes, size_t len)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (send(port->direct.fd, bytes, len, flags) >= 0)
		return true;
	/* Said of an earlier datagram (ICMP); this one was not even tried. */
	return errno == ECONNREFUSED && send(port->direct.fd, bytes, len, flags) >= 0;
}

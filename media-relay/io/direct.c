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

/* port->connected says whether there is one now. */
static void open_direct(struct io_port *port)
{
	int fd = socket(port->peer_address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	port->direct = (struct loop_io){ .fd = fd, .fn = on_readable, .owner = port };
	io_port_mark(port, fd);
	port->connected = fd <= port->io->direct_fd_max && join(port, fd) &&
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
	if (may_join(port) && io->uring && !port->alone && uring_join(io->uring, port))
		loop_forget(io->loop, ring_side(port));
}

void io_port_leave(struct io_port *port)
{
	if (port->seat == 0)
		return;
	/* Otherwise nobody would tell what comes to the first one: it is better off where it is. */
	if (loop_watch(port->io->loop, ring_side(port), EPOLLIN) == OK || port->connected)
		uring_leave(port->io->uring, port);
}

void io_port_alone(struct io_port *port)
{
	port->alone = true;
	io_port_leave(port);
	if (port->connected && port->direct.events == 0)
		io_port_disconnect(port);
}

void io_port_disconnect(struct io_port *port)
{
	port->steady = 0;
	if (!port->connected)
		return;
	if (port->seat != 0)
		uring_leave(port->io->uring, port);
	loop_forget(port->io->loop, &port->direct);
	close(port->direct.fd);
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

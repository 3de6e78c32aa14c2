/* SPDX-License-Identifier: MIT
 * The second socket of a port, connected to its peer. What makes it hard is that two sockets have one
 * port for a moment before the second is connected: what reached it by then may be anybody's, so every
 * datagram's source is looked at here, too, and never taken from the connection. */
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
	return bound && connect(fd, &peer->any,
				peer->any.sa_family == AF_INET6 ? sizeof(peer->v6)
								: sizeof(peer->v4)) == 0;
}

/* The connection holds a socket that is closed when it is not had. */
static bool open_direct(struct io_port *port)
{
	int fd = socket(port->peer_address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	port->direct = (struct loop_io){ .fd = fd, .fn = on_readable, .owner = port };
	io_port_mark(port, fd);
	if (fd <= port->io->direct_fd_max && join(port, fd) &&
	    loop_watch(port->io->loop, &port->direct, EPOLLIN) == OK)
		return true;
	close(fd);
	return false;
}

/* What waits there is told. False: there may be more, or the second socket is gone: who is told may have
 * turned to another peer. */
static bool catch_up(struct io_port *port, int fd)
{
	for (unsigned i = 0; i < CATCH_UP; i++)
		if (!io_port_receive(port, fd))
			return true;
		else if (port->direct.events == 0)
			return false;
	return false;
}

void io_port_connect(struct io_port *port)
{
	bool caught_up;

	port->steady = 0;
	if (io_port_has_direct(port) || !open_direct(port))
		return;
	port->io->direct++;
	/* What came before goes before. */
	caught_up = catch_up(port, port->watch.fd) && catch_up(port, port->direct.fd);
	/* Nobody else's datagrams are in there any more, so a ring need not look where they are from. */
	if (port->io->uring && caught_up && uring_join(port->io->uring, port))
		loop_forget(port->io->loop, &port->direct);
}

void io_port_alone(struct io_port *port)
{
	uring_leave(port->io->uring, port);
	if (loop_watch(port->io->loop, &port->direct, EPOLLIN) == OK)
		return;
	close(port->direct.fd);
	port->io->direct--;
}

void io_port_disconnect(struct io_port *port)
{
	port->steady = 0;
	if (!io_port_has_direct(port))
		return;
	if (port->seat != 0)
		uring_leave(port->io->uring, port);
	loop_forget(port->io->loop, &port->direct);
	close(port->direct.fd);
	port->io->direct--;
}

bool io_port_send_direct(struct io_port *port, const void *bytes, size_t len)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (send(port->direct.fd, bytes, len, flags) >= 0)
		return true;
	/* Said of an earlier datagram (ICMP); this one was not even tried. */
	return errno == ECONNREFUSED && send(port->direct.fd, bytes, len, flags) >= 0;
}

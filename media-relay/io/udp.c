/* SPDX-License-Identifier: MIT
 * UDP sockets. A media socket rarely holds two packets, so each readiness is one receive; level
 * triggering brings the rest, and saves the receive that would only say "no more".
 * lint: owns storage because the receive buffer lives as long as its worker. */
#include "media-relay/io/io_priv.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STRAY_LIMIT 16u     /* then the filter */
#define DRAIN_LIMIT 1024u   /* datagrams that may wait in one socket */
#define PAUSE_MS 1000u      /* RTCP alone is not worth a socket */
#define ELSEWHERE_LIMIT 8u  /* answers to checks go to others; media does not change its mind so often */

enum err io_init(struct io *io, struct loop *loop, io_datagram_fn *fn, void *owner)
{
	struct rlimit files = { .rlim_cur = 0 };

	*io = (struct io){ .loop = loop, .fn = fn, .owner = owner };
	/* A call that cannot be had is worse than one that costs a little more. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		io->direct_fd_max = files.rlim_cur > INT32_MAX ? INT32_MAX
							       : (int)(files.rlim_cur / 8 * 7);
	io->buffer = malloc(IO_DATAGRAM_MAX_BYTES + IO_ROOM_BYTES);
	return io->buffer ? OK : ERR_NOMEM;
}

void io_fini(struct io *io)
{
	uring_destroy(&io->uring);
	free(io->buffer);
	io->buffer = NULL;
}

enum err io_start_uring(struct io *io)
{
	return uring_create(io, true, &io->uring);
}

uint64_t io_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* Drops in the kernel what comes to a port that is not in use. */
static void port_deafen(struct io_port *port)
{
	struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop_all };

	if (setsockopt(port->watch.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
		port->deaf = true;
}

static void port_stray(struct io_port *port)
{
	port->io->stray++;
	if (++port->stray >= STRAY_LIMIT && !port->deaf)
		port_deafen(port);
}

/* Is it the one that is sent to? Flow labels and scopes are none of a peer's. */
static bool from_peer(const struct io_port *port, const union io_address *from)
{
	const union io_address *peer = &port->peer_address;

	if (from->any.sa_family != peer->any.sa_family)
		return false;
	if (from->any.sa_family == AF_INET)
		return from->v4.sin_port == peer->v4.sin_port &&
		       from->v4.sin_addr.s_addr == peer->v4.sin_addr.s_addr;
	return from->v6.sin6_port == peer->v6.sin6_port &&
	       memcmp(&from->v6.sin6_addr, &peer->v6.sin6_addr, sizeof(from->v6.sin6_addr)) == 0;
}

/* NULL: of a family that is not known. */
static const struct endpoint *source_of(struct io_port *port, const union io_address *from,
					struct endpoint *storage)
{
	struct sockaddr_storage sa;

	if (from_peer(port, from)) {
		if (port->io->loop->now_ms > port->steady_ms + PAUSE_MS)
			port->steady = 0;
		port->steady_ms = port->io->loop->now_ms;
		if (port->steady < IO_STEADY)
			port->steady++;
		return &port->peer;
	}
	port->steady = 0;
	memcpy(&sa, from, sizeof(*from));
	return endpoint_from_sockaddr(&sa, storage) == OK ? storage : NULL;
}

void io_port_tell(struct io_port *port, const union io_address *from, unsigned char *bytes,
		  size_t len, uint64_t arrival_us)
{
	struct io_datagram datagram = { .port = port,
					.flow = port->flow,
					.bytes = bytes,
					.len = len,
					.arrival_us = arrival_us };
	const struct endpoint *source;

	if (!port->flow) {
		port_stray(port);
		return;
	}
	source = source_of(port, from, &datagram.source);
	if (!source)
		return;
	if (source != &datagram.source)
		datagram.source = *source;
	port->io->fn(port->io->owner, &datagram);
}

bool io_port_receive(struct io_port *port, int fd)
{
	struct io *io = port->io;
	union io_address from = { .any = { .sa_family = AF_UNSPEC } };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	if (io->expect)
		io->expect(port->flow);
	len = recvfrom(fd, io->buffer, IO_DATAGRAM_MAX_BYTES, MSG_DONTWAIT, &from.any, &from_len);
	if (len < 0)
		return false;
	io_port_tell(port, &from, io->buffer, (size_t)len, io_now_us());
	return true;
}

static void on_readable(struct loop *loop, void *owner, uint32_t events)
{
	struct io_port *port = owner;

	(void)loop;
	(void)events;
	if (io_port_receive(port, port->watch.fd) && port->steady == IO_STEADY)
		io_port_connect(port);
}

void io_port_mark(const struct io_port *port, int fd)
{
	int tos = port->dscp << 2;

	if (port->local.ip.family == IP_V6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

static void port_set_dscp(struct io_port *port, uint8_t dscp)
{
	port->dscp = dscp;
	io_port_mark(port, port->watch.fd);
}

enum err io_port_bind(const struct io_port *port, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&port->local, &sa);
	int one = 1;

	if (port->local.ip.family == IP_V6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return err_from_errno();
	if (bind(fd, (const struct sockaddr *)&sa, len) < 0)
		return err_from_errno();
	return OK;
}

enum err io_port_open(struct io *io, struct io_port *port, const struct endpoint *local,
		      uint8_t dscp)
{
	int family = local->ip.family == IP_V6 ? AF_INET6 : AF_INET;
	enum err err;

	*port = (struct io_port){ .io = io, .local = *local };
	port->watch = (struct loop_io){ .fn = on_readable, .owner = port };
	port->watch.fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (port->watch.fd < 0)
		return err_from_errno();
	err = io_port_bind(port, port->watch.fd);
	if (err == OK)
		err = loop_watch(io->loop, &port->watch, EPOLLIN);
	if (err != OK) {
		close(port->watch.fd);
		return err;
	}
	port_set_dscp(port, dscp);
	port->open = true;
	return OK;
}

static void port_flush(const struct io_port *port)
{
	if (port->io->uring)
		uring_flush(port->io->uring);
}

void io_port_close(struct io_port *port)
{
	if (!port->open)
		return;
	io_port_disconnect(port);
	port_flush(port);
	if (port->seat != 0)
		uring_leave(port->io->uring, port);
	loop_forget(port->io->loop, &port->watch);
	close(port->watch.fd);
	*port = (struct io_port){ .open = false };
}

static void port_drain(struct io_port *port)
{
	char byte;

	for (unsigned i = 0; i < DRAIN_LIMIT; i++) {
		if (recv(port->watch.fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return;
		port->io->stray++;
	}
}

/* Whoever was sent to before. */
static void port_forget_peer(struct io_port *port)
{
	io_port_disconnect(port);
	port_flush(port); /* of what is on its way there */
	port->peer = (struct endpoint){ .ip = { .family = IP_NONE } };
	port->peer_address = (union io_address){ .any = { .sa_family = AF_UNSPEC } };
	port->elsewhere = 0;
}

void io_port_use(struct io_port *port, void *flow, uint8_t dscp)
{
	int unused = 0;

	port_forget_peer(port);
	io_port_leave(port);
	port->alone = false;
	if (port->used) /* a fresh socket holds nothing of an earlier call */
		port_drain(port);
	port->used = true;
	if (port->deaf && setsockopt(port->watch.fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
				     sizeof(unused)) == 0)
		port->deaf = false;
	if (port->dscp != dscp)
		port_set_dscp(port, dscp);
	port->stray = 0;
	port->flow = flow;
}

void io_port_rest(struct io_port *port)
{
	port_forget_peer(port);
	io_port_leave(port);
	port->flow = NULL;
}

static bool send_to(const struct io_port *port, const union io_address *to, const void *bytes,
		    size_t len)
{
	return sendto(port->watch.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL, &to->any,
		      io_address_len(to)) >= 0;
}

bool io_port_send_peer(const struct io_port *port, const void *bytes, size_t len)
{
	return port->connected && port->direct.fd >= 0 ?
		       io_port_send_direct(port, bytes, len) :
		       send_to(port, &port->peer_address, bytes, len);
}

/* To somebody who is not the peer; when it goes on like this, he is from now on. */
static bool send_elsewhere(struct io_port *port, const struct endpoint *to, const void *bytes,
			   size_t len)
{
	struct sockaddr_storage sa;
	union io_address address;

	(void)endpoint_to_sockaddr(to, &sa);
	memcpy(&address, &sa, sizeof(address));
	if (port->peer.ip.family == IP_NONE || ++port->elsewhere >= ELSEWHERE_LIMIT) {
		port_forget_peer(port);
		port->peer_address = address;
		port->peer = *to;
	}
	return send_to(port, &address, bytes, len);
}

void io_forward(struct io_port *port, const struct endpoint *to, const unsigned char *bytes,
		size_t len)
{
	if (!port->io->uring || !endpoint_eq(&port->peer, to) ||
	    !uring_send(port->io->uring, port, bytes, len))
		io_send(port, to, bytes, len);
	else
		port->elsewhere = 0;
}

void io_send(struct io_port *port, const struct endpoint *to, const void *bytes, size_t len)
{
	bool sent;

	port_flush(port);
	if (!endpoint_eq(&port->peer, to)) {
		sent = send_elsewhere(port, to, bytes, len);
	} else {
		port->elsewhere = 0;
		sent = io_port_send_peer(port, bytes, len);
	}
	if (!sent)
		port->io->send_failed++;
}

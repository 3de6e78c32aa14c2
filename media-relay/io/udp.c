/* SPDX-License-Identifier: MIT
 * UDP sockets. A media socket rarely holds two packets, so each readiness is one receive; level
 * triggering brings the rest, and saves the receive that would only say "no more".
 * lint: owns storage because the receive buffer lives as long as its worker. */
#include "media-relay/io/io.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STRAY_LIMIT 16u     /* then the filter */
#define DRAIN_LIMIT 1024u   /* datagrams that may wait in one socket */

enum err io_init(struct io *io, struct loop *loop, io_datagram_fn *fn, void *owner)
{
	*io = (struct io){ .loop = loop, .fn = fn, .owner = owner };
	io->buffer = malloc(IO_DATAGRAM_MAX_BYTES + IO_ROOM_BYTES);
	return io->buffer ? OK : ERR_NOMEM;
}

void io_fini(struct io *io)
{
	free(io->buffer);
	io->buffer = NULL;
}

static uint64_t now_us(void)
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

static void on_readable(struct loop *loop, void *owner, uint32_t events)
{
	struct io_port *port = owner;
	struct io *io = port->io;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	struct io_datagram datagram = { .port = port, .flow = port->flow, .bytes = io->buffer };
	ssize_t len = recvfrom(port->watch.fd, io->buffer, IO_DATAGRAM_MAX_BYTES, MSG_DONTWAIT,
			       (struct sockaddr *)&from, &from_len);

	(void)loop;
	(void)events;
	if (len < 0)
		return;
	if (!port->flow) {
		port_stray(port);
		return;
	}
	if (endpoint_from_sockaddr(&from, &datagram.source) != OK)
		return;
	datagram.len = (size_t)len;
	datagram.arrival_us = now_us();
	io->fn(io->owner, &datagram);
}

static void port_set_dscp(struct io_port *port, uint8_t dscp)
{
	int tos = dscp << 2;

	if (port->local.ip.family == IP_V6)
		(void)setsockopt(port->watch.fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else
		(void)setsockopt(port->watch.fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	port->dscp = dscp;
}

static enum err port_bind(const struct io_port *port)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&port->local, &sa);
	int one = 1;

	if (port->local.ip.family == IP_V6 &&
	    setsockopt(port->watch.fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return err_from_errno();
	if (bind(port->watch.fd, (const struct sockaddr *)&sa, len) < 0)
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
	err = port_bind(port);
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

void io_port_close(struct io_port *port)
{
	if (!port->open)
		return;
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

void io_port_use(struct io_port *port, void *flow, uint8_t dscp)
{
	int unused = 0;

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
	port->flow = NULL;
}

void io_send(struct io_port *port, const struct endpoint *to, const void *bytes, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);

	if (sendto(port->watch.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&sa, sa_len) < 0)
		port->io->send_failed++;
}

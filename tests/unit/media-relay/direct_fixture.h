/* SPDX-License-Identifier: MIT
 * A port on loopback, its peer and a stranger. */
#pragma once

#include "tests/support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media-relay/io/io.h"

#define PORT 24500u
#define PEER 24510u
#define STRANGER 24511u

struct fixture {
	struct loop loop;
	struct io io;
	struct io_port port;
	struct endpoint last; /* who sent */
	struct endpoint local;
	char seen;
	unsigned received;
	int peer, stranger;
	int flow;
};

static inline struct endpoint at(bool v6, uint16_t port)
{
	struct endpoint endpoint = { .ip = { IP_V4, { 127, 79, 1, 1 } }, .port = port };

	if (v6)
		endpoint.ip = (struct ip_addr){ IP_V6, { [15] = 1 } };
	return endpoint;
}

static inline int end_open(const struct endpoint *local, bool shares)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0), yes = 1;

	assert_true(fd >= 0);
	if (shares)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	close(fd);
	return -1;
}

static int expected_flow; /* what a port's user is, when its datagrams are expected first */

static inline void on_expect(const void *flow)
{
	expected_flow = flow ? *(const int *)flow + 1 : -1;
}

static inline void on_datagram(void *owner, const struct io_datagram *datagram)
{
	struct fixture *f = owner;

	assert_ptr_equal(datagram->flow, &f->flow);
	f->last = datagram->source;
	f->seen = (char)datagram->bytes[0];
	f->received++;
}

/* uring: second sockets go by it. */
static inline struct fixture *fixture_open(bool v6, bool uring)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct endpoint peer = at(v6, PEER), stranger = at(v6, STRANGER);

	assert_non_null(f);
	f->local = at(v6, PORT);
	assert_int_equal(loop_init(&f->loop), OK);
	assert_int_equal(io_init(&f->io, &f->loop, on_datagram, f), OK);
	if (uring && io_start_uring(&f->io) != OK) {
		print_message("this kernel has no io_uring, or not for us\n");
		io_fini(&f->io);
		loop_fini(&f->loop);
		free(f);
		return NULL;
	}
	assert_int_equal(io_port_open(&f->io, &f->port, &f->local, 46), OK);
	io_port_use(&f->port, &f->flow, 46);
	f->peer = end_open(&peer, false);
	f->stranger = end_open(&stranger, false);
	assert_true(f->peer >= 0 && f->stranger >= 0);
	return f;
}

static inline int setup(void **state)
{
	*state = fixture_open(false, false);
	return 0;
}

static inline int setup_v6(void **state)
{
	*state = fixture_open(true, false);
	return 0;
}

static inline int setup_uring(void **state)
{
	*state = fixture_open(false, true);
	return 0;
}

static inline int setup_uring_v6(void **state)
{
	*state = fixture_open(true, true);
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	io_port_close(&f->port);
	io_fini(&f->io);
	loop_fini(&f->loop);
	close(f->peer);
	close(f->stranger);
	free(f);
	return 0;
}

/* What a case begins with; it ends here where there is no ring. */
static inline struct fixture *opened(void *state)
{
	if (!state)
		skip();
	return state;
}

static inline void say(const struct fixture *f, int fd, char byte)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&f->local, &sa);

	assert_int_equal(sendto(fd, &byte, 1, 0, (struct sockaddr *)&sa, len), 1);
}

/* It says one datagram more, which is told. */
static inline void hear(struct fixture *f, int fd, char byte)
{
	unsigned before = f->received;

	say(f, fd, byte);
	loop_turn(&f->loop, 1000);
	assert_int_equal(f->received, before + 1);
	assert_int_equal(f->seen, byte);
}

static inline void answer(struct fixture *f, uint16_t port, char byte)
{
	struct endpoint to = at(f->local.ip.family == IP_V6, port);

	io_send(&f->port, &to, &byte, 1);
}

static inline void assert_got(int fd, char byte)
{
	char got = 0;

	assert_int_equal(recv(fd, &got, 1, 0), 1);
	assert_int_equal(got, byte);
}

/* As a call begins: the peer is sent to, and speaks. */
static inline void settle(struct fixture *f)
{
	answer(f, PEER, 'a');
	assert_got(f->peer, 'a');
	for (unsigned i = 0; i < IO_STEADY; i++)
		hear(f, f->peer, (char)('0' + i % 10));
}

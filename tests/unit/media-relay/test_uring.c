/* SPDX-License-Identifier: MIT
 * Sockets by io_uring, on loopback: what is received many at a time is sent on from where it lies, in order,
 * whole, and to nobody else; by second sockets, and by first ones. What a second socket is at all:
 * test_direct.c, with and without. */
#include "tests/unit/media-relay/direct_fixture.h"

#include <limits.h>
#include <liburing.h>
#include <sys/resource.h>

#include "media-relay/io/io_priv.h"

#define PORTS 40u
#define CROWD 2200u /* more than buffers and calls together */
#define EACH 60u /* together more than the ring has buffers */

struct relay {
	struct loop loop;
	struct io io;
	unsigned count; /* of these */
	struct io_port ports[CROWD];
	int phones[CROWD];
	struct endpoint locals[CROWD], peers[CROWD];
	unsigned received, empty;
	bool holds; /* the ring may hold sockets itself */
	bool answers; /* not from where it lies */
};

static uint16_t of(unsigned base, unsigned number)
{
	return (uint16_t)(base + 2 * number);
}

/* By the neighbour's port to the neighbour, with its last octet changed. */
static void pass_on(void *owner, const struct io_datagram *datagram)
{
	struct relay *relay = owner;
	unsigned number = (unsigned)((struct io_port *)datagram->flow - relay->ports);
	struct io_port *out = &relay->ports[number ^ 1];

	assert_true(endpoint_eq(&datagram->source, &relay->peers[number]));
	if (datagram->len == 0) {
		relay->empty++;
		return;
	}
	relay->received++;
	datagram->bytes[datagram->len - 1] ^= 0xff;
	if (relay->answers)
		io_send(out, &relay->peers[number ^ 1], "other", 5);
	io_forward(out, &relay->peers[number ^ 1], datagram->bytes, datagram->len);
}

static void send_from(int fd, const struct endpoint *to, const void *bytes, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, bytes, len, 0, (struct sockaddr *)&sa, sa_len), len);
}

static void turn_until(struct relay *relay, unsigned received)
{
	for (unsigned i = 0; i < 1000 && relay->received < received; i++)
		loop_turn(&relay->loop, 1000);
	assert_int_equal(relay->received, received);
	loop_turn(&relay->loop, 0);
}

static int relay_setup(void **state)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	assert_non_null(relay);
	assert_int_equal(loop_init(&relay->loop), OK);
	assert_int_equal(io_init(&relay->io, &relay->loop, pass_on, relay), OK);
	relay->io.direct_fd_max = INT_MAX;
	relay->holds = true;
	*state = relay;
	return 0;
}

/* As with a kernel that is not good at it. */
static int relay_setup_apart(void **state)
{
	struct relay *relay;

	(void)!relay_setup(state);
	relay = *state;
	relay->holds = false;
	return 0;
}

/* No second sockets are to be had. */
static int relay_setup_first(void **state)
{
	struct relay *relay;

	(void)!relay_setup(state);
	relay = *state;
	relay->io.direct_fd_max = -1;
	return 0;
}

/* So many can come by the ring. */
static size_t longest(const struct relay *relay)
{
	size_t envelope = sizeof(struct io_uring_recvmsg_out) + 32;

	return 2048 - IO_ROOM_BYTES - (relay->io.direct ? 0 : envelope);
}

static int relay_teardown(void **state)
{
	struct relay *relay = *state;

	for (unsigned i = 0; i < relay->count; i++) {
		io_port_close(&relay->ports[i]);
		close(relay->phones[i]);
	}
	io_fini(&relay->io);
	loop_fini(&relay->loop);
	free(relay);
	return 0;
}

/* Ports whose datagrams come by the ring; the case ends here where there is no ring. */
static struct relay *relay_open(void *state, unsigned count)
{
	struct relay *relay = state;
	char byte;

	if (uring_create(&relay->io, relay->holds, &relay->io.uring) != OK)
		skip();
	for (unsigned i = 0; i < count; i++) {
		struct io_port *port = &relay->ports[i];

		relay->locals[i] = at(false, of(10000, i));
		relay->peers[i] = at(false, of(15000, i));
		relay->phones[i] = end_open(&relay->peers[i], false);
		assert_true(relay->phones[i] >= 0);
		assert_int_equal(io_port_open(&relay->io, port, &relay->locals[i], 46), OK);
		io_port_use(port, port, 46);
		relay->count++;
		io_send(port, &relay->peers[i], "x", 1);
		assert_int_equal(recv(relay->phones[i], &byte, 1, 0), 1);
		io_port_connect(port);
		assert_true(port->seat != 0);
		if (relay->holds && uring_can_hold(relay->io.uring))
			assert_true(uring_holds(relay->io.uring, port));
	}
	assert_int_equal(relay->io.direct, relay->io.direct_fd_max < 0 ? 0 : count);
	return relay;
}

/* What a phone hears: so many, each with its number, in order. */
static void assert_heard(struct relay *relay, unsigned phone, unsigned count)
{
	unsigned char got[64];

	for (unsigned k = 0; k < count; k++) {
		assert_int_equal(recv(relay->phones[phone], got, sizeof(got), 0), 40);
		assert_int_equal(got[0], phone ^ 1);
		assert_int_equal(got[1], k);
		assert_int_equal(got[39], k ^ 0xff);
	}
	assert_int_equal(recv(relay->phones[phone], got, sizeof(got), 0), -1);
}

static void say_numbered(struct relay *relay, unsigned phone, unsigned number)
{
	unsigned char bytes[40] = { (unsigned char)phone, (unsigned char)number };

	bytes[39] = (unsigned char)number;
	send_from(relay->phones[phone], &relay->locals[phone], bytes, sizeof(bytes));
}

static void a_crowd_gets_through_in_order(void **state)
{
	struct relay *relay = relay_open(*state, PORTS);

	for (unsigned k = 0; k < EACH; k++)
		for (unsigned i = 0; i < PORTS; i++)
			say_numbered(relay, i, k);
	turn_until(relay, PORTS * EACH);
	for (unsigned i = 0; i < PORTS; i++)
		assert_heard(relay, i, EACH);
	assert_int_equal(relay->io.send_failed, 0);
}

static void descriptors(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < count)
		skip();
	limit.rlim_cur = limit.rlim_cur < count ? count : limit.rlim_cur;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void more_ports_than_buffers(void **state)
{
	struct relay *relay;

	descriptors(3 * CROWD + 64);
	relay = relay_open(*state, CROWD);
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < CROWD; i++)
			say_numbered(relay, i, k);
	turn_until(relay, 3 * CROWD);
	for (unsigned i = 0; i < CROWD; i++) {
		unsigned char got[64];

		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(recv(relay->phones[i], got, sizeof(got), 0), 40);
			assert_int_equal(got[1], k);
		}
	}
	assert_int_equal(relay->io.send_failed, 0);
}

static void what_is_sent_between_stays_between(void **state)
{
	struct relay *relay = relay_open(*state, PORTS);
	char got[64];

	relay->answers = true;
	for (unsigned k = 0; k < 10; k++)
		say_numbered(relay, 0, k);
	turn_until(relay, 10);
	for (unsigned k = 0; k < 10; k++) {
		assert_int_equal(recv(relay->phones[1], got, sizeof(got), 0), 5);
		assert_memory_equal(got, "other", 5);
		assert_int_equal(recv(relay->phones[1], got, sizeof(got), 0), 40);
		assert_int_equal(got[1], k);
	}
}

/* The ring's buffers are of a media packet's size; a longer one has its port leave. */
static void a_long_datagram_costs_one(void **state)
{
	static char bytes[9000], got[9000];
	struct relay *relay = relay_open(*state, PORTS);

	memset(bytes, 'l', sizeof(bytes));
	send_from(relay->phones[0], &relay->locals[0], bytes, sizeof(bytes));
	for (unsigned i = 0; i < 100 && relay->io.too_long == 0; i++)
		loop_turn(&relay->loop, 100);
	assert_int_equal(relay->io.too_long, 1);
	assert_int_equal(relay->received, 0);
	assert_int_equal(relay->ports[0].seat, 0);
	assert_true(relay->ports[1].seat != 0);
	send_from(relay->phones[0], &relay->locals[0], bytes, sizeof(bytes));
	turn_until(relay, 1);
	assert_int_equal(recv(relay->phones[1], got, sizeof(got), 0), sizeof(bytes));
	/* The longest that fits goes through whole, and no longer one does. */
	send_from(relay->phones[2], &relay->locals[2], bytes, longest(relay));
	turn_until(relay, 2);
	assert_int_equal(recv(relay->phones[3], got, sizeof(got), 0), longest(relay));
	assert_int_equal(relay->io.too_long, 1);
	send_from(relay->phones[2], &relay->locals[2], bytes, longest(relay) + 1);
	for (unsigned i = 0; i < 100 && relay->io.too_long == 1; i++)
		loop_turn(&relay->loop, 100);
	assert_int_equal(relay->io.too_long, 2);
	assert_int_equal(relay->io.direct, relay->io.direct_fd_max < 0 ? 0 : PORTS - 2);
	/* … and does not come back before it is used anew. */
	io_port_connect(&relay->ports[2]);
	assert_int_equal(relay->ports[2].seat, 0);
	io_port_rest(&relay->ports[2]);
	io_port_use(&relay->ports[2], &relay->ports[2], 46);
	io_send(&relay->ports[2], &relay->peers[2], "x", 1);
	io_port_connect(&relay->ports[2]);
	assert_true(relay->ports[2].seat != 0);
}

/* To the kernel it is the end of a receive. */
static void an_empty_datagram_ends_nothing(void **state)
{
	struct relay *relay = relay_open(*state, PORTS);
	char byte;

	for (unsigned k = 0; k < 3; k++) {
		send_from(relay->phones[0], &relay->locals[0], "", 0);
		send_from(relay->phones[0], &relay->locals[0], "a", 1);
		turn_until(relay, k + 1);
		assert_int_equal(recv(relay->phones[1], &byte, 1, 0), 1);
		assert_int_equal(relay->empty, k + 1);
	}
	assert_true(relay->ports[0].seat != 0);
}

/* Between two calls: nothing of the first reaches the second, and its port is free at once. */
static void who_leaves_is_not_heard_any_more(void **state)
{
	struct relay *relay = relay_open(*state, PORTS);
	struct endpoint local = relay->locals[0];
	char byte;
	int fd;

	for (unsigned k = 0; k < 5; k++) {
		say_numbered(relay, 0, k);
		say_numbered(relay, 2, k);
	}
	io_port_close(&relay->ports[0]); /* what came waits in the kernel */
	turn_until(relay, 5);
	assert_heard(relay, 3, 5);
	assert_int_equal(recv(relay->phones[1], &byte, 1, 0), -1);
	fd = end_open(&local, false);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(io_port_open(&relay->io, &relay->ports[0], &local, 46), OK);
	io_port_use(&relay->ports[0], &relay->ports[0], 46);
	say_numbered(relay, 0, 0);
	turn_until(relay, 6);
	assert_heard(relay, 1, 1);
}

static void a_phone_that_is_away_may_come_back(void **state)
{
	struct relay *relay = relay_open(*state, PORTS);

	close(relay->phones[1]);
	for (unsigned k = 0; k < 4; k++) { /* refused: the second one is told so */
		say_numbered(relay, 0, k);
		turn_until(relay, k + 1);
	}
	relay->phones[1] = end_open(&relay->peers[1], false);
	say_numbered(relay, 0, 0);
	turn_until(relay, 5);
	assert_heard(relay, 1, 1);
	say_numbered(relay, 1, 0);
	turn_until(relay, 6);
	assert_heard(relay, 0, 1);
}

#define CASE(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown),                         \
		cmocka_unit_test_setup_teardown(name, relay_setup_apart, relay_teardown),           \
		cmocka_unit_test_setup_teardown(name, relay_setup_first, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_crowd_gets_through_in_order),
		CASE(more_ports_than_buffers),
		CASE(what_is_sent_between_stays_between),
		CASE(a_long_datagram_costs_one),
		CASE(an_empty_datagram_ends_nothing),
		CASE(who_leaves_is_not_heard_any_more),
		CASE(a_phone_that_is_away_may_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

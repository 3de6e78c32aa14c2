/* SPDX-License-Identifier: MIT
 * A port with one peer that goes on talking, on loopback: it gets a socket of its own, and nobody sees
 * anything of it. */
#include "tests/unit/media-relay/direct_fixture.h"

#include "media-relay/io/uring.h"

static void the_peer_gets_a_socket_of_its_own(void **state)
{
	struct fixture *f = opened(*state);

	settle(f);
	assert_int_equal(f->io.direct, 1);
	hear(f, f->peer, 'x');
	assert_int_equal(f->last.port, PEER);
	assert_true(ip_eq(&f->last.ip, &f->local.ip));
	answer(f, PEER, 'b');
	assert_got(f->peer, 'b');
	assert_int_equal(f->io.send_failed, 0);
}

static void strangers_are_still_told(void **state)
{
	struct fixture *f = opened(*state);

	settle(f);
	hear(f, f->stranger, 's');
	assert_int_equal(f->last.port, STRANGER);
	hear(f, f->peer, 'p');
	assert_int_equal(f->last.port, PEER);
	assert_int_equal(f->io.direct, 1);
}

static void nobody_else_can_have_the_port(void **state)
{
	struct fixture *f = opened(*state);

	settle(f);
	assert_int_equal(end_open(&f->local, false), -1);
	assert_int_equal(end_open(&f->local, true), -1);
}

static void who_is_not_sent_to_gets_none(void **state)
{
	struct fixture *f = opened(*state);

	answer(f, PEER, 'a');
	for (unsigned i = 0; i < 2 * IO_STEADY; i++)
		hear(f, f->stranger, 's');
	assert_int_equal(f->io.direct, 0);
	/* Nor does the peer while somebody else speaks, too. */
	for (unsigned i = 0; i < 2 * IO_STEADY; i++) {
		hear(f, f->peer, 'p');
		if (i % 20 == 0)
			hear(f, f->stranger, 's');
	}
	assert_int_equal(f->io.direct, 0);
}

static void a_few_answers_elsewhere_change_nothing(void **state)
{
	struct fixture *f = opened(*state);

	settle(f);
	for (unsigned i = 0; i < 3; i++) {
		answer(f, STRANGER, 'c');
		assert_got(f->stranger, 'c');
		answer(f, PEER, 'd');
		assert_got(f->peer, 'd');
	}
	assert_int_equal(f->io.direct, 1);
}

static void another_peer_takes_its_place(void **state)
{
	struct fixture *f = opened(*state);

	settle(f);
	for (unsigned i = 0; i < 10; i++) {
		answer(f, STRANGER, 'e');
		assert_got(f->stranger, 'e');
	}
	assert_int_equal(f->io.direct, 0);
	hear(f, f->peer, 'p'); /* now as anybody */
	for (unsigned i = 0; i < IO_STEADY; i++)
		hear(f, f->stranger, 'n');
	assert_int_equal(f->io.direct, 1);
	answer(f, STRANGER, 'f');
	assert_got(f->stranger, 'f');
}

static void rest_ends_it(void **state)
{
	struct fixture *f = opened(*state);
	unsigned before;

	settle(f);
	before = f->received;
	io_port_rest(&f->port);
	assert_int_equal(f->io.direct, 0);
	say(f, f->peer, 'l');
	loop_turn(&f->loop, 1000);
	assert_int_equal(f->received, before);
	assert_int_equal(f->io.stray, 1);
}

static void what_waits_is_told_in_order(void **state)
{
	struct fixture *f = opened(*state);

	answer(f, PEER, 'a');
	for (unsigned i = 0; i < IO_STEADY - 1; i++)
		hear(f, f->peer, 'p');
	for (char byte = '1'; byte <= '5'; byte++)
		say(f, f->peer, byte);
	for (unsigned i = 0; i < 5 && f->received < IO_STEADY + 4; i++)
		loop_turn(&f->loop, 1000);
	assert_int_equal(f->received, IO_STEADY + 4);
	assert_int_equal(f->seen, '5');
	assert_int_equal(f->io.direct, 1);
}

/* A connected socket is told that nobody listens; the next datagram must be tried all the same. */
static void a_peer_that_is_away_may_come_back(void **state)
{
	struct fixture *f = opened(*state);
	struct endpoint peer = at(f->local.ip.family == IP_V6, PEER);

	settle(f);
	close(f->peer);
	answer(f, PEER, 'g');
	f->peer = end_open(&peer, false);
	answer(f, PEER, 'h');
	assert_got(f->peer, 'h');
	hear(f, f->peer, 'i');
	assert_int_equal(f->io.send_failed, 0);
}

static void slow_datagrams_are_not_worth_it(void **state)
{
	struct fixture *f = opened(*state);

	answer(f, PEER, 'a');
	for (unsigned i = 0; i < 2 * IO_STEADY; i++) {
		hear(f, f->peer, 'r');
		f->port.steady_ms -= 5000; /* as if it had been then */
	}
	assert_int_equal(f->io.direct, 0);
}

static void the_last_descriptors_are_for_calls(void **state)
{
	struct fixture *f = opened(*state);

	f->io.direct_fd_max = 2;
	settle(f);
	/* Unless the ring takes the socket and gives the descriptor back. */
	assert_int_equal(f->io.direct, f->io.uring && uring_can_hold(f->io.uring));
	assert_int_equal(f->port.connected, f->io.direct);
	assert_true(!f->port.connected || f->port.direct.fd == -1);
	hear(f, f->peer, 'p');
	answer(f, PEER, 'b');
	assert_got(f->peer, 'b');
}

static void without_a_second_the_first_goes_by_the_ring(void **state)
{
	struct fixture *f = opened(*state);

	f->io.direct_fd_max = -1;
	settle(f);
	assert_int_equal(f->io.direct, 0);
	assert_true(f->port.seat != 0);
	hear(f, f->stranger, 's');
	assert_int_equal(f->last.port, STRANGER);
	assert_true(ip_eq(&f->last.ip, &f->local.ip));
	hear(f, f->peer, 'p');
	assert_int_equal(f->last.port, PEER);
	/* To it everybody is alike: another peer is the peer at once. */
	for (unsigned i = 0; i < 10; i++) {
		answer(f, STRANGER, 'e');
		assert_got(f->stranger, 'e');
		hear(f, f->stranger, 'n');
		hear(f, f->peer, 'p');
	}
	assert_true(f->port.seat != 0);
	assert_int_equal(f->io.send_failed, 0);
	io_port_rest(&f->port);
	assert_int_equal(f->port.seat, 0);
	say(f, f->peer, 'l');
	loop_turn(&f->loop, 1000);
	assert_int_equal(f->io.stray, 1);
	io_port_use(&f->port, &f->flow, 46);
	settle(f);
	assert_true(f->port.seat != 0);
}

static void a_datagram_is_expected_before_it_is_told(void **state)
{
	struct fixture *f = opened(*state);

	f->io.expect = on_expect;
	f->flow = 41;
	settle(f);
	assert_int_equal(expected_flow, 42);
	f->flow = 70;
	hear(f, f->peer, 'x'); /* of the second socket */
	assert_int_equal(expected_flow, 71);
	io_port_rest(&f->port);
	say(f, f->peer, 'l');
	loop_turn(&f->loop, 1000);
	assert_int_equal(expected_flow, -1);
}

#define CASE(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, setup, teardown),                                     \
		cmocka_unit_test_setup_teardown(name, setup_uring, teardown)
#define CASE_V6(name)                                                                              \
	cmocka_unit_test_setup_teardown(name, setup_v6, teardown),                                  \
		cmocka_unit_test_setup_teardown(name, setup_uring_v6, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_peer_gets_a_socket_of_its_own),
		CASE_V6(the_peer_gets_a_socket_of_its_own),
		CASE(strangers_are_still_told),
		CASE_V6(strangers_are_still_told),
		CASE(nobody_else_can_have_the_port),
		CASE(who_is_not_sent_to_gets_none),
		CASE(a_few_answers_elsewhere_change_nothing),
		CASE(another_peer_takes_its_place),
		CASE(rest_ends_it),
		CASE(what_waits_is_told_in_order),
		CASE(a_peer_that_is_away_may_come_back),
		CASE_V6(a_peer_that_is_away_may_come_back),
		CASE(slow_datagrams_are_not_worth_it),
		CASE(the_last_descriptors_are_for_calls),
		cmocka_unit_test_setup_teardown(without_a_second_the_first_goes_by_the_ring,
						setup_uring, teardown),
		cmocka_unit_test_setup_teardown(without_a_second_the_first_goes_by_the_ring,
						setup_uring_v6, teardown),
		CASE(a_datagram_is_expected_before_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

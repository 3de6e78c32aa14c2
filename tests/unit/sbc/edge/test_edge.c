/* SPDX-License-Identifier: MIT
 * Datagrams, listeners, and the budgets of strangers, against raw sockets. */
#include "tests/unit/sbc/edge/edge_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void datagrams_and_replies(void **state)
{
	static const char *const places[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < array_size(places); i++) {
		struct world world;
		struct endpoint peer;
		char got[2048];
		int fd;

		world_open_at(&world, NULL, places[i]);
		fd = raw_udp(places[i], &peer);
		world.answer = true;
		send_udp(fd, &world.udp, SLICE("\r\n\r\n" REQUEST));
		until(&world, world.messages == 1);
		assert_string_equal(world.bytes, REQUEST);
		assert_true(endpoint_eq(&world.flow.remote, &peer));
		assert_true(endpoint_eq(&world.flow.local, &world.udp));
		assert_int_equal(world.flow.transport, SIP_UDP);
		assert_false(handle_is(world.flow.connection));
		assert_string_equal(raw_read(fd, got), REPLY);
		close(fd);
		world_close(&world);
	}
}

static void noise_is_dropped(void **state)
{
	static const struct slice noise[] = {
		{ "", 0 }, { "\r\n\r\n", 4 }, { "\0", 1 }, { "x", 1 }, { "\0\0\0\0", 4 },
		{ "\0\1\0\0\x21\x12\xa4\x42" "abcdefghijkl", 20 }, { " OPTIONS sip:a SIP/2.0", 22 },
	};
	char crlfs[2000];
	struct world world;
	struct endpoint peer;
	int fd;

	(void)state;
	world_open(&world, NULL);
	fd = raw_udp("127.0.0.1", &peer);
	for (size_t i = 0; i < array_size(noise); i++)
		send_udp(fd, &world.udp, noise[i]);
	memset(crlfs, '\n', sizeof(crlfs));
	send_udp(fd, &world.udp, slice_of(crlfs, sizeof(crlfs)));
	send_udp(fd, &world.udp, SLICE(REQUEST));
	until(&world, world.messages == 1);
	assert_int_equal(edge_counters(world.edge)->noise, array_size(noise) + 1);
	assert_int_equal(edge_counters(world.edge)->received, 1);
	close(fd);
	world_close(&world);
}

static void icmp_ends_the_transaction(void **state)
{
	const struct handle txn = { 7, 9 };
	struct endpoint dead = free_endpoint("127.0.0.1", false);
	struct world world;
	struct flow flow;

	(void)state;
	world_open(&world, NULL);
	flow = flow_to(&world, SIP_UDP, &dead);
	edge_send(world.edge, &flow, SLICE(REQUEST), txn);
	assert_int_equal(world.failures, 0);
	until(&world, world.failures == 1);
	assert_true(handle_eq(world.failed_txn, txn));
	assert_int_equal(world.failed_err, -ECONNREFUSED);
	assert_true(endpoint_eq(&world.failed_flow.remote, &dead));
	assert_int_equal(world.failed_flow.listener, flow.listener);
	/* Nobody asked to be told. */
	edge_send(world.edge, &flow, SLICE(REPLY), HANDLE_NONE);
	until(&world, edge_counters(world.edge)->icmp_errors == 2);
	assert_int_equal(world.failures, 1);
	world_close(&world);
}

static void closed_listener_fails(void **state)
{
	const struct handle txn = { 7, 9 };
	struct world world;
	struct flow flow;

	(void)state;
	world_open(&world, NULL);
	flow = flow_to(&world, SIP_UDP, &world.udp);
	flow.listener = 999;
	edge_send(world.edge, &flow, SLICE(REQUEST), txn);
	flow.transport = SIP_TCP;
	edge_send(world.edge, &flow, SLICE(REQUEST), txn);
	assert_int_equal(world.failures, 0);
	loop_turn(&world.loop, 0);
	assert_int_equal(world.failures, 2);
	assert_int_equal(world.failed_err, ERR_NOENT);
	world_close(&world);
}

static void unknown_sources_are_limited(void **state)
{
	struct edge_limits limits = edge_limits_default;
	struct world world;
	struct endpoint peer;
	int fd;

	(void)state;
	limits.source_per_s = 0;
	limits.source_burst = 3;
	limits.unknown_per_s = 0;
	limits.unknown_burst = 5;
	world_open(&world, &limits);
	world.verdict = EDGE_UNKNOWN;
	fd = raw_udp("127.0.0.1", &peer);
	for (unsigned i = 0; i < 10; i++)
		send_udp(fd, &world.udp, SLICE(REQUEST));
	until(&world, edge_counters(world.edge)->source_limited == 7);
	assert_int_equal(world.messages, 3);
	close(fd);
	fd = raw_udp("127.0.0.2", &peer);
	for (unsigned i = 0; i < 3; i++)
		send_udp(fd, &world.udp, SLICE(REQUEST));
	until(&world, edge_counters(world.edge)->unknown_limited == 1);
	assert_int_equal(world.messages, 5);
	world.verdict = EDGE_DROP;
	send_udp(fd, &world.udp, SLICE(REQUEST));
	until(&world, edge_counters(world.edge)->filtered == 1);
	world.verdict = EDGE_KNOWN;
	for (unsigned i = 0; i < 10; i++)
		send_udp(fd, &world.udp, SLICE(REQUEST));
	until(&world, world.messages == 15);
	close(fd);
	world_close(&world);
}

static void listeners_follow_the_list(void **state)
{
	struct world world;
	struct edge_listener list[3];
	struct endpoint third = free_endpoint("127.0.0.1", false);
	uint16_t udp = 0;
	uint16_t number = 0;
	size_t failed = 99;

	(void)state;
	world_open(&world, NULL);
	assert_true(edge_listener_find(world.edge, SIP_UDP, &world.udp, &udp));
	list[0] = (struct edge_listener){ SIP_UDP, third };
	list[1] = (struct edge_listener){ SIP_UDP, world.udp };
	list[2] = (struct edge_listener){ SIP_TLS, world.tcp };
	/* Refused whole: nothing of it is open, and nothing that was has gone. */
	assert_int_equal(edge_set_listeners(world.edge, list, 3, &failed), ERR_UNSUPPORTED);
	assert_int_equal(failed, 2);
	assert_false(edge_listener_find(world.edge, SIP_UDP, &third, &number));
	assert_true(edge_listener_find(world.edge, SIP_TCP, &world.tcp, &number));
	assert_int_equal(edge_set_listeners(world.edge, list, 2, &failed), OK);
	/* What stayed was not touched, what is new has a new number, what is gone is gone. */
	assert_true(edge_listener_find(world.edge, SIP_UDP, &world.udp, &number));
	assert_int_equal(number, udp);
	assert_true(edge_listener_find(world.edge, SIP_UDP, &third, &number));
	assert_true(number > 2);
	assert_false(edge_listener_find(world.edge, SIP_TCP, &world.tcp, &number));
	/* The wildcard address needs the port that the old one holds. */
	list[0] = list[1];
	list[0].local.ip = (struct ip_addr){ .family = IP_V4 };
	assert_int_equal(edge_set_listeners(world.edge, list, 1, &failed), OK);
	assert_true(edge_listener_find(world.edge, SIP_UDP, &list[0].local, &number));
	assert_false(edge_listener_find(world.edge, SIP_UDP, &world.udp, &number));
	assert_int_equal(edge_set_listeners(world.edge, list, 2, &failed), -EADDRINUSE);
	assert_true(edge_listener_find(world.edge, SIP_UDP, &list[0].local, &number));
	assert_int_equal(edge_set_listeners(world.edge, NULL, 0, &failed), OK);
	assert_false(edge_listener_find(world.edge, SIP_UDP, &third, &number));
	world_close(&world);
}

static void counters_have_names(void **state)
{
	unsigned count = 0;

	(void)state;
	while (edge_counter_name(count)) {
		assert_true(strlen(edge_counter_help(count)) > 0);
		count++;
	}
	assert_int_equal(count, sizeof(struct edge_counters) / sizeof(uint64_t));
	assert_string_equal(edge_counter_name(0), "received");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_and_replies),
		cmocka_unit_test(noise_is_dropped),
		cmocka_unit_test(icmp_ends_the_transaction),
		cmocka_unit_test(closed_listener_fails),
		cmocka_unit_test(unknown_sources_are_limited),
		cmocka_unit_test(listeners_follow_the_list),
		cmocka_unit_test(counters_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

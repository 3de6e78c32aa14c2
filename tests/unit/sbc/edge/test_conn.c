/* SPDX-License-Identifier: MIT
 * Streams: how they are cut, re-used, limited and closed, against raw sockets. */
#include "tests/unit/sbc/edge/edge_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void streams_are_cut(void **state)
{
	struct world world;
	char got[2048];
	int fd;

	(void)state;
	world_open(&world, NULL);
	fd = raw_connect(&world.tcp);
	raw_write(fd, "OPTIONS sip:b@example.com SIP/2.0\r\nl");
	until(&world, edge_counters(world.edge)->accepted == 1);
	loop_turn(&world.loop, 0);
	raw_write(fd, ": 0\r\n\r\n\r\n\r\n" REQUEST "OPT");
	until(&world, world.messages == 2);
	assert_string_equal(world.bytes, REQUEST);
	assert_int_equal(world.flow.transport, SIP_TCP);
	assert_true(handle_is(world.flow.connection));
	assert_true(endpoint_eq(&world.flow.local, &world.tcp));
	assert_string_equal(raw_read(fd, got), "\r\n");
	world.answer = true;
	raw_write(fd, "IONS sip:b@example.com SIP/2.0\r\nl: 0\r\n\r\n");
	until(&world, world.messages == 3);
	assert_string_equal(raw_read(fd, got), REPLY);
	assert_int_equal(edge_counters(world.edge)->pings, 1);
	close(fd);
	until(&world, edge_connections(world.edge) == 0);
	assert_int_equal(edge_counters(world.edge)->closed_by_peer, 1);
	world_close(&world);
}

static void pongs_are_limited(void **state)
{
	struct world world;
	char pings[4 * 400 + 1];
	int fd;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(pings); i++)
		pings[i] = "\r\n"[i % 2];
	pings[sizeof(pings) - 1] = 0;
	world_open(&world, NULL);
	fd = raw_connect(&world.tcp);
	raw_write(fd, pings);
	until(&world, edge_counters(world.edge)->pings == 400);
	assert_true(edge_counters(world.edge)->pings_limited >= 390);
	assert_int_equal(edge_connections(world.edge), 1);
	close(fd);
	world_close(&world);
}

static int accept_one(struct world *world, int listener)
{
	struct endpoint remote;
	int fd = -1;

	until(world, net_tcp_accept(listener, &fd, &remote) == OK);
	return fd;
}

/* A world, a raw listener beside it, and the way there. */
static struct flow listening_peer(struct world *world, const struct endpoint *peer, int *ret_listener)
{
	world_open(world, NULL);
	assert_int_equal(net_tcp_listen(peer, false, ret_listener), OK);
	return flow_to(world, SIP_TCP, peer);
}

/* The edge's connection, as the listener sees it, and what comes first by it. */
static int accept_and_hear(struct world *world, int listener, uint64_t connected, const char *text)
{
	int fd = accept_one(world, listener);
	char got[2048];

	until(world, edge_counters(world->edge)->connected == connected);
	loop_turn(&world->loop, 0);
	assert_string_equal(raw_read(fd, got), text);
	return fd;
}

static void connections_are_reused(void **state)
{
	const struct handle txn = { 3, 1 };
	struct endpoint peer = free_endpoint("127.0.0.1", true);
	struct world world;
	struct flow flow;
	char got[2048];
	int listener = -1;
	int fd;

	(void)state;
	flow = listening_peer(&world, &peer, &listener);
	/* Two while it connects, one later: one connection, in order. */
	edge_send(world.edge, &flow, SLICE("A"), txn);
	edge_send(world.edge, &flow, SLICE("B"), txn);
	fd = accept_and_hear(&world, listener, 1, "AB");
	raw_write(fd, REQUEST);
	until(&world, world.messages == 1);
	assert_true(endpoint_eq(&world.flow.remote, &peer));
	edge_send(world.edge, &flow, SLICE("C"), txn);
	edge_send(world.edge, &world.flow, SLICE("D"), txn);
	loop_turn(&world.loop, 0);
	assert_string_equal(raw_read(fd, got), "CD");
	assert_int_equal(edge_connections(world.edge), 1);
	/* The connection is gone: the reply goes to flow.remote by a new one (18.2.2). */
	close(fd);
	until(&world, edge_connections(world.edge) == 0);
	edge_send(world.edge, &world.flow, SLICE("E"), txn);
	fd = accept_and_hear(&world, listener, 2, "E");
	assert_int_equal(world.failures, 0);
	close(fd);
	close(listener);
	world_close(&world);
}

/* The peer closes in the turn that writes to it: the kernel takes the bytes, nobody gets them. */
static void message_meets_a_hang_up(const char *request, bool again)
{
	struct endpoint peer = free_endpoint("127.0.0.1", true);
	struct endpoint sender;
	struct world world;
	int listener = -1;
	int udp;
	int fd;

	world_open(&world, NULL);
	assert_int_equal(net_tcp_listen(&peer, false, &listener), OK);
	fd = raw_connect(&world.tcp);
	raw_write(fd, REQUEST);
	until(&world, world.messages == 1);
	world.onward = world.flow;
	world.onward.remote = peer;
	world.hang_up_fd = fd;
	udp = raw_udp("127.0.0.1", &sender);
	send_udp(udp, &world.udp, slice_text(request));
	if (again) {
		fd = accept_and_hear(&world, listener, 1, request);
		assert_int_equal(world.failures, 0);
		close(fd);
	} else {
		until(&world, world.failures == 1);
		assert_int_equal(world.failed_txn.slot, 7);
	}
	assert_int_equal(edge_counters(world.edge)->sent_again, again);
	until(&world, edge_connections(world.edge) == 0);
	assert_int_equal(edge_counters(world.edge)->connected, again);
	close(udp);
	close(listener);
	world_close(&world);
}

static void a_request_outlives_its_connection(void **state)
{
	(void)state;
	message_meets_a_hang_up(REQUEST, true);
}

static void a_response_does_not(void **state)
{
	(void)state;
	message_meets_a_hang_up(REPLY, false);
}

static void what_arrived_is_not_sent_again(void **state)
{
	struct endpoint peer = free_endpoint("127.0.0.1", true);
	struct world world;
	struct flow flow;
	int listener = -1;
	int fd;

	(void)state;
	flow = listening_peer(&world, &peer, &listener);
	edge_send(world.edge, &flow, SLICE(REQUEST), (struct handle){ 7, 7 });
	fd = accept_and_hear(&world, listener, 1, REQUEST);
	close(fd);
	until(&world, edge_connections(world.edge) == 0);
	assert_int_equal(world.failures, 0);
	assert_int_equal(edge_counters(world.edge)->sent_again, 0);
	assert_int_equal(edge_counters(world.edge)->connected, 1);
	close(listener);
	world_close(&world);
}

static void refused_connections_fail(void **state)
{
	struct endpoint dead = free_endpoint("127.0.0.1", true);
	struct world world;
	struct flow flow;

	(void)state;
	world_open(&world, NULL);
	flow = flow_to(&world, SIP_TCP, &dead);
	edge_send(world.edge, &flow, SLICE(REQUEST), (struct handle){ 1, 1 });
	edge_send(world.edge, &flow, SLICE(REQUEST), (struct handle){ 2, 1 });
	until(&world, world.failures == 2);
	assert_int_equal(world.failed_err, -ECONNREFUSED);
	assert_int_equal(world.failed_txn.slot, 2);
	assert_int_equal(edge_connections(world.edge), 0);
	world_close(&world);
}

static void malformed_gets_one_answer(void **state)
{
	struct world world;
	char got[2048];
	int fd;

	(void)state;
	world_open(&world, NULL);
	fd = raw_connect(&world.tcp);
	/* The second request is hidden in what may or may not be a body: it must not be acted on. */
	raw_write(fd, "OPTIONS sip:b@example.com SIP/2.0\r\nl: 0\r\nContent-Length: 45\r\n\r\n" REQUEST);
	until(&world, world.malformed == 1);
	assert_int_equal(world.status, 400);
	assert_string_equal(world.why, "content_length_twice");
	assert_string_equal(raw_read(fd, got), "SIP/2.0 400 No\r\nl: 0\r\n\r\n");
	assert_string_equal(raw_read(fd, got), "");
	raw_write(fd, REQUEST);
	close(fd);
	until(&world, edge_connections(world.edge) == 0);
	assert_int_equal(world.messages, 0);
	assert_int_equal(world.malformed, 1);
	fd = raw_connect(&world.tcp);
	raw_write(fd, "GET / HTTP/1.1\r\n\r\n");
	until(&world, edge_counters(world.edge)->closed_malformed == 2);
	assert_int_equal(world.malformed, 1);
	until(&world, at_end(fd));
	close(fd);
	world_close(&world);
}

static void slow_senders_are_closed(void **state)
{
	struct edge_limits limits = edge_limits_default;
	struct world world;
	int silent;
	int head;
	int body;

	(void)state;
	limits.head_ms = 30;
	limits.body_ms = 30;
	world_open(&world, &limits);
	world.verdict = EDGE_UNKNOWN;
	silent = raw_connect(&world.tcp);
	head = raw_connect(&world.tcp);
	raw_write(head, "OPT");
	body = raw_connect(&world.tcp);
	raw_write(body, "OPTIONS sip:b@example.com SIP/2.0\r\nl: 10\r\n\r\nhalf");
	until(&world, at_end(silent) && at_end(head) && at_end(body));
	assert_int_equal(edge_counters(world.edge)->closed_head_timeout, 1);
	assert_int_equal(edge_counters(world.edge)->closed_body_timeout, 1);
	assert_int_equal(edge_counters(world.edge)->closed_idle, 1);
	close(silent);
	close(head);
	close(body);
	world_close(&world);
}

static void slow_readers_are_closed(void **state)
{
	static char block[60000];
	struct endpoint peer = free_endpoint("127.0.0.1", true);
	struct world world;
	struct flow flow;
	int listener = -1;
	int fd;

	(void)state;
	flow = listening_peer(&world, &peer, &listener);
	edge_send(world.edge, &flow, SLICE("A"), HANDLE_NONE);
	fd = accept_one(&world, listener);
	while (edge_counters(world.edge)->closed_slow_reader == 0) {
		edge_send(world.edge, &flow, slice_of(block, sizeof(block)),
			  (struct handle){ 5, 5 });
		loop_turn(&world.loop, 0);
	}
	loop_turn(&world.loop, 0);
	/* All that were not written out are told of, and the one that did not fit. */
	assert_true(world.failures >= 2);
	assert_int_equal(world.failed_err, ERR_LIMIT);
	assert_int_equal(edge_connections(world.edge), 0);
	close(fd);
	close(listener);
	world_close(&world);
}

static void connections_are_capped(void **state)
{
	struct edge_limits limits = edge_limits_default;
	struct world world;
	int fds[6];

	(void)state;
	limits.connections = 5;
	limits.connections_reserve = 1;
	limits.connections_per_ip = 2;
	world_open(&world, &limits);
	world.verdict = EDGE_UNKNOWN;
	for (unsigned i = 0; i < 3; i++)
		fds[i] = raw_connect(&world.tcp);
	until(&world, edge_counters(world.edge)->refused_per_ip == 1);
	assert_int_equal(edge_connections(world.edge), 2);
	until(&world, at_end(fds[2]));
	close(fds[2]);
	world.verdict = EDGE_KNOWN;
	for (unsigned i = 2; i < 6; i++)
		fds[i] = raw_connect(&world.tcp);
	until(&world, edge_counters(world.edge)->refused_total == 1);
	assert_int_equal(edge_connections(world.edge), 5);
	until(&world, at_end(fds[5]));
	for (unsigned i = 0; i < 6; i++)
		close(fds[i]);
	until(&world, edge_connections(world.edge) == 0);
	world.verdict = EDGE_DROP;
	fds[0] = raw_connect(&world.tcp);
	until(&world, at_end(fds[0]));
	assert_int_equal(edge_counters(world.edge)->filtered, 1);
	close(fds[0]);
	world_close(&world);
}

static void reserve_is_for_known_peers(void **state)
{
	struct edge_limits limits = edge_limits_default;
	struct world world;
	int fds[5];

	(void)state;
	limits.connections = 4;
	limits.connections_reserve = 4; /* a quarter counts: one */
	world_open(&world, &limits);
	world.verdict = EDGE_UNKNOWN;
	for (unsigned i = 0; i < 4; i++)
		fds[i] = raw_connect(&world.tcp);
	until(&world, edge_counters(world.edge)->refused_total == 1);
	world.verdict = EDGE_KNOWN;
	fds[4] = raw_connect(&world.tcp);
	until(&world, edge_connections(world.edge) == 4);
	assert_int_equal(edge_counters(world.edge)->refused_total, 1);
	for (unsigned i = 0; i < 5; i++)
		close(fds[i]);
	world_close(&world);
}

static void no_descriptors_left(void **state)
{
	struct world world;
	struct rlimit before;
	struct rlimit none;
	int probe;
	int fd;

	(void)state;
	world_open(&world, NULL);
	fd = raw_connect(&world.tcp);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	probe = dup(fd);
	close(probe);
	none = before;
	none.rlim_cur = (rlim_t)probe;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	until(&world, edge_counters(world.edge)->refused_files == 1);
	until(&world, at_end(fd));
	assert_int_equal(edge_connections(world.edge), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fd);
	fd = raw_connect(&world.tcp);
	until(&world, edge_connections(world.edge) == 1);
	close(fd);
	world_close(&world);
}

static void owner_may_close_in_a_message(void **state)
{
	struct world world;
	char got[2048];
	int fd;

	(void)state;
	world_open(&world, NULL);
	world.answer = true;
	world.close_after = true;
	fd = raw_connect(&world.tcp);
	raw_write(fd, REQUEST REQUEST REQUEST);
	until(&world, world.messages == 1);
	assert_string_equal(raw_read(fd, got), REPLY);
	assert_string_equal(raw_read(fd, got), "");
	until(&world, edge_connections(world.edge) == 0);
	assert_int_equal(world.messages, 1);
	close(fd);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_cut),
		cmocka_unit_test(pongs_are_limited),
		cmocka_unit_test(connections_are_reused),
		cmocka_unit_test(a_request_outlives_its_connection),
		cmocka_unit_test(a_response_does_not),
		cmocka_unit_test(what_arrived_is_not_sent_again),
		cmocka_unit_test(refused_connections_fail),
		cmocka_unit_test(malformed_gets_one_answer),
		cmocka_unit_test(slow_senders_are_closed),
		cmocka_unit_test(slow_readers_are_closed),
		cmocka_unit_test(connections_are_capped),
		cmocka_unit_test(reserve_is_for_known_peers),
		cmocka_unit_test(no_descriptors_left),
		cmocka_unit_test(owner_may_close_in_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

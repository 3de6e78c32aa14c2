/* SPDX-License-Identifier: MIT
 * The edge on the loopback, against raw sockets. Turns of the loop are made until what is waited for
 * is there; the test's own time limit is the only clock. */
#include "sbc/edge/edge.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/net/net.h"
#include "tests/support/unit.h"

#define REQUEST "OPTIONS sip:b@example.com SIP/2.0\r\nl: 0\r\n\r\n"
#define REPLY "SIP/2.0 200 OK\r\nl: 0\r\n\r\n"

struct world {
	struct loop loop;
	struct edge *edge;
	struct endpoint udp;
	struct endpoint tcp;
	enum edge_filter verdict;
	bool answer;      /* every message with REPLY on its flow */
	bool close_after; /* and close its connection */
	unsigned messages;
	struct flow flow; /* of the last message */
	char bytes[1024]; /* the last message */
	unsigned malformed;
	uint16_t status;
	char why[64];
	unsigned failures;
	struct flow failed_flow;
	struct handle failed_txn;
	enum err failed_err;
};

static enum edge_filter on_filter(void *owner, const struct flow *flow)
{
	struct world *world = owner;

	(void)flow;
	return world->verdict;
}

static void on_message(void *owner, const struct flow *flow, struct slice bytes)
{
	struct world *world = owner;

	world->messages++;
	world->flow = *flow;
	snprintf(world->bytes, sizeof(world->bytes), "%.*s", SLICE_ARG(bytes));
	if (world->answer)
		edge_send(world->edge, flow, SLICE(REPLY), HANDLE_NONE);
	if (world->close_after)
		edge_close(world->edge, flow->connection);
}

static void on_malformed(void *owner, const struct flow *flow, struct slice head, uint16_t status,
			 const char *why)
{
	struct world *world = owner;

	assert_true(head.len > 4);
	world->malformed++;
	world->status = status;
	snprintf(world->why, sizeof(world->why), "%s", why);
	edge_send(world->edge, flow, SLICE("SIP/2.0 400 No\r\nl: 0\r\n\r\n"), HANDLE_NONE);
}

static void on_failed(void *owner, const struct flow *flow, struct handle txn, enum err err)
{
	struct world *world = owner;

	world->failures++;
	world->failed_flow = *flow;
	world->failed_txn = txn;
	world->failed_err = err;
}

/* A port that was free a moment ago. */
static struct endpoint free_endpoint(const char *ip, bool tcp)
{
	const struct net_udp_options options = { 0 };
	struct endpoint endpoint = { 0 };
	int fd = -1;

	assert_int_equal(ip_parse(slice_text(ip), &endpoint.ip), OK);
	if (tcp)
		assert_int_equal(net_tcp_listen(&endpoint, false, &fd), OK);
	else
		assert_int_equal(net_udp_open(&endpoint, &options, &fd), OK);
	assert_int_equal(net_local(fd, &endpoint), OK);
	close(fd);
	return endpoint;
}

static void world_open_at(struct world *world, const struct edge_limits *limits, const char *ip)
{
	struct edge_config config = {
		.loop = &world->loop,
		.limits = limits,
		.events = { .filter = on_filter, .message = on_message,
			    .malformed = on_malformed, .failed = on_failed, .owner = world },
		.hash_key = { 11, 12 },
	};
	struct edge_listener list[2];
	size_t failed = 0;

	*world = (struct world){ .verdict = EDGE_KNOWN };
	assert_int_equal(loop_init(&world->loop), OK);
	assert_int_equal(edge_create(&config, &world->edge), OK);
	world->udp = free_endpoint(ip, false);
	world->tcp = free_endpoint(ip, true);
	list[0] = (struct edge_listener){ SIP_UDP, world->udp };
	list[1] = (struct edge_listener){ SIP_TCP, world->tcp };
	assert_int_equal(edge_set_listeners(world->edge, list, 2, &failed), OK);
}

static void world_open(struct world *world, const struct edge_limits *limits)
{
	world_open_at(world, limits, "127.0.0.1");
}

static void world_close(struct world *world)
{
	edge_destroy(&world->edge);
	assert_null(world->edge);
	loop_fini(&world->loop);
}

#define until(world, condition)                                                                    \
	while (!(condition))                                                                       \
	loop_turn(&(world)->loop, 50)

static int raw_udp(const char *ip, struct endpoint *ret_local)
{
	const struct net_udp_options options = { 0 };
	struct endpoint any = { 0 };
	int fd = -1;

	assert_int_equal(ip_parse(slice_text(ip), &any.ip), OK);
	assert_int_equal(net_udp_open(&any, &options, &fd), OK);
	assert_int_equal(net_local(fd, ret_local), OK);
	return fd;
}

static void send_udp(int fd, const struct endpoint *to, struct slice bytes)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, bytes.p, bytes.len, 0, (struct sockaddr *)&sa, len),
			 bytes.len);
}

/* What has come to a raw socket, blocking for the first bytes; "" at the end of a stream. */
static const char *raw_read(int fd, char storage[2048])
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t len;

	assert_int_equal(poll(&ready, 1, 20000), 1);
	len = recv(fd, storage, 2047, 0);
	assert_true(len >= 0);
	storage[len] = 0;
	return storage;
}

static int raw_connect(const struct endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static void raw_write(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool at_end(int fd)
{
	char byte;
	ssize_t len = recv(fd, &byte, 1, MSG_DONTWAIT);

	return len == 0 || (len < 0 && errno == ECONNRESET);
}

static struct flow flow_to(const struct world *world, enum sip_transport transport,
			   const struct endpoint *remote)
{
	struct flow flow = { .transport = (uint8_t)transport, .remote = *remote };

	flow.local = transport == SIP_UDP ? world->udp : world->tcp;
	assert_true(edge_listener_find(world->edge, transport, &flow.local, &flow.listener));
	return flow;
}

/* ---- datagrams ---- */

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

/* ---- streams ---- */

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
	world_open(&world, NULL);
	assert_int_equal(net_tcp_listen(&peer, false, &listener), OK);
	flow = flow_to(&world, SIP_TCP, &peer);
	/* Two while it connects, one later: one connection, in order. */
	edge_send(world.edge, &flow, SLICE("A"), txn);
	edge_send(world.edge, &flow, SLICE("B"), txn);
	fd = accept_one(&world, listener);
	until(&world, edge_counters(world.edge)->connected == 1);
	loop_turn(&world.loop, 0);
	assert_string_equal(raw_read(fd, got), "AB");
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
	fd = accept_one(&world, listener);
	until(&world, edge_counters(world.edge)->connected == 2);
	loop_turn(&world.loop, 0);
	assert_string_equal(raw_read(fd, got), "E");
	assert_int_equal(world.failures, 0);
	close(fd);
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
	world_open(&world, NULL);
	assert_int_equal(net_tcp_listen(&peer, false, &listener), OK);
	flow = flow_to(&world, SIP_TCP, &peer);
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
		cmocka_unit_test(streams_are_cut),
		cmocka_unit_test(pongs_are_limited),
		cmocka_unit_test(connections_are_reused),
		cmocka_unit_test(refused_connections_fail),
		cmocka_unit_test(malformed_gets_one_answer),
		cmocka_unit_test(slow_senders_are_closed),
		cmocka_unit_test(slow_readers_are_closed),
		cmocka_unit_test(connections_are_capped),
		cmocka_unit_test(reserve_is_for_known_peers),
		cmocka_unit_test(no_descriptors_left),
		cmocka_unit_test(unknown_sources_are_limited),
		cmocka_unit_test(owner_may_close_in_a_message),
		cmocka_unit_test(listeners_follow_the_list),
		cmocka_unit_test(counters_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

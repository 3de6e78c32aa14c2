/* SPDX-License-Identifier: MIT
 * Sockets on the loopback: batches, errors told to whom they belong, bounded queues. */
#include "lib/net/net.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

struct seen {
	unsigned count;
	struct net_send_failure last;
	char bytes[256];
};

static void on_failure(void *owner, const struct net_send_failure *failure)
{
	struct seen *seen = owner;
	size_t len = failure->bytes.len < sizeof(seen->bytes) ? failure->bytes.len
							      : sizeof(seen->bytes);

	seen->count++;
	seen->last = *failure;
	memcpy(seen->bytes, failure->bytes.p, len);
	seen->last.bytes = slice_of(seen->bytes, len);
}

static int open_udp(const char *text, struct endpoint *ret_local)
{
	struct net_udp_options options = { .dscp = 24 };
	struct endpoint endpoint;
	int fd = -1;

	assert_int_equal(endpoint_parse(slice_text(text), &endpoint), OK);
	assert_int_equal(net_udp_open(&endpoint, &options, &fd), OK);
	assert_int_equal(net_local(fd, ret_local), OK);
	assert_true(ret_local->port != 0);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };

	assert_int_equal(poll(&ready, 1, 10000), 1);
}

static void batches(void **state)
{
	static const char *const places[] = { "127.0.0.1:0", "[::1]:0" };
	static char big[65507];

	(void)state;
	for (size_t i = 0; i < array_size(places); i++) {
		struct endpoint a;
		struct endpoint b;
		struct net_queue *queue = NULL;
		struct net_batch *batch = NULL;
		struct seen seen = { 0 };
		int from = open_udp(places[i], &a);
		int to = open_udp(places[i], &b);
		unsigned got = 0;

		assert_int_equal(net_batch_create(&batch), OK);
		assert_int_equal(net_queue_create(from, on_failure, &seen, &queue), OK);
		assert_int_equal(net_receive(batch, to), 0);
		for (unsigned n = 0; n < 100; n++) {
			char text[16];
			int len = snprintf(text, sizeof(text), "%u", n);

			assert_int_equal(net_queue_add(queue, &b, slice_of(text, (size_t)len), n),
					 OK);
		}
		/* Nothing leaves before the flush. */
		assert_int_equal(net_receive(batch, to), 0);
		net_queue_flush(queue);
		while (got < 100) {
			unsigned count = net_receive(batch, to);

			assert_true(count > 0);
			assert_true(got > 0 || count == NET_BATCH);
			for (unsigned n = 0; n < count; n++, got++) {
				const struct net_datagram *datagram = net_datagram(batch, n);
				char text[16];

				snprintf(text, sizeof(text), "%u", got);
				assert_slice(datagram->bytes, text);
				assert_true(endpoint_eq(&datagram->remote, &a));
			}
		}
		memset(big, 'x', sizeof(big));
		assert_int_equal(net_queue_add(queue, &b, slice_of(big, sizeof(big)), 0), OK);
		assert_int_equal(net_queue_add(queue, &b, slice_of(big, 65508), 0), ERR_LIMIT);
		assert_int_equal(net_queue_add(queue, &b, slice_of(big, 0), 0), OK);
		net_queue_flush(queue);
		assert_int_equal(net_receive(batch, to), 2);
		assert_int_equal(net_datagram(batch, 0)->bytes.len, sizeof(big));
		assert_int_equal(net_datagram(batch, 1)->bytes.len, 0);
		assert_int_equal(seen.count, 0);
		net_queue_destroy(&queue);
		net_batch_destroy(&batch);
		close(from);
		close(to);
	}
}

/* More than the queue holds, in datagrams and in bytes: it flushes itself, in order. */
static void full_queue_flushes(void **state)
{
	static char big[60000];
	struct endpoint a;
	struct endpoint b;
	struct net_queue *queue = NULL;
	struct net_batch *batch = NULL;
	struct seen seen = { 0 };
	int from = open_udp("127.0.0.1:0", &a);
	int to = open_udp("127.0.0.1:0", &b);
	unsigned got = 0;

	(void)state;
	assert_int_equal(net_batch_create(&batch), OK);
	assert_int_equal(net_queue_create(from, on_failure, &seen, &queue), OK);
	for (unsigned n = 0; n < 9; n++)
		assert_int_equal(net_queue_add(queue, &b, slice_of(big, sizeof(big)), 0), OK);
	assert_int_equal(net_receive(batch, to), 8);
	net_queue_flush(queue);
	assert_int_equal(net_receive(batch, to), 1);
	for (unsigned n = 0; n < 300; n++)
		assert_int_equal(net_queue_add(queue, &b, SLICE("x"), 0), OK);
	for (unsigned count; (count = net_receive(batch, to)) > 0;)
		got += count;
	assert_int_equal(got, 256);
	net_queue_flush(queue);
	assert_int_equal(net_receive(batch, to), 44);
	net_queue_destroy(&queue);
	net_batch_destroy(&batch);
	close(from);
	close(to);
}

/* The error of one destination must not cost the datagrams to others. */
static void icmp_names_its_destination(void **state)
{
	static const char *const places[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < array_size(places); i++) {
		struct endpoint a;
		struct endpoint b;
		struct endpoint dead;
		struct net_queue *queue = NULL;
		struct net_batch *batch = NULL;
		struct seen seen = { 0 };
		int from = open_udp(places[i], &a);
		int to = open_udp(places[i], &b);
		int gone = open_udp(places[i], &dead);

		close(gone);
		assert_int_equal(net_batch_create(&batch), OK);
		assert_int_equal(net_queue_create(from, on_failure, &seen, &queue), OK);
		assert_int_equal(net_queue_add(queue, &dead, SLICE("to nobody"), 7), OK);
		net_queue_flush(queue);
		wait_for(from, POLLIN);
		/* The pending error meets this call first; the datagram goes nevertheless. */
		assert_int_equal(net_queue_add(queue, &b, SLICE("to somebody"), 8), OK);
		net_queue_flush(queue);
		net_udp_errors(queue);
		assert_int_equal(seen.count, 1);
		assert_true(seen.last.icmp);
		assert_int_equal(seen.last.err, -ECONNREFUSED);
		assert_true(endpoint_eq(&seen.last.remote, &dead));
		assert_slice(seen.last.bytes, "to nobody");
		assert_int_equal(net_receive(batch, to), 1);
		assert_slice(net_datagram(batch, 0)->bytes, "to somebody");
		assert_int_equal(net_queue_dropped(queue), 0);
		net_queue_destroy(&queue);
		net_batch_destroy(&batch);
		close(from);
		close(to);
	}
}

static void local_failure_names_its_tag(void **state)
{
	struct endpoint a;
	struct endpoint b;
	struct endpoint wrong;
	struct net_queue *queue = NULL;
	struct net_batch *batch = NULL;
	struct seen seen = { 0 };
	int from = open_udp("127.0.0.1:0", &a);
	int to = open_udp("127.0.0.1:0", &b);

	(void)state;
	/* An IPv6 destination on an IPv4 socket. */
	assert_int_equal(endpoint_parse(SLICE("[::1]:5060"), &wrong), OK);
	assert_int_equal(net_batch_create(&batch), OK);
	assert_int_equal(net_queue_create(from, on_failure, &seen, &queue), OK);
	assert_int_equal(net_queue_add(queue, &b, SLICE("one"), 1), OK);
	assert_int_equal(net_queue_add(queue, &wrong, SLICE("two"), 2), OK);
	assert_int_equal(net_queue_add(queue, &b, SLICE("three"), 3), OK);
	net_queue_flush(queue);
	assert_int_equal(seen.count, 1);
	assert_false(seen.last.icmp);
	assert_int_equal(seen.last.tag, 2);
	assert_int_equal(seen.last.err, -EAFNOSUPPORT);
	assert_int_equal(net_receive(batch, to), 2);
	assert_slice(net_datagram(batch, 1)->bytes, "three");
	net_queue_destroy(&queue);
	net_batch_destroy(&batch);
	close(from);
	close(to);
}

struct pair {
	int listener;
	struct net_stream client;
	struct net_stream server;
	struct endpoint seen_remote;
};

static void pair_open(struct pair *pair)
{
	struct endpoint local;
	int client = -1;
	int server = -1;

	assert_int_equal(endpoint_parse(SLICE("127.0.0.1:0"), &local), OK);
	assert_int_equal(net_tcp_listen(&local, false, &pair->listener), OK);
	assert_int_equal(net_local(pair->listener, &local), OK);
	assert_int_equal(net_tcp_accept(pair->listener, &server, &pair->seen_remote), ERR_AGAIN);
	local.ip.bytes[3] = 1;
	assert_int_equal(net_tcp_connect(&local.ip, &local, &client), OK);
	wait_for(client, POLLOUT);
	assert_int_equal(net_tcp_connected(client), OK);
	wait_for(pair->listener, POLLIN);
	assert_int_equal(net_tcp_accept(pair->listener, &server, &pair->seen_remote), OK);
	net_stream_init(&pair->client, client, 1000000);
	net_stream_init(&pair->server, server, 1000000);
}

static void pair_close(struct pair *pair)
{
	net_stream_fini(&pair->client);
	net_stream_fini(&pair->server);
	close(pair->listener);
}

static void streams_carry_bytes(void **state)
{
	static char sent[300000];
	struct pair pair;
	size_t got = 0;
	enum err err = ERR_AGAIN;

	(void)state;
	pair_open(&pair);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7 + i / 251);
	assert_int_equal(net_stream_write(&pair.client, slice_of(sent, 100000)), OK);
	assert_int_equal(net_stream_write(&pair.client, slice_of(sent + 100000, 200000)), OK);
	while (got < sizeof(sent)) {
		struct slice in;

		if (err == ERR_AGAIN)
			err = net_stream_flush(&pair.client);
		wait_for(pair.server.fd, POLLIN);
		assert_int_equal(net_stream_read(&pair.server, 65536), OK);
		in = net_stream_input(&pair.server);
		assert_true(in.len <= 65536);
		/* Odd pieces, so that rests stay and move. */
		if (in.len > 1000 && got + in.len < sizeof(sent))
			in.len -= 333;
		assert_memory_equal(in.p, sent + got, in.len);
		got += in.len;
		net_stream_consume(&pair.server, in.len);
	}
	assert_int_equal(err, OK);
	assert_int_equal(pair.client.written_bytes, sizeof(sent));
	/* Idle streams hold nothing. */
	assert_null(pair.client.out);
	assert_null(pair.server.in);
	assert_int_equal(net_stream_read(&pair.server, 65536), ERR_AGAIN);
	assert_null(pair.server.in);
	net_stream_fini(&pair.client);
	wait_for(pair.server.fd, POLLIN);
	assert_int_equal(net_stream_read(&pair.server, 65536), ERR_CLOSED);
	pair_close(&pair);
}

static void queues_are_bounded(void **state)
{
	static char block[65536];
	struct pair pair;
	unsigned blocks = 0;
	enum err err;

	(void)state;
	pair_open(&pair);
	while ((err = net_stream_write(&pair.client, slice_of(block, sizeof(block)))) == OK) {
		err = net_stream_flush(&pair.client);
		assert_true(err == OK || err == ERR_AGAIN);
		assert_true(++blocks < 1000);
	}
	assert_int_equal(err, ERR_LIMIT);
	assert_true(pair.client.queued_bytes - pair.client.written_bytes <= 1000000);
	wait_for(pair.server.fd, POLLIN);
	while ((err = net_stream_read(&pair.server, 10000)) == OK)
		;
	assert_int_equal(err, ERR_LIMIT);
	assert_int_equal(net_stream_input(&pair.server).len, 10000);
	pair_close(&pair);
}

static void refused_connect(void **state)
{
	struct endpoint local;
	int fd = -1;
	int listener = -1;

	(void)state;
	assert_int_equal(endpoint_parse(SLICE("127.0.0.1:0"), &local), OK);
	assert_int_equal(net_tcp_listen(&local, false, &listener), OK);
	assert_int_equal(net_local(listener, &local), OK);
	close(listener);
	assert_int_equal(net_tcp_connect(NULL, &local, &fd), OK);
	wait_for(fd, POLLOUT);
	assert_int_equal(net_tcp_connected(fd), -ECONNREFUSED);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches),
		cmocka_unit_test(full_queue_flushes),
		cmocka_unit_test(icmp_names_its_destination),
		cmocka_unit_test(local_failure_names_its_tag),
		cmocka_unit_test(streams_carry_bytes),
		cmocka_unit_test(queues_are_bounded),
		cmocka_unit_test(refused_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/sbc/edge/edge_world.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

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
	if (world->hang_up_fd > 0) {
		close(world->hang_up_fd);
		world->hang_up_fd = 0;
		edge_send(world->edge, &world->onward, bytes, (struct handle){ 7, 7 });
	}
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

struct endpoint free_endpoint(const char *ip, bool tcp)
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

void world_open_at(struct world *world, const struct edge_limits *limits, const char *ip)
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

void world_open(struct world *world, const struct edge_limits *limits)
{
	world_open_at(world, limits, "127.0.0.1");
}

void world_close(struct world *world)
{
	edge_destroy(&world->edge);
	assert_null(world->edge);
	loop_fini(&world->loop);
}

int raw_udp(const char *ip, struct endpoint *ret_local)
{
	const struct net_udp_options options = { 0 };
	struct endpoint any = { 0 };
	int fd = -1;

	assert_int_equal(ip_parse(slice_text(ip), &any.ip), OK);
	assert_int_equal(net_udp_open(&any, &options, &fd), OK);
	assert_int_equal(net_local(fd, ret_local), OK);
	return fd;
}

void send_udp(int fd, const struct endpoint *to, struct slice bytes)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, bytes.p, bytes.len, 0, (struct sockaddr *)&sa, len),
			 bytes.len);
}

const char *raw_read(int fd, char storage[2048])
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t len;

	assert_int_equal(poll(&ready, 1, 20000), 1);
	len = recv(fd, storage, 2047, 0);
	assert_true(len >= 0);
	storage[len] = 0;
	return storage;
}

int raw_connect(const struct endpoint *to)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

void raw_write(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

bool at_end(int fd)
{
	char byte;
	ssize_t len = recv(fd, &byte, 1, MSG_DONTWAIT);

	return len == 0 || (len < 0 && errno == ECONNRESET);
}

struct flow flow_to(const struct world *world, enum sip_transport transport,
			   const struct endpoint *remote)
{
	struct flow flow = { .transport = (uint8_t)transport, .remote = *remote };

	flow.local = transport == SIP_UDP ? world->udp : world->tcp;
	assert_true(edge_listener_find(world->edge, transport, &flow.local, &flow.listener));
	return flow;
}

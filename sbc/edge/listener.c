/* SPDX-License-Identifier: MIT
 * Listeners: datagrams in, connections in.
 * lint: owns storage because listeners come and go with the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sbc/edge/edge_priv.h"

#define BATCHES 4        /* of one socket in one turn, so that the others get theirs */
#define ACCEPTS 64
#define GAP_BYTES 64u    /* CRLFs that may stand before a datagram's start line */
#define LEAST_BYTES 16u  /* no SIP message is shorter than its version and a method */
#define PAUSE_MS 100u    /* of a listener, when there is no other way than to wait */

/* ---- datagrams ---- */

/* The message in a datagram; empty: it is none. RFC 3261 7.5: CRLFs before the start line are
 * skipped; the rest of the cases are keepalives (CRLF, NUL, one byte) and STUN. */
static struct slice find_message(struct slice bytes)
{
	struct slice head = slice_head(bytes, GAP_BYTES);

	while (head.len > 0 && (head.p[0] == '\r' || head.p[0] == '\n'))
		head = slice_skip(head, 1);
	bytes = slice_skip(bytes, (size_t)(head.p - bytes.p));
	if (bytes.len < LEAST_BYTES || !char_is(bytes.p[0], CC_TOKEN))
		return SLICE_NONE;
	return bytes;
}

static void take_datagram(struct listener *listener, const struct net_datagram *datagram)
{
	struct edge *edge = listener->edge;
	struct slice bytes = find_message(datagram->bytes);
	struct flow flow = { .transport = SIP_UDP,
			     .listener = listener->number,
			     .local = listener->local,
			     .remote = datagram->remote };
	bool known;

	if (bytes.len == 0) {
		edge->counters.noise++;
		return;
	}
	if (!edge_admit(edge, &flow, &known))
		return;
	edge->counters.received++;
	edge->events.message(edge->events.owner, &flow, bytes);
}

static void on_datagrams(struct loop *loop, void *owner, uint32_t events)
{
	struct listener *listener = owner;
	struct net_batch *batch = listener->edge->batch;

	(void)loop;
	if (events & EPOLLERR)
		net_udp_errors(listener->queue);
	for (unsigned round = 0; round < BATCHES; round++) {
		unsigned count = net_receive(batch, listener->io.fd);

		for (unsigned i = 0; i < count; i++)
			take_datagram(listener, net_datagram(batch, i));
		if (count < NET_BATCH)
			break;
	}
}

/* ---- connections ---- */

static void on_pause_end(struct loop *loop, void *owner)
{
	struct listener *listener = owner;

	if (loop_watch(loop, &listener->io, EPOLLIN) != OK)
		loop_timer_start(loop, &listener->pause, PAUSE_MS);
}

/* No descriptor is left, and the connection that waits would wake us for ever: the reserve is given
 * up to accept it and close it. Where even that fails, the listener rests. */
static void refuse_one(struct listener *listener)
{
	struct edge *edge = listener->edge;
	struct endpoint remote;
	int fd;

	if (edge->reserve_fd >= 0)
		close(edge->reserve_fd);
	if (net_tcp_accept(listener->io.fd, &fd, &remote) == OK) {
		close(fd);
		edge->counters.refused_files++;
	}
	edge->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (edge->reserve_fd < 0 && loop_watch(edge->loop, &listener->io, 0) == OK)
		loop_timer_start(edge->loop, &listener->pause, PAUSE_MS);
}

static void on_connections(struct loop *loop, void *owner, uint32_t events)
{
	struct listener *listener = owner;

	(void)loop;
	(void)events;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		struct endpoint remote;
		int fd;
		enum err err = net_tcp_accept(listener->io.fd, &fd, &remote);

		if (err == OK) {
			conn_accept(listener, fd, &remote);
			continue;
		}
		if (err != ERR_AGAIN)
			refuse_one(listener);
		break;
	}
}

/* ---- the list ---- */

struct listener *listener_find(const struct edge *edge, uint16_t number)
{
	list_each(link, &edge->listeners) {
		struct listener *listener = container_of(link, struct listener, link);

		if (listener->number == number)
			return listener;
	}
	return NULL;
}

static struct listener *find_open(const struct edge *edge, enum sip_transport transport,
				  const struct endpoint *local)
{
	list_each(link, &edge->listeners) {
		struct listener *listener = container_of(link, struct listener, link);

		if (listener->transport == transport && endpoint_eq(&listener->local, local))
			return listener;
	}
	return NULL;
}

bool edge_listener_find(const struct edge *edge, enum sip_transport transport,
			const struct endpoint *local, uint16_t *ret_number)
{
	const struct listener *listener = find_open(edge, transport, local);

	if (listener)
		*ret_number = listener->number;
	return listener != NULL;
}

void listener_close(struct listener *listener)
{
	struct edge *edge = listener->edge;

	if (listener->queue)
		net_queue_flush(listener->queue);
	loop_timer_stop(edge->loop, &listener->pause);
	if (listener->io.fd >= 0) {
		loop_forget(edge->loop, &listener->io);
		close(listener->io.fd);
	}
	net_queue_destroy(&listener->queue);
	list_remove(&listener->link);
	free(listener);
}

static enum err open_socket(struct listener *listener)
{
	struct edge *edge = listener->edge;
	struct net_udp_options options = { .reuse_port = edge->reuse_port, .dscp = edge->dscp };
	enum err err;

	switch (listener->transport) {
	case SIP_UDP:
		listener->io.fn = on_datagrams;
		err = net_udp_open(&listener->local, &options, &listener->io.fd);
		return err == OK ? edge_udp_queue(listener) : err;
	case SIP_TCP:
		listener->io.fn = on_connections;
		return net_tcp_listen(&listener->local, edge->reuse_port, &listener->io.fd);
	case SIP_TLS:
	case SIP_WS:
	case SIP_WSS:
	case SIP_TRANSPORT_COUNT:
		break;
	}
	return ERR_UNSUPPORTED;
}

static enum err open_listener(struct edge *edge, const struct edge_listener *wanted)
{
	struct listener *listener;
	enum err err;

	if (edge->last_number == UINT16_MAX)
		return ERR_EXHAUSTED;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return ERR_NOMEM;
	listener->edge = edge;
	listener->transport = wanted->transport;
	listener->local = wanted->local;
	listener->number = ++edge->last_number;
	listener->io = (struct loop_io){ .fd = -1, .owner = listener };
	listener->pause = (struct loop_timer){ .fn = on_pause_end, .owner = listener };
	list_add_tail(&edge->listeners, &listener->link);
	err = open_socket(listener);
	if (err == OK)
		err = loop_watch(edge->loop, &listener->io, EPOLLIN);
	if (err != OK)
		listener_close(listener);
	return err;
}

static bool is_wanted(const struct listener *listener, const struct edge_listener *list,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].transport == listener->transport &&
		    endpoint_eq(&list[i].local, &listener->local))
			return true;
	return false;
}

static size_t close_unwanted(struct edge *edge, const struct edge_listener *list, size_t count)
{
	size_t closed = 0;

	list_each(link, &edge->listeners) {
		struct listener *listener = container_of(link, struct listener, link);

		if (is_wanted(listener, list, count))
			continue;
		listener_close(listener);
		closed++;
	}
	return closed;
}

/* Up to the first that cannot be opened. */
static enum err open_missing(struct edge *edge, const struct edge_listener *list, size_t count,
			     size_t *ret_failed)
{
	for (size_t i = 0; i < count; i++) {
		enum err err;

		if (find_open(edge, list[i].transport, &list[i].local))
			continue;
		err = open_listener(edge, &list[i]);
		if (err != OK) {
			*ret_failed = i;
			return err;
		}
	}
	return OK;
}

static void close_newer_than(struct edge *edge, uint16_t number)
{
	list_each(link, &edge->listeners) {
		struct listener *listener = container_of(link, struct listener, link);

		if (listener->number > number)
			listener_close(listener);
	}
}

enum err edge_set_listeners(struct edge *edge, const struct edge_listener *list, size_t count,
			    size_t *ret_failed)
{
	uint16_t before = edge->last_number;
	enum err err = open_missing(edge, list, count, ret_failed);

	/* One that is to go may be in the way: 10.0.0.2 and 0.0.0.0 on the same port. */
	if ((int)err == -EADDRINUSE && close_unwanted(edge, list, count) > 0)
		err = open_missing(edge, list, count, ret_failed);
	if (err != OK) {
		close_newer_than(edge, before);
		return err;
	}
	close_unwanted(edge, list, count);
	return OK;
}

/* SPDX-License-Identifier: MIT
 * The edge itself: its making, the guards, sending, and the end of the turn, when failures are told
 * and everything leaves.
 * lint: owns storage because an edge lives as long as its worker. */
#include "sbc/edge/edge_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WAITERS 65536u
/* Of a datagram that routers give back (RFC 1812 4.3.2.3: 576 in all): enough to hold our branch, which
 * nobody else can know, in a request. */
#define ICMP_BYTES 192u
#define END_ROUNDS 8    /* failures may send, and fail again */

const struct edge_limits edge_limits_default = {
	.max_message_bytes = 65536,
	.connections = 4096,
	.connections_reserve = 1024,
	.connections_per_ip = 64,
	.queue_bytes = NET_STREAM_OUT_BYTES,
	.connect_ms = 5000,
	.head_ms = 10000,
	.body_ms = 10000,
	.idle_unknown_ms = 600000,
	.idle_known_ms = 3600000,
	.linger_ms = 500,
	.sources = 16384,
	.source_per_s = 50,
	.source_burst = 100,
	.unknown_per_s = 1000,
	.unknown_burst = 2000,
};

static const struct {
	const char *name;
	const char *help;
} counter_texts[] = {
#define X(name, help) { #name, help },
	EDGE_COUNTERS(X)
#undef X
};

const char *edge_counter_name(unsigned index)
{
	return index < array_size(counter_texts) ? counter_texts[index].name : NULL;
}

const char *edge_counter_help(unsigned index)
{
	return index < array_size(counter_texts) ? counter_texts[index].help : NULL;
}

const struct edge_counters *edge_counters(const struct edge *edge)
{
	return &edge->counters;
}

uint32_t edge_connections(const struct edge *edge)
{
	return edge->conns.live;
}

/* ---- the end of the turn ---- */

static void flush_all(struct edge *edge)
{
	struct list *node;

	list_each(link, &edge->listeners) {
		struct listener *listener = container_of(link, struct listener, link);

		if (listener->queue)
			net_queue_flush(listener->queue);
	}
	while ((node = list_pop(&edge->dirty)))
		conn_flush(container_of(node, struct conn, dirty));
}

static void on_turn_end(struct loop *loop, void *owner)
{
	struct edge *edge = owner;
	struct list *node;

	for (unsigned round = 0; round < END_ROUNDS; round++) {
		waiters_tell(edge);
		flush_all(edge);
		if (list_empty(&edge->failures))
			break;
	}
	if (!list_empty(&edge->failures))
		loop_wake(loop);
	while ((node = list_pop(&edge->dead)))
		conn_free(container_of(node, struct conn, dead));
}

/* ---- making ---- */

static enum err edge_init(struct edge *edge)
{
	const struct edge_limits *limits = &edge->limits;
	enum err err = pool_init(&edge->conns, sizeof(struct conn), limits->connections);

	if (err == OK)
		err = pool_init(&edge->waiters, sizeof(struct waiter), WAITERS);
	if (err == OK)
		err = map_init(&edge->by_remote, 256);
	if (err == OK)
		err = map_init(&edge->by_source, 256);
	if (err == OK)
		err = net_batch_create(&edge->batch);
	if (err == OK)
		err = source_table_create(limits->sources, limits->source_per_s,
					  limits->source_burst, edge->key, &edge->sources);
	return err;
}

enum err edge_create(const struct edge_config *config, struct edge **ret)
{
	struct edge *edge = calloc(1, sizeof(*edge));
	enum err err;

	if (!edge)
		return ERR_NOMEM;
	edge->loop = config->loop;
	edge->limits = config->limits ? *config->limits : edge_limits_default;
	if (edge->limits.connections_reserve > edge->limits.connections / 4)
		edge->limits.connections_reserve = edge->limits.connections / 4;
	edge->events = config->events;
	edge->key = config->hash_key;
	edge->reuse_port = config->reuse_port;
	edge->dscp = config->dscp;
	list_init(&edge->listeners);
	list_init(&edge->failures);
	list_init(&edge->dirty);
	list_init(&edge->dead);
	edge->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bucket_init(&edge->unknown, edge->limits.unknown_per_s, edge->limits.unknown_burst,
		    edge->loop->now_ms);
	loop_hook_add(edge->loop, &edge->hook, on_turn_end, edge);
	err = edge_init(edge);
	if (err != OK) {
		edge_destroy(&edge);
		return err;
	}
	*ret = edge;
	return OK;
}

void edge_destroy(struct edge **ref)
{
	struct edge *edge = *ref;
	uint32_t cursor = 0;
	struct conn *conn;

	if (!edge)
		return;
	list_each(link, &edge->listeners)
		listener_close(container_of(link, struct listener, link));
	while ((conn = pool_next(&edge->conns, &cursor))) {
		conn_kill(conn, ERR_CLOSED);
		conn_free(conn);
	}
	waiters_drop(edge);
	list_remove(&edge->hook.link);
	source_table_destroy(&edge->sources);
	net_batch_destroy(&edge->batch);
	map_fini(&edge->by_source);
	map_fini(&edge->by_remote);
	pool_fini(&edge->waiters);
	pool_fini(&edge->conns);
	if (edge->reserve_fd >= 0)
		close(edge->reserve_fd);
	free(edge);
	*ref = NULL;
}

/* ---- guards ---- */

bool edge_admit(struct edge *edge, const struct flow *flow, bool *ret_known)
{
	uint64_t now_ms = edge->loop->now_ms;
	enum edge_filter verdict = EDGE_UNKNOWN;

	if (edge->events.filter)
		verdict = edge->events.filter(edge->events.owner, flow);
	*ret_known = verdict == EDGE_KNOWN;
	if (verdict == EDGE_KNOWN)
		return true;
	if (verdict == EDGE_DROP) {
		edge->counters.filtered++;
		return false;
	}
	if (!source_take(edge->sources, &flow->remote.ip, now_ms,
			 &edge->counters.sources_evicted)) {
		edge->counters.source_limited++;
		return false;
	}
	if (!bucket_take(&edge->unknown, now_ms)) {
		edge->counters.unknown_limited++;
		return false;
	}
	return true;
}

/* ---- sending ---- */

void edge_fail(struct edge *edge, const struct flow *flow, struct handle txn, enum err err)
{
	struct waiter *waiter;
	struct handle self;

	edge->counters.send_failed++;
	if (!handle_is(txn))
		return;
	waiter = pool_take(&edge->waiters, &self);
	if (!waiter)
		return; /* its own timer will tell the transaction */
	*waiter = (struct waiter){ .self = self, .flow = *flow, .txn = txn, .err = err };
	list_add_tail(&edge->failures, &waiter->link);
}

static uint64_t sent_hash(const struct edge *edge, struct slice bytes)
{
	return hash64(&edge->key, slice_head(bytes, ICMP_BYTES)) | 1;
}

/* An ICMP error is believed only when it gives back bytes that we sent, with their random branch:
 * otherwise anybody who knows two addresses could end our transactions. */
static struct handle find_sent(const struct edge *edge, struct slice bytes)
{
	uint64_t hash = sent_hash(edge, bytes);
	const struct sent *sent = &edge->sent[(hash >> 1) % EDGE_SENT];

	return sent->hash == hash ? sent->txn : HANDLE_NONE;
}

static void on_udp_failure(void *owner, const struct net_send_failure *failure)
{
	struct listener *listener = owner;
	struct edge *edge = listener->edge;
	struct flow flow = { .transport = SIP_UDP,
			     .listener = listener->number,
			     .local = listener->local,
			     .remote = failure->remote };
	struct handle txn = handle_from_u64(failure->tag);

	if (failure->icmp) {
		/* The path takes only smaller packets; the next copy will be cut accordingly. */
		if ((int)failure->err == -EMSGSIZE)
			return;
		edge->counters.icmp_errors++;
		txn = find_sent(edge, failure->bytes);
		if (!handle_is(txn))
			return;
	}
	edge_fail(edge, &flow, txn, failure->err);
}

enum err edge_udp_queue(struct listener *listener)
{
	return net_queue_create(listener->io.fd, on_udp_failure, listener, &listener->queue);
}

static void send_datagram(struct edge *edge, const struct flow *flow, struct slice bytes,
			  struct handle txn)
{
	struct listener *listener = listener_find(edge, flow->listener);
	enum err err;

	if (!listener || !listener->queue) {
		edge_fail(edge, flow, txn, ERR_NOENT);
		return;
	}
	err = net_queue_add(listener->queue, &flow->remote, bytes, handle_u64(txn));
	if (err != OK) {
		edge_fail(edge, flow, txn, err);
		return;
	}
	if (handle_is(txn)) {
		uint64_t hash = sent_hash(edge, bytes);

		edge->sent[(hash >> 1) % EDGE_SENT] = (struct sent){ hash, txn };
	}
}

void edge_send(struct edge *edge, const struct flow *flow, struct slice bytes, struct handle txn)
{
	edge->counters.sent++;
	if (flow->transport == SIP_UDP)
		send_datagram(edge, flow, bytes, txn);
	else
		conn_send(edge, flow, bytes, txn, false);
}

void edge_close(struct edge *edge, struct handle connection)
{
	struct conn *conn = pool_get(&edge->conns, connection);

	if (conn)
		conn_shut(conn);
}

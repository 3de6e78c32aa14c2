/* SPDX-License-Identifier: MIT
 * Connections: cut into messages on the way in, re-used on the way out (RFC 3261 18). What makes it
 * hard: anything may end a connection while its bytes or its name are in somebody's hands. So it
 * only changes its state, and is freed at the end of the turn. */
#include <errno.h>
#include <unistd.h>

#include "lib/base/wire.h"
#include "sbc/edge/edge_priv.h"

#define PONGS_PER_S 1u
#define PONGS_BURST 4u

/* ---- look-up ---- */

static struct hash128 remote_key(const struct edge *edge, const struct flow *flow)
{
	unsigned char bytes[32];
	struct wire_writer writer;

	wire_writer_init(&writer, bytes, sizeof(bytes));
	wire_put_u16(&writer, flow->listener);
	wire_put_u16(&writer, flow->remote.port);
	wire_put_u8(&writer, flow->remote.ip.family);
	wire_put_bytes(&writer, flow->remote.ip.bytes, sizeof(flow->remote.ip.bytes));
	return hash128(&edge->key, slice_of((const char *)bytes, writer.len));
}

static bool is_usable(const struct conn *conn)
{
	return conn && (conn->state == CONN_CONNECTING || conn->state == CONN_OPEN);
}

/* The flow's own connection, or another one to the same peer by the same listener. */
static struct conn *find_conn(const struct edge *edge, const struct flow *flow)
{
	struct conn *conn = pool_get(&edge->conns, flow->connection);
	struct map_node *node;

	if (is_usable(conn))
		return conn;
	node = map_find(&edge->by_remote, remote_key(edge, flow));
	return node ? container_of(node, struct conn, by_remote) : NULL;
}

static bool source_is_full(const struct edge *edge, const struct ip_addr *ip)
{
	struct map_node *node = map_find(&edge->by_source, source_key(&edge->key, ip));
	uint32_t count = 0;

	for (; node && count < edge->limits.connections_per_ip; node = map_find_next(node))
		count++;
	return count >= edge->limits.connections_per_ip;
}

/* ---- timers ---- */

static void arm(struct conn *conn, uint32_t after_ms)
{
	conn->timed_phase = conn->frame.phase;
	loop_timer_start(conn->edge->loop, &conn->timer, after_ms);
}

static void arm_for_phase(struct conn *conn)
{
	const struct edge_limits *limits = &conn->edge->limits;

	switch (conn->frame.phase) {
	case FRAME_GAP:
		arm(conn, conn->known ? limits->idle_known_ms : limits->idle_unknown_ms);
		break;
	case FRAME_HEAD:
		arm(conn, limits->head_ms);
		break;
	case FRAME_BODY:
		arm(conn, limits->body_ms);
		break;
	}
}

static void count_timeout(struct conn *conn)
{
	struct edge_counters *counters = &conn->edge->counters;

	if (conn->state == CONN_CONNECTING)
		counters->connect_failed++;
	else if (conn->state != CONN_OPEN)
		return;
	else if (conn->frame.phase == FRAME_HEAD)
		counters->closed_head_timeout++;
	else if (conn->frame.phase == FRAME_BODY)
		counters->closed_body_timeout++;
	else
		counters->closed_idle++;
}

static void on_timer(struct loop *loop, void *owner)
{
	struct conn *conn = owner;

	(void)loop;
	count_timeout(conn);
	conn_kill(conn, (enum err)(-ETIMEDOUT));
}

/* ---- ending ---- */

static void leave_maps(struct conn *conn)
{
	map_remove(&conn->edge->by_remote, &conn->by_remote);
	map_remove(&conn->edge->by_source, &conn->by_source);
}

void conn_kill(struct conn *conn, enum err err)
{
	struct edge *edge = conn->edge;

	if (conn->state == CONN_DEAD)
		return;
	waiters_fail(conn, err);
	conn->state = CONN_DEAD;
	loop_timer_stop(edge->loop, &conn->timer);
	loop_forget(edge->loop, &conn->io);
	list_remove(&conn->dirty);
	leave_maps(conn);
	list_add_tail(&edge->dead, &conn->dead);
}

void conn_free(struct conn *conn)
{
	list_remove(&conn->dead);
	net_stream_fini(&conn->stream);
	pool_give(&conn->edge->conns, conn->self);
}

static void mark_dirty(struct conn *conn)
{
	if (!list_linked(&conn->dirty))
		list_add_tail(&conn->edge->dirty, &conn->dirty);
}

void conn_shut(struct conn *conn)
{
	if (conn->state == CONN_CONNECTING) {
		conn_kill(conn, ERR_CLOSED);
		return;
	}
	if (conn->state != CONN_OPEN)
		return;
	conn->state = CONN_CLOSING;
	leave_maps(conn);
	arm(conn, conn->edge->limits.linger_ms);
	mark_dirty(conn);
}

/* ---- writing ---- */

static void watch(struct conn *conn)
{
	uint32_t events = EPOLLIN | (net_stream_pending(&conn->stream) ? EPOLLOUT : 0u);
	enum err err = loop_watch(conn->edge->loop, &conn->io, events);

	if (err != OK)
		conn_kill(conn, err);
}

void conn_flush(struct conn *conn)
{
	enum err err;

	if (conn->state == CONN_CONNECTING || conn->state == CONN_DEAD)
		return;
	waiters_settle(conn);
	err = net_stream_flush(&conn->stream);
	if (err != OK && err != ERR_AGAIN) {
		conn->edge->counters.closed_by_peer++;
		conn_kill(conn, err);
		return;
	}
	if (err == OK && conn->state == CONN_CLOSING) {
		/* Not close(2): with bytes unread it would reset, and the last answer be lost. */
		shutdown(conn->stream.fd, SHUT_WR);
		conn->state = CONN_LINGER;
	}
	watch(conn);
}

static void queue_bytes(struct conn *conn, const struct flow *flow, struct slice bytes,
			struct handle txn, bool again)
{
	struct edge *edge = conn->edge;
	enum err err = net_stream_write(&conn->stream, bytes);

	if (err != OK) {
		edge_fail(edge, flow, txn, err);
		edge->counters.closed_slow_reader += err == ERR_LIMIT;
		conn_kill(conn, err);
		return;
	}
	mark_dirty(conn);
	waiter_add(conn, flow, bytes, txn, again);
}

/* ---- reading ---- */

static void answer_ping(struct conn *conn)
{
	struct edge *edge = conn->edge;

	edge->counters.pings++;
	if (bucket_take(&conn->pongs, edge->loop->now_ms))
		queue_bytes(conn, &conn->flow, SLICE("\r\n"), HANDLE_NONE, true);
	else
		edge->counters.pings_limited++;
}

static void take_message(struct conn *conn, struct slice message)
{
	struct edge *edge = conn->edge;
	uint64_t filtered = edge->counters.filtered;

	if (!edge_admit(edge, &conn->flow, &conn->known)) {
		/* Over its rate it may stay; who gets silence gets no connection either. */
		if (edge->counters.filtered != filtered)
			conn_kill(conn, ERR_REFUSED);
		return;
	}
	edge->counters.received++;
	edge->events.message(edge->events.owner, &conn->flow, message);
}

static void take_malformed(struct conn *conn, const struct frame_cut *cut)
{
	struct edge *edge = conn->edge;

	edge->counters.closed_malformed++;
	if (cut->status == 0 || !edge->events.malformed ||
	    !edge_admit(edge, &conn->flow, &conn->known)) {
		conn_kill(conn, ERR_SYNTAX);
		return;
	}
	edge->events.malformed(edge->events.owner, &conn->flow, cut->message, cut->status,
			       cut->why);
	conn_shut(conn);
}

static void cut_messages(struct conn *conn)
{
	size_t max_bytes = conn->edge->limits.max_message_bytes;
	enum frame_result result = FRAME_PING;
	bool moved = false;

	while (conn->state == CONN_OPEN && result != FRAME_MORE) {
		struct frame_cut cut;

		result = frame_next(&conn->frame, net_stream_input(&conn->stream), max_bytes, &cut);
		if (result == FRAME_PING)
			answer_ping(conn);
		else if (result == FRAME_MESSAGE)
			take_message(conn, cut.message);
		else if (result == FRAME_BAD)
			take_malformed(conn, &cut);
		net_stream_consume(&conn->stream, cut.consumed);
		moved = moved || result != FRAME_MORE;
	}
	/* A timer runs from a message's first byte, and further bytes do not prolong it. */
	if (conn->state == CONN_OPEN && (moved || conn->frame.phase != conn->timed_phase))
		arm_for_phase(conn);
}

static void read_some(struct conn *conn)
{
	enum err err = net_stream_read(&conn->stream, conn->edge->limits.max_message_bytes);

	if (err == OK)
		waiters_settle(conn);
	if (err == OK && conn->state == CONN_OPEN) {
		cut_messages(conn);
	} else if (err == OK) {
		net_stream_consume(&conn->stream, net_stream_input(&conn->stream).len);
	} else if (err == ERR_LIMIT && conn->state != CONN_OPEN) {
		/* What it held when it was shut. */
		net_stream_consume(&conn->stream, net_stream_input(&conn->stream).len);
	} else if (err != ERR_AGAIN) {
		conn->edge->counters.closed_by_peer += conn->state == CONN_OPEN;
		conn_kill(conn, err);
	}
}

static void connect_done(struct conn *conn)
{
	enum err err = net_tcp_connected(conn->stream.fd);

	if (err != OK) {
		conn->edge->counters.connect_failed++;
		conn_kill(conn, err);
		return;
	}
	conn->edge->counters.connected++;
	conn->state = CONN_OPEN;
	arm_for_phase(conn);
	mark_dirty(conn);
}

static void on_io(struct loop *loop, void *owner, uint32_t events)
{
	struct conn *conn = owner;

	(void)loop;
	if (conn->state == CONN_CONNECTING) {
		connect_done(conn);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_some(conn);
	if (events & EPOLLOUT && conn->state != CONN_DEAD)
		mark_dirty(conn);
}

/* ---- making ---- */

/* Takes over fd. NULL: no room; fd is closed. */
static struct conn *make_conn(struct edge *edge, int fd, enum conn_state state,
			      const struct flow *flow, bool known)
{
	struct handle self;
	struct conn *conn = pool_take(&edge->conns, &self);

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->edge = edge;
	conn->self = self;
	conn->state = state;
	conn->flow = *flow;
	conn->flow.connection = self;
	conn->known = known;
	conn->io = (struct loop_io){ .fd = fd, .fn = on_io, .owner = conn };
	conn->timer = (struct loop_timer){ .fn = on_timer, .owner = conn };
	list_init(&conn->waiters);
	bucket_init(&conn->pongs, PONGS_PER_S, PONGS_BURST, edge->loop->now_ms);
	net_stream_init(&conn->stream, fd, edge->limits.queue_bytes);
	map_insert(&edge->by_remote, &conn->by_remote, remote_key(edge, flow));
	map_insert(&edge->by_source, &conn->by_source, source_key(&edge->key, &flow->remote.ip));
	return conn;
}

/* Whether a connection of this source may be. Counts why not. */
static bool may_accept(struct edge *edge, const struct flow *flow, bool *ret_known)
{
	const struct edge_limits *limits = &edge->limits;
	enum edge_filter verdict = EDGE_UNKNOWN;
	uint32_t reserve;

	if (edge->events.filter)
		verdict = edge->events.filter(edge->events.owner, flow);
	if (verdict == EDGE_DROP) {
		edge->counters.filtered++;
		return false;
	}
	*ret_known = verdict == EDGE_KNOWN;
	reserve = *ret_known ? 0 : limits->connections_reserve;
	if (edge->conns.live + reserve >= limits->connections) {
		edge->counters.refused_total++;
		return false;
	}
	if (!*ret_known && source_is_full(edge, &flow->remote.ip)) {
		edge->counters.refused_per_ip++;
		return false;
	}
	return true;
}

void conn_accept(struct listener *listener, int fd, const struct endpoint *remote)
{
	struct edge *edge = listener->edge;
	struct flow flow = { .transport = (uint8_t)listener->transport,
			     .listener = listener->number,
			     .local = listener->local,
			     .remote = *remote };
	struct conn *conn;
	bool known;

	if (!may_accept(edge, &flow, &known)) {
		close(fd);
		return;
	}
	conn = make_conn(edge, fd, CONN_OPEN, &flow, known);
	if (!conn)
		return;
	edge->counters.accepted++;
	/* A stranger has as long for its first byte as for a header part. */
	arm(conn, known ? edge->limits.idle_known_ms : edge->limits.head_ms);
	watch(conn);
}

static struct conn *open_conn(struct edge *edge, const struct flow *flow, enum err *ret_err)
{
	struct listener *listener = listener_find(edge, flow->listener);
	struct flow own = *flow;
	struct conn *conn;
	enum err err;
	int fd;

	if (!listener || listener->transport != (enum sip_transport)flow->transport) {
		*ret_err = ERR_NOENT;
		return NULL;
	}
	err = net_tcp_connect(ip_unspecified(&listener->local.ip) ? NULL : &listener->local.ip,
			      &flow->remote, &fd);
	if (err != OK) {
		edge->counters.connect_failed++;
		*ret_err = err;
		return NULL;
	}
	own.local = listener->local;
	conn = make_conn(edge, fd, CONN_CONNECTING, &own, true);
	if (!conn) {
		edge->counters.refused_total++;
		*ret_err = ERR_EXHAUSTED;
		return NULL;
	}
	arm(conn, edge->limits.connect_ms);
	err = loop_watch(edge->loop, &conn->io, EPOLLOUT);
	if (err != OK) {
		*ret_err = err;
		conn_kill(conn, err);
		return NULL;
	}
	return conn;
}

void conn_send(struct edge *edge, const struct flow *flow, struct slice bytes, struct handle txn,
	       bool again)
{
	struct conn *conn = find_conn(edge, flow);
	enum err err = OK;

	if (!conn)
		conn = open_conn(edge, flow, &err);
	if (!conn) {
		edge_fail(edge, flow, txn, err);
		return;
	}
	queue_bytes(conn, flow, bytes, txn, again);
}

/* SPDX-License-Identifier: MIT
 * When a side is written to the relay's memory: as it is told, when its source was learned or its keys
 * were first used, and in turn about once a second, some at a time, so that no packet waits for many.
 * Where there are thousands the round takes longer instead of costing more than their packets do: what
 * it carries are counters. Those that are seconds old are good enough: indices are guessed over 2^15
 * packets (RFC 3711 3.3.1), and what passed since then is neither expected nor lost. */
#include "media-relay/worker/worker_priv.h"

#include "media-relay/session/digits.h"

#define TICK_MS        20u
#define TICKS_A_ROUND  50u
#define TICK_SESSIONS  10u     /* at most: some 60 µs */
#define LEFT_FOR_MS    600000u /* an owner that has not come back by then has ended its calls */

void worker_remember(struct worker *worker, struct side *side)
{
	struct side_memory record;
	struct side_states states;

	if (!worker->memory.memory)
		return;
	side_remember(side, &record);
	side->memory_slot = memory_put(&worker->memory, side->memory_slot, &record,
				       side_remember_states(side, &states) ? &states : NULL);
}

void worker_forget(struct worker *worker, struct side *side)
{
	memory_give(&worker->memory, side->memory_slot);
	side->memory_slot = 0;
}

static void give_state(struct ctl_srtp_crypto *cryptos, uint32_t count, const unsigned char *bytes,
		       size_t len)
{
	for (uint32_t i = 0; i < count; i++)
		if (cryptos[i].state.len == 0)
			cryptos[i].state = slice_of((const char *)bytes, len);
}

static void give_states(const struct ctl_stream_security *told, const struct side_states *states)
{
	const struct flow_states *rtp = &states->flows[COMPONENT_RTP];
	const struct flow_states *rtcp = &states->flows[COMPONENT_RTCP];

	give_state(told->receive, told->receive_count, rtp->receive, rtp->receive_len);
	give_state(told->send, told->send_count, rtp->send, rtp->send_len);
	give_state(told->receive_rtcp, told->receive_rtcp_count, rtcp->receive, rtcp->receive_len);
	give_state(told->send_rtcp, told->send_rtcp_count, rtcp->send, rtcp->send_len);
}

uint32_t worker_take_left(struct worker *worker, const struct session *session,
			  const struct ctl_stream_set *told, const struct endpoint *local)
{
	uint32_t slot = memory_take_left(&worker->memory, session->id, told->stream, told->side,
					 local);
	const struct side_states *states;

	if (slot != 0 && told->security_count > 0 && memory_get(&worker->memory, slot, &states))
		give_states(told->security, states);
	return slot;
}

void worker_recall(struct worker *worker, struct side *side, uint32_t slot)
{
	const struct side_memory *record;
	const struct side_states *states;

	if (slot == 0)
		return;
	worker_forget(worker, side);
	side->memory_slot = slot;
	record = memory_get(&worker->memory, slot, &states);
	if (!record)
		return;
	side_recall(side, record, worker->loop->now_ms);
	session_recall_digits(&worker->sessions, side, record);
}

static void session_remember(struct worker *worker, struct session *session)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		ways_take(worker, stream);
		for (unsigned i = 0; i < 2; i++)
			if (stream->sides[i].flows[COMPONENT_RTP].port)
				worker_remember(worker, &stream->sides[i]);
	}
}

static void on_tick(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	uint32_t live = worker->sessions.session_pool.live;
	uint32_t count = live / TICKS_A_ROUND + 1;
	struct session *session = NULL;

	for (uint32_t i = 0; i < count && i < TICK_SESSIONS; i++) {
		session = pool_next(&worker->sessions.session_pool, &worker->memory_cursor);
		if (!session)
			break;
		session_remember(worker, session);
	}
	if (!session)
		worker->memory_cursor = 0;
	if (worker->memory.left && loop->now_ms > worker->memory_begin_ms + LEFT_FOR_MS)
		memory_give_left(&worker->memory);
	worker->memory_ticks = live > 0;
	if (live > 0)
		loop_timer_start(loop, &worker->memory_timer, TICK_MS);
}

void worker_memory_tick(struct worker *worker)
{
	if (worker->memory_ticks || !worker->memory.memory)
		return;
	worker->memory_timer = (struct loop_timer){ .fn = on_tick, .owner = worker };
	worker->memory_ticks = true;
	loop_timer_start(worker->loop, &worker->memory_timer, TICK_MS);
}

enum err worker_memory_init(struct worker *worker)
{
	worker->memory_begin_ms = worker->loop->now_ms;
	return memory_share_init(&worker->memory, worker->options.memory, worker->options.number,
				 worker->options.count);
}

void worker_memory_fini(struct worker *worker)
{
	struct session *session;
	uint32_t cursor = 0;

	while (worker->memory.memory &&
	       (session = pool_next(&worker->sessions.session_pool, &cursor)))
		session_remember(worker, session);
	memory_share_fini(&worker->memory);
}

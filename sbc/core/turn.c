/* SPDX-License-Identifier: MIT
 * The turn: one event in, all its effects out, nothing left behind. This is the only place where the
 * sans-I/O rooms' wishes become sockets, relay commands and journal records. */
#include "sbc/core/core_priv.h"

struct turn turn_now(struct worker *worker)
{
	return (struct turn){
		.now_ms = worker->loop->now_ms,
		.now_unix_ms = worker->loop->now_unix_ms,
		.arena = &worker->arena,
		.out = &worker->effects,
		.relay_up = worker->link.up,
	};
}

struct turn turn_begin(struct worker *worker)
{
	ensure(!worker->in_turn);
	worker->in_turn = true;
	effects_init(&worker->effects, &worker->arena);
	return turn_now(worker);
}

/* ---- a worker's hands ---- */

static void hand_send(void *owner, const struct flow *flow, struct slice bytes, struct handle txn)
{
	worker_send(owner, flow, bytes, txn);
}

static void hand_relay(void *owner, struct handle call, uint32_t purpose,
		       struct ctl_message *message)
{
	link_send(owner, call, purpose, message);
}

static void hand_resolve(void *owner, const struct effect *effect)
{
	worker_resolve(owner, effect);
}

static void hand_record(void *owner, const struct turn *turn, const struct ctl_call_info *info)
{
	struct worker *worker = owner;

	log_write(worker->core->config.log, LOG_LEVEL_INFO, EVENT_call_ended,
		  LOG_S("call", info->id), LOG_S("result", info->result),
		  LOG_U("status", info->sip_code), LOG_S("cause", info->cause),
		  LOG_S("by", info->ended_by), LOG_S("from", info->calling),
		  LOG_S("to", info->called), LOG_U("duration_ms", info->duration_ms));
	figures_record(worker, info);
	(void)!journal_append(worker->journal, info, turn->now_unix_ms);
}

static void hand_rejected(void *owner, const struct sip_msg *msg, const struct flow *flow,
			  enum reject_reason reason)
{
	struct worker *worker = owner;

	figures_reject(worker, reason);
	if (reason == REJECT_ACL)
		log_write(worker->core->config.log, LOG_LEVEL_INFO, EVENT_request_rejected,
			  LOG_E("peer", &flow->remote), LOG_S("method", msg->method_text),
			  LOG_U("status", 403), LOG_T("why", "unknown_source"));
}

static struct rooms worker_rooms(struct worker *worker)
{
	static const struct hands hands = { .send = hand_send,
					    .relay = hand_relay,
					    .resolve = hand_resolve,
					    .record = hand_record,
					    .rejected = hand_rejected,
					    .probe = probe_on_txn,
					    .evidence = prober_on_evidence };

	return (struct rooms){
		.txns = worker->txns,
		.calls = worker->calls,
		.settings = worker->settings,
		.tag_key = worker->core->worker_key,
		.rand = &worker->rand,
		.draining = worker->core->draining,
		.hands = &hands,
		.owner = worker,
	};
}

void turn_end(struct worker *worker)
{
	struct rooms rooms = worker_rooms(worker);
	struct turn turn = turn_now(worker);

	dispatch_effects(&rooms, &turn);
	arena_reset(&worker->arena);
	worker->arena.wipe = false; /* the next turn says for itself whether it holds keys */
	worker->in_turn = false;
}

enum edge_filter turn_filter(void *owner, const struct flow *flow)
{
	struct worker *worker = owner;
	uint32_t realm = settings_realm_by_listener(worker->settings,
						    (enum conf_transport)flow->transport,
						    &flow->local, NULL);
	enum policy_answer answer;
	uint32_t trunk;

	if (realm == SETTINGS_NONE)
		return EDGE_DROP;
	answer = policy_admit(worker->settings, realm, &flow->remote.ip, &trunk);
	if (answer == POLICY_ALLOW)
		return EDGE_KNOWN;
	/* Neither access rules nor the budget of strangers are for those whom we asked. What they may
	 * do is still for dialogs and transactions to say: a new call of theirs is refused as before. */
	if (asked_lately(worker->core->asked, &flow->remote.ip, worker->loop->now_ms))
		return EDGE_KNOWN;
	return answer == POLICY_REJECT ? EDGE_UNKNOWN : EDGE_DROP;
}

static void log_malformed(struct worker *worker, const struct flow *flow, const char *why)
{
	stats_add(worker->row, worker->core->figures.malformed, 1);
	log_write(worker->core->config.log, LOG_LEVEL_DEBUG, EVENT_message_malformed,
		  LOG_E("peer", &flow->remote), LOG_T("why", why));
}

/* The message belongs to another worker's calls: it goes there whole, and is parsed again. */
static bool handed_over(struct worker *worker, const struct sip_msg *msg, const struct flow *flow)
{
	struct core *core = worker->core;
	uint32_t to = calls_worker_of(&core->worker_key, core->worker_count, msg->call_id);

	if (to == worker->index)
		return false;
	worker_hand_over(&core->workers[to], flow, msg->bytes);
	return true;
}

void turn_on_message(void *owner, const struct flow *flow, struct slice bytes)
{
	struct worker *worker = owner;
	struct flow ours = *flow;

	ours.worker = (uint8_t)worker->index;
	turn_take(worker, &ours, bytes);
}

static void count_message(struct worker *worker, const struct sip_msg *msg)
{
	const struct figures *figures = &worker->core->figures;

	stats_add(worker->row,
		  msg->is_request ? figures->requests[msg->method] :
				    figures->responses[msg->status / 100],
		  1);
}

void turn_take(struct worker *worker, const struct flow *flow, struct slice bytes)
{
	struct turn turn = turn_begin(worker);
	struct rooms rooms = worker_rooms(worker);
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(turn.arena, bytes, &sip_limits_default, &msg, &verdict);

	if (err != OK) {
		log_malformed(worker, flow, verdict.why ? verdict.why : err_text(err));
		figures_reject(worker, REJECT_MALFORMED);
		if (!verdict.drop && verdict.status != 0)
			reply_stateless(&rooms, &turn, &msg, flow, verdict.status, verdict.reason);
	} else if (!handed_over(worker, &msg, flow)) {
		count_message(worker, &msg);
		dispatch_message(&rooms, &turn, &msg, flow);
	}
	turn_end(worker);
}

void turn_on_malformed(void *owner, const struct flow *flow, struct slice head, uint16_t status,
		       const char *why)
{
	struct worker *worker = owner;
	struct turn turn = turn_begin(worker);
	struct rooms rooms = worker_rooms(worker);
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(turn.arena, head, &sip_limits_default, &msg, &verdict);

	log_malformed(worker, flow, why);
	figures_reject(worker, REJECT_MALFORMED);
	if (err == OK ? msg.is_request && msg.method != SIP_ACK : !verdict.drop)
		reply_stateless(&rooms, &turn, &msg, flow, status, NULL);
	turn_end(worker);
}

void turn_on_failed(void *owner, const struct flow *flow, struct handle txn, enum err err)
{
	struct worker *worker = owner;
	struct turn turn = turn_begin(worker);

	(void)flow;
	(void)err;
	txn_on_transport_error(worker->txns, txn, turn.now_ms, turn.out);
	turn_end(worker);
}

void turn_on_timers(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	struct timer *timer;

	while ((timer = wheel_pop(&worker->wheel, loop->now_ms))) {
		struct turn turn = turn_begin(worker);

		if (timer->kind == TXN_TIMER_KIND)
			txn_on_timer(worker->txns, timer, turn.now_ms, turn.out);
		else
			calls_on_timer(worker->calls, &turn, timer);
		turn_end(worker);
	}
}

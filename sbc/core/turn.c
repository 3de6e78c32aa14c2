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

static void log_record(struct worker *worker, const struct ctl_call_info *info)
{
	log_write(worker->core->config.log, LOG_LEVEL_INFO, EVENT_call_ended,
		  LOG_S("call", info->id), LOG_S("result", info->result),
		  LOG_U("status", info->sip_code), LOG_S("cause", info->cause),
		  LOG_S("by", info->ended_by), LOG_S("from", info->calling),
		  LOG_S("to", info->called), LOG_U("duration_ms", info->duration_ms));
}

static void execute(struct worker *worker, const struct turn *turn, const struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_SEND:
		worker_send(worker, &effect->send.flow, effect->send.bytes, effect->send.txn);
		break;
	case EFFECT_TXN_RESPONSE:
	case EFFECT_TXN_TIMEOUT:
	case EFFECT_TXN_ERROR:
	case EFFECT_TXN_ACK_TIMEOUT:
		calls_on_txn(worker->calls, turn, effect);
		break;
	case EFFECT_RELAY: {
		struct ctl_message message = *effect->relay.message;

		link_send(worker, effect->relay.owner, effect->relay.purpose, &message);
		break;
	}
	case EFFECT_RESOLVE:
		worker_resolve(worker, effect);
		break;
	case EFFECT_RECORD:
		log_record(worker, effect->record);
		figures_record(worker, effect->record);
		(void)!journal_append(worker->journal, effect->record, turn->now_unix_ms);
		break;
	case EFFECT_REAP:
		calls_reap(worker->calls, effect->reap);
		break;
	}
}

void turn_end(struct worker *worker)
{
	struct turn turn = turn_now(worker);
	struct effect *effect;

	while ((effect = effects_pop(&worker->effects)))
		execute(worker, &turn, effect);
	arena_reset(&worker->arena);
	worker->in_turn = false;
}

enum edge_filter turn_filter(void *owner, const struct flow *flow)
{
	struct worker *worker = owner;
	uint32_t realm = settings_realm_by_listener(worker->settings,
						    (enum conf_transport)flow->transport,
						    &flow->local, NULL);
	uint32_t trunk;

	if (realm == SETTINGS_NONE)
		return EDGE_DROP;
	switch (policy_admit(worker->settings, realm, &flow->remote.ip, &trunk)) {
	case POLICY_ALLOW:
		return EDGE_KNOWN;
	case POLICY_REJECT:
		return EDGE_UNKNOWN;
	case POLICY_DROP:
		break;
	}
	return EDGE_DROP;
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

void turn_take(struct worker *worker, const struct flow *flow, struct slice bytes)
{
	struct turn turn = turn_begin(worker);
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(turn.arena, bytes, &sip_limits_default, &msg, &verdict);

	if (err != OK) {
		log_malformed(worker, flow, verdict.why ? verdict.why : err_text(err));
		figures_reject(worker, REJECT_MALFORMED);
		if (!verdict.drop && verdict.status != 0)
			reply_stateless(worker, &turn, &msg, flow, verdict.status, verdict.reason);
	} else if (!handed_over(worker, &msg, flow)) {
		if (msg.is_request) {
			stats_add(worker->row, worker->core->figures.requests[msg.method], 1);
			dispatch_request(worker, &turn, &msg, flow);
		} else {
			stats_add(worker->row, worker->core->figures.responses[msg.status / 100], 1);
			/* No transaction: nobody asked, or it came too late (17.1.3). */
			(void)!txn_on_response(worker->txns, &msg, turn.now_ms, turn.out);
		}
	}
	turn_end(worker);
}

void turn_on_malformed(void *owner, const struct flow *flow, struct slice head, uint16_t status,
		       const char *why)
{
	struct worker *worker = owner;
	struct turn turn = turn_begin(worker);
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(turn.arena, head, &sip_limits_default, &msg, &verdict);

	log_malformed(worker, flow, why);
	figures_reject(worker, REJECT_MALFORMED);
	if (err == OK ? msg.is_request && msg.method != SIP_ACK : !verdict.drop)
		reply_stateless(worker, &turn, &msg, flow, status, NULL);
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

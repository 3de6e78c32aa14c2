/* SPDX-License-Identifier: MIT
 * One round of asking a gateway whether it lives: its name is resolved as a call would do it, and an
 * OPTIONS outside any dialog (RFC 3261 11.1) goes to one address after the other until one answers.
 * Any final response is a sign of life, for a gateway that answers 404 or 405 works; only a 503 says
 * that it takes no calls. */
#include "sbc/core/probe.h"

#include <time.h>

#define OPTIONS_BYTES 1024u
#define CALL_ID_CHARS 24u

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void conclude(struct probe *probe, const struct turn *turn,
		     struct health_evidence *evidence)
{
	probe->state = PROBE_IDLE;
	probe->txn = HANDLE_NONE;
	evidence->now_ms = turn->now_ms;
	evidence->now_unix_ms = turn->now_unix_ms;
	prober_on_outcome(probe, evidence);
}

/* The answer must find its way back to worker 0, whichever thread's socket receives it. */
static struct slice mint_call_id(struct worker *worker, struct arena *arena)
{
	const struct core *core = worker->core;
	struct text text;

	text_init_arena(&text, arena, CALL_ID_CHARS);
	do {
		text.len = 0;
		rand_text(&worker->rand, &text, CALL_ID_CHARS);
	} while (text.err == OK && calls_worker_of(&core->worker_key, core->worker_count,
						   text_done(&text)) != 0);
	return text_done(&text);
}

static struct slice random_text(struct worker *worker, struct arena *arena, size_t len)
{
	struct text text;

	text_init_arena(&text, arena, len);
	rand_text(&worker->rand, &text, len);
	return text_done(&text);
}

static struct slice our_party(const struct dialog_self *self, struct arena *arena)
{
	return arena_printf(arena, "<sip:%.*s>", SLICE_ARG(self->host));
}

static struct slice gateway_uri(const struct probe *probe, struct arena *arena, bool whole)
{
	struct text text;

	text_init_arena(&text, arena, 96);
	if (!whole)
		text_char(&text, '<');
	call_gateway_uri_write(&text, probe->gateway, SLICE_NONE, whole);
	if (!whole)
		text_char(&text, '>');
	return text_done(&text);
}

static struct slice write_options(const struct probe *probe, const struct dialog_self *self,
				  struct slice branch, struct arena *arena)
{
	struct worker *worker = probe->prober->worker;
	struct dialog parties = {
		.call_id = mint_call_id(worker, arena),
		.local = our_party(self, arena),
		.local_tag = random_text(worker, arena, DIALOG_TAG_CHARS),
		.remote = gateway_uri(probe, arena, false),
		.remote_target = gateway_uri(probe, arena, true),
	};
	struct dialog_request head = {
		.method = SIP_OPTIONS,
		.cseq = 1,
		.branch = branch,
		.max_forwards = 70,
		.self = self,
	};
	struct text text;

	text_init_arena(&text, arena, OPTIONS_BYTES);
	dialog_request_write(&text, &parties, &head);
	dialog_contact_write(&text, self);
	text_lit(&text, "Accept: application/sdp\r\n");
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	return text_done(&text);
}

static uint32_t timeout_ms(const struct probe *probe)
{
	uint32_t whole_ms = probe->interval_s * 1000;
	uint32_t each_ms;

	if (whole_ms > PROBE_TIMEOUT_MS)
		whole_ms = PROBE_TIMEOUT_MS;
	each_ms = whole_ms / probe->target_count;
	return each_ms < PROBE_TIMEOUT_MIN_MS ? PROBE_TIMEOUT_MIN_MS : each_ms;
}

static enum err send_options(struct probe *probe, const struct turn *turn,
			     const struct call_destination *to)
{
	struct worker *worker = probe->prober->worker;
	struct txn_request request = {
		.method = SIP_OPTIONS,
		.flow = { .transport = to->transport,
			  .listener = FLOW_NO_LISTENER,
			  .remote = to->remote },
		.user = { .owner = probe->self, .purpose = TXN_USER_PROBE },
		.timeout_ms = timeout_ms(probe),
	};
	struct dialog_self self;
	struct text text;
	enum err err = call_self_find(probe->realm, turn->arena, &request.flow, &self);

	if (err != OK)
		return err;
	text_init_arena(&text, turn->arena, 32);
	txn_branch_write(&text, &worker->rand);
	request.branch = text_done(&text);
	text_init_arena(&text, turn->arena, 64);
	dialog_sent_by_write(&text, &self);
	request.sent_by = text_done(&text);
	request.bytes = write_options(probe, &self, request.branch, turn->arena);
	if (turn->arena->exhausted)
		return ERR_NOMEM;
	return txn_request(worker->txns, &request, turn->now_ms, turn->out, &probe->txn);
}

/* The next address; none left: the gateway does not answer. */
static void ask_next(struct probe *probe, const struct turn *turn)
{
	while (probe->target_next < probe->target_count) {
		probe->state = PROBE_ASKING;
		probe->sent_us = now_us();
		if (send_options(probe, turn, &probe->targets[probe->target_next++]) == OK)
			return;
	}
	conclude(probe, turn, &(struct health_evidence){ .event = HEALTH_MISSED });
}

static void take_answer(struct probe *probe, const struct turn *turn,
			const struct resolve_answer *answer)
{
	size_t count = answer ? answer->count : 0;

	if (count > PROBE_TARGETS_MAX)
		count = PROBE_TARGETS_MAX;
	for (size_t i = 0; i < count; i++)
		probe->targets[i] =
			worker_destination(probe->prober->worker, &answer->targets[i]);
	probe->target_count = (uint32_t)count;
	probe->target_next = 0;
	ask_next(probe, turn);
}

static void on_resolved(void *owner, uint64_t token, enum err err,
			const struct resolve_answer *answer)
{
	struct prober *prober = owner;
	struct turn turn = turn_begin(prober->worker);
	struct probe *probe = pool_get(&prober->probes, handle_from_u64(token));

	if (probe && probe->state == PROBE_RESOLVING)
		take_answer(probe, &turn, err == OK ? answer : NULL);
	turn_end(prober->worker);
}

void probe_begin(struct loop *loop, void *owner)
{
	struct probe *probe = owner;
	struct worker *worker = probe->prober->worker;
	const struct conf_gateway *gateway = probe->gateway;
	struct resolve_query query = {
		.host = gateway->host,
		.port = gateway->port,
		.transport = (enum sip_transport)gateway->transport,
		.transport_given = gateway->transport_given,
		.sips = gateway->sips,
		.transports = CORE_TRANSPORTS,
	};
	struct turn turn = turn_begin(worker);
	struct resolve_answer answer;
	enum err err;

	(void)loop;
	probe->state = PROBE_RESOLVING;
	err = resolve(worker->resolver, &query, on_resolved, probe->prober,
		      handle_u64(probe->self), &answer);
	if (err != ERR_AGAIN)
		take_answer(probe, &turn, err == OK ? &answer : NULL);
	turn_end(worker);
}

void probe_stop(struct probe *probe)
{
	struct worker *worker = probe->prober->worker;

	loop_timer_stop(worker->loop, &probe->timer);
	if (handle_is(probe->txn))
		txn_abandon(worker->txns, probe->txn);
	probe->txn = HANDLE_NONE;
	probe->state = PROBE_IDLE;
}

static void on_final(struct probe *probe, const struct turn *turn, const struct sip_msg *msg)
{
	struct health_evidence evidence = {
		.event = msg->status == 503 ? HEALTH_REFUSED : HEALTH_ANSWERED,
		.code = msg->status,
		.retry_after_s = PROBE_SOON_MS / 1000,
		.rtt_us = (uint32_t)(now_us() - probe->sent_us),
	};
	uint32_t named_s;

	if (sip_retry_after(msg, &named_s))
		evidence.retry_after_s = named_s;
	conclude(probe, turn, &evidence);
}

void probe_on_txn(void *owner, const struct turn *turn, const struct effect *effect)
{
	struct worker *worker = owner;
	struct prober *prober = worker->core->prober;
	struct probe *probe = pool_get(&prober->probes, effect->txn.user.owner);

	if (!probe || !handle_eq(probe->txn, effect->txn.txn))
		return;
	if (effect->kind != EFFECT_TXN_RESPONSE)
		ask_next(probe, turn);
	else if (effect->txn.msg->status >= 200)
		on_final(probe, turn, effect->txn.msg);
}

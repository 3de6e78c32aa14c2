/* SPDX-License-Identifier: MIT
 * Gateways that are host names: the call's wish goes to the worker's resolver, the answer back to the
 * call, if it still waits. */
#include "sbc/core/core_priv.h"

#define DESTINATIONS_MAX 8u

struct call_destination worker_destination(struct worker *worker,
					   const struct resolve_target *target)
{
	asked_note(worker->core->asked, &target->endpoint.ip, worker->loop->now_ms);
	return (struct call_destination){
		.transport = (uint8_t)target->transport,
		.remote = target->endpoint,
	};
}

static void hand_to_call(struct worker *worker, struct handle call,
			 const struct resolve_answer *answer)
{
	struct call_destination found[DESTINATIONS_MAX];
	struct turn turn = turn_now(worker);
	size_t count = answer ? answer->count : 0;

	if (count > DESTINATIONS_MAX)
		count = DESTINATIONS_MAX;
	for (size_t i = 0; i < count; i++)
		found[i] = worker_destination(worker, &answer->targets[i]);
	calls_on_resolved(worker->calls, &turn, call, found, count);
}

static void on_resolved(void *owner, uint64_t token, enum err err,
			const struct resolve_answer *answer)
{
	struct worker *worker = owner;

	turn_begin(worker);
	hand_to_call(worker, handle_from_u64(token), err == OK ? answer : NULL);
	turn_end(worker);
}

/* Only the realm's own listeners can send: a target that none of them reaches is no target. */
void worker_resolve(struct worker *worker, const struct effect *effect)
{
	struct resolve_query query = {
		.host = effect->resolve.host,
		.port = effect->resolve.port,
		.transport = (enum sip_transport)effect->resolve.transport,
		.transport_given = effect->resolve.transport_given,
		.sips = effect->resolve.sips,
		.transports = CORE_TRANSPORTS,
	};
	struct resolve_answer answer;
	enum err err;

	err = resolve(worker->resolver, &query, on_resolved, worker,
		      handle_u64(effect->resolve.owner), &answer);
	if (err != ERR_AGAIN)
		hand_to_call(worker, effect->resolve.owner, err == OK ? &answer : NULL);
}

enum err names_init(struct worker *worker)
{
	const struct conf *conf = worker->core->config.conf;
	struct resolve_config config = { .loop = worker->loop, .rand = &worker->rand };
	struct text text;

	text_init_arena(&text, &worker->core->arena, 256);
	for (size_t i = 0; i < conf->dns_server_count; i++) {
		if (i > 0)
			text_char(&text, ',');
		endpoint_write(&text, &conf->dns_servers[i]);
	}
	text_char(&text, 0);
	if (text.err != OK)
		return text.err;
	if (conf->dns_server_count > 0)
		config.servers = text.p;
	return resolver_create(&config, &worker->resolver);
}

/* SPDX-License-Identifier: MIT
 * A worker: its rooms, made in order of rank, and its thread. Worker 0 runs on the main thread's
 * loop, so that a process with one worker has one thread and hands nothing over.
 * lint: owns storage because what is handed to another thread belongs to neither. */
#include "sbc/core/core_priv.h"

#include <stdlib.h>

#include "lib/proc/proc.h"

#define WORKER_CACHE_BYTES (64u << 20)
#define TXNS_PER_CALL 8u

static void on_wake(struct loop *loop, void *owner)
{
	struct worker *worker = owner;

	(void)loop;
	mailbox_run(&worker->mailbox, worker);
}

/* ---- messages that arrived at another worker ---- */

struct handed {
	struct letter letter;
	struct flow flow;
	size_t len;
	char bytes[];
};

static void handed_run(void *reader, struct letter *letter)
{
	struct handed *handed = (struct handed *)letter;

	turn_take(reader, &handed->flow, slice_of(handed->bytes, handed->len));
	free(handed);
}

void worker_hand_over(struct worker *to, const struct flow *flow, struct slice bytes)
{
	struct handed *handed = malloc(sizeof(*handed) + bytes.len);

	if (!handed)
		return; /* as if the network had lost it */
	handed->letter.fn = handed_run;
	handed->flow = *flow;
	handed->len = bytes.len;
	memcpy(handed->bytes, bytes.p, bytes.len);
	worker_post(to, &handed->letter);
}

void worker_post(struct worker *to, struct letter *letter)
{
	mailbox_post(&to->mailbox, letter);
	loop_wake(to->loop);
}

/* ---- sending over another worker's connection ---- */

struct carried {
	struct letter letter;
	struct flow flow;
	struct handle txn;
	uint32_t from;
	size_t len;
	char bytes[];
};

static void carried_run(void *reader, struct letter *letter)
{
	struct worker *worker = reader;
	struct carried *carried = (struct carried *)letter;

	/* A failure finds no transaction here; the sender's own timers notice it. */
	edge_send(worker->edge, &carried->flow, slice_of(carried->bytes, carried->len),
		  HANDLE_NONE);
	free(carried);
}

void worker_send(struct worker *worker, const struct flow *flow, struct slice bytes,
		 struct handle txn)
{
	struct flow numbered = *flow;
	struct carried *carried;

	if (flow->listener == FLOW_NO_LISTENER)
		edge_listener_find(worker->edge, (enum sip_transport)flow->transport, &flow->local,
				   &numbered.listener);
	if (!handle_is(flow->connection) || flow->worker == worker->index) {
		edge_send(worker->edge, &numbered, bytes, txn);
		return;
	}
	carried = malloc(sizeof(*carried) + bytes.len);
	if (!carried)
		return;
	carried->letter.fn = carried_run;
	carried->flow = numbered;
	carried->txn = txn;
	carried->len = bytes.len;
	memcpy(carried->bytes, bytes.p, bytes.len);
	worker_post(&worker->core->workers[flow->worker], &carried->letter);
}

/* ---- life ---- */

static enum err worker_init_rooms(struct worker *worker)
{
	struct core *core = worker->core;
	const struct conf *conf = core->config.conf;
	struct hash_key key = { rand_u64(&worker->rand), rand_u64(&worker->rand) };
	struct edge_limits limits = edge_limits_default;
	struct txn_config txns = { .wheel = &worker->wheel,
				   .cache = worker->cache,
				   .hash_key = key,
				   .capacity = conf->max_calls * TXNS_PER_CALL,
				   .timer_kind = TXN_TIMER_KIND,
				   .quota_bytes = 96u * 1024 };
	struct edge_config edge = { .loop = worker->loop,
				    .limits = &limits,
				    .events = { .filter = turn_filter,
						.message = turn_on_message,
						.malformed = turn_on_malformed,
						.failed = turn_on_failed,
						.owner = worker },
				    .hash_key = key,
				    .reuse_port = core->worker_count > 1,
				    .dscp = 24 }; /* CS3: signalling */
	enum err err = txn_table_create(&txns, &worker->txns);

	limits.connections = conf->max_connections;
	if (err == OK)
		err = policy_create(&worker->policy);
	if (err == OK)
		policy_share(worker->policy, core->worker_count);
	if (err == OK)
		err = edge_create(&edge, &worker->edge);
	if (err != OK)
		return err;

	struct calls_config calls = { .wheel = &worker->wheel,
				      .relay = &worker->link.can,
				      .cache = worker->cache,
				      .txns = worker->txns,
				      .rand = &worker->rand,
				      .policy = worker->policy,
				      .health = core->health,
				      .hash_key = key,
				      .worker_key = core->worker_key,
				      .worker = worker->index,
				      .workers = core->worker_count,
				      .capacity = conf->max_calls,
				      .timer_kind = CALL_TIMER_KIND,
				      .session_mask = rand_u64(&worker->rand) };

	return calls_create(&calls, &worker->calls);
}

static enum err worker_init_journal(struct worker *worker)
{
	struct core *core = worker->core;
	const char *dir = proc_path(&core->arena, core->config.conf->state_dir, "journal");

	if (!dir)
		return ERR_NOMEM;
	return journal_open(core->config.log, dir, worker->index, &worker->journal);
}

enum err worker_init(struct core *core, uint32_t index)
{
	struct worker *worker = &core->workers[index];
	enum err err = OK;

	worker->core = core;
	worker->index = index;
	worker->row = stats_row(core->stats, index);
	worker->loop = index == 0 ? core->config.loop : &worker->own_loop;
	if (index > 0)
		err = loop_init(&worker->own_loop);
	if (err != OK)
		return err;
	arena_cache_init(&worker->own_cache, WORKER_CACHE_BYTES);
	worker->cache = &worker->own_cache;
	arena_init(&worker->arena, worker->cache, TURN_FIRST_BYTES, TURN_QUOTA_BYTES);
	mailbox_init(&worker->mailbox);
	err = map_init(&worker->trunks, 64);
	if (err != OK)
		return err;
	rand_init(&worker->rand);
	wheel_init(&worker->wheel, worker->loop->now_ms);
	err = worker_init_rooms(worker);
	if (err == OK)
		err = names_init(worker);
	if (err == OK)
		err = worker_init_journal(worker);
	if (err == OK && index == 0)
		err = prober_create(worker, &core->prober);
	if (err != OK)
		return err;
	loop_set_wheel(worker->loop, &worker->wheel, turn_on_timers, worker);
	loop_set_wake(worker->loop, on_wake, worker);
	worker->tick.fn = figures_tick;
	worker->tick.owner = worker;
	loop_timer_start(worker->loop, &worker->tick, 1000);
	return OK;
}

void worker_fini(struct worker *worker)
{
	link_fini(worker);
	figures_forget_trunks(worker);
	resolver_destroy(&worker->resolver);
	calls_destroy(&worker->calls);
	txn_table_destroy(&worker->txns);
	edge_destroy(&worker->edge);
	policy_destroy(&worker->policy);
	journal_close(&worker->journal);
	if (worker->settings)
		settings_release(&worker->settings);
	arena_fini(&worker->arena);
	if (worker->index > 0)
		loop_fini(&worker->own_loop);
	if (worker->cache)
		arena_cache_fini(&worker->own_cache);
}

static void *worker_main(void *owner)
{
	struct worker *worker = owner;

	loop_run(worker->loop);
	return NULL;
}

enum err worker_start(struct worker *worker)
{
	int failed;

	if (worker->index == 0)
		return OK;
	failed = pthread_create(&worker->thread, NULL, worker_main, worker);
	worker->threaded = failed == 0;
	return (enum err)(-failed);
}

void worker_stop(struct worker *worker)
{
	if (!worker->threaded)
		return;
	loop_stop(worker->loop);
	pthread_join(worker->thread, NULL);
	worker->threaded = false;
}

static size_t collect_listeners(const struct settings *settings, struct edge_listener *list,
				size_t room)
{
	size_t count = 0;

	for (uint32_t i = 0; i < settings->realm_count; i++) {
		const struct conf_realm *realm = settings->realms[i].conf;

		for (size_t j = 0; j < realm->listener_count && count < room; j++)
			list[count++] = (struct edge_listener){
				.transport = (enum sip_transport)realm->listeners[j].transport,
				.local = { realm->listeners[j].address, realm->listeners[j].port },
			};
	}
	return count;
}

enum err worker_apply(struct worker *worker, struct settings *settings, size_t *ret_failed)
{
	struct edge_listener list[CORE_MAX_LISTENERS];
	size_t count = collect_listeners(settings, list, CORE_MAX_LISTENERS);
	enum err err = edge_set_listeners(worker->edge, list, count, ret_failed);

	if (err != OK && worker->settings) { /* as it was before */
		size_t ignored;

		count = collect_listeners(worker->settings, list, CORE_MAX_LISTENERS);
		(void)!edge_set_listeners(worker->edge, list, count, &ignored);
		return err;
	}
	if (err != OK)
		return err;
	if (worker->settings)
		settings_release(&worker->settings);
	worker->settings = settings;
	if (worker->index == 0)
		prober_apply(worker->core->prober, settings);
	if (worker->link.client)
		link_send_realms(worker);
	return OK;
}

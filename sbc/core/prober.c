/* SPDX-License-Identifier: MIT
 * All gateways of the present snapshot: when each one is asked next, and what the operator hears of
 * them. Changes are made known here, in worker 0's thread, whichever worker's call saw them, so that
 * each one is logged and counted once.
 * lint: owns storage because a change travels between threads. */
#include "sbc/core/probe.h"

#include <stdlib.h>

#define RTT_BOUNDS 8u
static const double rtt_bounds[RTT_BOUNDS] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1 };

enum err prober_create(struct worker *worker, struct prober **ret)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	enum err err;

	if (!prober)
		return ERR_NOMEM;
	prober->worker = worker;
	err = pool_init(&prober->probes, sizeof(struct probe), HEALTH_MAX_GATEWAYS);
	if (err == OK)
		err = map_init(&prober->by_key, 64);
	prober->rtt_seconds = stats_histogram(worker->core->stats, "sbc_trunk_options_rtt_seconds",
					      "", "OPTIONS to its answer, over all gateways",
					      rtt_bounds, RTT_BOUNDS);
	if (err != OK)
		prober_destroy(&prober);
	else
		*ret = prober;
	return err;
}

void prober_destroy(struct prober **prober)
{
	if (!*prober)
		return;
	map_fini(&(*prober)->by_key);
	pool_fini(&(*prober)->probes);
	free(*prober);
	*prober = NULL;
}

/* ---- when ---- */

/* Intervals vary by a tenth, so that hundreds of gateways that began together do not stay together. */
static void start_timer(struct probe *probe, uint64_t after_ms)
{
	struct worker *worker = probe->prober->worker;
	uint32_t tenth = (uint32_t)(after_ms / 10);

	loop_timer_start(worker->loop, &probe->timer,
			 after_ms - tenth + rand_below(&worker->rand, 2 * tenth + 1));
}

static void schedule(struct probe *probe, const struct health_view *view)
{
	uint64_t interval_ms = (uint64_t)probe->interval_s * 1000;
	uint64_t now_ms = probe->prober->worker->loop->now_ms;
	uint64_t soon_ms = interval_ms < PROBE_SOON_MS ? interval_ms : PROBE_SOON_MS;

	if (view->state == HEALTH_BUSY && view->busy_until_ms > now_ms)
		/* Asked to be left alone (RFC 3261 20.33); a ninth more, lest it be too early. */
		start_timer(probe, (view->busy_until_ms - now_ms) * 10 / 9 + 1);
	else if (view->state == HEALTH_UP && !view->missed)
		start_timer(probe, interval_ms);
	else
		start_timer(probe, soon_ms);
}

/* A new gateway is asked soon, but not together with all others. */
static void start_first(struct probe *probe)
{
	struct worker *worker = probe->prober->worker;
	uint32_t interval_ms = probe->interval_s * 1000;

	loop_timer_start(worker->loop, &probe->timer,
			 rand_below(&worker->rand, interval_ms < PROBE_SOON_MS ? interval_ms :
										 PROBE_SOON_MS));
}

/* ---- changes ---- */

static void show_state(struct probe *probe, const struct health_view *view)
{
	stats_set(probe->prober->worker->row, probe->up,
		  view->state == HEALTH_UP || view->state == HEALTH_UNKNOWN);
}

static void on_change(struct prober *prober, struct hash128 key, const struct health_view *view)
{
	struct map_node *node = map_find(&prober->by_key, key);
	bool up = view->state == HEALTH_UP;
	struct probe *probe;

	if (!node)
		return;
	probe = container_of(node, struct probe, node);
	log_write(prober->worker->core->config.log, up ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		  up ? EVENT_gateway_up : EVENT_gateway_down, LOG_S("trunk", probe->trunk->name),
		  LOG_S("gateway", probe->gateway->uri),
		  LOG_T("state", health_state_name(view->state)),
		  LOG_U("status", view->last_code));
	stats_add(prober->worker->row, probe->changes, 1);
	show_state(probe, view);
	if (probe->interval_s > 0 && probe->state == PROBE_IDLE)
		schedule(probe, view);
}

struct change {
	struct letter letter;
	struct hash128 key;
	struct health_view view;
};

static void change_run(void *reader, struct letter *letter)
{
	struct worker *worker = reader;
	struct change *change = (struct change *)letter;

	on_change(worker->core->prober, change->key, &change->view);
	free(change);
}

/* Any worker's thread. */
static void tell_change(struct worker *worker, struct hash128 key, const struct health_view *view)
{
	struct change *change;

	if (worker->index == 0) {
		on_change(worker->core->prober, key, view);
		return;
	}
	change = malloc(sizeof(*change));
	if (!change)
		return; /* the table knows; the log and the metrics miss it */
	*change = (struct change){ .letter.fn = change_run, .key = key, .view = *view };
	worker_post(&worker->core->workers[0], &change->letter);
}

void prober_on_evidence(void *owner, const struct turn *turn, const struct effect *effect)
{
	struct worker *worker = owner;
	const struct conf_trunk *trunk = effect->evidence.trunk;
	const struct conf_gateway *gateway = effect->evidence.gateway;
	struct health_evidence evidence = {
		.event = (enum health_event)effect->evidence.event,
		.code = effect->evidence.code,
		.retry_after_s = effect->evidence.retry_after_s,
		.now_ms = turn->now_ms,
		.now_unix_ms = turn->now_unix_ms,
	};
	struct health_view view;

	if (health_note(worker->core->health, trunk, gateway, &evidence, &view))
		tell_change(worker, health_key(trunk, gateway), &view);
}

void prober_on_outcome(struct probe *probe, const struct health_evidence *evidence)
{
	struct prober *prober = probe->prober;
	struct health_view view;
	bool changed = health_note(prober->worker->core->health, probe->trunk, probe->gateway,
				   evidence, &view);

	if (evidence->rtt_us)
		stats_observe(prober->worker->row, prober->rtt_seconds, rtt_bounds, RTT_BOUNDS,
			      evidence->rtt_us / 1e6);
	if (changed)
		on_change(prober, probe->node.key, &view);
	else
		schedule(probe, &view);
}

/* ---- the list ---- */

static void make_series(struct probe *probe)
{
	struct stats *stats = probe->prober->worker->core->stats;
	char labels[STATS_LABELS_BYTES];
	struct text text;

	text_init(&text, labels, sizeof(labels));
	stats_label(&text, "trunk", probe->trunk->name);
	stats_label(&text, "gateway", probe->gateway->uri);
	text_char(&text, 0);
	if (text.err != OK)
		return; /* names too long for the map: series 0 swallows them */
	probe->up = stats_series(stats, STATS_GAUGE, "sbc_trunk_up", labels,
				 "0 while calls avoid this gateway, else 1");
	probe->changes = stats_series(stats, STATS_COUNTER, "sbc_trunk_state_changes_total", labels,
				      "changes of this gateway's state");
}

static struct probe *probe_for(struct prober *prober, const struct conf_trunk *trunk,
			       const struct conf_gateway *gateway)
{
	struct hash128 key = health_key(trunk, gateway);
	struct map_node *node = map_find(&prober->by_key, key);
	struct handle self;
	struct probe *probe;

	if (node)
		return container_of(node, struct probe, node);
	probe = pool_take(&prober->probes, &self);
	if (!probe)
		return NULL;
	probe->self = self;
	probe->prober = prober;
	probe->timer.fn = probe_begin;
	probe->timer.owner = probe;
	map_insert(&prober->by_key, &probe->node, key);
	return probe;
}

/* The pointers go to the new snapshot; the rhythm is kept, unless the interval is another. */
static void take_in(struct prober *prober, const struct conf_realm *realm,
		    const struct conf_trunk *trunk, const struct conf_gateway *gateway)
{
	struct probe *probe = probe_for(prober, trunk, gateway);
	struct health_view view;

	if (!probe)
		return;
	probe->realm = realm;
	probe->trunk = trunk;
	probe->gateway = gateway;
	if (probe->generation == 0)
		make_series(probe);
	probe->generation = prober->generation;
	health_read(prober->worker->core->health, trunk, gateway, &view);
	show_state(probe, &view);
	if (probe->interval_s == trunk->probe_interval_s)
		return;
	probe_stop(probe);
	probe->interval_s = trunk->probe_interval_s;
	if (probe->interval_s > 0)
		start_first(probe);
}

static void drop_others(struct prober *prober)
{
	uint32_t cursor = 0;
	struct probe *probe;

	while ((probe = pool_next(&prober->probes, &cursor))) {
		if (probe->generation == prober->generation)
			continue;
		probe_stop(probe);
		/* A series cannot go; a gateway that is not there any more is no reason for an alarm. */
		stats_set(prober->worker->row, probe->up, 1);
		map_remove(&prober->by_key, &probe->node);
		pool_give(&prober->probes, probe->self);
	}
}

void prober_apply(struct prober *prober, const struct settings *settings)
{
	/* Gateways beyond the table's room are tried as if nothing were known of them. */
	(void)!health_apply(prober->worker->core->health, settings);
	prober->generation++;
	for (uint32_t i = 0; i < settings->trunk_count; i++) {
		const struct conf_trunk *trunk = settings->trunks[i].conf;
		const struct conf_realm *realm = settings->realms[settings->trunks[i].realm].conf;

		for (size_t j = 0; j < trunk->gateway_count; j++)
			take_in(prober, realm, trunk, &trunk->gateways[j]);
	}
	drop_others(prober);
}

/* SPDX-License-Identifier: MIT
 * The process: workers, the statistics map, the control socket.
 * lint: owns storage because the core lives as long as its process. */
#include "sbc/core/core_priv.h"

#include <stdlib.h>

#include "lib/proc/proc.h"

#define CORE_ARENA_QUOTA (64u << 20)
#define DRAIN_CALLS 64u /* of one turn */
#define DRAIN_MS 2500u /* a little more than a call waits for the relay */

static void log_listen_failed(struct core *core, const struct settings *settings, size_t index,
			      enum err err)
{
	size_t at = 0;

	for (uint32_t i = 0; i < settings->realm_count; i++) {
		const struct conf_realm *realm = settings->realms[i].conf;

		for (size_t j = 0; j < realm->listener_count; j++, at++) {
			struct endpoint local = { realm->listeners[j].address,
						  realm->listeners[j].port };

			if (at == index)
				log_write(core->config.log, LOG_LEVEL_ERROR, EVENT_listen_failed,
					  LOG_S("realm", realm->name), LOG_E("local", &local),
					  LOG_T("why", err_text(err)));
		}
	}
}

static enum err core_init_workers(struct core *core)
{
	struct conf_provisioning provisioning;
	struct settings *settings;
	size_t failed = 0;
	enum err err = snapshot_load_first(core, &provisioning, &core->config_version);

	core->hello.config_version = core->config_version;
	for (uint32_t i = 0; i < core->worker_count && err == OK; i++) {
		err = worker_init(core, i);
		if (err == OK)
			err = settings_create(&provisioning, core->config_version, &settings);
		if (err != OK)
			break;
		err = worker_apply(&core->workers[i], settings, &failed);
		if (err != OK) {
			log_listen_failed(core, settings, failed, err);
			settings_release(&settings);
			break;
		}
		err = link_init(&core->workers[i]);
	}
	return err;
}

enum err core_create(const struct core_config *config, struct core **ret)
{
	struct core *core = calloc(1, sizeof(*core));
	const char *stats_path;
	struct rand rand;
	enum err err;

	if (!core)
		return ERR_NOMEM;
	core->config = *config;
	arena_init(&core->arena, config->cache, 4096, CORE_ARENA_QUOTA);
	rand_init(&rand);
	core->instance = rand_u64(&rand);
	core->worker_key = (struct hash_key){ rand_u64(&rand), rand_u64(&rand) };
	core->worker_count = config->conf->node_workers;
	if (core->worker_count > CORE_MAX_WORKERS)
		core->worker_count = CORE_MAX_WORKERS;
	core->hello = (struct ctl_hello){ .version = CTL_VERSION,
					  .program = SLICE("sbcd"),
					  .node = config->conf->node_name,
					  .instance = core->instance };
	stats_path = proc_path(&core->arena, config->conf->run_dir, "sbcd.stats");
	err = stats_path ? stats_create(stats_path, "sbcd", core->worker_count, &core->stats) :
			   ERR_NOMEM;
	if (err == OK)
		err = health_create(&core->health);
	core->asked = arena_new(&core->arena, struct asked);
	if (core->asked)
		core->asked->key = (struct hash_key){ rand_u64(&rand), rand_u64(&rand) };
	else
		err = ERR_NOMEM;
	if (err == OK) {
		figures_init(core);
		core->workers = calloc(core->worker_count, sizeof(*core->workers));
		err = core->workers ? core_init_workers(core) : ERR_NOMEM;
	}
	if (err == OK)
		err = control_init(core);
	if (err != OK) {
		log_write(config->log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("why", err_text(err)));
		core_destroy(&core);
		return err;
	}
	log_write(config->log, LOG_LEVEL_INFO, EVENT_config_loaded,
		  LOG_U("version", core->config_version));
	*ret = core;
	return OK;
}

enum err core_start(struct core *core)
{
	enum err err = OK;

	for (uint32_t i = 1; i < core->worker_count && err == OK; i++)
		err = worker_start(&core->workers[i]);
	return err;
}

/* BYE to everybody, and time for the relay's last figures, so that no call goes unrecorded. The other
 * threads have ended: their loops are turned here. */
static void core_drain(struct core *core)
{
	uint64_t until_ms = core->config.loop->now_ms + DRAIN_MS;
	uint32_t live;

	core->draining = true;
	for (uint32_t i = 0; i < core->worker_count; i++) {
		struct worker *worker = &core->workers[i];
		uint32_t cursor = 0;
		bool more;

		if (!worker->calls)
			continue;
		do {
			struct turn turn = turn_begin(worker);

			more = calls_hangup_some(worker->calls, &turn, &cursor, DRAIN_CALLS);
			turn_end(worker);
		} while (more);
	}
	do {
		live = 0;
		for (uint32_t i = 0; i < core->worker_count; i++) {
			struct worker *worker = &core->workers[i];

			if (!worker->calls)
				continue;
			loop_turn(worker->loop, 5);
			live += calls_live(worker->calls);
		}
	} while (live > 0 && core->config.loop->now_ms < until_ms);
}

void core_destroy(struct core **core)
{
	struct core *c = *core;

	if (!c)
		return;
	control_fini(c);
	for (uint32_t i = 0; c->workers && i < c->worker_count; i++)
		worker_stop(&c->workers[i]);
	if (c->workers)
		core_drain(c);
	for (uint32_t i = 0; c->workers && i < c->worker_count; i++)
		if (c->workers[i].core)
			worker_fini(&c->workers[i]);
	prober_destroy(&c->prober);
	health_destroy(&c->health);
	free(c->workers);
	stats_destroy(&c->stats);
	arena_fini(&c->arena);
	free(c);
	*core = NULL;
}

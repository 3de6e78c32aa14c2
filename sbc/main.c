/* SPDX-License-Identifier: MIT
 * sbcd: the signalling process. */
#include <stdio.h>

#include "lib/proc/proc.h"
#include "sbc/core/core.h"

#define CONF_QUOTA_BYTES (64u << 20)

static int serve(const struct conf *conf, struct arena_cache *cache, struct log *log,
		 struct arena *arena)
{
	struct core_config config = { .conf = conf, .log = log, .cache = cache };
	struct core *core = NULL;
	struct loop loop;
	const char *journal = proc_path(arena, conf->state_dir, "journal");
	enum err err = loop_init(&loop);

	config.loop = &loop;
	if (err == OK)
		err = proc_watch_signals(&loop, log);
	if (err == OK)
		err = proc_make_dir(log, conf->state_dir, 0750, conf->user);
	if (err == OK)
		err = proc_make_dir(log, conf->run_dir, 0750, conf->user);
	if (err == OK)
		err = journal ? proc_make_dir(log, slice_text(journal), 0700, conf->user) :
				ERR_NOMEM;
	if (err == OK)
		err = core_create(&config, &core);
	if (err == OK)
		err = proc_drop_privileges(log, conf->user, true);
	if (err == OK)
		err = core_start(core);
	if (err == OK) {
		proc_watchdog(&loop);
		proc_notify("READY=1");
		log_write(log, LOG_LEVEL_INFO, EVENT_started, LOG_T("version", SBC_VERSION),
			  LOG_U("workers", conf->node_workers));
		loop_run(&loop);
		proc_notify("STOPPING=1");
		log_write(log, LOG_LEVEL_INFO, EVENT_stopping, LOG_T("why", "signal"));
	} else {
		log_write(log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("why", err_text(err)));
	}
	core_destroy(&core);
	loop_fini(&loop);
	log_write(log, LOG_LEVEL_INFO, EVENT_stopped, LOG_U("code", err == OK ? 0 : 1));
	return err == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct proc_options options;
	struct arena_cache cache;
	struct arena arena;
	struct conf conf;
	struct log log;
	int code;

	if (!proc_parse_options(argc, argv, "sbcd", "SIP signalling of the session border controller",
				&options, &code))
		return code;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 16384, CONF_QUOTA_BYTES);
	if (!proc_load_conf(&arena, &options, &conf)) {
		code = 1;
	} else if (options.check) {
		puts("configuration ok");
		code = 0;
	} else {
		log_init(&log, "sbcd", (enum log_level)conf.log_level,
			 (enum log_format)conf.log_format);
		proc_limits(&log);
		code = serve(&conf, &cache, &log, &arena);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return code;
}

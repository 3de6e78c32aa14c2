/* SPDX-License-Identifier: MIT
 * What all daemons do in the same order, so that a reader sees in their main files only what is
 * theirs. */
#include <stdio.h>
#include <sys/resource.h>

#include "lib/proc/proc.h"

#define DOCUMENT_QUOTA_BYTES (64u << 20) /* the file, twice, and its tree */

static enum log_level log_level_of(const struct conf *conf)
{
	static const enum log_level levels[] = {
		[CONF_LOG_ERROR] = LOG_LEVEL_ERROR,
		[CONF_LOG_WARNING] = LOG_LEVEL_WARNING,
		[CONF_LOG_INFO] = LOG_LEVEL_INFO,
		[CONF_LOG_DEBUG] = LOG_LEVEL_DEBUG,
	};

	return levels[conf->log_level];
}

static int start(const struct proc_program *program, const struct proc_options *options,
		 struct arena *arena)
{
	struct conf conf;
	struct log log;
	struct proc_start all = {
		.arena = arena, .options = options, .conf = &conf, .log = &log
	};

	if (!proc_load_conf(arena, options, &conf))
		return 1;
	if (options->check) {
		puts("configuration ok");
		return 0;
	}
	log_init(&log, program->name, log_level_of(&conf),
		 conf.log_format == CONF_LOG_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	proc_limits(&log);
	if (program->niceness > 0)
		(void)setpriority(PRIO_PROCESS, 0, program->niceness);
	return program->run(&all);
}

int proc_main(int argc, char **argv, const struct proc_program *program)
{
	struct proc_options options;
	struct arena_cache cache;
	struct arena arena;
	int exit_code;

	if (!proc_parse_options(argc, argv, program->name, program->purpose, &options, &exit_code))
		return exit_code;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 16384, DOCUMENT_QUOTA_BYTES);
	exit_code = start(program, &options, &arena);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return exit_code;
}

int proc_complain(struct log *log, const char *what, enum err err)
{
	log_write(log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("what", what),
		  LOG_T("why", err_text(err)));
	return 1;
}

void proc_serve(struct loop *loop, struct log *log, unsigned workers)
{
	log_write(log, LOG_LEVEL_INFO, EVENT_started, LOG_T("version", SBC_VERSION),
		  LOG_U("workers", workers));
	proc_watchdog(loop);
	proc_notify("READY=1");
	loop_run(loop);
	proc_notify("STOPPING=1");
	log_write(log, LOG_LEVEL_INFO, EVENT_stopping, LOG_T("why", "asked"));
}

/* SPDX-License-Identifier: MIT
 * media-relayd: RTP and RTCP between two sides of a call. It never sees SIP or SDP; realms and
 * sessions are told through its control socket, and of the configuration it reads only where that
 * is, and how many workers there are. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/proc/proc.h"
#include "lib/stats/stats.h"
#include "media-relay/control/control.h"

#define CONF_MAX_BYTES (64u << 20)
#define IDLE_PAIRS_MAX 16384u
#define FILES_FOR_OTHERS 512u

/* Idle pairs may hold a quarter of the file descriptors, taken over an inside and an outside. */
static uint32_t idle_open_max(unsigned workers)
{
	struct rlimit files = { .rlim_cur = 1024 };
	rlim_t pairs;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	pairs = files.rlim_cur > FILES_FOR_OTHERS ? (files.rlim_cur - FILES_FOR_OTHERS) / 16 : 0;
	if (pairs > IDLE_PAIRS_MAX)
		pairs = IDLE_PAIRS_MAX;
	return (uint32_t)pairs / workers;
}

static int complain(struct log *log, const char *what, enum err err)
{
	log_write(log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("what", what),
		  LOG_T("why", err_text(err)));
	return 1;
}

/* Until SIGTERM. */
static int serve(struct loop *loop, struct log *log, struct stats *stats,
		 const struct control_options *options)
{
	struct control_options all = *options;
	struct control *control = NULL;
	enum err err;

	all.loop = loop;
	all.log = log;
	all.stats = stats;
	err = control_create(&all, &control);
	if (err != OK)
		return complain(log, options->path, err);
	log_write(log, LOG_LEVEL_INFO, EVENT_started, LOG_T("version", SBC_VERSION),
		  LOG_U("workers", options->workers), LOG_T("control", options->path));
	proc_watchdog(loop);
	proc_notify("READY=1");
	loop_run(loop);
	proc_notify("STOPPING=1");
	control_destroy(&control);
	log_write(log, LOG_LEVEL_INFO, EVENT_stopped, LOG_T("why", "asked"));
	return 0;
}

static int run(struct arena *arena, const struct conf *conf, struct log *log)
{
	struct control_options options = {
		.path = proc_path(arena, conf->run_dir, "media-relayd.sock"),
		.node = conf->node_name,
		.workers = conf->relay_workers,
		.capacity = 2 * conf->max_calls, /* a call may hold a second session while it fails over */
	};
	const char *stats_path = proc_path(arena, conf->run_dir, "media-relayd.stats");
	struct stats *stats = NULL;
	struct loop loop;
	int exit_code;
	enum err err;

	if (!options.path || !stats_path)
		return complain(log, "start", ERR_NOMEM);
	proc_limits(log);
	options.idle_open_max = idle_open_max(options.workers);
	err = proc_make_dir(log, conf->run_dir, 0700, conf->user);
	if (err == OK)
		err = proc_drop_privileges(log, conf->user, false);
	if (err == OK)
		err = loop_init(&loop);
	if (err != OK)
		return complain(log, "start", err);
	err = proc_watch_signals(&loop, log);
	if (err == OK)
		err = stats_create(stats_path, "media-relayd", options.workers, &stats);
	exit_code = err == OK ? serve(&loop, log, stats, &options)
			      : complain(log, stats_path, err);
	stats_destroy(&stats);
	loop_fini(&loop);
	return exit_code;
}

static enum log_level log_level_of(const struct conf *conf)
{
	switch (conf->log_level) {
	case CONF_LOG_ERROR:
		return LOG_LEVEL_ERROR;
	case CONF_LOG_WARNING:
		return LOG_LEVEL_WARNING;
	case CONF_LOG_DEBUG:
		return LOG_LEVEL_DEBUG;
	case CONF_LOG_INFO:
		break;
	}
	return LOG_LEVEL_INFO;
}

int main(int argc, char **argv)
{
	struct proc_options options;
	struct arena_cache cache;
	struct arena arena;
	struct conf conf;
	struct log log;
	int exit_code = 1;

	if (!proc_parse_options(argc, argv, "media-relayd", "the RTP relay of the SBC", &options,
				&exit_code))
		return exit_code;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 16384, CONF_MAX_BYTES);
	if (proc_load_conf(&arena, &options, &conf)) {
		log_init(&log, "media-relayd", log_level_of(&conf),
			 conf.log_format == CONF_LOG_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
		if (options.check) {
			puts("configuration ok");
			exit_code = 0;
		} else {
			exit_code = run(&arena, &conf, &log);
		}
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return exit_code;
}

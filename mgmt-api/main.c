/* SPDX-License-Identifier: MIT
 * mgmt-apid: the REST API, the metrics and the dashboard. It owns the stored configuration and the
 * CDR database; calls go on without it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/proc/proc.h"
#include "mgmt-api/api/api.h"
#include "mgmt-api/ui/ui.h"

#define DOCUMENT_BYTES (32u << 20) /* the file, twice, and its tree */

static int complain(struct log *log, const char *what, enum err err)
{
	log_write(log, LOG_LEVEL_ERROR, EVENT_failed, LOG_T("what", what),
		  LOG_T("why", err_text(err)));
	return 1;
}

/* The file's provisioning. Read before rights are dropped: the file may be root's alone. */
static enum err read_seed(struct arena *arena, const char *path, struct slice *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;
	struct stat st;
	char *p;

	if (fd < 0)
		return err_from_errno();
	p = fstat(fd, &st) == 0 ? arena_alloc(arena, (size_t)st.st_size + 1) : NULL;
	if (p)
		len = read(fd, p, (size_t)st.st_size);
	close(fd);
	if (len < 0)
		return p ? err_from_errno() : ERR_NOMEM;
	return conf_seed_text(arena, slice_of(p, (size_t)len), ret);
}

/* Until SIGTERM. */
static int serve(struct loop *loop, struct log *log, const struct conf *conf, struct slice seed)
{
	const struct api_options options = {
		.loop = loop, .log = log, .conf = conf, .seed = seed, .ui = ui_files,
	};
	struct api *api = NULL;

	if (api_create(&options, &api) != OK)
		return 1; /* it said why */
	log_write(log, LOG_LEVEL_INFO, EVENT_started, LOG_T("version", SBC_VERSION));
	proc_watchdog(loop);
	proc_notify("READY=1");
	loop_run(loop);
	proc_notify("STOPPING=1");
	api_destroy(&api);
	log_write(log, LOG_LEVEL_INFO, EVENT_stopped, LOG_T("why", "asked"));
	return 0;
}

static int run(struct arena *arena, const struct proc_options *options, const struct conf *conf,
	       struct log *log)
{
	struct slice seed = SLICE_NONE;
	struct loop loop;
	int exit_code;
	enum err err;

	proc_limits(log);
	err = read_seed(arena, options->config_path, &seed);
	if (err == OK)
		err = proc_make_dir(log, conf->state_dir, 0750, conf->user);
	if (err == OK)
		err = proc_make_dir(log, conf->run_dir, 0700, conf->user);
	if (err == OK)
		err = proc_drop_privileges(log, conf->user, true);
	if (err == OK)
		err = loop_init(&loop);
	if (err != OK)
		return complain(log, "start", err);
	err = proc_watch_signals(&loop, log);
	exit_code = err == OK ? serve(&loop, log, conf, seed) : complain(log, "signals", err);
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

	if (!proc_parse_options(argc, argv, "mgmt-apid", "the REST API and dashboard of the SBC",
				&options, &exit_code))
		return exit_code;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 16384, DOCUMENT_BYTES);
	if (proc_load_conf(&arena, &options, &conf)) {
		log_init(&log, "mgmt-apid", log_level_of(&conf),
			 conf.log_format == CONF_LOG_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
		if (options.check) {
			puts("configuration ok");
			exit_code = 0;
		} else {
			exit_code = run(&arena, &options, &conf, &log);
		}
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return exit_code;
}

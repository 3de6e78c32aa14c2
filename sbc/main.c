/* SPDX-License-Identifier: MIT
 * sbcd: the signalling process. */
#include "lib/proc/proc.h"
#include "sbc/core/core.h"

/* Folders for what it writes. */
static enum err make_folders(const struct proc_start *start)
{
	const struct conf *conf = start->conf;
	const char *journal = proc_path(start->arena, conf->state_dir, "journal");
	enum err err = journal ? OK : ERR_NOMEM;

	if (err == OK)
		err = proc_make_dir(start->log, conf->state_dir, 0750, conf->user);
	if (err == OK)
		err = proc_make_dir(start->log, conf->run_dir, 0750, conf->user);
	if (err == OK)
		err = proc_make_dir(start->log, slice_text(journal), 0700, conf->user);
	return err;
}

/* Listeners are opened with all rights, calls are taken with none. */
static int serve(const struct proc_start *start, struct loop *loop, struct arena_cache *cache)
{
	struct core_config config = {
		.conf = start->conf, .log = start->log, .loop = loop, .cache = cache
	};
	struct core *core = NULL;
	enum err err = core_create(&config, &core);

	if (err == OK)
		err = proc_drop_privileges(start->log, start->conf->user, true);
	if (err == OK)
		err = core_start(core);
	if (err == OK)
		proc_serve(loop, start->log, start->conf->node_workers);
	core_destroy(&core);
	return err == OK ? 0 : proc_complain(start->log, "start", err);
}

static int run(const struct proc_start *start)
{
	struct arena_cache cache;
	struct loop loop;
	int exit_code;
	enum err err = loop_init(&loop);

	if (err == OK)
		err = proc_watch_signals(&loop, start->log);
	if (err == OK)
		err = make_folders(start);
	arena_cache_init(&cache, 0);
	exit_code = err == OK ? serve(start, &loop, &cache) :
				proc_complain(start->log, "start", err);
	arena_cache_fini(&cache);
	loop_fini(&loop);
	log_write(start->log, LOG_LEVEL_INFO, EVENT_stopped, LOG_I("code", exit_code));
	return exit_code;
}

int main(int argc, char **argv)
{
	static const struct proc_program program = {
		.name = "sbcd",
		.purpose = "SIP signalling of the session border controller",
		.run = run,
	};

	return proc_main(argc, argv, &program);
}

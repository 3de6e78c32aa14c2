/* SPDX-License-Identifier: MIT
 * mgmt-apid: the REST API, the metrics and the dashboard. It owns the stored configuration and the
 * CDR database; calls go on without it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/proc/proc.h"
#include "mgmt-api/api/api.h"
#include "mgmt-api/ui/ui.h"

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
	proc_serve(loop, log, 1);
	api_destroy(&api);
	log_write(log, LOG_LEVEL_INFO, EVENT_stopped, LOG_T("why", "asked"));
	return 0;
}

static int run(const struct proc_start *start)
{
	const struct conf *conf = start->conf;
	struct log *log = start->log;
	struct slice seed = SLICE_NONE;
	struct loop loop;
	int exit_code;
	enum err err;

	err = read_seed(start->arena, start->options->config_path, &seed);
	if (err == OK)
		err = proc_make_dir(log, conf->state_dir, 0750, conf->user);
	if (err == OK)
		err = proc_make_dir(log, conf->run_dir, 0700, conf->user);
	if (err == OK)
		err = proc_drop_privileges(log, conf->user, true);
	if (err == OK)
		err = loop_init(&loop);
	if (err != OK)
		return proc_complain(log, "start", err);
	err = proc_watch_signals(&loop, log);
	exit_code = err == OK ? serve(&loop, log, conf, seed) : proc_complain(log, "signals", err);
	loop_fini(&loop);
	return exit_code;
}

int main(int argc, char **argv)
{
	static const struct proc_program program = { .name = "mgmt-apid",
						     .purpose = "the REST API and dashboard of the SBC",
						     .niceness = 10,
						     .run = run };

	return proc_main(argc, argv, &program);
}

/* SPDX-License-Identifier: MIT
 * media-relayd: RTP and RTCP between two sides of a call. It never sees SIP or SDP; realms and
 * sessions are told through its control socket, and of the configuration it reads only where that
 * is, and how many workers there are. */
#include <sys/resource.h>

#include "lib/proc/proc.h"
#include "lib/stats/stats.h"
#include "media-relay/control/control.h"
#include "media-relay/fastpath/fastpath.h"
#include "media-relay/worker/worker.h"

#define IDLE_PAIRS_MAX 16384u
#define FILES_FOR_OTHERS 512u
#define KERNEL_FLOWS_MAX 131072u

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

static void on_drain(struct loop *loop, void *owner)
{
	(void)loop;
	control_drain(owner);
}

/* Of all realms. NULL: no memory. */
static struct ip_addr *media_addresses(struct arena *arena,
				       const struct conf_provisioning *provisioning, size_t *ret_count)
{
	struct ip_addr *addresses;
	size_t count = 0;

	for (size_t i = 0; i < provisioning->realm_count; i++)
		count += conf_media_count(&provisioning->realms[i]);
	addresses = arena_array(arena, count + 1, sizeof(*addresses));
	*ret_count = 0;
	for (size_t i = 0; addresses && i < provisioning->realm_count; i++)
		for (size_t at = 0; at < conf_media_count(&provisioning->realms[i]); at++)
			addresses[(*ret_count)++] =
				conf_media_at(&provisioning->realms[i], at)->address;
	return addresses;
}

/* While we have the rights. What it needs later (a realm on another interface) goes by sockets. */
static struct fastpath *open_fastpath(const struct proc_start *start, uint32_t sessions)
{
	static const enum fast_mode modes[] = {
		[CONF_FAST_AUTO] = FAST_AUTO, [CONF_FAST_NATIVE] = FAST_NATIVE,
		[CONF_FAST_TC] = FAST_TC,     [CONF_FAST_GENERIC] = FAST_GENERIC,
		[CONF_FAST_OFF] = FAST_OFF,
	};
	static const enum fast_ring_mode rings[] = { [CONF_AF_XDP_AUTO] = FAST_RINGS_AUTO,
						     [CONF_AF_XDP_ON] = FAST_RINGS_ON,
						     [CONF_AF_XDP_OFF] = FAST_RINGS_OFF };
	const struct conf *conf = start->conf;
	struct fastpath_options options = {
		.log = start->log,
		.mode = modes[conf->relay_fast_path],
		.rings = rings[conf->relay_af_xdp],
		.interfaces = conf->relay_interfaces,
		.interface_count = conf->relay_interface_count,
		.capacity = 2 * sessions < KERNEL_FLOWS_MAX ? 2 * sessions : KERNEL_FLOWS_MAX,
		.lanes = conf->relay_workers,
	};
	struct fastpath *fastpath = NULL;

	options.addresses = media_addresses(start->arena, &conf->provisioning,
					    &options.address_count);
	if (!options.addresses)
		return NULL;
	return fastpath_create(&options, &fastpath) == OK ? fastpath : NULL;
}

/* Until SIGTERM, or until it was drained. */
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
		return proc_complain(log, options->path, err);
	proc_on_drain(loop, on_drain, control);
	proc_serve(loop, log, options->workers);
	proc_on_drain(loop, NULL, NULL);
	control_destroy(&control);
	log_write(log, LOG_LEVEL_INFO, EVENT_stopped, LOG_T("why", "asked"));
	return 0;
}

/* Without it calls go on, but a restarted relay knows less of them. That another relay has it is an
 * error: it serves already. */
static enum err open_memory(struct log *log, const char *path, uint32_t sides, struct memory **ret)
{
	enum err err = memory_open(path, sides, ret);

	if (err == OK || err == ERR_EXISTS)
		return err;
	log_write(log, LOG_LEVEL_WARNING, EVENT_memory_failed, LOG_T("path", path),
		  LOG_T("why", err_text(err)));
	return OK;
}

static int run(const struct proc_start *start)
{
	const struct conf *conf = start->conf;
	struct arena *arena = start->arena;
	struct log *log = start->log;
	struct control_options options = {
		.path = proc_path(arena, conf->run_dir, "media-relayd.sock"),
		.node = conf->node_name,
		.workers = conf->relay_workers,
		.certificate_s = conf->relay_certificate_s,
		.io_uring = conf->relay_io_uring,
		.capacity = 2 * conf->max_calls, /* a call may hold a second session while it fails over */
	};
	const char *memory_path = proc_path(arena, conf->run_dir, "media-relayd.memory");
	const char *stats_path = proc_path(arena, conf->run_dir, "media-relayd.stats");
	struct stats *stats = NULL;
	struct loop loop;
	int exit_code;
	enum err err;

	if (!options.path || !memory_path || !stats_path)
		return proc_complain(log, "start", ERR_NOMEM);
	options.idle_open_max = idle_open_max(options.workers);
	err = proc_make_dir(log, conf->run_dir, 0700, conf->user);
	if (err == OK)
		options.fastpath = open_fastpath(start, options.capacity);
	if (err == OK)
		err = proc_drop_privileges(log, conf->user, false);
	if (err == OK)
		err = loop_init(&loop);
	if (err != OK)
		return proc_complain(log, "start", err);
	err = proc_watch_signals(&loop, log);
	if (err == OK)
		err = open_memory(log, memory_path, 2 * options.capacity, &options.memory);
	if (err == OK)
		err = stats_create(stats_path, "media-relayd", options.workers, &stats);
	exit_code = err == OK ? serve(&loop, log, stats, &options)
			      : proc_complain(log, err == ERR_EXISTS ? memory_path : stats_path, err);
	stats_destroy(&stats);
	memory_close(&options.memory);
	loop_fini(&loop);
	fastpath_destroy(&options.fastpath);
	return exit_code;
}

int main(int argc, char **argv)
{
	static const struct proc_program program = { .name = "media-relayd",
						     .purpose = "the RTP relay of the SBC",
						     .run = run };

	return proc_main(argc, argv, &program);
}

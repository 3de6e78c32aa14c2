/* SPDX-License-Identifier: MIT
 * The program's life: loaded from bytes in this binary, told how many flows there may be, attached,
 * and gone with the process. Without rights or on an old kernel nothing of it is there, and the log
 * says why once.
 * lint: owns storage because the programs live as long as the relay. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "media-relay/fastpath/fastpath_priv.h"
#include "media-relay/fastpath/umem.h"

static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

static const char *mode_name(enum fast_mode mode)
{
	static const char *const names[] = {
		[FAST_AUTO] = "auto", [FAST_NATIVE] = "native", [FAST_TC] = "tc",
		[FAST_GENERIC] = "generic", [FAST_OFF] = "off",
	};

	return names[mode];
}

/* A map that is memory on both sides. */
struct shared {
	const char *name;
	uint32_t entries;
	size_t entry_bytes;
	void **at;
};

#define SHARED_MAPS 3u

static void shared_list(struct fastpath *fastpath, struct shared ret[SHARED_MAPS])
{
	ret[0] = (struct shared){ "ports", FAST_SLOTS / FAST_ROW_SLOTS, sizeof(*fastpath->ports),
				  (void **)&fastpath->ports };
	ret[1] = (struct shared){ "records", fastpath->capacity, sizeof(*fastpath->records),
				  (void **)&fastpath->records };
	ret[2] = (struct shared){ "totals", fastpath->processors * FAST_LANES_MAX,
				  sizeof(*fastpath->totals), (void **)&fastpath->totals };
}

static enum err map_size(const struct fastpath *fastpath, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(fastpath->object, name);

	if (!map)
		return ERR_NOENT;
	return bpf_map__set_max_entries(map, entries) < 0 ? err_from_errno() : OK;
}

static enum err map_memory(const struct fastpath *fastpath, const struct shared *shared)
{
	int fd = bpf_object__find_map_fd_by_name(fastpath->object, shared->name);
	void *at = mmap(NULL, shared->entries * shared->entry_bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return err_from_errno();
	*shared->at = at;
	return OK;
}

static enum err tell_devices(const struct fastpath *fastpath)
{
	int devices = bpf_object__find_map_fd_by_name(fastpath->object, "devices");
	int ifindexes = bpf_object__find_map_fd_by_name(fastpath->object, "ifindexes");

	for (uint32_t i = 0; i < fastpath->interface_count; i++) {
		const uint32_t *ifindex = &fastpath->interfaces[i].ifindex;

		if (bpf_map_update_elem(devices, &i, ifindex, BPF_ANY) < 0 ||
		    bpf_map_update_elem(ifindexes, &i, ifindex, BPF_ANY) < 0)
			return err_from_errno();
	}
	return OK;
}

enum err fast_load(struct fastpath *fastpath)
{
	struct bpf_object_open_opts options = { .sz = sizeof(options),
						.object_name = "sbc_relay" };
	struct shared shared[SHARED_MAPS];
	int processors = libbpf_num_possible_cpus();
	enum err err;

	if (processors < 0)
		return (enum err)processors;
	fastpath->processors = (uint32_t)processors;
	shared_list(fastpath, shared);
	fastpath->object =
		bpf_object__open_mem(fastpath_object, fastpath_object_bytes, &options);
	if (!fastpath->object)
		return err_from_errno();
	err = map_size(fastpath, "devices", FAST_INTERFACES_MAX);
	if (err == OK)
		err = map_size(fastpath, "ifindexes", FAST_INTERFACES_MAX);
	for (size_t i = 0; i < SHARED_MAPS && err == OK; i++)
		err = map_size(fastpath, shared[i].name, shared[i].entries);
	if (err == OK && bpf_object__load(fastpath->object) < 0)
		err = err_from_errno();
	fastpath->rings_fd = bpf_object__find_map_fd_by_name(fastpath->object, "rings");
	fastpath->bases_fd = bpf_object__find_map_fd_by_name(fastpath->object, "bases");
	for (size_t i = 0; i < SHARED_MAPS && err == OK; i++)
		err = map_memory(fastpath, &shared[i]);
	return err == OK ? tell_devices(fastpath) : err;
}

static void tell(const struct fastpath *fastpath, struct log *log)
{
	for (size_t i = 0; i < fastpath->interface_count; i++)
		log_write(log, LOG_LEVEL_INFO, EVENT_fast_path,
			  LOG_T("interface", fastpath->interfaces[i].name),
			  LOG_T("way", "kernel"), LOG_T("hook", mode_name(fastpath->mode)),
			  LOG_T("rings", fastpath->umem ? "xdp_socket" : "none"));
}

/* Rings are filled by XDP: the program that forwards, or one beside it. Without them the rest goes by
 * sockets, so only who asked for them is warned. */
static enum err start_rings(struct fastpath *fastpath, const struct fastpath_options *options,
			    const char **ret_why)
{
	bool xdp = fastpath->mode == FAST_NATIVE || fastpath->mode == FAST_GENERIC;
	bool wanted = options->rings == FAST_RINGS_ON;
	enum err err;

	if (options->rings == FAST_RINGS_OFF || (!wanted && !xdp))
		return OK;
	err = umem_create(fastpath, ret_why);
	if (err == OK && !xdp)
		err = fast_attach_rings(fastpath, ret_why);
	if (err == OK)
		return OK;
	fast_detach_rings(fastpath);
	umem_destroy(&fastpath->umem);
	log_write(options->log, wanted ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, EVENT_fast_path,
		  LOG_T("way", "socket"), LOG_T("rings", "none"), LOG_T("why", *ret_why));
	return fastpath->mode == FAST_OFF ? err : OK;
}

static enum err start(struct fastpath *fastpath, const struct fastpath_options *options,
		      const char **ret_why)
{
	enum err err;

	fastpath->mode = FAST_OFF;
	if (options->mode == FAST_OFF && options->rings != FAST_RINGS_ON) {
		*ret_why = "relay.fast_path is off";
		return ERR_UNSUPPORTED;
	}
	err = fast_interfaces_find(fastpath, options, ret_why);
	if (err != OK)
		return err;
	err = fast_load(fastpath);
	if (err != OK)
		*ret_why = (int)err == -EPERM ? "no right to (CAP_BPF, CAP_NET_ADMIN)" : err_text(err);
	if (err == OK && options->mode != FAST_OFF)
		err = fast_attach(fastpath, options->mode, ret_why);
	if (err == OK)
		err = start_rings(fastpath, options, ret_why);
	return err;
}

enum err fastpath_create(const struct fastpath_options *options, struct fastpath **ret)
{
	struct fastpath *fastpath = calloc(1, sizeof(*fastpath));
	const char *why = "";
	enum err err;

	if (!fastpath)
		return ERR_NOMEM;
	libbpf_set_print(say_nothing);
	fastpath->capacity = options->capacity;
	fastpath->lanes = options->lanes;
	err = start(fastpath, options, &why);
	if (err != OK) {
		log_write(options->log,
			  options->mode == FAST_AUTO || options->mode == FAST_OFF
				  ? LOG_LEVEL_INFO
				  : LOG_LEVEL_WARNING,
			  EVENT_fast_path, LOG_T("way", "socket"), LOG_T("why", why));
		fastpath_destroy(&fastpath);
		return err;
	}
	tell(fastpath, options->log);
	*ret = fastpath;
	return OK;
}

bool fastpath_forwards(const struct fastpath *fastpath)
{
	return fastpath->mode != FAST_OFF;
}

bool fastpath_has_rings(const struct fastpath *fastpath)
{
	return fastpath->umem != NULL;
}

void fastpath_destroy(struct fastpath **fastpath)
{
	struct fastpath *it = *fastpath;
	struct shared shared[SHARED_MAPS];

	if (!it)
		return;
	*fastpath = NULL;
	fast_detach(it);
	fast_detach_rings(it);
	umem_destroy(&it->umem);
	shared_list(it, shared);
	for (size_t i = 0; i < SHARED_MAPS; i++)
		if (*shared[i].at)
			munmap(*shared[i].at, shared[i].entries * shared[i].entry_bytes);
	bpf_object__close(it->object);
	free(it);
}

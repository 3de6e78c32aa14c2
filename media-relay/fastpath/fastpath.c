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

enum err fast_load(struct fastpath *fastpath)
{
	struct bpf_object_open_opts options = { .sz = sizeof(options),
						.object_name = "sbc_relay" };
	struct bpf_map *flows, *counts;

	fastpath->object =
		bpf_object__open_mem(fastpath_object, fastpath_object_bytes, &options);
	if (!fastpath->object)
		return err_from_errno();
	flows = bpf_object__find_map_by_name(fastpath->object, "flows");
	counts = bpf_object__find_map_by_name(fastpath->object, "counts");
	if (!flows || !counts)
		return ERR_NOENT;
	if (bpf_map__set_max_entries(flows, fastpath->capacity) < 0 ||
	    bpf_map__set_max_entries(counts, fastpath->capacity) < 0 ||
	    bpf_object__load(fastpath->object) < 0)
		return err_from_errno();
	fastpath->flows_fd = bpf_map__fd(flows);
	fastpath->counts = mmap(NULL, fastpath->capacity * sizeof(*fastpath->counts),
				PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(counts), 0);
	if (fastpath->counts == MAP_FAILED) {
		fastpath->counts = NULL;
		return err_from_errno();
	}
	return OK;
}

static void tell(const struct fastpath *fastpath, struct log *log)
{
	for (size_t i = 0; i < fastpath->interface_count; i++)
		log_write(log, LOG_LEVEL_INFO, EVENT_fast_path,
			  LOG_T("interface", fastpath->interfaces[i].name),
			  LOG_T("way", "kernel"), LOG_T("hook", mode_name(fastpath->mode)));
}

static enum err start(struct fastpath *fastpath, const struct fastpath_options *options,
		      const char **ret_why)
{
	enum err err;

	if (options->mode == FAST_OFF) {
		*ret_why = "relay.fast_path is off";
		return ERR_UNSUPPORTED;
	}
	err = fast_interfaces_find(fastpath, options, ret_why);
	if (err != OK)
		return err;
	err = fast_load(fastpath);
	if (err != OK)
		*ret_why = (int)err == -EPERM ? "no right to (CAP_BPF, CAP_NET_ADMIN)" : err_text(err);
	if (err == OK)
		err = fast_attach(fastpath, options->mode, ret_why);
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

void fastpath_destroy(struct fastpath **fastpath)
{
	struct fastpath *it = *fastpath;

	if (!it)
		return;
	*fastpath = NULL;
	fast_detach(it);
	if (it->counts)
		munmap(it->counts, it->capacity * sizeof(*it->counts));
	bpf_object__close(it->object);
	free(it);
}

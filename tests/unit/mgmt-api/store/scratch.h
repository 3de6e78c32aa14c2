/* SPDX-License-Identifier: MIT
 * A state_dir for one test, and a journal writer of its own, made after the format's description and
 * not with sbcd's code. */
#pragma once

#include "tests/support/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/ctl/journal_format.h"
#include "mgmt-api/store/store.h"

struct scratch {
	char dir[64];
	struct log log;
	struct store *store;
	struct arena_cache cache;
	struct arena arena;
};

static inline void scratch_open_store(struct scratch *scratch)
{
	ensure(store_open(&scratch->log, slice_text(scratch->dir), 1000, &scratch->store) == OK);
}

static inline int scratch_setup(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));
	char path[128];

	snprintf(scratch->dir, sizeof(scratch->dir), "/tmp/sbc-store-XXXXXX");
	ensure(mkdtemp(scratch->dir));
	snprintf(path, sizeof(path), "%s/journal", scratch->dir);
	ensure(mkdir(path, 0700) == 0);
	log_init(&scratch->log, "test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	arena_cache_init(&scratch->cache, 0);
	arena_init(&scratch->arena, &scratch->cache, 4096, 64u << 20);
	scratch_open_store(scratch);
	*state = scratch;
	return 0;
}

static inline int scratch_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;

	store_close(&scratch->store);
	arena_fini(&scratch->arena);
	arena_cache_fini(&scratch->cache);
	nftw(scratch->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(scratch);
	return 0;
}

static inline void scratch_segment_path(const struct scratch *scratch, unsigned long long first_seq,
					char path[160])
{
	snprintf(path, 160, "%s/journal/cdr-0-%016llx.journal", scratch->dir, first_seq);
}

/* A new segment of worker 0, mapped for writing. */
static inline char *scratch_segment(const struct scratch *scratch, uint64_t first_seq,
				    uint64_t created_unix_ms)
{
	char path[160];
	uint32_t one = 1;
	char *map;
	int fd;

	scratch_segment_path(scratch, first_seq, path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	ensure(fd >= 0 && ftruncate(fd, 4 << 20) == 0);
	map = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ensure(map != MAP_FAILED);
	close(fd);
	memcpy(map, "SBCCDR1", 8);
	memcpy(map + 8, &one, 4);
	memcpy(map + 16, &first_seq, 8);
	memcpy(map + 24, &created_unix_ms, 8);
	return map;
}

/* One record at *at, which moves on. */
static inline void scratch_record(char *map, size_t *at, uint64_t seq,
				  const struct ctl_call_info *info)
{
	static char payload[CTL_MAX_BYTES];
	size_t len;
	uint32_t crc;

	ensure(ctl_call_info_encode(info, payload, sizeof(payload), &len) == OK);
	crc = journal_crc(seq, slice_of(payload, len));
	memcpy(map + *at + 4, &crc, 4);
	memcpy(map + *at + 8, &seq, 8);
	memcpy(map + *at + 16, payload, len);
	atomic_store_explicit((_Atomic uint32_t *)(void *)(map + *at), (uint32_t)len,
			      memory_order_release);
	*at += (16 + len + 7) / 8 * 8;
}

static inline void scratch_mark_full(char *map, size_t at)
{
	atomic_store_explicit((_Atomic uint32_t *)(void *)(map + at), UINT32_MAX,
			      memory_order_release);
}

/* A small call that is known by its id. */
static inline struct ctl_call_info scratch_call(char id[32], uint64_t seq)
{
	struct ctl_call_info info = { .started_unix_ms = 1000 + seq };

	snprintf(id, 32, "call-%llu", (unsigned long long)seq);
	info.id = slice_text(id);
	info.calling = SLICE("1001");
	info.called = SLICE("2002");
	info.result = SLICE("answered");
	return info;
}

static inline void scratch_append(char *map, size_t *at, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		char id[32];
		struct ctl_call_info info = scratch_call(id, seq);

		scratch_record(map, at, seq, &info);
	}
}

/* All CDRs of the store, newest first. */
static inline size_t scratch_cdrs(struct scratch *scratch, struct ctl_call_info **ret)
{
	static const struct store_cdr_filter all;
	struct store_cdr_cursor cursor = { 0 };
	struct store_cdr_page page;

	ensure(store_cdr_query(scratch->store, &scratch->arena, &all, &cursor, 500, &page) == OK);
	*ret = page.calls;
	return page.count;
}

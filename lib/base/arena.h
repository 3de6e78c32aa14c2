/* SPDX-License-Identifier: MIT
 * Memory by lifetime: an arena is filled, then reset or ended whole. Chunks come from a cache that
 * a worker owns, so that a steady load allocates nothing from the system.
 * Not for more than one thread: an arena and its cache belong to one worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/slice.h"

struct arena_chunk;

/* Freed chunks by size class, kept for re-use. */
#define ARENA_CLASSES 8u
struct arena_cache {
	struct arena_chunk *free[ARENA_CLASSES];
	size_t free_bytes;
	size_t free_limit_bytes; /* above it, chunks go back to the system */
	size_t used_bytes;       /* handed out to arenas now */
};

struct arena {
	struct arena_cache *cache;
	struct arena_chunk *chunks; /* newest first */
	char *at;
	char *end;
	size_t quota_bytes; /* over all chunks */
	size_t held_bytes;
	size_t first_bytes; /* size of the first chunk */
	bool exhausted;     /* sticky: an allocation failed */
	bool wipe;          /* held keys: chunks are zeroed before they are let go */
};

void arena_cache_init(struct arena_cache *cache, size_t free_limit_bytes);
void arena_cache_fini(struct arena_cache *cache);

/* cache must outlive the arena. first_bytes: a hint for the first chunk (rounded to a class from
 * 512 bytes up); nothing is taken before the first allocation. */
void arena_init(struct arena *arena, struct arena_cache *cache, size_t first_bytes,
		size_t quota_bytes);

/* Gives everything back; the arena may be used again. arena_reset keeps the newest chunk. */
void arena_reset(struct arena *arena);
void arena_fini(struct arena *arena);

/* Zeroed, aligned to 16 bytes. NULL when the quota is exhausted (and arena->exhausted is set). */
must_use void *arena_alloc(struct arena *arena, size_t size);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
/* NULL also on overflow of the product. */
must_use void *arena_array(struct arena *arena, size_t count, size_t size);

/* The only door for bytes into an object: a copy owned by `arena`.
 * ERR_NOMEM: *ret untouched. An empty slice is kept as an empty slice. */
must_use enum err arena_keep(struct arena *arena, struct slice s, struct slice *ret);

/* Formatted text in the arena, with a NUL behind it; an empty slice with arena->exhausted set when it
 * does not fit. */
struct slice arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Room for up to `size` bytes at the arena's end without taking them: write there, then take what
 * was used with arena_commit. Bytes are not zeroed. NULL: quota. */
must_use char *arena_reserve(struct arena *arena, size_t size);
void arena_commit(struct arena *arena, size_t used);

/* SPDX-License-Identifier: MIT
 * Chunks are powers of two from 512 bytes to 64 KiB, cached by class; a larger request gets a chunk
 * of its own that is never cached. */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ensure.h"

#define ARENA_ALIGN 16u
#define ARENA_MIN_BYTES 512u
#define CLASS_NONE ARENA_CLASSES

struct arena_chunk {
	struct arena_chunk *next;
	uint32_t class;
	size_t size; /* with this header */
};

_Static_assert(sizeof(struct arena_chunk) % 8 == 0, "payload alignment");
#define CHUNK_HEAD ((sizeof(struct arena_chunk) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1))

static size_t class_bytes(uint32_t class)
{
	return (size_t)ARENA_MIN_BYTES << class;
}

static uint32_t class_for(size_t size)
{
	for (uint32_t class = 0; class < ARENA_CLASSES; class++)
		if (class_bytes(class) >= size)
			return class;
	return CLASS_NONE;
}

static char *chunk_data(struct arena_chunk *chunk)
{
	return (char *)chunk + CHUNK_HEAD;
}

void arena_cache_init(struct arena_cache *cache, size_t free_limit_bytes)
{
	*cache = (struct arena_cache){ .free_limit_bytes = free_limit_bytes };
}

void arena_cache_fini(struct arena_cache *cache)
{
	ensure(cache->used_bytes == 0);
	for (uint32_t class = 0; class < ARENA_CLASSES; class++) {
		while (cache->free[class]) {
			struct arena_chunk *chunk = cache->free[class];

			cache->free[class] = chunk->next;
			free(chunk);
		}
	}
	cache->free_bytes = 0;
}

/* A chunk of a class, unless that would be more than limit_bytes: then of the very size. */
static struct arena_chunk *cache_take(struct arena_cache *cache, size_t size, size_t limit_bytes)
{
	uint32_t class = class_for(size);
	struct arena_chunk *chunk;

	if (class != CLASS_NONE && class_bytes(class) > limit_bytes)
		class = CLASS_NONE;
	chunk = class == CLASS_NONE ? NULL : cache->free[class];

	if (chunk) {
		cache->free[class] = chunk->next;
		cache->free_bytes -= chunk->size;
	} else {
		size_t bytes = class == CLASS_NONE ? size : class_bytes(class);

		chunk = malloc(bytes);
		if (!chunk)
			return NULL;
		chunk->class = class;
		chunk->size = bytes;
	}
	cache->used_bytes += chunk->size;
	return chunk;
}

static void cache_give(struct arena_cache *cache, struct arena_chunk *chunk, bool wipe)
{
	if (wipe)
		explicit_bzero(chunk_data(chunk), chunk->size - CHUNK_HEAD);
	cache->used_bytes -= chunk->size;
	if (chunk->class == CLASS_NONE || cache->free_bytes + chunk->size > cache->free_limit_bytes) {
		free(chunk);
		return;
	}
	chunk->next = cache->free[chunk->class];
	cache->free[chunk->class] = chunk;
	cache->free_bytes += chunk->size;
}

void arena_init(struct arena *arena, struct arena_cache *cache, size_t first_bytes,
		size_t quota_bytes)
{
	*arena = (struct arena){ .cache = cache,
				 .quota_bytes = quota_bytes,
				 .first_bytes = first_bytes };
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *keep = arena->chunks;

	if (!keep)
		return;
	if (keep->class == CLASS_NONE || arena->wipe) {
		arena_fini(arena);
		return;
	}
	while (keep->next) {
		struct arena_chunk *chunk = keep->next;

		keep->next = chunk->next;
		arena->held_bytes -= chunk->size;
		cache_give(arena->cache, chunk, arena->wipe);
	}
	arena->at = chunk_data(keep);
	arena->end = (char *)keep + keep->size;
	arena->exhausted = false;
}

void arena_fini(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		cache_give(arena->cache, chunk, arena->wipe);
	}
	arena->at = NULL;
	arena->end = NULL;
	arena->held_bytes = 0;
	arena->exhausted = false;
}

/* A new newest chunk with room for `size` bytes. */
static bool arena_grow(struct arena *arena, size_t size)
{
	size_t want = size + CHUNK_HEAD;
	size_t next = arena->chunks ? arena->chunks->size * 2 : arena->first_bytes;
	struct arena_chunk *chunk;

	if (want < size || want > arena->quota_bytes)
		return false;
	if (next > class_bytes(ARENA_CLASSES - 1))
		next = class_bytes(ARENA_CLASSES - 1);
	if (next > want && arena->held_bytes + next <= arena->quota_bytes)
		want = next;
	if (arena->held_bytes + want > arena->quota_bytes)
		return false;
	chunk = cache_take(arena->cache, want, arena->quota_bytes - arena->held_bytes);
	if (!chunk)
		return false;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->held_bytes += chunk->size;
	arena->at = chunk_data(chunk);
	arena->end = (char *)chunk + chunk->size;
	return true;
}

char *arena_reserve(struct arena *arena, size_t size)
{
	/* Also for 0 bytes there must be a place: NULL means the quota. */
	if ((!arena->at || (size_t)(arena->end - arena->at) < size) && !arena_grow(arena, size)) {
		arena->exhausted = true;
		return NULL;
	}
	return arena->at;
}

void arena_commit(struct arena *arena, size_t used)
{
	size_t room = (size_t)(arena->end - arena->at);

	ensure(used <= room);
	used = (used + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	arena->at += used < room ? used : room;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	char *p = size > SIZE_MAX / 2 ? NULL : arena_reserve(arena, size);

	if (!p) {
		arena->exhausted = true;
		return NULL;
	}
	memset(p, 0, size);
	arena_commit(arena, size);
	return p;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		arena->exhausted = true;
		return NULL;
	}
	return arena_alloc(arena, bytes);
}

enum err arena_keep(struct arena *arena, struct slice s, struct slice *ret)
{
	char *p;

	if (s.len == 0) {
		*ret = slice_of("", 0);
		return OK;
	}
	p = arena_reserve(arena, s.len);
	if (!p)
		return ERR_NOMEM;
	memcpy(p, s.p, s.len);
	arena_commit(arena, s.len);
	*ret = slice_of(p, s.len);
	return OK;
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *p;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	p = len < 0 ? NULL : arena_reserve(arena, (size_t)len + 1);
	if (!p)
		return slice_of("", 0);
	va_start(args, format);
	vsnprintf(p, (size_t)len + 1, format, args);
	va_end(args);
	arena_commit(arena, (size_t)len + 1);
	return slice_of(p, (size_t)len);
}

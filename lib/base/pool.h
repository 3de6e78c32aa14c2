/* SPDX-License-Identifier: MIT
 * Slots of one size, named by handles {slot, generation}. Whatever is kept across turns is a handle;
 * one that is stale resolves to NULL. Slots live in blocks that never move; a free list gives the
 * most recently freed first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct handle {
	uint32_t slot;       /* 1…: 0 is no handle */
	uint32_t generation; /* odd while alive */
};

#define HANDLE_NONE ((struct handle){ 0, 0 })

static inline bool handle_eq(struct handle a, struct handle b)
{
	return a.slot == b.slot && a.generation == b.generation;
}

static inline bool handle_is(struct handle h)
{
	return h.slot != 0;
}

/* As one number, for control messages and identifiers. */
static inline uint64_t handle_u64(struct handle h)
{
	return (uint64_t)h.generation << 32 | h.slot;
}

static inline struct handle handle_from_u64(uint64_t value)
{
	return (struct handle){ (uint32_t)value, (uint32_t)(value >> 32) };
}

struct pool {
	void **blocks;
	size_t block_count;
	size_t object_size; /* with the slot's head */
	uint32_t capacity;
	uint32_t used; /* slots ever handed out */
	uint32_t live;
	uint32_t free_slot;
	bool reserves; /* pool_reserve made its blocks */
};

/* capacity: the hard limit of live objects. Memory is taken as it is needed. */
must_use enum err pool_init(struct pool *pool, size_t object_size, uint32_t capacity);
void pool_fini(struct pool *pool);
/* Blocks for so many live objects: up to that number pool_take allocates nothing. They are address
 * space, and memory only when they are used. Called before the first pool_take, or never. ERR_NOMEM,
 * ERR_EXHAUSTED: above the capacity. */
must_use enum err pool_reserve(struct pool *pool, uint32_t count);

/* Zeroed. NULL: at capacity, or out of memory. */
must_use void *pool_take(struct pool *pool, struct handle *ret_handle);
/* The handle goes stale at once. */
void pool_give(struct pool *pool, struct handle handle);
/* NULL when stale. */
void *pool_get(const struct pool *pool, struct handle handle);

/* The live object of the lowest slot above *cursor, which moves there; NULL at the end. */
void *pool_next(const struct pool *pool, uint32_t *cursor);

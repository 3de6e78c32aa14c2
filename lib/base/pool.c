/* SPDX-License-Identifier: MIT */
#include "lib/base/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/ensure.h"

#define POOL_BLOCK_SLOTS 256u

struct slot_head {
	uint32_t generation;
	uint32_t next_free;
	uint64_t pad; /* the object behind it is aligned to 16 */
};

enum err pool_init(struct pool *pool, size_t object_size, uint32_t capacity)
{
	*pool = (struct pool){
		.object_size = ((object_size + 15) & ~(size_t)15) + sizeof(struct slot_head),
		.capacity = capacity,
		.block_count = (capacity + POOL_BLOCK_SLOTS - 1) / POOL_BLOCK_SLOTS,
	};
	pool->blocks = calloc(pool->block_count ? pool->block_count : 1, sizeof(*pool->blocks));
	return pool->blocks ? OK : ERR_NOMEM;
}

void pool_fini(struct pool *pool)
{
	for (size_t i = 0; i < pool->block_count; i++)
		if (!pool->reserves)
			free(pool->blocks[i]);
		else if (pool->blocks[i])
			munmap(pool->blocks[i], POOL_BLOCK_SLOTS * pool->object_size);
	free(pool->blocks);
	*pool = (struct pool){ 0 };
}

/* slot: 1… */
static struct slot_head *pool_slot(const struct pool *pool, uint32_t slot)
{
	char *block = pool->blocks[(slot - 1) / POOL_BLOCK_SLOTS];

	return (struct slot_head *)(void *)(block +
					    (slot - 1) % POOL_BLOCK_SLOTS * pool->object_size);
}

/* malloc's own might be written to, to be zero. */
static void *block_map(size_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

static bool block_make(struct pool *pool, size_t block)
{
	if (!pool->blocks[block])
		pool->blocks[block] = pool->reserves ?
					      block_map(POOL_BLOCK_SLOTS * pool->object_size) :
					      calloc(POOL_BLOCK_SLOTS, pool->object_size);
	return pool->blocks[block] != NULL;
}

/* There is no gap below a block that was made. */
enum err pool_reserve(struct pool *pool, uint32_t count)
{
	size_t end = (count + (size_t)POOL_BLOCK_SLOTS - 1) / POOL_BLOCK_SLOTS;
	size_t at = end;

	if (count > pool->capacity)
		return ERR_EXHAUSTED;
	ensure(pool->reserves || pool->used == 0);
	pool->reserves = true;
	while (at > 0 && !pool->blocks[at - 1])
		at--;
	for (; at < end; at++)
		if (!block_make(pool, at))
			return ERR_NOMEM;
	return OK;
}

void *pool_take(struct pool *pool, struct handle *ret_handle)
{
	struct slot_head *head;
	uint32_t slot = pool->free_slot;

	if (slot != 0) {
		head = pool_slot(pool, slot);
		pool->free_slot = head->next_free;
	} else {
		if (pool->used == pool->capacity ||
		    !block_make(pool, pool->used / POOL_BLOCK_SLOTS))
			return NULL;
		slot = ++pool->used;
		head = pool_slot(pool, slot);
	}
	head->generation++;
	pool->live++;
	memset(head + 1, 0, pool->object_size - sizeof(*head));
	*ret_handle = (struct handle){ slot, head->generation };
	return head + 1;
}

void pool_give(struct pool *pool, struct handle handle)
{
	struct slot_head *head;

	ensure(pool_get(pool, handle));
	head = pool_slot(pool, handle.slot);
	head->generation++;
	head->next_free = pool->free_slot;
	pool->free_slot = handle.slot;
	pool->live--;
}

void *pool_get(const struct pool *pool, struct handle handle)
{
	struct slot_head *head;

	if (handle.slot == 0 || handle.slot > pool->used || handle.generation % 2 == 0)
		return NULL;
	head = pool_slot(pool, handle.slot);
	return head->generation == handle.generation ? head + 1 : NULL;
}

void *pool_next(const struct pool *pool, uint32_t *cursor)
{
	while (*cursor < pool->used) {
		struct slot_head *head = pool_slot(pool, ++*cursor);

		if (head->generation % 2 == 1)
			return head + 1;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "lib/base/pool.h"

#include <stdlib.h>
#include <string.h>

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
		free(pool->blocks[i]);
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

void *pool_take(struct pool *pool, struct handle *ret_handle)
{
	struct slot_head *head;
	uint32_t slot = pool->free_slot;

	if (slot != 0) {
		head = pool_slot(pool, slot);
		pool->free_slot = head->next_free;
	} else {
		void **block;

		if (pool->used == pool->capacity)
			return NULL;
		block = &pool->blocks[pool->used / POOL_BLOCK_SLOTS];
		if (!*block)
			*block = calloc(POOL_BLOCK_SLOTS, pool->object_size);
		if (!*block)
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

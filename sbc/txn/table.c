/* SPDX-License-Identifier: MIT
 * The transactions and what they keep. At 1,000 calls/s a hundred thousand of them wait out 32
 * seconds, so one is a small fixed slot, and all text that it keeps is in arenas which go as soon
 * as nothing can be sent again. Of a filled arena only its chunks matter, so only they are kept. */
#include "sbc/txn/txn_priv.h"

#define EXPECTED_AT_START 1024u

_Static_assert(sizeof(struct txn) <= 224, "many of them linger");

enum err txn_table_create(const struct txn_config *config, struct txn_table **ret)
{
	struct txn_table *table;
	struct arena arena;

	arena_init(&arena, config->cache, sizeof(*table), SIZE_MAX);
	table = arena_new(&arena, struct txn_table);
	if (!table)
		return ERR_NOMEM;
	table->config = *config;
	table->chunks = arena.chunks;
	if (pool_init(&table->pool, sizeof(struct txn), config->capacity) < 0 ||
	    map_init(&table->map, EXPECTED_AT_START) < 0) {
		pool_fini(&table->pool);
		arena_fini(&arena);
		return ERR_NOMEM;
	}
	*ret = table;
	return OK;
}

static void chunks_free(struct arena_cache *cache, struct arena_chunk *chunks)
{
	struct arena arena = { .cache = cache, .chunks = chunks };

	arena_fini(&arena);
}

void txn_table_destroy(struct txn_table **table)
{
	uint32_t cursor = 0;
	struct txn *txn;

	if (!*table)
		return;
	while ((txn = pool_next(&(*table)->pool, &cursor)))
		txn_free(*table, txn);
	map_fini(&(*table)->map);
	pool_fini(&(*table)->pool);
	chunks_free((*table)->config.cache, (*table)->chunks);
	*table = NULL;
}

uint32_t txn_count(const struct txn_table *table)
{
	return table->pool.live;
}

const struct txn_counters *txn_counters(const struct txn_table *table)
{
	return &table->counters;
}

struct txn *txn_new(struct txn_table *table, enum txn_kind kind, struct hash128 key)
{
	struct handle self;
	struct txn *txn = pool_take(&table->pool, &self);

	if (!txn)
		return NULL;
	txn->self = self;
	txn->kind = (uint8_t)kind;
	txn->state = txn_machines[kind].first;
	txn->timer.kind = table->config.timer_kind;
	map_insert(&table->map, &txn->node, key);
	return txn;
}

void txn_free(struct txn_table *table, struct txn *txn)
{
	wheel_stop(table->config.wheel, &txn->timer);
	map_remove(&table->map, &txn->node);
	txn_store_drop(table, txn);
	txn_head_drop(table, txn);
	pool_give(&table->pool, txn->self);
}

struct txn *txn_get(const struct txn_table *table, struct handle handle)
{
	return pool_get(&table->pool, handle);
}

enum err txn_store(struct txn_table *table, struct txn *txn, struct slice bytes)
{
	struct arena arena;
	enum err err;

	txn_store_drop(table, txn);
	arena_init(&arena, table->config.cache, 0, table->config.quota_bytes);
	err = arena_keep(&arena, bytes, &txn->sent);
	txn->sent_chunks = arena.chunks;
	return err;
}

/* Its SDP may have held keys. */
void txn_store_drop(struct txn_table *table, struct txn *txn)
{
	if (txn->sent.len > 0)
		explicit_bzero((void *)(uintptr_t)txn->sent.p, txn->sent.len);
	txn->sent = SLICE_NONE;
	chunks_free(table->config.cache, txn->sent_chunks);
	txn->sent_chunks = NULL;
}

void txn_head_drop(struct txn_table *table, struct txn *txn)
{
	txn->head = NULL;
	chunks_free(table->config.cache, txn->head_chunks);
	txn->head_chunks = NULL;
}

void txn_set_user(struct txn_table *table, struct handle handle, struct txn_user user)
{
	struct txn *txn = txn_get(table, handle);

	if (txn)
		txn->user = user;
}

struct txn_user txn_user(const struct txn_table *table, struct handle handle)
{
	const struct txn *txn = txn_get(table, handle);

	return txn ? txn->user : (struct txn_user){ 0 };
}

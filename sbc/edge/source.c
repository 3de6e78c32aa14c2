/* SPDX-License-Identifier: MIT
 * Sets of eight entries, as in a processor's cache: a flood from ten thousand addresses costs each
 * look-up the same, takes no memory, and can push out only those that share its sets, which a secret
 * key chooses.
 * lint: owns storage because the table lives as long as its edge. */
#include "sbc/edge/source.h"

#include <stdlib.h>

#define WAYS 8u

struct source {
	struct hash128 key;
	struct bucket bucket; /* at_ms 0: never used */
};

struct source_table {
	struct hash_key key;
	uint32_t per_s;
	uint32_t burst;
	uint32_t sets; /* a power of two */
	struct source sources[];
};

void bucket_init(struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_ms)
{
	*bucket = (struct bucket){ .per_s = per_s,
				   .burst = burst,
				   .tokens_ms = (uint64_t)burst * 1000,
				   .at_ms = now_ms };
}

static void bucket_fill(struct bucket *bucket, uint64_t now_ms)
{
	uint64_t most = (uint64_t)bucket->burst * 1000;
	uint64_t passed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;

	if (bucket->per_s > 0 && passed_ms > most / bucket->per_s)
		bucket->tokens_ms = most;
	else
		bucket->tokens_ms += passed_ms * bucket->per_s;
	if (bucket->tokens_ms > most)
		bucket->tokens_ms = most;
	bucket->at_ms = now_ms;
}

bool bucket_take(struct bucket *bucket, uint64_t now_ms)
{
	bucket_fill(bucket, now_ms);
	if (bucket->tokens_ms < 1000)
		return false;
	bucket->tokens_ms -= 1000;
	return true;
}

enum err source_table_create(uint32_t count, uint32_t per_s, uint32_t burst, struct hash_key key,
			     struct source_table **ret)
{
	struct source_table *table;
	uint32_t sets = 1;

	while (sets * WAYS < count)
		sets *= 2;
	table = calloc(1, sizeof(*table) + (size_t)sets * WAYS * sizeof(table->sources[0]));
	if (!table)
		return ERR_NOMEM;
	table->key = key;
	table->per_s = per_s;
	table->burst = burst;
	table->sets = sets;
	*ret = table;
	return OK;
}

void source_table_destroy(struct source_table **table)
{
	free(*table);
	*table = NULL;
}

struct hash128 source_key(const struct hash_key *key, const struct ip_addr *ip)
{
	size_t len = ip->family == IP_V6 ? 8 : 4;

	return hash128(key, slice_of((const char *)ip->bytes, len));
}

static struct source *find_or_oldest(struct source *set, struct hash128 key)
{
	struct source *oldest = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].bucket.at_ms != 0 && hash128_eq(set[i].key, key))
			return &set[i];
		if (set[i].bucket.at_ms < oldest->bucket.at_ms)
			oldest = &set[i];
	}
	return oldest;
}

bool source_take(struct source_table *table, const struct ip_addr *ip, uint64_t now_ms,
		 uint64_t *evictions)
{
	struct hash128 key = source_key(&table->key, ip);
	struct source *set = &table->sources[(key.hi & (table->sets - 1)) * WAYS];
	struct source *source = find_or_oldest(set, key);

	now_ms++; /* 0 marks an entry that was never used */
	if (source->bucket.at_ms == 0 || !hash128_eq(source->key, key)) {
		if (source->bucket.at_ms != 0) {
			bucket_fill(&source->bucket, now_ms);
			*evictions += source->bucket.tokens_ms < (uint64_t)table->burst * 1000;
		}
		source->key = key;
		bucket_init(&source->bucket, table->per_s, table->burst, now_ms);
	}
	return bucket_take(&source->bucket, now_ms);
}

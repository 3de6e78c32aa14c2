/* SPDX-License-Identifier: MIT
 * Token buckets of unknown sources, in a table of fixed size. Private to edge. Sans-I/O. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/hash.h"

struct bucket {
	uint32_t per_s;
	uint32_t burst;
	uint64_t tokens_ms; /* in 1/1000 of a token */
	uint64_t at_ms;
};

void bucket_init(struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_ms);
/* A token was there and is taken. */
bool bucket_take(struct bucket *bucket, uint64_t now_ms);

struct source_table;

/* count: rounded up to whole sets. ERR_NOMEM. */
must_use enum err source_table_create(uint32_t count, uint32_t per_s, uint32_t burst,
				      struct hash_key key, struct source_table **ret);
void source_table_destroy(struct source_table **table);

/* Takes a token of this source (IPv6: of its /64). A new source takes the place of the one in its
 * set that was longest silent; *evictions counts those that were still short of tokens. */
bool source_take(struct source_table *table, const struct ip_addr *ip, uint64_t now_ms,
		 uint64_t *evictions);

/* The part of an address that one party has for itself: IPv4 whole, IPv6 its /64. */
struct hash128 source_key(const struct hash_key *key, const struct ip_addr *ip);

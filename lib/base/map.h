/* SPDX-License-Identifier: MIT
 * Keyed hash map with its links embedded in the owners. It grows without a pause: each insertion
 * moves a few buckets of the old table, so no operation is ever proportional to the map's size. */
#pragma once

#include "lib/base/hash.h"

struct map_node {
	struct map_node *next;
	struct hash128 key;
};

struct map {
	struct map_node **buckets;
	struct map_node **old; /* while growing: the table being emptied */
	size_t mask;
	size_t old_mask;
	size_t moved; /* buckets of `old` emptied so far */
	size_t count;
};

/* Room for about `expected` entries before it first grows. ERR_NOMEM. */
must_use enum err map_init(struct map *map, size_t expected);

/* The nodes stay with their owners. */
void map_fini(struct map *map);

/* node: embedded in its owner, not in a map now. Duplicate keys are allowed; the newest is found. */
void map_insert(struct map *map, struct map_node *node, struct hash128 key);
struct map_node *map_find(const struct map *map, struct hash128 key);
/* Safe on a node that is not in the map (nothing happens). */
void map_remove(struct map *map, struct map_node *node);

/* The next node with the same key after `node`, or NULL. */
struct map_node *map_find_next(const struct map_node *node);

/* Walks everything, in no order; not while inserting. *cursor starts at 0. NULL at the end. A walk
 * in pages (a REST list) keeps the cursor between pages: entries that live through the whole walk
 * and a map that does not grow meanwhile are seen exactly once. */
struct map_node *map_walk(const struct map *map, size_t *cursor, struct map_node *previous);

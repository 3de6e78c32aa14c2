/* SPDX-License-Identifier: MIT
 * Chained buckets in two tables while growing. Look-ups consult both, the old one first for buckets
 * that were not moved yet. */
#include "lib/base/map.h"

#include <stdlib.h>

#define MAP_MIN 64u
#define MAP_MOVE_PER_INSERT 4u

enum err map_init(struct map *map, size_t expected)
{
	size_t size = MAP_MIN;

	while (size < expected)
		size *= 2;
	*map = (struct map){ .mask = size - 1 };
	map->buckets = calloc(size, sizeof(*map->buckets));
	return map->buckets ? OK : ERR_NOMEM;
}

void map_fini(struct map *map)
{
	free(map->buckets);
	free(map->old);
	*map = (struct map){ 0 };
}

/* The bucket in which a node of this key stands, or would stand, now. */
static struct map_node **map_bucket(const struct map *map, struct hash128 key)
{
	if (map->old && (key.lo & map->old_mask) >= map->moved)
		return &map->old[key.lo & map->old_mask];
	return &map->buckets[key.lo & map->mask];
}

static struct map_node *reversed(struct map_node *node)
{
	struct map_node *head = NULL;

	while (node) {
		struct map_node *next = node->next;

		node->next = head;
		head = node;
		node = next;
	}
	return head;
}

static void map_move(struct map *map, size_t buckets)
{
	while (map->old && buckets-- > 0) {
		/* Oldest first, so that of equal keys the newest is in front again. */
		struct map_node *node = reversed(map->old[map->moved]);

		while (node) {
			struct map_node *next = node->next;
			struct map_node **to = &map->buckets[node->key.lo & map->mask];

			node->next = *to;
			*to = node;
			node = next;
		}
		map->old[map->moved++] = NULL;
		if (map->moved > map->old_mask) {
			free(map->old);
			map->old = NULL;
		}
	}
}

static void map_grow(struct map *map)
{
	struct map_node **bigger;

	if (map->old)
		return;
	bigger = calloc((map->mask + 1) * 2, sizeof(*bigger));
	if (!bigger)
		return; /* longer chains, nothing lost */
	map->old = map->buckets;
	map->old_mask = map->mask;
	map->moved = 0;
	map->buckets = bigger;
	map->mask = map->mask * 2 + 1;
}

void map_insert(struct map *map, struct map_node *node, struct hash128 key)
{
	struct map_node **bucket;

	if (map->count > map->mask)
		map_grow(map);
	map_move(map, MAP_MOVE_PER_INSERT);
	bucket = map_bucket(map, key);
	node->key = key;
	node->next = *bucket;
	*bucket = node;
	map->count++;
}

struct map_node *map_find(const struct map *map, struct hash128 key)
{
	struct map_node *node = *map_bucket(map, key);

	while (node && !hash128_eq(node->key, key))
		node = node->next;
	return node;
}

struct map_node *map_find_next(const struct map_node *node)
{
	struct map_node *next = node->next;

	while (next && !hash128_eq(next->key, node->key))
		next = next->next;
	return next;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **at = map_bucket(map, node->key);

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	node->next = NULL;
	map->count--;
}

struct map_node *map_walk(const struct map *map, size_t *cursor, struct map_node *previous)
{
	size_t old_size = map->old ? map->old_mask + 1 : 0;

	if (previous && previous->next)
		return previous->next;
	while (*cursor < old_size + map->mask + 1) {
		size_t at = (*cursor)++;
		struct map_node *node = at < old_size ? map->old[at] : map->buckets[at - old_size];

		if (node)
			return node;
	}
	return NULL;
}

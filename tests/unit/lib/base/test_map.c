/* SPDX-License-Identifier: MIT
 * Maps against a plain array, through growth; pools and their stale handles. */
#include "lib/base/map.h"

#include "lib/base/ensure.h"
#include "lib/base/pool.h"
#include "lib/base/rand.h"
#include "tests/support/unit.h"

#define COUNT 5000u

struct item {
	struct map_node node;
	struct hash128 key;
	bool in;
	unsigned seen;
};

static unsigned walk(struct map *map, struct item *items)
{
	struct map_node *node = NULL;
	size_t cursor = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < COUNT; i++)
		items[i].seen = 0;
	while ((node = map_walk(map, &cursor, node))) {
		container_of(node, struct item, node)->seen++;
		count++;
	}
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(items[i].seen, items[i].in);
	return count;
}

static void against_an_array(void **state)
{
	static struct item items[COUNT];
	struct rand rand;
	struct map map;
	unsigned live = 0;

	(void)state;
	rand_init_seed(&rand, 5);
	assert_int_equal(map_init(&map, 0), OK);
	for (unsigned i = 0; i < COUNT; i++)
		items[i].key = (struct hash128){ rand_u64(&rand), i };
	for (unsigned step = 0; step < 60000; step++) {
		struct item *item = &items[rand_below(&rand, COUNT)];

		if (!item->in) {
			map_insert(&map, &item->node, item->key);
			live++;
			item->in = true;
		} else if (rand_below(&rand, 3) == 0) {
			map_remove(&map, &item->node);
			live--;
			item->in = false;
			map_remove(&map, &item->node);
		}
		item = &items[rand_below(&rand, COUNT)];
		assert_ptr_equal(map_find(&map, item->key), item->in ? &item->node : NULL);
		assert_int_equal(map.count, live);
		if (step % 1000 == 0)
			assert_int_equal(walk(&map, items), live);
	}
	assert_true(map.mask + 1 >= live);
	map_fini(&map);
}

/* The newest of equal keys is found, before, while and after the table grows. */
static void equal_keys(void **state)
{
	static struct item items[COUNT];
	static struct item same[3];
	const struct hash128 key = { 12345, 678 };
	struct map map;

	(void)state;
	assert_int_equal(map_init(&map, 0), OK);
	for (unsigned i = 0; i < 3; i++)
		map_insert(&map, &same[i].node, key);
	for (unsigned i = 0; i < COUNT; i++) {
		struct map_node *node = map_find(&map, key);

		for (unsigned n = 3; n > 0; n--) {
			assert_ptr_equal(node, &same[n - 1].node);
			node = map_find_next(node);
		}
		assert_null(node);
		map_insert(&map, &items[i].node, (struct hash128){ i, i });
	}
	map_fini(&map);
}

struct thing {
	uint64_t value;
	char rest[40];
};

static void handles_go_stale(void **state)
{
	struct pool pool;
	struct handle a;
	struct handle b;
	struct thing *thing;

	(void)state;
	assert_int_equal(pool_init(&pool, sizeof(struct thing), 10), OK);
	assert_null(pool_get(&pool, HANDLE_NONE));
	assert_null(pool_get(&pool, (struct handle){ 1, 1 }));
	thing = pool_take(&pool, &a);
	assert_true(handle_is(a));
	assert_int_equal((uintptr_t)thing % 16, 0);
	thing->value = 5;
	assert_ptr_equal(pool_get(&pool, a), thing);
	assert_true(handle_eq(handle_from_u64(handle_u64(a)), a));
	pool_give(&pool, a);
	assert_null(pool_get(&pool, a));
	/* The same slot again: zeroed, under another name. */
	assert_ptr_equal(pool_take(&pool, &b), thing);
	assert_int_equal(thing->value, 0);
	assert_int_equal(b.slot, a.slot);
	assert_false(handle_eq(a, b));
	assert_null(pool_get(&pool, a));
	/* What a peer might make up. */
	assert_null(pool_get(&pool, (struct handle){ b.slot, b.generation + 1 }));
	assert_null(pool_get(&pool, (struct handle){ 11, 1 }));
	assert_null(pool_get(&pool, (struct handle){ UINT32_MAX, 1 }));
	pool_fini(&pool);
}

static void pools_are_bounded(void **state)
{
	struct handle handles[1000];
	struct handle over;
	struct pool pool;
	uint32_t cursor = 0;
	unsigned count = 0;

	(void)state;
	assert_int_equal(pool_init(&pool, 1, 1000), OK);
	for (unsigned i = 0; i < 1000; i++)
		*(unsigned char *)pool_take(&pool, &handles[i]) = (unsigned char)i;
	assert_null(pool_take(&pool, &over));
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(*(unsigned char *)pool_get(&pool, handles[i]), i & 255);
	for (unsigned i = 0; i < 1000; i += 2)
		pool_give(&pool, handles[i]);
	assert_int_equal(pool.live, 500);
	for (unsigned char *p; (p = pool_next(&pool, &cursor));) {
		assert_int_equal(*p % 2, 1);
		count++;
	}
	assert_int_equal(count, 500);
	assert_non_null(pool_take(&pool, &over));
	pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_an_array),
		cmocka_unit_test(equal_keys),
		cmocka_unit_test(handles_go_stale),
		cmocka_unit_test(pools_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

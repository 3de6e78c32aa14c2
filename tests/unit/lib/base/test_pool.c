/* SPDX-License-Identifier: MIT */
#include "tests/support/unit.h"

#include <sys/mman.h>

#include "lib/base/pool.h"

#define SLOT_BYTES 1000u
#define CAPACITY 1000u
#define BLOCK 256u /* slots */

static void handles_go_stale(void **state)
{
	struct pool pool;
	struct handle a, b;
	char *object;

	(void)state;
	assert_int_equal(pool_init(&pool, SLOT_BYTES, 2), OK);
	object = pool_take(&pool, &a);
	assert_non_null(object);
	memset(object, 1, SLOT_BYTES);
	assert_non_null(pool_take(&pool, &b));
	assert_null(pool_take(&pool, &b));
	pool_give(&pool, a);
	assert_null(pool_get(&pool, a));
	assert_ptr_equal(pool_take(&pool, &b), object);
	for (unsigned i = 0; i < SLOT_BYTES; i++)
		assert_int_equal(object[i], 0);
	assert_null(pool_get(&pool, a));
	assert_ptr_equal(pool_get(&pool, b), object);
	pool_fini(&pool);
}

static unsigned blocks_of(const struct pool *pool)
{
	unsigned count = 0;

	for (size_t i = 0; i < pool->block_count; i++)
		count += pool->blocks[i] != NULL;
	return count;
}

/* Pages of the block that are memory. */
static unsigned pages_of(const struct pool *pool, size_t block)
{
	unsigned char here[BLOCK * SLOT_BYTES / 4096];
	unsigned count = 0;

	assert_int_equal(mincore(pool->blocks[block], sizeof(here) * 4096, here), 0);
	for (size_t i = 0; i < sizeof(here); i++)
		count += here[i] & 1;
	return count;
}

/* What is reserved is there at once, and is no memory before it is used. */
static void reserved_is_not_yet_memory(void **state)
{
	struct pool pool;
	struct handle handle;

	(void)state;
	assert_int_equal(pool_init(&pool, SLOT_BYTES, CAPACITY), OK);
	assert_int_equal(pool_reserve(&pool, CAPACITY + 1), ERR_EXHAUSTED);
	assert_int_equal(pool_reserve(&pool, 0), OK);
	assert_int_equal(blocks_of(&pool), 0);
	assert_int_equal(pool_reserve(&pool, 1), OK);
	assert_int_equal(blocks_of(&pool), 1);
	assert_int_equal(pool_reserve(&pool, 2 * BLOCK + 1), OK);
	assert_int_equal(blocks_of(&pool), 3);
	assert_int_equal(pages_of(&pool, 0) + pages_of(&pool, 1) + pages_of(&pool, 2), 0);
	for (unsigned i = 0; i < 3 * BLOCK; i++)
		assert_non_null(pool_take(&pool, &handle));
	assert_int_equal(blocks_of(&pool), 3);
	assert_in_range(pages_of(&pool, 2), 1, BLOCK * SLOT_BYTES / 4096);
	assert_non_null(pool_take(&pool, &handle)); /* beyond it blocks are made as ever */
	assert_int_equal(blocks_of(&pool), 4);
	assert_int_equal(pool_reserve(&pool, CAPACITY), OK);
	pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_go_stale),
		cmocka_unit_test(reserved_is_not_yet_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

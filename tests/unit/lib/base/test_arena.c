/* SPDX-License-Identifier: MIT
 * Arenas: alignment, zeroes, quotas to the byte, and that nothing is lost on the way back. */
#include "lib/base/arena.h"

#include "tests/support/unit.h"

static void allocates_zeroed_and_aligned(void **state)
{
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 1 << 20);
	arena_init(&arena, &cache, 512, 1 << 20);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t size = 0; size < 3000; size += 37) {
			unsigned char *p = arena_alloc(&arena, size);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xa5, size);
		}
		arena_reset(&arena);
	}
	arena_fini(&arena);
	assert_int_equal(cache.used_bytes, 0);
	arena_cache_fini(&cache);
}

static void quota_is_never_passed(void **state)
{
	struct arena_cache cache;

	(void)state;
	arena_cache_init(&cache, 1 << 20);
	for (size_t quota = 0; quota < 9000; quota += 61) {
		struct arena arena;
		size_t taken = 0;
		void *p;

		arena_init(&arena, &cache, 512, quota);
		while ((p = arena_alloc(&arena, 100))) {
			taken += 100;
			assert_true(arena.held_bytes <= quota);
			assert_int_equal(cache.used_bytes, arena.held_bytes);
		}
		assert_true(arena.exhausted);
		assert_true(taken <= quota);
		/* Most of a quota can be used: a chunk's head and less than one piece are lost. */
		if (quota >= 512)
			assert_true(taken * 2 >= quota);
		arena_fini(&arena);
		assert_false(arena.exhausted);
		assert_int_equal(cache.used_bytes, 0);
	}
	arena_cache_fini(&cache);
}

static void a_large_piece_up_to_the_quota(void **state)
{
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 512, 50000);
	assert_non_null(arena_alloc(&arena, 40000));
	assert_true(arena.held_bytes <= 50000);
	assert_null(arena_alloc(&arena, 40000));
	assert_true(arena.exhausted);
	/* An error of size does not touch what is there. */
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
	assert_non_null(arena_alloc(&arena, 16));
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

/* NULL must mean the quota, also where nothing was allocated before. */
static void zero_bytes_are_something(void **state)
{
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 0, 4096);
	assert_non_null(arena_array(&arena, 0, 8));
	assert_false(arena.exhausted);
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

static void chunks_are_used_again(void **state)
{
	struct arena_cache cache;
	struct arena arena;
	size_t free_bytes = 0;

	(void)state;
	arena_cache_init(&cache, 1 << 20);
	for (unsigned round = 0; round < 50; round++) {
		arena_init(&arena, &cache, 1024, 1 << 20);
		for (unsigned i = 0; i < 100; i++)
			assert_non_null(arena_alloc(&arena, 500));
		arena_fini(&arena);
		if (round == 0)
			free_bytes = cache.free_bytes;
		assert_int_equal(cache.free_bytes, free_bytes);
	}
	arena_cache_fini(&cache);
	/* Nothing is kept above the limit. */
	arena_cache_init(&cache, 600);
	arena_init(&arena, &cache, 512, 1 << 20);
	for (unsigned i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&arena, 500));
	arena_fini(&arena);
	assert_true(cache.free_bytes <= 600);
	arena_cache_fini(&cache);
}

static void keys_are_wiped(void **state)
{
	struct arena_cache cache;
	struct arena arena;
	const char *key;

	(void)state;
	arena_cache_init(&cache, 1 << 20);
	arena_init(&arena, &cache, 512, 4096);
	arena.wipe = true;
	key = memset(arena_alloc(&arena, 64), 'k', 64);
	arena_fini(&arena);
	/* The chunk is in the cache, so its bytes may still be looked at. */
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(key[i], 0);
	arena_cache_fini(&cache);
}

static void keeps_and_prints(void **state)
{
	static const char long_text[600];
	char source[] = "some bytes";
	struct arena_cache cache;
	struct arena arena;
	struct slice kept;
	struct slice untouched = SLICE("before");

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 512, 512);
	assert_int_equal(arena_keep(&arena, slice_text(source), &kept), OK);
	source[0] = 'X';
	assert_slice(kept, "some bytes");
	assert_slice(arena_printf(&arena, "%d-%s", 42, "x"), "42-x");
	assert_int_equal(arena_keep(&arena, SLICE_NONE, &kept), OK);
	assert_int_equal(kept.len, 0);
	assert_int_equal(arena_printf(&arena, "%600d", 1).len, 0);
	assert_true(arena.exhausted);
	assert_int_equal(arena_keep(&arena, slice_of(long_text, sizeof(long_text)), &untouched), ERR_NOMEM);
	assert_slice(untouched, "before");
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocates_zeroed_and_aligned),
		cmocka_unit_test(quota_is_never_passed),
		cmocka_unit_test(a_large_piece_up_to_the_quota),
		cmocka_unit_test(zero_bytes_are_something),
		cmocka_unit_test(chunks_are_used_again),
		cmocka_unit_test(keys_are_wiped),
		cmocka_unit_test(keeps_and_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

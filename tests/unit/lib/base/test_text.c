/* SPDX-License-Identifier: MIT
 * The sticky writers and the sticky reader. */
#include "lib/base/text.h"

#include "lib/base/wire.h"
#include "tests/support/unit.h"

static void write_all(struct text *text)
{
	text_lit(text, "n=");
	text_u64(text, UINT64_MAX);
	text_char(text, ' ');
	text_i64(text, INT64_MIN);
	text_i64(text, 12);
	text_slice(text, SLICE("|"));
	text_hex(text, "\x00\xff\x1a", 3);
	text_printf(text, "%s%03d", "x", 7);
	text_slice(text, SLICE_NONE);
}

#define ALL "n=18446744073709551615 -922337203685477580812|00ff1ax007"

static void fixed_storage(void **state)
{
	char storage[128];
	struct text text;
	size_t least = 0;

	(void)state;
	for (size_t cap = 0; cap < sizeof(storage); cap++) {
		memset(storage, '#', sizeof(storage));
		text_init(&text, storage, cap);
		write_all(&text);
		assert_int_equal(storage[cap], '#');
		if (text.err == OK) {
			assert_slice(text_done(&text), ALL);
			least = least ? least : cap;
		} else {
			assert_int_equal(text.err, ERR_LIMIT);
			assert_int_equal(text_done(&text).len, 0);
			assert_int_equal(least, 0);
		}
	}
	/* printf needs a byte behind its text. */
	assert_int_equal(least, strlen(ALL) + 1);
}

static void failure_is_sticky(void **state)
{
	char storage[4];
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	text_lit(&text, "abc");
	text_lit(&text, "de");
	text_lit(&text, "f");
	assert_int_equal(text.len, 3);
	assert_int_equal(text.err, ERR_LIMIT);
}

static void grows_in_an_arena(void **state)
{
	struct arena_cache cache;

	(void)state;
	arena_cache_init(&cache, 0);
	for (size_t first = 0; first < 40; first += 13)
		for (size_t quota = 0; quota < 3000; quota += 101) {
			struct arena arena;
			struct text text;

			arena_init(&arena, &cache, 512, quota);
			text_init_arena(&text, &arena, first);
			for (unsigned i = 0; i < 10; i++)
				write_all(&text);
			if (text.err == OK) {
				assert_int_equal(text.len, 10 * strlen(ALL));
				assert_slice(slice_head(slice_skip(text_done(&text), 9 * strlen(ALL)),
							strlen(ALL)), ALL);
			} else {
				assert_int_equal(text.err, ERR_NOMEM);
				assert_true(quota < 2800);
			}
			arena_fini(&arena);
		}
	arena_cache_fini(&cache);
}

static void wire_both_ways(void **state)
{
	static const unsigned char want[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					      0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x' };
	unsigned char storage[sizeof(want)];

	(void)state;
	for (size_t cap = 0; cap <= sizeof(want); cap++) {
		struct wire_writer writer;
		struct wire_reader reader;
		bool whole = cap == sizeof(want);

		wire_writer_init(&writer, storage, cap);
		wire_put_u8(&writer, 0x01);
		wire_put_u16(&writer, 0x0203);
		wire_put_u32(&writer, 0x04050607);
		wire_put_u64(&writer, 0x08090a0b0c0d0e0full);
		wire_put_bytes(&writer, "x", 1);
		assert_int_equal(writer.err, whole ? OK : ERR_LIMIT);
		assert_memory_equal(storage, want, writer.len);
		wire_reader_init(&reader, want, cap);
		if (wire_get_u8(&reader) == 1 && wire_get_u16(&reader) == 0x0203 &&
		    wire_get_u32(&reader) == 0x04050607 &&
		    wire_get_u64(&reader) == 0x08090a0b0c0d0e0full)
			assert_true(cap >= 15);
		assert_int_equal(wire_get_bytes(&reader, 1).len, whole ? 1 : 0);
		assert_int_equal(reader.err, whole ? OK : ERR_SYNTAX);
	}
}

static void wire_failure_is_sticky(void **state)
{
	struct wire_reader reader;

	(void)state;
	wire_reader_init(&reader, "\1\2\3", 3);
	assert_int_equal(wire_get_u32(&reader), 0);
	/* The bytes are there, but what was read before them was not. */
	assert_int_equal(wire_get_u8(&reader), 0);
	assert_int_equal(wire_get_bytes(&reader, SIZE_MAX).len, 0);
	assert_int_equal(reader.err, ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_storage),
		cmocka_unit_test(failure_is_sticky),
		cmocka_unit_test(grows_in_an_arena),
		cmocka_unit_test(wire_both_ways),
		cmocka_unit_test(wire_failure_is_sticky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

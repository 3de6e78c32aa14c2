/* SPDX-License-Identifier: MIT
 * SipHash against vectors (key 00..0f, input 00 01 02 …): those of 2-4 are its authors', those of 1-3
 * were computed with OpenSSL's SIPHASH (c-rounds 1, d-rounds 3). ChaCha20 against
 * RFC 8439 2.3.2, and what the random source promises. */
#include "lib/base/hash.h"

#include <endian.h>

#include "lib/base/rand.h"
#include "tests/support/unit.h"

static const struct hash_key key = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

static void siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		unsigned char shown[8];
		unsigned char want[8];
	} rows[] = {
		{ 0, { 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
		  { 0xdc, 0xc4, 0x0f, 0x05, 0x58, 0x01, 0xac, 0xab } },
		{ 1, { 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
		  { 0x93, 0xca, 0x57, 0x7d, 0xf3, 0x9b, 0xf4, 0xc9 } },
		{ 2, { 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
		  { 0x4d, 0xd4, 0xc7, 0x4d, 0x02, 0x9b, 0xcb, 0x82 } },
		{ 8, { 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
		  { 0x8e, 0x9a, 0x29, 0x8d, 0x11, 0x95, 0x90, 0x36 } },
		{ 15, { 0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1 },
		  { 0x56, 0x99, 0x51, 0x2a, 0x6d, 0xd8, 0x20, 0xd3 } },
	};
	char input[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(input); i++)
		input[i] = (char)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice bytes = slice_of(input, rows[i].len);
		uint64_t got = htole64(hash64(&key, bytes));
		uint64_t shown = htole64(hash64_shown(&key, bytes));

		assert_memory_equal(&got, rows[i].want, 8);
		assert_memory_equal(&shown, rows[i].shown, 8);
	}
}

static void siphash_128_vectors(void **state)
{
	static const unsigned char empty[16] = { 0xe7, 0x7e, 0xbc, 0xb2, 0x27, 0x88, 0xa5, 0xbe,
						 0xfd, 0x62, 0xdb, 0x6a, 0xdd, 0x30, 0x30, 0x01 };
	static const unsigned char one[16] = { 0xfc, 0x6f, 0x37, 0x04, 0x60, 0xd3, 0xed, 0xa8,
					       0x5e, 0x05, 0x73, 0xcc, 0x2b, 0x2f, 0xf0, 0x63 };
	struct hash128 got = hash128(&key, SLICE_NONE);
	uint64_t words[2] = { htole64(got.lo), htole64(got.hi) };

	(void)state;
	assert_memory_equal(words, empty, 16);
	got = hash128(&key, slice_of("\0", 1));
	words[0] = htole64(got.lo);
	words[1] = htole64(got.hi);
	assert_memory_equal(words, one, 16);
	assert_true(hash128_eq(got, got));
	assert_false(hash128_eq(got, hash128(&key, SLICE_NONE)));
}

/* The block of the RFC: its second half is what is given out, its first half becomes the key. */
static void chacha_vector(void **state)
{
	static const unsigned char block[64] = {
		0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
		0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
		0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
		0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
		0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
	};
	struct rand rand = { .at = 64 };
	unsigned char got[32];

	(void)state;
	memcpy(rand.state, "expand 32-byte k", 16);
	for (unsigned i = 0; i < 32; i++)
		((unsigned char *)&rand.state[4])[i] = (unsigned char)i;
	rand.state[12] = 1;
	rand.state[13] = htole32(0x09000000);
	rand.state[14] = htole32(0x4a000000);
	rand_bytes(&rand, got, sizeof(got));
	assert_memory_equal(got, block + 32, 32);
	assert_memory_equal(&rand.state[4], block, 32);
	/* Nothing that was given out is left behind. */
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(rand.block[i], 0);
}

static void seeds_repeat(void **state)
{
	unsigned char a[100];
	unsigned char b[100];
	struct rand one;
	struct rand two;

	(void)state;
	rand_init_seed(&one, 9);
	rand_init_seed(&two, 9);
	rand_bytes(&one, a, sizeof(a));
	for (unsigned i = 0; i < sizeof(b); i++)
		rand_bytes(&two, b + i, 1);
	assert_memory_equal(a, b, sizeof(a));
	rand_init_seed(&two, 10);
	rand_bytes(&two, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	rand_init(&one);
	rand_init(&two);
	assert_true(rand_u64(&one) != rand_u64(&two));
}

static void below_is_even(void **state)
{
	unsigned counts[10] = { 0 };
	struct rand rand;

	(void)state;
	rand_init_seed(&rand, 1);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t value = rand_below(&rand, 10);

		assert_true(value < 10);
		counts[value]++;
	}
	/* 10000 each; six standard deviations are 570. The seed makes it repeatable. */
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(counts[i], 9430, 10570);
	assert_int_equal(rand_below(&rand, 1), 0);
}

static void texts_are_tokens(void **state)
{
	char storage[200];
	bool seen[256] = { false };
	unsigned kinds = 0;
	struct rand rand;
	struct text text;

	(void)state;
	rand_init_seed(&rand, 2);
	text_init(&text, storage, sizeof(storage));
	rand_text(&rand, &text, sizeof(storage));
	assert_int_equal(text.len, sizeof(storage));
	for (size_t i = 0; i < text.len; i++) {
		assert_true(char_is(storage[i], CC_TOKEN));
		kinds += !seen[(unsigned char)storage[i]];
		seen[(unsigned char)storage[i]] = true;
	}
	assert_in_range(kinds, 28, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(siphash_128_vectors),
		cmocka_unit_test(chacha_vector),
		cmocka_unit_test(seeds_repeat),
		cmocka_unit_test(below_is_even),
		cmocka_unit_test(texts_are_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

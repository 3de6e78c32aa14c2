/* SPDX-License-Identifier: MIT
 * The last look: it finds every needle at every place, and nothing that is not one. */
#include "sbc/call/leak.h"

#include "lib/base/rand.h"
#include "tests/support/unit.h"

static void found_at_every_offset(void **state)
{
	static const char *const needles[] = { "10.0.0.1", "192.168.17.200", "pbx.inside.example",
					       "a84b4c76e66710", "[2001:db8::10]" };
	struct leak_set set = { 0 };
	char text[256];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		leak_add(&set, slice_text(needles[i]));
	for (size_t i = 0; i < 5; i++) {
		size_t len = strlen(needles[i]);

		for (size_t at = 0; at + len <= sizeof(text); at++) {
			memset(text, ' ', sizeof(text));
			memcpy(text + at, needles[i], len);
			assert_slice(leak_find(&set, slice_of(text, sizeof(text))), needles[i]);
		}
	}
}

static void whole_words_only(void **state)
{
	static const struct {
		const char *text;
		bool hit;
	} table[] = {
		{ "c=IN IP4 10.0.0.1\r\n", true },   { "c=IN IP4 10.0.0.12\r\n", false },
		{ "Via: 110.0.0.1:5060", false },    { "<sip:10.0.0.1:5060>", true },
		{ "Subject: 210.0.0.11", false },    { "10.0.0.1", true },
		{ "x10.0.0.1", false },		     { "", false },
		{ "tag=10.0.0.", false },	     { "@10.0.0.1;transport=udp", true },
	};
	struct leak_set set = { 0 };

	(void)state;
	leak_add(&set, SLICE("10.0.0.1"));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(leak_find(&set, slice_text(table[i].text)).len > 0,
				 table[i].hit);
}

static void agrees_with_a_plain_search(void **state)
{
	struct leak_set set = { 0 };
	struct rand rand;
	char text[600];
	char needle[3][12];

	(void)state;
	rand_init_seed(&rand, 7);
	for (unsigned n = 0; n < 3; n++) {
		for (unsigned i = 0; i < 12; i++)
			needle[n][i] = (char)('a' + rand_below(&rand, 2));
		leak_add(&set, slice_of(needle[n], 12));
	}
	for (unsigned round = 0; round < 2000; round++) {
		bool there = false;

		/* Every letter is a word of its own, so that the word rule plays no part. */
		for (unsigned i = 0; i < sizeof(text); i++)
			text[i] = rand_below(&rand, 3) ? (char)('a' + rand_below(&rand, 2)) : '.';
		if (round % 2)
			memcpy(text + rand_below(&rand, sizeof(text) - 14) + 1, needle[round % 3], 12);
		for (unsigned n = 0; n < 3; n++) {
			const char *at = text;

			while ((at = memmem(at, (size_t)(text + sizeof(text) - at), needle[n], 12))) {
				bool left = at == text || at[-1] == '.';
				bool right = at + 12 == text + sizeof(text) || at[12] == '.';

				there = there || (left && right);
				at++;
			}
		}
		assert_int_equal(leak_find(&set, slice_of(text, sizeof(text))).len > 0, there);
	}
}

static void what_is_not_watched(void **state)
{
	struct leak_set set = { 0 };
	char many[LEAK_MAX + 3][16];

	(void)state;
	leak_add(&set, SLICE("short"));
	assert_int_equal(set.count, 0);
	assert_int_equal(leak_find(&set, SLICE("short")).len, 0);
	leak_add(&set, SLICE("a84b4c76e66710"));
	leak_add(&set, SLICE("a84b4c76e66710"));
	assert_int_equal(set.count, 1);
	for (unsigned i = 0; i < LEAK_MAX + 3; i++) {
		memset(many[i], 'a' + (int)i, 16);
		leak_add(&set, slice_of(many[i], 16));
	}
	assert_int_equal(set.count, LEAK_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_at_every_offset),
		cmocka_unit_test(whole_words_only),
		cmocka_unit_test(agrees_with_a_plain_search),
		cmocka_unit_test(what_is_not_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

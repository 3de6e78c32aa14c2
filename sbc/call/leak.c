/* SPDX-License-Identifier: MIT
 * A needle of at least 7 bytes contains, at any alignment, a four-byte window that starts at a
 * multiple of four. So the windows at the needle's first four offsets stand in a small hash table,
 * and the message is sampled at every fourth byte. */
#include "sbc/call/leak.h"

#define STRIDE 4u

static uint32_t window(const char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word * 0x9e3779b1u >> 24;
}

bool leak_has(const struct leak_set *set, struct slice needle)
{
	if (needle.len < LEAK_MIN_BYTES || set->count == LEAK_MAX)
		return true;
	for (uint32_t i = 0; i < set->count; i++)
		if (slice_eq(set->needles[i], needle))
			return true;
	return false;
}

void leak_add(struct leak_set *set, struct slice needle)
{
	if (leak_has(set, needle))
		return;
	for (uint32_t i = 0; i < STRIDE; i++) {
		uint32_t number = set->count * STRIDE + i;
		uint32_t h = window(needle.p + i);

		set->next[number] = set->first[h];
		set->first[h] = (uint8_t)(number + 1);
	}
	set->needles[set->count++] = needle;
}

static bool wordlike(char c)
{
	return char_is(c, CC_DIGIT | CC_ALPHA);
}

/* The needle stands at bytes[at], and not inside a longer word. */
static bool stands_at(struct slice needle, struct slice bytes, size_t at)
{
	if (bytes.len - at < needle.len || memcmp(bytes.p + at, needle.p, needle.len) != 0)
		return false;
	if (at > 0 && wordlike(bytes.p[at - 1]) && wordlike(needle.p[0]))
		return false;
	return at + needle.len == bytes.len || !wordlike(bytes.p[at + needle.len]) ||
	       !wordlike(needle.p[needle.len - 1]);
}

struct slice leak_find(const struct leak_set *set, struct slice bytes)
{
	if (set->count == 0)
		return SLICE_NONE;
	for (size_t at = 0; at + STRIDE <= bytes.len; at += STRIDE) {
		for (uint8_t w = set->first[window(bytes.p + at)]; w; w = set->next[w - 1]) {
			struct slice needle = set->needles[(w - 1) / STRIDE];
			size_t back = (w - 1) % STRIDE;

			if (back <= at &&
			    memcmp(needle.p + back, bytes.p + at, STRIDE) == 0 &&
			    stands_at(needle, bytes, at - back))
				return needle;
		}
	}
	return SLICE_NONE;
}

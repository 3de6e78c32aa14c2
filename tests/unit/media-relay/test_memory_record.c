/* SPDX-License-Identifier: MIT
 * A side's record as octets: what was written is read again, and nothing is believed of others. */
#include <stdlib.h>

#include "tests/unit/media-relay/memory_fixture.h"

static void assert_record(const struct side_memory *got, const struct side_memory *want)
{
	assert_int_equal(got->session, want->session);
	assert_int_equal(got->stream, want->stream);
	assert_int_equal(got->side, want->side);
	assert_true(endpoint_eq(&got->local, &want->local));
	for (unsigned i = 0; i < COMPONENTS; i++) {
		assert_true(endpoint_eq(&got->told[i], &want->told[i]));
		assert_true(endpoint_eq(&got->learned[i], &want->learned[i]));
	}
	assert_memory_equal(&got->counters, &want->counters, sizeof(want->counters));
	assert_memory_equal(&got->source, &want->source, sizeof(want->source));
	assert_int_equal(got->woven_ssrc, want->woven_ssrc);
	assert_int_equal(got->woven_shift, want->woven_shift);
}

static void a_record_is_read_as_it_was_written(void **state)
{
	unsigned char bytes[MEMORY_RECORD_MAX];
	const struct side_states states[] = { both_states(0, 0, 0, 0), both_states(512, 256, 0, 0),
					      both_states(512, 256, 512, 256),
					      both_states(28, 28, 28, 0),
					      both_states(0, 0, 28, 28) };
	struct side_states got_states;
	struct side_memory got;

	(void)state;
	for (unsigned kind = 0; kind < 32 * array_size(states); kind++) {
		const struct side_states *with = &states[kind / 32];
		struct side_memory want = whole_record(kind);
		size_t len = memory_record_write(&want, kind < 32 ? NULL : with, bytes);

		assert_true(memory_record_read(bytes, len, &got, &got_states));
		assert_record(&got, &want);
		assert_same_states(&got_states, with);
		assert_false(memory_record_read(bytes, len - 1, &got, &got_states));
		bytes[len] = 0x80;
		assert_false(memory_record_read(bytes, len + 1, &got, &got_states));
	}
}

/* What a broken file may hold: read or refused, and nothing beyond it is looked at. */
static void any_octets_can_be_read(void **state)
{
	unsigned char bytes[MEMORY_RECORD_MAX];
	struct side_states states[] = { some_states(100, 200), both_states(60, 40, 100, 100) };
	struct side_states got_states;
	struct side_memory got;
	uint32_t noise = 4711;
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct side_memory want = whole_record(i);
		size_t len = memory_record_write(&want, &states[i % 2], bytes);
		unsigned char *copy;

		for (unsigned j = 0; j <= i % 3; j++) {
			noise = noise * 1664525u + 1013904223u;
			bytes[(noise >> 8) % (i % 2 ? 120 : len)] = (unsigned char)(noise >> 24);
		}
		len -= (noise >> 4) % 5;
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, bytes, len);
		refused += !memory_record_read(copy, len, &got, &got_states);
		free(copy);
	}
	assert_in_range(refused, 10000, 19999);
}

/* Two slots of the largest kind, each with what stands before the octets, are a stream's most. */
static void the_largest_take_no_more_than_a_page(void **state)
{
	(void)state;
	assert_in_range(2 * (MEMORY_RECORD_MAX + 4), 1, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_read_as_it_was_written),
		cmocka_unit_test(any_octets_can_be_read),
		cmocka_unit_test(the_largest_take_no_more_than_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

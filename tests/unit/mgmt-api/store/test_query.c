/* SPDX-License-Identifier: MIT
 * CDR searches against a plain walk over the same calls: every filter and every page size must give
 * the same calls in the same order, each once. */
#include "tests/unit/mgmt-api/store/scratch.h"

#define CALLS 120u

static struct ctl_call_info make_call(uint64_t seq, char id[32], struct ctl_leg_info legs[2])
{
	static const char *const trunks[] = { "pbx", "carrier", "backup" };
	static const char *const numbers[] = { "+4930100", "+4930200", "200", "20" };
	static const char *const results[] = { "answered", "busy", "cancelled" };
	struct ctl_call_info info = scratch_call(id, seq);

	/* Several calls start in one millisecond. */
	info.started_unix_ms = 1000 + seq / 4;
	legs[0] = (struct ctl_leg_info){ .trunk = slice_text(trunks[seq % 3]) };
	legs[1] = (struct ctl_leg_info){ .trunk = slice_text(trunks[seq / 3 % 3]) };
	info.legs = legs;
	info.legs_count = 2;
	info.calling = slice_text(numbers[seq % 4]);
	info.called = slice_text(numbers[seq / 4 % 4]);
	info.called_out = SLICE("+1");
	info.result = slice_text(results[seq / 2 % 3]);
	return info;
}

static bool expected(const struct store_cdr_filter *filter, const struct ctl_call_info *call)
{
	bool number = filter->number.len == 0;
	const struct slice numbers[] = { call->calling, call->called, call->called_out };

	for (size_t i = 0; i < 3; i++)
		number |= filter->number_is_prefix ? slice_starts(numbers[i], filter->number) :
						     slice_eq(numbers[i], filter->number);
	return number && call->started_unix_ms >= filter->from_unix_ms &&
	       (filter->to_unix_ms == 0 || call->started_unix_ms < filter->to_unix_ms) &&
	       (filter->trunk.len == 0 || slice_eq(call->legs[0].trunk, filter->trunk) ||
		slice_eq(call->legs[1].trunk, filter->trunk)) &&
	       (filter->result.len == 0 || slice_eq(call->result, filter->result));
}

static void fill(struct scratch *scratch)
{
	char *map = scratch_segment(scratch, 1, 7);
	size_t at = 64;

	for (uint64_t seq = 1; seq <= CALLS; seq++) {
		struct ctl_leg_info legs[2];
		char id[32];
		struct ctl_call_info info = make_call(seq, id, legs);

		scratch_record(map, &at, seq, &info);
	}
	assert_int_equal(store_import(scratch->store, 500), CALLS);
	munmap(map, 4 << 20);
}

static void check(struct scratch *scratch, const struct store_cdr_filter *filter, unsigned limit)
{
	struct store_cdr_cursor cursor = { 0 };
	struct store_cdr_page page = { .more = true };
	size_t at = 0;

	for (uint64_t seq = CALLS; seq > 0; seq--) {
		struct ctl_leg_info legs[2];
		char id[32];
		struct ctl_call_info info = make_call(seq, id, legs);

		if (!expected(filter, &info))
			continue;
		while (at == page.count && page.more) {
			assert_int_equal(store_cdr_query(scratch->store, &scratch->arena, filter,
							 &cursor, limit, &page),
					 OK);
			assert_true(page.count <= limit);
			cursor = page.next;
			at = 0;
		}
		assert_true(at < page.count);
		assert_slice(page.calls[at].id, id);
		at++;
	}
	while (at == page.count && page.more) {
		assert_int_equal(store_cdr_query(scratch->store, &scratch->arena, filter, &cursor,
						 limit, &page),
				 OK);
		cursor = page.next;
		at = 0;
	}
	assert_int_equal(at, page.count);
	arena_reset(&scratch->arena);
}

static void test_filters(void **state)
{
	static const struct store_cdr_filter filters[] = {
		{ 0 },
		{ .from_unix_ms = 1005, .to_unix_ms = 1020 },
		{ .trunk = { "pbx", 3 } },
		{ .trunk = { "nobody", 6 } },
		{ .number = { "+4930100", 8 } },
		{ .number = { "20", 2 } },
		{ .number = { "20", 2 }, .number_is_prefix = true },
		{ .number = { "+49", 3 }, .number_is_prefix = true, .trunk = { "backup", 6 } },
		{ .result = { "busy", 4 }, .from_unix_ms = 1010 },
		{ .result = { "busy", 4 }, .trunk = { "pbx", 3 }, .number = { "200", 3 } },
		/* Bound, never pasted into SQL. */
		{ .number = { "' OR 1=1 --", 11 } },
	};
	static const unsigned limits[] = { 1, 3, 7, 500 };
	struct scratch *scratch = *state;

	fill(scratch);
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++)
			check(scratch, &filters[i], limits[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_filters, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

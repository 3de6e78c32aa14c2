/* SPDX-License-Identifier: MIT
 * A digit in a body, in all the forms in which it is seen. */
#include "tests/support/unit.h"

#include <stdio.h>

#include "lib/base/ensure.h"
#include "sbc/call/dtmf.h"

#define RELAY "application/dtmf-relay"
#define PLAIN "application/dtmf"

static void forms(void **state)
{
	static const struct {
		const char *type, *body;
		enum err err;
		unsigned event, ms;
	} table[] = {
		{ RELAY, "Signal=5\r\nDuration=160\r\n", OK, 5, 160 },
		{ RELAY, "Signal= 5\r\nDuration= 160", OK, 5, 160 },
		{ "Application/DTMF-Relay", "signal=*\nDURATION=250\n", OK, 10, 250 },
		{ RELAY, "Duration=90\r\nSignal=#", OK, 11, 90 },
		{ RELAY, "Signal=a\r\n", OK, 12, 160 },
		{ RELAY, "Signal=D\rDuration=100\r", OK, 15, 100 },
		{ RELAY, "Signal=10\r\n", OK, 10, 160 },
		{ RELAY, "Signal=16\r\n", OK, 16, 160 },
		{ RELAY, "Signal=!\r\n", OK, 16, 160 },
		{ RELAY, "Signal = hf \r\n\r\n", OK, 16, 160 },
		{ RELAY, "X-Other=9\r\nSignal=1\r\nnonsense\r\n", OK, 1, 160 },
		{ RELAY, "Signal=1\r\nDuration=0", OK, 1, 160 },
		{ RELAY, "Signal=1\r\nDuration=7", OK, 1, 40 },
		{ RELAY, "Signal=1\r\nDuration=60000", OK, 1, 6000 },
		{ RELAY, "Signal=1\r\nDuration=99999999999999", OK, 1, 6000 },
		{ PLAIN, "7", OK, 7, 160 },
		{ PLAIN, " #\r\n", OK, 11, 160 },
		{ PLAIN, "11\r\n", OK, 11, 160 },
		{ PLAIN, "Signal=3\r\nDuration=80\r\n", OK, 3, 80 },
		{ RELAY, "", ERR_SYNTAX, 0, 0 },
		{ RELAY, "5", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=E\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=17\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=05\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=55\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=5\r\nSignal=6\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=5\r\nDuration=long\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=5\r\nDuration=-1\r\n", ERR_SYNTAX, 0, 0 },
		{ RELAY, "Signal=5\r\nDuration=1\r\nDuration=2\r\n", ERR_SYNTAX, 0, 0 },
		{ PLAIN, "", ERR_SYNTAX, 0, 0 },
		{ PLAIN, "123", ERR_SYNTAX, 0, 0 },
		{ PLAIN "-other", "1", ERR_UNSUPPORTED, 0, 0 },
		{ "text/plain", "1", ERR_UNSUPPORTED, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct media_digit digit = { .event = 99, .duration_ms = 1 };
		enum err err = dtmf_parse(slice_text(table[i].type), slice_text(table[i].body),
					  &digit);

		if (err != table[i].err)
			fail_msg("row %zu: %s", i, err_text(err));
		assert_int_equal(digit.event, err == OK ? table[i].event : 99);
		assert_int_equal(digit.duration_ms, err == OK ? table[i].ms : 1);
		assert_int_equal(dtmf_is_type(slice_text(table[i].type)), i != array_size(table) - 1);
	}
}

/* What is written is read again. */
static void written(void **state)
{
	static const char *const signals[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8",
					       "9", "*", "#", "A", "B", "C", "D", "16" };
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 8192);
	for (uint8_t event = 0; event < array_size(signals); event++) {
		struct media_digit digit = { .event = event, .duration_ms = 200 }, again;
		struct slice body = dtmf_write(&arena, &digit);
		char expected[64];

		snprintf(expected, sizeof(expected), "Signal=%s\r\nDuration=200\r\n", signals[event]);
		assert_true(slice_eq(body, slice_text(expected)));
		assert_int_equal(dtmf_parse(SLICE(RELAY), body, &again), OK);
		assert_int_equal(again.event, event);
		assert_int_equal(again.duration_ms, 200);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(written) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * The writer: structure, numbers, times, and strings of any bytes. */
#include "tests/support/unit.h"

#include "mgmt-api/json/json.h"

static void test_structure(void **state)
{
	char storage[512];
	struct json_out out;
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	json_out_init(&out, &text);
	json_open_object(&out, NULL);
	json_put_str(&out, "s", SLICE("a\"\\\n"));
	json_open_array(&out, "list");
	json_put_u64(&out, NULL, 1);
	json_open_object(&out, NULL);
	json_close_object(&out);
	json_put_i64(&out, NULL, -2);
	json_close_array(&out);
	json_put_fixed(&out, "ms", 12034, 3);
	json_put_bool(&out, "t", true);
	json_put_null(&out, "n");
	json_put_str_or_null(&out, "e", SLICE_NONE);
	json_put_time(&out, "at", UINT64_C(951782399999));
	json_put_time(&out, "never", 0);
	json_close_object(&out);
	assert_slice(text_done(&text),
		     "{\"s\":\"a\\\"\\\\\\u000a\",\"list\":[1,{},-2],\"ms\":12.034,\"t\":true,"
		     "\"n\":null,\"e\":null,\"at\":\"2000-02-28T23:59:59.999Z\",\"never\":null}");
}

static void test_any_bytes(void **state)
{
	static const struct {
		const char *bytes;
		const char *expected;
	} cases[] = {
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
		{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },         /* overlong */
		{ "\xed\xa0\x80z", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"" }, /* surrogate */
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\"" }, /* cut off */
		{ "\x01\x7f", "\"\\u0001\\u007f\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char storage[128];
		struct json_out out;
		struct text text;

		text_init(&text, storage, sizeof(storage));
		json_out_init(&out, &text);
		json_put_str(&out, NULL, slice_text(cases[i].bytes));
		assert_slice(text_done(&text), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

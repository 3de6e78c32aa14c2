/* SPDX-License-Identifier: MIT
 * RFC 4648 section 10's vectors both ways, and what is no base64. */
#include "lib/base/base64.h"

#include "tests/support/unit.h"

static const struct {
	const char *plain;
	const char *coded;
} vectors[] = {
	{ "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },         { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct slice coded = slice_text(vectors[i].coded);
		char storage[16];
		struct text text;
		size_t len = 99;

		text_init(&text, storage, sizeof(storage));
		text_base64(&text, vectors[i].plain, strlen(vectors[i].plain));
		assert_slice(text_done(&text), vectors[i].coded);
		assert_int_equal(BASE64_CHARS(strlen(vectors[i].plain)), coded.len);
		for (unsigned padding = 0; padding < 2; padding++) {
			assert_int_equal(base64_decode(coded, storage, sizeof(storage), &len), OK);
			assert_slice(slice_of(storage, len), vectors[i].plain);
			coded = slice_head(coded, slice_find_char(coded, '='));
		}
	}
}

static void test_all_bytes(void **state)
{
	unsigned char bytes[256], back[256];
	char storage[BASE64_CHARS(256)];
	struct text text;
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (unsigned char)i;
	for (size_t from = 0; from < 256; from++) {
		text_init(&text, storage, sizeof(storage));
		text_base64(&text, bytes + from, 256 - from);
		assert_int_equal(base64_decode(text_done(&text), back, 256 - from, &len), OK);
		assert_int_equal(len, 256 - from);
		assert_memory_equal(back, bytes + from, len);
		assert_int_equal(base64_decode(text_done(&text), back, len - 1, &len), ERR_LIMIT);
	}
}

static void test_refused(void **state)
{
	static const char *const wrong[] = { "Z",     "Zg=",  "Zg===", "Z===", "=",    "====", "Zm9v=",
					     "Zm9v==", "Zh==", "Zm9=",  "Zm9 ", "Zm-v", "Zm_v", "Zg==Zg==" };
	char storage[16];
	size_t len = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (base64_decode(slice_text(wrong[i]), storage, sizeof(storage), &len) != ERR_SYNTAX)
			fail_msg("%s", wrong[i]);
		assert_int_equal(len, 77);
	}
	assert_int_equal(base64_decode(slice_of("Zm\0v", 4), storage, sizeof(storage), &len),
			 ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_all_bytes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

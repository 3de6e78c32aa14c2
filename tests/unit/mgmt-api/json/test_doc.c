/* SPDX-License-Identifier: MIT
 * The merge patch cases of RFC 7396 appendix A, what the parser refuses, and secrets that stay. */
#include "tests/support/unit.h"

#include "mgmt-api/json/json.h"

static struct json_t *parsed(const char *text)
{
	struct json_t *doc = NULL;
	struct jdoc_fault fault;

	assert_int_equal(jdoc_parse(slice_text(text), &doc, &fault), OK);
	return doc;
}

static void assert_doc(const struct json_t *doc, const char *expected)
{
	struct json_t *other = parsed(expected);

	assert_true(jdoc_equal(doc, other));
	jdoc_free(&other);
}

static void test_merge_patch(void **state)
{
	static const struct {
		const char *original;
		const char *patch;
		const char *result;
	} cases[] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		  "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "null", "null" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_t *target = parsed(cases[i].original);
		struct json_t *patch = parsed(cases[i].patch);

		assert_int_equal(jdoc_merge_patch(&target, patch), OK);
		assert_doc(target, cases[i].result);
		jdoc_free(&target);
		jdoc_free(&patch);
	}
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"", "{", "{\"a\":1,\"a\":2}", "[1,]", "// x\n1", "\"\xff\"", "\"\\ud800\"", "1e400",
		"{} {}", "\"\\u0000\"", "nul", "[\"a\nb\"]", "\xef\xbb\xbf{}", "01",
	};
	struct json_t *doc = NULL;
	struct jdoc_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(jdoc_parse(slice_text(cases[i]), &doc, &fault), ERR_SYNTAX);
		assert_null(doc);
	}
	/* NULs, which a C string cannot hold. */
	assert_int_equal(jdoc_parse(slice_of("123\0", 4), &doc, &fault), ERR_SYNTAX);
	assert_int_equal(jdoc_parse(slice_of("[1]\0\0", 5), &doc, &fault), ERR_SYNTAX);
}

static void test_fault_shows_no_content(void **state)
{
	struct json_t *doc = NULL;
	struct jdoc_fault fault;

	(void)state;
	assert_int_equal(jdoc_parse(SLICE("{\"password\":\"xyzzy\" 1}"), &doc, &fault), ERR_SYNTAX);
	assert_null(strstr(fault.detail, "xyzzy"));
	assert_non_null(strstr(fault.detail, "line 1"));
}

static void test_depth(void **state)
{
	char deep[2 * JDOC_MAX_DEPTH + 2];
	struct json_t *doc = NULL;
	struct jdoc_fault fault;
	size_t n = JDOC_MAX_DEPTH;

	(void)state;
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	assert_int_equal(jdoc_parse(slice_of(deep, 2 * n), &doc, &fault), OK);
	jdoc_free(&doc);
	n++;
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	assert_int_equal(jdoc_parse(slice_of(deep, 2 * n), &doc, &fault), ERR_LIMIT);
	/* Brackets in strings are no levels. */
	assert_int_equal(jdoc_parse(SLICE("\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""), &doc, &fault),
			 OK);
	jdoc_free(&doc);
}

static void test_secrets(void **state)
{
	static const char *const stored =
		"{\"trunks\":[{\"name\":\"a\",\"auth\":{\"password\":\"pa\"}},"
		"{\"name\":\"b\",\"auth\":{\"password\":\"pb\"}}]}";
	/* The items changed places, one is new to its secret. */
	static const char *const written =
		"{\"trunks\":[{\"name\":\"b\",\"auth\":{\"password\":\"***\"}},"
		"{\"name\":\"a\",\"auth\":{\"password\":\"new\"}}]}";
	struct json_t *old = parsed(stored);
	struct json_t *doc = parsed(written);
	struct json_t *stray = parsed("{\"trunks\":[{\"name\":\"c\",\"auth\":{\"password\":\"***\"}}]}");
	char storage[128];
	struct text pointer;

	(void)state;
	text_init(&pointer, storage, sizeof(storage));
	assert_int_equal(jdoc_unmask(doc, old, &pointer), OK);
	assert_doc(doc, "{\"trunks\":[{\"name\":\"b\",\"auth\":{\"password\":\"pb\"}},"
			"{\"name\":\"a\",\"auth\":{\"password\":\"new\"}}]}");
	assert_int_equal(jdoc_mask(doc), OK);
	assert_doc(doc, "{\"trunks\":[{\"name\":\"b\",\"auth\":{\"password\":\"***\"}},"
			"{\"name\":\"a\",\"auth\":{\"password\":\"***\"}}]}");
	assert_int_equal(jdoc_unmask(stray, old, &pointer), ERR_NOENT);
	assert_slice(text_done(&pointer), "/trunks/0/auth/password");
	jdoc_free(&old);
	jdoc_free(&doc);
	jdoc_free(&stray);
}

static void test_mask_of_a_wrong_type(void **state)
{
	struct json_t *doc = parsed("{\"password\":{\"x\":\"secret\"}}");

	(void)state;
	assert_int_equal(jdoc_mask(doc), OK);
	assert_doc(doc, "{\"password\":\"***\"}");
	jdoc_free(&doc);
}

static void test_canonical(void **state)
{
	struct json_t *doc = parsed("{ \"b\": [1, 2], \"a\": {\"d\": null, \"c\": true} }");
	char storage[128];
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	jdoc_write_canonical(&text, doc);
	assert_slice(text_done(&text), "{\"a\":{\"c\":true,\"d\":null},\"b\":[1,2]}");
	assert_int_equal(jdoc_integer(jdoc_at(doc, SLICE("/b/1"))), 2);
	assert_null(jdoc_at(doc, SLICE("/b/2")));
	assert_null(jdoc_at(doc, SLICE("/a/x/y")));
	jdoc_free(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_patch),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_fault_shows_no_content),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_mask_of_a_wrong_type),
		cmocka_unit_test(test_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

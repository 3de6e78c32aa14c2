/* SPDX-License-Identifier: MIT
 * Cutting, numbers, and the character classes against RFC 3261 section 25.1, spelled out here once
 * more as the RFC lists them. */
#include "lib/base/slice.h"

#include "tests/support/unit.h"

#define ALPHANUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define MARK "-_.!~*'()"

static void classes(void **state)
{
	static const struct {
		unsigned class;
		const char *members;
	} rows[] = {
		{ CC_DIGIT, "0123456789" },
		{ CC_HEX, "0123456789abcdefABCDEF" },
		{ CC_ALPHA, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" },
		{ CC_TOKEN, ALPHANUM "-.!%*_+`'~" },
		{ CC_WORD, ALPHANUM "-.!%*_+`'~()<>:\\\"/[]?{}" },
		{ CC_LWS, " \t\r\n" },
		{ CC_WSP, " \t" },
		{ CC_USER, ALPHANUM MARK "&=+$,;?/" },
		{ CC_PASSWORD, ALPHANUM MARK "&=+$," },
		{ CC_URI_PARAM, ALPHANUM MARK "[]/:&+$" },
		{ CC_URI_HEADER, ALPHANUM MARK "[]/?:+$" },
		{ CC_HOST, ALPHANUM "-._" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int c = 0; c < 256; c++) {
			bool want = c != 0 && strchr(rows[i].members, c) != NULL;

			if (char_is((char)c, rows[i].class) != want)
				fail_msg("class %#x, character %d", rows[i].class, c);
		}
	for (int c = 0; c < 256; c++)
		assert_int_equal(char_is((char)c, CC_CTL), c < 32 || c == 127);
}

static void cutting(void **state)
{
	struct slice in = SLICE("a;b;;c");
	struct slice head;

	(void)state;
	assert_true(slice_cut_char(&in, ';', &head));
	assert_slice(head, "a");
	assert_true(slice_cut_char(&in, ';', &head));
	assert_slice(head, "b");
	assert_true(slice_cut_char(&in, ';', &head));
	assert_slice(head, "");
	assert_false(slice_cut_char(&in, ';', &head));
	assert_slice(in, "c");
	in = SLICE("INVITE \t sip:x");
	assert_true(slice_cut(&in, CC_WSP, &head));
	assert_slice(head, "INVITE");
	assert_slice(in, "sip:x");
	assert_false(slice_cut(&in, CC_WSP, &head));
	assert_slice(head, "INVITE");
	in = SLICE("123abc");
	assert_slice(slice_take(&in, CC_DIGIT), "123");
	assert_slice(in, "abc");
	assert_slice(slice_take(&in, CC_DIGIT), "");
	assert_slice(slice_trim(SLICE(" \t x y\r\n"), CC_LWS), "x y");
	assert_slice(slice_trim(SLICE(" \r\n"), CC_LWS), "");
	assert_slice(slice_skip(SLICE("abc"), 2), "c");
	assert_slice(slice_skip(SLICE("abc"), 9), "");
	assert_null(slice_skip(SLICE_NONE, 9).p);
	assert_slice(slice_head(SLICE("abc"), 2), "ab");
	assert_slice(slice_head(SLICE("abc"), 9), "abc");
}

static void comparing(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE("a"), SLICE("a")));
	assert_false(slice_eq(SLICE("a"), SLICE("A")));
	assert_true(slice_eq(SLICE_NONE, SLICE("")));
	assert_true(slice_eq_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
	/* Case is a matter of letters only: [ and { differ in the same bit. */
	assert_false(slice_eq_nocase(SLICE("["), SLICE("{")));
	assert_false(slice_eq_nocase(SLICE("ab"), SLICE("abc")));
	assert_true(slice_starts(SLICE("sip:x"), SLICE("sip:")));
	assert_false(slice_starts(SLICE("si"), SLICE("sip:")));
	assert_true(slice_starts_nocase(SLICE("SIP:x"), SLICE("sip:")));
	assert_false(slice_is(SLICE(""), CC_DIGIT));
	assert_true(slice_is(SLICE("09"), CC_DIGIT));
	assert_false(slice_is(SLICE("0x"), CC_DIGIT));
	assert_int_equal(slice_find_char(SLICE("a@b"), '@'), 1);
	assert_int_equal(slice_find_char(SLICE("ab"), '@'), 2);
	assert_int_equal(slice_find_char(SLICE_NONE, '@'), 0);
	assert_int_equal(slice_find(SLICE("aabab"), SLICE("bab")), 2);
	assert_int_equal(slice_find(SLICE("aaba"), SLICE("bab")), 4);
}

static void numbers(void **state)
{
	uint64_t u64 = 7;
	uint32_t u32 = 7;
	uint16_t u16 = 7;

	(void)state;
	assert_int_equal(parse_u64(SLICE("18446744073709551615"), &u64), OK);
	assert_true(u64 == UINT64_MAX);
	assert_int_equal(parse_u64(SLICE("18446744073709551616"), &u64), ERR_LIMIT);
	assert_int_equal(parse_u64(SLICE("99999999999999999999999"), &u64), ERR_LIMIT);
	assert_true(u64 == UINT64_MAX);
	assert_int_equal(parse_u32(SLICE("4294967295"), &u32), OK);
	assert_true(u32 == UINT32_MAX);
	assert_int_equal(parse_u32(SLICE("4294967296"), &u32), ERR_LIMIT);
	assert_int_equal(parse_u16(SLICE("65535"), &u16), OK);
	assert_int_equal(parse_u16(SLICE("65536"), &u16), ERR_LIMIT);
	assert_int_equal(u16, 65535);
	assert_int_equal(parse_u16(SLICE("0005"), &u16), OK);
	assert_int_equal(u16, 5);
	assert_int_equal(parse_u32(SLICE(""), &u32), ERR_SYNTAX);
	assert_int_equal(parse_u32(SLICE("-1"), &u32), ERR_SYNTAX);
	assert_int_equal(parse_u32(SLICE("+1"), &u32), ERR_SYNTAX);
	assert_int_equal(parse_u32(SLICE(" 1"), &u32), ERR_SYNTAX);
	assert_int_equal(parse_u32(SLICE("1x"), &u32), ERR_SYNTAX);
}

static void errors_have_texts(void **state)
{
	(void)state;
	assert_string_equal(err_text(OK), "ok");
	assert_string_equal(err_text(ERR_NOENT), "there is no such thing");
	assert_string_equal(err_text((enum err)(-2)), strerror(2));
	assert_string_equal(err_text((enum err)(-1999)), "unknown error");
	assert_string_equal(err_text((enum err)(-3000)), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes),
		cmocka_unit_test(cutting),
		cmocka_unit_test(comparing),
		cmocka_unit_test(numbers),
		cmocka_unit_test(errors_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

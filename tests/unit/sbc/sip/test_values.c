/* SPDX-License-Identifier: MIT
 * Header names, lists, escapes and the names of methods, transports and statuses. */
#include <stdio.h>

#include "lib/base/ensure.h"
#include "tests/unit/sbc/sip/sip_fixture.h"

#include "sbc/sip/sip_priv.h"

static const struct {
	enum sip_header id;
	const char *name;
	char compact;
} headers[] = {
#define SIP_HEADER(id, name, compact, flags) { SIP_HDR_##id, name, compact },
#include "sbc/sip/headers.def"
#undef SIP_HEADER
};

/* RFC 3261 7.3.3 and 20, RFC 3515, 3892, 4028, 6665. */
static const char compact_forms[][2][20] = {
	{ "c", "Content-Type" },
	{ "e", "Content-Encoding" },
	{ "f", "From" },
	{ "i", "Call-ID" },
	{ "k", "Supported" },
	{ "l", "Content-Length" },
	{ "m", "Contact" },
	{ "s", "Subject" },
	{ "t", "To" },
	{ "v", "Via" },
	{ "r", "Refer-To" },
	{ "b", "Referred-By" },
	{ "x", "Session-Expires" },
	{ "o", "Event" },
};

/* A name that is not found has lost its slot to another: header.c says what to do. */
static void finds_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char upper[40];
		char longer[40];

		snprintf(upper, sizeof(upper), "%s", headers[i].name);
		for (char *p = upper; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		snprintf(longer, sizeof(longer), "%sx", headers[i].name);
		assert_int_equal(sip_header_find(slice_text(headers[i].name)), headers[i].id);
		assert_int_equal(sip_header_find(slice_text(upper)), headers[i].id);
		assert_int_not_equal(sip_header_find(slice_text(longer)), headers[i].id);
		assert_slice(sip_header_name(headers[i].id), headers[i].name);
	}
	for (size_t i = 0; i < sizeof(compact_forms) / sizeof(compact_forms[0]); i++)
		assert_int_equal(sip_header_find(slice_text(compact_forms[i][0])),
				 sip_header_find(slice_text(compact_forms[i][1])));
	assert_int_equal(sip_header_find(SLICE("V")), SIP_HDR_VIA);
	assert_int_equal(sip_header_find(SLICE("z")), SIP_OTHER_HEADER);
	assert_int_equal(sip_header_find(SLICE("X-Via")), SIP_OTHER_HEADER);
	assert_int_equal(sip_header_find(SLICE("Vib")), SIP_OTHER_HEADER);
	assert_int_equal(sip_header_find(SLICE("")), SIP_OTHER_HEADER);
}

static void elements_are(enum sip_header id, const char *name, const char *value,
			 const char *expected)
{
	char request[512];
	char joined[512] = "";
	struct fixture fixture;
	struct sip_cursor cursor = { 0 };
	struct slice element;

	fixture_init(&fixture);
	snprintf(request, sizeof(request), "OPTIONS sip:b SIP/2.0\r\n%s: %s\r\n\r\n", name, value);
	(void)!fixture_parse(&fixture, slice_text(request));
	while (sip_next(&fixture.msg, id, &cursor, &element)) {
		size_t len = strlen(joined);

		snprintf(joined + len, sizeof(joined) - len, "[%.*s]", SLICE_ARG(element));
	}
	assert_string_equal(joined, expected);
	fixture_fini(&fixture);
}

static void splits_lists(void **state)
{
	(void)state;
	elements_are(SIP_HDR_SUPPORTED, "k", "100rel", "[100rel]");
	elements_are(SIP_HDR_SUPPORTED, "k", "", "");
	elements_are(SIP_HDR_SUPPORTED, "k", " , a,,b , ", "[a][b]");
	elements_are(SIP_HDR_SUPPORTED, "k", "a\r\nX: y\r\nSupported: b, c", "[a][b][c]");
	elements_are(SIP_HDR_CONTACT, "m", "\"a,\\\",\" <sip:a,b@c>;x=\",\", <sip:(@d>,sip:e)@f",
		     "[\"a,\\\",\" <sip:a,b@c>;x=\",\"][<sip:(@d>][sip:e)@f]");
	elements_are(SIP_HDR_CONTACT, "m", "sip:(@a, sip:b", "[sip:(@a][sip:b]");
	elements_are(SIP_HDR_WARNING, "Warning", "307 a \"b, c\", 301 d \"e\"",
		     "[307 a \"b, c\"][301 d \"e\"]");
	elements_are(SIP_HDR_REASON, "Reason", "SIP (a, (b, \\) c), d), Q.850",
		     "[SIP (a, (b, \\) c), d)][Q.850]");
	/* what is left open takes the rest */
	elements_are(SIP_HDR_REASON, "Reason", "a, (b, (c), d", "[a][(b, (c), d]");
	elements_are(SIP_HDR_REASON, "Reason", "a, \"b, c\\", "[a][\"b, c\\]");
	elements_are(SIP_HDR_CONTACT, "m", "a, <b, c", "[a][<b, c]");
}

static void finds_tokens(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	(void)!fixture_parse(&fixture, SLICE("OPTIONS sip:b SIP/2.0\r\nRequire: a, Timer\r\n"
					     "Require: 100REL\r\n\r\n"));
	assert_true(sip_has_token(&fixture.msg, SIP_HDR_REQUIRE, SLICE("timer")));
	assert_true(sip_has_token(&fixture.msg, SIP_HDR_REQUIRE, SLICE("100rel")));
	assert_false(sip_has_token(&fixture.msg, SIP_HDR_REQUIRE, SLICE("100")));
	assert_false(sip_has_token(&fixture.msg, SIP_HDR_SUPPORTED, SLICE("timer")));
	fixture_fini(&fixture);
}

/* RFC 3261 20.33's own examples, and what is not one. */
static void reads_retry_after(void **state)
{
	static const struct {
		const char *value;
		bool good;
		uint32_t seconds;
	} rows[] = {
		{ "18000;duration=3600", true, 18000 },
		{ "120 (I'm in a meeting)", true, 120 },
		{ "0", true, 0 },
		{ "5(now)", true, 5 },
		{ "99999999999999999999", true, UINT32_MAX },
		{ "", false, 0 },
		{ "-5", false, 0 },
		{ "5s", false, 0 },
		{ "Fri, 20 Nov 2026 18:00:00 GMT", false, 0 },
	};
	struct fixture fixture;

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		char text[128];
		uint32_t seconds = 77;

		fixture_init(&fixture);
		snprintf(text, sizeof(text), "OPTIONS sip:b SIP/2.0\r\nRetry-After: %s\r\n\r\n",
			 rows[i].value);
		(void)!fixture_parse(&fixture, slice_text(text));
		assert_int_equal(sip_retry_after(&fixture.msg, &seconds), rows[i].good);
		if (rows[i].good)
			assert_int_equal(seconds, rows[i].seconds);
		fixture_fini(&fixture);
	}
}

static void unescapes(void **state)
{
	struct fixture fixture;
	struct slice plain;
	struct slice got;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(sip_user_unescape(&fixture.arena, SLICE("%75se%72%40"), &got), OK);
	assert_slice(got, "user@");
	/* controls stay as they are: %00 never becomes a NUL */
	assert_int_equal(sip_user_unescape(&fixture.arena, SLICE("a%00%0d%0A%7f%1f%20"), &got), OK);
	assert_slice(got, "a%00%0d%0A%7f%1f ");
	assert_int_equal(sip_user_unescape(&fixture.arena, SLICE("%4%g1%"), &got), OK);
	assert_slice(got, "%4%g1%");
	assert_int_equal(sip_unquote(&fixture.arena, SLICE("\"a \\\"b\\\" \\\\ \\c\""), &got), OK);
	assert_slice(got, "a \"b\" \\ c");
	assert_int_equal(sip_unquote(&fixture.arena, SLICE("\"\\\0\\\x07x\""), &got), OK);
	assert_slice(got, "x");
	plain = SLICE("plain");
	assert_int_equal(sip_unquote(&fixture.arena, plain, &got), OK);
	/* The arena's own: whoever keeps it outlives the message. */
	assert_ptr_not_equal(got.p, plain.p);
	assert_slice(got, "plain");
	assert_int_equal(sip_unquote(&fixture.arena, SLICE("\"\""), &got), OK);
	assert_slice(got, "");
	fixture_fini(&fixture);
}

static void escapes(void **state)
{
	char storage[256];
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	sip_write_user(&text, SLICE("+49 30@x:y<>;%\xc3\xbc"));
	assert_slice(text_done(&text), "+49%2030%40x%3ay%3c%3e;%25%c3%bc");
	text_init(&text, storage, sizeof(storage));
	sip_write_quoted(&text, SLICE("a\"b\\c\r\nInjected: x\t\x7f\xc3\xbc"));
	assert_slice(text_done(&text), "\"a\\\"b\\\\cInjected: x\t\xc3\xbc\"");
}

static void names_things(void **state)
{
	(void)state;
	for (unsigned method = 1; method < SIP_METHOD_COUNT; method++)
		assert_int_equal(sip_method_find(sip_method_text((enum sip_method)method)), method);
	assert_int_equal(sip_method_find(SLICE("invite")), SIP_UNKNOWN_METHOD);
	assert_int_equal(sip_method_find(SLICE("")), SIP_UNKNOWN_METHOD);
	assert_slice(sip_method_text(SIP_PUBLISH), "PUBLISH");
	assert_slice(sip_transport_text(SIP_WSS), "WSS");
	assert_string_equal(sip_status_reason(487), "Request Terminated");
	assert_string_equal(sip_status_reason(699), "Unknown");
	/* a message of each method, since the enum and the table are written by hand */
	assert_int_equal(sip_method_find(SLICE("INVITE")), SIP_INVITE);
	assert_int_equal(sip_method_find(SLICE("BYE")), SIP_BYE);
	assert_int_equal(sip_method_find(SLICE("REFER")), SIP_REFER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_headers), cmocka_unit_test(splits_lists),
		cmocka_unit_test(finds_tokens), cmocka_unit_test(reads_retry_after),  cmocka_unit_test(unescapes),
		cmocka_unit_test(escapes),       cmocka_unit_test(names_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

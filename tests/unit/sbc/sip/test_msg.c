/* SPDX-License-Identifier: MIT
 * Whole messages: what is read from a good one, and the verdict on each kind of bad one. */
#include "tests/unit/sbc/sip/sip_fixture.h"

/* RFC 3261 24.2, F1, with compact forms, folds and some spaces more. */
static void reads_fields(void **state)
{
	struct fixture fixture;
	struct sip_msg *msg = &fixture.msg;
	struct slice element;
	struct sip_cursor cursor = { 0 };

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(
	    fixture_parse(
		&fixture,
		slice_text(
		    "INVITE sip:bob@biloxi.com SIP/2.0\r\n"
		    "Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bKnashds8;rport\r\n"
		    "v: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKa , SIP/2.0/TLS 192.0.2.4\r\n"
		    "Max-Forwards : 0070\r\n"
		    "t: Bob <sip:bob@biloxi.com>\r\n"
		    "FROM: Alice <sip:alice@atlanta.com>; tag = 1928301774 \r\n"
		    "Call-ID: a84b4c76e66710\r\n"
		    "CSeq: 314159   INVITE\r\n"
		    "Contact: <sip:alice@pc33.atlanta.com>\r\n"
		    "Subject: one \t\r\n \t two\r\n \r\n three\r\n"
		    "X-Own: , ;\r\n"
		    "Content-Type: application/sdp\r\n"
		    "Content-Length: 4\r\n"
		    "\r\n"
		    "v=0\nmore")),
	    OK);
	assert_int_equal(fixture.verdict.status, 0);
	assert_false(fixture.verdict.drop);
	assert_true(msg->is_request);
	assert_int_equal(msg->method, SIP_INVITE);
	assert_slice(msg->uri_text, "sip:bob@biloxi.com");
	assert_slice(msg->uri.user, "bob");
	assert_slice(msg->uri.host, "biloxi.com");
	assert_int_equal(msg->field_count, 12);
	assert_int_equal(msg->via.transport, SIP_UDP);
	assert_slice(msg->via.host, "pc33.atlanta.com");
	assert_int_equal(msg->via.port, 5066);
	assert_slice(msg->via.branch, "z9hG4bKnashds8");
	assert_true(msg->via.rport);
	assert_int_equal(msg->via.rport_value, 0);
	assert_int_equal(msg->max_forwards, 70);
	assert_slice(msg->from.display, "Alice");
	assert_slice(msg->from.uri_text, "sip:alice@atlanta.com");
	assert_slice(msg->from_tag, "1928301774");
	assert_int_equal(msg->to_tag.len, 0);
	assert_slice(msg->call_id, "a84b4c76e66710");
	assert_int_equal(msg->cseq.number, 314159);
	assert_int_equal(msg->cseq.method, SIP_INVITE);
	assert_slice(sip_value(msg, SIP_HDR_SUBJECT), "one two three");
	assert_null(sip_value(msg, SIP_HDR_DATE).p);
	assert_slice(msg->body, "v=0\n");
	assert_true(sip_next(msg, SIP_HDR_VIA, &cursor, &element));
	assert_true(sip_next(msg, SIP_HDR_VIA, &cursor, &element));
	assert_slice(element, "SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKa");
	assert_true(sip_next(msg, SIP_HDR_VIA, &cursor, &element));
	assert_slice(element, "SIP/2.0/TLS 192.0.2.4");
	assert_false(sip_next(msg, SIP_HDR_VIA, &cursor, &element));
	assert_false(sip_next(msg, SIP_HDR_VIA, &cursor, &element));
	fixture_fini(&fixture);
}

/* A good request, of which each case replaces one line or more. */
#define VIA     "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
#define FROM    "From: <sip:a@example.com>;tag=1\r\n"
#define TO      "To: <sip:b@example.com>\r\n"
#define CALL_ID "Call-ID: x@example.com\r\n"
#define CSEQ    "CSeq: 1 OPTIONS\r\n"
#define FIRST   "OPTIONS sip:b@example.com SIP/2.0\r\n"
#define REST    FROM TO CALL_ID CSEQ
#define REPLY   "SIP/2.0 200 OK\r\n"

struct verdict_case {
	struct slice bytes;
	uint16_t status; /* 0: good */
	bool drop;
	const char *why;
};
#define CASE(text, status, drop, why)                                                              \
	{                                                                                          \
		{ text, sizeof(text) - 1 }, status, drop, why                                      \
	}

static const struct verdict_case verdict_cases[] = {
	CASE(FIRST VIA REST "\r\n", 0, false, ""),
	CASE("\r\n\r\n" FIRST VIA REST "\r\n", 0, false, ""),
	CASE("\r\n\r\n", 400, true, "empty"),
	CASE("", 400, true, "empty"),
	CASE("\r", 400, true, "truncated"),
	/* first lines */
	CASE("OPTIONS  sip:b@example.com SIP/2.0\r\n" VIA REST "\r\n", 400, false, "request_line"),
	CASE("OPTIONS sip:b@example.com SIP/2.0 \r\n" VIA REST "\r\n", 400, false, "request_line"),
	CASE("OPTIONS sip:b@example.com\r\n" VIA REST "\r\n", 400, false, "request_line"),
	CASE("OPTIONS sip:b@example.com HTTP/1.1\r\n" VIA REST "\r\n", 400, false, "request_line"),
	CASE("OPTIONS sip:b@example.com SIP/7.0\r\n" VIA REST "\r\n", 505, false, "version"),
	CASE("OPTIONS sip:b@example.com sip/2.0\r\n" VIA REST "\r\n", 0, false, ""),
	CASE("OPTIONS sip:b@example.com?a=b SIP/2.0\r\n" VIA REST "\r\n", 400, false,
	     "request_uri"),
	CASE("OPTIONS sip:b\0@example.com SIP/2.0\r\n" VIA REST "\r\n", 400, false, "control_byte"),
	CASE(" OPTIONS sip:b@example.com SIP/2.0\r\n" VIA REST "\r\n", 400, false, "request_line"),
	CASE("OPTIONS isbn:2983792873 SIP/2.0\r\n" VIA REST "\r\n", 0, false, ""),
	CASE(REPLY VIA REST "\r\n", 0, false, ""),
	CASE("SIP/2.0 200 \r\n" VIA REST "\r\n", 0, false, ""),
	CASE("SIP/2.0 4294967301 better\r\n" VIA REST "\r\n", 400, true, "status_line"),
	CASE("SIP/2.0 099 x\r\n" VIA REST "\r\n", 400, true, "status_line"),
	CASE("SIP/2.0 700 x\r\n" VIA REST "\r\n", 400, true, "status_line"),
	CASE("SIP/3.0 200 OK\r\n" VIA REST "\r\n", 505, true, "version"),
	/* header names */
	CASE(FIRST VIA REST "X-Own : v\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "X-Own\t: v\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "X-Own\x0b: v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST "X-Own\x85: v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST "X-Own\0: v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST "X-Own\r: v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST "X Own: v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST ": v\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST VIA REST "nothing\r\n\r\n", 400, false, "header_name"),
	CASE(FIRST " " VIA REST "\r\n", 400, true, "header_name"),
	/* bytes in values */
	CASE(FIRST VIA REST "X-Own: a\0b\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "X-Own: a\nb\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "X-Own: a\rb\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "X-Own: a\x0b\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "X-Own: a\x7f\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "X-Own: a\tb\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "X-Own: \"\\\0\"\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "Contact: \"\\\0\" <sip:a@b>\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "Contact: \"\0\" <sip:a@b>\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "Contact: \"\\\n\" <sip:a@b>\r\n\r\n", 400, false, "control_byte"),
	CASE(FIRST VIA REST "\n\n", 400, false, "truncated"),
	CASE(FIRST VIA REST, 400, false, "truncated"),
	CASE(FIRST VIA REST "X-Own: v", 400, false, "truncated"),
	/* repeated headers, also by their compact names */
	CASE(FIRST VIA REST FROM "\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST "f: <sip:a@example.com>;tag=1\r\n\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST "t: <sip:b@example.com>\r\n\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST "I: x@example.com\r\n\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST CSEQ "\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST "Max-Forwards: 1\r\nMAX-FORWARDS: 1\r\n\r\n", 400, false,
	     "header_repeated"),
	CASE(FIRST VIA REST "l: 0\r\nContent-Length: 0\r\n\r\n", 400, false, "header_repeated"),
	CASE(FIRST VIA REST "Content-Type: a/b\r\nc: a/b\r\n\r\n", 400, false, "header_repeated"),
	/* missing headers */
	CASE(FIRST REST "\r\n", 400, true, "via_missing"),
	CASE(FIRST VIA TO CALL_ID CSEQ "\r\n", 400, false, "from_missing"),
	CASE(FIRST VIA FROM CALL_ID CSEQ "\r\n", 400, false, "to_missing"),
	CASE(FIRST VIA FROM TO CSEQ "\r\n", 400, false, "call_id_missing"),
	CASE(FIRST VIA FROM TO CALL_ID "\r\n", 400, false, "cseq_missing"),
	/* what they hold */
	CASE(FIRST "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" REST "\r\n", 400, false, "via"),
	CASE(FIRST VIA "Via: SIP/2.0/UDP\r\n" REST "\r\n", 400, false, "via"),
	CASE(FIRST VIA "Via: SIP/2.0/UDP a,\r\n" REST "\r\n", 400, false, "via"),
	CASE(FIRST "Via: SIP/2.0/UNKNOWN a\r\n" REST "\r\n", 0, false, ""),
	CASE(FIRST VIA FROM "To: <sip:b@example.com>;tag=1;tag=1\r\n" CALL_ID CSEQ "\r\n", 400,
	     false, "to"),
	CASE(FIRST VIA TO "From: Bell, A <sip:b@example.com>;tag=1\r\n" CALL_ID CSEQ "\r\n", 400,
	     false, "from"),
	CASE(FIRST VIA FROM TO "Call-ID: a b\r\n" CSEQ "\r\n", 400, false, "call_id"),
	CASE(FIRST VIA FROM TO "Call-ID: a@b@c\r\n" CSEQ "\r\n", 400, false, "call_id"),
	CASE(FIRST VIA FROM TO "Call-ID: @\r\n" CSEQ "\r\n", 400, false, "call_id"),
	CASE(FIRST VIA FROM TO "Call-ID:\r\n" CSEQ "\r\n", 400, false, "call_id"),
	CASE(FIRST VIA FROM TO CALL_ID "CSeq: 1 INVITE\r\n\r\n", 400, false, "cseq_method"),
	CASE(FIRST VIA FROM TO CALL_ID "CSeq: 2147483648 OPTIONS\r\n\r\n", 400, false, "cseq"),
	CASE(FIRST VIA FROM TO CALL_ID "CSeq: 2147483647 OPTIONS\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA FROM TO CALL_ID "CSeq: 1 options\r\n\r\n", 400, false, "cseq_method"),
	CASE(FIRST VIA FROM TO CALL_ID "CSeq: -1 OPTIONS\r\n\r\n", 400, false, "cseq"),
	CASE(FIRST VIA REST "Max-Forwards: 256\r\n\r\n", 400, false, "max_forwards"),
	CASE(FIRST VIA REST "Max-Forwards: 255\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "Contact: sip:a@b?c=d\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA REST "Contact: <sip:a@b?c=d>\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "Contact: <sip:a@b>;;;;\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA REST "Contact: <sip:a@b>,\r\n\r\n", 400, false, "contact"),
	/* one ';' too many, at the end of all */
	CASE(FIRST VIA REST "Contact: <sip:a@b>;\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "Contact: <sip:a@b>;;\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA REST "Contact: <sip:a@b>;, <sip:c@d>\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA REST "Contact: ;\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA REST "Contact: \"a <sip:a@b>;\r\n\r\n", 400, false, "contact"),
	CASE(FIRST VIA "Via: SIP/2.0/UDP a;;\r\n" REST "\r\n", 400, false, "via"),
	CASE(FIRST VIA "Via: SIP/2.0/UDP a;, SIP/2.0/UDP b\r\n" REST "\r\n", 400, false, "via"),
	CASE(FIRST VIA REST "Contact: *\r\n\r\n", 0, false, ""),
	CASE(FIRST VIA REST "Route: nowhere\r\n\r\n", 400, false, "route"),
	/* bodies */
	CASE(FIRST VIA REST "l: 5\r\n\r\n12345", 0, false, ""),
	CASE(FIRST VIA REST "l: 5\r\n\r\n1234", 400, false, "body_length"),
	CASE(FIRST VIA REST "l: 4294967301\r\n\r\n12345", 400, false, "body_length"),
	CASE(FIRST VIA REST "l: 18446744073709551621\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l: -5\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l: +5\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l: 0x5\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l: 5,5\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l: 5 5\r\n\r\n12345", 400, false, "content_length"),
	CASE(FIRST VIA REST "l:\r\n\r\n12345", 400, false, "content_length"),
	/* nothing is answered to these */
	CASE(REPLY VIA FROM "\r\n", 400, true, "to_missing"),
	CASE("ACK sip:b@example.com SIP/2.0\r\n" VIA REST "\r\n", 400, true, "cseq_method"),
};

/* What is taken away is gone from all that reads the field, and from what is answered. */
static void drops_last_semicolons(void **state)
{
	struct fixture fixture;
	const struct sip_msg *msg = &fixture.msg;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(fixture_parse(&fixture,
				       SLICE("INVITE sip:b@b SIP/2.0\r\n"
					     "Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKx ; \r\n"
					     "From: J\xc3\xbcrgen <sip:a@b>;tag=1;\r\n"
					     "To: sip:b@b;\r\nContact: <sip:a@b:5062>;\r\n"
					     "Subject: ;\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n")),
			 OK);
	assert_slice(msg->via.branch, "z9hG4bKx");
	assert_slice(sip_value(msg, SIP_HDR_VIA), "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKx");
	assert_slice(msg->from.display, "J\xc3\xbcrgen");
	assert_slice(msg->from_tag, "1");
	assert_slice(sip_value(msg, SIP_HDR_TO), "sip:b@b");
	assert_slice(sip_value(msg, SIP_HDR_CONTACT), "<sip:a@b:5062>");
	assert_slice(sip_value(msg, SIP_HDR_SUBJECT), ";");
	fixture_fini(&fixture);
}

static void gives_verdicts(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (size_t i = 0; i < sizeof(verdict_cases) / sizeof(verdict_cases[0]); i++) {
		const struct verdict_case *expected = &verdict_cases[i];
		enum err err = fixture_parse(&fixture, expected->bytes);

		if (expected->status != fixture.verdict.status ||
		    strcmp(expected->why, fixture.verdict.why) != 0)
			print_message("case %zu: %.*s\n", i, SLICE_ARG(expected->bytes));
		assert_string_equal(fixture.verdict.why, expected->why);
		assert_int_equal(fixture.verdict.status, expected->status);
		assert_int_equal(fixture.verdict.drop, expected->drop);
		assert_int_equal(err == OK, expected->status == 0);
	}
	fixture_fini(&fixture);
}

/* ---- limits: one at each limit, one over it ---- */

/* A request with `count` times `unit` between its headers and the empty line. */
static void limit_case(const char *first, const char *unit, size_t count, const char *end,
		       uint16_t status, const char *why)
{
	static char storage[100000];
	struct fixture fixture;
	struct text text;

	text_init(&text, storage, sizeof(storage));
	text_slice(&text, slice_text(first));
	for (size_t i = 0; i < count; i++)
		text_slice(&text, slice_text(unit));
	text_slice(&text, slice_text(end));
	fixture_init(&fixture);
	(void)!fixture_parse(&fixture, text_done(&text));
	assert_string_equal(fixture.verdict.why, why);
	assert_int_equal(fixture.verdict.status, status);
	/* what is needed for an answer was read nevertheless */
	assert_false(fixture.verdict.drop);
	assert_slice(sip_value(&fixture.msg, SIP_HDR_CALL_ID), "x@example.com");
	fixture_fini(&fixture);
}

static void keeps_limits(void **state)
{
	(void)state;
	limit_case(FIRST VIA REST, "v: SIP/2.0/UDP h\r\n", 69, "\r\n", 0, "");
	limit_case(FIRST VIA REST, "v: SIP/2.0/UDP h\r\n", 70, "\r\n", 483, "via_count");
	limit_case(FIRST VIA REST "v: SIP/2.0/UDP h", ",SIP/2.0/UDP h", 69, "\r\n\r\n", 483,
		   "via_count");
	limit_case(FIRST VIA REST, "Y: y\r\n", 251, "\r\n", 0, "");
	limit_case(FIRST VIA REST, "Y: y\r\n", 252, "\r\n", 513, "header_count");
	limit_case(FIRST VIA REST "Y: ", "y", 8189, "\r\n\r\n", 0, "");
	limit_case(FIRST VIA REST "Y: ", "y", 8190, "\r\n\r\n", 513, "header_length");
	limit_case(FIRST VIA REST "Y: ", "\r\n y", 3000, "\r\n\r\n", 513, "header_length");
	limit_case("OPTIONS sip:", "y", 8188, " SIP/2.0\r\n" VIA REST "\r\n", 0, "");
	limit_case("OPTIONS sip:", "y", 8189, " SIP/2.0\r\n" VIA REST "\r\n", 414,
		   "request_uri_length");
	limit_case(FIRST VIA REST "\r\n", "y", 65536, "", 513, "message_too_large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_fields),
		cmocka_unit_test(gives_verdicts),
		cmocka_unit_test(drops_last_semicolons),
		cmocka_unit_test(keeps_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

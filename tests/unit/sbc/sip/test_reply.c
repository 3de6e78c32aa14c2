/* SPDX-License-Identifier: MIT
 * Responses written from requests: RFC 3261 8.2.6.2 and 18.2.1, RFC 3581 4. */
#include <stdio.h>

#include "tests/unit/sbc/sip/sip_fixture.h"

#define TAIL                                                                                       \
	"From: A <sip:a@example.com>;tag=1\r\nCall-ID: x\r\nCSeq: 7 OPTIONS\r\n"                   \
	"Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n"

struct via_case {
	const char *via;
	const char *source;
	const char *expected;
};

static const struct via_case via_cases[] = {
	/* sent-by is where it came from: nothing is added */
	{ "SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=b" },
	{ "SIP/2.0/UDP 192.0.2.1", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1" },
	/* 18.2.1: another address, or a name */
	{ "SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.9:5060",
	  "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.9" },
	{ "SIP/2.0/UDP bobspc.biloxi.com:5060", "192.0.2.4:5060",
	  "SIP/2.0/UDP bobspc.biloxi.com:5060;received=192.0.2.4" },
	/* RFC 3581 4: the example of section 5 */
	{ "SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988",
	  "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1" },
	/* received also when the address is the same */
	{ "SIP/2.0/UDP 192.0.2.1:4540;rport", "192.0.2.1:4540",
	  "SIP/2.0/UDP 192.0.2.1:4540;rport=4540;received=192.0.2.1" },
	/* what the sender claims is not kept */
	{ "SIP/2.0/UDP 192.0.2.1;received=203.0.113.5;rport=1;branch=b", "192.0.2.1:77",
	  "SIP/2.0/UDP 192.0.2.1;rport=77;branch=b;received=192.0.2.1" },
	/* IPv6: references in sent-by, none in received */
	{ "SIP/2.0/UDP [2001:db8::9:1];branch=b", "[2001:db8::9:2]:5060",
	  "SIP/2.0/UDP [2001:db8::9:1];branch=b;received=2001:db8::9:2" },
	{ "SIP/2.0/UDP [2001:DB8:0::9:1];branch=b", "[2001:db8::9:1]:5060",
	  "SIP/2.0/UDP [2001:DB8:0::9:1];branch=b" },
	/* the rest of the field, and spaces */
	{ "SIP / 2.0 / UDP a ; branch = b , SIP/2.0/TCP  c;x", "192.0.2.1:5060",
	  "SIP / 2.0 / UDP a;branch=b;received=192.0.2.1, SIP/2.0/TCP  c;x" },
	/* unreadable: goes back as it came */
	{ "SIP/2.0/UDP 192.0.2.15;;,;,,", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.15;;, ;,," },
};

static void fills_top_via(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (size_t i = 0; i < sizeof(via_cases) / sizeof(via_cases[0]); i++) {
		char request[1024];
		char expected[1024];
		struct sip_reply_head head;
		struct endpoint source;
		enum err err;

		snprintf(request, sizeof(request),
			 "OPTIONS sip:b SIP/2.0\r\nv: %s\r\nVia: SIP/2.0/TCP  z ;\r\n  q\r\n" TAIL
			 "To: sip:b\r\n\r\n",
			 via_cases[i].via);
		snprintf(expected, sizeof(expected), "Via: %s\r\nVia: SIP/2.0/TCP  z ; q\r\n",
			 via_cases[i].expected);
		assert_int_equal(endpoint_parse(slice_text(via_cases[i].source), &source), OK);
		err = fixture_parse(&fixture, slice_text(request));
		assert_true(err == OK || err == ERR_SYNTAX);
		assert_int_equal(sip_reply_keep(&fixture.arena, &fixture.msg, &source, &head), OK);
		assert_slice(head.top, expected);
	}
	fixture_fini(&fixture);
}

/* Parses a request with this To and answers 404 with tag "new". */
static struct slice reply_to(struct fixture *fixture, const char *to, bool record_routes,
			     char storage[1024])
{
	char request[1024];
	struct sip_reply_head head;
	struct endpoint source;
	struct text text;

	snprintf(request, sizeof(request),
		 "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n%s" TAIL
		 "Timestamp: 54\r\n\r\n",
		 to);
	assert_int_equal(endpoint_parse(SLICE("192.0.2.1:5060"), &source), OK);
	(void)!fixture_parse(fixture, slice_text(request));
	assert_int_equal(sip_reply_keep(&fixture->arena, &fixture->msg, &source, &head), OK);
	text_init(&text, storage, 1024);
	sip_reply_write(&text, &head, 404, SLICE_NONE, SLICE("new"), record_routes);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	return text_done(&text);
}

static void writes_replies(void **state)
{
	struct fixture fixture;
	char storage[1024];

	(void)state;
	fixture_init(&fixture);
	assert_slice(reply_to(&fixture, "To: B\r\n <sip:b>\r\n", false, storage),
		     "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
		     "From: A <sip:a@example.com>;tag=1\r\nTo: B <sip:b>;tag=new\r\nCall-ID: x\r\n"
		     "CSeq: 7 OPTIONS\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
	assert_slice(reply_to(&fixture, "t: <sip:b>;TAG=2\r\n", true, storage),
		     "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
		     "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n"
		     "From: A <sip:a@example.com>;tag=1\r\nTo: <sip:b>;TAG=2\r\nCall-ID: x\r\n"
		     "CSeq: 7 OPTIONS\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
	/* what is missing is left out: RFC 4475 3.3.1 */
	assert_slice(reply_to(&fixture, "", false, storage),
		     "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
		     "From: A <sip:a@example.com>;tag=1\r\nCall-ID: x\r\n"
		     "CSeq: 7 OPTIONS\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_top_via),
		cmocka_unit_test(writes_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * URIs: the forms of RFC 3261 19.1.3 and 25.1, RFC 3966, RFC 5118; equality by the examples of RFC
 * 3261 19.1.4. */
#include "tests/unit/sbc/sip/sip_fixture.h"

struct uri_case {
	const char *text;
	enum sip_scheme scheme;
	const char *user, *password, *host;
	uint16_t port;
	const char *params, *headers;
	enum ip_family family;
};

static const struct uri_case good_uris[] = {
	/* RFC 3261 19.1.3 */
	{ "sip:alice@atlanta.com", SIP_SCHEME_SIP, "alice", "", "atlanta.com", 0, "", "", 0 },
	{ "sip:alice:secretword@atlanta.com;transport=tcp", SIP_SCHEME_SIP, "alice", "secretword",
	  "atlanta.com", 0, "transport=tcp", "", 0 },
	{ "sips:alice@atlanta.com?subject=project%20x&priority=urgent", SIP_SCHEME_SIPS, "alice",
	  "", "atlanta.com", 0, "", "subject=project%20x&priority=urgent", 0 },
	{ "sip:+1-212-555-1212:1234@gateway.com;user=phone", SIP_SCHEME_SIP, "+1-212-555-1212",
	  "1234", "gateway.com", 0, "user=phone", "", 0 },
	{ "sips:1212@gateway.com", SIP_SCHEME_SIPS, "1212", "", "gateway.com", 0, "", "", 0 },
	{ "sip:alice@192.0.2.4", SIP_SCHEME_SIP, "alice", "", "192.0.2.4", 0, "", "", IP_V4 },
	{ "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", SIP_SCHEME_SIP, "", "",
	  "atlanta.com", 0, "method=REGISTER", "to=alice%40atlanta.com", 0 },
	{ "sip:alice;day=tuesday@atlanta.com", SIP_SCHEME_SIP, "alice;day=tuesday", "",
	  "atlanta.com", 0, "", "", 0 },
	/* what a user part may hold bare */
	{ "SIP:a?b/c,d;e=f&g+$@h", SIP_SCHEME_SIP, "a?b/c,d;e=f&g+$", "", "h", 0, "", "", 0 },
	{ "sip:h;a=b@c", SIP_SCHEME_SIP, "h;a=b", "", "c", 0, "", "", 0 },
	{ "sip:sips%3Auser%40example.com@example.net", SIP_SCHEME_SIP, "sips%3Auser%40example.com",
	  "", "example.net", 0, "", "", 0 },
	{ "sip:null-%00-null@h", SIP_SCHEME_SIP, "null-%00-null", "", "h", 0, "", "", 0 },
	{ "sip:a:@h", SIP_SCHEME_SIP, "a", "", "h", 0, "", "", 0 },
	/* hosts and ports */
	{ "sip:h:1", SIP_SCHEME_SIP, "", "", "h", 1, "", "", 0 },
	{ "sip:h:65535", SIP_SCHEME_SIP, "", "", "h", 65535, "", "", 0 },
	{ "sip:h:005060", SIP_SCHEME_SIP, "", "", "h", 5060, "", "", 0 },
	{ "sip:[2001:db8::10]:5070", SIP_SCHEME_SIP, "", "", "[2001:db8::10]", 5070, "", "",
	  IP_V6 },
	{ "sip:[2001:db8::10:5070]", SIP_SCHEME_SIP, "", "", "[2001:db8::10:5070]", 0, "", "",
	  IP_V6 },
	{ "sip:u@[2001:db8:::192.0.2.1]", SIP_SCHEME_SIP, "u", "", "[2001:db8:::192.0.2.1]", 0, "",
	  "", IP_V6 },
	{ "sip:256.1.1.1", SIP_SCHEME_SIP, "", "", "256.1.1.1", 0, "", "", 0 },
	{ "sip:1.2.3", SIP_SCHEME_SIP, "", "", "1.2.3", 0, "", "", 0 },
	{ "sip:01.2.3.4", SIP_SCHEME_SIP, "", "", "01.2.3.4", 0, "", "", 0 },
	{ "sip:a_b.example", SIP_SCHEME_SIP, "", "", "a_b.example", 0, "", "", 0 },
	/* parameters */
	{ "sip:h;lr", SIP_SCHEME_SIP, "", "", "h", 0, "lr", "", 0 },
	{ "sip:h;%6C%72;n%61me=v%61lue%25%34%31", SIP_SCHEME_SIP, "", "", "h", 0,
	  "%6C%72;n%61me=v%61lue%25%34%31", "", 0 },
	{ "sip:h;maddr=[2001:db8::1]", SIP_SCHEME_SIP, "", "", "h", 0, "maddr=[2001:db8::1]", "",
	  0 },
	{ "sip:h?a=", SIP_SCHEME_SIP, "", "", "h", 0, "", "a=", 0 },
	/* RFC 3966 */
	{ "tel:+1-201-555-0123", SIP_SCHEME_TEL, "+1-201-555-0123", "", "", 0, "", "", 0 },
	{ "tel:7042;phone-context=example.com", SIP_SCHEME_TEL, "7042", "", "", 0,
	  "phone-context=example.com", "", 0 },
	{ "TEL:*21#", SIP_SCHEME_TEL, "*21#", "", "", 0, "", "", 0 },
	/* others */
	{ "isbn:2983792873", SIP_SCHEME_OTHER, "", "", "", 0, "", "", 0 },
	{ "soap.beep://192.0.2.103:3002", SIP_SCHEME_OTHER, "", "", "", 0, "", "", 0 },
	{ "urn:service:sos", SIP_SCHEME_OTHER, "", "", "", 0, "", "", 0 },
};

static const char *const bad_uris[] = {
	"",
	":",
	"sip",
	"sip:",
	"sip:@h",
	"sip::p@h",
	"sip:a@",
	"sip:a@b@c",
	"sip:a b@c",
	"sip:a@b c",
	" sip:a@b",
	"sip:a@b ",
	"<sip:a@b>",
	"sip:a<@b",
	"sip:a\"b@c",
	"sip:a\\b@c",
	"sip:a#b@c",
	"sip:a%@h",
	"sip:a%4@h",
	"sip:a%4g@h",
	"sip:a@h%41",
	"sip:h:",
	"sip:h:0",
	"sip:h:65536",
	"sip:h:99999999999999999999999",
	"sip:h:x",
	"sip:h:-1",
	"sip:h:5060x",
	"sip:[::1",
	"sip:::1",
	"sip:2001:db8::10",
	"sip:[]",
	"sip:[1.2.3.4]",
	"sip:[::1]x",
	"sip:[fe80::1%25eth0]",
	"sip:[2001:db8:::1]",
	"sip:[:::1.2.3.4.5]",
	"sip:[g::1]",
	"sip:h;",
	"sip:h;;lr",
	"sip:h;lr;",
	"sip:h;=x",
	"sip:h;a=b c",
	"sip:h;a=\"b\"",
	"sip:h;a%4",
	"sip:h?",
	"sip:h?a",
	"sip:h?=b",
	"sip:h?a=b&",
	"sip:h?a=b&&c=d",
	"sip:h?a=b&c",
	"tel:",
	"tel:;a",
	"tel:+",
	"tel:--",
	"tel:1+2",
	"tel:x12",
	"tel:12;",
	"tel:12 34",
	"1scheme:x",
	"a_b:x",
	"isbn:",
	"isbn:a b",
	"isbn:<x>",
	"isbn:\x80",
};

static void parses_uris(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_uris) / sizeof(good_uris[0]); i++) {
		const struct uri_case *expected = &good_uris[i];
		struct sip_uri uri;

		if (sip_uri_parse(slice_text(expected->text), &uri) != OK)
			fail_msg("%s does not parse", expected->text);
		assert_int_equal(uri.scheme, expected->scheme);
		assert_slice(uri.user, expected->user);
		assert_slice(uri.password, expected->password);
		assert_slice(uri.host, expected->host);
		assert_int_equal(uri.port, expected->port);
		assert_slice(uri.params, expected->params);
		assert_slice(uri.headers, expected->headers);
		assert_int_equal(uri.ip.family, expected->family);
	}
}

static void refuses_uris(void **state)
{
	struct sip_uri uri;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_uris) / sizeof(bad_uris[0]); i++)
		if (sip_uri_parse(slice_text(bad_uris[i]), &uri) == OK)
			fail_msg("\"%s\" parses", bad_uris[i]);
	for (int c = 0; c < 256; c++) {
		char text[] = "sip:a@b;c=d";

		text[10] = (char)c;
		if (c <= ' ' || c >= 127)
			assert_int_not_equal(sip_uri_parse(slice_of(text, 11), &uri), OK);
		text[10] = 'd';
		text[4] = (char)c;
		if (c <= ' ' || c >= 127)
			assert_int_not_equal(sip_uri_parse(slice_of(text, 11), &uri), OK);
	}
}

static void three_colons_are_two(void **state)
{
	struct sip_uri three;
	struct sip_uri two;

	(void)state;
	assert_int_equal(sip_uri_parse(SLICE("sip:[2001:db8:::192.0.2.1]"), &three), OK);
	assert_int_equal(sip_uri_parse(SLICE("sip:[2001:db8::192.0.2.1]"), &two), OK);
	assert_true(ip_eq(&three.ip, &two.ip));
	assert_true(sip_uri_eq(&three, &two));
}

struct pair {
	const char *a, *b;
	bool eq;
};

static const struct pair pairs[] = {
	/* RFC 3261 19.1.4: equivalent */
	{ "sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true },
	{ "sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true },
	{ "sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true },
	{ "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
	  "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true },
	{ "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
	  "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true },
	/* not equivalent */
	{ "SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false },
	{ "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false },
	{ "sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false },
	{ "sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false },
	{ "sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false },
	{ "sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false },
	{ "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false },
	/* our own */
	{ "sip:a@b", "sips:a@b", false },
	{ "sip:a@b;user=phone", "sip:a@b", false },
	{ "sip:a@b;ttl=1", "sip:a@b", false },
	{ "sip:a@b", "sip:a@b;method=INVITE", false },
	{ "sip:a@b;maddr=x", "sip:a@b", false },
	{ "sip:a@b;lr", "sip:a@b", true },
	{ "sip:a;b@c", "sip:a%3Bb@c", false },
	{ "sip:a%3bb@c", "sip:a%3Bb@c", true },
	{ "sip:a:x@b", "sip:a@b", false },
	{ "sip:[2001:db8::1]", "sip:[2001:0DB8:0::1]", true },
	{ "tel:+123", "tel:+123", true },
	{ "tel:+123", "tel:+124", false },
	{ "sip:a@b?x=1&x=2", "sip:a@b?x=2&x=1", true },
};

static void compares_uris(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct sip_uri a;
		struct sip_uri b;

		assert_int_equal(sip_uri_parse(slice_text(pairs[i].a), &a), OK);
		assert_int_equal(sip_uri_parse(slice_text(pairs[i].b), &b), OK);
		if (sip_uri_eq(&a, &b) != pairs[i].eq || sip_uri_eq(&b, &a) != pairs[i].eq)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
		assert_true(sip_uri_eq(&a, &a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_uris),
		cmocka_unit_test(refuses_uris),
		cmocka_unit_test(three_colons_are_two),
		cmocka_unit_test(compares_uris),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

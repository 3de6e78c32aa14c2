/* SPDX-License-Identifier: MIT
 * name-addr and addr-spec (RFC 3261 20.10, 20.20, 25.1), Via (20.42, RFC 3581, RFC 5118), CSeq,
 * RAck and parameters. */
#include "tests/unit/sbc/sip/sip_fixture.h"

struct address_case {
	const char *text, *display, *uri, *params;
};

static const struct address_case good_addresses[] = {
	{ "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600",
	  "\"Mr. Watson\"", "sip:watson@worcester.bell-telephone.com", "q=0.7; expires=3600" },
	{ "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous",
	  "sip:c8oqz84zk7z@privacy.org", "tag=hyh8" },
	{ "sip:+12125551212@server.phone2net.com;tag=887s", "",
	  "sip:+12125551212@server.phone2net.com", "tag=887s" },
	{ "caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", "tag=323" },
	{ "<sip:a@b;lr>", "", "sip:a@b;lr", "" },
	{ "  <sip:a@b?c=d>\t", "", "sip:a@b?c=d", "" },
	{ "A  B <sip:a@b>", "A  B", "sip:a@b", "" },
	{ "\"a\\\"<;,\\\\\"<sip:a@b>", "\"a\\\"<;,\\\\\"", "sip:a@b", "" },
	{ "\"\" <sip:a@b>", "\"\"", "sip:a@b", "" },
	{ "sip:a@b ; tag = x ; y = \"q;\\\"<\"", "", "sip:a@b", "tag = x ; y = \"q;\\\"<\"" },
	{ "sip:a@b;x=\"<\"", "", "sip:a@b", "x=\"<\"" },
	{ "<tel:+123>", "", "tel:+123", "" },
	{ "<http://www.example.com>;tag=1", "", "http://www.example.com", "tag=1" },
	/* names beyond ASCII without quotes */
	{ "\xc3\xa9 <sip:a@b>", "\xc3\xa9", "sip:a@b", "" },
	{ "J\xc3\xbcrgen  \xe7\x94\xb0\xe4\xb8\xad \xf0\x9f\x98\x80<sip:a@b>;tag=1",
	  "J\xc3\xbcrgen  \xe7\x94\xb0\xe4\xb8\xad \xf0\x9f\x98\x80", "sip:a@b", "tag=1" },
	{ "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80 <sip:a@b>",
	  "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", "sip:a@b", "" },
	{ "<sip:a@b>;+sip.instance=\"<urn:uuid:0>\"", "", "sip:a@b",
	  "+sip.instance=\"<urn:uuid:0>\"" },
};

static const char *const bad_addresses[] = {
	"",
	" ",
	"a",
	"<>",
	"<sip:a@b",
	"sip:a@b>",
	"\"a <sip:a@b>",
	"\"a\\\" <sip:a@b>",
	"\"a\" sip:a@b",
	"\"a\"\"b\" <sip:a@b>",
	"Bell, A <sip:a@b>",
	"a;b <sip:a@b>",
	"< sip:a@b>",
	"<sip:a@b >",
	"<sip:a@b>x",
	"<sip:a@b> x",
	"<sip:a@b>;",
	"<sip:a@b>;;",
	"<sip:a@b>;;;;",
	"<sip:a@b>;=x",
	"<sip:a@b>;a=",
	"<sip:a@b>;a=b c",
	"<sip:a@b>;a=\"b",
	"<sip:a@b>;a b",
	"<sip:a@b>,<sip:c@d>",
	"sip:a@b?c=d",
	"sip:a,b@c",
	"sip:a@b,sip:c@d",
	"sip:a b@c",
	"<sip:a@b>;tag=",
	"<sip:a@b>;tag=\"x\"",
	"<sip:a@b>;tag=1;x;TAG=2",
	/* not UTF-8: cut, stray, too long, a surrogate, beyond the last, Latin-1 */
	"\xc3 <sip:a@b>",
	"\xe7\x94 <sip:a@b>",
	"\x80 <sip:a@b>",
	"\xc0\xa9 <sip:a@b>",
	"\xc1\xbf <sip:a@b>",
	"\xe0\x9f\xbf <sip:a@b>",
	"\xf0\x8f\xbf\xbf <sip:a@b>",
	"\xed\xa0\x80 <sip:a@b>",
	"\xf4\x90\x80\x80 <sip:a@b>",
	"\xf5\x80\x80\x80 <sip:a@b>",
	"J\xfcrgen <sip:a@b>",
	"\xc3\xa9, \xc3\xa9 <sip:a@b>",
	"\xc3\xa9 sip:a@b",
	"\xc3\xa9",
	"a@b <sip:a@b>",
	"<sip:a@b>;a=\"\r\n\"",
	"\"\x01\" <sip:a@b>",
	"\"\\\n\" <sip:a@b>",
	"\"\x7f\" <sip:a@b>",
	"\"a\\",
};

static void parses_addresses(void **state)
{
	struct sip_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(good_addresses) / sizeof(good_addresses[0]); i++) {
		const struct address_case *expected = &good_addresses[i];

		if (sip_address_parse(slice_text(expected->text), &address) != OK)
			fail_msg("%s does not parse", expected->text);
		assert_slice(address.display, expected->display);
		assert_slice(address.uri_text, expected->uri);
		assert_slice(address.params, expected->params);
	}
	for (size_t i = 0; i < sizeof(bad_addresses) / sizeof(bad_addresses[0]); i++)
		if (sip_address_parse(slice_text(bad_addresses[i]), &address) == OK)
			fail_msg("\"%s\" parses", bad_addresses[i]);
}

struct via_case {
	const char *text;
	enum sip_transport transport;
	const char *host;
	uint16_t port;
	const char *branch, *received;
	bool rport;
	uint16_t rport_value;
};

static const struct via_case good_vias[] = {
	{ "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7", SIP_UDP,
	  "erlang.bell-telephone.com", 5060, "z9hG4bK87asdks7", "", false, 0 },
	{ "SIP / 2.0 / UDP first.example.com: 4000;ttl=16;maddr=224.2.0.1 "
	  ";branch=z9hG4bKa7c6a8dlze.1",
	  SIP_UDP, "first.example.com", 4000, "z9hG4bKa7c6a8dlze.1", "", false, 0 },
	{ "SIP/2.0/tls h ; received = 192.0.2.1;rport=12", SIP_TLS, "h", 0, "", "192.0.2.1", true,
	  12 },
	{ "SIP/2.0/UDP [2001:db8::9:1]:6050;received=2001:db8::9:255;rport", SIP_UDP,
	  "[2001:db8::9:1]", 6050, "", "2001:db8::9:255", true, 0 },
	{ "SIP/2.0/WSS h;received=[2001:db8::9:255]", SIP_WSS, "h", 0, "", "[2001:db8::9:255]",
	  false, 0 },
	{ "SIP/2.0/SCTP h", SIP_TRANSPORT_COUNT, "h", 0, "", "", false, 0 },
	{ "SIP/2.0/TCP\t1.2.3.4", SIP_TCP, "1.2.3.4", 0, "", "", false, 0 },
	{ "SIP/7.0/UDP c;branch=x", SIP_UDP, "c", 0, "x", "", false, 0 },
};

static const char *const bad_vias[] = {
	"",
	"SIP/2.0/UDP",
	"SIP/2.0/UDP ",
	"SIP/2.0 h",
	"SIP/2.0/ h",
	"/2.0/UDP h",
	"SIP/2.0/UDPh",
	"SIP/2.0/UDP h;",
	"SIP/2.0/UDP h;;x",
	"SIP/2.0/UDP h x",
	"SIP/2.0/UDP h:",
	"SIP/2.0/UDP h:0",
	"SIP/2.0/UDP h:65536",
	"SIP/2.0/UDP 2001:db8::1",
	"SIP/2.0/UDP [::1",
	"SIP/2.0/UDP h;branch",
	"SIP/2.0/UDP h;branch=a;branch=b",
	"SIP/2.0/UDP h;rport=x",
	"SIP/2.0/UDP h;rport=65536",
	"SIP/2.0/UDP h;rport;rport",
	"SIP/2.0/UDP h;received=a;received=b",
	"SIP/2.0/UDP h;received",
	"SIP/2.0/UDP h;branch=a b",
	"SIP/2.0/UDP h,",
	"SIP/2.0/UDP @h",
	"SIP/2.0/UDP h;branch=",
};

static void parses_vias(void **state)
{
	struct sip_via via;

	(void)state;
	for (size_t i = 0; i < sizeof(good_vias) / sizeof(good_vias[0]); i++) {
		const struct via_case *expected = &good_vias[i];

		if (sip_via_parse(slice_text(expected->text), &via) != OK)
			fail_msg("%s does not parse", expected->text);
		assert_int_equal(via.transport, expected->transport);
		assert_slice(via.host, expected->host);
		assert_int_equal(via.port, expected->port);
		assert_slice(via.branch, expected->branch);
		assert_slice(via.received, expected->received);
		assert_int_equal(via.rport, expected->rport);
		assert_int_equal(via.rport_value, expected->rport_value);
	}
	for (size_t i = 0; i < sizeof(bad_vias) / sizeof(bad_vias[0]); i++)
		if (sip_via_parse(slice_text(bad_vias[i]), &via) == OK)
			fail_msg("\"%s\" parses", bad_vias[i]);
}

static void parses_cseq_and_rack(void **state)
{
	struct sip_cseq cseq;
	uint32_t rseq;

	(void)state;
	assert_int_equal(sip_cseq_parse(SLICE("4711 INVITE"), &cseq), OK);
	assert_int_equal(cseq.number, 4711);
	assert_int_equal(cseq.method, SIP_INVITE);
	assert_int_equal(sip_cseq_parse(SLICE("0009 \t NOVEL"), &cseq), OK);
	assert_int_equal(cseq.number, 9);
	assert_int_equal(cseq.method, SIP_UNKNOWN_METHOD);
	assert_slice(cseq.method_text, "NOVEL");
	assert_int_equal(sip_cseq_parse(SLICE("2147483647 ACK"), &cseq), OK);
	assert_int_equal(sip_cseq_parse(SLICE("2147483648 ACK"), &cseq), ERR_LIMIT);
	assert_int_equal(sip_cseq_parse(SLICE("36893488147419103232 ACK"), &cseq), ERR_LIMIT);
	assert_int_equal(sip_cseq_parse(SLICE("1"), &cseq), ERR_SYNTAX);
	assert_int_equal(sip_cseq_parse(SLICE("1 "), &cseq), ERR_SYNTAX);
	assert_int_equal(sip_cseq_parse(SLICE(" ACK"), &cseq), ERR_SYNTAX);
	assert_int_equal(sip_cseq_parse(SLICE("+1 ACK"), &cseq), ERR_SYNTAX);
	assert_int_equal(sip_cseq_parse(SLICE("1 A CK"), &cseq), ERR_SYNTAX);
	/* RFC 3262 7.2 */
	assert_int_equal(sip_rack_parse(SLICE("776656 1 INVITE"), &rseq, &cseq), OK);
	assert_int_equal(rseq, 776656);
	assert_int_equal(cseq.number, 1);
	assert_int_equal(sip_rack_parse(SLICE("0 1 INVITE"), &rseq, &cseq), ERR_LIMIT);
	assert_int_equal(sip_rack_parse(SLICE("1 INVITE"), &rseq, &cseq), ERR_SYNTAX);
	assert_int_equal(sip_rack_parse(SLICE("4294967296 1 INVITE"), &rseq, &cseq), ERR_LIMIT);
}

static void walks_params(void **state)
{
	struct slice params = SLICE(" a = 1 ;b; C=\"x;\\\"y\" ; d=[::1]");
	struct slice value;
	struct slice name;

	(void)state;
	assert_true(sip_param_find(params, SLICE("c"), &value));
	assert_slice(value, "\"x;\\\"y\"");
	assert_true(sip_param_find(params, SLICE("B"), &value));
	assert_slice(value, "");
	assert_false(sip_param_find(params, SLICE("x"), &value));
	assert_true(sip_param_next(&params, &name, &value));
	assert_slice(name, "a");
	assert_slice(value, "1");
	assert_true(sip_param_next(&params, &name, &value));
	assert_slice(name, "b");
	assert_true(sip_param_next(&params, &name, &value));
	assert_slice(name, "C");
	assert_true(sip_param_next(&params, &name, &value));
	assert_slice(name, "d");
	assert_slice(value, "[::1]");
	assert_false(sip_param_next(&params, &name, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_addresses),
		cmocka_unit_test(parses_vias),
		cmocka_unit_test(parses_cseq_and_rack),
		cmocka_unit_test(walks_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * For each way of being wrong: the path that the error names, the value, and what would be right. */
#include "tests/unit/lib/conf/conf_fixture.h"

#include <stdio.h>

#define LISTENER(text)                                                                             \
	PROV("\"realms\":[{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\","                  \
	     "\"address\":\"10.0.0.1\"}," text "],\"media\":{\"address\":\"10.0.0.1\"}}]")
#define ROUTE(text)                                                                                \
	PROV(REALMS ",\"trunks\":[" TRUNK_T "],\"routes\":[{\"name\":\"r\","                       \
		    "\"targets\":[{\"trunk\":\"t\"}]," text "}]")

static const struct {
	const char *document;
	const char *pointer;
	const char *value;
	const char *detail; /* a part of it */
	const char *remedy; /* a part of it */
} wrong[] = {
	{ "[]", "", "[]", "not an object", "an object" },
	{ "{\"colour\":1}", "/colour", "1", "unknown field", "known here: node, log" },
	{ "{\"lgo\":{}}", "/lgo", "{}", "unknown field", "did you mean \"log\"?" },
	{ "{\"node\":{\"wokers\":1}}", "/node/wokers", "1", "unknown",
	  "did you mean \"workers\"?" },
	{ "{\"a/b~c\":null}", "/a~1b~0c", "null", "unknown field", "known here" },
	{ "{\"node\":{\"workers\":0}}", "/node/workers", "0", "range", "integer from 1 to 64" },
	{ "{\"node\":{\"workers\":1.5}}", "/node/workers", "1.5", "integer",
	  "integer from 1 to 64" },
	{ "{\"node\":{\"workers\":-1}}", "/node/workers", "-1", "range", "integer from 1 to 64" },
	{ "{\"node\":{\"workers\":4294967297}}", "/node/workers", "4294967297", "range",
	  "1 to 64" },
	{ "{\"node\":{\"workers\":\"1\"}}", "/node/workers", "\"1\"", "not a number", "1 to 64" },
	{ "{\"node\":null}", "/node", "null", "not an object", "an object" },
	{ "{\"log\":{\"level\":\"loud\"}}", "/log/level", "\"loud\"", "unknown word",
	  "one of error, warning, info, debug" },
	{ "{\"api\":{\"listen\":\"8080\"}}", "/api/listen", "\"8080\"", "port", "ADDRESS:PORT" },
	{ "{\"provisioning\":[]}", "/provisioning", "[]", "not an object", "an object" },
	{ PROV("\"trunks\":{}"), "/provisioning/trunks", "{}", "not a list", "a list of" },
	{ PROV("\"realms\":[{\"name\":\"a\"}]"), "/provisioning/realms/0/listeners", "", "missing",
	  "a list of 1" },
	{ PROV("\"realms\":[{\"name\":\"a b\",\"listeners\":[],\"media\":{}}]"),
	  "/provisioning/realms/0/name", "\"a b\"", "not a name", "1 to 64" },
	{ PROV("\"realms\":[" REALM_A "," REALM_A "]"), "/provisioning/realms/1/name", "\"a\"",
	  "already the name of /realms/0", "another name" },
	{ LISTENER("{\"transport\":\"sctp\",\"address\":\"10.0.0.1\"}"),
	  "/provisioning/realms/0/listeners/1/transport", "\"sctp\"", "unknown word", "udp, tcp" },
	{ LISTENER("{\"transport\":\"tcp\",\"address\":\"0.0.0.0\"}"),
	  "/provisioning/realms/0/listeners/1/address", "\"0.0.0.0\"", "one interface", "address" },
	{ LISTENER("{\"transport\":\"udp\",\"address\":\"10.0.0.1\",\"port\":5060}"),
	  "/provisioning/realms/0/listeners/1", "{…}", "same socket as /realms/0/listeners/0",
	  "another address or port" },
	{ LISTENER("{\"transport\":\"tls\",\"address\":\"10.0.0.1\"}"),
	  "/provisioning/realms/0/listeners/1/tls_profile", "", "missing", "tls_profile" },
	{ LISTENER("{\"transport\":\"tcp\",\"address\":\"10.0.0.1\",\"tls_profile\":\"p\"}"),
	  "/provisioning/realms/0/listeners/1/tls_profile", "\"p\"", "without TLS",
	  "leave it out" },
	{ MEDIA("\"port_min\":30000,\"port_max\":30000"), "/provisioning/realms/0/media/port_max",
	  "30000", "no pair", "above port_min" },
	{ MEDIA("\"port_min\":29999,\"port_max\":30000"), "/provisioning/realms/0/media/port_max",
	  "30000", "no pair", "above port_min" },
	{ MEDIA("\"port_min\":0"), "/provisioning/realms/0/media/port_min", "0", "range", "1024" },
	{ MEDIA("\"advertise\":\"2001:db8::1\""), "/provisioning/realms/0/media/advertise",
	  "\"2001:db8::1\"", "IP version", "same IP version" },
	{ PROV("\"realms\":[" REALM_A ",{\"name\":\"b\",\"listeners\":[{\"transport\":\"tcp\","
	       "\"address\":\"10.0.0.1\"}],\"media\":{\"address\":\"10.0.0.1\","
	       "\"port_min\":20998,\"port_max\":21999}}]"),
	  "/provisioning/realms/1/media/port_min", "20998", "those of realm a", "do not meet" },
	{ MEDIA("\"more_addresses\":[{\"adress\":\"10.0.0.2\"}]"),
	  "/provisioning/realms/0/media/more_addresses/0/adress", "\"10.0.0.2\"", "unknown field",
	  "did you mean \"address\"?" },
	{ MEDIA("\"more_addresses\":[{\"port_min\":30000}]"),
	  "/provisioning/realms/0/media/more_addresses/0/address", "", "missing", "address" },
	{ MEDIA("\"more_addresses\":[{\"address\":\"::\"}]"),
	  "/provisioning/realms/0/media/more_addresses/0/address", "\"::\"", "one interface",
	  "address" },
	{ MEDIA("\"more_addresses\":[{\"address\":\"10.0.0.2\",\"port_min\":30000}]"),
	  "/provisioning/realms/0/media/more_addresses/0/port_max", "", "no pair",
	  "above port_min" },
	{ MEDIA("\"more_addresses\":[{\"address\":\"::2\",\"advertise\":\"192.0.2.1\"}]"),
	  "/provisioning/realms/0/media/more_addresses/0/advertise", "\"192.0.2.1\"",
	  "IP version", "same IP version" },
	{ MEDIA("\"more_addresses\":[{\"address\":\"10.0.0.1\"}]"),
	  "/provisioning/realms/0/media/more_addresses/0/port_min", "", "those of realm a",
	  "another address" },
	{ PROV("\"realms\":[" REALM_A ",{\"name\":\"b\",\"listeners\":[{\"transport\":\"tcp\","
	       "\"address\":\"10.0.0.1\"}],\"media\":{\"address\":\"10.0.0.3\","
	       "\"more_addresses\":[{\"address\":\"10.0.0.4\"},{\"address\":\"10.0.0.1\","
	       "\"port_min\":20998,\"port_max\":21999}]}}]"),
	  "/provisioning/realms/1/media/more_addresses/1/port_min", "20998", "those of realm a",
	  "do not meet" },
	{ TRUNK("\"realm2\":1"), "/provisioning/trunks/0/realm2", "1", "unknown", "\"realm\"" },
	{ PROV(REALMS ",\"trunks\":[{\"name\":\"t\",\"realm\":\"c\"}]"),
	  "/provisioning/trunks/0/realm", "\"c\"", "no such realm", "or add it" },
	{ GATEWAY("10.0.0.9"), "/provisioning/trunks/0/gateways/0/uri", "\"10.0.0.9\"",
	  "sip:", "sip:HOST" },
	{ GATEWAY("sip:u@h"), "/provisioning/trunks/0/gateways/0/uri", "\"sip:u@h\"", "user part",
	  "sip:HOST" },
	{ GATEWAY("sip:10.0.0.300"), "/provisioning/trunks/0/gateways/0/uri", "\"sip:10.0.0.300\"",
	  "neither a name nor", "sip:HOST" },
	{ GATEWAY("sip:h:99999"), "/provisioning/trunks/0/gateways/0/uri", "\"sip:h:99999\"",
	  "port", "sip:HOST" },
	{ GATEWAY("sip:[::1"), "/provisioning/trunks/0/gateways/0/uri", "\"sip:[::1\"", "IPv6",
	  "sip:HOST" },
	{ GATEWAY("sip:h;transport=sctp"), "/provisioning/trunks/0/gateways/0/uri",
	  "\"sip:h;transport=sctp\"", "transport is unknown", "udp|tcp" },
	{ GATEWAY("sip:h;lr"), "/provisioning/trunks/0/gateways/0/uri", "\"sip:h;lr\"", "follows",
	  "udp|tcp" },
	{ GATEWAY("sips:h;transport=udp"), "/provisioning/trunks/0/gateways/0/uri",
	  "\"sips:h;transport=udp\"", "sips cannot go over udp", "udp|tcp" },
	{ TRUNK("\"sources\":[\"10.0.0.1/24\"]"), "/provisioning/trunks/0/sources/0",
	  "\"10.0.0.1/24\"", "not an address or a prefix", "no host bits" },
	{ TRUNK("\"sources\":[\"::ffff:10.0.0.1\"]"), "/provisioning/trunks/0/sources/0",
	  "\"::ffff:10.0.0.1\"", "IPv4", "192.0.2.0/24" },
	{ TRUNK("\"auth\":{\"username\":\"u\",\"password\":\"\"}"),
	  "/provisioning/trunks/0/auth/password", "\"***\"", "empty", "the secret itself" },
	{ TRUNK("\"auth\":{\"username\":\"u\",\"password\":\"***\"}"),
	  "/provisioning/trunks/0/auth/password", "\"***\"", "placeholder", "the secret itself" },
	{ TRUNK("\"auth\":{\"username\":\"u\"}"), "/provisioning/trunks/0/auth/password", "",
	  "missing", "the secret itself" },
	{ TRUNK("\"failover\":[200]"), "/provisioning/trunks/0/failover/0", "200", "range",
	  "300 to 699" },
	{ TRUNK("\"bodies\":[\"application/isup\",\"Application/SDP\"]"),
	  "/provisioning/trunks/0/bodies/1", "\"Application/SDP\"", "not a content type that may cross",
	  "without parameters" },
	{ TRUNK("\"bodies\":[\"application/isup;version=x\"]"), "/provisioning/trunks/0/bodies/0",
	  "\"application/isup;version=x\"", "not a content type", "without parameters" },
	{ TRUNK("\"limits\":{\"calls\":-1}"), "/provisioning/trunks/0/limits/calls", "-1", "range",
	  "0 to 1000000" },
	{ TRUNK("\"media\":{\"sdes_pass\":true}"), "/provisioning/trunks/0/media/sdes_pass", "true",
	  "keys cannot pass", "optional or required" },
	{ TRUNK("\"media\":{\"srtp\":\"optional\",\"keying\":[\"dtls\"],\"sdes_pass\":true}"),
	  "/provisioning/trunks/0/media/sdes_pass", "true", "keys cannot pass", "in keying" },
	{ TRUNK("\"media\":{\"srtp\":\"yes\"}"), "/provisioning/trunks/0/media/srtp", "\"yes\"",
	  "unknown word", "off, optional, required" },
	{ TRUNK("\"media\":{\"keying\":[]}"), "/provisioning/trunks/0/media/keying", "[]",
	  "0 items", "1 to 2 items" },
	{ TRUNK("\"media\":{\"keying\":[\"zrtp\"]}"), "/provisioning/trunks/0/media/keying/0",
	  "\"zrtp\"", "unknown word", "sdes, dtls" },
	{ TRUNK("\"media\":{\"keying\":[\"dtls\",\"dtls\"]}"),
	  "/provisioning/trunks/0/media/keying/1", "\"dtls\"", "already item 0", "once" },
	{ TRUNK("\"media\":{\"srtp_suites\":[\"AES_CM_128_HMAC_SHA1_80\",\"NULL\"]}"),
	  "/provisioning/trunks/0/media/srtp_suites/1", "\"NULL\"", "unknown word",
	  "AEAD_AES_128_GCM" },
	{ TRUNK("\"media\":{\"srtp_suites\":[\"AEAD_AES_128_GCM\",\"AEAD_AES_256_GCM\","
		"\"AEAD_AES_128_GCM\"]}"),
	  "/provisioning/trunks/0/media/srtp_suites/2", "\"AEAD_AES_128_GCM\"", "already item 0",
	  "once" },
	{ TRUNK("\"media\":{\"ice\":\"full\"}"), "/provisioning/trunks/0/media/ice", "\"full\"",
	  "unknown word", "off, lite" },
	{ TRUNK("\"media\":{\"dtmf\":\"inband\"}"), "/provisioning/trunks/0/media/dtmf", "\"inband\"",
	  "unknown word", "pass, rfc4733, info" },
	{ TRUNK("\"media\":{\"rtcp_mux\":true}"), "/provisioning/trunks/0/media/rtcp_mux", "true",
	  "not a string", "off, optional" },
	{ TRUNK("\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}],\"media\":{\"srtp\":\"required\","
		"\"keying\":[\"sdes\"]}"),
	  "/provisioning/trunks/0/media/sdes_trusted", "", "may not be shown without TLS",
	  "\"dtls\" in keying" },
	{ TRUNK("\"gateways\":[{\"uri\":\"sip:h;transport=udp\"},{\"uri\":\"sip:h;transport=ws\"}],"
		"\"media\":{\"srtp\":\"required\",\"keying\":[\"sdes\"],\"sdes_trusted\":false}"),
	  "/provisioning/trunks/0/media/sdes_trusted", "false", "may not be shown without TLS",
	  "gateways over TLS" },
	{ TRUNK("\"media\":{\"nat\":1}"), "/provisioning/trunks/0/media/nat", "1", "neither true",
	  "true or false" },
	{ TRUNK("\"timers\":{\"first_response_ms\":99}"),
	  "/provisioning/trunks/0/timers/first_response_ms", "99", "range", "100 to 32000" },
	{ PROV(REALMS ",\"trunks\":[{\"name\":\"t\",\"realm\":\"a\",\"sources\":[\"10.0.0.9/32\"]},"
		      "{\"name\":\"u\",\"realm\":\"a\",\"sources\":[\"10.0.0.8\",\"10.0.0.9\"]}]"),
	  "/provisioning/trunks/1/sources/1", "\"10.0.0.9\"", "same source as trunk t", "apart" },
	{ ROUTE("\"match\":{\"trunk\":\"x\"}"), "/provisioning/routes/0/match/trunk", "\"x\"",
	  "no such trunk", "or add it" },
	{ ROUTE("\"match\":{\"realm\":\"x\"}"), "/provisioning/routes/0/match/realm", "\"x\"",
	  "no such realm", "or add it" },
	{ ROUTE("\"match\":{\"called\":\"ab(c\"}"), "/provisioning/routes/0/match/called",
	  "\"ab(c\"", "does not compile at offset 4: missing closing parenthesis", "PCRE2" },
	{ ROUTE("\"match\":{\"called\":\"\"}"), "/provisioning/routes/0/match/called", "\"\"",
	  "too short", "1 to 512" },
	{ ROUTE("\"rewrite\":{\"called\":[{\"match\":\"(a)\",\"replace\":\"$2\"}]}"),
	  "/provisioning/routes/0/rewrite/called/0/replace", "\"$2\"",
	  "position 0: there is no such group (match has 1)", "$0 to $9" },
	{ ROUTE("\"rewrite\":{\"calling\":[{\"match\":\"a\",\"replace\":\"5$\"}]}"),
	  "/provisioning/routes/0/rewrite/calling/0/replace", "\"5$\"", "position 1", "$$" },
	{ PROV(REALMS ",\"routes\":[{\"name\":\"r\",\"targets\":[{\"trunk\":\"x\"}]}]"),
	  "/provisioning/routes/0/targets/0/trunk", "\"x\"", "no such trunk", "or add it" },
	{ PROV(REALMS ",\"trunks\":[{\"name\":\"s\",\"realm\":\"a\"}],\"routes\":[{\"name\":\"r\","
		      "\"targets\":[{\"trunk\":\"s\"}]}]"),
	  "/provisioning/routes/0/targets/0/trunk", "\"s\"", "no gateways", "with gateways" },
	{ PROV(REALMS ",\"routes\":[{\"name\":\"r\",\"targets\":[]}]"),
	  "/provisioning/routes/0/targets", "[]", "0 items", "a list of 1 to" },
	{ PROV(REALMS ",\"access_rules\":[{\"name\":\"r\",\"realm\":\"z\",\"source\":\"::/0\","
		      "\"action\":\"drop\"}]"),
	  "/provisioning/access_rules/0/realm", "\"z\"", "no such realm", "or add it" },
	{ PROV(REALMS ",\"users\":[{\"name\":\"u\",\"realm\":\"z\",\"password\":\"p\"}]"),
	  "/provisioning/users/0/realm", "\"z\"", "no such realm", "or add it" },
	{ "{\"node\":{},\"node\":{}}", "", "", "line 1, column 17: duplicate object key", "JSON" },
	{ "{\n // fine\n \"node\": tru\n}", "", "", "line 3, column 12", "JSON" },
	{ "{} {}", "", "", "line 1", "JSON" },
	{ "", "", "", "line 1", "JSON" },
	{ "{\"node\":\"\\u0000\"}", "", "", "line 1", "JSON" },
};

static void wrong_documents(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(wrong); i++) {
		const struct conf_error *error;

		assert_int_equal(parse(fixture, wrong[i].document), ERR_SYNTAX);
		assert_true(fixture->errors.count > 0);
		error = &fixture->errors.items[0];
		if (!slice_eq(error->pointer, slice_text(wrong[i].pointer)) ||
		    !slice_eq(error->value, slice_text(wrong[i].value)) ||
		    !contains(error->detail, wrong[i].detail) ||
		    !contains(error->remedy, wrong[i].remedy)) {
			print_message("row %zu: %s\n", i, wrong[i].document);
			print_errors(fixture);
			fail();
		}
	}
}

static void several_at_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(parse(fixture, "{\"a\":1,\"node\":{\"workers\":0},\"log\":{\"level\":2},"
					"\"provisioning\":{\"trunks\":[{\"realm\":\"x\"}]}}"),
			 ERR_SYNTAX);
	assert_int_equal(fixture->errors.count, 5);
	assert_slice(fixture->errors.items[0].pointer, "/a");
	assert_slice(fixture->errors.items[1].pointer, "/node/workers");
	assert_slice(fixture->errors.items[2].pointer, "/log/level");
	assert_slice(fixture->errors.items[3].pointer, "/provisioning/trunks/0/name");
	assert_slice(fixture->errors.items[4].pointer, "/provisioning/trunks/0/realm");
}

static void secrets_stay_hidden(void **state)
{
	static const char *const documents[] = {
		TRUNK("\"auth\":{\"username\":\"u\",\"pasword\":\"hunter2\"}"),
		TRUNK("\"auth\":\"hunter2\""),
		TRUNK("\"auth\":{\"username\":\"u\",\"password\":\"hunter2\"},\"x\":1"),
		TRUNK("\"auth\":{\"username\":\"u\",\"password\":\"hunter2}"),
		PROV("\"users\":[{\"name\":1,\"realm\":\"a\",\"secret\":\"hunter2\"}]"),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(documents); i++) {
		assert_int_equal(parse(fixture, documents[i]), ERR_SYNTAX);
		assert_false(
		    contains(conf_errors_text(&fixture->arena, &fixture->errors), "hunter2"));
	}
}

static void comments_and_lines(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
	    parse(fixture, "// first\n{ // a \"quote\n\"state_dir\": \"//a\\\"//b\" // x\n}"), OK);
	assert_slice(fixture->conf.state_dir, "//a\"//b");
	assert_int_equal(parse(fixture, "// first\n{ // second\n\n x }"), ERR_SYNTAX);
	assert_true(contains(fixture->errors.items[0].detail, "line 4, column 2"));
}

static void depth(void **state)
{
	struct fixture *fixture = *state;
	char text[200000];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_int_equal(parse(fixture, text), ERR_SYNTAX);
	assert_true(contains(fixture->errors.items[0].detail, "nested too deep"));
	/* Brackets in a string are no nesting. */
	memcpy(text, "{\"x\":\"", 6);
	memcpy(text + sizeof(text) - 3, "\"}", 2);
	assert_int_equal(parse(fixture, text), ERR_SYNTAX);
	assert_slice(fixture->errors.items[0].pointer, "/x");
	assert_true(fixture->errors.items[0].value.len < 100);
}

/* Realms of one listener and one media address each, the last with `more` in it. */
static enum err parse_realms(struct fixture *fixture, unsigned count, const char *more)
{
	static char text[60000];
	int len = snprintf(text, sizeof(text), "{\"provisioning\":{\"realms\":[");

	for (unsigned i = 0; i < count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"%s{\"name\":\"r%u\",\"listeners\":[{\"transport\":\"udp\","
				"\"address\":\"10.0.%u.%u\"}],\"media\":{\"address\":\"10.0.%u.%u\"%s}}",
				i > 0 ? "," : "", i, i / 200, i % 200 + 1, i / 200, i % 200 + 1,
				i + 1 == count ? more : "");
	snprintf(text + len, sizeof(text) - (size_t)len, "]}}");
	return parse(fixture, text);
}

static void too_many_in_all(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(parse_realms(fixture, 256, ""), OK);
	assert_int_equal(parse_realms(fixture, 256, ",\"more_addresses\":[{\"address\":\"10.1.0.1\"}]"),
			 ERR_SYNTAX);
	assert_int_equal(fixture->errors.count, 1);
	assert_slice(fixture->errors.items[0].pointer, "/provisioning/realms/255/media");
	assert_true(contains(fixture->errors.items[0].detail, "257 media addresses"));
	assert_int_equal(parse_realms(fixture, 258, ""), ERR_SYNTAX);
	assert_int_equal(fixture->errors.count, 2);
	assert_slice(fixture->errors.items[0].pointer, "/provisioning/realms/256/listeners");
	assert_true(contains(fixture->errors.items[0].detail, "257 listeners"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(too_many_in_all, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(several_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_stay_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(comments_and_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(depth, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

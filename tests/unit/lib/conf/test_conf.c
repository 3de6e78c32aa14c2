/* SPDX-License-Identifier: MIT
 * The document: what it reads, and for each way of being wrong the path that the error names. */
#include "lib/conf/conf.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct conf conf;
	struct conf_errors errors;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	arena_cache_init(&fixture->cache, 0);
	arena_init(&fixture->arena, &fixture->cache, 4096, 64 << 20);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	arena_fini(&fixture->arena);
	arena_cache_fini(&fixture->cache);
	free(fixture);
	return 0;
}

static enum err parse(struct fixture *fixture, const char *text)
{
	return conf_parse(&fixture->arena, slice_text(text), &fixture->conf, &fixture->errors);
}

static void print_errors(struct fixture *fixture)
{
	struct slice text = conf_errors_text(&fixture->arena, &fixture->errors);

	print_message("%.*s", SLICE_ARG(text));
}

/* The example of the contract, as it stands there. */
static const char contract[] =
    "{\n"
    "  \"node\":  {\"name\": \"edge-1\", \"workers\": 1},\n"
    "  \"log\":   {\"level\": \"info\", \"format\": \"text\"},\n"
    "  \"state_dir\": \"/var/lib/sbc\",\n"
    "  \"run_dir\": \"/run/sbc\",\n"
    "  \"api\":   {\"listen\": \"127.0.0.1:8080\"},\n"
    "  \"provisioning\": {\n"
    "    \"realms\": [\n"
    "      {\"name\": \"inside\",\n"
    "       \"listeners\": [{\"transport\": \"udp\", \"address\": \"10.0.0.2\", \"port\": 5060}],\n"
    "       \"media\": {\"address\": \"10.0.0.2\", \"port_min\": 20000, \"port_max\": 29999}},\n"
    "      {\"name\": \"outside\",\n"
    "       \"listeners\": [{\"transport\": \"udp\", \"address\": \"198.51.100.2\", \"port\": "
    "5060},\n"
    "                     {\"transport\": \"tls\", \"address\": \"198.51.100.2\", \"port\": 5061, "
    "\"tls_profile\": \"public\"}],\n"
    "       \"media\": {\"address\": \"198.51.100.2\", \"port_min\": 30000, \"port_max\": 39999}}\n"
    "    ],\n"
    "    \"trunks\": [\n"
    "      {\"name\": \"pbx\", \"realm\": \"inside\", \"gateways\": [{\"uri\": "
    "\"sip:10.0.0.10:5060\"}], \"sources\": [\"10.0.0.10/32\"]},\n"
    "      {\"name\": \"carrier\", \"realm\": \"outside\",\n"
    "       \"gateways\": [{\"uri\": \"sip:sip.carrier.example;transport=tls\", \"priority\": 1, "
    "\"weight\": 100}],\n"
    "       \"sources\": [\"203.0.113.0/28\"],\n"
    "       \"auth\": {\"username\": \"acct\", \"password\": \"secret\"},\n"
    "       \"probe\": {\"interval_s\": 30},\n"
    "       \"limits\": {\"calls\": 500, \"cps\": 50},\n"
    "       \"media\": {\"srtp\": \"off\", \"codecs\": [\"PCMU\", \"PCMA\"]}}\n"
    "    ],\n"
    "    \"routes\": [\n"
    "      {\"name\": \"to-carrier\", \"priority\": 10,\n"
    "       \"match\": {\"trunk\": \"pbx\", \"called\": \"^\\\\+?[0-9]+$\"},\n"
    "       \"rewrite\": {\"called\": [{\"match\": \"^00(.*)$\", \"replace\": \"+$1\"}]},\n"
    "       \"targets\": [{\"trunk\": \"carrier\", \"priority\": 1, \"weight\": 100}]},\n"
    "      {\"name\": \"to-pbx\", \"match\": {\"trunk\": \"carrier\"}, \"targets\": [{\"trunk\": "
    "\"pbx\"}]}\n"
    "    ],\n"
    "    \"users\": [], \"access_rules\": [], \"tls_profiles\": []\n"
    "  }\n"
    "}\n";

static void contract_example(void **state)
{
	struct fixture *fixture = *state;
	const struct conf_provisioning *p = &fixture->conf.provisioning;

	if (parse(fixture, contract) != OK) {
		print_errors(fixture);
		fail();
	}
	assert_slice(fixture->conf.node_name, "edge-1");
	assert_int_equal(fixture->conf.api_listen.port, 8080);
	assert_int_equal(fixture->conf.relay_workers, 1);
	assert_int_equal(fixture->conf.max_calls, 50000);
	assert_int_equal(p->realm_count, 2);
	assert_int_equal(p->realms[1].listeners[1].transport, CONF_TLS);
	assert_int_equal(p->realms[1].port_max, 39999);
	assert_int_equal(p->trunk_count, 2);
	assert_slice(p->trunks[1].gateways[0].host, "sip.carrier.example");
	assert_false(p->trunks[1].gateways[0].host_is_ip);
	assert_int_equal(p->trunks[1].gateways[0].port, 0);
	assert_int_equal(p->trunks[1].gateways[0].transport, CONF_TLS);
	assert_slice(p->trunks[1].auth_password, "secret");
	assert_int_equal(p->trunks[1].limit_cps, 50);
	assert_int_equal(p->trunks[1].codec_count, 2);
	assert_int_equal(p->trunks[1].failover_code_count, 5);
	assert_int_equal(p->trunks[1].no_answer_ms, 4000);
	assert_int_equal(p->trunks[0].sources[0].bits, 32);
	assert_int_equal(p->routes[0].priority, 10);
	assert_int_equal(p->routes[1].priority, 100);
	assert_slice(p->routes[0].rewrite_called[0].replace, "+$1");
	assert_int_equal(p->routes[1].targets[0].weight, 100);
}

static void defaults(void **state)
{
	struct fixture *fixture = *state;
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	assert_int_equal(parse(fixture, "{}"), OK);
	assert_slice(fixture->conf.node_name, host);
	assert_slice(fixture->conf.state_dir, "/var/lib/sbc");
	assert_slice(fixture->conf.run_dir, "/run/sbc");
	assert_int_equal(fixture->conf.api_listen.port, 8080);
	assert_int_equal(fixture->conf.log_level, CONF_LOG_INFO);
	assert_int_equal(fixture->conf.max_connections, 4096);
	assert_int_equal(fixture->conf.provisioning.trunk_count, 0);
}

/* A document that is right, with one hole: what stands there makes it wrong. */
#define REALM_A                                                                                    \
	"{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.1\"}],"        \
	"\"media\":{\"address\":\"10.0.0.1\",\"port_min\":20000,\"port_max\":20999}}"
#define REALM_B                                                                                    \
	"{\"name\":\"b\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.2\"}],"        \
	"\"media\":{\"address\":\"10.0.0.2\",\"port_min\":20000,\"port_max\":20999}}"
#define REALMS     "\"realms\":[" REALM_A "," REALM_B "]"
#define TRUNK_T    "{\"name\":\"t\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}]}"
#define PROV(text) "{\"provisioning\":{" text "}}"
#define LISTENER(text)                                                                             \
	PROV("\"realms\":[{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\","                  \
	     "\"address\":\"10.0.0.1\"}," text "],\"media\":{\"address\":\"10.0.0.1\"}}]")
#define MEDIA(text)                                                                                \
	PROV("\"realms\":[{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\","                  \
	     "\"address\":\"10.0.0.1\"}],\"media\":{\"address\":\"10.0.0.1\"," text "}}]")
#define TRUNK(text)  PROV(REALMS ",\"trunks\":[{\"name\":\"t\",\"realm\":\"a\"," text "}]")
#define GATEWAY(uri) TRUNK("\"gateways\":[{\"uri\":\"" uri "\"}]")
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

static bool contains(struct slice s, const char *part)
{
	return slice_find(s, slice_text(part)) < s.len || !part[0];
}

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

static void media_defaults(void **state)
{
	static const enum conf_srtp_suite suites[] = {
		CONF_AEAD_AES_256_GCM,	      CONF_AEAD_AES_128_GCM,
		CONF_AES_256_CM_HMAC_SHA1_80, CONF_AES_CM_128_HMAC_SHA1_80,
		CONF_AES_CM_128_HMAC_SHA1_32,
	};
	struct fixture *fixture = *state;
	const struct conf_trunk *trunk;

	assert_int_equal(parse(fixture, TRUNK("\"media\":{}")), OK);
	trunk = &fixture->conf.provisioning.trunks[0];
	assert_int_equal(trunk->srtp, CONF_SRTP_OFF);
	assert_int_equal(trunk->keying_count, 2);
	assert_int_equal(trunk->keying[0], CONF_KEYING_SDES);
	assert_int_equal(trunk->keying[1], CONF_KEYING_DTLS);
	assert_int_equal(trunk->srtp_suite_count, array_size(suites));
	assert_memory_equal(trunk->srtp_suites, suites, sizeof(suites));
	assert_false(trunk->sdes_trusted);
	assert_int_equal(trunk->media_timeout_s, 60);
	assert_int_equal(trunk->media_first_timeout_s, 60);
	assert_int_equal(trunk->media_hold_timeout_s, 0);
	assert_int_equal(trunk->media_one_way_s, 10);
	assert_int_equal(trunk->media_timeout_action, CONF_TIMEOUT_BYE);
	assert_int_equal(trunk->ice, CONF_ICE_OFF);
	assert_int_equal(trunk->rtcp_mux, CONF_RTCP_MUX_OFF);
	assert_false(trunk->feedback);
}

/* Required keys that can be had: by DTLS, on trust, over TLS, or where a name may lead to TLS. */
static void keys_that_can_be_had(void **state)
{
	static const char *const fine[] = {
		TRUNK("\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}],\"media\":{\"srtp\":\"required\"}"),
		TRUNK("\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}],\"media\":{\"srtp\":\"optional\","
		      "\"keying\":[\"sdes\"]}"),
		TRUNK("\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}],\"media\":{\"srtp\":\"required\","
		      "\"keying\":[\"sdes\"],\"sdes_trusted\":true}"),
		TRUNK("\"gateways\":[{\"uri\":\"sip:10.0.0.9;transport=tls\"}],"
		      "\"media\":{\"srtp\":\"required\",\"keying\":[\"sdes\"]}"),
		TRUNK("\"gateways\":[{\"uri\":\"sips:10.0.0.9\"},{\"uri\":\"sip:10.0.0.9\"}],"
		      "\"media\":{\"srtp\":\"required\",\"keying\":[\"sdes\"]}"),
		TRUNK("\"gateways\":[{\"uri\":\"sip:h\"}],\"media\":{\"srtp\":\"required\","
		      "\"keying\":[\"sdes\"]}"),
		TRUNK("\"sources\":[\"10.0.0.9\"],\"media\":{\"srtp\":\"required\","
		      "\"keying\":[\"sdes\"]}"),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(fine); i++) {
		if (parse(fixture, fine[i]) != OK) {
			print_errors(fixture);
			fail_msg("%s", fine[i]);
		}
	}
}

/* Nested prefixes, other realms, and sources that only come from gateways may coincide. */
static void sources_that_may_meet(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
	    parse(fixture,
		  PROV(REALMS ",\"trunks\":[" TRUNK_T ","
			      "{\"name\":\"u\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:10.0.0."
			      "9:5070\"}]},"
			      "{\"name\":\"v\",\"realm\":\"a\",\"sources\":[\"10.0.0.9\"]},"
			      "{\"name\":\"w\",\"realm\":\"b\",\"sources\":[\"10.0.0.9\"]},"
			      "{\"name\":\"x\",\"realm\":\"a\",\"sources\":[\"10.0.0.0/24\"]}]")),
	    OK);
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

static void provisioning_alone(void **state)
{
	struct fixture *fixture = *state;
	struct conf_provisioning p;
	struct slice seed;

	assert_int_equal(conf_seed_text(&fixture->arena, slice_text(contract), &seed), OK);
	assert_true(slice_starts(seed, SLICE("{\"access_rules\":[],\"realms\":[{\"listeners\"")));
	assert_int_equal(conf_provisioning_parse(&fixture->arena, seed, &p, &fixture->errors), OK);
	assert_int_equal(p.route_count, 2);
	assert_int_equal(
	    conf_provisioning_parse(&fixture->arena, SLICE("{} // no"), &p, &fixture->errors),
	    ERR_SYNTAX);
	assert_int_equal(conf_provisioning_parse(&fixture->arena,
						 SLICE("{\"trunks\":[{\"name\":\"\"}]}"), &p,
						 &fixture->errors),
			 ERR_SYNTAX);
	assert_slice(fixture->errors.items[0].pointer, "/trunks/0/name");
}

static void uris(void **state)
{
	static const struct {
		const char *document;
		const char *host;
		uint16_t port;
		enum conf_transport transport;
		bool is_ip, given, sips;
	} rows[] = {
		{ GATEWAY("sip:10.0.0.9"), "10.0.0.9", 0, CONF_UDP, true, false, false },
		{ GATEWAY("sip:[2001:db8::1]:5070;transport=tcp"), "2001:db8::1", 5070, CONF_TCP,
		  true, true, false },
		{ GATEWAY("sips:pbx.example"), "pbx.example", 0, CONF_TLS, false, false, true },
		{ GATEWAY("sips:pbx.example;transport=tcp"), "pbx.example", 0, CONF_TLS, false,
		  true, true },
		{ GATEWAY("sip:a_b:5060;transport=ws"), "a_b", 5060, CONF_WS, false, true, false },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(rows); i++) {
		const struct conf_gateway *gateway;

		assert_int_equal(parse(fixture, rows[i].document), OK);
		gateway = &fixture->conf.provisioning.trunks[0].gateways[0];
		assert_slice(gateway->host, rows[i].host);
		assert_int_equal(gateway->port, rows[i].port);
		assert_int_equal(gateway->transport, rows[i].transport);
		assert_int_equal(gateway->host_is_ip, rows[i].is_ip);
		assert_int_equal(gateway->transport_given, rows[i].given);
		assert_int_equal(gateway->sips, rows[i].sips);
		assert_int_equal(fixture->conf.provisioning.trunks[0].source_count, rows[i].is_ip);
	}
}

/* The copy says the same after the original's memory is gone. */
static void copy_stands_alone(void **state)
{
	struct fixture *fixture = *state;
	struct conf_provisioning copy;
	struct arena arena;

	arena_init(&arena, &fixture->cache, 4096, 1 << 20);
	assert_int_equal(parse(fixture, contract), OK);
	assert_int_equal(conf_provisioning_copy(&arena, &fixture->conf.provisioning, &copy), OK);
	fixture->arena.wipe = true;
	arena_reset(&fixture->arena);
	assert_slice(copy.trunks[1].gateways[0].host, "sip.carrier.example");
	assert_slice(copy.trunks[1].codecs[1], "PCMA");
	assert_slice(copy.routes[0].rewrite_called[0].match, "^00(.*)$");
	assert_int_equal(copy.trunks[0].failover_codes[4], 504);
	arena_fini(&arena);
}

/* Whatever the quota: OK or ERR_NOMEM, and nothing else. */
static void out_of_memory(void **state)
{
	struct fixture *fixture = *state;
	enum err err = ERR_NOMEM;

	for (size_t quota = 0; err == ERR_NOMEM; quota += 512) {
		struct arena arena;
		struct conf_errors errors;

		arena_init(&arena, &fixture->cache, 512, quota);
		err = conf_parse(&arena, slice_text(contract), &fixture->conf, &errors);
		arena_fini(&arena);
	}
	assert_int_equal(err, OK);
}

static void snapshots(void **state)
{
	struct fixture *fixture = *state;
	struct conf_provisioning p;
	char path[] = "/tmp/conf-snapshot-XXXXXX";
	const char text[] = "{\"version\":7,\"provisioning\":"
			    "{" REALMS "}}";
	uint64_t version = 0;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(conf_snapshot_load(&fixture->arena, path, &version, &p, &fixture->errors),
			 OK);
	assert_int_equal(version, 7);
	assert_int_equal(p.realm_count, 2);
	unlink(path);
	assert_int_equal(conf_snapshot_load(&fixture->arena, path, &version, &p, &fixture->errors),
			 -2);
	assert_int_equal(fixture->errors.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contract_example, setup, teardown),
		cmocka_unit_test_setup_teardown(defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(media_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_can_be_had, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(sources_that_may_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(several_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_stay_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(comments_and_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(depth, setup, teardown),
		cmocka_unit_test_setup_teardown(provisioning_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(uris, setup, teardown),
		cmocka_unit_test_setup_teardown(copy_stands_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

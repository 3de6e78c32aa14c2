/* SPDX-License-Identifier: MIT
 * The document: what it reads, what stands where nothing is said, copies, and snapshots. */
#include "tests/unit/lib/conf/conf_fixture.h"

#include <unistd.h>

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
	assert_int_equal(p->realms[1].media.port_max, 39999);
	assert_int_equal(conf_media_count(&p->realms[1]), 1);
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
	assert_int_equal(trunk->media_one_way_action, CONF_TIMEOUT_IGNORE);
	assert_int_equal(trunk->ice, CONF_ICE_OFF);
	assert_int_equal(trunk->rtcp_mux, CONF_RTCP_MUX_OFF);
	assert_false(trunk->feedback);
	assert_int_equal(trunk->dtmf, CONF_DTMF_PASS);
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

/* Ports of one address are another's by default, and its own where given; the copy has them too. */
static void more_media_addresses(void **state)
{
	static const char document[] =
		MEDIA("\"port_min\":30001,\"port_max\":31000,\"more_addresses\":["
		      "{\"address\":\"2001:db8::1\",\"advertise\":\"2001:db8::2\"},"
		      "{\"address\":\"10.0.0.1\",\"port_min\":31001,\"port_max\":31005}]");
	struct fixture *fixture = *state;
	struct conf_provisioning copy;
	const struct conf_realm *realm;

	assert_int_equal(parse(fixture, document), OK);
	assert_int_equal(conf_provisioning_copy(&fixture->arena, &fixture->conf.provisioning,
						&copy), OK);
	realm = &copy.realms[0];
	assert_int_equal(conf_media_count(realm), 3);
	assert_ptr_equal(conf_media_at(realm, 0), &realm->media);
	assert_int_equal(conf_media_at(realm, 0)->port_min, 30002);
	assert_int_equal(conf_media_at(realm, 1)->address.family, IP_V6);
	assert_slice(conf_media_at(realm, 1)->advertise, "2001:db8::2");
	assert_int_equal(conf_media_at(realm, 1)->port_min, 30002);
	assert_int_equal(conf_media_at(realm, 1)->port_max, 30999);
	assert_int_equal(conf_media_at(realm, 2)->port_min, 31002);
	assert_int_equal(conf_media_at(realm, 2)->port_max, 31005);
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
		cmocka_unit_test_setup_teardown(sources_that_may_meet, setup, teardown),
		cmocka_unit_test_setup_teardown(provisioning_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(uris, setup, teardown),
		cmocka_unit_test_setup_teardown(more_media_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(copy_stands_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

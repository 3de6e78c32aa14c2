/* SPDX-License-Identifier: MIT
 * Settings: who a source is, what the rules say of strangers, and how long a version lives. */
#include "sbc/settings/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"
#include "tests/support/settings.h"

#define REALM(name, ip, port)                                                                      \
	"{\"name\":\"" name "\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"" ip "\"},"    \
	"{\"transport\":\"tcp\",\"address\":\"" ip "\",\"port\":" port "}],"                       \
	"\"media\":{\"address\":\"" ip "\"}}"
#define REALMS                                                                                     \
	"\"realms\":[" REALM("a", "10.0.0.1", "5060") "," REALM("b", "2001:db8::1", "5070") "]"

static struct ip_addr ip(const char *text)
{
	struct ip_addr ret;

	assert_int_equal(ip_parse(slice_text(text), &ret), OK);
	return ret;
}

static uint32_t by_source(const struct settings *settings, uint32_t realm, const char *text)
{
	struct ip_addr address = ip(text);

	return settings_trunk_by_source(settings, realm, &address);
}

static void longest_prefix_wins(void **state)
{
	struct settings *s = settings_from(
	    "{" REALMS ",\"trunks\":["
	    "{\"name\":\"wide\",\"realm\":\"a\",\"sources\":[\"192.0.2.0/24\",\"2001:db8::/32\"]},"
	    "{\"name\":\"host\",\"realm\":\"a\",\"sources\":[\"192.0.2.7\"]},"
	    "{\"name\":\"half\",\"realm\":\"a\",\"sources\":[\"192.0.2.128/25\"]},"
	    "{\"name\":\"other\",\"realm\":\"b\",\"sources\":[\"0.0.0.0/0\",\"::/0\"]},"
	    "{\"name\":\"gate\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:[2001:db8::5]\"},"
	    "{\"uri\":\"sip:pbx.example\"}]}]}",
	    3);

	(void)state;
	assert_int_equal(s->version, 3);
	assert_int_equal(by_source(s, 0, "192.0.2.1"), 0);
	assert_int_equal(by_source(s, 0, "192.0.2.7"), 1);
	assert_int_equal(by_source(s, 0, "192.0.2.127"), 0);
	assert_int_equal(by_source(s, 0, "192.0.2.128"), 2);
	assert_int_equal(by_source(s, 0, "192.0.3.1"), SETTINGS_NONE);
	assert_int_equal(by_source(s, 0, "2001:db8::5"), 4);
	assert_int_equal(by_source(s, 0, "2001:db8::6"), 0);
	assert_int_equal(by_source(s, 0, "2001:db9::6"), SETTINGS_NONE);
	assert_int_equal(by_source(s, 1, "192.0.2.7"), 3);
	assert_int_equal(by_source(s, 1, "2001:db8::5"), 3);
	assert_int_equal(settings_trunk_by_name(s, SLICE("half")), 2);
	assert_int_equal(settings_trunk_by_name(s, SLICE("hal")), SETTINGS_NONE);
	assert_int_equal(settings_realm_by_name(s, SLICE("b")), 1);
	assert_int_equal(s->trunks[3].realm, 1);
	settings_release(&s);
	assert_null(s);
}

static void given_sources_come_first(void **state)
{
	struct settings *s = settings_from(
	    "{" REALMS ",\"trunks\":["
	    "{\"name\":\"z\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:192.0.2.1:5070\"},"
	    "{\"uri\":\"sip:192.0.2.2\"}]},"
	    "{\"name\":\"y\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:192.0.2.1:5080\"}]},"
	    "{\"name\":\"x\",\"realm\":\"a\",\"sources\":[\"192.0.2.2\"]}]}",
	    1);

	(void)state;
	assert_int_equal(by_source(s, 0, "192.0.2.1"), 0);
	assert_int_equal(by_source(s, 0, "192.0.2.2"), 2);
	settings_release(&s);
}

static enum conf_access_action access_of(const struct settings *s, uint32_t realm, const char *text)
{
	struct ip_addr address = ip(text);

	return settings_access(s, realm, &address);
}

static void access_by_priority(void **state)
{
	struct settings *s = settings_from(
	    "{" REALMS ",\"access_rules\":["
	    "{\"name\":\"z\",\"source\":\"0.0.0.0/0\",\"action\":\"drop\",\"realm\":\"a\"},"
	    "{\"name\":\"b\",\"priority\":5,\"source\":\"198.51.100.0/24\",\"action\":\"reject\"},"
	    "{\"name\":\"a\",\"priority\":5,\"source\":\"198.51.100.8/29\",\"action\":\"allow\"},"
	    "{\"name\":\"c\",\"priority\":5,\"source\":\"198.51.100.9\",\"action\":\"drop\"}]}",
	    1);

	(void)state;
	assert_int_equal(access_of(s, 0, "203.0.113.1"), CONF_ACCESS_DROP);
	assert_int_equal(access_of(s, 1, "203.0.113.1"), CONF_ACCESS_REJECT);
	assert_int_equal(access_of(s, 0, "198.51.100.1"), CONF_ACCESS_REJECT);
	assert_int_equal(access_of(s, 1, "198.51.100.1"), CONF_ACCESS_REJECT);
	/* a and c have one priority: a is the first by name, though c is the longer prefix. */
	assert_int_equal(access_of(s, 0, "198.51.100.9"), CONF_ACCESS_ALLOW);
	assert_int_equal(access_of(s, 0, "2001:db8::1"), CONF_ACCESS_REJECT);
	settings_release(&s);
}

static void listeners(void **state)
{
	struct settings *s = settings_from("{" REALMS "}", 1);
	struct endpoint a = { ip("10.0.0.1"), 5060 };
	struct endpoint b = { ip("2001:db8::1"), 5070 };
	uint32_t listener = 99;

	(void)state;
	assert_int_equal(settings_realm_by_listener(s, CONF_UDP, &a, &listener), 0);
	assert_int_equal(listener, 0);
	assert_int_equal(settings_realm_by_listener(s, CONF_TCP, &a, &listener), 0);
	assert_int_equal(listener, 1);
	assert_int_equal(settings_realm_by_listener(s, CONF_TCP, &b, NULL), 1);
	assert_int_equal(settings_realm_by_listener(s, CONF_UDP, &b, NULL), SETTINGS_NONE);
	assert_int_equal(settings_realm_by_listener(s, CONF_TLS, &a, NULL), SETTINGS_NONE);
	settings_release(&s);
}

static void routes_in_order(void **state)
{
	struct settings *s = settings_from(
	    "{" REALMS ",\"trunks\":[{\"name\":\"t\",\"realm\":\"a\",\"gateways\":[{\"uri\":"
	    "\"sip:h\"}]},{\"name\":\"u\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:i\"}]}],"
	    "\"routes\":["
	    "{\"name\":\"b\",\"targets\":[{\"trunk\":\"t\",\"priority\":2},{\"trunk\":\"u\"}]},"
	    "{\"name\":\"a\",\"targets\":[{\"trunk\":\"t\"}]},"
	    "{\"name\":\"ab\",\"priority\":100,\"targets\":[{\"trunk\":\"t\"}]},"
	    "{\"name\":\"z\",\"priority\":0,\"match\":{\"trunk\":\"u\",\"called\":\"1\"},"
	    "\"targets\":[{\"trunk\":\"t\"}]}]}",
	    1);

	const uint32_t *list;
	size_t count;

	(void)state;
	assert_int_equal(s->route_count, 4);
	assert_slice(s->routes[0].conf->name, "z");
	assert_slice(s->routes[1].conf->name, "a");
	assert_slice(s->routes[2].conf->name, "ab");
	assert_slice(s->routes[3].conf->name, "b");
	assert_int_equal(s->routes[0].match_trunk, 1);
	assert_int_equal(s->routes[0].match_realm, SETTINGS_NONE);
	assert_non_null(s->routes[0].match_called);
	assert_null(s->routes[0].match_calling);
	list = settings_routes_for(s, 1, &count);
	assert_int_equal(count, 1);
	assert_int_equal(list[0], 0);
	settings_routes_for(s, 0, &count);
	assert_int_equal(count, 0);
	list = settings_routes_for(s, SETTINGS_NONE, &count);
	assert_int_equal(count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(list[i], i + 1);
	assert_int_equal(s->routes[3].targets[0].trunk, 1);
	assert_int_equal(s->routes[3].targets[1].trunk, 0);
	settings_release(&s);
}

/* The last user frees: run under the address sanitizer, this also proves that nothing leaks. */
static void users_keep_it(void **state)
{
	struct settings *current = settings_from("{" REALMS "}", 1);
	struct settings *call = settings_take(current);

	(void)state;
	settings_release(&current);
	assert_null(current);
	assert_int_equal(call->users, 1);
	assert_slice(call->realms[1].conf->name, "b");
	settings_release(&call);
}

/* Random prefixes, against a plain search for the longest. */
#define PREFIXES 3000u
static void agrees_with_search(void **state)
{
	static char json[PREFIXES * 128];
	static struct ip_prefix prefixes[PREFIXES];
	struct rand rand;
	struct settings *s;
	size_t len = (size_t)snprintf(json, sizeof(json), "{" REALMS ",\"trunks\":[");

	(void)state;
	rand_init_seed(&rand, 42);
	for (unsigned i = 0; i < PREFIXES; i++) {
		unsigned bits = 8 + rand_below(&rand, 25);
		/* Under 10.0.0.0/8, dense enough to nest; the last one given takes a double. */
		uint32_t address = 0x0a000000u | (rand_u32(&rand) & 0x00ff0fffu);
		char text[64];

		if (bits < 32)
			address &= ~(0xffffffffu >> bits);
		snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", address >> 24, address >> 16 & 255,
			 address >> 8 & 255, address & 255, bits);
		assert_int_equal(ip_prefix_parse(slice_text(text), &prefixes[i]), OK);
		for (unsigned j = 0; j < i; j++)
			if (prefixes[j].bits == bits && ip_eq(&prefixes[j].ip, &prefixes[i].ip)) {
				i--;
				text[0] = 0;
				break;
			}
		if (text[0])
			len += (size_t)snprintf(
			    json + len, sizeof(json) - len,
			    "%s{\"name\":\"t%u\",\"realm\":\"a\",\"sources\":[\"%s\"]}",
			    i > 0 ? "," : "", i, text);
	}
	snprintf(json + len, sizeof(json) - len, "]}");
	s = settings_from(json, 1);
	for (unsigned n = 0; n < 20000; n++) {
		struct ip_addr address = prefixes[rand_below(&rand, PREFIXES)].ip;
		uint32_t expected = SETTINGS_NONE;

		address.bytes[2] ^= (uint8_t)(rand_u32(&rand) & 3);
		address.bytes[3] ^= (uint8_t)(rand_u32(&rand) & 7);
		for (unsigned i = 0; i < PREFIXES; i++)
			if (ip_prefix_has(&prefixes[i], &address) &&
			    (expected == SETTINGS_NONE ||
			     prefixes[i].bits > prefixes[expected].bits))
				expected = i;
		assert_int_equal(settings_trunk_by_source(s, 0, &address), expected);
	}
	settings_release(&s);
}

static void unresolved_is_refused(void **state)
{
	struct conf_trunk trunk = { .name = SLICE("t"), .realm = SLICE("nowhere") };
	struct conf_provisioning conf = { .trunks = &trunk, .trunk_count = 1 };
	struct settings *s = NULL;

	(void)state;
	assert_int_equal(settings_create(&conf, 1, &s), ERR_NOENT);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_prefix_wins), cmocka_unit_test(given_sources_come_first),
		cmocka_unit_test(access_by_priority),  cmocka_unit_test(listeners),
		cmocka_unit_test(routes_in_order),     cmocka_unit_test(users_keep_it),
		cmocka_unit_test(agrees_with_search),  cmocka_unit_test(unresolved_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

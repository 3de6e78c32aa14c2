/* SPDX-License-Identifier: MIT
 * Addresses: text to value to text, prefixes, and sockaddr both ways. */
#include "lib/base/addr.h"

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

static struct ip_addr ip(const char *text)
{
	struct ip_addr ret = { 0 };

	assert_int_equal(ip_parse(slice_text(text), &ret), OK);
	return ret;
}

static void round_trips(void **state)
{
	static const char *const same[] = { "0.0.0.0", "10.0.0.2", "255.255.255.255", "::",
					    "::1", "2001:db8::1", "fe80::1:2:3:4" };
	static const struct {
		const char *in;
		const char *out;
	} others[] = {
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, /* RFC 5952 */
		{ "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
	};
	char storage[64];
	struct text text;

	(void)state;
	for (size_t i = 0; i < array_size(same); i++) {
		struct ip_addr a = ip(same[i]);

		text_init(&text, storage, sizeof(storage));
		ip_write(&text, &a);
		assert_slice(text_done(&text), same[i]);
	}
	for (size_t i = 0; i < array_size(others); i++) {
		struct ip_addr a = ip(others[i].in);

		text_init(&text, storage, sizeof(storage));
		ip_write(&text, &a);
		assert_slice(text_done(&text), others[i].out);
	}
}

static void wrong_addresses(void **state)
{
	static const char *const wrong[] = {
		"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.x",
		"0x7f.1", "2130706433", ":::", "1::2::3", "[::1]", "fe80::1%eth0", "12345::",
		"1.2.3.4:80", "localhost",
	};
	struct ip_addr ret = ip("9.9.9.9");
	struct ip_addr before = ret;

	(void)state;
	for (size_t i = 0; i < array_size(wrong); i++)
		if (ip_parse(slice_text(wrong[i]), &ret) != ERR_SYNTAX)
			fail_msg("taken: %s", wrong[i]);
	assert_int_equal(ip_parse(slice_of("1.2.3.4\0", 8), &ret), ERR_SYNTAX);
	assert_true(ip_eq(&ret, &before));
	assert_int_equal(ip_parse_reference(SLICE("[1.2.3.4]"), &ret), ERR_SYNTAX);
	assert_int_equal(ip_parse_reference(SLICE("["), &ret), ERR_SYNTAX);
	assert_int_equal(ip_parse_reference(SLICE("[::1]"), &ret), OK);
}

static void endpoints(void **state)
{
	static const char *const right[] = { "1.2.3.4:5060", "[2001:db8::1]:65535", "0.0.0.0:0" };
	static const char *const wrong[] = { "", ":", ":5060", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
					     "::1:5060", "[::1]", "[::1]5060", "1.2.3.4:-1", "[]:1" };
	char storage[ENDPOINT_TEXT_BYTES];
	struct endpoint ret;

	(void)state;
	for (size_t i = 0; i < array_size(right); i++) {
		assert_int_equal(endpoint_parse(slice_text(right[i]), &ret), OK);
		assert_string_equal(endpoint_text(&ret, storage), right[i]);
	}
	for (size_t i = 0; i < array_size(wrong); i++)
		if (endpoint_parse(slice_text(wrong[i]), &ret) == OK)
			fail_msg("taken: %s", wrong[i]);
}

static void prefixes(void **state)
{
	static const struct {
		const char *prefix;
		const char *inside; /* NULL: the prefix is wrong */
		const char *outside;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
		{ "203.0.113.0/28", "203.0.113.15", "203.0.113.16" },
		{ "203.0.113.7", "203.0.113.7", "203.0.113.6" },
		{ "0.0.0.0/0", "255.255.255.255", "::1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
		{ "::/0", "ffff::", "1.2.3.4" },
		{ "2001:db8::1/128", "2001:db8::1", "2001:db8::2" },
		{ "10.0.0.1/8", NULL, NULL },
		{ "10.0.0.0/33", NULL, NULL },
		{ "10.0.0.0/", NULL, NULL },
		{ "10.0.0.0/-1", NULL, NULL },
		{ "10.0.0.0/8/8", NULL, NULL },
		{ "2001:db8::/129", NULL, NULL },
		{ "2001:db8::1/127", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct ip_prefix prefix;
		enum err err = ip_prefix_parse(slice_text(rows[i].prefix), &prefix);
		struct ip_addr inside;
		struct ip_addr outside;

		assert_int_equal(err, rows[i].inside ? OK : ERR_SYNTAX);
		if (!rows[i].inside)
			continue;
		inside = ip(rows[i].inside);
		outside = ip(rows[i].outside);
		assert_true(ip_prefix_has(&prefix, &inside));
		assert_false(ip_prefix_has(&prefix, &outside));
	}
}

static void kinds(void **state)
{
	const struct ip_addr any = ip("::");
	const struct ip_addr group = ip("239.1.2.3");
	const struct ip_addr group6 = ip("ff02::1");
	const struct ip_addr loop = ip("127.9.9.9");
	const struct ip_addr loop6 = ip("::1");
	const struct ip_addr plain = ip("198.51.100.1");

	(void)state;
	assert_true(ip_unspecified(&any) && !ip_unspecified(&plain));
	assert_true(ip_multicast(&group) && ip_multicast(&group6) && !ip_multicast(&plain));
	assert_true(ip_loopback(&loop) && ip_loopback(&loop6) && !ip_loopback(&plain));
}

static void sockaddrs(void **state)
{
	static const char *const texts[] = { "1.2.3.4:5060", "[2001:db8::1]:1" };
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	struct sockaddr_in6 *mapped = (void *)&sa;
	struct endpoint ret;
	char storage[ENDPOINT_TEXT_BYTES];

	(void)state;
	assert_int_equal(endpoint_from_sockaddr(&sa, &ret), ERR_UNSUPPORTED);
	for (size_t i = 0; i < array_size(texts); i++) {
		struct endpoint endpoint;

		assert_int_equal(endpoint_parse(slice_text(texts[i]), &endpoint), OK);
		assert_int_equal(endpoint_to_sockaddr(&endpoint, &sa),
				 i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(endpoint_from_sockaddr(&sa, &ret), OK);
		assert_true(endpoint_eq(&ret, &endpoint));
	}
	/* What an IPv6 socket calls an IPv4 peer. */
	mapped->sin6_addr = (struct in6_addr){ .s6_addr = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
	assert_int_equal(endpoint_from_sockaddr(&sa, &ret), OK);
	assert_string_equal(endpoint_text(&ret, storage), "192.0.2.1:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(wrong_addresses),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(kinds),
		cmocka_unit_test(sockaddrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

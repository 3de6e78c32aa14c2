/* SPDX-License-Identifier: MIT
 * Tokens, the shapes of the header that are no token, and the wait of an address that guesses. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "mgmt-api/authz/authz.h"

struct world {
	struct authz authz;
	struct ip_addr from;
	char token[AUTHZ_TOKEN_CHARS];
	char header[AUTHZ_TOKEN_CHARS + 7];
};

static int setup(void **state)
{
	static struct world world;
	unsigned char hash[AUTHZ_HASH_BYTES];
	struct rand rand;
	struct text text;

	authz_init(&world.authz);
	rand_init_seed(&rand, 1);
	text_init(&text, world.token, sizeof(world.token));
	authz_make_token(&rand, &text);
	ensure(text.err == OK && text.len == AUTHZ_TOKEN_CHARS);
	authz_hash(text_done(&text), hash);
	ensure(authz_add(&world.authz, SLICE("admin"), hash) == OK);
	ensure(ip_parse(SLICE("192.0.2.1"), &world.from) == OK);
	memcpy(world.header, "Bearer ", 7);
	memcpy(world.header + 7, world.token, AUTHZ_TOKEN_CHARS);
	*state = &world;
	return 0;
}

static enum authz_verdict check(struct world *world, struct slice header, uint64_t now_ms)
{
	return authz_check(&world->authz, header, 1, &world->from, now_ms).verdict;
}

static struct slice good(struct world *world)
{
	return slice_of(world->header, sizeof(world->header));
}

/* The digest of "abc", FIPS 180-2 appendix B.1. */
static void test_hash(void **state)
{
	static const unsigned char expected[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
	unsigned char hash[AUTHZ_HASH_BYTES];

	(void)state;
	authz_hash(SLICE("abc"), hash);
	assert_memory_equal(hash, expected, sizeof(expected));
}

static void test_header_shapes(void **state)
{
	static const char *const bad[] = { "", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Bearer a b",
					   "Bearer a,b" };
	struct world *world = *state;

	assert_int_equal(check(world, good(world), 1000), AUTHZ_ALLOWED);
	assert_true(authz_token_ok(slice_of(world->token, sizeof(world->token))));
	assert_int_equal(authz_check(&world->authz, good(world), 2, &world->from, 1000).verdict,
			 AUTHZ_DENIED);
	assert_int_equal(authz_check(&world->authz, good(world), 0, &world->from, 1000).verdict,
			 AUTHZ_DENIED);
	/* The bare token, a part of it, and one more character. */
	assert_int_equal(check(world, slice_skip(good(world), 7), 1000), AUTHZ_DENIED);
	assert_int_equal(check(world, slice_head(good(world), 40), 1000), AUTHZ_DENIED);
	for (int i = 0; i < 100; i++)
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
			assert_int_equal(check(world, slice_text(bad[k]), 1000), AUTHZ_DENIED);
}

static void test_wait(void **state)
{
	struct world *world = *state;
	struct authz_answer answer;
	struct ip_addr other;

	for (unsigned i = 0; i < AUTHZ_FREE_FAILURES; i++)
		assert_int_equal(check(world, SLICE("Bearer wrong"), 1000), AUTHZ_DENIED);
	answer = authz_check(&world->authz, SLICE("Bearer wrong"), 1, &world->from, 1000);
	assert_int_equal(answer.verdict, AUTHZ_WAIT);
	assert_int_equal(answer.retry_after_s, 2);
	assert_int_equal(check(world, good(world), 1000), AUTHZ_ALLOWED);
	assert_int_equal(ip_parse(SLICE("192.0.2.2"), &other), OK);
	assert_int_equal(authz_check(&world->authz, SLICE("Bearer wrong"), 1, &other, 1000).verdict,
			 AUTHZ_DENIED);
	/* After the wait one more try is heard, and the next wait is twice as long. */
	assert_int_equal(check(world, SLICE("Bearer wrong"), 3000), AUTHZ_DENIED);
	answer = authz_check(&world->authz, SLICE("Bearer wrong"), 1, &world->from, 3000);
	assert_int_equal(answer.verdict, AUTHZ_WAIT);
	assert_int_equal(answer.retry_after_s, 4);
	assert_int_equal(check(world, SLICE("Bearer wrong"), 3000 + 3600 * 1000 + 1), AUTHZ_DENIED);
	assert_int_equal(check(world, SLICE("Bearer wrong"), 3000 + 3600 * 1000 + 1), AUTHZ_DENIED);
}

/* All of a /64 is one address; ten thousand strangers cost no memory. */
static void test_addresses(void **state)
{
	struct world *world = *state;
	struct ip_addr ip;

	assert_int_equal(ip_parse(SLICE("2001:db8::"), &ip), OK);
	for (unsigned i = 0; i < AUTHZ_FREE_FAILURES; i++) {
		ip.bytes[15] = (uint8_t)i;
		authz_check(&world->authz, SLICE("Bearer wrong"), 1, &ip, 5000);
	}
	ip.bytes[15] = 0xff;
	assert_int_equal(authz_check(&world->authz, SLICE("Bearer wrong"), 1, &ip, 5000).verdict,
			 AUTHZ_WAIT);
	for (unsigned i = 0; i < 10000; i++) {
		ip.bytes[6] = (uint8_t)(i >> 8);
		ip.bytes[7] = (uint8_t)i;
		authz_check(&world->authz, SLICE("Bearer wrong"), 1, &ip, 5001 + i);
	}
	assert_int_equal(world->authz.address_count, AUTHZ_MAX_ADDRESSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hash, setup),
		cmocka_unit_test_setup(test_header_shapes, setup),
		cmocka_unit_test_setup(test_wait, setup),
		cmocka_unit_test_setup(test_addresses, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * A client's hello before there is an object for it: the cookie that proves its source, hellos in
 * fragments, and broken ones. */
#include "tests/unit/media-relay/dtls_fixture.h"

static int add_extension(SSL *ssl, unsigned int type, unsigned int context,
			 const unsigned char **out, size_t *len, X509 *x, size_t chain, int *alert,
			 void *arg)
{
	static const unsigned char share[1216]; /* as long as X25519MLKEM768's */

	(void)ssl;
	(void)type;
	(void)context;
	(void)x;
	(void)chain;
	(void)alert;
	(void)arg;
	*out = share;
	*len = sizeof(share);
	return 1;
}

/* A hello as long as those of browsers with post-quantum key shares, in fragments, in both orders. */
static void long_hello(void **state)
{
	(void)state;
	for (unsigned turned = 0; turned < 2; turned++) {
		struct world world;

		world_init(&world);
		assert_int_equal(SSL_CTX_add_custom_ext(world.ends[0].engine->context, 0x4588,
							SSL_EXT_CLIENT_HELLO, add_extension, NULL,
							NULL, NULL, NULL),
				 1);
		world.last_first = turned == 1;
		world_create(&world);
		assert_true(SSL_set_mtu(world.ends[0].dtls->ssl, 600));
		start(&world);
		assert_true(world.ends[0].queued >= 3);
		run(&world);
		assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
		world_fini(&world);
	}
}

static const struct endpoint source = { { IP_V4, { 192, 0, 2, 1 } }, 5000 };

/* What the server asks back. */
struct asked {
	unsigned char bytes[DTLS_HELLO_VERIFY_MAX_BYTES];
	size_t len;
};

/* Of the client's datagram of this number, with the server. */
static enum dtls_hello verdict_of(struct world *world, unsigned number, const struct endpoint *from,
				  uint64_t now_ms, struct asked *asked)
{
	const struct end *client = &world->ends[0];

	return dtls_hello_check(world->ends[1].engine, client->out[number].bytes,
				client->out[number].len, from, now_ms, asked->bytes, &asked->len);
}

/* The client says hello, in so many datagrams. */
static void say_hello(struct world *world, unsigned datagrams)
{
	struct end *client = &world->ends[0];

	assert_int_equal(dtls_create(client->engine, &client->setup, false, 0, &client->dtls), OK);
	start(world);
	assert_int_equal(client->queued, datagrams);
}

/* It is asked for the cookie, and says hello again. */
static void ask(struct world *world, const struct asked *asked, unsigned datagrams)
{
	struct end *client = &world->ends[0];
	struct dtls_turn turn = turn_of(world, client);

	client->queued = 0;
	(void)dtls_receive(client->dtls, asked->bytes, asked->len, &turn);
	assert_int_equal(client->queued, datagrams);
}

/* The proven one gets an object, and they agree. */
static void agree(struct world *world)
{
	struct end *server = &world->ends[1];

	assert_int_equal(dtls_create(server->engine, &server->setup, true, 0, &server->dtls), OK);
	run(world);
	assert_same_keys(world, CTL_SRTP_AEAD_AES_128_GCM, 28);
}

/* The client's hello, the server's question, the hello with the cookie, and only then an object. */
static void cookie(void **state)
{
	struct endpoint elsewhere = source;
	struct asked asked;
	struct world world;

	(void)state;
	world_init(&world);
	say_hello(&world, 1);
	assert_int_equal(verdict_of(&world, 0, &source, 1000, &asked), DTLS_HELLO_ASK);
	assert_true(asked.len < world.ends[0].out[0].len);
	ask(&world, &asked, 1);
	/* The cookie is good for this source, for a minute or two. */
	elsewhere.port++;
	assert_int_equal(verdict_of(&world, 0, &elsewhere, 1000, &asked), DTLS_HELLO_ASK);
	assert_int_equal(verdict_of(&world, 0, &source, 121000, &asked), DTLS_HELLO_ASK);
	assert_int_equal(verdict_of(&world, 0, &source, 61000, &asked), DTLS_HELLO_PROVEN);
	agree(&world);
	assert_true(world.ends[1].longest <= DTLS_DATAGRAM_MAX_BYTES);
	world_fini(&world);
}

/* The cookie lies in the first fragment. */
static void cookie_of_long_hello(void **state)
{
	struct asked asked;
	struct world world;
	const struct end *client = &world.ends[0];

	(void)state;
	world_init(&world);
	assert_int_equal(SSL_CTX_add_custom_ext(client->engine->context, 0x4588,
						SSL_EXT_CLIENT_HELLO, add_extension, NULL, NULL,
						NULL, NULL),
			 1);
	say_hello(&world, 2);
	assert_int_equal(verdict_of(&world, 1, &source, 1000, &asked), DTLS_HELLO_OTHER);
	assert_true(dtls_hello_is(client->out[1].bytes, client->out[1].len));
	assert_int_equal(verdict_of(&world, 0, &source, 1000, &asked), DTLS_HELLO_ASK);
	assert_false(dtls_hello_is(asked.bytes, asked.len));
	ask(&world, &asked, 2);
	assert_int_equal(verdict_of(&world, 0, &source, 1000, &asked), DTLS_HELLO_PROVEN);
	agree(&world);
	world_fini(&world);
}

/* Cut anywhere, or with a byte changed, a hello is never proven. */
static void broken_hellos(void **state)
{
	struct asked asked;
	struct world world;
	struct end *client = &world.ends[0];

	(void)state;
	world_init(&world);
	say_hello(&world, 1);
	for (size_t cut = 0; cut < client->out[0].len; cut++) {
		/* A copy of just that length, for the sanitizer. */
		unsigned char *bytes = test_malloc(cut + 1);

		memcpy(bytes, client->out[0].bytes, cut);
		assert_int_equal(dtls_hello_check(world.ends[1].engine, bytes, cut, &source, 0,
						  asked.bytes, &asked.len),
				 DTLS_HELLO_OTHER);
		test_free(bytes);
	}
	for (size_t i = 0; i < client->out[0].len; i++) {
		client->out[0].bytes[i] ^= 0x80;
		assert_int_not_equal(verdict_of(&world, 0, &source, 0, &asked), DTLS_HELLO_PROVEN);
		client->out[0].bytes[i] ^= 0x80;
	}
	world_fini(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_hello),
		cmocka_unit_test(cookie),
		cmocka_unit_test(cookie_of_long_hello),
		cmocka_unit_test(broken_hellos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

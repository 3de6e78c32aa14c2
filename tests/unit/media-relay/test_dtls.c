/* SPDX-License-Identifier: MIT
 * Handshakes between two associations over a network in memory that loses, turns around and looks
 * into datagrams. Independent peers are in the scenarios. */
#include "tests/support/unit.h"

#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/dtls/dtls_priv.h"

#define QUEUE 64

struct world;

struct end {
	struct world *world;
	struct dtls_identity *identity;
	struct dtls_engine *engine;
	struct dtls *dtls;
	struct ctl_dtls_setup setup;
	struct {
		unsigned char bytes[2048];
		size_t len;
	} out[QUEUE];
	unsigned sent; /* ever */
	unsigned queued;
	size_t longest;
	uint64_t lose; /* bits: of the datagrams it sends, by their order */
};

struct world {
	struct end ends[2]; /* 0: client */
	uint64_t now_ms;
	bool last_first; /* of what waits, the last one arrives first */
};

static void on_send(void *owner, const unsigned char *bytes, size_t len)
{
	struct end *end = owner;
	unsigned number = end->sent++;

	assert_true(len <= sizeof(end->out[0].bytes));
	if (len > end->longest)
		end->longest = len;
	if (number < 64 && end->lose >> number & 1)
		return;
	assert_true(end->queued < QUEUE);
	memcpy(end->out[end->queued].bytes, bytes, len);
	end->out[end->queued++].len = len;
}

static struct dtls_turn turn_of(struct world *world, struct end *end)
{
	return (struct dtls_turn){ world->now_ms, on_send, end };
}

static void world_init(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->now_ms = 1000000;
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		end->world = world;
		assert_int_equal(dtls_identity_create(&end->identity), OK);
		assert_int_equal(dtls_engine_create(end->identity, 8, &end->engine), OK);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		end->setup = (struct ctl_dtls_setup){
			.role = i == 0 ? CTL_DTLS_ACTIVE : CTL_DTLS_PASSIVE,
			.hash = CTL_HASH_SHA256,
			.fingerprint = dtls_identity_fingerprint(world->ends[1 - i].identity),
		};
		assert_null(dtls_setup_check(&end->setup));
	}
}

static void world_create(struct world *world)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		assert_int_equal(dtls_create(end->engine, &end->setup, false, world->now_ms,
					     &end->dtls),
				 OK);
	}
}

static void world_fini(struct world *world)
{
	for (unsigned i = 0; i < 2; i++) {
		dtls_destroy(&world->ends[i].dtls);
		dtls_engine_destroy(&world->ends[i].engine);
		dtls_identity_destroy(&world->ends[i].identity);
	}
}

/* Carries what waits at `from`. False: nothing did. */
static bool carry(struct world *world, struct end *from, struct end *to)
{
	struct dtls_turn turn = turn_of(world, to);
	unsigned char bytes[2048];
	unsigned count = from->queued;

	from->queued = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = world->last_first ? count - 1 - i : i;

		memcpy(bytes, from->out[at].bytes, from->out[at].len);
		(void)dtls_receive(to->dtls, bytes, from->out[at].len, &turn);
	}
	return count > 0;
}

static void start(struct world *world)
{
	struct dtls_turn turn = turn_of(world, &world->ends[0]);

	(void)dtls_start(world->ends[0].dtls, &turn);
}

static bool settled(const struct world *world)
{
	return dtls_state(world->ends[0].dtls) != DTLS_HANDSHAKE &&
	       dtls_state(world->ends[1].dtls) != DTLS_HANDSHAKE;
}

/* Until both ends know, letting time pass where nothing moves: OpenSSL's timer is the system's. */
static void run(struct world *world)
{
	static const struct timespec nap = { .tv_nsec = 20000000 };

	for (unsigned i = 0; i < 1000 && !settled(world); i++) {
		bool moved = carry(world, &world->ends[0], &world->ends[1]);

		moved |= carry(world, &world->ends[1], &world->ends[0]);
		if (moved)
			continue;
		nanosleep(&nap, NULL);
		world->now_ms += 20;
		for (unsigned j = 0; j < 2; j++) {
			struct dtls_turn turn = turn_of(world, &world->ends[j]);

			(void)dtls_tick(world->ends[j].dtls, &turn);
		}
	}
}

static void assert_same_keys(struct world *world, enum ctl_srtp_suite suite, size_t len)
{
	struct dtls_keys keys[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(dtls_state(world->ends[i].dtls), DTLS_SECURED);
		assert_true(dtls_take_keys(world->ends[i].dtls, &keys[i]));
		assert_false(dtls_take_keys(world->ends[i].dtls, &keys[i]));
		assert_int_equal(keys[i].suite, suite);
		assert_int_equal(keys[i].len, len);
	}
	assert_memory_equal(keys[0].send, keys[1].receive, len);
	assert_memory_equal(keys[1].send, keys[0].receive, len);
	assert_memory_not_equal(keys[0].send, keys[0].receive, len);
}

/* ---- ---- */

static void suites_agreed(void **state)
{
	static const struct {
		uint32_t client, server;
		enum ctl_srtp_suite agreed;
		size_t len;
	} table[] = {
		{ 0, 0, CTL_SRTP_AEAD_AES_128_GCM, 28 },
		{ 0, 1 << CTL_SRTP_AEAD_AES_256_GCM, CTL_SRTP_AEAD_AES_256_GCM, 44 },
		{ 1 << CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 30 },
		{ 1 << CTL_SRTP_AES_CM_128_HMAC_SHA1_32, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_32, 30 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct world world;

		world_init(&world);
		world.ends[0].setup.suites = table[i].client;
		world.ends[1].setup.suites = table[i].server;
		world_create(&world);
		start(&world);
		run(&world);
		assert_same_keys(&world, table[i].agreed, table[i].len);
		assert_true(world.ends[0].longest <= DTLS_DATAGRAM_MAX_BYTES);
		assert_true(world.ends[1].longest <= DTLS_DATAGRAM_MAX_BYTES);
		world_fini(&world);
	}
}

static void no_suite_in_common(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world.ends[0].setup.suites = 1 << CTL_SRTP_AEAD_AES_128_GCM;
	world.ends[1].setup.suites = 1 << CTL_SRTP_AES_CM_128_HMAC_SHA1_80;
	world_create(&world);
	start(&world);
	run(&world);
	for (unsigned i = 0; i < 2; i++) {
		struct dtls_keys keys;

		assert_int_equal(dtls_state(world.ends[i].dtls), DTLS_FAILED);
		assert_false(dtls_take_keys(world.ends[i].dtls, &keys));
	}
	assert_int_equal(dtls_failure(world.ends[0].dtls), CTL_SECURITY_PROFILE);
	world_fini(&world);
}

/* Another certificate than the signalling named: no keys, on whichever side it is seen. */
static void wrong_fingerprint(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct world world;
		struct dtls_keys keys;
		unsigned char other[DTLS_FINGERPRINT_BYTES];

		world_init(&world);
		memcpy(other, world.ends[who].setup.fingerprint.p, sizeof(other));
		other[31] ^= 1;
		world.ends[who].setup.fingerprint.p = (const char *)other;
		world_create(&world);
		start(&world);
		run(&world);
		assert_int_equal(dtls_state(world.ends[who].dtls), DTLS_FAILED);
		assert_int_equal(dtls_failure(world.ends[who].dtls), CTL_SECURITY_FINGERPRINT);
		assert_false(dtls_take_keys(world.ends[who].dtls, &keys));
		assert_false(dtls_take_keys(world.ends[1 - who].dtls, &keys));
		assert_int_equal(dtls_state(world.ends[1 - who].dtls), DTLS_FAILED);
		assert_int_equal(dtls_failure(world.ends[1 - who].dtls), CTL_SECURITY_HANDSHAKE);
		world_fini(&world);
	}
}

static void hashes(void **state)
{
	static const enum ctl_hash all[] = { CTL_HASH_SHA1, CTL_HASH_SHA224, CTL_HASH_SHA384,
					     CTL_HASH_SHA512 };

	(void)state;
	for (size_t i = 0; i < array_size(all); i++) {
		struct world world;
		unsigned char digest[EVP_MAX_MD_SIZE];
		unsigned int len;

		world_init(&world);
		assert_int_equal(X509_digest(world.ends[0].identity->certificate,
					     dtls_hash_md(all[i]), digest, &len),
				 1);
		world.ends[1].setup.hash = (uint8_t)all[i];
		world.ends[1].setup.fingerprint = slice_of((char *)digest, len);
		assert_null(dtls_setup_check(&world.ends[1].setup));
		world.ends[1].setup.fingerprint.len--;
		assert_non_null(dtls_setup_check(&world.ends[1].setup));
		world.ends[1].setup.fingerprint.len++;
		world_create(&world);
		start(&world);
		run(&world);
		assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
		world_fini(&world);
	}
}

/* Any datagram of the handshake may get lost, and what is sent again brings it to its end. */
static void losses(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		for (unsigned number = 0; number < 2; number++) {
			struct world world;

			world_init(&world);
			world.ends[who].lose = UINT64_C(1) << number;
			world_create(&world);
			start(&world);
			run(&world);
			/* The last flight of the server: its client asks again. */
			assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
			world_fini(&world);
		}
	}
}

/* ---- hellos ---- */

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

/* The client's hello, the server's question, the hello with the cookie, and only then an object. */
static void cookie(void **state)
{
	unsigned char ask[DTLS_HELLO_VERIFY_MAX_BYTES];
	struct endpoint elsewhere = source;
	struct dtls_turn turn;
	struct world world;
	struct end *client, *server;
	size_t len;

	(void)state;
	world_init(&world);
	client = &world.ends[0];
	server = &world.ends[1];
	assert_int_equal(dtls_create(client->engine, &client->setup, false, 0, &client->dtls), OK);
	start(&world);
	assert_int_equal(client->queued, 1);
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &source, 1000, ask, &len),
			 DTLS_HELLO_ASK);
	assert_true(len < client->out[0].len);
	client->queued = 0;
	turn = turn_of(&world, client);
	(void)dtls_receive(client->dtls, ask, len, &turn);
	assert_int_equal(client->queued, 1);
	/* The cookie is good for this source, for a minute or two. */
	elsewhere.port++;
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &elsewhere, 1000, ask, &len),
			 DTLS_HELLO_ASK);
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &source, 121000, ask, &len),
			 DTLS_HELLO_ASK);
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &source, 61000, ask, &len),
			 DTLS_HELLO_PROVEN);
	assert_int_equal(dtls_create(server->engine, &server->setup, true, 0, &server->dtls), OK);
	run(&world);
	assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
	assert_true(server->longest <= DTLS_DATAGRAM_MAX_BYTES);
	world_fini(&world);
}

/* The cookie lies in the first fragment. */
static void cookie_of_long_hello(void **state)
{
	unsigned char ask[DTLS_HELLO_VERIFY_MAX_BYTES];
	struct dtls_turn turn;
	struct world world;
	struct end *client, *server;
	size_t len;

	(void)state;
	world_init(&world);
	client = &world.ends[0];
	server = &world.ends[1];
	assert_int_equal(SSL_CTX_add_custom_ext(client->engine->context, 0x4588,
						SSL_EXT_CLIENT_HELLO, add_extension, NULL, NULL,
						NULL, NULL),
			 1);
	assert_int_equal(dtls_create(client->engine, &client->setup, false, 0, &client->dtls), OK);
	start(&world);
	assert_int_equal(client->queued, 2);
	assert_int_equal(dtls_hello_check(server->engine, client->out[1].bytes, client->out[1].len,
					  &source, 1000, ask, &len),
			 DTLS_HELLO_OTHER);
	assert_true(dtls_hello_is(client->out[1].bytes, client->out[1].len));
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &source, 1000, ask, &len),
			 DTLS_HELLO_ASK);
	assert_false(dtls_hello_is(ask, len));
	client->queued = 0;
	turn = turn_of(&world, client);
	(void)dtls_receive(client->dtls, ask, len, &turn);
	assert_int_equal(client->queued, 2);
	assert_int_equal(dtls_hello_check(server->engine, client->out[0].bytes, client->out[0].len,
					  &source, 1000, ask, &len),
			 DTLS_HELLO_PROVEN);
	assert_int_equal(dtls_create(server->engine, &server->setup, true, 0, &server->dtls), OK);
	run(&world);
	assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
	world_fini(&world);
}

/* Cut anywhere, or with a byte changed, a hello is never proven. */
static void broken_hellos(void **state)
{
	unsigned char ask[DTLS_HELLO_VERIFY_MAX_BYTES];
	struct world world;
	struct end *client;
	size_t len;

	(void)state;
	world_init(&world);
	client = &world.ends[0];
	assert_int_equal(dtls_create(client->engine, &client->setup, false, 0, &client->dtls), OK);
	start(&world);
	for (size_t cut = 0; cut < client->out[0].len; cut++) {
		/* A copy of just that length, for the sanitizer. */
		unsigned char *bytes = test_malloc(cut + 1);

		memcpy(bytes, client->out[0].bytes, cut);
		assert_int_equal(dtls_hello_check(world.ends[1].engine, bytes, cut, &source, 0, ask,
						  &len),
				 DTLS_HELLO_OTHER);
		test_free(bytes);
	}
	for (size_t i = 0; i < client->out[0].len; i++) {
		client->out[0].bytes[i] ^= 0x80;
		assert_int_not_equal(dtls_hello_check(world.ends[1].engine, client->out[0].bytes,
						      client->out[0].len, &source, 0, ask, &len),
				     DTLS_HELLO_PROVEN);
		client->out[0].bytes[i] ^= 0x80;
	}
	world_fini(&world);
}

/* ---- old versions, weak ciphers, second handshakes ---- */

static void dtls_1_0_is_refused(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_create(&world);
	SSL_set_security_level(world.ends[0].dtls->ssl, 0);
	assert_int_equal(SSL_set_min_proto_version(world.ends[0].dtls->ssl, DTLS1_VERSION), 1);
	assert_int_equal(SSL_set_max_proto_version(world.ends[0].dtls->ssl, DTLS1_VERSION), 1);
	start(&world);
	run(&world);
	assert_int_equal(dtls_state(world.ends[1].dtls), DTLS_FAILED);
	assert_int_equal(dtls_failure(world.ends[1].dtls), CTL_SECURITY_HANDSHAKE);
	world_fini(&world);
}

static void null_cipher_is_refused(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_create(&world);
	SSL_set_security_level(world.ends[0].dtls->ssl, 0);
	assert_int_equal(SSL_set_cipher_list(world.ends[0].dtls->ssl, "ECDHE-ECDSA-NULL-SHA"), 1);
	start(&world);
	run(&world);
	assert_int_equal(dtls_state(world.ends[1].dtls), DTLS_FAILED);
	world_fini(&world);
}

static void renegotiation_is_refused(void **state)
{
	struct world world;
	unsigned sent;

	(void)state;
	world_init(&world);
	world_create(&world);
	start(&world);
	run(&world);
	assert_int_equal(dtls_state(world.ends[1].dtls), DTLS_SECURED);
	while (carry(&world, &world.ends[0], &world.ends[1]) ||
	       carry(&world, &world.ends[1], &world.ends[0]))
		;
	SSL_clear_options(world.ends[0].dtls->ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(world.ends[0].dtls->ssl), 1);
	world.ends[0].dtls->state = DTLS_HANDSHAKE; /* so that this end drives one */
	sent = world.ends[1].sent;
	start(&world);
	assert_true(world.ends[0].queued > 0);
	for (unsigned i = 0; i < 4; i++) {
		(void)carry(&world, &world.ends[0], &world.ends[1]);
		(void)carry(&world, &world.ends[1], &world.ends[0]);
	}
	/* A warning, to which OpenSSL's client may answer by its end; no flight. */
	assert_int_not_equal(dtls_state(world.ends[1].dtls), DTLS_FAILED);
	assert_true(world.ends[1].sent <= sent + 2);
	assert_int_equal(SSL_num_renegotiations(world.ends[1].dtls->ssl), 0);
	assert_int_not_equal(dtls_state(world.ends[0].dtls), DTLS_SECURED);
	world_fini(&world);
}

static void close_is_answered(void **state)
{
	struct dtls_turn turn;
	struct world world;

	(void)state;
	world_init(&world);
	world_create(&world);
	start(&world);
	run(&world);
	while (carry(&world, &world.ends[0], &world.ends[1]) ||
	       carry(&world, &world.ends[1], &world.ends[0]))
		;
	turn = turn_of(&world, &world.ends[0]);
	world.ends[0].dtls->turn = &turn;
	assert_int_equal(SSL_shutdown(world.ends[0].dtls->ssl), 0);
	world.ends[0].dtls->turn = NULL;
	assert_true(carry(&world, &world.ends[0], &world.ends[1]));
	assert_int_equal(dtls_state(world.ends[1].dtls), DTLS_CLOSED);
	assert_true(carry(&world, &world.ends[1], &world.ends[0]));
	assert_int_equal(dtls_state(world.ends[0].dtls), DTLS_CLOSED);
	world_fini(&world);
}

/* Whoever does not answer gets a few datagrams, then none. */
static void silence(void **state)
{
	struct dtls_turn turn;
	struct world world;

	(void)state;
	world_init(&world);
	world_create(&world);
	start(&world);
	turn = turn_of(&world, &world.ends[0]);
	assert_true(dtls_due_ms(world.ends[0].dtls, world.now_ms) <= world.now_ms + 251);
	assert_int_equal(dtls_tick(world.ends[0].dtls, &turn), DTLS_HANDSHAKE);
	turn.now_ms += DTLS_HANDSHAKE_MS - 1;
	assert_int_equal(dtls_tick(world.ends[0].dtls, &turn), DTLS_HANDSHAKE);
	turn.now_ms += 1;
	assert_int_equal(dtls_tick(world.ends[0].dtls, &turn), DTLS_FAILED);
	assert_int_equal(dtls_failure(world.ends[0].dtls), CTL_SECURITY_TIMEOUT);
	assert_true(dtls_due_ms(world.ends[0].dtls, turn.now_ms) == UINT64_MAX);
	world_fini(&world);
}

/* OpenSSL's object is large: it goes once nobody can ask for the last flight any more. */
static void lingering(void **state)
{
	struct dtls_turn turn;
	struct world world;

	(void)state;
	world_init(&world);
	world_create(&world);
	start(&world);
	run(&world);
	turn = turn_of(&world, &world.ends[1]);
	assert_int_equal(dtls_due_ms(world.ends[1].dtls, turn.now_ms),
			 world.now_ms + DTLS_LINGER_MS);
	turn.now_ms += DTLS_LINGER_MS - 1;
	assert_int_equal(dtls_tick(world.ends[1].dtls, &turn), DTLS_SECURED);
	assert_non_null(world.ends[1].dtls->ssl);
	turn.now_ms += 1;
	assert_int_equal(dtls_tick(world.ends[1].dtls, &turn), DTLS_SECURED);
	assert_null(world.ends[1].dtls->ssl);
	assert_true(dtls_due_ms(world.ends[1].dtls, turn.now_ms) == UINT64_MAX);
	/* Late datagrams fall on nothing; the keys are still to be had. */
	world.ends[1].sent = 0;
	start(&world);
	(void)dtls_receive(world.ends[1].dtls, (const unsigned char *)"\x16\xfe\xfd", 3, &turn);
	assert_int_equal(world.ends[1].sent, 0);
	assert_same_keys(&world, CTL_SRTP_AEAD_AES_128_GCM, 28);
	world_fini(&world);
}

static void setups(void **state)
{
	struct ctl_dtls_setup setup = { .role = CTL_DTLS_PASSIVE };
	struct world world;
	struct dtls *dtls = NULL;

	(void)state;
	world_init(&world);
	assert_null(dtls_setup_check(&setup)); /* not known yet */
	assert_int_equal(dtls_create(world.ends[0].engine, &setup, false, 0, &dtls), ERR_STATE);
	setup.fingerprint = SLICE("0123456789abcdef"); /* MD5's length */
	assert_non_null(dtls_setup_check(&setup));
	setup.hash = CTL_HASH_SHA512 + 1;
	assert_non_null(dtls_setup_check(&setup));
	setup = world.ends[0].setup;
	setup.role = 2;
	assert_non_null(dtls_setup_check(&setup));
	setup = world.ends[0].setup;
	setup.suites = 1 << CTL_SRTP_AES_256_CM_HMAC_SHA1_80;
	assert_non_null(dtls_setup_check(&setup));
	world_fini(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites_agreed),
		cmocka_unit_test(no_suite_in_common),
		cmocka_unit_test(wrong_fingerprint),
		cmocka_unit_test(hashes),
		cmocka_unit_test(losses),
		cmocka_unit_test(long_hello),
		cmocka_unit_test(cookie),
		cmocka_unit_test(cookie_of_long_hello),
		cmocka_unit_test(broken_hellos),
		cmocka_unit_test(dtls_1_0_is_refused),
		cmocka_unit_test(null_cipher_is_refused),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(close_is_answered),
		cmocka_unit_test(silence),
		cmocka_unit_test(lingering),
		cmocka_unit_test(setups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Handshakes between two associations: what is agreed, what is refused, losses, closing and silence.
 * Independent peers are in the scenarios. */
#include "tests/unit/media-relay/dtls_fixture.h"

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

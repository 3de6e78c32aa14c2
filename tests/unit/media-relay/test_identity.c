/* SPDX-License-Identifier: MIT
 * Certificates of ours over the relay's death and over the days: written and read again, known beside
 * today's, and shown to the peer that was told of just that one. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "media-relay/dtls/dtls.h"

#define NOW_MS 1000000u

struct box {
	struct dtls *to; /* what is sent is received at once, but for what is sent meanwhile */
	unsigned char bytes[16][2048];
	size_t len[16];
	unsigned count;
};

static void on_send(void *owner, const unsigned char *bytes, size_t len)
{
	struct box *box = owner;

	assert_true(box->count < 16 && len <= sizeof(box->bytes[0]));
	memcpy(box->bytes[box->count], bytes, len);
	box->len[box->count++] = len;
}

static struct dtls_identity *make(void)
{
	struct dtls_identity *identity;

	assert_int_equal(dtls_identity_create(&identity), OK);
	return identity;
}

static struct dtls_engine *engine_of(const struct dtls_identity *identity)
{
	struct dtls_engine *engine;

	assert_int_equal(dtls_engine_create(identity, 4, &engine), OK);
	return engine;
}

static void deliver(struct box *box, struct box *answers)
{
	struct dtls_turn turn = { NOW_MS, on_send, answers };
	unsigned count = box->count;

	box->count = 0;
	for (unsigned i = 0; i < count; i++)
		(void)dtls_receive(box->to, box->bytes[i], box->len[i], &turn);
}

/* Is the peer, who was told of `expected`, content with what ours shows? */
static bool shakes(struct dtls_engine *ours, struct slice shown, struct slice expected,
		   enum ctl_dtls_role role)
{
	struct dtls_identity *identity = make();
	struct dtls_engine *theirs = engine_of(identity);
	struct ctl_dtls_setup us = { .role = (uint8_t)role, .hash = CTL_HASH_SHA256, .shown = shown,
				     .fingerprint = dtls_identity_fingerprint(identity) };
	struct ctl_dtls_setup them = { .role = role == CTL_DTLS_ACTIVE ? CTL_DTLS_PASSIVE :
									 CTL_DTLS_ACTIVE,
				       .hash = CTL_HASH_SHA256, .fingerprint = expected };
	struct box to_us = { .count = 0 }, to_them = { .count = 0 };
	struct dtls_turn turn_us = { NOW_MS, on_send, &to_them };
	struct dtls_turn turn_them = { NOW_MS, on_send, &to_us };
	bool secured;

	assert_null(dtls_setup_check(&us));
	assert_int_equal(dtls_create(ours, &us, false, NOW_MS, &to_us.to), OK);
	assert_int_equal(dtls_create(theirs, &them, false, NOW_MS, &to_them.to), OK);
	(void)dtls_start(to_us.to, &turn_us);
	(void)dtls_start(to_them.to, &turn_them);
	for (unsigned i = 0; i < 6; i++) {
		deliver(&to_us, &to_them);
		deliver(&to_them, &to_us);
	}
	secured = dtls_state(to_us.to) == DTLS_SECURED && dtls_state(to_them.to) == DTLS_SECURED;
	dtls_destroy(&to_us.to);
	dtls_destroy(&to_them.to);
	dtls_engine_destroy(&theirs);
	dtls_identity_destroy(&identity);
	return secured;
}

static struct dtls_identity *copy_of(const struct dtls_identity *identity, struct arena *arena)
{
	struct slice certificate, key;
	struct dtls_identity *copy;

	assert_int_equal(dtls_identity_write(identity, arena, &certificate, &key), OK);
	assert_int_equal(dtls_identity_read(certificate, key, &copy), OK);
	return copy;
}

static void what_is_written_is_read(void **state)
{
	struct dtls_identity *first = make(), *other = make(), *copy;
	struct slice certificate, key, others_key, unused;
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 16);
	copy = copy_of(first, &arena);
	assert_true(slice_eq(dtls_identity_fingerprint(copy), dtls_identity_fingerprint(first)));
	dtls_identity_destroy(&copy);
	assert_int_equal(dtls_identity_write(first, &arena, &certificate, &key), OK);
	assert_int_equal(dtls_identity_write(other, &arena, &unused, &others_key), OK);
	assert_int_equal(dtls_identity_read(certificate, others_key, &copy), ERR_SYNTAX);
	assert_int_equal(dtls_identity_read(key, certificate, &copy), ERR_SYNTAX);
	assert_int_equal(dtls_identity_read(SLICE_NONE, SLICE_NONE, &copy), ERR_SYNTAX);
	for (size_t len = 0; len < certificate.len; len += 7)
		assert_int_equal(dtls_identity_read(slice_head(certificate, len), key, &copy),
				 ERR_SYNTAX);
	for (size_t len = 0; len < key.len; len += 7)
		assert_int_equal(dtls_identity_read(certificate, slice_head(key, len), &copy),
				 ERR_SYNTAX);
	arena_fini(&arena);
	arena_init(&arena, &cache, 64, 64);
	assert_int_equal(dtls_identity_write(first, &arena, &certificate, &key), ERR_NOMEM);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	dtls_identity_destroy(&first);
	dtls_identity_destroy(&other);
}

/* A peer that was told of a former relay's certificate is shown that one, any other today's. */
static void each_sees_what_it_was_told(void **state)
{
	struct dtls_identity *own = make(), *former = make(), *next = make();
	struct slice of[3] = { dtls_identity_fingerprint(own), dtls_identity_fingerprint(former),
			       dtls_identity_fingerprint(next) };
	struct dtls_engine *engine = engine_of(own);
	struct arena_cache cache;
	struct arena arena;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 16);
	for (unsigned i = 0; i < 2; i++) /* told twice is known once */
		dtls_engine_know(engine, copy_of(former, &arena), false);
	for (unsigned role = 0; role < 2; role++) {
		assert_true(shakes(engine, SLICE_NONE, of[0], (enum ctl_dtls_role)role));
		assert_true(shakes(engine, of[0], of[0], (enum ctl_dtls_role)role));
		assert_true(shakes(engine, of[1], of[1], (enum ctl_dtls_role)role));
		assert_false(shakes(engine, SLICE_NONE, of[1], (enum ctl_dtls_role)role));
	}
	dtls_engine_know(engine, copy_of(next, &arena), true);
	assert_true(shakes(engine, SLICE_NONE, of[2], CTL_DTLS_PASSIVE));
	assert_true(shakes(engine, of[2], of[2], CTL_DTLS_ACTIVE));
	for (unsigned i = 0; i < 2; i++)
		assert_true(shakes(engine, of[i], of[i], CTL_DTLS_PASSIVE));
	/* Days later: today's stays, what is forgotten is today's. */
	for (unsigned i = 0; i < DTLS_IDENTITIES; i++)
		dtls_engine_know(engine, make(), false);
	assert_true(shakes(engine, SLICE_NONE, of[2], CTL_DTLS_PASSIVE));
	assert_true(shakes(engine, of[1], of[2], CTL_DTLS_PASSIVE));
	arena_fini(&arena);
	arena_cache_fini(&cache);
	dtls_engine_destroy(&engine);
	dtls_identity_destroy(&own);
	dtls_identity_destroy(&former);
	dtls_identity_destroy(&next);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(each_sees_what_it_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

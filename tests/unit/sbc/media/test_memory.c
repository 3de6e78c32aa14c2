/* SPDX-License-Identifier: MIT
 * Memory ends anywhere: in the call's arena, the turn's or the terms' quota. Every step then says
 * ERR_NOMEM or gives nothing, and what had been agreed is still there. */
#include "tests/support/media_world.h"

#define A "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n"
#define LINES                                                                                      \
	"m=audio 4000 RTP/AVP 0 96 101\r\na=rtpmap:96 X-long-name/48000/2\r\n"                     \
	"a=fmtp:96 useinbandfec=1;maxaveragebitrate=20000\r\n"                                     \
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"                                 \
	"m=video 5000 RTP/AVP 31\r\nm=foobar 1 x/y z\r\n"

/* The same with keys of both kinds, and ICE. */
#define SECURE                                                                                     \
	"a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n" LINES                           \
	"m=audio 4002 RTP/AVP 0\r\na=mid:x\r\na=rtcp-mux\r\n"                                       \
	"a=crypto:2 AES_CM_128_HMAC_SHA1_80 "                                                      \
	"inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|1:4\r\n"                                  \
	"m=audio 4004 RTP/AVP 0\r\na=setup:active\r\na=tls-id:abc3de65cddef001be82\r\n"            \
	"a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:" \
	"B9:B1:3F:82:18:3B:54:02:12:DF\r\n"

enum keys { PLAIN, OWN_KEYS, KEYS_PASS };

/* As much of a call as there is memory for; true when all of it was. */
static bool play(struct arena *call, struct arena *turn, struct arena_cache *cache, size_t quota,
		 enum keys keys)
{
	struct world w = { .next_port = { 20000, 30000 },
			   .relay = { .suites = UINT32_MAX, .dtls_hash = CTL_HASH_SHA256 } };
	bool secure = keys != PLAIN;
	struct slice sdp = secure ? SLICE(A SECURE) : SLICE(A LINES);
	struct ctl_media_info *infos;
	uint32_t count;
	bool whole = false;
	enum err err;

	rand_init_seed(&w.rand, 1);
	w.media = media_create(call, cache, quota, 77, &w.rand);
	if (!w.media)
		return false;
	media_set_relay(w.media, &w.relay);
	for (unsigned side = 0; side < 2; side++) {
		w.sides[side].realm = SLICE("inside");
		if (secure)
			world_secure(&w, side, CONF_SRTP_OPTIONAL,
				     side == 0 ? CONF_KEYING_SDES : CONF_KEYING_DTLS);
		w.sides[side].pass = keys == KEYS_PASS;
		w.sides[side].ice = secure ? CONF_ICE_LITE : CONF_ICE_OFF;
	}
	world_sides(&w);
	for (unsigned round = 0; round < 2; round++) {
		err = media_offer_in(w.media, round, sdp, turn, &w.command, &w.verdict);
		assert_true(err == OK || err == ERR_NOMEM);
		if (err != OK)
			goto out;
		assert_true(w.command || round == 1);
		if (w.command)
			assert_int_equal(world_ports(&w), OK);
		if (media_offer_out(w.media, turn).len == 0)
			goto out;
		err = media_answer_in(w.media, sdp, turn, &w.command, &w.verdict);
		assert_true(err == OK || err == ERR_NOMEM);
		if (err != OK || media_answer_out(w.media, turn).len == 0)
			goto out;
		err = media_describe(w.media, turn, &infos, &count);
		assert_true(err == OK || err == ERR_NOMEM);
		media_commit(w.media);
	}
	whole = err == OK && media_restore(w.media, turn) && media_close(w.media, turn);
out:
	if (media_exchange_open(w.media)) {
		err = media_rollback(w.media, turn, &w.command);
		assert_true(err == OK || err == ERR_NOMEM);
		assert_false(media_exchange_open(w.media));
	}
	media_fini(w.media);
	return whole;
}

/* which: 0 the call's arena, 1 the turn's, 2 the terms'. */
static void sweep_as(unsigned which, enum keys keys)
{
	struct arena_cache cache;
	bool whole = false;

	arena_cache_init(&cache, 0);
	for (size_t quota = 0; !whole; quota += 16) {
		struct arena call, turn;

		assert_true(quota < 1 << 17);
		arena_init(&call, &cache, 512, which == 0 ? quota : 1 << 16);
		arena_init(&turn, &cache, 512, which == 1 ? quota : 1 << 20);
		whole = play(&call, &turn, &cache, which == 2 ? quota : 1 << 16, keys);
		arena_fini(&turn);
		arena_fini(&call);
		assert_int_equal(cache.used_bytes, 0);
	}
	arena_cache_fini(&cache);
}

static void sweep(unsigned which)
{
	sweep_as(which, PLAIN);
	sweep_as(which, OWN_KEYS);
	sweep_as(which, KEYS_PASS);
}

static void test_call(void **state)
{
	(void)state;
	sweep(0);
}

static void test_turn(void **state)
{
	(void)state;
	sweep(1);
}

static void test_terms(void **state)
{
	(void)state;
	sweep(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_terms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

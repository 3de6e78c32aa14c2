/* SPDX-License-Identifier: MIT
 * Two trunks that let SDES keys pass: what crosses, what does not, and that the relay is told no key. */
#include "tests/unit/sbc/media/exchange.h"

#define SAVP "m=audio 4000 RTP/SAVP 0\r\n"
#define CM_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define CM_KEY_2 "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define GCM_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=="
#define CM(tag) "a=crypto:" tag " AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY "|2^20|1:4\r\n"
#define CM_2(tag) "a=crypto:" tag " AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY_2 " WSH=128\r\n"
#define GCM(tag) "a=crypto:" tag " AEAD_AES_128_GCM inline:" GCM_KEY "\r\n"
#define RTPMAP "a=rtpmap:0 PCMU/8000\r\n"

static void passing(struct world *w, enum conf_srtp a, enum conf_srtp b)
{
	world_secure(w, 0, a, CONF_KEYING_SDES);
	world_secure(w, 1, b, CONF_KEYING_SDES);
	w->sides[0].pass = w->sides[1].pass = true;
	world_sides(w);
}

static void told(const struct world *w, bool passes)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct ctl_stream_set *set = world_stream(w, 0, side);

		assert_non_null(set);
		assert_int_equal(set->security_count, 0);
		assert_int_equal(set->flags & CTL_STREAM_PASS_CRYPTO,
				 passes ? CTL_STREAM_PASS_CRYPTO : 0);
	}
}

static void test_crosses(void **state)
{
	struct world *w = *state;
	struct slice secrets[64];
	struct ctl_media_info *infos;
	uint32_t count;

	passing(w, CONF_SRTP_REQUIRED, CONF_SRTP_OPTIONAL);
	world_expect(world_offer(w, 0, A SAVP GCM("3") CM("7")
				       "a=crypto:8 AES_CM_128_HMAC_SHA1_32 inline:" CM_KEY "\r\n"), 1,
		     TO_B "m=audio 30000 RTP/SAVP 0\r\n" RTPMAP GCM("3") CM("7") "a=sendrecv\r\n");
	told(w, true);
	world_expect(world_answer(w, B SAVP CM_2("7")), 1,
		     TO_A "m=audio 20000 RTP/SAVP 0\r\n" RTPMAP CM_2("7") "a=sendrecv\r\n");
	told(w, true);
	media_commit(w->media);
	assert_int_equal(media_describe(w->media, &w->turn, &infos, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(infos[0].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(infos[1].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	/* What is meant for the other side is no secret from it. */
	count = (uint32_t)media_secrets(w->media, 1, &w->turn, secrets, array_size(secrets));
	assert_int_equal(count, 0);
	count = (uint32_t)media_secrets(w->media, 0, &w->turn, secrets, array_size(secrets));
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(slice_find(SLICE(GCM_KEY CM_KEY), secrets[i]),
				 sizeof(GCM_KEY CM_KEY) - 1);
	w->command = media_restore(w->media, &w->turn);
	told(w, true);
}

/* Back and forth: the callee's re-INVITE with another key, and a refresh. */
static void test_again(void **state)
{
	struct world *w = *state;

	passing(w, CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED);
	world_exchange(w, 0, A SAVP CM("1"), B SAVP CM_2("1"));
	world_expect(world_offer(w, 1, B SAVP GCM("2")), 2,
		     TO_A "m=audio 20000 RTP/SAVP 0\r\n" RTPMAP GCM("2") "a=sendrecv\r\n");
	world_expect(world_answer(w, A SAVP GCM("2")), 2,
		     TO_B "m=audio 30000 RTP/SAVP 0\r\n" RTPMAP GCM("2") "a=sendrecv\r\n");
	media_commit(w->media);
	told(w, true);
	/* One that is refused leaves what was. */
	world_offer(w, 0, A SAVP CM("1"));
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_true(slice_has(media_last_sdp(w->media, 1), GCM("2")));
}

/* RFC 8643 end to end, where neither demands keys. */
static void test_optional(void **state)
{
	struct world *w = *state;
	struct ctl_media_info *infos;
	uint32_t count;

	passing(w, CONF_SRTP_OPTIONAL, CONF_SRTP_OPTIONAL);
	assert_true(slice_has(world_offer(w, 0, A PCMU CM("1")), "m=audio 30000 RTP/AVP 0\r\n" RTPMAP CM("1")));
	world_expect(world_answer(w, B PCMU), 1,
		     TO_A "m=audio 20000 RTP/AVP 0\r\n" RTPMAP "a=sendrecv\r\n");
	told(w, false);
	media_commit(w->media);
	assert_int_equal(media_describe(w->media, &w->turn, &infos, &count), OK);
	assert_int_equal(infos[0].suite, CTL_SRTP_NONE);
	/* No keys offered: each side as its own policy says. */
	assert_true(slice_has(world_offer(w, 0, A PCMU), "a=crypto:1 AEAD_AES_128_GCM inline:"));
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
}

/* Nobody who did not agree to it is left in the clear. */
static void test_refused_answers(void **state)
{
	static const struct {
		enum conf_srtp a, b;
		const char *offer;
		const char *answer;
	} rows[] = {
		{ CONF_SRTP_OPTIONAL, CONF_SRTP_OPTIONAL, A SAVP CM("1"), B PCMU },
		{ CONF_SRTP_OPTIONAL, CONF_SRTP_OPTIONAL, A SAVP CM("1"), B SAVP },
		{ CONF_SRTP_REQUIRED, CONF_SRTP_OPTIONAL, A PCMU CM("1"), B PCMU },
		{ CONF_SRTP_OPTIONAL, CONF_SRTP_REQUIRED, A PCMU CM("1"), B PCMU },
		/* Another tag, another suite than the tag's, one that was not offered on. */
		{ CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED, A SAVP CM("1"), B SAVP CM_2("2") },
		{ CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED, A SAVP CM("1") GCM("2"), B SAVP GCM("1") },
		{ CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED, A SAVP CM("1"),
		  B SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:" CM_KEY "\r\n" },
		{ CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED, A SAVP CM("1"),
		  B SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY " UNENCRYPTED_SRTP\r\n" },
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct world *w = *state;

		passing(w, rows[i].a, rows[i].b);
		world_offer(w, 0, rows[i].offer);
		assert_int_equal(media_answer_in(w->media, slice_text(rows[i].answer), &w->turn,
						 &w->command, &w->verdict),
				 ERR_REFUSED);
		assert_int_equal(w->verdict.status, 488);
		assert_string_equal(w->verdict.why, "answer_keys");
		teardown(state);
		setup(state);
	}
}

/* Keys of our own where one side does not pass, may not see keys, or can use none of the suites. */
static void test_terminated(void **state)
{
	static const enum conf_srtp_suite others[] = { CONF_AES_256_CM_HMAC_SHA1_80 };
	static const enum conf_keying dtls[] = { CONF_KEYING_DTLS };

	for (unsigned i = 0; i < 6; i++) {
		struct world *w = *state;
		struct slice sdp;

		passing(w, CONF_SRTP_REQUIRED, CONF_SRTP_OPTIONAL);
		w->sides[0].pass = i != 0;
		w->sides[1].pass = i != 1;
		w->sides[1].sdes = i != 2;
		if (i == 3) {
			w->sides[1].suites = others;
			w->sides[1].suite_count = 1;
		} else if (i == 4) {
			w->sides[1].keying = dtls;
			w->sides[1].keying_count = 1;
		} else if (i == 5) {
			w->sides[1].dtmf = CONF_DTMF_INFO;
		}
		world_sides(w);
		sdp = world_offer(w, 0, A SAVP CM("7"));
		assert_false(slice_has(sdp, CM_KEY));
		assert_int_equal(world_stream(w, 0, 0)->flags & CTL_STREAM_PASS_CRYPTO, 0);
		assert_int_equal(world_stream(w, 0, 0)->security_count, 1);
		sdp = world_answer(w, B PCMU);
		assert_true(slice_has(sdp, "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:"));
		teardown(state);
		setup(state);
	}
}

/* A parameter in words of its author's own does not cross, nor does a tag twice. */
static void test_lines(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	passing(w, CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED);
	sdp = world_offer(w, 0, A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY " -host=10.1.1.1\r\n"
				CM("2") CM_2("2") "a=crypto:3 NULL_HMAC_SHA1_80 inline:" CM_KEY "\r\n");
	world_expect(sdp, 1, TO_B "m=audio 30000 RTP/SAVP 0\r\n" RTPMAP CM("2") "a=sendrecv\r\n");
}

/* From a target that passes to one that does not: the caller gets keys of ours. */
static void test_failover(void **state)
{
	struct world *w = *state;
	struct slice secrets[64];
	struct slice sdp;

	passing(w, CONF_SRTP_REQUIRED, CONF_SRTP_REQUIRED);
	assert_true(slice_has(world_offer(w, 0, A SAVP CM("1")), CM("1")));
	w->sides[1].pass = false;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_int_equal(world_ports(w), OK);
	sdp = media_offer_out(w->media, &w->turn);
	assert_true(slice_has(sdp, "a=crypto:1 AEAD_AES_128_GCM inline:"));
	assert_false(slice_has(sdp, CM_KEY));
	assert_true(media_secrets(w->media, 0, &w->turn, secrets, array_size(secrets)) > 0);
	sdp = world_answer(w, B SAVP CM("2"));
	assert_true(slice_has(sdp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_false(slice_has(sdp, CM_KEY));
	assert_int_equal(world_stream(w, 0, 0)->security_count, 1);
	assert_int_equal(world_stream(w, 0, 1)->security_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_crosses),	 T(test_again),	   T(test_optional),
		T(test_refused_answers), T(test_terminated), T(test_lines),
		T(test_failover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

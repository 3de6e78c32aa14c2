/* SPDX-License-Identifier: MIT
 * Keys in SDP (RFC 4568) and what is optional about them (RFC 8643): profiles bridged, lines chosen,
 * keys kept and made anew, and what the relay is told. */
#include "tests/support/media_world.h"

#include "lib/base/base64.h"

#define SDP(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define A SDP("10.1.1.1")
#define B SDP("10.2.2.2")
#define PCMU "m=audio 4000 RTP/AVP 0\r\n"
#define SAVP "m=audio 4000 RTP/SAVP 0\r\n"
#define CM_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"     /* 30 octets 0, 1, 2 … */
#define CM_KEY_2 "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define GCM_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=="    /* 28 */
#define CM(tag) "a=crypto:" tag " AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY "\r\n"
#define CM_2(tag) "a=crypto:" tag " AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY_2 "\r\n"
#define GCM(tag) "a=crypto:" tag " AEAD_AES_128_GCM inline:" GCM_KEY "\r\n"

static const unsigned char counted[46] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
					   12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
					   24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35 };

static int setup(void **state)
{
	static struct world world;

	world_init(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	return 0;
}

/* The key of our line with this tag and suite, decoded; fails where there is none. */
static size_t our_key(struct slice sdp, const char *head, unsigned char key[64])
{
	size_t at = slice_find(sdp, slice_text(head));
	struct slice rest = slice_skip(sdp, at + strlen(head));
	size_t len;

	if (at == sdp.len)
		fail_msg("no %s in\n%.*s", head, SLICE_ARG(sdp));
	assert_int_equal(base64_decode(slice_head(rest, slice_find_char(rest, '\r')), key, 64, &len),
			 OK);
	return len;
}

#define OUR_GCM "a=crypto:1 AEAD_AES_128_GCM inline:"
#define OUR_CM "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:"

static const struct ctl_stream_security *security(const struct world *w, unsigned side)
{
	const struct ctl_stream_set *set = world_stream(w, 0, side);

	assert_non_null(set);
	assert_int_equal(set->security_count, 1);
	return set->security;
}

static void test_required_towards_plain(void **state)
{
	struct world *w = *state;
	unsigned char gcm[64], cm[64];
	struct slice sdp;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU);
	assert_true(slice_has(sdp, "m=audio 30000 RTP/SAVP 0\r\n"));
	assert_int_equal(our_key(sdp, OUR_GCM, gcm), 28);
	assert_int_equal(our_key(sdp, OUR_CM, cm), 30);
	assert_memory_not_equal(gcm, cm, 28);
	assert_int_equal(world_stream(w, 0, 1)->security_count, 0);
	sdp = world_answer(w, B SAVP CM("2"));
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 0\r\n"));
	assert_false(slice_has(sdp, "crypto"));
	assert_int_equal(world_stream(w, 0, 0)->security_count, 0);
	assert_int_equal(security(w, 1)->receive_count, 1);
	assert_int_equal(security(w, 1)->receive[0].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(security(w, 1)->receive[0].key.len, 30);
	assert_memory_equal(security(w, 1)->receive[0].key.p, counted, 30);
	assert_int_equal(security(w, 1)->receive[0].mki.len, 0);
	assert_int_equal(security(w, 1)->send_count, 1);
	assert_int_equal(security(w, 1)->send[0].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(security(w, 1)->send[0].key.len, 30);
	assert_memory_equal(security(w, 1)->send[0].key.p, cm, 30);
}

/* RFC 4568 5.1.2: one line is answered, under its tag, with another key. */
static void test_offer_with_keys(void **state)
{
	struct world *w = *state;
	unsigned char key[64];
	struct slice sdp;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	sdp = world_offer(w, 0, A SAVP "a=crypto:3 AES_192_CM_HMAC_SHA1_80 inline:x\r\n"
				       "a=crypto:4 NULL_HMAC_SHA1_80 inline:" CM_KEY "\r\n" CM("7")
					       GCM("8"));
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 0\r\n"));
	assert_false(slice_has(sdp, "crypto"));
	/* Both keys are known before there is an answer. */
	assert_memory_equal(security(w, 0)->receive[0].key.p, counted, 30);
	sdp = world_answer(w, B PCMU);
	assert_true(slice_has(sdp, "m=audio 20000 RTP/SAVP 0\r\n"));
	assert_int_equal(our_key(sdp, "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:", key), 30);
	assert_false(slice_has(sdp, "GCM"));
	assert_memory_not_equal(key, counted, 30);
	assert_memory_equal(security(w, 0)->send[0].key.p, key, 30);
	assert_memory_equal(security(w, 0)->receive[0].key.p, counted, 30);
	assert_int_equal(world_stream(w, 0, 1)->security_count, 0);
}

static void test_both_sides(void **state)
{
	struct world *w = *state;
	unsigned char a[64], b[64];
	struct slice sdp;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(w);
	sdp = world_offer(w, 0, A SAVP CM("1"));
	our_key(sdp, OUR_CM, b);
	assert_false(slice_has(sdp, CM_KEY));
	sdp = world_answer(w, B SAVP GCM("1"));
	our_key(sdp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", a);
	assert_false(slice_has(sdp, GCM_KEY));
	assert_memory_not_equal(a, b, 30);
	assert_int_equal(security(w, 0)->send[0].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(security(w, 1)->send[0].suite, CTL_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(security(w, 1)->receive[0].suite, CTL_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(security(w, 1)->receive[0].key.len, 28);
}

/* RFC 8643: attributes under the plain profile, in offers and answers, both ways of answering. */
static void test_opportunistic(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_secure(w, 1, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU CM("1"));
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 0\r\n") && slice_has(sdp, OUR_GCM));
	sdp = world_answer(w, B PCMU);
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 0\r\n"));
	assert_true(slice_has(sdp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_int_equal(security(w, 0)->send_count, 1);
	assert_int_equal(world_stream(w, 0, 1)->security_count, 0);
	/* The next answer to the same offer is secure. */
	world_answer(w, B PCMU CM("2"));
	assert_int_equal(security(w, 1)->receive_count, 1);
	media_commit(w->media);
	/* An offer without keys is answered without. */
	world_offer(w, 0, A PCMU);
	sdp = world_answer(w, B PCMU CM("2"));
	assert_false(slice_has(sdp, "crypto"));
	assert_int_equal(world_stream(w, 0, 0)->security_count, 0);
}

static void test_refused(void **state)
{
	static const struct {
		enum conf_srtp srtp;
		bool sdes;
		uint32_t suites;
		const char *offer;
		const char *why; /* NULL: taken */
	} cases[] = {
		{ CONF_SRTP_OFF, true, ~0u, A SAVP CM("1"), "srtp_off" },
		{ CONF_SRTP_OFF, true, ~0u, A PCMU CM("1"), NULL },
		{ CONF_SRTP_REQUIRED, true, ~0u, A PCMU, "srtp_required" },
		{ CONF_SRTP_REQUIRED, true, ~0u, A PCMU CM("1"), NULL },
		{ CONF_SRTP_REQUIRED, true, ~0u, A SAVP, "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u, A SAVP, "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u, A PCMU, NULL },
		/* of no use: another suite, a short key, a parameter that takes protection away */
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:" CM_KEY "\r\n", "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" GCM_KEY "\r\n", "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY " UNENCRYPTED_SRTP\r\n",
		  "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY " UNENCRYPTED_SRTCP\r\n",
		  "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY
			 " UNAUTHENTICATED_SRTP\r\n",
		  "srtp_no_keys" },
		/* the same without padding, and after one that is of no use */
		{ CONF_SRTP_OPTIONAL, true, ~0u,
		  A SAVP "a=crypto:1 AEAD_AES_128_GCM inline:x\r\n"
			 "a=crypto:2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw\r\n",
		  NULL },
		/* keys that everybody on the way could read */
		{ CONF_SRTP_OPTIONAL, false, ~0u, A SAVP CM("1"), "srtp_untrusted" },
		{ CONF_SRTP_REQUIRED, false, ~0u, A PCMU CM("1"), "srtp_untrusted" },
		{ CONF_SRTP_OPTIONAL, false, ~0u, A PCMU CM("1"), NULL },
		/* a relay that cannot */
		{ CONF_SRTP_OPTIONAL, true, 0, A SAVP CM("1"), "srtp_unavailable" },
		{ CONF_SRTP_OPTIONAL, true, 1u << CTL_SRTP_AEAD_AES_128_GCM, A SAVP CM("1"),
		  "srtp_no_keys" },
		{ CONF_SRTP_OPTIONAL, true, 0, A PCMU CM("1"), NULL },
		/* SDES has no place under the profile of DTLS */
		{ CONF_SRTP_OPTIONAL, true, ~0u, A "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n" CM("1"),
		  "srtp_no_keys" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		enum err err;

		world_secure(w, 0, cases[i].srtp, CONF_KEYING_SDES);
		w->sides[0].sdes = cases[i].sdes;
		w->relay.suites = cases[i].suites;
		world_sides(w);
		err = media_offer_in(w->media, 0, slice_text(cases[i].offer), &w->turn, &w->command,
				     &w->verdict);
		if ((err == ERR_REFUSED) != (cases[i].why != NULL))
			fail_msg("case %zu: %s %s", i, err_text(err), w->verdict.why);
		if (cases[i].why) {
			assert_int_equal(w->verdict.status, 488);
			assert_string_equal(w->verdict.why, cases[i].why);
		} else {
			assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
		}
	}
}

/* A side that demands keys which cannot be had is offered nothing at all. */
static void test_barred(void **state)
{
	struct world *w = *state;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	w->sides[1].keying_count = 1;
	w->sides[1].sdes = false;
	world_sides(w);
	assert_int_equal(media_offer_in(w->media, 0, SLICE(A PCMU), &w->turn, &w->command, &w->verdict),
			 ERR_REFUSED);
	assert_int_equal(w->verdict.status, 488);
	assert_string_equal(w->verdict.why, "srtp_untrusted");
	w->sides[1].sdes = true;
	world_sides(w);
	world_offer(w, 0, A PCMU);
	assert_null(media_offer_barred(w->media));
	/* The next target's signalling is not safe. */
	w->sides[1].sdes = false;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_string_equal(media_offer_barred(w->media), "srtp_untrusted");
	w->sides[1].sdes = true;
	w->relay.suites = 0;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_string_equal(media_offer_barred(w->media), "srtp_unavailable");
	/* What is optional goes on in the clear. */
	w->sides[1].srtp = CONF_SRTP_OPTIONAL;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_null(media_offer_barred(w->media));
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_true(slice_has(media_offer_out(w->media, &w->turn), "m=audio 30000 RTP/AVP 0\r\n"));
	assert_false(slice_has(media_offer_out(w->media, &w->turn), "crypto"));
}

static void test_answers(void **state)
{
	static const struct {
		enum conf_srtp srtp;
		const char *answer;
		const char *why;
	} cases[] = {
		{ CONF_SRTP_REQUIRED, B SAVP CM("2"), NULL },
		{ CONF_SRTP_REQUIRED, B SAVP GCM("1"), NULL },
		{ CONF_SRTP_REQUIRED, B SAVP, "answer_keys" },
		{ CONF_SRTP_REQUIRED, B SAVP CM("1"), "answer_keys" }, /* that tag was another suite */
		{ CONF_SRTP_REQUIRED, B SAVP CM("0"), "answer_keys" },
		{ CONF_SRTP_REQUIRED, B SAVP CM("3"), "answer_keys" },
		{ CONF_SRTP_REQUIRED, B PCMU CM("2"), "answer_codec" }, /* another profile */
		{ CONF_SRTP_OPTIONAL, B SAVP CM("2"), "answer_codec" },
		{ CONF_SRTP_OPTIONAL, B PCMU CM("2"), NULL },
		{ CONF_SRTP_OPTIONAL, B PCMU, NULL },
		{ CONF_SRTP_OFF, B PCMU CM("2"), NULL },
		{ CONF_SRTP_OFF, B SAVP CM("2"), "answer_keys" },
		{ CONF_SRTP_REQUIRED, B "m=audio 0 RTP/SAVP 0\r\n", NULL },
	};
	struct world *w = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		enum err err;

		world_secure(w, 1, cases[i].srtp, CONF_KEYING_SDES);
		world_sides(w);
		world_offer(w, 0, A PCMU);
		err = media_answer_in(w->media, slice_text(cases[i].answer), &w->turn, &w->command,
				      &w->verdict);
		if ((err == ERR_REFUSED) != (cases[i].why != NULL))
			fail_msg("case %zu: %s %s", i, err_text(err), w->verdict.why);
		if (cases[i].why)
			assert_string_equal(w->verdict.why, cases[i].why);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

/* Nothing changed: the same text, the same keys. */
static void test_refresh(void **state)
{
	struct world *w = *state;
	struct slice offer, answer;
	unsigned char key[64];

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(w);
	offer = world_offer(w, 0, A SAVP CM("1"));
	answer = world_answer(w, B SAVP CM("2"));
	media_commit(w->media);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(slice_eq(world_offer(w, 0, A SAVP CM("1")), offer));
		assert_true(slice_eq(world_answer(w, B SAVP CM("2")), answer));
		media_commit(w->media);
	}
	/* Begun by the other side: the key that was answered is the key that is offered. */
	our_key(answer, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", key);
	answer = world_offer(w, 1, B SAVP CM("9"));
	assert_true(slice_has(answer, "m=audio 20000 RTP/SAVP 0\r\n"));
	our_key(answer, OUR_CM, (unsigned char[64]){ 0 });
	offer = world_answer(w, A SAVP CM("2"));
	assert_memory_equal(security(w, 0)->send[0].key.p, key, 30);
	assert_true(slice_has(offer, "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:"));
}

static void test_rekey(void **state)
{
	struct world *w = *state;
	unsigned char before[64], now[64];
	struct slice sdp;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	world_offer(w, 0, A SAVP CM("1"));
	our_key(world_answer(w, B PCMU), "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", before);
	media_commit(w->media);
	/* Another key of the peer: what we receive with; ours stays with the transport. */
	world_offer(w, 0, A SAVP CM_2("1"));
	sdp = world_answer(w, B PCMU);
	our_key(sdp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", now);
	assert_memory_equal(now, before, 30);
	assert_int_equal(security(w, 0)->receive[0].key.p[0], 1);
	/* A refused one leaves the old key in force. */
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_memory_equal(security(w, 0)->receive[0].key.p, counted, 30);
	assert_memory_equal(security(w, 0)->send[0].key.p, before, 30);
	/* Another transport of the peer: another key of ours. */
	world_offer(w, 0, A "m=audio 4002 RTP/SAVP 0\r\n" CM("1"));
	our_key(world_answer(w, B PCMU), "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", now);
	assert_memory_not_equal(now, before, 30);
	assert_memory_equal(security(w, 0)->send[0].key.p, now, 30);
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_memory_equal(security(w, 0)->send[0].key.p, before, 30);
	/* Hold by 0.0.0.0 is no other transport. */
	world_offer(w, 0, SDP("0.0.0.0") SAVP CM("1"));
	our_key(world_answer(w, B PCMU "a=recvonly\r\n"),
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", now);
	assert_memory_equal(now, before, 30);
}

/* Each target has keys of its own. */
static void test_failover(void **state)
{
	struct world *w = *state;
	unsigned char first[64], second[64];

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(w);
	our_key(world_offer(w, 0, A PCMU), OUR_CM, first);
	our_key(media_offer_out(w->media, &w->turn), OUR_CM, second);
	assert_memory_equal(first, second, 30);
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	our_key(media_offer_out(w->media, &w->turn), OUR_CM, second);
	assert_memory_not_equal(first, second, 30);
	/* Set again before anything was sent (its address is known now). */
	media_set_side(w->media, 1, &w->sides[1]);
	our_key(media_offer_out(w->media, &w->turn), OUR_CM, first);
	world_answer(w, B SAVP CM("2"));
	assert_memory_equal(security(w, 1)->send[0].key.p, first, 30);
}

static void test_mki(void **state)
{
	struct world *w = *state;
	const struct ctl_stream_security *told;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	world_offer(w, 0, A SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" CM_KEY
			  "|2^20|258:4;inline:" CM_KEY_2 "|2^20|3:4\r\n");
	told = security(w, 0);
	assert_int_equal(told->receive_count, 2);
	assert_int_equal(told->receive[0].mki.len, 4);
	assert_memory_equal(told->receive[0].mki.p, "\0\0\1\2", 4);
	assert_memory_equal(told->receive[1].mki.p, "\0\0\0\3", 4);
	assert_int_equal(told->receive[1].key.p[0], 1);
	assert_int_equal(told->send[0].mki.len, 0);
}

static void test_restore(void **state)
{
	struct world *w = *state;
	unsigned char key[64];

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	world_offer(w, 0, A SAVP CM("1"));
	our_key(world_answer(w, B PCMU), "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", key);
	media_commit(w->media);
	w->command = media_restore(w->media, &w->turn);
	assert_memory_equal(security(w, 0)->send[0].key.p, key, 30);
	assert_memory_equal(security(w, 0)->receive[0].key.p, counted, 30);
}

/* Whatever of one side would be a secret stands on that side only. */
static void test_secrets(void **state)
{
	struct world *w = *state;
	struct slice secrets[48], sdp[2];
	unsigned seen = 0, peer = 0;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(w);
	sdp[1] = world_offer(w, 0, A SAVP CM("1"));
	sdp[0] = world_answer(w, B SAVP CM_2("2"));
	for (unsigned side = 0; side < 2; side++) {
		size_t count = media_secrets(w->media, side, &w->turn, secrets, array_size(secrets));

		/* the peer's, and ours: one for an answer, one for each suite of an offer */
		assert_int_equal(count, side == 0 ? 2 : 3);
		for (size_t i = 0; i < count; i++) {
			bool own = slice_find(sdp[side], secrets[i]) < sdp[side].len;

			assert_int_equal(slice_find(sdp[!side], secrets[i]), sdp[!side].len);
			seen += own;
			peer += slice_eq(secrets[i], side == 0 ? SLICE(CM_KEY) : SLICE(CM_KEY_2));
		}
	}
	assert_int_equal(seen, 3);
	assert_int_equal(peer, 2);
	media_commit(w->media);
	assert_int_equal(media_secrets(w->media, 1, &w->turn, secrets, array_size(secrets)), 3);
	assert_int_equal(media_secrets(w->media, 1, &w->turn, secrets, 2), 2);
}

static void test_describe(void **state)
{
	struct world *w = *state;
	struct ctl_media_info *infos;
	uint32_t count;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	world_sides(w);
	world_exchange(w, 0, A SAVP CM("1"), B PCMU);
	assert_int_equal(media_describe(w->media, &w->turn, &infos, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(infos[0].suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(infos[1].suite, CTL_SRTP_NONE);
}

/* AVPF and SAVPF are each side's own, and feedback needs both. */
static void test_profiles(void **state)
{
	static const struct {
		const char *profile;
		bool feedback;
		enum conf_srtp srtp;
		const char *offered;
	} cases[] = {
		{ "RTP/AVP", false, CONF_SRTP_OFF, "RTP/AVP" },
		{ "RTP/AVPF", false, CONF_SRTP_OFF, "RTP/AVP" },
		{ "RTP/AVP", true, CONF_SRTP_OFF, "RTP/AVPF" },
		{ "RTP/SAVP", false, CONF_SRTP_OFF, "RTP/AVP" },
		{ "RTP/SAVPF", true, CONF_SRTP_OFF, "RTP/AVPF" },
		{ "RTP/SAVPF", false, CONF_SRTP_REQUIRED, "RTP/SAVP" },
		{ "RTP/SAVP", true, CONF_SRTP_REQUIRED, "RTP/SAVPF" },
		{ "RTP/AVPF", true, CONF_SRTP_OPTIONAL, "RTP/AVPF" },
	};
	struct world *w = *state;
	char text[512], expected[64];

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
	for (size_t i = 0; i < array_size(cases); i++) {
		bool both = strstr(cases[i].profile, "PF") && cases[i].feedback;
		struct slice sdp;

		world_secure(w, 1, cases[i].srtp, CONF_KEYING_SDES);
		w->sides[1].feedback = cases[i].feedback;
		world_sides(w);
		snprintf(text, sizeof(text), A "m=audio 4000 %s 0\r\n" CM("1") "a=rtcp-fb:* nack\r\n",
			 cases[i].profile);
		sdp = world_offer(w, 0, text);
		snprintf(expected, sizeof(expected), " %s 0\r\n", cases[i].offered);
		assert_true(slice_has(sdp, expected));
		assert_int_equal(slice_has(sdp, "a=rtcp-fb:0 nack\r\n"), both);
		snprintf(text, sizeof(text), B "m=audio 4000 %s 0\r\n" CM("2") "a=rtcp-fb:0 nack\r\n",
			 cases[i].offered);
		sdp = world_answer(w, text);
		snprintf(expected, sizeof(expected), "m=audio 20000 %s 0\r\n", cases[i].profile);
		assert_true(slice_has(sdp, expected));
		assert_int_equal(slice_has(sdp, "a=rtcp-fb:0 nack\r\n"), both);
		/* Each side's own, for the relay to go by. */
		assert_int_equal(world_stream(w, 0, 0)->flags & CTL_STREAM_FEEDBACK,
				 strstr(cases[i].profile, "PF") ? CTL_STREAM_FEEDBACK : 0);
		assert_int_equal(world_stream(w, 0, 1)->flags & CTL_STREAM_FEEDBACK,
				 cases[i].feedback ? CTL_STREAM_FEEDBACK : 0);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_required_towards_plain), TEST(test_offer_with_keys), TEST(test_both_sides),
		TEST(test_opportunistic), TEST(test_refused), TEST(test_barred), TEST(test_answers),
		TEST(test_refresh), TEST(test_rekey), TEST(test_failover), TEST(test_mki),
		TEST(test_restore), TEST(test_secrets), TEST(test_describe), TEST(test_profiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * DTLS-SRTP (RFC 5763, RFC 8842), ICE-lite (RFC 8445, RFC 8839), rtcp-mux (RFC 5761) and BUNDLE
 * (RFC 9143): roles and associations, what is answered and what the relay is told. */
#include "tests/support/media_world.h"

#define SDP(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define A SDP("10.1.1.1")
#define B SDP("10.2.2.2")
#define PCMU "m=audio 4000 RTP/AVP 0\r\n"
#define DTLS "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n"
#define DTLS_FROM(port) "m=audio " port " UDP/TLS/RTP/SAVP 0\r\n"
#define HEX_16(last) "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:" last
#define PRINT "a=fingerprint:sha-256 " HEX_16("6B") ":" HEX_16("6B") "\r\n"
#define PRINT_2 "a=fingerprint:sha-256 " HEX_16("6B") ":" HEX_16("00") "\r\n"
#define SETUP(role) "a=setup:" role "\r\n"
#define ICE "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
#define ICE_2 "a=ice-ufrag:9uB6\r\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh\r\n"

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

static const struct ctl_dtls_setup *told(const struct world *w, unsigned side)
{
	const struct ctl_stream_set *set = world_stream(w, 0, side);

	assert_non_null(set);
	assert_int_equal(set->security_count, 1);
	assert_int_equal(set->security->dtls_count, 1);
	assert_int_equal(set->security->send_count + set->security->receive_count, 0);
	return set->security->dtls;
}

static const struct ctl_ice_setup *ice_told(const struct world *w, unsigned side)
{
	const struct ctl_stream_set *set = world_stream(w, 0, side);

	return set && set->security_count > 0 && set->security->ice_count > 0 ? set->security->ice :
										NULL;
}

/* The value of the first attribute that begins like this. */
static struct slice value_of(struct slice sdp, const char *head)
{
	struct slice rest = slice_skip(sdp, slice_find(sdp, slice_text(head)) + strlen(head));

	if (!slice_has(sdp, head))
		fail_msg("no %s in\n%.*s", head, SLICE_ARG(sdp));
	return slice_head(rest, slice_find_char(rest, '\r'));
}

static void test_required_towards_plain(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU);
	assert_true(slice_has(sdp, "m=audio 30000 UDP/TLS/RTP/SAVP 0\r\n"));
	assert_true(slice_has(sdp, WORLD_FINGERPRINT "a=setup:actpass\r\n"));
	assert_false(slice_has(sdp, "crypto") || slice_has(sdp, "ice-"));
	sdp = world_answer(w, B DTLS PRINT SETUP("active"));
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 0\r\n"));
	assert_false(slice_has(sdp, "fingerprint") || slice_has(sdp, "setup"));
	assert_int_equal(told(w, 1)->role, CTL_DTLS_PASSIVE);
	assert_int_equal(told(w, 1)->hash, CTL_HASH_SHA256);
	assert_int_equal(told(w, 1)->fingerprint.len, 32);
	assert_memory_equal(told(w, 1)->fingerprint.p, "\x4a\xad\xb9\xb1", 4);
	/* the side's suites, of which both have a DTLS profile */
	assert_int_equal(told(w, 1)->suites,
			 1u << CTL_SRTP_AEAD_AES_128_GCM | 1u << CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_not_equal(told(w, 1)->association, 0);
	assert_int_equal(world_stream(w, 0, 0)->security_count, 0);
}

/* A hello may come before the answer: it is expected as soon as there are ports. Ours waits for it,
 * however long it rings. */
static void test_hello_before_answer(void **state)
{
	struct world *w = *state;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	world_offer(w, 0, A DTLS PRINT SETUP("actpass"));
	for (unsigned side = 0; side < 2; side++) {
		assert_int_equal(told(w, side)->role, CTL_DTLS_PASSIVE);
		assert_int_equal(told(w, side)->fingerprint.len, 0);
		assert_int_equal(told(w, side)->hash, CTL_HASH_NONE);
	}
	world_answer(w, B DTLS PRINT SETUP("active"));
	assert_int_equal(told(w, 0)->role, CTL_DTLS_ACTIVE);
	assert_int_equal(told(w, 0)->fingerprint.len, 32);
}

/* Rows: the offer's setup and ours in the answer (RFC 5763 section 5; a missing one by RFC 4145). */
static void test_roles_answered(void **state)
{
	static const struct {
		const char *offer;
		bool nat;
		const char *setup;
		enum ctl_dtls_role role;
	} cases[] = {
		{ A DTLS PRINT SETUP("actpass"), false, "active", CTL_DTLS_ACTIVE },
		{ A DTLS PRINT SETUP("actpass"), true, "passive", CTL_DTLS_PASSIVE },
		{ A DTLS PRINT SETUP("active"), false, "passive", CTL_DTLS_PASSIVE },
		{ A DTLS PRINT SETUP("passive"), false, "active", CTL_DTLS_ACTIVE },
		{ A DTLS PRINT SETUP("passive"), true, "active", CTL_DTLS_ACTIVE },
		{ A DTLS PRINT, false, "passive", CTL_DTLS_PASSIVE },
		{ A SETUP("active") PRINT DTLS, false, "passive", CTL_DTLS_PASSIVE },
		{ A SETUP("active") PRINT_2 DTLS PRINT SETUP("actpass"), false, "active",
		  CTL_DTLS_ACTIVE },
	};
	struct world *w = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		struct slice sdp;

		world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
		w->sides[0].nat = cases[i].nat;
		world_sides(w);
		world_offer(w, 0, cases[i].offer);
		sdp = world_answer(w, B PCMU);
		assert_slice(value_of(sdp, "a=setup:"), cases[i].setup);
		assert_int_equal(told(w, 0)->role, cases[i].role);
		assert_int_equal((unsigned char)told(w, 0)->fingerprint.p[31], 0x6b);
		assert_true(slice_has(sdp, "m=audio 20000 UDP/TLS/RTP/SAVP 0\r\n" ));
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

static void test_roles_taken(void **state)
{
	static const struct {
		const char *answer;
		enum ctl_dtls_role role;
		const char *why;
	} cases[] = {
		{ B DTLS PRINT SETUP("active"), CTL_DTLS_PASSIVE, NULL },
		{ B DTLS PRINT SETUP("passive"), CTL_DTLS_ACTIVE, NULL },
		{ B DTLS PRINT, CTL_DTLS_ACTIVE, NULL },
		{ B DTLS SETUP("active"), 0, "answer_keys" },
		{ B DTLS PRINT SETUP("holdconn"), 0, "answer_keys" },
		{ B DTLS "a=fingerprint:sha-1 " HEX_16("6B") ":00:11:22:33\r\n" SETUP("active"), 0,
		  "answer_keys" },
		{ B DTLS "a=fingerprint:sha-256 " HEX_16("6B") "\r\n" SETUP("active"), 0,
		  "answer_keys" },
	};
	struct world *w = *state;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	for (size_t i = 0; i < array_size(cases); i++) {
		enum err err;

		world_sides(w);
		world_offer(w, 0, A PCMU);
		err = media_answer_in(w->media, slice_text(cases[i].answer), &w->turn, &w->command,
				      &w->verdict);
		assert_int_equal(err, cases[i].why ? ERR_REFUSED : OK);
		if (cases[i].why)
			assert_string_equal(w->verdict.why, cases[i].why);
		else
			assert_int_equal(told(w, 1)->role, cases[i].role);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

/* RFC 8122 5.1: of several fingerprints the strongest hash counts. */
static void test_strongest_hash(void **state)
{
	struct world *w = *state;

	world_secure(w, 0, CONF_SRTP_OPTIONAL, CONF_KEYING_DTLS);
	world_sides(w);
	world_offer(w, 0, A DTLS "a=fingerprint:sha-1 " HEX_16("6B") ":00:11:22:33\r\n" PRINT
				 "a=fingerprint:SHA-384 " HEX_16("01") ":" HEX_16("02") ":" HEX_16(
					 "03") "\r\n" SETUP("actpass"));
	world_answer(w, B PCMU);
	assert_int_equal(told(w, 0)->hash, CTL_HASH_SHA384);
	assert_int_equal(told(w, 0)->fingerprint.len, 48);
	assert_int_equal(told(w, 0)->fingerprint.p[47], 3);
}

/* The order of the trunk's keying decides where both are offered. */
static void test_order_of_keying(void **state)
{
#define CM "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"
	static const char offer[] = A "m=audio 4000 RTP/SAVP 0\r\n" CM PRINT SETUP("actpass");
	struct world *w = *state;
	struct slice sdp;

	for (unsigned i = 0; i < 4; i++) {
		bool dtls = i % 2;

		world_secure(w, 0, CONF_SRTP_REQUIRED, dtls ? CONF_KEYING_DTLS : CONF_KEYING_SDES);
		/* The first that may be used. */
		w->sides[0].sdes = i != 2;
		w->relay.dtls_hash = i == 3 ? CTL_HASH_NONE : CTL_HASH_SHA256;
		dtls = i == 1 || i == 2;
		world_sides(w);
		world_offer(w, 0, offer);
		sdp = world_answer(w, B PCMU);
		assert_true(slice_has(sdp, "m=audio 20000 RTP/SAVP 0\r\n"));
		assert_int_equal(slice_has(sdp, "a=fingerprint:"), dtls);
		assert_int_equal(slice_has(sdp, "a=crypto:"), !dtls);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

/* RFC 8842 section 4: what ends an association, and what leaves it. */
static void test_associations(void **state)
{
	static const struct {
		const char *offer;
		bool stays;
		const char *setup;
	} cases[] = {
		{ A DTLS PRINT SETUP("actpass"), true, "active" },
		{ A DTLS PRINT SETUP("passive"), true, "active" },
		{ SDP("0.0.0.0") DTLS PRINT SETUP("actpass"), true, "active" },
		{ A DTLS PRINT SETUP("active"), false, "passive" },
		{ A DTLS PRINT_2 SETUP("actpass"), false, "active" },
		{ A DTLS PRINT SETUP("actpass") "a=tls-id:abc3de65cddef001be82\r\n", false, "active" },
		{ A DTLS_FROM("4002") PRINT SETUP("actpass"), false, "active" },
	};
	struct world *w = *state;
	uint32_t first;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	world_offer(w, 0, A DTLS PRINT SETUP("actpass"));
	world_answer(w, B PCMU);
	first = told(w, 0)->association;
	media_commit(w->media);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct slice sdp;

		world_offer(w, 0, cases[i].offer);
		sdp = world_answer(w, B PCMU);
		if ((told(w, 0)->association == first) != cases[i].stays)
			fail_msg("case %zu", i);
		assert_slice(value_of(sdp, "a=setup:"), cases[i].setup);
		/* Refused: the old one is in force. */
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
		assert_int_equal(told(w, 0)->association, first);
		assert_int_equal(told(w, 0)->role, CTL_DTLS_ACTIVE);
	}
}

static void assert_shown(const struct world *w, struct slice sdp, unsigned side, bool of_before)
{
	assert_int_equal(slice_has(sdp, WORLD_FINGERPRINT), of_before);
	assert_int_equal(told(w, side)->shown.len, 32);
	assert_int_equal((unsigned char)told(w, side)->shown.p[0], of_before ? 0 : 0xee);
}

/* The relay shows another certificate (it was started again, or a day is over): to an association that
 * goes on the old one, in offers and answers; to another one, and to others, the new one. */
static void test_another_certificate(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	world_exchange(w, 0, A DTLS PRINT SETUP("actpass"), B DTLS PRINT SETUP("active"));
	w->relay.fingerprint[0] = 0xee;
	sdp = world_offer(w, 0, A DTLS PRINT SETUP("actpass"));
	assert_true(slice_has(sdp, WORLD_FINGERPRINT));
	sdp = world_answer(w, B DTLS PRINT SETUP("active"));
	assert_shown(w, sdp, 0, true);
	assert_shown(w, sdp, 1, true);
	media_commit(w->media);
	/* An offer's word holds, whatever is answered. */
	sdp = world_offer(w, 1, B DTLS PRINT SETUP("actpass"));
	assert_true(slice_has(sdp, WORLD_FINGERPRINT));
	world_answer(w, A DTLS PRINT_2 SETUP("passive"));
	assert_shown(w, sdp, 0, true);
	assert_int_equal(told(w, 0)->role, CTL_DTLS_ACTIVE);
	media_commit(w->media);
	/* A peer's other transport is another association, which we answer. */
	world_offer(w, 0, A DTLS_FROM("4002") PRINT SETUP("actpass"));
	sdp = world_answer(w, B DTLS PRINT SETUP("active"));
	assert_shown(w, sdp, 0, false);
}

/* We offer again: actpass as ever; an answer in the old role goes on, one in the other begins anew. */
static void test_offered_again(void **state)
{
	struct world *w = *state;
	uint32_t first;
	struct slice sdp;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU);
	world_answer(w, B DTLS PRINT SETUP("active"));
	first = told(w, 1)->association;
	media_commit(w->media);
	assert_true(slice_eq(world_offer(w, 0, A PCMU), sdp));
	world_answer(w, B DTLS PRINT SETUP("active"));
	assert_int_equal(told(w, 1)->association, first);
	media_commit(w->media);
	world_offer(w, 0, A PCMU);
	world_answer(w, B DTLS PRINT SETUP("passive"));
	assert_int_not_equal(told(w, 1)->association, first);
	assert_int_equal(told(w, 1)->role, CTL_DTLS_ACTIVE);
	media_commit(w->media);
	/* The peer offers now, in the profile that it was offered. */
	sdp = world_offer(w, 1, B DTLS PRINT SETUP("actpass"));
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 0\r\n"));
	sdp = world_answer(w, A PCMU);
	assert_slice(value_of(sdp, "a=setup:"), "active");
}

/* Two phones behind one number answer one after the other: the second shakes hands for itself. */
static void test_another_answer(void **state)
{
	struct world *w = *state;
	uint32_t first;

	world_secure(w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	world_sides(w);
	world_offer(w, 0, A PCMU);
	world_answer(w, B DTLS PRINT SETUP("active"));
	first = told(w, 1)->association;
	world_answer(w, B DTLS PRINT SETUP("active") "a=recvonly\r\n");
	assert_int_equal(told(w, 1)->association, first);
	world_answer(w, SDP("10.2.2.3") DTLS PRINT_2 SETUP("active"));
	assert_int_not_equal(told(w, 1)->association, first);
}

/* RFC 8643 with DTLS: told to the relay only when it is answered. */
static void test_opportunistic(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_secure(w, 1, CONF_SRTP_OPTIONAL, CONF_KEYING_DTLS);
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU);
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 0\r\n"));
	assert_true(slice_has(sdp, WORLD_FINGERPRINT "a=setup:actpass\r\n"));
	assert_int_equal(world_stream(w, 0, 1)->security_count, 0);
	world_answer(w, B PCMU);
	assert_int_equal(world_stream(w, 0, 1)->security_count, 0);
	world_answer(w, B PCMU PRINT SETUP("active"));
	assert_int_equal(told(w, 1)->role, CTL_DTLS_PASSIVE);
}

/* ---- ICE, rtcp-mux, BUNDLE ---- */

static void test_ice_answered(void **state)
{
	struct world *w = *state;
	struct slice sdp, ufrag, password;

	w->sides[0].ice = CONF_ICE_LITE;
	world_sides(w);
	sdp = world_offer(w, 0, A ICE PCMU "a=candidate:1 1 UDP 2130706431 10.1.1.1 4000 typ host\r\n");
	assert_false(slice_has(sdp, "ice-") || slice_has(sdp, "candidate"));
	assert_int_equal(ice_told(w, 0)->remote_ufrag.len, 4);
	sdp = world_answer(w, B PCMU);
	ufrag = value_of(sdp, "a=ice-ufrag:");
	password = value_of(sdp, "a=ice-pwd:");
	assert_true(ufrag.len >= 4 && password.len >= 22);
	assert_true(slice_has(sdp, "t=0 0\r\na=ice-lite\r\na=ice-options:ice2\r\nm=audio"));
	/* RFC 8445 5.1.2.1: (2^24)*126 + (2^8)*65535 + (256 - component) */
	assert_true(slice_has(sdp, "a=candidate:1 1 UDP 2130706431 192.0.2.1 20000 typ host\r\n"
				   "a=candidate:1 2 UDP 2130706430 192.0.2.1 20001 typ host\r\n"
				   "a=end-of-candidates\r\n"));
	assert_true(slice_eq(ice_told(w, 0)->local_ufrag, ufrag));
	assert_true(slice_eq(ice_told(w, 0)->local_password, password));
	assert_slice(ice_told(w, 0)->remote_ufrag, "8hhY");
	assert_slice(ice_told(w, 0)->remote_password, "asd88fgpdd777uzjYhagZg");
	assert_null(ice_told(w, 1));
	media_commit(w->media);
	/* The same agent keeps ours, a restart (RFC 8445 9) gets new ones. */
	world_offer(w, 0, A ICE PCMU);
	sdp = world_answer(w, B PCMU);
	assert_true(slice_eq(value_of(sdp, "a=ice-ufrag:"), ufrag));
	media_commit(w->media);
	world_offer(w, 0, A PCMU ICE_2);
	sdp = world_answer(w, B PCMU);
	assert_false(slice_eq(value_of(sdp, "a=ice-ufrag:"), ufrag));
	assert_false(slice_eq(value_of(sdp, "a=ice-pwd:"), password));
	assert_slice(ice_told(w, 0)->remote_ufrag, "9uB6");
	media_commit(w->media);
	/* A peer that gives ICE up is answered without. */
	world_offer(w, 0, A PCMU);
	assert_false(slice_has(world_answer(w, B PCMU), "ice-"));
	assert_null(ice_told(w, 0));
}

static void test_ice_offered(void **state)
{
	struct world *w = *state;
	struct slice sdp, ufrag;

	w->sides[1].ice = CONF_ICE_LITE;
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU);
	ufrag = value_of(sdp, "a=ice-ufrag:");
	assert_true(slice_has(sdp, "a=candidate:1 2 UDP 2130706430 198.51.100.1 30001 typ host\r\n"));
	assert_true(slice_eq(ice_told(w, 1)->local_ufrag, ufrag));
	assert_int_equal(ice_told(w, 1)->remote_ufrag.len, 0);
	world_answer(w, B PCMU ICE);
	assert_slice(ice_told(w, 1)->remote_ufrag, "8hhY");
	/* Without ICE, or lite as we are: media goes where the SDP says. */
	world_answer(w, B PCMU);
	assert_null(ice_told(w, 1));
	world_answer(w, B "a=ice-lite\r\n" PCMU ICE);
	assert_null(ice_told(w, 1));
	/* Half of it, or what is no ICE text. */
	world_answer(w, B PCMU "a=ice-ufrag:8hhY\r\n");
	assert_null(ice_told(w, 1));
	world_answer(w, B PCMU "a=ice-ufrag:8hh\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n");
	assert_null(ice_told(w, 1));
	world_answer(w, B PCMU ICE "a=sendonly\r\n");
	media_commit(w->media);
	assert_true(slice_eq(value_of(world_offer(w, 0, A PCMU), "a=ice-ufrag:"), ufrag));
}

static void test_ice_off(void **state)
{
	struct world *w = *state;

	world_sides(w);
	world_offer(w, 0, A PCMU ICE);
	assert_null(ice_told(w, 0));
	assert_false(slice_has(world_answer(w, B PCMU), "ice"));
}

/* A restart of ICE does not end the association (RFC 8842 section 4), nor does the path it finds. */
static void test_ice_restart_keeps_dtls(void **state)
{
	struct world *w = *state;
	uint32_t first;

	world_secure(w, 0, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	w->sides[0].ice = CONF_ICE_LITE;
	world_sides(w);
	world_offer(w, 0, A DTLS PRINT SETUP("actpass") ICE);
	world_answer(w, B PCMU);
	first = told(w, 0)->association;
	assert_int_equal(told(w, 0)->role, CTL_DTLS_PASSIVE);
	media_commit(w->media);
	/* baresip answers a later offer so: it changes nothing. */
	world_offer(w, 1, B PCMU);
	world_answer(w, A DTLS PRINT SETUP("actpass") ICE);
	assert_int_equal(told(w, 0)->association, first);
	assert_int_equal(told(w, 0)->role, CTL_DTLS_PASSIVE);
	media_commit(w->media);
	world_offer(w, 0, A DTLS_FROM("4008") PRINT SETUP("actpass") ICE_2);
	world_answer(w, B PCMU);
	assert_int_equal(told(w, 0)->association, first);
	assert_slice(ice_told(w, 0)->remote_ufrag, "9uB6");
}

/* A browser's first offer knows no address yet: that is no hold. */
static void test_ice_without_address(void **state)
{
	struct world *w = *state;

	w->sides[0].ice = CONF_ICE_LITE;
	world_sides(w);
	world_offer(w, 0, SDP("0.0.0.0") "m=audio 9 RTP/AVP 0\r\n" ICE);
	world_answer(w, B PCMU);
	assert_int_equal(world_stream(w, 0, 0)->direction, CTL_RECEIVE | CTL_TRANSMIT);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.ip.family, IP_NONE);
	assert_int_equal(world_stream(w, 0, 0)->learn_bits, 0);
}

static void test_mux(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	w->sides[0].rtcp_mux = w->sides[1].rtcp_mux = CONF_RTCP_MUX_OPTIONAL;
	w->sides[0].ice = CONF_ICE_LITE;
	world_sides(w);
	sdp = world_offer(w, 0, A PCMU "a=rtcp:4009\r\na=rtcp-mux\r\n" ICE);
	assert_true(slice_has(sdp, "a=rtcp-mux\r\n"));
	assert_int_equal(world_stream(w, 0, 0)->flags, CTL_STREAM_RTCP_MUX);
	assert_int_equal(world_stream(w, 0, 1)->flags, 0);
	sdp = world_answer(w, B PCMU);
	assert_true(slice_has(sdp, "a=rtcp-mux\r\n"));
	assert_true(slice_has(sdp, "typ host\r\na=end-of-candidates"));
	assert_false(slice_has(sdp, "candidate:1 2"));
	assert_int_equal(world_stream(w, 0, 0)->flags, CTL_STREAM_RTCP_MUX);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtcp.port, 4000);
	/* On one side only. */
	assert_int_equal(world_stream(w, 0, 1)->flags, 0);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.port, 4001);
	world_answer(w, B PCMU "a=rtcp-mux\r\n");
	assert_int_equal(world_stream(w, 0, 1)->flags, CTL_STREAM_RTCP_MUX);
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	/* Off: neither offered nor taken. */
	w->sides[0].rtcp_mux = w->sides[1].rtcp_mux = CONF_RTCP_MUX_OFF;
	world_sides(w);
	assert_false(slice_has(world_offer(w, 0, A PCMU "a=rtcp-mux\r\n"), "mux"));
	assert_false(slice_has(world_answer(w, B PCMU "a=rtcp-mux\r\n"), "mux"));
	assert_int_equal(world_stream(w, 0, 0)->flags & CTL_STREAM_RTCP_MUX, 0);
	assert_int_equal(world_stream(w, 0, 1)->flags & CTL_STREAM_RTCP_MUX, 0);
}

/* RFC 9143 7.3.3: not bundled, so each line has a transport of its own, and one that would only be
 * there inside a bundle is refused. Its author's ids come back to him, and to nobody else. */
static void test_bundle(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_sides(w);
	sdp = world_offer(w, 0, A "a=group:BUNDLE one two three\r\n" PCMU "a=mid:one\r\n"
				  "m=video 4002 RTP/AVP 31\r\na=mid:two\r\n"
				  "m=video 0 RTP/AVP 31\r\na=bundle-only\r\na=mid:three\r\n");
	assert_false(slice_has(sdp, "BUNDLE") || slice_has(sdp, "mid:"));
	assert_true(slice_has(sdp, "m=audio 30000") && slice_has(sdp, "m=video 30002") &&
		    slice_has(sdp, "m=video 0 "));
	sdp = world_answer(w, B PCMU "a=mid:x\r\nm=video 5000 RTP/AVP 31\r\nm=video 0 RTP/AVP 31\r\n");
	world_expect(sdp, 1,
		     "IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
		     "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=mid:one\r\na=sendrecv\r\n"
		     "m=video 20002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\na=mid:two\r\n"
		     "a=sendrecv\r\nm=video 0 RTP/AVP 31\r\na=mid:three\r\n");
	media_commit(w->media);
	/* Offered to him later, his lines have the ids that he knows. */
	sdp = world_offer(w, 1, B PCMU "m=video 5000 RTP/AVP 31\r\nm=video 0 RTP/AVP 31\r\n");
	assert_true(slice_has(sdp, "a=mid:one\r\n") && slice_has(sdp, "a=mid:two\r\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_required_towards_plain), TEST(test_hello_before_answer),
		TEST(test_roles_answered), TEST(test_roles_taken), TEST(test_strongest_hash),
		TEST(test_order_of_keying), TEST(test_associations), TEST(test_another_certificate),
		TEST(test_offered_again), TEST(test_another_answer), TEST(test_opportunistic),
		TEST(test_ice_answered),
		TEST(test_ice_offered), TEST(test_ice_off), TEST(test_ice_restart_keeps_dtls),
		TEST(test_ice_without_address), TEST(test_mux), TEST(test_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * What a relay that was started again is told of DTLS: the keys that came of the associations before,
 * of RTP and, without rtcp-mux, of RTCP. */
#include "tests/support/media_world.h"

#define SDP(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define A SDP("10.1.1.1")
#define B SDP("10.2.2.2")
#define PCMU "m=audio 4000 RTP/AVP 0\r\n"
#define DTLS "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n"
#define HEX_16(last) "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:" last
#define PRINT "a=fingerprint:sha-256 " HEX_16("6B") ":" HEX_16("6B") "\r\n"
#define PRINT_2 "a=fingerprint:sha-256 " HEX_16("6B") ":" HEX_16("00") "\r\n"
#define ACTIVE "a=setup:active\r\n"
#define MUX "a=rtcp-mux\r\n"

static int setup(void **state)
{
	static struct world world;

	world_init(&world);
	world_secure(&world, 1, CONF_SRTP_REQUIRED, CONF_KEYING_DTLS);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	return 0;
}

/* Of side 1, the secured one. */
static const struct ctl_stream_security *told(const struct world *w)
{
	const struct ctl_stream_set *set = world_stream(w, 0, 1);

	assert_non_null(set);
	assert_int_equal(set->security_count, 1);
	assert_int_equal(set->security->dtls_count, 1);
	return set->security;
}

static const struct ctl_stream_security *restored(struct world *w)
{
	w->command = media_restore(w->media, &w->turn);
	assert_int_equal(world_stream(w, 0, 0)->security_count, 0);
	return told(w);
}

/* One of each is told, or neither. */
static void assert_keys(const struct ctl_stream_security *security, bool rtp, bool rtcp)
{
	assert_int_equal(security->receive_count, rtp);
	assert_int_equal(security->send_count, rtp);
	assert_int_equal(security->receive_rtcp_count, rtcp);
	assert_int_equal(security->send_rtcp_count, rtcp);
}

/* The relay says what came of an association of side 1. */
static void secured(struct world *w, enum ctl_component component, uint32_t association,
		    const char *receive, const char *send)
{
	struct ctl_srtp_crypto keys[2] = {
		{ .suite = CTL_SRTP_AEAD_AES_128_GCM, .key = slice_text(receive) },
		{ .suite = CTL_SRTP_AEAD_AES_128_GCM, .key = slice_text(send) },
	};

	media_secured(w->media, &(struct ctl_media_event){ .kind = CTL_MEDIA_SECURED,
							   .side = 1,
							   .component = (uint8_t)component,
							   .value = association,
							   .keys = keys,
							   .keys_count = 2 });
}

static void assert_cryptos(const struct ctl_srtp_crypto *receive, const char *receive_key,
			   const struct ctl_srtp_crypto *send, const char *send_key)
{
	assert_int_equal(receive->suite, CTL_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(send->suite, CTL_SRTP_AEAD_AES_128_GCM);
	assert_slice(receive->key, receive_key);
	assert_slice(send->key, send_key);
}

/* A plain side and one with DTLS, whose association it returns. */
static uint32_t agreed(struct world *w)
{
	world_sides(w);
	world_exchange(w, 0, A PCMU, B DTLS PRINT ACTIVE);
	return told(w)->dtls[0].association;
}

/* What a handshake gave is told to a relay that was started again, and to no other. */
static void test_keys_for_another_relay(void **state)
{
	struct world *w = *state;
	const struct ctl_stream_security *security;
	uint32_t association;

	association = agreed(w);
	media_secured(w->media, &(struct ctl_media_event){ .stream = 200, .keys_count = 2 });
	assert_keys(restored(w), false, false);
	secured(w, CTL_COMPONENT_RTP, association, "0123456789abcdef-receive-key",
		"0123456789abcdef-is-send-key");
	security = restored(w);
	assert_int_equal(security->dtls[0].association, association);
	assert_keys(security, true, false);
	assert_cryptos(security->receive, "0123456789abcdef-receive-key", security->send,
		       "0123456789abcdef-is-send-key");
	/* A relay that lives made them itself; another association will have others. */
	world_exchange(w, 0, A PCMU, B DTLS PRINT ACTIVE);
	assert_keys(told(w), false, false);
	world_exchange(w, 0, A PCMU, B DTLS PRINT_2 ACTIVE);
	assert_int_not_equal(told(w)->dtls[0].association, association);
	assert_keys(restored(w), false, false);
}

/* Each of the two may end its handshake first; the last of its keys count. */
static void test_keys_of_rtcp(void **state)
{
	struct world *w = *state;
	const struct ctl_stream_security *security;
	uint32_t association;

	association = agreed(w);
	secured(w, CTL_COMPONENTS, association, "no such component is told of",
		"but somebody might dare here");
	assert_keys(restored(w), false, false);
	secured(w, CTL_COMPONENT_RTCP, association, "0123456789abcdef-rtcp-of-old",
		"0123456789abcdef-rtcp-is-long");
	assert_keys(restored(w), false, false); /* lengths that differ are no keys */
	secured(w, CTL_COMPONENT_RTCP, association, "0123456789abcdef-rtcp-of-old",
		"0123456789abcdef-rtcp-before");
	assert_keys(restored(w), false, true);
	secured(w, CTL_COMPONENT_RTP, association, "0123456789abcdef-receive-key",
		"0123456789abcdef-is-send-key");
	secured(w, CTL_COMPONENT_RTCP, association, "0123456789abcdef-rtcp-heard-",
		"0123456789abcdef-rtcp-told--");
	for (unsigned i = 0; i < 2; i++) { /* as often as it dies */
		security = restored(w);
		assert_keys(security, true, true);
		assert_cryptos(security->receive, "0123456789abcdef-receive-key", security->send,
			       "0123456789abcdef-is-send-key");
		assert_cryptos(security->receive_rtcp, "0123456789abcdef-rtcp-heard-",
			       security->send_rtcp, "0123456789abcdef-rtcp-told--");
	}
	/* Another association, of which only RTP's hands are shaken yet. */
	world_exchange(w, 0, A PCMU, B DTLS PRINT_2 ACTIVE);
	association = told(w)->dtls[0].association;
	assert_keys(restored(w), false, false);
	secured(w, CTL_COMPONENT_RTP, association, "0123456789abcdef-receive-new",
		"0123456789abcdef-send-is-new");
	assert_keys(restored(w), true, false);
}

/* Agreed on later: RTCP goes with RTP's keys from then on. */
static void test_rtcp_joins(void **state)
{
	struct world *w = *state;
	uint32_t association;

	w->sides[1].rtcp_mux = CONF_RTCP_MUX_OPTIONAL;
	association = agreed(w);
	for (unsigned i = 0; i < CTL_COMPONENTS; i++)
		secured(w, (enum ctl_component)i, association, "0123456789abcdef-receive-key",
			"0123456789abcdef-is-send-key");
	assert_keys(restored(w), true, true);
	world_exchange(w, 0, A PCMU, B DTLS PRINT ACTIVE MUX);
	assert_int_equal(told(w)->dtls[0].association, association);
	assert_keys(restored(w), true, false);
	assert_int_equal(world_stream(w, 0, 1)->flags & CTL_STREAM_RTCP_MUX, CTL_STREAM_RTCP_MUX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys_for_another_relay),
		TEST(test_keys_of_rtcp),
		TEST(test_rtcp_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Sides with SRTP in virtual time: what is believed, what crosses, and how it leaves.
 * The phones' own SRTP is the room's too; the transform has its judges in tests of its own. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/session/session.h"
#include "tests/unit/media-relay/told.h"

#define START_MS 1000000u
#define A "192.0.2.1:4000"
#define A_MOVED "192.0.2.1:4444"
#define A_RTCP "192.0.2.1:4001"
#define B "198.51.100.1:5000"
#define B_RTCP "198.51.100.1:5001"
#define THIEF "203.0.113.9:4000"
#define KEYS 4u

struct fixture {
	struct sessions sessions;
	struct srtp_engine engine;
	struct srtp *phones[2];
	struct session *session;
	struct stream *stream;
	int port; /* stands for any port of the way in and out */
	char keys[KEYS][46];
	uint64_t now_ms;
	unsigned char bytes[2048];
	struct packet packet; /* the last one */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sessions_init(&f->sessions, 4, START_MS) != OK ||
	    srtp_engine_init(&f->engine, 4) != OK)
		return -1;
	for (unsigned i = 0; i < KEYS; i++)
		memset(f->keys[i], (int)i + 1, sizeof(f->keys[i]));
	f->now_ms = START_MS;
	f->session = session_create(&f->sessions, 1, 77, START_MS);
	f->stream = stream_create(&f->sessions, f->session, 0);
	f->phones[0] = srtp_create(&f->engine);
	f->phones[1] = srtp_create(&f->engine);
	*state = f;
	return f->stream && f->phones[0] && f->phones[1] ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	srtp_destroy(&f->phones[0]);
	srtp_destroy(&f->phones[1]);
	srtp_engine_fini(&f->engine);
	sessions_fini(&f->sessions); /* with keys in use: the sanitizer sees what is left behind */
	free(f);
	return 0;
}

static struct ctl_srtp_crypto crypto(const struct fixture *f, unsigned key,
				     enum ctl_srtp_suite suite)
{
	return (struct ctl_srtp_crypto){
		.suite = (uint8_t)suite,
		.key = slice_of(f->keys[key],
				srtp_master_key_bytes(suite) + srtp_master_salt_bytes(suite)),
	};
}

/* Of the relay, and its phone, which sends with keys[key] and hears keys[key + 1]. suite 0: plain. */
static void tell(struct fixture *f, unsigned number, enum ctl_srtp_suite suite, unsigned key,
		 struct ctl_stream_set set)
{
	struct ctl_srtp_crypto theirs = crypto(f, key, suite);
	struct ctl_srtp_crypto ours = crypto(f, key + 1, suite);
	struct ctl_stream_security security = { .receive = &theirs, .receive_count = 1,
						.send = &ours, .send_count = 1 };

	set.side = (uint8_t)number;
	set.remote_rtp = set.remote_rtcp = at(number == 0 ? A : B);
	set.remote_rtcp.port++;
	if (suite != CTL_SRTP_NONE) {
		set.security = &security;
		set.security_count = 1;
		assert_int_equal(srtp_set_send(f->phones[number], &theirs), OK);
		assert_int_equal(srtp_set_receive(f->phones[number], &ours, 1, f->now_ms), OK);
	}
	tell_side(&f->sessions, f->session, &f->stream->sides[number], &f->port, &set, f->now_ms);
}

static size_t rtp(struct fixture *f, uint16_t sequence)
{
	static const unsigned char head[12] = { 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7 };

	memcpy(f->bytes, head, sizeof(head));
	f->bytes[2] = (unsigned char)(sequence >> 8);
	f->bytes[3] = (unsigned char)sequence;
	memset(f->bytes + 12, 0x55, 160);
	return 172;
}

static size_t report(struct fixture *f)
{
	static const unsigned char head[8] = { 0x80, 201, 0, 1, 0, 0, 0, 7 };

	memcpy(f->bytes, head, sizeof(head));
	return sizeof(head);
}

/* What lies in f->bytes arrives. */
static enum packet_verdict arrives(struct fixture *f, unsigned number, enum component component,
				   const char *source, size_t len)
{
	f->packet = (struct packet){ .flow = &f->stream->sides[number].flows[component],
				     .bytes = f->bytes,
				     .len = len,
				     .source = at(source),
				     .now_ms = f->now_ms };
	return session_packet(&f->packet);
}

/* The phone's SRTP; with suite 0, as it is. */
static size_t sealed(struct fixture *f, unsigned number, bool control, size_t len)
{
	if (f->stream->sides[number].secured)
		assert_int_equal(srtp_protect(f->phones[number], control, f->bytes, len, &len),
				 SRTP_OK);
	return len;
}

static enum packet_verdict says(struct fixture *f, unsigned number, const char *source,
				uint16_t sequence)
{
	return arrives(f, number, COMPONENT_RTP, source, sealed(f, number, false, rtp(f, sequence)));
}

/* The other phone understands what leaves, and it is the packet that was said. */
static void assert_understood(struct fixture *f, unsigned number, bool control, uint16_t sequence)
{
	unsigned char got[256];
	size_t len = f->packet.len;
	size_t want;

	memcpy(got, f->bytes, len);
	if (f->stream->sides[number].secured)
		assert_int_equal(srtp_unprotect(f->phones[number], control, got, len, f->now_ms,
						&len), SRTP_OK);
	want = control ? report(f) : rtp(f, sequence);
	assert_int_equal(len, want);
	assert_memory_equal(got, f->bytes, want);
}

static const struct side_counters *counters(const struct fixture *f, unsigned number)
{
	return &f->stream->sides[number].counters;
}

/* ---- ---- */

/* Every suite, and plain, against every other one. */
static void every_suite_meets_every_other(void **state)
{
	struct fixture *f = *state;
	uint16_t sequence = 1;

	for (unsigned a = 0; a < CTL_SRTP_SUITES; a++) {
		for (unsigned b = 0; b < CTL_SRTP_SUITES; b++) {
			tell(f, 0, (enum ctl_srtp_suite)a, 0, (struct ctl_stream_set){ 0 });
			tell(f, 1, (enum ctl_srtp_suite)b, 2, (struct ctl_stream_set){ 0 });
			assert_int_equal(says(f, 0, A, sequence), PACKET_FORWARD);
			assert_understood(f, 1, false, sequence);
			assert_int_equal(says(f, 1, B, sequence), PACKET_FORWARD);
			assert_understood(f, 0, false, sequence);
			assert_int_equal(arrives(f, 0, COMPONENT_RTCP, "192.0.2.1:4001",
						 sealed(f, 0, true, report(f))), PACKET_FORWARD);
			assert_understood(f, 1, true, 0);
			sequence++;
		}
	}
	assert_int_equal(counters(f, 0)->packets_dropped, 0);
	assert_int_equal(counters(f, 1)->packets_sent, CTL_SRTP_SUITES * CTL_SRTP_SUITES);
	assert_int_equal(counters(f, 1)->rtcp_sent, CTL_SRTP_SUITES * CTL_SRTP_SUITES);
}

static void nothing_is_believed_before_its_tag(void **state)
{
	struct fixture *f = *state;
	struct flow *flow = &f->stream->sides[0].flows[COMPONENT_RTP];
	size_t len;

	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	for (uint16_t i = 0; i < 8; i++) { /* from the right host, in sequence, but no key */
		len = sealed(f, 0, false, rtp(f, i));
		f->bytes[20] ^= 1;
		assert_int_equal(arrives(f, 0, COMPONENT_RTP, A_MOVED, len), PACKET_DROP_AUTH);
	}
	for (uint16_t i = 8; i < 16; i++) /* plain */
		assert_int_equal(arrives(f, 0, COMPONENT_RTP, A_MOVED, rtp(f, i)), PACKET_DROP_AUTH);
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, A_MOVED, 14), PACKET_DROP_PLAIN);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, "192.0.2.1:4445", report(f)),
			 PACKET_DROP_PLAIN);
	assert_false(flow->latch.locked);
	assert_int_equal(flow->latch.candidates[0].packets, 0);
	assert_false(f->stream->sides[0].source.valid);
	assert_int_equal(f->stream->sides[0].last_packet_ms, 0);
	assert_int_equal(counters(f, 0)->packets_forged, 18);
	assert_int_equal(counters(f, 0)->packets_received, 0);
	for (uint16_t i = 100; i < 104; i++)
		assert_int_equal(says(f, 0, A_MOVED, i), PACKET_FORWARD);
	assert_true(flow->latch.locked && f->packet.latched);
	assert_int_equal(says(f, 0, A, 104), PACKET_DROP_SOURCE); /* right key, wrong source */
	assert_int_equal(says(f, 0, A_MOVED, 105), PACKET_FORWARD);
}

static void a_stranger_costs_no_cryptography(void **state)
{
	struct fixture *f = *state;

	tell(f, 0, CTL_SRTP_AEAD_AES_128_GCM, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, THIEF, rtp(f, 1)), PACKET_DROP_SOURCE);
	assert_int_equal(counters(f, 0)->packets_forged, 0);
}

static void a_replay_goes_nowhere(void **state)
{
	struct fixture *f = *state;
	unsigned char copy[256];
	size_t len;

	tell(f, 0, CTL_SRTP_AEAD_AES_256_GCM, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_AES_CM_128_HMAC_SHA1_32, 2, (struct ctl_stream_set){ 0 });
	len = sealed(f, 0, false, rtp(f, 9));
	memcpy(copy, f->bytes, len);
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, A, len), PACKET_FORWARD);
	memcpy(f->bytes, copy, len);
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, A, len), PACKET_DROP_REPLAY);
	assert_int_equal(counters(f, 0)->packets_replayed, 1);
	assert_int_equal(counters(f, 0)->packets_received, 1);
	assert_int_equal(counters(f, 1)->packets_sent, 1);
	assert_int_equal(counters(f, 0)->bytes_received, 172 + 16); /* as on the wire, both */
	assert_int_equal(counters(f, 1)->bytes_sent, 172 + 4);
}

/* A plain duplicate must not leave twice under one index. */
static void a_plain_duplicate_is_not_sealed_twice(void **state)
{
	struct fixture *f = *state;

	tell(f, 0, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_AEAD_AES_128_GCM, 2, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 9), PACKET_FORWARD);
	assert_int_equal(says(f, 0, A, 9), PACKET_DROP_REPLAY);
	assert_int_equal(counters(f, 1)->packets_sent, 1);
	assert_int_equal(counters(f, 0)->packets_replayed, 0); /* nothing that came was SRTP */
}

static void nothing_leaves_in_clear(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto theirs = crypto(f, 2, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	struct ctl_stream_security security = { .receive = &theirs, .receive_count = 1 };
	struct ctl_stream_set set = { .side = 1, .remote_rtp = at(B), .direction = 3,
				      .security = &security, .security_count = 1 };

	tell(f, 0, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(session_prepare(&f->sessions, &f->stream->sides[1], &set), OK);
	assert_int_equal(session_secure(&f->stream->sides[1], &set, f->now_ms), OK);
	assert_int_equal(says(f, 0, A, 1), PACKET_DROP_PLAIN);
	assert_int_equal(counters(f, 1)->packets_sent, 0);
	security.receive_count = 0; /* neither, but to be left alone: only on this side */
	set.flags = CTL_STREAM_PASS_CRYPTO;
	assert_int_equal(session_secure(&f->stream->sides[1], &set, f->now_ms), OK);
	assert_int_equal(says(f, 0, A, 2), PACKET_DROP_PLAIN);
	assert_int_equal(arrives(f, 1, COMPONENT_RTP, B, rtp(f, 1)), PACKET_DROP_PLAIN);
}

static void keys_left_alone(void **state)
{
	struct fixture *f = *state;
	struct ctl_stream_set pass = { .flags = CTL_STREAM_PASS_CRYPTO };
	struct ctl_srtp_crypto secret = crypto(f, 0, CTL_SRTP_AEAD_AES_128_GCM);
	unsigned char copy[256];
	size_t len;

	tell(f, 0, CTL_SRTP_NONE, 0, pass);
	tell(f, 1, CTL_SRTP_NONE, 0, pass);
	assert_int_equal(srtp_set_send(f->phones[0], &secret), OK);
	for (uint16_t i = 0; i < 20; i++) { /* with the padding bit, whose count is not to be read */
		len = rtp(f, i);
		f->bytes[0] |= 0x20;
		f->bytes[len - 1] = 4;
		assert_int_equal(srtp_protect(f->phones[0], false, f->bytes, len, &len), SRTP_OK);
		memcpy(copy, f->bytes, len);
		assert_int_equal(arrives(f, 0, COMPONENT_RTP, A, len), PACKET_FORWARD);
		assert_int_equal(f->packet.len, len);
		assert_memory_equal(f->bytes, copy, len);
	}
	assert_int_equal(srtp_protect(f->phones[0], true, f->bytes, report(f), &len), SRTP_OK);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, "192.0.2.1:4001", len), PACKET_FORWARD);
	assert_int_equal(f->packet.len, len);
	assert_true(f->stream->sides[0].flows[COMPONENT_RTP].latch.locked);
	assert_int_equal(rtp_source_lost(&f->stream->sides[0].source), 0);
}

static void the_roll_over_counter_survives_hold_and_re_invite(void **state)
{
	struct fixture *f = *state;
	struct ctl_stream_set hold = { .direction = CTL_TRANSMIT };

	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 65535), PACKET_FORWARD);
	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, hold);
	for (unsigned i = 0; i < 3 * 65536; i += 16384) /* it speaks on, heard by nobody */
		assert_int_equal(says(f, 0, A, (uint16_t)i), PACKET_DROP_DIRECTION);
	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 50000), PACKET_FORWARD);
	assert_understood(f, 1, false, 50000);
	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0,
	     (struct ctl_stream_set){ .flags = CTL_STREAM_RESET });
	assert_int_equal(says(f, 0, A, 50001), PACKET_FORWARD);
}

static void another_key_while_packets_fly(void **state)
{
	struct fixture *f = *state;
	unsigned char flying[256];
	size_t len;

	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 1), PACKET_FORWARD);
	len = sealed(f, 0, false, rtp(f, 2));
	memcpy(flying, f->bytes, len);
	tell(f, 0, CTL_SRTP_AEAD_AES_128_GCM, 2, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 3), PACKET_FORWARD);
	memcpy(f->bytes, flying, len);
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, A, len), PACKET_FORWARD);
	assert_understood(f, 1, false, 2);
	f->now_ms += SRTP_OVERLAP_MS;
	memcpy(f->bytes, flying, len);
	assert_int_equal(arrives(f, 0, COMPONENT_RTP, A, len), PACKET_DROP_AUTH);
}

static void back_to_plain(void **state)
{
	struct fixture *f = *state;
	struct ctl_stream_stats stats;

	tell(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80, 0, (struct ctl_stream_set){ 0 });
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(says(f, 0, A, 1), PACKET_FORWARD);
	side_stats(&f->stream->sides[0], f->now_ms, 0, &stats);
	assert_int_equal(stats.suite, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	tell(f, 0, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	assert_int_equal(f->sessions.srtp.keys[0].live, 0);
	assert_int_equal(says(f, 0, A, 2), PACKET_FORWARD);
	side_stats(&f->stream->sides[0], f->now_ms, 0, &stats);
	assert_int_equal(stats.suite, CTL_SRTP_NONE);
}

/* Side 0 of a relay that was started again: RTP's association gave keys[0] and [1], RTCP's the others.
 * states: what was remembered; NULL: nothing. */
static void tell_associations(struct fixture *f, const struct side_states *states)
{
	static const char print[DTLS_FINGERPRINT_BYTES];
	struct ctl_dtls_setup dtls = { .hash = CTL_HASH_SHA256,
				       .fingerprint = slice_of(print, sizeof(print)) };
	struct side *side = &f->stream->sides[0];
	struct ctl_srtp_crypto keys[KEYS];
	struct ctl_stream_security security = { &keys[0], 1, &keys[1], 1, &keys[2], 1, &keys[3], 1,
						.dtls = &dtls, .dtls_count = 1 };
	struct ctl_stream_set set = { .security = &security, .security_count = 1,
				      .direction = CTL_RECEIVE | CTL_TRANSMIT,
				      .remote_rtp = at(A), .remote_rtcp = at(A_RTCP) };

	for (unsigned i = 0; i < KEYS; i++) {
		const struct flow_states *it = states ? &states->flows[i / 2] : NULL;

		keys[i] = crypto(f, i, CTL_SRTP_AEAD_AES_128_GCM);
		if (it)
			keys[i].state = i % 2 ? slice_of((const char *)it->send, it->send_len) :
						slice_of((const char *)it->receive, it->receive_len);
	}
	tell_side(&f->sessions, f->session, side, &f->port, &set, f->now_ms);
}

/* What side 0's phone says and hears with from now on. */
static void phone_turns_to(struct fixture *f, unsigned key)
{
	struct ctl_srtp_crypto sends = crypto(f, key, CTL_SRTP_AEAD_AES_128_GCM);
	struct ctl_srtp_crypto hears = crypto(f, key + 1, CTL_SRTP_AEAD_AES_128_GCM);

	assert_int_equal(srtp_set_send(f->phones[0], &sends), OK);
	assert_int_equal(srtp_set_receive(f->phones[0], &hears, 1, f->now_ms), OK);
}

/* RTP and RTCP by handshakes of their own (RFC 5764 without multiplexing). */
static void keys_for_each_component(void **state)
{
	struct fixture *f = *state;

	tell_associations(f, NULL);
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	phone_turns_to(f, 0);
	assert_int_equal(says(f, 0, A, 1), PACKET_FORWARD);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, sealed(f, 0, true, report(f))),
			 PACKET_DROP_AUTH);
	phone_turns_to(f, 2);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, sealed(f, 0, true, report(f))),
			 PACKET_FORWARD);
	assert_int_equal(arrives(f, 1, COMPONENT_RTCP, B_RTCP, report(f)), PACKET_FORWARD);
	assert_understood(f, 0, true, 0);
	assert_int_equal(says(f, 0, A, 2), PACKET_DROP_AUTH);
	/* SDES has the same for both. */
	tell(f, 0, CTL_SRTP_AEAD_AES_128_GCM, 0, (struct ctl_stream_set){ 0 });
	session_set_channel(&f->sessions, &f->stream->sides[0], &(struct ctl_stream_set){ 0 }, 1);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, sealed(f, 0, true, report(f))),
			 PACKET_FORWARD);
	assert_null(f->stream->sides[0].flows[COMPONENT_RTCP].srtp);
}

/* Index of the report that is in f->packet, as it leaves. */
static uint32_t control_index(const struct fixture *f)
{
	const unsigned char *at = f->bytes + f->packet.len - 4;

	return (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The counters under RTCP's own keys outlive the relay: what was heard is not heard again, and no index
 * is used twice. */
static void keys_for_each_component_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct side *side = &f->stream->sides[0];
	struct flow *rtcp = &side->flows[COMPONENT_RTCP];
	unsigned char old[64];
	struct side_states states;
	size_t len = 0;
	uint32_t last;

	tell_associations(f, NULL);
	tell(f, 1, CTL_SRTP_NONE, 0, (struct ctl_stream_set){ 0 });
	phone_turns_to(f, 2);
	assert_true(flow_has_news(rtcp));
	assert_false(flow_has_news(rtcp));
	for (unsigned i = 0; i < 3; i++) {
		len = sealed(f, 0, true, report(f));
		memcpy(old, f->bytes, len);
		assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, len), PACKET_FORWARD);
		assert_int_equal(arrives(f, 1, COMPONENT_RTCP, B_RTCP, report(f)), PACKET_FORWARD);
	}
	last = control_index(f);
	assert_true(flow_has_news(rtcp)); /* an SSRC */
	assert_true(flow_has_news(&side->flows[COMPONENT_RTP]));
	assert_false(flow_has_news(&side->flows[COMPONENT_RTP]));
	assert_true(side_remember_states(side, &states));
	assert_int_equal(session_secure(side, &(struct ctl_stream_set){ 0 }, f->now_ms), OK);
	session_set_channel(&f->sessions, side, &(struct ctl_stream_set){ 0 }, f->now_ms);
	assert_false(side_remember_states(side, &(struct side_states){ 0 }));

	tell_associations(f, &states);
	memcpy(f->bytes, old, len);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, len), PACKET_DROP_REPLAY);
	assert_int_equal(arrives(f, 0, COMPONENT_RTCP, A_RTCP, sealed(f, 0, true, report(f))),
			 PACKET_FORWARD);
	assert_int_equal(arrives(f, 1, COMPONENT_RTCP, B_RTCP, report(f)), PACKET_FORWARD);
	assert_true(control_index(f) > last);
	assert_understood(f, 0, true, 0);
}

static void what_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto three[3] = { crypto(f, 0, 1), crypto(f, 1, 1), crypto(f, 2, 1) };
	struct ctl_stream_security security = { .receive = three, .receive_count = 3 };
	struct ctl_dtls_setup dtls = { .hash = CTL_HASH_NONE };
	struct ctl_stream_set stream = { .security = &security, .security_count = 1 };
	struct ctl_session_set set = { .streams = &stream, .streams_count = 1 };

	assert_non_null(session_check(&set));
	security.receive_count = 2;
	assert_null(session_check(&set));
	three[1].key.len--;
	assert_non_null(session_check(&set));
	security = (struct ctl_stream_security){ .send = three, .send_count = 2 };
	assert_non_null(session_check(&set));
	security.send_count = 1;
	assert_null(session_check(&set));
	security.receive_rtcp = security.send_rtcp = three;
	security.receive_rtcp_count = security.send_rtcp_count = 1;
	assert_non_null(session_check(&set)); /* without DTLS */
	security = (struct ctl_stream_security){ .dtls = &dtls, .dtls_count = 1,
						 .receive_rtcp = three, .send_rtcp = three };
	security.receive_rtcp_count = security.send_rtcp_count = 1;
	assert_null(session_check(&set));
	security.receive_rtcp_count = 0;
	assert_non_null(session_check(&set));
	security.receive_rtcp_count = security.send_rtcp_count = 2;
	assert_non_null(session_check(&set));
	security.receive_rtcp_count = security.send_rtcp_count = 1;
	security.receive_rtcp = &three[1]; /* too short */
	assert_non_null(session_check(&set));
	security.receive_rtcp = three;
	stream.security_count = 2;
	assert_non_null(session_check(&set));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_suite_meets_every_other),
		TEST(nothing_is_believed_before_its_tag),
		TEST(a_stranger_costs_no_cryptography),
		TEST(a_replay_goes_nowhere),
		TEST(a_plain_duplicate_is_not_sealed_twice),
		TEST(nothing_leaves_in_clear),
		TEST(keys_left_alone),
		TEST(the_roll_over_counter_survives_hold_and_re_invite),
		TEST(another_key_while_packets_fly),
		TEST(back_to_plain),
		TEST(keys_for_each_component),
		TEST(keys_for_each_component_over_a_restart),
		TEST(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * A side with ICE between its peer's checks and its peer's media, in virtual time. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/ice/ice_priv.h"
#include "media-relay/session/session.h"
#include "tests/unit/media-relay/told.h"

#define START_MS 1000000u
#define PASSWORD "0123456789abcdefghijkl"
#define PEER "192.0.2.1:4000"
#define ELSEWHERE "192.0.2.1:4444"
#define THIEF "203.0.113.9:4000"

struct fixture {
	struct sessions sessions;
	struct session *session;
	struct stream *stream;
	int port; /* stands for any port of the way in and out */
	uint64_t now_ms;
	struct endpoint sent_to; /* of the last datagram of our own */
	size_t sent_len;
	unsigned sent;
};

static void on_send(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		    size_t len)
{
	struct fixture *f = owner;

	assert_non_null(flow->port);
	assert_non_null(bytes);
	f->sent_to = *to;
	f->sent_len = len;
	f->sent++;
}

static void tell(struct fixture *f, unsigned number, struct ctl_stream_set set)
{
	set.side = (uint8_t)number;
	tell_side(&f->sessions, f->session, &f->stream->sides[number], &f->port, &set, f->now_ms);
}

static void tell_ice(struct fixture *f, const char *ufrag, uint32_t flags)
{
	struct ctl_ice_setup ice = { .local_ufrag = slice_text(ufrag),
				     .local_password = SLICE(PASSWORD),
				     .remote_ufrag = SLICE("theirs") };
	struct ctl_stream_security security = { .ice = &ice, .ice_count = 1 };

	tell(f, 0, (struct ctl_stream_set){ .flags = flags | CTL_STREAM_RTCP_MUX,
					    .remote_rtp = at(PEER),
					    .security = &security,
					    .security_count = 1 });
}

/* Side 0 has ICE, side 1 is plain. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sessions_init(&f->sessions, 16, START_MS) != OK)
		return -1;
	f->sessions.send = on_send;
	f->sessions.send_owner = f;
	f->now_ms = START_MS;
	f->session = session_create(&f->sessions, 1, 77, START_MS);
	f->stream = stream_create(&f->sessions, f->session, 0);
	tell_ice(f, "ours", 0);
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .remote_rtcp = at("198.51.100.1:5001") });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	session_destroy(&f->sessions, f->session);
	assert_int_equal(f->sessions.channel_pool.live, 0);
	sessions_fini(&f->sessions);
	free(f);
	return 0;
}

static enum packet_verdict arrives(struct fixture *f, unsigned number, const char *source,
				   unsigned char *bytes, size_t len)
{
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTP],
				 .bytes = bytes,
				 .len = len,
				 .source = at(source),
				 .now_ms = f->now_ms,
				 .arrival_us = f->now_ms * 1000 };
	enum packet_verdict verdict = session_packet(&packet);

	return verdict == PACKET_SIGNAL ? session_signal(&f->sessions, &packet) : verdict;
}

static enum packet_verdict media(struct fixture *f, unsigned number, const char *source)
{
	unsigned char bytes[172] = { 0x80, 0 };

	return arrives(f, number, source, bytes, sizeof(bytes));
}

static enum packet_verdict check(struct fixture *f, unsigned number, const char *source,
				 const char *username, bool nominate)
{
	static const unsigned char transaction[12] = "transaction";
	unsigned char bytes[256];
	struct stun_writer writer;
	size_t len;

	stun_write_begin(&writer, bytes, sizeof(bytes), STUN_BINDING_REQUEST, transaction);
	stun_write_attribute(&writer, STUN_USERNAME, username, strlen(username));
	if (nominate)
		stun_write_attribute(&writer, STUN_USE_CANDIDATE, NULL, 0);
	len = stun_write_end(&writer, SLICE(PASSWORD));
	assert_true(len > 0);
	return arrives(f, number, source, bytes, len);
}

static void assert_target(const struct fixture *f, const char *expected)
{
	struct endpoint target = f->stream->sides[0].flows[COMPONENT_RTP].target;
	struct endpoint want = at(expected);

	assert_true(endpoint_eq(&target, &want));
}

static void assert_event(struct fixture *f, enum ctl_media_event_kind kind, const char *source)
{
	struct endpoint want = at(source);
	struct session_event event;

	assert_true(sessions_pop(&f->sessions, f->now_ms, &event));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.side->number, 0);
	assert_true(endpoint_eq(&event.source, &want));
}

static void assert_no_event(struct fixture *f)
{
	struct session_event event;

	assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
}

/* The told address counts for nothing: the peer proves where it is, both ways. */
static void path_by_check(void **state)
{
	struct fixture *f = *state;

	assert_target(f, NULL);
	assert_int_equal(media(f, 0, PEER), PACKET_DROP_SOURCE);
	assert_int_equal(media(f, 1, "198.51.100.1:5000"), PACKET_DROP_NO_WAY);
	assert_int_equal(check(f, 0, ELSEWHERE, "ours:theirs", false), PACKET_CONSUMED);
	assert_int_equal(f->sent, 1);
	assert_target(f, NULL);
	assert_no_event(f);
	assert_int_equal(media(f, 0, ELSEWHERE), PACKET_FORWARD);
	assert_int_equal(check(f, 0, ELSEWHERE, "ours:theirs", true), PACKET_CONSUMED);
	assert_target(f, ELSEWHERE);
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, ELSEWHERE);
	assert_no_event(f);
	assert_int_equal(media(f, 1, "198.51.100.1:5000"), PACKET_FORWARD);
	/* Told again, as every re-INVITE does: nothing moves. */
	tell_ice(f, "ours", 0);
	assert_target(f, ELSEWHERE);
	assert_int_equal(media(f, 0, ELSEWHERE), PACKET_FORWARD);
	assert_int_equal(media(f, 0, THIEF), PACKET_DROP_SOURCE);
}

/* A thief with an SDP in hand, but no password; and one at a side without ICE. */
static void strangers_hear_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };

	assert_int_equal(arrives(f, 0, THIEF, bytes, sizeof(bytes)), PACKET_DROP_STUN);
	assert_int_equal(arrives(f, 1, THIEF, bytes, sizeof(bytes)), PACKET_DROP_STUN);
	assert_int_equal(arrives(f, 0, THIEF, bytes, 1), PACKET_DROP_STUN);
	assert_int_equal(check(f, 0, THIEF, "ours:other", true), PACKET_DROP_STUN);
	assert_int_equal(check(f, 1, THIEF, "ours:theirs", true), PACKET_DROP_STUN);
	assert_int_equal(f->sent, 0);
	assert_target(f, NULL);
	assert_int_equal(f->stream->sides[0].counters.packets_dropped, 3);
	assert_int_equal(f->stream->sides[1].counters.packets_dropped, 2);
	assert_no_event(f);
}

static void consent_ends_and_comes_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, 0, PEER, "ours:theirs", true), PACKET_CONSUMED);
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, PEER);
	f->now_ms += 29000;
	assert_int_equal(media(f, 0, PEER), PACKET_FORWARD); /* media is consent, too */
	f->now_ms += 29999;
	assert_no_event(f);
	assert_target(f, PEER);
	f->now_ms += 1;
	assert_event(f, CTL_MEDIA_ICE_LOST, PEER);
	assert_no_event(f);
	assert_target(f, NULL);
	assert_int_equal(media(f, 1, "198.51.100.1:5000"), PACKET_DROP_NO_WAY);
	f->now_ms += 60000;
	assert_no_event(f);
	assert_int_equal(check(f, 0, PEER, "ours:theirs", false), PACKET_CONSUMED);
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, PEER);
	assert_target(f, PEER);
	f->now_ms += 30000;
	assert_event(f, CTL_MEDIA_ICE_LOST, PEER);
}

static void restart_keeps_media(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, 0, PEER, "ours:theirs", true), PACKET_CONSUMED);
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, PEER);
	tell_ice(f, "anew", 0);
	assert_target(f, PEER);
	assert_int_equal(media(f, 0, PEER), PACKET_FORWARD);
	assert_int_equal(check(f, 0, ELSEWHERE, "anew:theirs", true), PACKET_CONSUMED);
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, ELSEWHERE);
	assert_target(f, ELSEWHERE);
	/* A side that starts anew knows nobody. */
	tell_ice(f, "anew", CTL_STREAM_RESET);
	assert_target(f, NULL);
	assert_int_equal(media(f, 0, ELSEWHERE), PACKET_DROP_SOURCE);
}

static void without_ice_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, 0, ELSEWHERE, "ours:theirs", true), PACKET_CONSUMED);
	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) });
	assert_target(f, PEER);
	assert_int_equal(media(f, 0, PEER), PACKET_FORWARD);
	assert_int_equal(check(f, 0, ELSEWHERE, "ours:theirs", true), PACKET_DROP_STUN);
	/* The event of before is told of a side that still is. */
	assert_event(f, CTL_MEDIA_ICE_CONNECTED, ELSEWHERE);
}

static void events_of_gone_sessions(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, 0, PEER, "ours:theirs", true), PACKET_CONSUMED);
	session_destroy(&f->sessions, f->session);
	assert_no_event(f);
	f->session = session_create(&f->sessions, 1, 78, f->now_ms);
}

static void bad_setups(void **state)
{
	struct ctl_ice_setup ice[2] = { { .local_ufrag = SLICE("x") }, { .local_ufrag = SLICE("x") } };
	struct ctl_stream_security security = { .ice = ice, .ice_count = 1 };
	struct ctl_stream_set set = { .security = &security, .security_count = 1 };
	struct ctl_session_set all = { .streams = &set, .streams_count = 1 };

	(void)state;
	assert_non_null(session_check(&all));
	ice[0] = (struct ctl_ice_setup){ .local_ufrag = SLICE("ours"),
					 .local_password = SLICE(PASSWORD) };
	assert_null(session_check(&all));
	security.ice_count = 2;
	assert_non_null(session_check(&all));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(path_by_check, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_hear_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(consent_ends_and_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_keeps_media, setup, teardown),
		cmocka_unit_test_setup_teardown(without_ice_again, setup, teardown),
		cmocka_unit_test_setup_teardown(events_of_gone_sessions, setup, teardown),
		cmocka_unit_test(bad_setups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

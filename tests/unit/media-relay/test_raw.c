/* SPDX-License-Identifier: MIT
 * A fax in virtual time: who is heard of a stream that is not RTP, and what is silence there. */
#include "tests/unit/media-relay/session_fixture.h"

/* ---- not RTP ---- */

static enum packet_verdict datagram(struct fixture *f, unsigned number, enum component component,
				    const char *source, const char *text)
{
	unsigned char bytes[64];
	struct packet packet = { .flow = &f->stream->sides[number].flows[component],
				 .bytes = bytes,
				 .len = strlen(text),
				 .source = at(source),
				 .now_ms = f->now_ms };

	memcpy(bytes, text, strlen(text));
	return session_packet(&packet);
}

/* A fax: whatever a datagram looks like, its source alone counts; both sides are heard, or none. */
static void a_raw_stream(void **state)
{
	struct fixture *f = *state;
	struct session_event event;
	struct ctl_stream_stats stats;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .flags = CTL_STREAM_RAW });
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .flags = CTL_STREAM_RAW });
	limit(f, 5000, 5000, f->now_ms);
	assert_int_equal(datagram(f, 0, COMPONENT_RTP, THIEF, "\x80\x01"), BAD);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(datagram(f, 0, COMPONENT_RTP, MOVED, "\x01like STUN"), GOOD);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	assert_int_equal(datagram(f, 0, COMPONENT_RTP, ME, "\x80\x01"), BAD);
	assert_int_equal(datagram(f, 0, COMPONENT_RTP, MOVED, ""), PACKET_DROP_EMPTY);
	assert_int_equal(datagram(f, 0, COMPONENT_RTCP, MOVED, "\x80\xc9"), PACKET_DROP_MALFORMED);
	side_stats(&f->stream->sides[0], f->now_ms, 1, &stats);
	assert_int_equal(stats.packets_received, 4);
	assert_int_equal(stats.packets_expected, 0);
	assert_int_equal(stats.mos_x100, 0);
	/* A page of five seconds: the side that only hears is no silence. */
	for (unsigned i = 0; i < 10; i++) {
		f->now_ms += 1000;
		assert_int_equal(datagram(f, 0, COMPONENT_RTP, MOVED, "page"), GOOD);
		assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
	}
	f->now_ms += 6000;
	assert_true(sessions_pop(&f->sessions, f->now_ms, &event));
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_raw_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

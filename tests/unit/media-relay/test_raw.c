/* SPDX-License-Identifier: MIT
 * A fax in virtual time: who is heard of a stream that is not RTP, and what is silence there. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/session/session.h"

#define START_MS 1000000u
#define GOOD PACKET_FORWARD
#define BAD PACKET_DROP_SOURCE
#define ME "192.0.2.1:4000"
#define MOVED "192.0.2.1:4444"
#define THIEF "203.0.113.9:4000"

struct fixture {
	struct sessions sessions;
	struct session *session;
	struct stream *stream;
	int port; /* stands for any port of the way in and out */
	uint64_t now_ms;
};

static struct endpoint at(const char *text)
{
	struct endpoint endpoint = { .port = 0 };

	if (text)
		assert_int_equal(endpoint_parse(slice_text(text), &endpoint), OK);
	return endpoint;
}

static void tell(struct fixture *f, unsigned number, struct ctl_stream_set set)
{
	struct side *side = &f->stream->sides[number];
	struct side_ports ports = { .port = { &f->port, &f->port } };
	bool first = side->flows[COMPONENT_RTP].port == NULL;

	set.side = (uint8_t)number;
	if (set.direction == 0)
		set.direction = CTL_RECEIVE | CTL_TRANSMIT;
	side_set(side, &set, first ? &ports : NULL, f->now_ms);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sessions_init(&f->sessions, 16, START_MS) != OK)
		return -1;
	f->now_ms = START_MS;
	f->session = session_create(&f->sessions, 1, 77, START_MS);
	f->stream = stream_create(&f->sessions, f->session, 0);
	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at("192.0.2.1:4000"),
					    .remote_rtcp = at("192.0.2.1:4001") });
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .remote_rtcp = at("198.51.100.1:5001") });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sessions_fini(&f->sessions);
	free(f);
	return 0;
}

static void assert_target(struct fixture *f, unsigned number, enum component component,
			  const char *expected)
{
	struct endpoint target = f->stream->sides[number].flows[component].target;
	struct endpoint want = at(expected);

	assert_true(endpoint_eq(&target, &want));
}

static void limit(struct fixture *f, uint32_t first_ms, uint32_t silence_ms, uint64_t now_ms)
{
	const struct session_limits limits = { .first_ms = first_ms, .silence_ms = silence_ms };

	session_set_limits(&f->sessions, f->session, &limits, now_ms);
}

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

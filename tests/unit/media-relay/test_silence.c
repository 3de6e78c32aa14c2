/* SPDX-License-Identifier: MIT
 * When silence is told, in virtual time: on one side, on both, on hold, and to whom. */
#include "tests/unit/media-relay/session_fixture.h"

static void silence(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 5000, 3000, START_MS);
	f->now_ms = START_MS + 4000;
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	assert_false(pops(f, START_MS + 4999, &event));
	assert_true(pops(f, START_MS + 5000, &event)); /* side 1 never said a word */
	assert_int_equal(event.side->number, 1);
	assert_int_equal(event.kind, CTL_MEDIA_NONE_YET);
	assert_false(pops(f, START_MS + 6999, &event));
	assert_true(pops(f, START_MS + 7000, &event));
	assert_int_equal(event.side->number, 0);
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
	assert_false(pops(f, START_MS + 100000, &event)); /* told once */
	f->now_ms = START_MS + 100500;
	assert_int_equal(arrives(f, 0, ME, 1, 2), GOOD);
	assert_false(pops(f, START_MS + 103499, &event));
	assert_true(pops(f, START_MS + 103500, &event)); /* the next silence is another */
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
}

/* Stands for packets that no stage saw. */
static void hear_now(void *owner, struct flow *flow)
{
	const struct fixture *f = owner;

	if (flow->side->number == 0)
		flow->side->last_packet_ms = f->now_ms - 500;
}

/* What passed without the stages is asked for before a silence is told, and only then. */
static void no_silence_where_packets_bypass(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_TRANSMIT });
	limit(f, 1000, 3000, START_MS);
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	f->sessions.take = hear_now;
	f->sessions.send_owner = f;
	for (unsigned i = 1; i < 10; i++)
		assert_false(pops(f, START_MS + 3000 * i, &event));
	f->sessions.take = NULL;
	assert_false(pops(f, START_MS + 29499, &event));
	assert_true(pops(f, START_MS + 29500, &event));
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
}

static void no_timeouts_on_hold(void **state)
{
	struct ctl_stream_set hold = { .remote_rtp = at(ME), .direction = CTL_TRANSMIT };
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_TRANSMIT });
	limit(f, 1000, 1000, START_MS);
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	tell(f, 0, hold);
	limit(f, 1000, 1000, START_MS);
	assert_false(pops(f, START_MS + 50000, &event));
	hold.direction = CTL_RECEIVE | CTL_TRANSMIT;
	tell(f, 0, hold); /* resumed: the time on hold does not count */
	limit(f, 1000, 1000, START_MS + 50000);
	assert_false(pops(f, START_MS + 50999, &event));
	assert_true(pops(f, START_MS + 51000, &event));
	assert_int_equal(event.side->number, 0);
}

static void assert_event(struct fixture *f, uint64_t at_ms, unsigned side,
			 enum ctl_media_event_kind kind)
{
	struct session_event event;

	assert_false(pops(f, START_MS + at_ms - 1, &event));
	assert_true(pops(f, START_MS + at_ms, &event));
	assert_int_equal(event.side->number, side);
	assert_int_equal(event.kind, kind);
}

/* Side 0 speaks every 100 ms in [from, to). */
static void speaks(struct fixture *f, uint64_t from_ms, uint64_t to_ms)
{
	struct session_event event;

	for (uint64_t ms = from_ms; ms < to_ms; ms += 100) {
		assert_false(pops(f, START_MS + ms, &event));
		assert_int_equal(arrives(f, 0, ME, 1, (uint16_t)(ms / 100)), GOOD);
	}
}

/* The limit after the first packet holds from then on, however long the first one was. */
static void a_short_silence_after_a_long_wait(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 60000, 3000, START_MS);
	assert_false(pops(f, START_MS + 7000, &event));
	f->now_ms = START_MS + 7500;
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	assert_event(f, 10500, 0, CTL_MEDIA_TIMEOUT);
	assert_event(f, 60000, 1, CTL_MEDIA_NONE_YET);
}

static void one_way(void **state)
{
	const struct session_limits limits = { .first_ms = 60000, .silence_ms = 60000,
					       .one_way_ms = 5000 };
	struct fixture *f = *state;
	struct session_event event;

	session_set_limits(&f->sessions, f->session, &limits, START_MS);
	speaks(f, 1000, 5000);
	assert_event(f, 5000, 1, CTL_MEDIA_ONE_WAY);
	speaks(f, 5000, 30000); /* told once */
	f->now_ms = START_MS + 30000;
	assert_int_equal(arrives(f, 1, "198.51.100.1:5000", 2, 1), GOOD);
	assert_false(f->stream->sides[1].told_one_way);
	speaks(f, 30000, 35000);
	assert_event(f, 35000, 1, CTL_MEDIA_ONE_WAY); /* the next silence is another */
	/* Both silent: the other limit, for each of them. */
	assert_event(f, 90000, 1, CTL_MEDIA_TIMEOUT);
	assert_event(f, 94900, 0, CTL_MEDIA_TIMEOUT);
	assert_false(pops(f, START_MS + 200000, &event));
}

/* A second stream that never carries anything is no reason to end a call that talks; when the talk
 * ends, both are silent. */
static void another_stream_speaks(void **state)
{
	const struct session_limits limits = { .first_ms = 5000, .silence_ms = 10000 };
	struct fixture *f = *state;
	struct stream *video = stream_create(&f->sessions, f->session, 1);
	struct session_event event;
	unsigned told[2] = { 0, 0 };

	for (unsigned i = 0; i < 2; i++)
		side_set(&video->sides[i],
			 &(struct ctl_stream_set){ .stream = 1, .side = (uint8_t)i,
						   .direction = CTL_RECEIVE | CTL_TRANSMIT,
						   .remote_rtp = at(i ? "198.51.100.1:6000" :
									"192.0.2.1:6000") },
			 &(struct side_ports){ .port = { &f->port, &f->port } }, START_MS);
	session_set_limits(&f->sessions, f->session, &limits, START_MS);
	for (uint32_t ms = 0; ms < 60000; ms += 500) {
		f->now_ms = START_MS + ms;
		assert_int_equal(arrives(f, 0, ME, 1, (uint16_t)(ms / 20)), GOOD);
		assert_int_equal(arrives(f, 1, "198.51.100.1:5000", 2, (uint16_t)(ms / 20)), GOOD);
		assert_false(pops(f, START_MS + ms, &event));
	}
	assert_false(pops(f, START_MS + 69499, &event));
	while (pops(f, START_MS + 75000, &event)) {
		assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
		told[event.side->stream->number]++;
	}
	assert_int_equal(told[0], 2);
	assert_int_equal(told[1], 2);
}

static void resumed_is_seen_by_the_packet(void **state)
{
	unsigned char bytes[12] = { 0x80, 0, 0, 9 };
	struct packet packet = { .bytes = bytes, .len = sizeof(bytes), .source = at(ME) };
	struct fixture *f = *state;
	struct session_event event;

	packet.flow = &f->stream->sides[0].flows[COMPONENT_RTP];
	limit(f, 1000, 1000, START_MS);
	assert_true(pops(f, START_MS + 1000, &event));
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
	assert_true(packet.resumed);
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
	assert_false(packet.resumed);
}

/* Hold has a limit of its own, and whoever is heard in any way is still there. */
static void timeouts_on_hold(void **state)
{
	const struct session_limits limits = { .first_ms = 1000, .silence_ms = 1000,
					       .hold_ms = 20000 };
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME),
					    .remote_rtcp = at("192.0.2.1:4001"),
					    .direction = CTL_TRANSMIT });
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .remote_rtcp = at("198.51.100.1:5001"),
					    .direction = CTL_TRANSMIT });
	session_set_limits(&f->sessions, f->session, &limits, START_MS);
	assert_false(pops(f, START_MS + 15000, &event));
	assert_int_equal(report_arrives(f, 1, COMPONENT_RTCP, "198.51.100.1:5001", 2), GOOD);
	assert_event(f, 35000, 0, CTL_MEDIA_HOLD_TIMEOUT);
	assert_true(pops(f, START_MS + 35000, &event));
	assert_int_equal(event.side->number, 1);
	assert_int_equal(event.kind, CTL_MEDIA_HOLD_TIMEOUT);
	assert_false(pops(f, START_MS + 300000, &event));
}

static void the_wait_begins_with_the_answer(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 0, 0, START_MS); /* the offer */
	assert_false(pops(f, START_MS + 60000, &event));
	limit(f, 5000, 5000, START_MS + 60000);
	assert_false(pops(f, START_MS + 64999, &event));
	assert_true(pops(f, START_MS + 65000, &event));
}

static void silence_is_told_again_to_an_owner_that_was_away(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_TRANSMIT });
	limit(f, 5000, 5000, START_MS);
	session_set_lease(&f->sessions, f->session, LEASE_AWAY, START_MS);
	assert_true(pops(f, START_MS + 5000, &event)); /* nobody hears it */
	assert_ptr_equal(event.side, &f->stream->sides[0]);
	assert_false(pops(f, START_MS + 9000, &event));
	session_set_lease(&f->sessions, f->session, LEASE_OWNED, START_MS + 9000);
	assert_true(pops(f, START_MS + 9001, &event));
	assert_ptr_equal(event.side, &f->stream->sides[0]);
	session_set_lease(&f->sessions, f->session, LEASE_OWNED, START_MS + 9002);
	assert_false(pops(f, START_MS + 60000, &event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(silence, setup, teardown),
		cmocka_unit_test_setup_teardown(no_silence_where_packets_bypass, setup, teardown),
		cmocka_unit_test_setup_teardown(no_timeouts_on_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_silence_after_a_long_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(one_way, setup, teardown),
		cmocka_unit_test_setup_teardown(another_stream_speaks, setup, teardown),
		cmocka_unit_test_setup_teardown(resumed_is_seen_by_the_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(timeouts_on_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(the_wait_begins_with_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_is_told_again_to_an_owner_that_was_away,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

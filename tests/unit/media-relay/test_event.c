/* SPDX-License-Identifier: MIT
 * Events that arrive: told once, whatever is repeated and lost, or put into another clock. */
#include "tests/unit/media-relay/digits_fixture.h"

#define EVENTS 101u

static void told(struct line *l, uint8_t out, uint32_t events_hz, uint32_t audio_hz,
		 uint32_t out_hz)
{
	struct ctl_relay_payload payloads[] = {
		{ .payload_type = 0, .clock_hz = audio_hz },
		{ .payload_type = EVENTS, .clock_hz = events_hz, .kind = CTL_PAYLOAD_EVENT,
		  .out = out, .out_clock_hz = out_hz },
	};
	struct ctl_stream_set set = { .remote_rtp = at(ME), .payloads = payloads,
				      .payloads_count = 2 };
	struct ctl_session_set message = { .streams = &set, .streams_count = 1 };

	assert_null(session_check(&message));
	assert_int_equal(session_prepare_digits(&l->base->sessions, &l->base->stream->sides[0], &set),
			 OK);
	tell(l->base, 0, set);
	l->clock_hz = audio_hz;
}

static void assert_told(struct line *l, uint8_t digit, uint32_t ms)
{
	struct session_event event;

	assert_true(sessions_pop(&l->base->sessions, l->base->now_ms, &event));
	assert_int_equal(event.kind, CTL_MEDIA_DIGIT);
	assert_int_equal(event.side->number, 0);
	assert_int_equal(event.value, CTL_DIGIT_VALUE(digit, ms));
}

static void assert_silent(struct line *l)
{
	struct session_event event;

	assert_false(sessions_pop(&l->base->sessions, l->base->now_ms, &event));
}

/* A whole digit of 100 ms: none of its packets leaves, and the audio goes on without a gap. */
static void told_once(void **state)
{
	struct line *l = *state;

	told(l, CTL_PAYLOAD_TELL, 8000, 8000, 0);
	for (uint8_t digit = 0; digit < 17; digit++) {
		uint32_t begun;

		audio(l);
		audio(l);
		begun = l->timestamp;
		for (unsigned i = 1; i <= 7; i++) {
			bool end = i >= 5;

			assert_int_equal(event(l, EVENTS, digit, end, begun,
					       (uint16_t)(end ? 800 : 160 * i)),
					 PACKET_CONSUMED);
			if (i == 5)
				assert_told(l, digit, 100);
			assert_silent(l);
			l->base->now_ms += 20;
			l->timestamp += 160;
		}
	}
	audio(l);
	assert_row(l);
	assert_int_equal(l->left_count, 2 * 17 + 1);
	assert_int_equal(l->base->stream->sides[0].counters.packets_dropped, 0);
}

/* All ends are lost: the next digit ends it, or time does. */
static void ends_lost(void **state)
{
	struct line *l = *state;
	uint32_t begun = l->timestamp;

	told(l, CTL_PAYLOAD_TELL, 8000, 8000, 0);
	event(l, EVENTS, 1, false, begun, 160);
	event(l, EVENTS, 1, false, begun, 320);
	assert_silent(l);
	event(l, EVENTS, 2, false, begun + 1600, 160);
	assert_told(l, 1, 40);
	event(l, EVENTS, 1, true, begun, 800); /* far too late */
	assert_silent(l);
	l->base->now_ms += 199;
	assert_silent(l);
	l->base->now_ms += 2;
	assert_told(l, 2, 20);
	/* One end packet is all that comes. */
	event(l, EVENTS, 3, true, begun + 4000, 1600);
	assert_told(l, 3, 200);
}

/* The same digit twice is two digits; what only looks like one is none. */
static void twice_and_nonsense(void **state)
{
	struct line *l = *state;
	uint32_t begun = l->timestamp;

	told(l, CTL_PAYLOAD_TELL, 8000, 8000, 0);
	event(l, EVENTS, 7, true, begun, 800);
	assert_told(l, 7, 100);
	event(l, EVENTS, 7, true, begun + 1600, 800);
	assert_told(l, 7, 100);
	assert_int_equal(speaks(l, EVENTS, false, l->sequence++, begun + 3200, "\x07\x8a\x03", 3),
			 PACKET_CONSUMED);
	event(l, EVENTS, 17, true, begun + 4800, 800);
	event(l, EVENTS, 255, true, begun + 6400, 800);
	assert_silent(l);
}

/* RFC 4733 2.5.1.3: 10 s are a segment of 65,535 and one of 14,465. */
static void segments(void **state)
{
	static const uint32_t audio_hz[] = { 8000, 48000 };
	struct line *l = *state;

	for (size_t i = 0; i < array_size(audio_hz); i++) {
		uint32_t begun, second;

		told(l, CTL_PAYLOAD_TELL, 8000, audio_hz[i], 0);
		l->timestamp += 1000000;
		audio(l);
		begun = l->timestamp;
		second = begun + 65535 * (audio_hz[i] / 8000);
		for (unsigned n = 0; n < 3; n++)
			event(l, EVENTS, 4, false, begun, 65535);
		event(l, EVENTS, 4, false, second, 160);
		assert_silent(l);
		event(l, EVENTS, 4, true, second, 14465);
		assert_told(l, 4, 10000);
	}
}

/* Up and down; the number is the other side's; the duration stays where it cannot be said. */
static void other_clocks(void **state)
{
	static const struct {
		uint32_t from_hz, to_hz;
		uint16_t came, leaves;
	} table[] = {
		{ 8000, 48000, 160, 960 },     { 8000, 48000, 800, 4800 },
		{ 8000, 48000, 20000, 65535 }, { 48000, 8000, 960, 160 },
		{ 48000, 8000, 65535, 10922 }, { 8000, 16000, 800, 1600 },
	};
	struct line *l = *state;

	for (size_t i = 0; i < array_size(table); i++) {
		uint32_t begun;

		told(l, CTL_PAYLOAD_OUT | 99, table[i].from_hz, table[i].to_hz, table[i].to_hz);
		audio(l);
		begun = l->timestamp;
		l->left_count = 0;
		assert_int_equal(event(l, EVENTS, 8, false, begun, table[i].came), PACKET_FORWARD);
		for (unsigned n = 0; n < 3; n++)
			event(l, EVENTS, 8, true, begun, table[i].came);
		assert_int_equal(l->left_count, 4);
		for (unsigned n = 0; n < 4; n++) {
			assert_int_equal(l->left[n].payload_type, 99);
			assert_int_equal(l->left[n].timestamp, begun);
			assert_int_equal(duration_of(&l->left[n]), table[i].leaves);
			assert_int_equal(l->left[n].event[0], 8);
			assert_int_equal(l->left[n].event[1], (n > 0 ? 0x80 : 0) | 10);
		}
		assert_row(l);
		l->timestamp += 48000;
	}
}

/* Its sender counts events in a time of their own: they begin where the audio is, and stay one. */
static void own_timebase(void **state)
{
	struct line *l = *state;
	uint32_t expected;

	told(l, CTL_PAYLOAD_OUT | 99, 8000, 48000, 48000);
	audio(l); /* and 20 ms pass */
	expected = l->timestamp;
	l->left_count = 0;
	for (uint16_t i = 1; i <= 3; i++) {
		event(l, EVENTS, 8, i == 3, 3000000000, (uint16_t)(160 * i));
		l->base->now_ms += 20;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(l->left[i].timestamp, expected);
	/* Long: two segments that touch each other. */
	event(l, EVENTS, 8, false, 3000100000, 65535);
	event(l, EVENTS, 8, true, 3000165535, 160);
	assert_int_equal(l->left[4].timestamp - l->left[3].timestamp, 65535 * 6);
}

/* Events are passed up by their number alone; the audio goes on in the kernel, unless
 * the events are taken out of its numbers. */
static void the_kernel_passes_them_up(void **state)
{
	struct line *l = *state;
	const struct flow *flow = &l->base->stream->sides[0].flows[COMPONENT_RTP];
	uint32_t begun;
	struct flow_plan plan;

	for (unsigned scaled = 0; scaled < 2; scaled++) {
		told(l, scaled ? CTL_PAYLOAD_OUT | 99 : CTL_PAYLOAD_TELL, 8000, 8000,
		     scaled ? 48000 : 0);
		for (unsigned i = 0; i < 6; i++)
			audio(l);
		assert_int_equal(session_flow_plan(flow, &plan), FLOW_FITS);
		assert_int_equal(plan.payload_count, 1);
		assert_int_equal(plan.payloads[0].in, 0);
		begun = l->timestamp;
		event(l, EVENTS, 8, false, begun, 160);
		assert_int_equal(session_flow_plan(flow, &plan),
				 scaled ? FLOW_FITS : FLOW_DIGITS);
		event(l, EVENTS, 8, true, begun, 320);
		if (scaled)
			break;
		assert_told(l, 8, 40);
		assert_int_equal(session_flow_plan(flow, &plan), FLOW_SHIFTED);
		for (uint16_t i = 0; i < 8; i++)
			assert_int_equal(arrives(l->base, 0, ME, 3, i), GOOD);
		assert_int_equal(session_flow_plan(flow, &plan), FLOW_FITS);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, line_setup, line_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(told_once),
		TEST(ends_lost),
		TEST(twice_and_nonsense),
		TEST(segments),
		TEST(other_clocks),
		TEST(own_timebase),
		TEST(the_kernel_passes_them_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

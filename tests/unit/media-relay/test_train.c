/* SPDX-License-Identifier: MIT
 * Digits that the relay makes: each report as RFC 4733 wants it, woven into the audio. */
#include "tests/unit/media-relay/digits_fixture.h"

#define EVENTS 101u

static enum err send_digit(struct line *l, uint8_t digit, uint32_t duration_ms, uint32_t clock_hz)
{
	struct ctl_relay_payload payloads[] = {
		{ .payload_type = 96, .clock_hz = 16000 },
		{ .payload_type = EVENTS, .clock_hz = clock_hz },
	};
	const struct ctl_digit_send told = { .side = 1, .event = digit, .volume = 10,
					     .duration_ms = duration_ms,
					     .payloads = payloads + (clock_hz == 0 ? 0 : 1),
					     .payloads_count = 1 };
	const char *wrong;

	return session_digit(&l->base->sessions, l->base->stream, &told, l->base->now_ms, &wrong);
}

/* The digit's packets among those that left, from *at on. */
static unsigned train_at(const struct line *l, unsigned *at, uint8_t payload_type)
{
	unsigned count = 0;

	while (*at < l->left_count && l->left[*at].payload_type != payload_type)
		++*at;
	while (*at + count < l->left_count && l->left[*at + count].payload_type == payload_type)
		count++;
	return count;
}

static void assert_train(const struct left *train, unsigned steps, uint8_t digit, uint32_t timestamp,
			 uint16_t step)
{
	for (unsigned i = 0; i < steps + 2; i++) {
		unsigned done = i < steps ? i + 1 : steps;

		assert_int_equal(train[i].marker, i == 0);
		assert_int_equal(train[i].timestamp, timestamp);
		assert_int_equal(train[i].len, 4);
		assert_int_equal(train[i].event[0], digit);
		assert_int_equal(train[i].event[1], (i + 1 >= steps ? 0x80 : 0) | 10);
		assert_int_equal(duration_of(&train[i]), done * step);
		assert_int_equal(train[i].at_ms, train[0].at_ms + 20 * i);
		assert_int_equal(train[i].ssrc, train[0].ssrc);
	}
}

/* Sequence and timestamp wrap during it; the audio is kept back, and nobody sees a gap. */
static void beside_audio(void **state)
{
	struct line *l = *state;
	uint32_t begun;
	unsigned first = 0;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(audio(l), PACKET_FORWARD);
	assert_int_equal(send_digit(l, 5, 160, 8000), OK);
	begun = l->timestamp;
	assert_int_equal(audio(l), PACKET_FORWARD); /* it begins behind this one */
	for (unsigned i = 0; i < 9; i++) /* the last report leaves just before the tenth */
		assert_int_equal(audio(l), PACKET_CONSUMED);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(audio(l), PACKET_FORWARD);
	assert_int_equal(train_at(l, &first, EVENTS), 10);
	assert_int_equal(first, 11);
	assert_train(&l->left[first], 8, 5, begun + 160, 160);
	assert_int_equal(l->left[first].ssrc, 9);
	assert_row(l);
	assert_int_equal(l->left_count, 121);
	assert_int_equal(l->base->stream->sides[1].counters.packets_sent, 10 + 111);
}

/* Nobody speaks: the digits get a source of their own, which ends with the first packet of another. */
static void alone(void **state)
{
	struct line *l = *state;
	struct session_event none;
	unsigned first = 0;

	assert_int_equal(send_digit(l, 11, 100, 8000), OK);
	for (unsigned i = 0; i < 400; i++) {
		l->base->now_ms++;
		assert_false(sessions_pop(&l->base->sessions, l->base->now_ms, &none));
	}
	assert_int_equal(train_at(l, &first, EVENTS), 7);
	assert_train(l->left, 5, 11, l->left[0].timestamp, 160);
	assert_row(l);
	assert_int_equal(l->left[0].at_ms, START_MS + 120);
	audio(l);
	assert_int_equal(l->left[7].ssrc, 9);
	assert_int_equal(l->left[7].sequence, 0xfff0);
}

/* Of the clocks that the peer takes, the audio's; with none of them the duration alone is in another. */
static void clocks(void **state)
{
	static const struct {
		uint32_t audio_hz, events_hz;
	} table[] = { { 48000, 48000 }, { 48000, 8000 }, { 16000, 48000 } };
	struct line *l = *state;

	for (size_t i = 0; i < array_size(table); i++) {
		struct ctl_relay_payload payloads[] = {
			{ .payload_type = 110, .clock_hz = table[i].audio_hz },
		};
		uint32_t begun;
		unsigned first = 0;

		tell(l->base, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .payloads = payloads,
							   .payloads_count = 1 });
		l->payload_type = 110;
		l->clock_hz = table[i].audio_hz;
		l->left_count = 0;
		assert_int_equal(send_digit(l, 1, 40, table[i].events_hz), OK);
		begun = l->timestamp;
		for (unsigned n = 0; n < 10; n++)
			audio(l);
		assert_int_equal(train_at(l, &first, EVENTS), 4);
		assert_train(&l->left[first], 2, 1, begun + table[i].audio_hz / 50,
			     (uint16_t)(table[i].events_hz / 50));
		assert_row(l);
	}
}

/* 2 s at 48 kHz are 96,000 units: a segment of 65,535, its last report thrice, then the rest. */
static void long_event(void **state)
{
	struct line *l = *state;
	struct ctl_relay_payload payloads[] = { { .payload_type = 110, .clock_hz = 48000 } };
	unsigned first = 0, longest = 0;
	uint32_t begun;
	unsigned count;

	tell(l->base, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .payloads = payloads,
						   .payloads_count = 1 });
	l->payload_type = 110;
	l->clock_hz = 48000;
	assert_int_equal(send_digit(l, 3, 2000, 48000), OK);
	begun = l->timestamp + 960;
	for (unsigned i = 0; i < 110; i++)
		audio(l);
	count = train_at(l, &first, EVENTS);
	assert_int_equal(count, 100 + 2 + 3);
	for (unsigned i = 0; i < count; i++) {
		const struct left *at = &l->left[first + i];
		bool second = longest == 3;

		assert_int_equal(at->marker, i == 0);
		assert_int_equal(at->timestamp, begun + (second ? 65535 : 0));
		assert_int_equal(at->event[1] & 0x80, i >= count - 3 ? 0x80 : 0);
		if (duration_of(at) == 65535)
			longest++;
	}
	assert_int_equal(longest, 3);
	assert_int_equal(duration_of(&l->left[first + count - 1]), 96000 - 65535);
	assert_row(l);
}

/* In order, with a pause between them; there is a bound. */
static void many(void **state)
{
	struct line *l = *state;
	unsigned at = 0;

	audio(l);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(send_digit(l, i, 60, 8000), OK);
	assert_int_equal(send_digit(l, 16, 60, 8000), ERR_EXHAUSTED);
	for (unsigned i = 0; i < 300; i++)
		audio(l);
	for (uint8_t i = 0; i < 16; i++) {
		unsigned count = train_at(l, &at, EVENTS);

		assert_int_equal(count, 5);
		assert_train(&l->left[at], 3, i, l->left[at].timestamp, 160);
		at += count;
		assert_int_not_equal(l->left[at].payload_type, EVENTS); /* the pause is heard */
	}
	assert_int_equal(train_at(l, &at, EVENTS), 0);
	assert_row(l);
}

/* A packet that comes late has no number any more; a lost one is a gap at the receiver, too. */
static void disorder(void **state)
{
	struct line *l = *state;
	uint16_t before;

	for (unsigned i = 0; i < 5; i++)
		audio(l);
	before = l->sequence;
	assert_int_equal(send_digit(l, 5, 60, 8000), OK);
	for (unsigned i = 0; i < 10; i++)
		audio(l);
	assert_row(l);
	assert_int_equal(speaks(l, 0, false, before, 1, "late", 4), PACKET_DROP_LATE);
	l->sequence++; /* lost */
	audio(l);
	assert_int_equal((uint16_t)(l->left[l->left_count - 1].sequence -
				    l->left[l->left_count - 2].sequence), 2);
	l->sequence = (uint16_t)(l->sequence - 2);
	assert_int_equal(audio(l), PACKET_FORWARD); /* it was only late */
	l->sequence++;
	/* The sender starts over: nothing of the past bars it. */
	l->sequence = (uint16_t)(before - 10000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(audio(l), PACKET_FORWARD);
	assert_int_equal((uint16_t)(l->left[l->left_count - 1].sequence -
				    l->left[l->left_count - 5].sequence), 4);
}

/* On hold nobody hears it: what waits is dropped. */
static void on_hold(void **state)
{
	struct line *l = *state;
	unsigned first = 0;

	assert_int_equal(send_digit(l, 5, 60, 8000), OK);
	assert_int_equal(send_digit(l, 6, 60, 8000), OK);
	tell(l->base, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
						   .direction = CTL_RECEIVE });
	for (unsigned i = 0; i < 20; i++)
		audio(l);
	tell(l->base, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000") });
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(audio(l), PACKET_FORWARD);
	assert_int_equal(train_at(l, &first, EVENTS), 0);
}

/* The phone's own SRTP opens every packet, over the wrap. */
static void secured(void **state)
{
	static const enum ctl_srtp_suite suites[] = { CTL_SRTP_AES_CM_128_HMAC_SHA1_80,
						      CTL_SRTP_AEAD_AES_128_GCM };
	struct line *l = *state;
	char key[46] = { 7 };

	assert_int_equal(srtp_engine_init(&l->engine, 4), OK);
	for (size_t i = 0; i < array_size(suites); i++) {
		struct ctl_srtp_crypto ours = { .suite = (uint8_t)suites[i] };
		struct ctl_stream_security security = { .send = &ours, .send_count = 1 };
		struct ctl_stream_set set = { .side = 1, .security = &security, .security_count = 1,
					      .remote_rtp = at("198.51.100.1:5000") };
		struct side *side = &l->base->stream->sides[1];
		unsigned first = 0;

		srtp_destroy(&l->phone);
		l->phone = srtp_create(&l->engine);
		key[1] = (char)i;
		ours.key = slice_of(key, srtp_master_key_bytes(suites[i]) +
						 srtp_master_salt_bytes(suites[i]));
		assert_int_equal(srtp_set_receive(l->phone, &ours, 1, l->base->now_ms), OK);
		assert_int_equal(session_prepare(&l->base->sessions, side, &set), OK);
		tell(l->base, 1, set);
		assert_int_equal(session_secure(side, &set, l->base->now_ms), OK);
		l->left_count = 0;
		audio(l);
		assert_int_equal(send_digit(l, 9, 100, 8000), OK);
		for (unsigned n = 0; n < 40; n++)
			audio(l);
		assert_int_equal(train_at(l, &first, EVENTS), 7);
		assert_row(l);
	}
}

/* The kernel forwards neither beside a digit nor once numbers are shifted. */
static void the_kernel_keeps_away(void **state)
{
	struct line *l = *state;
	const struct flow *flow = &l->base->stream->sides[0].flows[COMPONENT_RTP];
	struct flow_plan plan;

	for (unsigned i = 0; i < 5; i++)
		audio(l);
	assert_int_equal(session_flow_plan(flow, &plan), FLOW_FITS);
	assert_int_equal(send_digit(l, 9, 100, 8000), OK);
	assert_int_equal(session_flow_plan(flow, &plan), FLOW_DIGITS);
	for (unsigned i = 0; i < 40; i++)
		audio(l);
	assert_int_equal(session_flow_plan(flow, &plan), FLOW_SHIFTED);
	assert_string_equal(flow_fit_text(FLOW_SHIFTED), "numbers are shifted after digits");
	/* Nothing is shifted of another source. */
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(arrives(l->base, 0, ME, 3, i), GOOD);
	assert_int_equal(session_flow_plan(flow, &plan), FLOW_FITS);
}

/* What went by in the kernel is known by its figures: the digit goes on from there. */
static void after_the_kernel(void **state)
{
	struct line *l = *state;
	struct side *side = &l->base->stream->sides[0];
	struct flow_news news = { .packets = 50, .bytes = 8600 };

	for (unsigned i = 0; i < 5; i++)
		audio(l);
	rtp_source_standing(&side->source, &news.standing);
	news.standing.max_sequence += 50;
	news.last_packet_ms = l->base->now_ms;
	session_flow_take(&l->base->sessions, &side->flows[COMPONENT_RTP], &news);
	l->sequence = (uint16_t)(l->sequence + 50);
	l->left_count = 0;
	assert_int_equal(send_digit(l, 9, 100, 8000), OK);
	for (unsigned i = 0; i < 20; i++)
		audio(l);
	assert_row(l);
	assert_int_equal(l->left[0].sequence, (uint16_t)(0xfff0 + 55));
}

/* Another relay goes on where this one stood, not below it. */
static void over_a_restart(void **state)
{
	struct line *l = *state;
	struct side *side = &l->base->stream->sides[0];
	struct side_memory memory;
	uint16_t last;

	audio(l);
	assert_int_equal(send_digit(l, 9, 100, 8000), OK);
	for (unsigned i = 0; i < 20; i++)
		audio(l);
	last = l->left[l->left_count - 1].sequence;
	assert_int_not_equal(last, (uint16_t)(l->sequence - 1));
	side_remember(side, &memory);
	stream_destroy(&l->base->sessions, l->base->stream);
	l->base->stream = stream_create(&l->base->sessions, l->base->session, 0);
	side = &l->base->stream->sides[0];
	tell(l->base, 0, (struct ctl_stream_set){ .remote_rtp = at(ME) });
	tell(l->base, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000") });
	side_recall(side, &memory, l->base->now_ms);
	session_recall_digits(&l->base->sessions, side, &memory);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(audio(l), PACKET_FORWARD);
	assert_int_equal(l->left[l->left_count - 1].sequence, (uint16_t)(last + 5));
	assert_row(l);
	/* Where nothing was shifted there is nothing to go on with. */
	memory.woven_shift = 0;
	stream_destroy(&l->base->sessions, l->base->stream);
	l->base->stream = stream_create(&l->base->sessions, l->base->session, 0);
	session_recall_digits(&l->base->sessions, &l->base->stream->sides[0], &memory);
	assert_null(l->base->stream->sides[0].digits);
}

static void bad_messages(void **state)
{
	struct line *l = *state;
	struct ctl_relay_payload payload = { .payload_type = 101, .clock_hz = 8000 };
	const struct ctl_digit_send good = { .side = 1, .duration_ms = 100, .payloads = &payload,
					     .payloads_count = 1 };
	struct ctl_digit_send bad[7] = { good, good, good, good, good, good, good };
	struct ctl_relay_payload clockless = { .payload_type = 101 };
	const char *wrong;

	bad[0].side = 2;
	bad[1].event = 17;
	bad[2].volume = 64;
	bad[3].duration_ms = 0;
	bad[4].duration_ms = 6001;
	bad[5].payloads_count = 0;
	bad[6].payloads = &clockless;
	for (size_t i = 0; i < array_size(bad); i++) {
		assert_int_equal(session_digit(&l->base->sessions, l->base->stream, &bad[i],
					       l->base->now_ms, &wrong), ERR_UNSUPPORTED);
		assert_non_null(wrong);
	}
	l->base->stream->sides[0].raw = true;
	assert_int_equal(session_digit(&l->base->sessions, l->base->stream, &good, l->base->now_ms,
				       &wrong), ERR_UNSUPPORTED);
}

/* Sender reports count what left; reports of the far side speak of the numbers that came. */
static void reports(void **state)
{
	struct line *l = *state;
	unsigned char sender[] = { 0x80, 200, 0, 6, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0,
				   0, 0, 0, 40, 0, 0, 25, 0 };
	unsigned char receiver[] = { 0x81, 201, 0, 7, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0,
				     0, 1, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct packet packets[] = {
		{ .flow = &l->base->stream->sides[0].flows[COMPONENT_RTCP], .bytes = sender,
		  .len = sizeof(sender), .source = at("192.0.2.1:4001") },
		{ .flow = &l->base->stream->sides[1].flows[COMPONENT_RTCP], .bytes = receiver,
		  .len = sizeof(receiver), .source = at("198.51.100.1:5001") },
	};

	audio(l);
	assert_int_equal(send_digit(l, 9, 100, 8000), OK);
	for (unsigned i = 0; i < 39; i++)
		audio(l);
	for (unsigned i = 0; i < 2; i++) {
		packets[i].now_ms = l->base->now_ms;
		assert_int_equal(session_packet(&packets[i]), PACKET_FORWARD);
	}
	/* 7 packets of 4 bytes were put in, 6 of audio kept back. */
	assert_int_equal(sender[23], 41);
	assert_int_equal(sender[26] << 8 | sender[27], 0x1900 + 7 * 4 - 6 * 160);
	assert_int_equal(receiver[19], 9);
	assert_int_equal(l->left_count, 41);
	/* Without audio to keep back, seven more. */
	l->left_count = 0;
	assert_int_equal(send_digit(l, 9, 100, 8000), OK);
	for (unsigned i = 0; i < 400; i++) {
		struct session_event none;

		l->base->now_ms++;
		assert_false(sessions_pop(&l->base->sessions, l->base->now_ms, &none));
	}
	assert_int_equal(l->left_count, 7);
	for (unsigned i = 0; i < 2; i++) {
		packets[i].now_ms = l->base->now_ms;
		assert_int_equal(session_packet(&packets[i]), PACKET_FORWARD);
	}
	assert_int_equal(sender[23], 49);
	assert_int_equal(receiver[19], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, line_setup, line_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beside_audio),
		TEST(alone),
		TEST(clocks),
		TEST(long_event),
		TEST(many),
		TEST(disorder),
		TEST(on_hold),
		TEST(secured),
		TEST(the_kernel_keeps_away),
		TEST(after_the_kernel),
		TEST(over_a_restart),
		TEST(bad_messages),
		TEST(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * What a packet is told of and changed into on its way through a session: reports kept apart from what
 * is counted here, payload numbers, streams that are not RTP. */
#include "tests/unit/media-relay/session_fixture.h"

static void control_arrives(struct fixture *f, unsigned number, const char *source,
			    const unsigned char *sent, size_t len)
{
	unsigned char bytes[256];
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTCP],
				 .bytes = bytes,
				 .len = len,
				 .source = at(source),
				 .now_ms = f->now_ms,
				 .arrival_us = f->now_ms * 1000 };

	assert_true(len <= sizeof(bytes));
	memcpy(bytes, sent, len);
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
}

/* The reports are end to end; what they tell of is one side's way each. Side 0's SR leaves for side 1
 * at once; side 1 answers it 530 ms later and says that it held it for 500 ms. */
static void reports_are_kept_apart(void **state)
{
	static const unsigned char sender[] = { 0x80, 200, 0, 6, 0, 0, 0, 1, 9, 9, 0x12, 0x34, 0x56,
						0x78, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char receiver[] = {
		0x82, 201, 0, 13, 0, 0, 0, 2,
		0, 0, 0, 99, 0x20, 0, 0, 77, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 1, 0x20, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 240, 0x12, 0x34, 0x56, 0x78,
		0, 0, 0x80, 0,
	};
	struct fixture *f = *state;
	struct ctl_stream_stats stats;

	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(arrives(f, 0, ME, 1, i), GOOD);
	control_arrives(f, 0, "192.0.2.1:4001", sender, sizeof(sender));
	f->now_ms += 530;
	control_arrives(f, 1, "198.51.100.1:5001", receiver, sizeof(receiver));
	side_stats(&f->stream->sides[1], f->now_ms, 1700000000000, &stats);
	assert_int_equal(stats.round_trip_us, 30000);
	assert_true(stats.reported);
	assert_int_equal(stats.reported_lost, 4); /* of what it gets; the stranger 99 is passed over */
	assert_int_equal(stats.reported_jitter_us, 30000);
	assert_int_equal(stats.packets_lost, 0);
	assert_int_equal(stats.jitter_us, 0);
	side_stats(&f->stream->sides[0], f->now_ms, 1700000000000, &stats);
	assert_int_equal(stats.round_trip_us, 0);
	assert_false(stats.reported);
	assert_int_equal(stats.packets_lost, 0);
}

/* Each side sees the numbers that it announced. */
static void payload_numbers_are_mapped(void **state)
{
	struct ctl_relay_payload payloads[] = {
		{ .payload_type = 96, .clock_hz = 8000, .out = CTL_PAYLOAD_OUT | 111 },
		{ .payload_type = 101, .clock_hz = 8000, .out = CTL_PAYLOAD_OUT | 0 },
		{ .payload_type = 8, .clock_hz = 8000 },
	};
	static const unsigned char table[][2] = { { 96, 111 }, { 0x80 | 96, 0x80 | 111 },
						  { 101, 0 }, { 8, 8 }, { 97, 97 } };
	unsigned char bytes[172] = { 0x80 };
	struct fixture *f = *state;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .payloads = payloads,
					    .payloads_count = 3 });
	for (size_t i = 0; i < array_size(table); i++) {
		struct packet packet = { .flow = &f->stream->sides[0].flows[COMPONENT_RTP],
					 .bytes = bytes, .len = sizeof(bytes), .source = at(ME) };

		bytes[1] = table[i][0];
		bytes[3]++;
		assert_int_equal(session_packet(&packet), PACKET_FORWARD);
		assert_int_equal(bytes[1], table[i][1]);
	}
}

/* A side of AVP hears reports and no feedback; feedback alone is dropped, and said so. */
static void feedback_by_profile(void **state)
{
	static const unsigned char reduced[] = { 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9 };
	static const unsigned char mixed[] = { 0x80, 201, 0, 1, 0, 0, 0, 1,
					       0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9 };
	struct fixture *f = *state;
	unsigned char bytes[sizeof(mixed)];
	struct packet packet = { .flow = &f->stream->sides[0].flows[COMPONENT_RTCP], .bytes = bytes,
				 .source = at("192.0.2.1:4001") };

	for (unsigned takes = 0; takes < 2; takes++) {
		tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
						    .remote_rtcp = at("198.51.100.1:5001"),
						    .flags = takes ? CTL_STREAM_FEEDBACK : 0 });
		memcpy(bytes, reduced, sizeof(reduced));
		packet.len = sizeof(reduced);
		assert_int_equal(session_packet(&packet),
				 takes ? PACKET_FORWARD : PACKET_DROP_FEEDBACK);
		memcpy(bytes, mixed, sizeof(mixed));
		packet.len = sizeof(mixed);
		assert_int_equal(session_packet(&packet), PACKET_FORWARD);
		assert_int_equal(packet.len, takes ? sizeof(mixed) : 8);
		assert_memory_equal(bytes, mixed, packet.len);
	}
	assert_int_equal(f->stream->sides[0].counters.packets_dropped, 1);
	assert_int_equal(f->stream->sides[1].counters.rtcp_sent, 3);
}

static enum packet_verdict raw_arrives(struct fixture *f, const char *source)
{
	/* UDPTL: sequence 0, an IFP packet of one byte, no redundancy; STUN by its first byte. */
	unsigned char bytes[] = { 0, 0, 1, 6, 0, 0 };
	struct packet packet = { .flow = &f->stream->sides[0].flows[COMPONENT_RTP],
				 .bytes = bytes, .len = sizeof(bytes), .source = at(source),
				 .now_ms = f->now_ms };
	enum packet_verdict verdict = session_packet(&packet);

	assert_memory_equal(bytes, ((unsigned char[]){ 0, 0, 1, 6, 0, 0 }), sizeof(bytes));
	return verdict;
}

/* No RTP, but strangers stay strangers. */
static void raw_streams(void **state)
{
	struct ctl_stream_set set = { .flags = CTL_STREAM_RAW | CTL_STREAM_RESET,
				      .remote_rtp = at(ME) };
	struct fixture *f = *state;
	struct ctl_stream_stats stats;

	assert_int_equal(raw_arrives(f, ME), PACKET_SIGNAL); /* an RTP stream takes it for STUN */
	tell(f, 0, set);
	assert_int_equal(raw_arrives(f, THIEF), BAD);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(raw_arrives(f, MOVED), GOOD);
	assert_target(f, 0, COMPONENT_RTP, ME);
	assert_int_equal(raw_arrives(f, MOVED), GOOD);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	assert_int_equal(raw_arrives(f, ME), BAD);
	side_stats(&f->stream->sides[0], f->now_ms, 1700000000000, &stats);
	assert_int_equal(stats.packets_received, 4);
	assert_int_equal(stats.packets_expected, 0);
	assert_int_equal(stats.mos_x100, 0);
	set.flags = CTL_STREAM_RAW;
	set.remote_rtp = at(ME);
	set.direction = CTL_TRANSMIT;
	tell(f, 0, set);
	assert_int_equal(raw_arrives(f, MOVED), PACKET_DROP_DIRECTION);
}

/* The same loss is worse for a codec that bears it less. */
static void opinion_by_codec(void **state)
{
	struct ctl_relay_payload payload = { .payload_type = 0, .clock_hz = 8000 };
	struct ctl_stream_set set = { .remote_rtp = at(ME), .payloads = &payload,
				      .payloads_count = 1 };
	struct fixture *f = *state;
	struct ctl_stream_stats stats;

	for (uint16_t i = 0; i < 100; i++, f->now_ms += 20)
		if (i % 20 != 5)
			assert_int_equal(arrives(f, 0, ME, 1, i), GOOD);
	tell(f, 0, set);
	side_stats(&f->stream->sides[0], f->now_ms, 1700000000000, &stats);
	assert_in_range(stats.mos_x100, 380, 390); /* R 93.2 - 1.5 - 15.8 = 75.9 */
	payload.codec = CTL_CODEC_G729;
	tell(f, 0, set);
	side_stats(&f->stream->sides[0], f->now_ms, 1700000000000, &stats);
	assert_in_range(stats.mos_x100, 318, 328); /* R 93.2 - 1.5 - 28.5 = 63.2 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reports_are_kept_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(payload_numbers_are_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(feedback_by_profile, setup, teardown),
		cmocka_unit_test_setup_teardown(raw_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(opinion_by_codec, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

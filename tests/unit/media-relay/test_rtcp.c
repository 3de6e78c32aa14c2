/* SPDX-License-Identifier: MIT
 * Reports as bytes written by hand from RFC 3550 6.4, and the example of its figure 2. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp.h"

/* An SR with one report, an SDES, a BYE. */
static const unsigned char compound[] = {
	0x81, 200, 0, 12, 0, 0, 0, 7,          /* SR of 7 */
	0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, /* NTP */
	0, 0, 0x12, 0x34, 0, 0, 0, 50, 0, 0, 0x1f, 0x40,
	0, 0, 0, 9, 0x40, 0xff, 0xff, 0xfe, 0, 0, 0x10, 1, /* about 9: -2 lost */
	0, 0, 0, 80, 0xb7, 0x10, 0x80, 0, 0, 5, 0x40, 0,
	0x81, 202, 0, 3, 0, 0, 0, 7, 1, 3, 'a', '@', 'b', 0, 0, 0,
	0x81, 203, 0, 1, 0, 0, 0, 7,
};

static void parts(void **state)
{
	const unsigned char *bytes = compound;
	size_t len = sizeof(compound);
	struct rtcp_report report;
	struct rtcp_part part;
	uint32_t ntp_middle;

	(void)state;
	assert_true(rtcp_next(&bytes, &len, &part));
	assert_int_equal(part.type, RTCP_SR);
	assert_int_equal(part.len, 52);
	assert_true(rtcp_sender_time(&part, &ntp_middle));
	assert_int_equal(ntp_middle, 0xb7052000);
	assert_true(rtcp_report(&part, 0, &report));
	assert_int_equal(report.ssrc, 9);
	assert_int_equal(report.fraction, 0x40);
	assert_int_equal(report.lost, -2);
	assert_int_equal(report.max_sequence, 0x1001);
	assert_int_equal(report.jitter, 80);
	assert_int_equal(report.last_sr, 0xb7108000);
	assert_int_equal(report.delay_since_sr, 0x54000);
	assert_false(rtcp_report(&part, 1, &report));
	assert_true(rtcp_next(&bytes, &len, &part));
	assert_int_equal(part.type, RTCP_SDES);
	assert_false(rtcp_sender_time(&part, &ntp_middle));
	assert_false(rtcp_report(&part, 0, &report));
	assert_true(rtcp_next(&bytes, &len, &part));
	assert_int_equal(part.type, RTCP_BYE);
	assert_false(rtcp_next(&bytes, &len, &part));
	assert_int_equal(len, 0);
}

/* A count that says more than the length holds. */
static void too_short(void **state)
{
	static const unsigned char receiver[] = { 0x9f, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2 };
	static const unsigned char sender[] = { 0x81, 200, 0, 1, 0, 0, 0, 1 };
	const unsigned char *bytes = receiver;
	size_t len = sizeof(receiver);
	struct rtcp_report report;
	struct rtcp_part part;
	uint32_t ntp_middle;

	(void)state;
	assert_true(rtcp_next(&bytes, &len, &part));
	assert_false(rtcp_report(&part, 0, &report));
	bytes = sender;
	len = sizeof(sender);
	assert_true(rtcp_next(&bytes, &len, &part));
	assert_false(rtcp_sender_time(&part, &ntp_middle));
	assert_false(rtcp_report(&part, 0, &report));
	len = 7;
	bytes = sender;
	assert_false(rtcp_next(&bytes, &len, &part));
}

/* RFC 3550 figure 2: SR at 0xb705:2000 (10:20:30.125 of that second), the report arrives at
 * 0xb710:8000 with DLSR 5.250 s; the round trip is 6.125 s. */
static void figure_2(void **state)
{
	const uint64_t sr_us = UINT64_C(0xb705) * 1000000 + 125000;
	const uint64_t rr_us = UINT64_C(0xb710) * 1000000 + 500000;
	struct rtcp_report report = {
		.last_sr = 0xb7052000, .delay_since_sr = 0x00054000, .lost = 3, .jitter = 80
	};
	struct rtcp_peer peer = { .reported = false };

	(void)state;
	rtcp_peer_sent(&peer, 0xb7052000, sr_us);
	rtcp_peer_report(&peer, &report, 8000, rr_us);
	assert_int_equal(peer.round_trip_us, 6125000);
	assert_true(peer.reported);
	assert_int_equal(peer.reported_lost, 3);
	assert_int_equal(peer.reported_jitter_us, 10000);
}

static void round_trips(void **state)
{
	struct rtcp_report report = { .last_sr = 0 };
	struct rtcp_peer peer = { .reported = false };

	(void)state;
	rtcp_peer_report(&peer, &report, 8000, 1000000); /* no SR seen yet */
	assert_int_equal(peer.round_trip_us, 0);
	for (uint32_t i = 1; i <= 6; i++) /* the last four are kept */
		rtcp_peer_sent(&peer, i, i * 1000000);
	report.last_sr = 2;
	rtcp_peer_report(&peer, &report, 8000, 7000000);
	assert_int_equal(peer.round_trip_us, 0);
	report.last_sr = 5;
	report.delay_since_sr = 0x20000; /* 2 s, of which one had not passed */
	rtcp_peer_report(&peer, &report, 8000, 6000000);
	assert_int_equal(peer.round_trip_us, 0);
	report.delay_since_sr = 0x8000;
	rtcp_peer_report(&peer, &report, 8000, 5580000); /* 0.5 s held, 80 ms on the way */
	assert_int_equal(peer.round_trip_us, 80000);
	rtcp_peer_report(&peer, &report, 8000, 5660000); /* 160: 80 + 80 / 8 */
	assert_int_equal(peer.round_trip_us, 90000);
	report.delay_since_sr = 0;
	rtcp_peer_report(&peer, &report, 8000, 45000000); /* no way takes 40 s */
	assert_int_equal(peer.round_trip_us, 90000);
	report.jitter = UINT32_MAX;
	rtcp_peer_report(&peer, &report, 0, 45000000);
	assert_true(peer.reported_jitter_us == UINT32_MAX);
}

/* Nothing but the words changes, and they are the same the next time. */
static void scrubbed(void **state)
{
	static const unsigned char two_chunks[] = {
		0x82, 202, 0, 7, 0, 0, 0, 7, 1, 3, 'a', '@', 'b', 6, 1, 'T', 0, 0, 0, 0,
		0, 0, 0, 8, 1, 4, 'h', 'o', 's', 't', 0, 0, 0x81, 203, 0, 3, 0, 0, 0, 7, 5, 'w', 'h', 'y',
		'!', '?', 0, 0,
	};
	static const unsigned char is_text[sizeof(two_chunks)] = {
		[10] = 1, [11] = 1, [12] = 1, [15] = 1, [26] = 1, [27] = 1, [28] = 1, [29] = 1,
		[41] = 1, [42] = 1, [43] = 1, [44] = 1, [45] = 1,
	};
	unsigned char once[sizeof(two_chunks)], twice[sizeof(two_chunks)];

	(void)state;
	memcpy(once, two_chunks, sizeof(once));
	memcpy(twice, two_chunks, sizeof(twice));
	rtcp_scrub(once, sizeof(once), 77);
	rtcp_scrub(twice, sizeof(twice), 77);
	assert_memory_equal(once, twice, sizeof(once));
	for (size_t i = 0; i < sizeof(once); i++)
		if (is_text[i])
			assert_in_range(once[i], 'a', 'z');
		else
			assert_int_equal(once[i], two_chunks[i]);
	assert_memory_not_equal(once + 26, two_chunks + 26, 4);
	assert_memory_equal(once + 10, once + 26, 3); /* one CNAME for the peer, whatever the SSRC */
	rtcp_scrub(twice, sizeof(twice), 78);
	assert_memory_not_equal(once + 26, twice + 26, 4);
}

/* Lengths inside lead over the end; the sanitizer watches. */
static void scrubbed_within_bounds(void **state)
{
	unsigned char item[] = { 0x81, 202, 0, 2, 0, 0, 0, 7, 1, 255, 'x', 'y', 0x81, 201, 0, 0 };
	unsigned char reason[] = { 0x80, 203, 0, 0, 0x9f, 203, 0, 1, 0, 0, 0, 7 };

	(void)state;
	rtcp_scrub(item, sizeof(item), 1);
	assert_int_equal(item[12], 0x81);
	assert_in_range(item[10], 'a', 'z');
	rtcp_scrub(reason, sizeof(reason), 1);
	assert_int_equal(reason[11], 7);
}

/* Whatever stands around it stays as it is. */
static void feedback_dropped(void **state)
{
	static const unsigned char mixed[] = {
		0x80, 201, 0, 1, 0, 0, 0, 7,                      /* RR */
		0x81, 205, 0, 3, 0, 0, 0, 7, 0, 0, 0, 9, 0, 1, 0, 0, /* NACK */
		0x81, 202, 0, 2, 0, 0, 0, 7, 1, 1, 'x', 0,
		0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9, /* PLI */
	};
	unsigned char bytes[sizeof(mixed)];

	(void)state;
	memcpy(bytes, mixed, sizeof(bytes));
	assert_int_equal(rtcp_drop_feedback(bytes, sizeof(bytes)), 20);
	assert_memory_equal(bytes, mixed, 8);
	assert_memory_equal(bytes + 8, mixed + 24, 12);
	assert_int_equal(rtcp_drop_feedback(bytes, 20), 20);
	memcpy(bytes, mixed, sizeof(bytes));
	assert_int_equal(rtcp_drop_feedback(bytes + 8, 16), 0);
	assert_int_equal(rtcp_drop_feedback(bytes, 0), 0);
}

/* The moment of RFC 3550 figure 2's sender report: 0xb44db705.20000000 is 10:20:30.125. */
#define FIGURE_2_UNIX_US ((UINT64_C(0xb44db705) - UINT64_C(2208988800)) * 1000000 + 125000)

static const unsigned char written_sender[] = {
	0x81, 200, 0, 12, 0, 0, 0, 7,
	0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, /* NTP */
	0, 0, 0x12, 0x34, 0, 0, 0, 50, 0, 0, 0x1f, 0x40,
	0, 0, 0, 9, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0x10, 1,
	0, 0, 0, 80, 0xb7, 0x10, 0x80, 0, 0, 5, 0x40, 0,
	0x81, 202, 0, 6, 0, 0, 0, 7, 1, 16,
};

static void written(void **state)
{
	const struct rtcp_sender_info sender = { .unix_us = FIGURE_2_UNIX_US,
						 .rtp_timestamp = 0x1234,
						 .packets = 50,
						 .octets = 8000 };
	const struct rtcp_report report = { .ssrc = 9, .fraction = 0x40, .lost = -2,
					    .max_sequence = 0x11001, .jitter = 80,
					    .last_sr = 0xb7108000, .delay_since_sr = 0x54000 };
	struct rtcp_compound of = { .ssrc = 7, .sender = &sender, .report = &report,
					  .seed = 77 };
	unsigned char bytes[RTCP_COMPOUND_BYTES];
	unsigned char named[] = { 0x81, 202, 0, 6, 0, 0, 0, 7, 1, 16, 'a', '@', 'b', 'c', 'd', 'e',
				  'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 0, 0 };

	(void)state;
	assert_int_equal(rtcp_write(&of, bytes), sizeof(bytes));
	assert_memory_equal(bytes, written_sender, sizeof(written_sender));
	rtcp_scrub(named, sizeof(named), 77); /* so is the peer's own name, once it comes */
	assert_memory_equal(bytes + 52, named, sizeof(named));
	assert_int_equal(rtcp_ntp_middle(FIGURE_2_UNIX_US), 0xb7052000);
	of.sender = NULL;
	assert_int_equal(rtcp_write(&of, bytes), 60);
	assert_memory_equal(bytes, ((unsigned char[]){ 0x81, 201, 0, 7, 0, 0, 0, 7 }), 8);
	assert_memory_equal(bytes + 8, written_sender + 28, 24);
	assert_memory_equal(bytes + 32, named, sizeof(named));
	of.report = NULL;
	assert_int_equal(rtcp_write(&of, bytes), 36);
	assert_memory_equal(bytes, ((unsigned char[]){ 0x80, 201, 0, 1, 0, 0, 0, 7 }), 8);
	assert_memory_equal(bytes + 8, named, sizeof(named));
}

/* What is written is read; 24 bits hold no more. */
static void written_and_read(void **state)
{
	static const int32_t table[][2] = { { 0, 0 }, { 1, 1 }, { -1, -1 }, { 0x7fffff, 0x7fffff },
					    { 0x800000, 0x7fffff }, { INT32_MAX, 0x7fffff },
					    { -0x800000, -0x800000 }, { -0x800001, -0x800000 },
					    { INT32_MIN, -0x800000 } };

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct rtcp_report report = { .ssrc = 1, .lost = table[i][0] }, read;
		struct rtcp_compound of = { .ssrc = 2, .report = &report };
		unsigned char bytes[RTCP_COMPOUND_BYTES];
		size_t len = rtcp_write(&of, bytes);
		const unsigned char *left = bytes;
		struct rtcp_part part;

		assert_true(rtcp_next(&left, &len, &part));
		assert_true(rtcp_report(&part, 0, &read));
		assert_int_equal(read.lost, table[i][1]);
		assert_int_equal(read.ssrc, 1);
	}
}

static void intervals(void **state)
{
	(void)state;
	assert_int_equal(rtcp_interval_ms(0), 2052); /* 2.5 s by 1.21828 */
	assert_int_equal(rtcp_interval_ms(UINT32_C(1) << 31), 4104);
	assert_int_equal(rtcp_interval_ms(UINT32_MAX), 6155);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(too_short),
		cmocka_unit_test(figure_2),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(scrubbed),
		cmocka_unit_test(scrubbed_within_bounds),
		cmocka_unit_test(feedback_dropped),
		cmocka_unit_test(written),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

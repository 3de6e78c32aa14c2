/* SPDX-License-Identifier: MIT
 * The program in the kernel: what leaves is compared byte for byte with a packet that is built from
 * nothing; what is passed up must be untouched; what it counts is what the stages would have. */
#include "tests/unit/media-relay/program_fixture.h"

#define TC_REDIRECT 7
#define TC_LEFT_ALONE (-1)

static struct shape leaving(const char *const ips[4])
{
	return (struct shape){ .from = at(ips[2], 30002), .to = at(ips[3], 65535), .id = 0x1234,
			       .traffic_class = 46 << 2, .hop_limit = 64, .mac_to = 0x33,
			       .mac_from = 0x44 };
}

static const struct {
	enum fast_mode mode;
	int forwarded;
	int up;
} hooks[] = { { FAST_NATIVE, XDP_REDIRECT, XDP_PASS }, { FAST_TC, TC_REDIRECT, TC_LEFT_ALONE } };

static void expect_forwarded(const struct kernel *kernel, struct shape *in, struct shape *out)
{
	struct frame from, want, got = { .len = 0 };

	build(in, &from);
	build(out, &want);
	for (size_t i = 0; i < array_size(hooks); i++) {
		kernel->fastpath.records[PLACE].count.max_sequence = 0x1ffff;
		assert_int_equal(run(kernel, hooks[i].mode, &from, &got), hooks[i].forwarded);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.bytes, want.bytes, want.len);
	}
}

static void expect_up(const struct kernel *kernel, const struct frame *frame)
{
	struct fast_count before = kernel->fastpath.records[PLACE].count;
	struct frame got = { .len = 0 };

	for (size_t i = 0; i < array_size(hooks); i++) {
		assert_int_equal(run(kernel, hooks[i].mode, frame, &got), hooks[i].up);
		assert_int_equal(got.len, frame->len);
		assert_memory_equal(got.bytes, frame->bytes, frame->len);
	}
	assert_int_equal(kernel->fastpath.records[PLACE].count.packets, before.packets);
	assert_int_equal(kernel->fastpath.records[PLACE].count.bytes, before.bytes);
	assert_int_equal(kernel->fastpath.records[PLACE].count.max_sequence, before.max_sequence);
}

static void test_forwards_byte_exact(void **state)
{
	static const size_t payloads[] = { 0, 1, 2, 19, 160 };
	const char *const *const ips[] = { FOUR, SIX };
	struct kernel *kernel = *state;

	if (skipped(kernel))
		return;
	for (size_t v = 0; v < array_size(ips); v++)
		for (size_t i = 0; i < array_size(payloads); i++) {
			struct shape in = arriving(ips[v]), out = leaving(ips[v]);

			put_flow(kernel, ips[v]);
			for (unsigned sequence = 0; sequence < 40; sequence++) {
				rtp_of(&in, 0, (uint16_t)sequence, 160 * sequence, 0xdeadbeef,
				       payloads[i]);
				rtp_of(&out, 0, (uint16_t)sequence, 160 * sequence, 0xdeadbeef,
				       payloads[i]);
				expect_forwarded(kernel, &in, &out);
			}
		}
}

static void test_maps_payload_types(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR), out = leaving(FOUR);

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	rtp_of(&in, 0x80 | 101, 1, 160, 0xdeadbeef, 4); /* with the marker */
	rtp_of(&out, 0x80 | 96, 1, 160, 0xdeadbeef, 4);
	expect_forwarded(kernel, &in, &out);
	assert_int_equal(kernel->fastpath.records[PLACE].count.ticks, 0); /* RFC 4733 2.5.1.3 */
}

static void test_extension_and_csrc_pass_when_whole(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR), out = leaving(FOUR);
	struct frame frame;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 40);
	in.payload[0] = 0x92; /* extension, two CSRCs */
	put16(in.payload + 12 + 8, 0xbede);
	put16(in.payload + 12 + 10, 7); /* 12 + 8 + 4 + 28 = 52, all there is */
	out.len = in.len;
	memcpy(out.payload, in.payload, sizeof(out.payload));
	expect_forwarded(kernel, &in, &out);
	put16(in.payload + 12 + 10, 8);
	build(&in, &frame);
	expect_up(kernel, &frame);
	in.payload[0] = 0x8f; /* 15 CSRCs */
	in.len = 71;
	build(&in, &frame);
	expect_up(kernel, &frame);
}

/* RFC 768: 0 is no checksum, and stays none. */
static void test_no_checksum_stays_none(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR), out = leaving(FOUR);

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 160);
	rtp_of(&out, 0, 1, 160, 0xdeadbeef, 160);
	in.no_checksum = out.no_checksum = true;
	expect_forwarded(kernel, &in, &out);
}

/* What is passed up, one change at a time. */
static void test_passes_up_the_unknown(void **state)
{
	static const struct {
		const char *what;
		size_t at; /* in the frame; IPv4, so UDP is at 34 and RTP at 42 */
		unsigned char value;
	} changes[] = {
		{ "ARP", 13, 0x06 },
		{ "a VLAN tag", 12, 0x81 },
		{ "IP options", 14, 0x46 },
		{ "IP version", 14, 0x55 },
		{ "TCP", 23, 6 },
		{ "more fragments", 20, 0x20 },
		{ "a fragment", 21, 1 },
		{ "another source", 29, 11 },
		{ "another local address", 33, 2 },
		{ "another source port", 35, 0 },
		{ "another port of ours", 37, 0 },
		{ "a shorter UDP length", 39, 100 },
		{ "STUN", 42, 0 },
		{ "DTLS", 42, 22 },
		{ "padding", 42, 0xa0 },
		{ "RTCP", 43, 200 },
		{ "an unmapped type", 43, 8 },
		{ "another SSRC", 50, 0 },
		{ "a jump in the sequence", 44, 0x40 },
	};
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR);
	struct frame frame;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	rtp_of(&in, 0, 5, 160, 0xdeadbeef, 160);
	for (size_t i = 0; i < array_size(changes); i++) {
		build(&in, &frame);
		assert_int_not_equal(frame.bytes[changes[i].at], changes[i].value);
		frame.bytes[changes[i].at] = changes[i].value;
		expect_up(kernel, &frame);
	}
	for (size_t len = 34; len < frame.len; len++) { /* cut short on the way */
		build(&in, &frame);
		frame.len = len;
		expect_up(kernel, &frame);
	}
}

static void test_too_long_for_the_way_out(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR), out = leaving(FOUR);
	struct frame frame;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	kernel->fastpath.records[PLACE].flow.onward.to.max_bytes = 200;
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 160);
	rtp_of(&out, 0, 1, 160, 0xdeadbeef, 160);
	expect_forwarded(kernel, &in, &out);
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 161);
	build(&in, &frame);
	expect_up(kernel, &frame);
}

/* ---- figures ---- */

/* Sequence and bytes as A.1 counts them: over a wrap, with a gap, a repetition, one late. */
static void test_counts(void **state)
{
	static const struct {
		uint16_t sequence;
		bool up;
	} packets[] = { { 0xffff, false }, { 0, false }, { 1, false }, { 1, false }, { 5, false },
			{ 3, false }, { 4000, true }, { 6, false }, { 0xfff0, false } };
	struct kernel *kernel = *state;
	struct shape in = arriving(SIX);
	struct fast_count *count;
	struct frame frame, got;

	if (skipped(kernel))
		return;
	put_flow(kernel, SIX);
	count = &kernel->fastpath.records[PLACE].count;
	count->max_sequence = 0x5fffe;
	count->window_top = 0xfffe;
	for (size_t i = 0; i < array_size(packets); i++) {
		rtp_of(&in, 9, packets[i].sequence, 160u * packets[i].sequence, 0xdeadbeef, 160);
		build(&in, &frame);
		assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got),
				 packets[i].up ? XDP_PASS : XDP_REDIRECT);
	}
	assert_int_equal(count->packets, 8);
	assert_int_equal(count->bytes, 8 * 172);
	assert_int_equal(count->max_sequence, 0x60006);
	assert_int_equal(count->duplicated, 1); /* 1 */
	assert_int_equal(count->reordered, 2);  /* 3, and 0xfff0 */
	assert_int_equal(count->payload_type, 9);
	assert_int_equal(fast_clock_hz(count->ticks), 8000);
	assert_true(count->flags & FAST_HAS_TRANSIT);
	assert_true(count->last > 0);
	assert_int_equal(all_lanes(kernel).packets, 8);
	assert_int_equal(all_lanes(kernel).bytes, 8 * 172);
	kernel->fastpath.records[PLACE].flow.turn ^= FAST_TURN;
	rtp_of(&in, 9, 7, 160, 0xdeadbeef, 160);
	build(&in, &frame);
	assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got), XDP_PASS);
	assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got), XDP_REDIRECT);
	assert_int_equal(count->packets, 9);
}

/* A timestamp that does not move while packets come at once: every one is as late as the clock says,
 * so the jitter of equal timestamps stays near 0; a step of one second moves it by 1/16 of that. */
static void test_jitter(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR);
	struct fast_count *count;
	struct frame frame, got;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	count = &kernel->fastpath.records[PLACE].count;
	for (uint16_t i = 0; i < 2; i++) {
		rtp_of(&in, 0, i, 0, 0xdeadbeef, 160);
		build(&in, &frame);
		assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got), XDP_REDIRECT);
	}
	assert_in_range(count->jitter16, 0, 4000); /* half a second between the two runs, at most */
	rtp_of(&in, 0, 2, 80000, 0xdeadbeef, 160); /* ten seconds early */
	build(&in, &frame);
	assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got), XDP_REDIRECT);
	assert_in_range(count->jitter16, 75000, 84000);
}

/* A second's worth passes at once, then no more: 8,000 octets are 38 packets of 172 + 40. */
static void test_polices(void **state)
{
	struct kernel *kernel = *state;
	struct shape in = arriving(FOUR);
	struct fast_count *count;
	struct frame frame, got;
	unsigned passed = 0;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	count = &kernel->fastpath.records[PLACE].count;
	count->busy_until = 0x80000000u; /* of another time */
	kernel->fastpath.records[PLACE].flow.ns_per_kib = 128000000; /* 8,000 octets a second */
	for (uint16_t i = 0; i < 200; i++) {
		int verdict;

		rtp_of(&in, 0, i, 160u * i, 0xdeadbeef, 160);
		build(&in, &frame);
		verdict = run(kernel, FAST_NATIVE, &frame, &got);
		assert_true(verdict == XDP_REDIRECT || verdict == XDP_DROP);
		passed += verdict == XDP_REDIRECT;
	}
	assert_in_range(passed, 36, 60); /* a slow machine lets some more through */
	assert_int_equal(count->packets, passed);
	assert_int_equal(count->policed, 200 - passed);
	assert_int_equal(all_lanes(kernel).packets, passed);
	assert_int_equal(all_lanes(kernel).policed, 200 - passed);
	assert_int_equal(run(kernel, FAST_TC, &frame, &got), 2 /* TC_ACT_SHOT */);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forwards_byte_exact, start, stop),
		cmocka_unit_test_setup_teardown(test_maps_payload_types, start, stop),
		cmocka_unit_test_setup_teardown(test_extension_and_csrc_pass_when_whole, start, stop),
		cmocka_unit_test_setup_teardown(test_no_checksum_stays_none, start, stop),
		cmocka_unit_test_setup_teardown(test_passes_up_the_unknown, start, stop),
		cmocka_unit_test_setup_teardown(test_too_long_for_the_way_out, start, stop),
		cmocka_unit_test_setup_teardown(test_counts, start, stop),
		cmocka_unit_test_setup_teardown(test_jitter, start, stop),
		cmocka_unit_test_setup_teardown(test_polices, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

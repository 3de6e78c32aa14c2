/* SPDX-License-Identifier: MIT
 * Frames of rings: what is cut off and what is put before a payload, against packets that are built by
 * the book. */
#include "tests/unit/media-relay/frame_fixture.h"

#define ROOM 64u

/* dscp: of a packet as it leaves. The payload is a pattern. */
static void build_pattern(struct frame *frame, const struct endpoint *from,
			  const struct endpoint *to, size_t len, unsigned dscp)
{
	struct shape shape = { .from = *from, .to = *to, .len = len, .hop_limit = 64,
			       .traffic_class = (uint8_t)(dscp << 2), .mac_to = 0x33,
			       .mac_from = 0x44 };

	for (size_t i = 0; i < len; i++)
		shape.payload[i] = (unsigned char)(i * 73 + len);
	build(&shape, frame);
}

static void tag(struct frame *frame)
{
	const struct fast_tag it = { .place = 77, .arrival_high = 2, .arrival_low = 5 };

	memcpy(frame->bytes, &it, sizeof(it));
}

static const char *const pairs[][2] = {
	{ "192.0.2.1", "198.51.100.255" },
	{ "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe" },
};
static const size_t sizes[] = { 0, 1, 2, 3, 159, 160, 172, 1000, 1472 };

static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * array_size(sizes); i++) {
		struct endpoint from = at(pairs[i % 2][0], 4000), to = at(pairs[i % 2][1], 65535);
		struct fast_datagram got;
		struct frame frame;

		build_pattern(&frame, &from, &to, sizes[i / 2], 0);
		tag(&frame);
		/* Ethernet pads what is short. */
		assert_true(fast_frame_cut(frame.bytes, frame.len + (i % 3) * 6, &got));
		assert_int_equal(got.place, 77);
		assert_int_equal(got.arrival_ns, (UINT64_C(2) << 32) + 5);
		assert_true(endpoint_eq(&got.source, &from));
		assert_true(endpoint_eq(&got.local, &to));
		assert_ptr_equal(got.bytes, frame.bytes + frame.payload_at);
		assert_int_equal(got.len, sizes[i / 2]);
	}
}

static void test_broken_is_not_cut(void **state)
{
	struct fast_datagram got = { .place = 1 };
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct endpoint from = at(pairs[i][0], 4000), to = at(pairs[i][1], 65535);

		build_pattern(&frame, &from, &to, 172, 0);
		for (size_t len = 0; len < frame.len; len++)
			assert_false(fast_frame_cut(frame.bytes, len, &got));
		for (size_t bit = 0; bit < 8 * 172; bit++) {
			frame.bytes[frame.payload_at + bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_false(fast_frame_cut(frame.bytes, frame.len, &got));
			frame.bytes[frame.payload_at + bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
		put16(frame.bytes + frame.udp_at + 4, 181); /* one longer than there is */
		assert_false(fast_frame_cut(frame.bytes, frame.len, &got));
		put16(frame.bytes + frame.udp_at + 4, 7);
		assert_false(fast_frame_cut(frame.bytes, frame.len, &got));
		put16(frame.bytes + 12, 0x0806);
		assert_false(fast_frame_cut(frame.bytes, frame.len, &got));
	}
	assert_int_equal(got.place, 1);
}

/* RFC 768: IPv4 may do without; RFC 8200 8.1: IPv6 may not. A device may have been meant to finish it. */
static void test_checksums_that_hold(void **state)
{
	struct fast_datagram got;
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct endpoint from = at(pairs[i][0], 4000), to = at(pairs[i][1], 65535);
		size_t addresses_at = i == 0 ? 26 : 22, addresses = i == 0 ? 8 : 32;

		build_pattern(&frame, &from, &to, 171, 0);
		put16(frame.bytes + frame.udp_at + 6, 0);
		assert_int_equal(fast_frame_cut(frame.bytes, frame.len, &got), i == 0);
		put16(frame.bytes + frame.udp_at + 6,
		      (uint16_t)~finish(sum16(17 + 179, frame.bytes + addresses_at, addresses)));
		assert_true(fast_frame_cut(frame.bytes, frame.len, &got));
		frame.bytes[frame.udp_at + 7] ^= 1;
		assert_false(fast_frame_cut(frame.bytes, frame.len, &got));
	}
}

static void test_put(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * array_size(sizes); i++) {
		struct fast_rule rule = { .out = at(pairs[i % 2][0], 30002),
					  .target = at(pairs[i % 2][1], 1),
					  .dscp = 46 };
		unsigned char space[ROOM + FRAME_MAX], *payload = space + ROOM, *got;
		struct fast_head head;
		struct frame want;

		build_pattern(&want, &rule.out, &rule.target, sizes[i / 2], 46);
		memcpy(payload, want.bytes + want.payload_at, sizes[i / 2]);
		fast_head_fill(&rule, want.bytes, want.bytes + 6, 1500, &head);
		assert_int_equal(head.max_bytes, i % 2 ? 1452 : 1472);
		got = fast_head_put(&head, payload, sizes[i / 2]);
		assert_ptr_equal(got, payload - want.payload_at);
		assert_memory_equal(got, want.bytes, want.len);
		fast_head_move(&head, (const unsigned char *)"\2\0\0\0\0\1", want.bytes + 6);
		got = fast_head_put(&head, payload, sizes[i / 2]);
		assert_int_equal(got[5], 1);
		assert_memory_equal(got + 6, want.bytes + 6, want.len - 6);
	}
}

/* A sum of zero is written as all ones (RFC 768). */
static void test_sum_of_zero(void **state)
{
	struct fast_rule rule = { .out = at("192.0.2.1", 30002), .target = at("192.0.2.9", 1) };
	unsigned char space[ROOM + 2], *payload = space + ROOM, *udp;
	struct fast_head head;

	(void)state;
	fast_head_fill(&rule, (const unsigned char *)"abcdef", (const unsigned char *)"ghijkl", 1500,
		       &head);
	for (unsigned value = 0; value < 0x10000; value++) {
		put16(payload, value);
		udp = fast_head_put(&head, payload, 2) + 34;
		assert_false(udp[6] == 0 && udp[7] == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_broken_is_not_cut),
		cmocka_unit_test(test_checksums_that_hold),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_sum_of_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * The program in the kernel, run on single packets by the kernel itself (BPF_PROG_TEST_RUN): what
 * leaves is compared byte for byte with a packet that is built here from nothing, with checksums summed
 * over all of it; what is passed up must be untouched. Without the rights those tests are skipped. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "media-relay/fastpath/fastpath_priv.h"
#include "tests/support/unit.h"

#define FRAME_MAX 512u
#define PLACE 3u
#define OUT_IFINDEX 1 /* the loopback interface: never sent to in a test run */
#define TC_REDIRECT 7
#define TC_LEFT_ALONE (-1)

/* One packet as text book says. */
struct shape {
	const char *from, *to;
	uint16_t from_port, to_port;
	uint8_t traffic_class, hop_limit;
	unsigned char mac_to, mac_from; /* 02:00:00:00:00:xx */
	unsigned char rtp[200];
	size_t rtp_len;
	bool no_checksum;
};

struct frame {
	unsigned char bytes[FRAME_MAX];
	size_t len;
};

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* RFC 1071, over bytes in their order on the wire. */
static uint32_t sum16(uint32_t sum, const unsigned char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static uint16_t finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t build_ip(const struct shape *shape, unsigned char *ip, size_t udp_len,
		       uint32_t *ret_pseudo)
{
	struct in_addr a;
	size_t size = 4, at = 12, head = 20;

	memset(ip, 0, 40);
	if (inet_pton(AF_INET, shape->from, &a) == 1) {
		inet_pton(AF_INET, shape->from, ip + 12);
		inet_pton(AF_INET, shape->to, ip + 16);
		ip[0] = 0x45;
		ip[1] = shape->traffic_class;
		put16(ip + 2, (unsigned)(20 + udp_len));
		put16(ip + 4, 0x1234);
		put16(ip + 6, 0x4000);
		ip[8] = shape->hop_limit;
		ip[9] = 17;
		put16(ip + 10, finish(sum16(0, ip, 20)));
	} else {
		assert_int_equal(inet_pton(AF_INET6, shape->from, ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, shape->to, ip + 24), 1);
		ip[0] = (unsigned char)(0x60 | shape->traffic_class >> 4);
		ip[1] = (unsigned char)(shape->traffic_class << 4);
		put16(ip + 4, (unsigned)udp_len);
		ip[6] = 17;
		ip[7] = shape->hop_limit;
		size = 16;
		at = 8;
		head = 40;
	}
	*ret_pseudo = sum16((uint32_t)(17 + udp_len), ip + at, 2 * size);
	return head;
}

static void build(const struct shape *shape, struct frame *frame)
{
	unsigned char *eth = frame->bytes, *udp;
	size_t udp_len = 8 + shape->rtp_len;
	uint32_t sum;

	memset(frame, 0, sizeof(*frame));
	eth[0] = eth[6] = 2;
	eth[5] = shape->mac_to;
	eth[11] = shape->mac_from;
	put16(eth + 12, strchr(shape->from, ':') ? 0x86dd : 0x0800);
	udp = eth + 14 + build_ip(shape, eth + 14, udp_len, &sum);
	put16(udp, shape->from_port);
	put16(udp + 2, shape->to_port);
	put16(udp + 4, (unsigned)udp_len);
	memcpy(udp + 8, shape->rtp, shape->rtp_len);
	if (!shape->no_checksum)
		put16(udp + 6, finish(sum16(sum, udp, udp_len)) ? finish(sum16(sum, udp, udp_len))
								 : 0xffff);
	frame->len = (size_t)(udp - eth) + udp_len;
}

static void rtp_of(struct shape *shape, uint8_t type, uint16_t sequence, uint32_t timestamp,
		   uint32_t ssrc, size_t payload)
{
	shape->rtp[0] = 0x80;
	shape->rtp[1] = type;
	put16(shape->rtp + 2, sequence);
	put16(shape->rtp + 4, timestamp >> 16);
	put16(shape->rtp + 6, timestamp & 0xffff);
	put16(shape->rtp + 8, ssrc >> 16);
	put16(shape->rtp + 10, ssrc & 0xffff);
	for (size_t i = 0; i < payload; i++)
		shape->rtp[12 + i] = (unsigned char)(i * 37 + sequence);
	shape->rtp_len = 12 + payload;
}

/* ---- the program ---- */

struct kernel {
	struct fastpath fastpath;
	bool there;
};

static int start(void **state)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	*state = kernel;
	kernel->fastpath.capacity = 16;
	kernel->there = fast_load(&kernel->fastpath) == OK;
	return 0;
}

static int stop(void **state)
{
	struct fastpath *fastpath = calloc(1, sizeof(*fastpath));
	struct kernel *kernel = *state;

	*fastpath = kernel->fastpath;
	fastpath_destroy(&fastpath);
	free(kernel);
	return 0;
}

static bool skipped(const struct kernel *kernel)
{
	if (!kernel->there)
		print_message("skipped: no right to load a program (CAP_BPF, CAP_NET_ADMIN)\n");
	return !kernel->there;
}

static struct endpoint at(const char *ip, uint16_t port)
{
	struct endpoint endpoint = { .port = port };

	assert_int_equal(ip_parse(slice_text(ip), &endpoint.ip), OK);
	return endpoint;
}

static const char *const FOUR[] = { "192.0.2.10", "192.0.2.1", "198.51.100.1", "198.51.100.77" };
static const char *const SIX[] = { "2001:db8::10", "2001:db8::1", "2001:db8:ff::1",
				   "2001:db8:ff:1:2:3:4:ffff" };

static void put_flow(struct kernel *kernel, const char *const ips[4])
{
	struct fast_rule rule = {
		.source = at(ips[0], 4000),
		.local = at(ips[1], 20000),
		.out = at(ips[2], 30002),
		.target = at(ips[3], 65535),
		.ssrc = 0xdeadbeef,
		.dscp = 46,
		.payload_count = 3,
		.payloads = { { .in = 0, .out = 0, .clock_hz = 8000 },
			      { .in = 101, .out = 96 },
			      { .in = 9, .out = 9, .clock_hz = 8000 } },
	};
	struct fast_flow flow;
	struct fast_key key;

	fast_flow_fill(&rule, &key, &flow);
	flow.count = PLACE;
	flow.out_ifindex = OUT_IFINDEX;
	flow.max_bytes = 1500;
	memcpy(flow.mac_to, "\2\0\0\0\0\x33", 6);
	memcpy(flow.mac_from, "\2\0\0\0\0\x44", 6);
	assert_int_equal(bpf_map_update_elem(kernel->fastpath.flows_fd, &key, &flow, BPF_ANY), 0);
	memset(&kernel->fastpath.counts[PLACE], 0, sizeof(struct fast_count));
	kernel->fastpath.counts[PLACE].max_sequence = 0x1ffff;
}

static int run(const struct kernel *kernel, enum fast_mode mode, const struct frame *in,
	       struct frame *out)
{
	struct bpf_test_run_opts options = { .sz = sizeof(options),
					     .data_in = in->bytes,
					     .data_size_in = (uint32_t)in->len,
					     .data_out = out->bytes,
					     .data_size_out = sizeof(out->bytes),
					     .repeat = 1 };

	assert_int_equal(
		bpf_prog_test_run_opts(fast_program_fd(&kernel->fastpath, mode), &options), 0);
	out->len = options.data_size_out;
	return (int)options.retval;
}

static struct shape arriving(const char *const ips[4])
{
	return (struct shape){ .from = ips[0], .to = ips[1], .from_port = 4000, .to_port = 20000,
			       .traffic_class = 0, .hop_limit = 9, .mac_to = 0x11, .mac_from = 0x22 };
}

static struct shape leaving(const char *const ips[4])
{
	return (struct shape){ .from = ips[2], .to = ips[3], .from_port = 30002, .to_port = 65535,
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
		kernel->fastpath.counts[PLACE].max_sequence = 0x1ffff;
		assert_int_equal(run(kernel, hooks[i].mode, &from, &got), hooks[i].forwarded);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.bytes, want.bytes, want.len);
	}
}

static void expect_up(const struct kernel *kernel, const struct frame *frame)
{
	struct fast_count before = kernel->fastpath.counts[PLACE];
	struct frame got = { .len = 0 };

	for (size_t i = 0; i < array_size(hooks); i++) {
		assert_int_equal(run(kernel, hooks[i].mode, frame, &got), hooks[i].up);
		assert_int_equal(got.len, frame->len);
		assert_memory_equal(got.bytes, frame->bytes, frame->len);
	}
	assert_int_equal(kernel->fastpath.counts[PLACE].packets, before.packets);
	assert_int_equal(kernel->fastpath.counts[PLACE].bytes, before.bytes);
	assert_int_equal(kernel->fastpath.counts[PLACE].max_sequence, before.max_sequence);
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
	assert_int_equal(kernel->fastpath.counts[PLACE].clock_hz, 0); /* RFC 4733 2.5.1.3 */
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
	in.rtp[0] = 0x92; /* extension, two CSRCs */
	put16(in.rtp + 12 + 8, 0xbede);
	put16(in.rtp + 12 + 10, 7); /* 12 + 8 + 4 + 28 = 52, all there is */
	out.rtp_len = in.rtp_len;
	memcpy(out.rtp, in.rtp, sizeof(out.rtp));
	expect_forwarded(kernel, &in, &out);
	put16(in.rtp + 12 + 10, 8);
	build(&in, &frame);
	expect_up(kernel, &frame);
	in.rtp[0] = 0x8f; /* 15 CSRCs */
	in.rtp_len = 71;
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
	struct fast_key key = { .port_be = htons(20000), .family = 4, .ip = { 192, 0, 2, 1 } };
	struct fast_flow flow;
	struct frame frame;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	assert_int_equal(bpf_map_lookup_elem(kernel->fastpath.flows_fd, &key, &flow), 0);
	flow.max_bytes = 200;
	assert_int_equal(bpf_map_update_elem(kernel->fastpath.flows_fd, &key, &flow, BPF_ANY), 0);
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 160);
	rtp_of(&out, 0, 1, 160, 0xdeadbeef, 160);
	expect_forwarded(kernel, &in, &out);
	rtp_of(&in, 0, 1, 160, 0xdeadbeef, 161);
	build(&in, &frame);
	expect_up(kernel, &frame);
}

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
	count = &kernel->fastpath.counts[PLACE];
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
	assert_int_equal(count->clock_hz, 8000);
	assert_true(count->flags & FAST_HAS_TRANSIT);
	assert_true(count->last_ns > 0);
	count->flags |= FAST_PASS_ONE;
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
	count = &kernel->fastpath.counts[PLACE];
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
	struct fast_key key = { .port_be = htons(20000), .family = 4, .ip = { 192, 0, 2, 1 } };
	struct fast_count *count;
	struct fast_flow flow;
	struct frame frame, got;
	unsigned passed = 0;

	if (skipped(kernel))
		return;
	put_flow(kernel, FOUR);
	count = &kernel->fastpath.counts[PLACE];
	count->busy_until = 0x80000000u; /* of another time */
	assert_int_equal(bpf_map_lookup_elem(kernel->fastpath.flows_fd, &key, &flow), 0);
	flow.ns_per_kib = 128000000; /* 8,000 octets a second */
	assert_int_equal(bpf_map_update_elem(kernel->fastpath.flows_fd, &key, &flow, BPF_ANY), 0);
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
	assert_int_equal(run(kernel, FAST_TC, &frame, &got), 2 /* TC_ACT_SHOT */);
}

/* ---- arithmetic ---- */

static void test_deltas(void **state)
{
	/* RFC 1624 4: 0xDD2F changes by 0x5555 → 0x3285 to 0x0000. */
	uint32_t sum = 0x22d0u + fast_delta(0x5555, 0x3285);

	(void)state;
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal((uint16_t)~sum, 0x0000);
	assert_int_equal(fast_sum("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8),
			 htons(0xddf2)); /* RFC 1071 3 */
	assert_int_equal(fast_delta(7, 7), 0xffff); /* one's complement's other zero */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deltas),
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

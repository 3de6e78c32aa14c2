/* SPDX-License-Identifier: MIT
 * The program in the kernel, with one flow, run on single packets by the kernel itself
 * (BPF_PROG_TEST_RUN). Without the rights its tests are skipped. */
#pragma once

#include "tests/unit/media-relay/frame_fixture.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACE 3u
#define OUT_IFINDEX 1 /* the loopback interface: never sent to in a test run */

struct kernel {
	struct fastpath fastpath;
	bool there;
};

static inline int start(void **state)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	*state = kernel;
	kernel->fastpath.capacity = 16;
	kernel->fastpath.lanes = 1;
	kernel->fastpath.interfaces[0].ifindex = OUT_IFINDEX;
	kernel->fastpath.interface_count = 1;
	kernel->fastpath.interfaces[0].link_fd = -1;
	kernel->there = fast_load(&kernel->fastpath) == OK;
	return 0;
}

static inline int stop(void **state)
{
	struct fastpath *fastpath = calloc(1, sizeof(*fastpath));
	struct kernel *kernel = *state;

	if (!fastpath)
		return -1;
	*fastpath = kernel->fastpath;
	fastpath_destroy(&fastpath);
	free(kernel);
	return 0;
}

static inline bool skipped(const struct kernel *kernel)
{
	if (!kernel->there)
		print_message("skipped: no right to load a program (CAP_BPF, CAP_NET_ADMIN)\n");
	return !kernel->there;
}

static const char *const FOUR[] = { "192.0.2.10", "192.0.2.1", "198.51.100.1", "198.51.100.77" };
static const char *const SIX[] = { "2001:db8::10", "2001:db8::1", "2001:db8:ff::1",
				   "2001:db8:ff:1:2:3:4:ffff" };

static inline uint32_t first_of(const struct fastpath *fastpath, uint32_t slot)
{
	return fastpath->ports[slot / FAST_ROW_SLOTS].first[slot % FAST_ROW_SLOTS];
}

static inline void put_flow(struct kernel *kernel, const char *const ips[4])
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
	struct fast_record *record = &kernel->fastpath.records[PLACE];
	uint32_t slot = fast_slot(&rule.local);

	if (first_of(&kernel->fastpath, slot) == PLACE)
		fast_table_remove(&kernel->fastpath, slot, PLACE);
	fast_record_fill(&rule, record);
	record->flow.onward.to.max_bytes = 1500;
	memcpy(record->flow.onward.to.mac, "\2\0\0\0\0\x33", 6);
	memcpy(record->flow.mac_from, "\2\0\0\0\0\x44", 6);
	record->count.max_sequence = 0x1ffff;
	assert_true(fast_table_put(&kernel->fastpath, slot, 0, PLACE));
}

/* On whatever processors it ran. */
static inline struct fast_total all_lanes(const struct kernel *kernel)
{
	struct fast_total sum = { .packets = 0 };

	for (uint32_t i = 0; i < FAST_LANES_MAX * kernel->fastpath.processors; i++) {
		sum.packets += kernel->fastpath.totals[i].packets;
		sum.bytes += kernel->fastpath.totals[i].bytes;
		sum.policed += kernel->fastpath.totals[i].policed;
	}
	return sum;
}

static inline int run(const struct kernel *kernel, enum fast_mode mode, const struct frame *in,
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

static inline void rtp_of(struct shape *shape, uint8_t type, uint16_t sequence, uint32_t timestamp,
			  uint32_t ssrc, size_t payload)
{
	shape->payload[0] = 0x80;
	shape->payload[1] = type;
	put16(shape->payload + 2, sequence);
	put16(shape->payload + 4, timestamp >> 16);
	put16(shape->payload + 6, timestamp & 0xffff);
	put16(shape->payload + 8, ssrc >> 16);
	put16(shape->payload + 10, ssrc & 0xffff);
	for (size_t i = 0; i < payload; i++)
		shape->payload[12 + i] = (unsigned char)(i * 37 + sequence);
	shape->len = 12 + payload;
}

static inline struct shape arriving(const char *const ips[4])
{
	return (struct shape){ .from = at(ips[0], 4000), .to = at(ips[1], 20000), .id = 0x1234,
			       .traffic_class = 0, .hop_limit = 9, .mac_to = 0x11, .mac_from = 0x22 };
}

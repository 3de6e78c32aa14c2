/* SPDX-License-Identifier: MIT
 * What the program in the kernel and the relay share: the flow map's key and value, and what is
 * counted for a flow. A flow is written by the relay only, its count by whoever handles the flow: the
 * kernel while the flow is in the map, the relay before and after. So a changed MAC address never
 * costs a counter. Both sides of this header are compiled from here; nothing of it is on a wire. */
#pragma once

#include <stdint.h>

#define FAST_PAYLOADS 8u
#define FAST_PAYLOAD_NONE 0xffu

/* What arrives at one local address and port. */
struct fast_key {
	uint8_t ip[16]; /* network order; IPv4: the first 4, the rest zero */
	uint16_t port_be;
	uint16_t family; /* 4 or 6 */
};

struct fast_payload {
	uint8_t in; /* FAST_PAYLOAD_NONE: the list ends here */
	uint8_t out;
	uint16_t unused;
	uint32_t clock_hz; /* 0: no jitter from these packets */
	uint32_t ticks;    /* of that clock in 1024 ns, times 2^32: the kernel would divide twice else */
};

/* What an IPv4 packet of the first payload type needs comes first, in one cache line's worth: with
 * thousands of flows the misses are what a packet costs. */
struct fast_flow {
	uint32_t source4_be; /* who may be heard */
	uint32_t out4_be;    /* from here … */
	uint32_t target4_be; /* … to there */
	uint16_t source_port_be;
	uint16_t out_port_be;
	uint16_t target_port_be;
	uint16_t max_bytes; /* of an IP packet, on the way out */
	uint32_t ssrc_be;
	uint32_t count; /* its place in the counts */
	uint32_t out_ifindex;
	uint32_t ns_per_kib; /* how long a KiB keeps the bucket busy; 0: any rate */
	uint16_t address_delta; /* of the UDP checksum; memory order */
	uint16_t port_delta;
	uint8_t mac_to[6];
	uint8_t mac_from[6];
	uint8_t traffic_class; /* DSCP and no ECN */
	uint8_t hop_limit;
	uint8_t unused[2];
	struct fast_payload payloads[FAST_PAYLOADS];
	uint8_t source6[16];
	uint8_t out6[16];
	uint8_t target6[16];
};

#define FAST_HAS_TRANSIT 1u
#define FAST_PASS_ONE 2u /* the next packet goes the slow way, which keeps its neighbours known */

/* RFC 3550 A.1 and A.8, as rtp/source.c has them, and rtp/police.c's bucket. What A.1 calls a jump is
 * passed up, so `packets` is `received` too. One cache line; narrow counters are read often enough to
 * be taken as differences. */
struct fast_count {
	uint64_t packets;
	uint64_t bytes; /* of UDP payload */
	uint64_t last_ns; /* CLOCK_MONOTONIC; 0: none yet */
	uint64_t window; /* bit i: window_top - i came */
	uint32_t max_sequence; /* extended: with its cycles */
	uint32_t transit;
	uint32_t jitter16;
	uint32_t clock_hz; /* that transit and jitter16 are in */
	uint32_t busy_until; /* the bucket is empty again; CLOCK_MONOTONIC in 1024 ns, wraps */
	uint32_t policed; /* dropped: more than the rate */
	uint16_t reordered;
	uint16_t duplicated;
	uint16_t window_top;
	uint8_t payload_type; /* of the last packet that was media */
	uint8_t flags;
};

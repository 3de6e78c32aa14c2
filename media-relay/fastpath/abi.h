/* SPDX-License-Identifier: MIT
 * What the program in the kernel and the relay share: the table of flows. It is found by local port:
 * `ports` holds, for each port and bank of local addresses, the place of the first record; records of
 * other addresses in the same bank follow by `next`. A record is one flow: what is to be done, and right
 * behind it what was counted, so that a plain IPv4 packet touches two neighbouring cache lines.
 *
 * The relay writes a record while nobody can find it, then puts its place in the table with one store;
 * a changed flow is another record, and the old one rests until no packet can be there any more. Only
 * three words are written in a record that can be found: `next`, `onward` and `turn`. The counts are the
 * program's. Both sides of this header are compiled from here; nothing of it is on a wire. */
#pragma once

#include <stdint.h>

#define FAST_PAYLOADS 8u
#define FAST_PAYLOAD_NONE 0xffu
#define FAST_LANES_MAX 64u
#define FAST_BANKS_BITS 3u
#define FAST_SLOTS (UINT32_C(1) << (16 + FAST_BANKS_BITS))
#define FAST_ROW_SLOTS 16u /* as one entry: the kernel pads entries to 8 bytes */
#define FAST_CHAIN_MAX 8u /* records of one slot */
#define FAST_HOP_LIMIT 64u
#define FAST_TICK_NS (1u << 20)

/* Words of an address (of IPv4: one, and zeros), in memory order. */
static inline uint32_t fast_bank(const uint32_t words[4])
{
	return (words[0] ^ words[1] ^ words[2] ^ words[3]) * UINT32_C(0x9e3779b1) >>
	       (32 - FAST_BANKS_BITS);
}

/* Places; 0: none. */
struct fast_row {
	uint32_t first[FAST_ROW_SLOTS];
};

struct fast_payload {
	uint8_t in; /* FAST_PAYLOAD_NONE: the list ends here */
	uint8_t out;
	uint16_t unused;
	uint32_t ticks; /* of its clock in 1024 ns, times 2^32; 0: no jitter from these packets */
};

/* One word, so that a neighbour's move is one store. */
union fast_onward {
	uint64_t word;
	struct {
		uint8_t mac[6];
		uint16_t max_bytes; /* of an IP packet */
	} to;
};

#define FAST_IP6 1u  /* flags */
#define FAST_RING 2u /* not forwarded: to the rings of its lane, unchanged */

/* One cache line. */
struct fast_flow {
	uint32_t source4_be; /* who may be heard … */
	uint32_t local4_be;  /* … here */
	uint32_t out4_be;    /* from here … */
	uint32_t target4_be; /* … to there */
	union fast_onward onward;
	uint8_t mac_from[6];
	uint16_t source_port_be;
	uint16_t out_port_be;
	uint16_t target_port_be;
	uint32_t ssrc_be;
	uint32_t next; /* place of another local address's record; 0: none */
	uint32_t ns_per_kib; /* how long a KiB keeps the bucket busy; 0: any rate */
	uint16_t address_delta; /* of the UDP checksum; memory order */
	uint16_t port_delta;
	uint32_t ticks; /* the first payload type: see fast_payload */
	uint8_t in;
	uint8_t out;
	uint8_t traffic_class; /* DSCP and no ECN */
	uint8_t flags;
	uint8_t interface; /* the way out, by its number in `devices` */
	uint8_t lane;      /* whose totals it adds to */
	uint8_t turn; /* other than the count's: one packet goes the slow way, which keeps its neighbours known */
	uint8_t unused;
};

#define FAST_HAS_TRANSIT 1u
#define FAST_TURN 2u

/* RFC 3550 A.1 and A.8, as rtp/source.c has them, and rtp/police.c's bucket. What A.1 calls a jump is
 * passed up, so `packets` is `received` too. One cache line, read when somebody asks: the narrow
 * counters are taken as differences, and no stream is in disorder 2^32 times between two looks. */
struct fast_count {
	uint64_t packets;
	uint64_t bytes; /* of UDP payload */
	uint64_t window; /* bit i: window_top - i came */
	uint32_t last; /* packet: CLOCK_MONOTONIC in FAST_TICK_NS, wraps; none yet: nothing */
	uint32_t max_sequence; /* extended: with its cycles */
	uint32_t transit;
	uint32_t jitter16;
	uint32_t ticks; /* of the clock that transit and jitter16 are in */
	uint32_t busy_until; /* the bucket is empty again; CLOCK_MONOTONIC in 1024 ns, wraps */
	uint32_t policed; /* dropped: more than the rate */
	uint32_t reordered;
	uint32_t duplicated;
	uint16_t window_top;
	uint8_t payload_type; /* of the last packet that was media */
	uint8_t flags;
};

/* IPv6, in place of the four addresses above. */
struct fast_addresses {
	uint32_t source[4];
	uint32_t local[4];
	uint32_t out[4];
	uint32_t target[4];
};

struct fast_record {
	struct fast_flow flow;
	struct fast_count count;
	struct fast_addresses six;
	struct fast_payload others[FAST_PAYLOADS]; /* after the first */
};

/* A frame on its way to a ring carries this in place of its MAC addresses. */
struct fast_tag {
	uint32_t place;
	uint32_t arrival_high; /* CLOCK_MONOTONIC in ns */
	uint32_t arrival_low;
};

/* The rings of one interface: of queue q and lane l is number first + q * lanes + l. */
struct fast_ring_base {
	uint32_t first;
	uint32_t lanes;
	uint32_t queues;
};

#define FAST_RINGS_MAX 4096u
#define FAST_RING_MAX_BYTES 1600u /* of a frame that may go to a ring */

/* What a lane's flows come to on one processor, a line each; at processor * FAST_LANES_MAX + lane. */
struct fast_total {
	uint64_t packets;
	uint64_t bytes;
	uint64_t policed;
	uint64_t unused[5];
};

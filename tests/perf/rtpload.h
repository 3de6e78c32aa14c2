/* SPDX-License-Identifier: MIT
 * What rtpload and its program in the kernel share. */
#pragma once

#include <stdint.h>

#define LOAD_STREAMS_MAX 32768u
#define LOAD_HEAD_BYTES 54u /* Ethernet, IPv4, UDP, RTP */
#define LOAD_FRAME_BYTES 214u /* with 160 octets of G.711 */

struct load_stream {
	uint8_t head[56];
	uint32_t sum; /* of pseudo header, UDP and RTP, without checksum, sequence and timestamp */
	uint32_t timestamp;
	uint16_t sequence;
	uint16_t unused[3];
};

struct load_state {
	uint64_t interval_ns; /* from clump to clump */
	uint64_t next_ns;
	uint64_t sent;
	uint64_t good; /* came back from where it should */
	uint64_t bad;
	uint64_t late; /* clumps that could not be sent in time */
	uint32_t ifindex;
	uint32_t streams;
	uint32_t clump;
	uint32_t at;
	uint32_t in_clump;
	uint32_t unused;
};

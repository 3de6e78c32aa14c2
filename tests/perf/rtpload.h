/* SPDX-License-Identifier: MIT
 * What rtpload and its program in the kernel share: the streams, what each of their packets must
 * look like where it arrives, and the counters. A packet of a stream is a function of its SSRC and
 * sequence number alone, so the receiver knows every byte of it. */
#pragma once

#include <stdint.h>

#define LOAD_STREAMS_MAX      32768u
#define LOAD_RTP_HEADER_BYTES 12u
#define LOAD_PAYLOAD_BYTES    160u /* G.711, 20 ms */
#define LOAD_RTP_BYTES        172u
#define LOAD_RTP_AT           42u /* behind Ethernet, IPv4 and UDP */
#define LOAD_HEAD_BYTES       54u
#define LOAD_FRAME_BYTES      214u
#define LOAD_SEALED_MAX       188u /* with the longest tag */
#define LOAD_DELAYS           4096u

struct load_stream {
	uint8_t head[56];
	uint64_t sent_ns; /* the last packet, where delays are measured */
	uint32_t sum; /* of pseudo header, UDP and RTP, without checksum, sequence and timestamp */
	uint32_t ssrc;
	uint16_t sequence;
	uint16_t arrived; /* the last one at the other end, or what was before the first */
	uint32_t sealed;  /* 1 +: what it sends and is sent are at this place of each round */
};

/* By the port that a packet comes to. */
struct load_expected {
	uint32_t from_port;
	uint32_t sender; /* 1 +; 0: nobody sends there */
	uint32_t sealed; /* as in the stream whose port it is */
};

/* A packet of SRTP as it must be on the wire. */
struct load_sealed {
	uint8_t rtp[LOAD_SEALED_MAX];
	uint16_t sum; /* of all its octets, one's complement, in host order */
	uint16_t bytes;
};

struct load_state {
	uint64_t interval_ns; /* from clump to clump; one by one where delays are measured */
	uint64_t next_ns;
	uint64_t sent;
	uint64_t good; /* from where it should, every byte as it should be */
	uint64_t wrong;
	uint64_t disordered; /* good, but behind a later one, or once more */
	uint64_t late;       /* clumps that could not be sent in time */
	uint64_t limit;      /* packets to send */
	uint32_t ifindex;
	uint32_t streams;
	uint32_t sealed_streams;
	uint32_t rounds;
	uint32_t clump;
	uint32_t at;
	uint32_t in_clump;
	uint32_t delays; /* measure them */
	uint16_t first;  /* sequence number of the first round */
	uint16_t unused[3];
};

/* Pairs of a word and its complement, so that a payload adds nothing to a checksum. */
static inline uint64_t load_word(uint32_t ssrc, uint16_t sequence, unsigned pair)
{
	return ((uint64_t)ssrc << 16 | sequence) * UINT64_C(0x9e3779b97f4a7c15) +
	       pair * UINT64_C(0xd1b54a32d192ed03);
}

/* Sequence numbers of one measurement never wrap. */
static inline uint32_t load_timestamp(uint32_t number, uint16_t sequence)
{
	return 160 * (number + sequence);
}

/* Where a packet of SRTP is in the table: what a stream sends, and what it is sent. */
static inline uint32_t load_sealed_at(const struct load_state *state, uint32_t sealed,
				      uint16_t sequence, unsigned is_sent_to)
{
	uint32_t round = (uint16_t)(sequence - state->first);

	return (round * state->sealed_streams + sealed - 1) * 2 + is_sent_to;
}

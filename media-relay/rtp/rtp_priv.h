/* SPDX-License-Identifier: MIT
 * What the files of this room share: numbers on the wire, lengths of RTCP's parts. */
#pragma once

#include "media-relay/rtp/rtp.h"

#define RTCP_PART_BYTES 4u
#define RTCP_SENDER_BYTES 28u /* header, SSRC, sender info */
#define RTCP_RECEIVER_BYTES 8u
#define RTCP_REPORT_BYTES 24u

static inline uint16_t get_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static inline void put_u32(unsigned char *p, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* Letters in place of an SDES item's; a shorter text is the beginning of a longer one. */
void rtcp_letters(unsigned char *text, size_t len, uint64_t seed, uint8_t item);

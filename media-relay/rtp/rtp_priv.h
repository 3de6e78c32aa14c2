/* SPDX-License-Identifier: MIT
 * What the files of this room share: numbers on the wire. */
#pragma once

#include "media-relay/rtp/rtp.h"

static inline uint16_t get_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

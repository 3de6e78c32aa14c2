/* SPDX-License-Identifier: MIT
 * Numbers in network order, where the length is known already; wire.h is for where it is not. */
#pragma once

#include <stdint.h>

static inline uint16_t get_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

/* The low 16 bits. */
static inline void put_u16(unsigned char *p, uint64_t value)
{
	p[0] = (unsigned char)(value >> 8);
	p[1] = (unsigned char)value;
}

static inline void put_u32(unsigned char *p, uint32_t value)
{
	put_u16(p, value >> 16);
	put_u16(p + 2, value);
}

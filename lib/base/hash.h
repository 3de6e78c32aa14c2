/* SPDX-License-Identifier: MIT
 * Keyed hashes: peers choose the keys of our tables, so an unkeyed hash would let them choose the
 * bucket. Tables are served by SipHash-1-3, made for that; what others get to see comes from 2-4. */
#pragma once

#include <stdint.h>

#include "lib/base/slice.h"

struct hash_key {
	uint64_t k0;
	uint64_t k1;
};

/* 128 bits under a secret key: two inputs that hash alike cannot be found by a peer, so tables that
 * are keyed by it compare it and need not keep the input. */
struct hash128 {
	uint64_t lo;
	uint64_t hi;
};

uint64_t hash64(const struct hash_key *key, struct slice bytes);
struct hash128 hash128(const struct hash_key *key, struct slice bytes);
/* SipHash-2-4, for values that leave the program: many of them tell nothing of the key. */
uint64_t hash64_shown(const struct hash_key *key, struct slice bytes);

static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

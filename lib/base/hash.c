/* SPDX-License-Identifier: MIT
 * SipHash-c-d (Aumasson, Bernstein): c rounds for a word of input, d at the end; two output sizes over
 * one state. */
#include "lib/base/hash.h"

#include <endian.h>

struct sip_state {
	uint64_t v0;
	uint64_t v1;
	uint64_t v2;
	uint64_t v3;
};

static uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_absorb(struct sip_state *s, uint64_t word, int rounds)
{
	s->v3 ^= word;
	for (int i = 0; i < rounds; i++)
		sip_round(s);
	s->v0 ^= word;
}

/* The bytes behind the last whole word, below the length. */
static inline uint64_t sip_last(struct slice bytes)
{
	uint64_t last = 0;
	size_t rest = bytes.len & 7;

	if (rest > 0 && bytes.len >= 8) {
		memcpy(&last, bytes.p + bytes.len - 8, 8);
		last = le64toh(last) >> (64 - 8 * rest);
	} else {
		for (size_t i = 0; i < rest; i++)
			last |= (uint64_t)(unsigned char)bytes.p[i] << (8 * i);
	}
	return last | (uint64_t)bytes.len << 56;
}

static inline struct sip_state sip_run(const struct hash_key *key, struct slice bytes, uint64_t tweak,
				       int rounds)
{
	struct sip_state s = {
		.v0 = 0x736f6d6570736575ull ^ key->k0,
		.v1 = 0x646f72616e646f6dull ^ key->k1 ^ tweak,
		.v2 = 0x6c7967656e657261ull ^ key->k0,
		.v3 = 0x7465646279746573ull ^ key->k1,
	};
	uint64_t word;
	size_t whole = bytes.len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&word, bytes.p + i, 8);
		sip_absorb(&s, le64toh(word), rounds);
	}
	sip_absorb(&s, sip_last(bytes), rounds);
	return s;
}

static inline uint64_t sip_squeeze(struct sip_state *s, int rounds)
{
	for (int i = 0; i < rounds; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash64(const struct hash_key *key, struct slice bytes)
{
	struct sip_state s = sip_run(key, bytes, 0, 1);

	s.v2 ^= 0xff;
	return sip_squeeze(&s, 3);
}

uint64_t hash64_shown(const struct hash_key *key, struct slice bytes)
{
	struct sip_state s = sip_run(key, bytes, 0, 2);

	s.v2 ^= 0xff;
	return sip_squeeze(&s, 4);
}

struct hash128 hash128(const struct hash_key *key, struct slice bytes)
{
	struct sip_state s = sip_run(key, bytes, 0xee, 1);
	struct hash128 ret;

	s.v2 ^= 0xee;
	ret.lo = sip_squeeze(&s, 3);
	s.v1 ^= 0xdd;
	ret.hi = sip_squeeze(&s, 3);
	return ret;
}

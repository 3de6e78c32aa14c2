/* SPDX-License-Identifier: MIT
 * ChaCha20 as in RFC 8439 2.3; the first 32 bytes of every block become the next key, so that what
 * was given out cannot be computed from a later state. */
#include "lib/base/rand.h"

#include <string.h>
#include <sys/random.h>

#include "lib/base/ensure.h"

#define QUARTER(a, b, c, d)                                                                        \
	do {                                                                                       \
		x[a] += x[b];                                                                      \
		x[d] = rotl32(x[d] ^ x[a], 16);                                                    \
		x[c] += x[d];                                                                      \
		x[b] = rotl32(x[b] ^ x[c], 12);                                                    \
		x[a] += x[b];                                                                      \
		x[d] = rotl32(x[d] ^ x[a], 8);                                                     \
		x[c] += x[d];                                                                      \
		x[b] = rotl32(x[b] ^ x[c], 7);                                                     \
	} while (0)

static uint32_t rotl32(uint32_t x, int b)
{
	return x << b | x >> (32 - b);
}

static void rand_refill(struct rand *rand)
{
	uint32_t x[16];

	memcpy(x, rand->state, sizeof(x));
	for (int i = 0; i < 10; i++) {
		QUARTER(0, 4, 8, 12);
		QUARTER(1, 5, 9, 13);
		QUARTER(2, 6, 10, 14);
		QUARTER(3, 7, 11, 15);
		QUARTER(0, 5, 10, 15);
		QUARTER(1, 6, 11, 12);
		QUARTER(2, 7, 8, 13);
		QUARTER(3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		x[i] += rand->state[i];
	memcpy(rand->block, x, sizeof(rand->block));
	memcpy(&rand->state[4], rand->block, 32);
	rand->state[12]++;
	explicit_bzero(rand->block, 32);
	rand->at = 32;
}

static void rand_key(struct rand *rand, const unsigned char key[32])
{
	static const char sigma[16] = { 'e', 'x', 'p', 'a', 'n', 'd', ' ', '3',
					'2', '-', 'b', 'y', 't', 'e', ' ', 'k' };

	memset(rand, 0, sizeof(*rand));
	memcpy(&rand->state[0], sigma, sizeof(sigma));
	memcpy(&rand->state[4], key, 32);
	rand->at = sizeof(rand->block);
}

void rand_init(struct rand *rand)
{
	unsigned char key[32];

	ensure(getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key));
	rand_key(rand, key);
	explicit_bzero(key, sizeof(key));
}

void rand_init_seed(struct rand *rand, uint64_t seed)
{
	unsigned char key[32] = { 0 };

	memcpy(key, &seed, sizeof(seed));
	rand_key(rand, key);
}

void rand_bytes(struct rand *rand, void *ret, size_t len)
{
	unsigned char *p = ret;

	while (len > 0) {
		size_t n = sizeof(rand->block) - rand->at;

		if (n == 0) {
			rand_refill(rand);
			continue;
		}
		if (n > len)
			n = len;
		memcpy(p, rand->block + rand->at, n);
		explicit_bzero(rand->block + rand->at, n);
		rand->at += n;
		p += n;
		len -= n;
	}
}

uint32_t rand_u32(struct rand *rand)
{
	uint32_t value;

	rand_bytes(rand, &value, sizeof(value));
	return value;
}

uint64_t rand_u64(struct rand *rand)
{
	uint64_t value;

	rand_bytes(rand, &value, sizeof(value));
	return value;
}

uint32_t rand_below(struct rand *rand, uint32_t below)
{
	uint32_t threshold;
	uint32_t value;

	ensure(below > 0);
	/* Values under this threshold would make low results likelier. */
	threshold = -below % below;
	do {
		value = rand_u32(rand);
	} while (value < threshold);
	return value % below;
}

void rand_text(struct rand *rand, struct text *text, size_t len)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char bytes[32];

	while (len > 0) {
		size_t n = len < sizeof(bytes) ? len : sizeof(bytes);

		rand_bytes(rand, bytes, n);
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)alphabet[bytes[i] & 31];
		text_bytes(text, (const char *)bytes, n);
		len -= n;
	}
}

/* SPDX-License-Identifier: MIT
 * A worker's random source: ChaCha20 over a key from the kernel, so that tags, branches and Call-IDs
 * cannot be guessed, at no system call each. In tests it is seeded and repeatable. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

struct rand {
	uint32_t state[16];
	unsigned char block[64];
	size_t at; /* bytes of block already used */
};

/* From getrandom(2); aborts when the kernel has none, which no later step could repair. */
void rand_init(struct rand *rand);
/* The same seed gives the same bytes. Tests and simulations only. */
void rand_init_seed(struct rand *rand, uint64_t seed);

void rand_bytes(struct rand *rand, void *ret, size_t len);
uint32_t rand_u32(struct rand *rand);
uint64_t rand_u64(struct rand *rand);
/* Even over 0 … below-1; below > 0. */
uint32_t rand_below(struct rand *rand, uint32_t below);
/* `len` characters of [0-9a-v] (5 bits each; 13 are 65 bits). */
void rand_text(struct rand *rand, struct text *text, size_t len);

/* SPDX-License-Identifier: MIT
 * Sets of eight words. Two workers that note at once may lose one of the notes; the next resolution
 * of that name makes up for it. */
#include "sbc/core/asked.h"

#define WAYS 8u

/* *ret_mark: what the slot of this address has in its upper half, never 0. */
static uint32_t first_of_set(const struct asked *asked, const struct ip_addr *ip,
			     uint32_t *ret_mark)
{
	uint64_t hash = hash64(&asked->key, slice_of((const char *)ip->bytes,
						     ip->family == IP_V6 ? 16 : 4));

	*ret_mark = (uint32_t)(hash >> 32) | 1;
	return (uint32_t)hash % (ASKED_SLOTS / WAYS) * WAYS;
}

static uint32_t seconds(uint64_t now_ms)
{
	return (uint32_t)(now_ms / 1000);
}

void asked_note(struct asked *asked, const struct ip_addr *ip, uint64_t now_ms)
{
	uint32_t mark;
	uint32_t first = first_of_set(asked, ip, &mark);
	uint32_t at = first;
	uint32_t oldest_s = UINT32_MAX;

	for (uint32_t i = first; i < first + WAYS; i++) {
		uint64_t word = atomic_load_explicit(&asked->slots[i], memory_order_relaxed);

		if (word >> 32 == mark || word == 0) {
			at = i;
			break;
		}
		if ((uint32_t)word < oldest_s) {
			oldest_s = (uint32_t)word;
			at = i;
		}
	}
	atomic_store_explicit(&asked->slots[at], (uint64_t)mark << 32 | seconds(now_ms),
			      memory_order_relaxed);
}

bool asked_lately(const struct asked *asked, const struct ip_addr *ip, uint64_t now_ms)
{
	uint32_t mark;
	uint32_t first = first_of_set(asked, ip, &mark);

	for (uint32_t i = first; i < first + WAYS; i++) {
		uint64_t word = atomic_load_explicit(&asked->slots[i], memory_order_relaxed);

		if (word >> 32 == mark)
			return seconds(now_ms) - (uint32_t)word <= ASKED_LIFETIME_S;
	}
	return false;
}

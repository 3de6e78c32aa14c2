/* SPDX-License-Identifier: MIT */
#include "sbc/resolve/resolve_priv.h"

/* A small generator is enough to share load; what must not be guessed does not come from here. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* By priority; within one, weight 0 first, as the choice below wants it. */
static bool before(const struct dns_record *a, const struct dns_record *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->weight == 0 && b->weight != 0;
}

static void insert(const struct dns_record *records, uint8_t *order, size_t at)
{
	uint8_t moving = order[at];

	for (; at > 0 && before(&records[moving], &records[order[at - 1]]); at--)
		order[at] = order[at - 1];
	order[at] = moving;
}

/* Moves the chosen one of order[0 .. count-1], all of one priority, to the front: the first whose
 * running sum of weights reaches a random number from 0 to the total. */
static void choose(const struct dns_record *records, uint8_t *order, size_t count, uint64_t *state)
{
	uint64_t total = 0;
	uint64_t sum = 0;
	uint64_t pick;
	uint8_t chosen;
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		total += records[order[i]].weight;
	pick = next_random(state) % (total + 1);
	while ((sum += records[order[at]].weight) < pick)
		at++;
	chosen = order[at];
	for (; at > 0; at--)
		order[at] = order[at - 1];
	order[0] = chosen;
}

void srv_order(const struct dns_record *records, size_t count, uint64_t seed, uint8_t *ret_order)
{
	uint64_t state = seed;
	size_t start = 0;

	for (size_t i = 0; i < count; i++) {
		ret_order[i] = (uint8_t)i;
		insert(records, ret_order, i);
	}
	while (start < count) {
		size_t end = start;

		while (end < count &&
		       records[ret_order[end]].priority == records[ret_order[start]].priority)
			end++;
		for (; start < end; start++)
			choose(records, ret_order + start, end - start, &state);
	}
}

/* SPDX-License-Identifier: MIT
 * Level L has 64 slots of 64^L ms. A timer stands on the lowest level whose span reaches it and
 * cascades down when the wheel turns into its slot. Occupancy bits let empty time be skipped, so
 * an advance over a quiet hour costs as much as one over a millisecond. */
#include "lib/base/wheel.h"

#define MASK (WHEEL_SLOTS - 1)
#define SPAN_MS ((uint64_t)1 << (WHEEL_BITS * WHEEL_LEVELS))

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	*wheel = (struct wheel){ .now_ms = now_ms };
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

static unsigned slot_of(uint64_t ms, unsigned level)
{
	return (unsigned)(ms >> (WHEEL_BITS * level)) & MASK;
}

/* The lowest level on which due_ms and now differ only in that level's digit or below. */
static void wheel_place(struct wheel *wheel, struct timer *timer)
{
	uint64_t due_ms = timer->due_ms > wheel->now_ms ? timer->due_ms : wheel->now_ms;
	unsigned level = 0;
	unsigned slot;

	if (due_ms - wheel->now_ms >= SPAN_MS)
		due_ms = wheel->now_ms + SPAN_MS - 1;
	while (level + 1 < WHEEL_LEVELS && due_ms >> (WHEEL_BITS * (level + 1)) !=
						   wheel->now_ms >> (WHEEL_BITS * (level + 1)))
		level++;
	slot = slot_of(due_ms, level);
	list_add_tail(&wheel->slots[level][slot], &timer->link);
	wheel->occupied[level] |= UINT64_C(1) << slot;
}

void wheel_start(struct wheel *wheel, struct timer *timer, uint64_t due_ms)
{
	wheel_stop(wheel, timer);
	timer->due_ms = due_ms;
	wheel_place(wheel, timer);
	wheel->count++;
}

void wheel_stop(struct wheel *wheel, struct timer *timer)
{
	if (!timer_running(timer))
		return;
	list_remove(&timer->link);
	wheel->count--;
}

static void wheel_cascade(struct wheel *wheel, unsigned level)
{
	unsigned slot = slot_of(wheel->now_ms, level);
	struct list moving;
	struct list *node;

	if (!(wheel->occupied[level] & UINT64_C(1) << slot))
		return;
	wheel->occupied[level] &= ~(UINT64_C(1) << slot);
	list_init(&moving);
	while ((node = list_pop(&wheel->slots[level][slot])))
		list_add_tail(&moving, node);
	while ((node = list_pop(&moving)))
		wheel_place(wheel, container_of(node, struct timer, link));
}

/* The first millisecond above now_ms, at most until_ms, at which a slot may hold something. */
static uint64_t wheel_next_ms(const struct wheel *wheel, uint64_t until_ms)
{
	uint64_t best = until_ms;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned shift = WHEEL_BITS * level;
		unsigned at = slot_of(wheel->now_ms, level);
		/* Rotated so that bit 0 is the slot after the current one. */
		uint64_t bits = wheel->occupied[level];
		unsigned turn = (at + 1) & MASK;
		uint64_t ahead = turn ? bits >> turn | bits << (WHEEL_SLOTS - turn) : bits;
		uint64_t ms;

		if (!ahead)
			continue;
		ms = ((wheel->now_ms >> shift) + 1 + (unsigned)__builtin_ctzll(ahead)) << shift;
		if (ms < best)
			best = ms;
	}
	return best;
}

struct timer *wheel_pop(struct wheel *wheel, uint64_t now_ms)
{
	for (;;) {
		unsigned slot = slot_of(wheel->now_ms, 0);
		struct list *node = list_pop(&wheel->slots[0][slot]);

		if (node) {
			wheel->count--;
			return container_of(node, struct timer, link);
		}
		wheel->occupied[0] &= ~(UINT64_C(1) << slot);
		if (wheel->now_ms >= now_ms)
			return NULL;
		wheel->now_ms = wheel_next_ms(wheel, now_ms);
		for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--)
			if ((wheel->now_ms & ((UINT64_C(1) << (WHEEL_BITS * level)) - 1)) == 0)
				wheel_cascade(wheel, level);
	}
}

int64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms)
{
	uint64_t next;

	if (wheel->count == 0)
		return -1;
	if (!list_empty(&wheel->slots[0][slot_of(wheel->now_ms, 0)]))
		return 0;
	next = wheel_next_ms(wheel, wheel->now_ms + SPAN_MS);
	return next > now_ms ? (int64_t)(next - now_ms) : 0;
}

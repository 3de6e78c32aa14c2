/* SPDX-License-Identifier: MIT
 * Hierarchical timer wheel: O(1) start and stop, timers embedded in their owners, a tick of one
 * millisecond. It reads no clock: the owner says what time it is. */
#pragma once

#include <stdint.h>

#include "lib/base/list.h"

#define WHEEL_LEVELS 5u
#define WHEEL_BITS 6u
#define WHEEL_SLOTS (1u << WHEEL_BITS)

struct timer {
	struct list link;
	uint64_t due_ms;
	uint32_t kind; /* the owner's: which of its timers this is */
};

struct wheel {
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t occupied[WHEEL_LEVELS]; /* a bit for each slot that may hold timers */
	uint64_t now_ms;
	uint64_t count;
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* due_ms: on the clock of wheel_init; past means the next advance. A running timer is moved. The
 * farthest is 12 days ahead (2^30 ms), and what is farther fires there. */
void wheel_start(struct wheel *wheel, struct timer *timer, uint64_t due_ms);
/* Safe on a timer that is not running (zeroed or stopped). */
void wheel_stop(struct wheel *wheel, struct timer *timer);

static inline bool timer_running(const struct timer *timer)
{
	return timer->link.next != NULL;
}

/* The next due timer at or before now_ms, stopped; NULL when none is left. Call it until NULL. */
struct timer *wheel_pop(struct wheel *wheel, uint64_t now_ms);

/* Milliseconds from now_ms until something may be due (0: at once), or -1: nothing runs. May be
 * early, never late. */
int64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms);

/* SPDX-License-Identifier: MIT
 * The wheel against a plain list: the same timers fire, never early, in every span of the levels. */
#include "lib/base/wheel.h"

#include <stdlib.h>

#include "lib/base/rand.h"
#include "tests/support/unit.h"

#define COUNT 20000

static void fires_on_time(void **state)
{
	static struct timer timers[COUNT];
	static uint64_t due[COUNT];
	static const uint32_t spans[] = { 10, 70, 5000, 300000, 20000000, 1100000000 };
	struct wheel wheel;
	struct rand rand;
	uint64_t now = 123456789;
	unsigned live = COUNT;
	struct timer *timer;

	(void)state;
	rand_init_seed(&rand, 1);
	wheel_init(&wheel, now);
	for (unsigned i = 0; i < COUNT; i++) {
		due[i] = now + rand_below(&rand, spans[i % 6]);
		timers[i].kind = i;
		wheel_start(&wheel, &timers[i], due[i]);
	}
	while (live > 0) {
		int64_t wait = wheel_wait_ms(&wheel, now);

		assert_true(wait >= 0);
		now += (uint64_t)wait;
		while ((timer = wheel_pop(&wheel, now))) {
			assert_true(due[timer->kind] <= now);
			/* late by less than the step that was waited */
			assert_true(now - due[timer->kind] == 0);
			live--;
		}
	}
	assert_int_equal(wheel.count, 0);
	assert_int_equal(wheel_wait_ms(&wheel, now), -1);
}

static void stop_and_move(void **state)
{
	struct timer a = { 0 };
	struct timer b = { 0 };
	struct wheel wheel;

	(void)state;
	wheel_init(&wheel, 1000);
	wheel_start(&wheel, &a, 1500);
	wheel_start(&wheel, &b, 1500);
	wheel_stop(&wheel, &a);
	wheel_stop(&wheel, &a);
	wheel_start(&wheel, &b, 90000);
	assert_null(wheel_pop(&wheel, 89999));
	assert_ptr_equal(wheel_pop(&wheel, 90000), &b);
	assert_false(timer_running(&b));
	wheel_start(&wheel, &a, 5);
	assert_ptr_equal(wheel_pop(&wheel, 90000), &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_on_time),
		cmocka_unit_test(stop_and_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

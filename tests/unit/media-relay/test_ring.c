/* SPDX-License-Identifier: MIT */
#include "tests/support/unit.h"

#include <pthread.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"
#include "media-relay/worker/ring.h"

#define PACKETS 200000u

static void fills_and_empties(void **state)
{
	struct ring ring;
	size_t len = 0;
	unsigned count = 0;

	(void)state;
	assert_int_equal(ring_init(&ring, 1024), OK);
	assert_null(ring_peek(&ring, &len));
	for (char *at; (at = ring_reserve(&ring, 100)); count++) {
		memset(at, (int)count, 100);
		ring_commit(&ring, 100);
	}
	assert_int_equal(count, 1024 / (8 + 104));
	for (unsigned i = 0; i < count; i++) {
		const char *at = ring_peek(&ring, &len);

		assert_int_equal(len, 100);
		assert_int_equal(at[0], i);
		assert_int_equal(at[99], i);
		ring_pop(&ring);
	}
	assert_null(ring_peek(&ring, &len));
	assert_non_null(ring_reserve(&ring, ring_room(&ring)));
	ring_fini(&ring);
}

/* What ring_room promises holds wherever the ends stand. */
static void room_is_kept(void **state)
{
	struct ring ring;
	struct rand rand;
	size_t len = 0;

	(void)state;
	rand_init_seed(&rand, 3);
	assert_int_equal(ring_init(&ring, 512), OK);
	for (unsigned i = 0; i < 10000; i++) {
		size_t room = ring_room(&ring);

		if (room > 0) {
			size_t size = rand_below(&rand, (uint32_t)room) + 1;

			assert_non_null(ring_reserve(&ring, room));
			ring_commit(&ring, size);
		}
		if (room == 0 || rand_below(&rand, 2)) {
			assert_non_null(ring_peek(&ring, &len));
			ring_pop(&ring);
		}
	}
	ring_fini(&ring);
}

static void *writer(void *owner)
{
	struct ring *ring = owner;
	struct rand rand;

	rand_init_seed(&rand, 9);
	for (uint32_t i = 0; i < PACKETS;) {
		size_t len = sizeof(i) + rand_below(&rand, 60);
		char *at = ring_reserve(ring, len);

		if (!at) {
			sched_yield();
			continue;
		}
		memcpy(at, &i, sizeof(i));
		ring_commit(ring, len);
		i++;
	}
	return NULL;
}

static void two_threads(void **state)
{
	struct ring ring;
	pthread_t thread;
	size_t len = 0;

	(void)state;
	assert_int_equal(ring_init(&ring, 4096), OK);
	assert_int_equal(pthread_create(&thread, NULL, writer, &ring), 0);
	for (uint32_t i = 0; i < PACKETS;) {
		const char *at = ring_peek(&ring, &len);
		uint32_t got;

		if (!at) {
			sched_yield();
			continue;
		}
		memcpy(&got, at, sizeof(got));
		if (got != i || len < sizeof(i) || len >= sizeof(i) + 60)
			fail_msg("packet %u came as %u with %zu bytes", i, got, len);
		ring_pop(&ring);
		i++;
	}
	pthread_join(thread, NULL);
	ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_and_empties),
		cmocka_unit_test(room_is_kept),
		cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

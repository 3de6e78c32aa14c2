/* SPDX-License-Identifier: MIT
 * The loop: events, forgetting within a batch, timers, hooks, and the door for other threads. */
#include "lib/loop/loop.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/unit.h"

struct watcher {
	struct loop_io io;
	struct watcher *other; /* forgotten by this one's handler */
	unsigned calls;
	uint32_t events;
	int far;
};

static void on_event(struct loop *loop, void *owner, uint32_t events)
{
	struct watcher *watcher = owner;

	watcher->calls++;
	watcher->events = events;
	if (watcher->other)
		loop_forget(loop, &watcher->other->io);
}

static void watcher_open(struct watcher *watcher)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*watcher = (struct watcher){ .io = { .fd = fds[0], .fn = on_event }, .far = fds[1] };
	watcher->io.owner = watcher;
}

static void watcher_close(struct watcher *watcher)
{
	close(watcher->io.fd);
	close(watcher->far);
}

static void events_reach_their_owner(void **state)
{
	struct watcher watcher;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	watcher_open(&watcher);
	assert_int_equal(loop_watch(&loop, &watcher.io, EPOLLIN), OK);
	loop_turn(&loop, 0);
	assert_int_equal(watcher.calls, 0);
	assert_int_equal(write(watcher.far, "x", 1), 1);
	loop_turn(&loop, -1);
	assert_int_equal(watcher.calls, 1);
	assert_int_equal(watcher.events, EPOLLIN);
	assert_int_equal(loop_watch(&loop, &watcher.io, EPOLLOUT), OK);
	loop_turn(&loop, -1);
	assert_int_equal(watcher.events, EPOLLOUT);
	assert_int_equal(loop_watch(&loop, &watcher.io, 0), OK);
	loop_turn(&loop, 0);
	assert_int_equal(watcher.calls, 2);
	assert_int_equal(loop_watch(&loop, &watcher.io, EPOLLIN), OK);
	loop_turn(&loop, -1);
	assert_int_equal(watcher.calls, 3);
	loop_forget(&loop, &watcher.io);
	loop_forget(&loop, &watcher.io);
	loop_turn(&loop, 0);
	assert_int_equal(watcher.calls, 3);
	watcher_close(&watcher);
	loop_fini(&loop);
}

/* Both are ready in one batch; whichever comes first forgets the other. */
static void forgotten_in_the_batch(void **state)
{
	struct watcher a;
	struct watcher b;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	watcher_open(&a);
	watcher_open(&b);
	a.other = &b;
	b.other = &a;
	assert_int_equal(loop_watch(&loop, &a.io, EPOLLIN), OK);
	assert_int_equal(loop_watch(&loop, &b.io, EPOLLIN), OK);
	assert_int_equal(write(a.far, "x", 1), 1);
	assert_int_equal(write(b.far, "x", 1), 1);
	loop_turn(&loop, -1);
	assert_int_equal(a.calls + b.calls, 1);
	watcher_close(&a);
	watcher_close(&b);
	loop_fini(&loop);
}

struct clockwork {
	struct loop_timer timer;
	struct loop_timer *stops;
	unsigned fired;
};

static void on_timer(struct loop *loop, void *owner)
{
	struct clockwork *clockwork = owner;

	clockwork->fired++;
	if (clockwork->stops)
		loop_timer_stop(loop, clockwork->stops);
}

static void timers_fire_and_stop(void **state)
{
	struct clockwork a = { .timer = { .fn = on_timer, .owner = &a } };
	struct clockwork b = { .timer = { .fn = on_timer, .owner = &b } };
	struct loop loop;
	uint64_t due_ms;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	a.stops = &b.timer;
	loop_timer_start(&loop, &a.timer, 20);
	loop_timer_start(&loop, &b.timer, 40);
	due_ms = loop.now_ms + 20;
	while (a.fired == 0)
		loop_turn(&loop, -1);
	assert_true(loop.now_ms >= due_ms);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_int_equal(loop.wheel.count, 0);
	loop_fini(&loop);
}

struct trail {
	struct loop_hook first;
	struct loop_hook second;
	char order[16];
	unsigned len;
};

static void on_first(struct loop *loop, void *owner)
{
	struct trail *trail = owner;

	(void)loop;
	trail->order[trail->len++] = '1';
}

static void on_second(struct loop *loop, void *owner)
{
	struct trail *trail = owner;

	(void)loop;
	trail->order[trail->len++] = '2';
}

static void hooks_end_every_turn(void **state)
{
	struct trail trail = { .order = "" };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	loop_hook_add(&loop, &trail.first, on_first, &trail);
	loop_hook_add(&loop, &trail.second, on_second, &trail);
	loop_turn(&loop, 0);
	loop_turn(&loop, 0);
	assert_string_equal(trail.order, "1212");
	assert_int_equal(loop.turns, 2);
	loop_fini(&loop);
}

struct guest {
	struct wheel wheel;
	unsigned popped;
};

static void on_guest(struct loop *loop, void *owner)
{
	struct guest *guest = owner;

	while (wheel_pop(&guest->wheel, loop->now_ms))
		guest->popped++;
}

static void guest_wheel_wakes(void **state)
{
	struct timer timer = { .kind = 1 };
	struct guest guest = { .popped = 0 };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	wheel_init(&guest.wheel, loop.now_ms);
	loop_set_wheel(&loop, &guest.wheel, on_guest, &guest);
	wheel_start(&guest.wheel, &timer, loop.now_ms + 10);
	while (guest.popped == 0)
		loop_turn(&loop, -1);
	assert_true(loop.now_ms >= timer.due_ms);
	loop_fini(&loop);
}

struct door {
	struct loop loop;
	unsigned woken;
};

static void on_wake(struct loop *loop, void *owner)
{
	struct door *door = owner;

	door->woken++;
	loop_stop(loop);
}

static void *knock(void *owner)
{
	struct door *door = owner;

	loop_wake(&door->loop);
	return NULL;
}

static void another_thread_wakes(void **state)
{
	struct door door = { .woken = 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(loop_init(&door.loop), OK);
	loop_set_wake(&door.loop, on_wake, &door);
	assert_int_equal(pthread_create(&thread, NULL, knock, &door), 0);
	loop_run(&door.loop);
	assert_true(door.woken > 0);
	pthread_join(thread, NULL);
	loop_fini(&door.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_reach_their_owner),
		cmocka_unit_test(forgotten_in_the_batch),
		cmocka_unit_test(timers_fire_and_stop),
		cmocka_unit_test(hooks_end_every_turn),
		cmocka_unit_test(guest_wheel_wakes),
		cmocka_unit_test(another_thread_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

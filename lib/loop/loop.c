/* SPDX-License-Identifier: MIT
 * What makes it hard: a handler may forget another watcher whose event waits in the same epoll
 * batch. So the batch is kept where loop_forget can blank it. */
#include "lib/loop/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH 256
#define LOOP_SLOW_MS 20u
#define LINE_BYTES 64
#define AHEAD 2 /* with thousands of watchers, the next ones are in no cache */

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void loop_read_clock(struct loop *loop)
{
	loop->now_ms = clock_ms(CLOCK_MONOTONIC);
	loop->now_unix_ms = clock_ms(CLOCK_REALTIME);
}

static void on_wake(struct loop *loop, void *owner, uint32_t events)
{
	uint64_t count;

	(void)owner;
	(void)events;
	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (loop->wake_fn)
		loop->wake_fn(loop, loop->wake_owner);
}

enum err loop_init(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	loop->wake_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return err_from_errno();
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_from_errno();
	list_init(&loop->hooks);
	loop_read_clock(loop);
	wheel_init(&loop->wheel, loop->now_ms);
	loop->wake_io = (struct loop_io){ .fd = loop->wake_fd, .fn = on_wake };
	return loop_watch(loop, &loop->wake_io, EPOLLIN);
}

void loop_fini(struct loop *loop)
{
	if (loop->signal_io.events != 0)
		close(loop->signal_io.fd);
	loop->signal_io.events = 0;
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->wake_fd = -1;
	loop->epoll_fd = -1;
}

enum err loop_watch(struct loop *loop, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };
	int op = io->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (events == io->events)
		return OK;
	if (events == 0)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(loop->epoll_fd, op, io->fd, &event) < 0)
		return err_from_errno();
	io->events = events;
	return OK;
}

void loop_forget(struct loop *loop, struct loop_io *io)
{
	if (io->events != 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->events = 0;
	for (int i = 0; i < loop->batch_count; i++)
		if (loop->batch[i].data.ptr == io)
			loop->batch[i].data.ptr = NULL;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms)
{
	wheel_start(&loop->wheel, &timer->timer, loop->now_ms + after_ms);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	wheel_stop(&loop->wheel, &timer->timer);
}

void loop_set_wheel(struct loop *loop, struct wheel *wheel, loop_timer_fn *fn, void *owner)
{
	loop->guest_wheel = wheel;
	loop->guest_fn = fn;
	loop->guest_owner = owner;
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_hook_fn *fn, void *owner)
{
	hook->fn = fn;
	hook->owner = owner;
	list_add_tail(&loop->hooks, &hook->link);
}

void loop_set_wake(struct loop *loop, loop_hook_fn *fn, void *owner)
{
	loop->wake_fn = fn;
	loop->wake_owner = owner;
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t done = write(loop->wake_fd, &one, sizeof(one));

	(void)done; /* EAGAIN: the counter is full, so a wake-up is pending anyway */
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	loop_wake(loop);
}

static int shorter(int wait_ms, int64_t other_ms)
{
	if (other_ms < 0)
		return wait_ms;
	if (other_ms > 60000)
		other_ms = 60000;
	return wait_ms < 0 || other_ms < wait_ms ? (int)other_ms : wait_ms;
}

static void loop_run_timers(struct loop *loop)
{
	struct timer *timer;

	while ((timer = wheel_pop(&loop->wheel, loop->now_ms))) {
		struct loop_timer *due = container_of(timer, struct loop_timer, timer);

		due->fn(loop, due->owner);
	}
	if (loop->guest_wheel && wheel_wait_ms(loop->guest_wheel, loop->now_ms) == 0)
		loop->guest_fn(loop, loop->guest_owner);
}

/* A watcher, and some of the owner in whom it is embedded. */
static void fetch(const void *watcher)
{
	__builtin_prefetch(watcher);
	__builtin_prefetch((const char *)watcher + LINE_BYTES);
	__builtin_prefetch((const char *)watcher + 2 * LINE_BYTES);
}

void loop_turn(struct loop *loop, int wait_ms)
{
	struct epoll_event events[LOOP_BATCH];
	int count;

	wait_ms = shorter(wait_ms, wheel_wait_ms(&loop->wheel, loop->now_ms));
	if (loop->guest_wheel)
		wait_ms = shorter(wait_ms, wheel_wait_ms(loop->guest_wheel, loop->now_ms));
	count = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, wait_ms);
	loop_read_clock(loop);
	loop->turns++;
	loop->batch = events;
	loop->batch_count = count > 0 ? count : 0;
	for (int i = 0; i < loop->batch_count; i++) {
		struct loop_io *io = events[i].data.ptr;

		if (i + AHEAD < loop->batch_count)
			fetch(events[i + AHEAD].data.ptr);
		if (io)
			io->fn(loop, io->owner, events[i].events);
	}
	loop->batch = NULL;
	loop->batch_count = 0;
	loop_run_timers(loop);
	list_each(node, &loop->hooks) {
		struct loop_hook *hook = container_of(node, struct loop_hook, link);

		hook->fn(loop, hook->owner);
	}
	if (clock_ms(CLOCK_MONOTONIC) - loop->now_ms > LOOP_SLOW_MS)
		loop->slow_turns++;
}

void loop_run(struct loop *loop)
{
	while (!atomic_load(&loop->stop))
		loop_turn(loop, -1);
}

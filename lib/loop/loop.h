/* SPDX-License-Identifier: MIT
 * One thread's event loop: epoll, one timer wheel, deferred work, and a door for other threads.
 * now_ms (monotonic) and now_unix_ms (wall clock) are read once per wake-up; a wake-up handles
 * everything that is ready, then runs the end-of-turn hooks once (where batches are sent).
 * Callbacks exist only here, at the edge. */
#pragma once

#include <stdatomic.h>
#include <sys/epoll.h>

#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/wheel.h"

struct loop;

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP … as epoll gave them. */
typedef void loop_io_fn(struct loop *loop, void *owner, uint32_t events);
typedef void loop_timer_fn(struct loop *loop, void *owner);
typedef void loop_hook_fn(struct loop *loop, void *owner);

/* Embedded in its owner. */
struct loop_io {
	int fd;
	uint32_t events; /* asked for; 0: not watched */
	loop_io_fn *fn;
	void *owner;
};

/* Embedded in its owner; restarted by hand. */
struct loop_timer {
	struct timer timer;
	loop_timer_fn *fn;
	void *owner;
};

/* Runs at the end of every turn, in order of registration. */
struct loop_hook {
	struct list link;
	loop_hook_fn *fn;
	void *owner;
};

struct loop {
	int epoll_fd;
	int wake_fd;
	uint64_t now_ms;
	uint64_t now_unix_ms;
	struct wheel wheel; /* loop_timers only; rooms with wheels of their own use loop_set_wheel */
	struct wheel *guest_wheel;
	loop_timer_fn *guest_fn; /* called when guest_wheel may have something due */
	void *guest_owner;
	struct list hooks;
	struct loop_io wake_io;
	loop_hook_fn *wake_fn; /* called in the loop's thread after loop_wake() */
	void *wake_owner;
	struct loop_io signal_io;         /* lib/proc's; closed by loop_fini */
	loop_hook_fn *drain_fn; /* lib/proc's: on SIGUSR1 */
	void *drain_owner;
	struct loop_timer watchdog_timer; /* lib/proc's; kind is its interval in ms */
	struct epoll_event *batch; /* being handled; loop_forget blanks entries of it */
	int batch_count;
	_Atomic bool stop;
	uint64_t turns;
	uint64_t slow_turns; /* handlers that took over 20 ms */
};

must_use enum err loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One wake-up, waiting at most wait_ms (-1: until something happens). For tests. */
void loop_turn(struct loop *loop, int wait_ms);
/* From any thread or a signal handler. */
void loop_stop(struct loop *loop);

/* io->fd, fn, owner are set by the caller. loop_watch changes the events of a watched one; 0 stops.
 * loop_forget must come before the fd is closed; after it no event of this turn reaches the owner. */
must_use enum err loop_watch(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_forget(struct loop *loop, struct loop_io *io);

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* A wheel whose timers are sans-I/O objects: fn pops what is due. */
void loop_set_wheel(struct loop *loop, struct wheel *wheel, loop_timer_fn *fn, void *owner);

void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_hook_fn *fn, void *owner);

/* The door for other threads: fn runs once or more in the loop's thread after each loop_wake(). */
void loop_set_wake(struct loop *loop, loop_hook_fn *fn, void *owner);
void loop_wake(struct loop *loop);

/* SPDX-License-Identifier: MIT
 * The signalling process around its sans-I/O rooms: workers, each a thread with its own loop, calls
 * and sockets; the turn that carries an event through the rooms and executes what they want; the
 * links to the relay and to the operator's side. */
#pragma once

#include "lib/conf/conf.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"

struct core;

struct core_config {
	const struct conf *conf;   /* outlives the core */
	struct log *log;
	struct loop *loop;         /* of worker 0 and of the control side: the main thread's */
	struct arena_cache *cache; /* of the main thread */
};

/* Loads the newest snapshot (or the file's provisioning), opens listeners, connects. On failure what
 * is wrong was logged. */
must_use enum err core_create(const struct core_config *config, struct core **ret);

/* After privileges were dropped: starts the other workers' threads. */
must_use enum err core_start(struct core *core);

/* BYE to all calls, listeners closed, threads joined. */
void core_destroy(struct core **core);

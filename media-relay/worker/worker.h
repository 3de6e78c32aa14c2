/* SPDX-License-Identifier: MIT
 * A worker: a loop, its sessions, its ports, its counters; nothing of it is shared. The first worker
 * of a relay that has only one runs in control's own loop, and a command is then a function call.
 * Otherwise it is a thread, and commands and replies travel as encoded messages through two rings.
 * All calls here come from control's thread; replies arrive there too. */
#pragma once

#include "lib/ctl/ctl.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"
#include "lib/stats/stats.h"
#include "media-relay/dtls/dtls.h"

struct fastpath;
struct worker;
struct memory;

/* The relay's memory over its own death: a file in run_dir with a slot for each side of each stream,
 * at least `slots` of them; made where there is none or one of another layout. ERR_EXISTS: another
 * process has it. */
must_use enum err memory_open(const char *path, uint32_t slots, struct memory **ret);
/* After its workers; the file stays. */
void memory_close(struct memory **memory);

enum worker_verb {
	WORKER_MESSAGE,     /* realm_set, session_set, session_close, session_query */
	WORKER_LEASE,       /* of one session: `session` */
	WORKER_LEASE_OWNER, /* of all sessions of `owner` */
};

struct worker_command {
	enum worker_verb verb;
	uint64_t tag; /* comes back in the reply; leases are not answered */
	uint32_t owner;
	uint64_t session;
	uint8_t lease; /* enum session_lease of the session room */
	const struct ctl_message *message;
};

enum worker_reply_kind {
	WORKER_ANSWER, /* to `tag` */
	WORKER_EVENT,  /* media_event for the owner */
	WORKER_ENDED,  /* a session without an owner ended */
};

struct worker_reply {
	enum worker_reply_kind kind;
	uint64_t tag;
	uint32_t owner;
	uint64_t session;
	const struct ctl_message *message; /* ANSWER, EVENT; lives until the handler returns */
};

typedef void worker_reply_fn(void *owner, const struct worker_reply *reply);

struct worker_options {
	struct loop *loop; /* control's */
	struct log *log;
	struct stats *stats; /* a row for each worker */
	unsigned number;
	unsigned count;
	uint32_t capacity;      /* sessions */
	uint32_t idle_open_max; /* port pairs of a realm kept open without use */
	const struct dtls_identity *identity; /* outlives the worker */
	struct memory *memory;  /* of all workers; NULL: none */
	struct fastpath *fastpath; /* NULL: there is no way through the kernel */
	bool io_uring;             /* sockets may be asked by it */
	worker_reply_fn *fn;
	void *owner;
};

/* Which of `count` workers hands out this port. */
static inline unsigned worker_of_port(uint16_t port, unsigned count)
{
	return port / 2u % count;
}

must_use enum err worker_create(const struct worker_options *options, struct worker **ret);
/* Ends its thread, closes its ports. */
void worker_destroy(struct worker **worker);

/* ERR_AGAIN: the ring is full; nothing was done. With one worker the reply comes before this
 * returns. */
must_use enum err worker_post(struct worker *worker, const struct worker_command *command);
/* At the end of control's turn: wakes the worker's thread if something was posted. */
void worker_flush(struct worker *worker);
/* In control's loop, after it was woken: hands up what the worker's thread replied. */
void worker_collect(struct worker *worker);

/* SPDX-License-Identifier: MIT
 * A question of the operator's side travels: it visits workers one after the other, in their own
 * threads, and comes home to worker 0 with the answer. With one worker it is answered on the spot.
 * It carries its own memory, for it changes threads. Private to this room. */
#pragma once

#include "sbc/core/core_priv.h"

struct question;
/* In a worker's thread. True: go on to the next worker; false: the answer stands. */
typedef bool question_fn(struct worker *worker, struct question *question);
/* In worker 0's thread, before the answer is sent. May be NULL. */
typedef void question_done_fn(struct core *core, struct question *question);

struct question {
	struct letter letter;
	struct core *core;
	question_fn *fn;
	question_done_fn *done;
	uint32_t at; /* the worker that it visits */
	struct ctl_peer *peer;
	uint64_t peer_serial;
	struct arena_cache cache;
	struct arena arena;
	struct ctl_message answer; /* everything that it points to is in the arena */
	struct slice text;         /* what was asked */
	uint64_t cursor;
	uint32_t limit;
	struct settings **settings; /* a copy for each worker */
	uint64_t version;
	const struct conf_provisioning *provisioning;
	size_t failed;
	enum err err;
};

/* NULL: no memory, and the peer was told. */
struct question *question_new(struct core *core, struct ctl_peer *peer, uint32_t request,
			      question_fn *fn);
/* Begins at worker question->at. The question frees itself when it is home. */
void question_ask(struct question *question);
void question_free(struct question *question);
/* Refuses without a journey. */
void question_refuse(struct question *question, enum err err, struct slice pointer,
		     struct slice value, struct slice detail);

/* apply.c */
void control_on_config_apply(struct core *core, struct ctl_peer *peer,
			     const struct ctl_message *message);
/* control.c */
bool control_peer_lives(const struct core *core, const struct ctl_peer *peer, uint64_t serial);
uint64_t control_peer_serial(const struct core *core, const struct ctl_peer *peer);

/* SPDX-License-Identifier: MIT
 * lint: owns storage because a question changes threads with all that it carries. */
#include "sbc/core/question.h"

#include <stdlib.h>

#define QUESTION_QUOTA (16u * 1024 * 1024)

struct question *question_new(struct core *core, struct ctl_peer *peer, uint32_t request,
			      question_fn *fn)
{
	struct question *question = calloc(1, sizeof(*question));

	if (!question) {
		ctl_fail(peer, request, ERR_NOMEM, SLICE_NONE, SLICE_NONE, SLICE_NONE);
		return NULL;
	}
	question->core = core;
	question->fn = fn;
	question->peer = peer;
	question->peer_serial = control_peer_serial(core, peer);
	arena_cache_init(&question->cache, 0);
	arena_init(&question->arena, &question->cache, 4096, QUESTION_QUOTA);
	question->answer.request = request;
	return question;
}

void question_free(struct question *question)
{
	for (uint32_t i = 0; question->settings && i < question->core->worker_count; i++)
		if (question->settings[i])
			settings_release(&question->settings[i]);
	arena_fini(&question->arena);
	arena_cache_fini(&question->cache);
	free(question);
}

void question_refuse(struct question *question, enum err err, struct slice pointer,
		     struct slice value, struct slice detail)
{
	ctl_fail(question->peer, question->answer.request, err, pointer, value, detail);
	question_free(question);
}

static void question_home(void *reader, struct letter *letter)
{
	struct question *question = (struct question *)letter;

	(void)reader;
	if (question->done)
		question->done(question->core, question);
	if (control_peer_lives(question->core, question->peer, question->peer_serial))
		(void)!ctl_send(question->peer, &question->answer);
	question_free(question);
}

static void question_visit(void *reader, struct letter *letter)
{
	struct question *question = (struct question *)letter;
	struct worker *worker = reader;
	struct core *core = question->core;

	if (question->fn(worker, question) && worker->index + 1 < core->worker_count) {
		worker_post(&core->workers[worker->index + 1], letter);
		return;
	}
	if (worker->index == 0) {
		question_home(worker, letter);
		return;
	}
	letter->fn = question_home;
	worker_post(&core->workers[0], letter);
}

void question_ask(struct question *question)
{
	struct worker *first = &question->core->workers[question->at];

	question->letter.fn = question_visit;
	if (first->index == 0)
		question_visit(first, &question->letter);
	else
		worker_post(first, &question->letter);
}

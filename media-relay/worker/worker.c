/* SPDX-License-Identifier: MIT
 * A worker's life, and the way of commands and replies between its thread and control's. A command
 * is taken from the ring only while its reply surely fits, so no reply is ever lost and neither side
 * waits for the other.
 * lint: owns storage because a worker lives as long as the relay. */
#include "media-relay/worker/worker.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/worker_priv.h"

#define COMMAND_RING_BYTES (1u << 20)
#define REPLY_RING_BYTES (4u << 20)
/* Kept free for leases, which must not fail. */
#define COMMAND_SPARE_BYTES (64u << 10)
#define ARENA_MAX_BYTES (4u << 20)
#define CACHE_KEEP_BYTES (512u << 10)

/* In a ring: this, then the encoded message if there is one. */
struct command_head {
	uint64_t tag;
	uint64_t session;
	uint32_t owner;
	uint16_t verb;
	uint8_t lease;
	uint8_t has_message;
};

struct reply_head {
	uint64_t tag;
	uint64_t session;
	uint32_t owner;
	uint16_t kind;
	uint8_t has_message;
	uint8_t pad;
};

#define REPLY_MAX_BYTES (sizeof(struct reply_head) + CTL_MAX_BYTES)

/* ---- the worker's side ---- */

static void reply_through_ring(struct worker *worker, const struct worker_reply *reply)
{
	struct reply_head head = { .tag = reply->tag,
				   .session = reply->session,
				   .owner = reply->owner,
				   .kind = (uint16_t)reply->kind,
				   .has_message = reply->message != NULL };
	char *at = ring_reserve(&worker->replies, REPLY_MAX_BYTES);
	size_t len = 0;

	ensure(at); /* worker_may_reply was asked */
	if (reply->message && ctl_encode(reply->message, at + sizeof(head), CTL_MAX_BYTES,
					 &len) != OK) {
		struct ctl_message failure = { .request = reply->message->request };

		worker_fail(&failure, ERR_LIMIT, "the answer is too long");
		ensure(ctl_encode(&failure, at + sizeof(head), CTL_MAX_BYTES, &len) == OK);
	}
	memcpy(at, &head, sizeof(head));
	ring_commit(&worker->replies, sizeof(head) + len);
	worker->replied = true;
}

void worker_reply(struct worker *worker, const struct worker_reply *reply)
{
	if (worker->threaded)
		reply_through_ring(worker, reply);
	else
		worker->options.fn(worker->options.owner, reply);
}

bool worker_may_reply(const struct worker *worker)
{
	return !worker->threaded || ring_room(&worker->replies) >= REPLY_MAX_BYTES;
}

static void answer_command(struct worker *worker, const struct worker_command *command,
			   const struct ctl_message *answer)
{
	struct worker_reply reply = { .kind = WORKER_ANSWER,
				      .tag = command->tag,
				      .owner = command->owner,
				      .message = answer };

	worker_reply(worker, &reply);
}

static void run_command(struct worker *worker, const struct worker_command *command)
{
	struct ctl_message answer;

	if (command->verb != WORKER_MESSAGE) {
		worker_lease(worker, command);
		return;
	}
	worker_execute(worker, command->owner, command->message, &answer);
	answer_command(worker, command, &answer);
}

static void run_message(struct worker *worker, struct worker_command *command, const char *bytes,
			size_t len)
{
	struct ctl_message message, answer = { .request = 0 };
	struct arena arena;
	enum err err;

	arena_init(&arena, &worker->cache, 4096, ARENA_MAX_BYTES);
	err = ctl_decode(&arena, bytes, len, &message);
	command->message = &message;
	if (err == OK) {
		run_command(worker, command);
	} else {
		/* Control decoded it before, so it can only be memory. */
		worker_fail(&answer, err, err_text(err));
		answer_command(worker, command, &answer);
	}
	arena_fini(&arena);
}

static void run_packet(struct worker *worker, const char *bytes, size_t len)
{
	struct command_head head;
	struct worker_command command;

	memcpy(&head, bytes, sizeof(head));
	command = (struct worker_command){ .verb = (enum worker_verb)head.verb,
					   .tag = head.tag,
					   .owner = head.owner,
					   .session = head.session,
					   .lease = head.lease };
	if (head.has_message)
		run_message(worker, &command, bytes + sizeof(head), len - sizeof(head));
	else
		run_command(worker, &command);
}

static void on_commands(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	const char *bytes;
	size_t len;

	while (worker_may_reply(worker) && (bytes = ring_peek(&worker->commands, &len))) {
		run_packet(worker, bytes, len);
		ring_pop(&worker->commands);
	}
	if (!worker_may_reply(worker))
		loop_wake(loop); /* control has to read first; look again */
}

static void on_turn_end(struct loop *loop, void *owner)
{
	struct worker *worker = owner;

	if (worker->sessions.note_count > 0)
		worker_on_timers(loop, worker);
	worker_stats_copy(worker);
	if (worker->replied)
		loop_wake(worker->options.loop);
	worker->replied = false;
}

/* In the loop's thread. */
static void start_uring(struct worker *worker)
{
	const struct worker_options *options = &worker->options;
	enum err err = options->io_uring ? io_start_uring(&worker->io) : OK;

	if (options->number == 0)
		log_write(options->log, LOG_LEVEL_INFO, EVENT_io_uring,
			  LOG_T("used", options->io_uring && err == OK ? "yes" : "no"),
			  LOG_T("why", !options->io_uring ? "relay.io_uring is off" :
				       err == OK	   ? "the kernel has it" :
							     err_text(err)));
}

static void *thread_main(void *owner)
{
	struct worker *worker = owner;

	start_uring(worker);
	loop_run(worker->loop);
	return NULL;
}

/* ---- control's side ---- */

static enum err post_through_ring(struct worker *worker, const struct worker_command *command)
{
	struct command_head head = { .tag = command->tag,
				     .session = command->session,
				     .owner = command->owner,
				     .verb = (uint16_t)command->verb,
				     .lease = command->lease,
				     .has_message = command->message != NULL };
	size_t max = sizeof(head) + (command->message ? CTL_MAX_BYTES : 0);
	size_t len = 0;
	char *at;

	if (ring_room(&worker->commands) < max + (command->message ? COMMAND_SPARE_BYTES : 0))
		return ERR_AGAIN;
	at = ring_reserve(&worker->commands, max);
	if (!at)
		return ERR_AGAIN;
	if (command->message) {
		enum err err = ctl_encode(command->message, at + sizeof(head), CTL_MAX_BYTES, &len);

		if (err != OK)
			return err;
	}
	memcpy(at, &head, sizeof(head));
	ring_commit(&worker->commands, sizeof(head) + len);
	worker->posted = true;
	return OK;
}

enum err worker_post(struct worker *worker, const struct worker_command *command)
{
	if (worker->threaded)
		return post_through_ring(worker, command);
	run_command(worker, command);
	return OK;
}

void worker_flush(struct worker *worker)
{
	if (worker->posted)
		loop_wake(worker->loop);
	worker->posted = false;
}

static void collect_packet(struct worker *worker, const char *bytes, size_t len)
{
	struct reply_head head;
	struct worker_reply reply;
	struct ctl_message message;
	enum err err;

	memcpy(&head, bytes, sizeof(head));
	reply = (struct worker_reply){ .kind = (enum worker_reply_kind)head.kind,
				       .tag = head.tag,
				       .owner = head.owner,
				       .session = head.session };
	arena_reset(&worker->collect_arena);
	if (head.has_message) {
		err = ctl_decode(&worker->collect_arena, bytes + sizeof(head), len - sizeof(head),
				 &message);
		if (err != OK)
			worker_fail(&message, err, err_text(err));
		reply.message = &message;
	}
	worker->options.fn(worker->options.owner, &reply);
}

void worker_collect(struct worker *worker)
{
	const char *bytes;
	size_t len;

	while (worker->threaded && (bytes = ring_peek(&worker->replies, &len))) {
		collect_packet(worker, bytes, len);
		ring_pop(&worker->replies);
	}
}

/* ---- life ---- */

static void expect_datagram(const void *flow)
{
	session_expect(flow);
}

static enum err worker_init(struct worker *worker)
{
	enum err err = OK;

	worker->loop = worker->options.loop;
	if (worker->threaded) {
		worker->loop = &worker->own_loop;
		err = loop_init(worker->loop);
		if (err == OK)
			err = ring_init(&worker->commands, COMMAND_RING_BYTES);
		if (err == OK)
			err = ring_init(&worker->replies, REPLY_RING_BYTES);
	}
	if (err == OK)
		err = io_init(&worker->io, worker->loop, worker_on_datagram, worker);
	if (err == OK)
		err = sessions_init(&worker->sessions, worker->options.capacity,
				    worker->loop->now_ms);
	if (err == OK)
		err = worker_memory_init(worker);
	if (err != OK)
		return err;
	if (worker->options.number == 0)
		log_write(worker->options.log, LOG_LEVEL_INFO, EVENT_srtp_ciphers,
			  LOG_T("library", srtp_engine_library(&worker->sessions.srtp)));
	err = dtls_engine_create(worker->options.identity, 8 * worker->options.capacity,
				 &worker->sessions.dtls);
	if (err != OK)
		return err;
	worker->io.expect = expect_datagram;
	worker->sessions.send = worker_send;
	worker->sessions.take = worker_take;
	worker->sessions.send_owner = worker;
	worker_stats_init(worker);
	err = ways_init(worker);
	if (err != OK)
		return err;
	loop_set_wheel(worker->loop, &worker->sessions.wheel, worker_on_timers, worker);
	loop_hook_add(worker->loop, &worker->hook, on_turn_end, worker);
	if (!worker->threaded)
		start_uring(worker);
	return OK;
}

static enum err worker_start_thread(struct worker *worker)
{
	int failed;

	loop_set_wake(worker->loop, on_commands, worker);
	failed = pthread_create(&worker->thread, NULL, thread_main, worker);
	return failed ? (enum err)-failed : OK;
}

static void worker_fini(struct worker *worker)
{
	worker_memory_fini(worker);
	ways_fini(worker);
	recorder_destroy(&worker->recorder);
	worker_realms_fini(worker);
	io_fini(&worker->io);
	sessions_fini(&worker->sessions);
	arena_fini(&worker->arena);
	arena_cache_fini(&worker->cache);
	arena_fini(&worker->collect_arena);
	arena_cache_fini(&worker->collect_cache);
	list_remove(&worker->hook.link);
	loop_set_wheel(worker->loop, NULL, NULL, NULL);
	if (worker->threaded) {
		ring_fini(&worker->commands);
		ring_fini(&worker->replies);
		loop_fini(&worker->own_loop);
	}
	free(worker);
}

enum err worker_create(const struct worker_options *options, struct worker **ret)
{
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) & ~(size_t)63);
	enum err err;

	if (!worker)
		return ERR_NOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->options = *options;
	worker->threaded = options->count > 1;
	arena_cache_init(&worker->cache, CACHE_KEEP_BYTES);
	arena_init(&worker->arena, &worker->cache, 8192, ARENA_MAX_BYTES);
	arena_cache_init(&worker->collect_cache, CACHE_KEEP_BYTES);
	arena_init(&worker->collect_arena, &worker->collect_cache, 8192, ARENA_MAX_BYTES);
	err = worker_init(worker);
	if (err == OK && worker->threaded)
		err = worker_start_thread(worker);
	if (err != OK) {
		worker_fini(worker);
		return err;
	}
	*ret = worker;
	return OK;
}

void worker_destroy(struct worker **worker)
{
	struct worker *it = *worker;

	if (!it)
		return;
	*worker = NULL;
	if (it->threaded) {
		loop_stop(it->loop);
		pthread_join(it->thread, NULL);
	}
	worker_fini(it);
}

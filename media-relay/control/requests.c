/* SPDX-License-Identifier: MIT
 * Requests on their way to a worker and back. What is kept meanwhile are handles: the peer may be
 * gone, or the session ended, when the answer comes. */
#include "media-relay/control/control_priv.h"

#include "lib/base/ensure.h"

#define GATHER_MAX_BYTES (4u << 20)

static void refuse(struct connection *connection, uint32_t request, enum err err,
		   const char *detail)
{
	ctl_fail(connection->peer, request, err, SLICE_NONE, SLICE_NONE, slice_text(detail));
}

/* connection: NULL: nobody is answered. */
static struct request *request_create(struct control *control, struct connection *connection,
				      const struct ctl_message *message)
{
	struct handle handle;
	struct request *request = pool_take(&control->request_pool, &handle);

	if (!request) {
		if (connection)
			refuse(connection, message->request, ERR_AGAIN, "too many requests at once");
		return NULL;
	}
	request->handle = handle;
	request->connection = connection ? connection->handle : HANDLE_NONE;
	request->id = message->request;
	request->type = message->type;
	arena_init(&request->arena, &control->cache, 4096, GATHER_MAX_BYTES);
	return request;
}

static void request_destroy(struct control *control, struct request *request)
{
	arena_fini(&request->arena);
	pool_give(&control->request_pool, request->handle);
}

static enum err request_post(struct control *control, const struct request *request,
			     unsigned worker, uint32_t owner, const struct ctl_message *message)
{
	struct worker_command command = { .verb = WORKER_MESSAGE,
					  .tag = handle_u64(request->handle),
					  .owner = owner,
					  .message = message };

	return worker_post(control->workers[worker], &command);
}

/* ---- one worker ---- */

/* Posts to the entry's worker; request and entry may be gone afterwards. */
static void post_to_entry(struct control *control, struct connection *connection,
			  struct entry *entry, const struct ctl_message *message)
{
	struct request *request = request_create(control, connection, message);
	enum err err = ERR_AGAIN;

	entry->pending++;
	if (request) {
		request->entry = entry->handle;
		request->outstanding = 1;
		err = request_post(control, request, entry->worker, entry->owner->number, message);
		if (err == OK)
			return;
		request_destroy(control, request);
		refuse(connection, message->request, err, "the worker is busy");
	}
	entry->pending--;
	if (!entry->live && entry->pending == 0)
		entry_destroy(control, entry);
}

/* The one that had the wanted port, else the one with the fewest sessions, so that all run out of
 * ports together. */
static unsigned choose_worker(const struct control *control, const struct ctl_session_set *set)
{
	unsigned best = 0;

	for (uint32_t i = 0; i < set->streams_count; i++)
		if (set->streams[i].want_port != 0)
			return worker_of_port(set->streams[i].want_port, control->options.workers);
	for (unsigned i = 1; i < control->options.workers; i++)
		if (control->load[i] < control->load[best])
			best = i;
	return best;
}

static bool comes_back(const struct ctl_session_set *set)
{
	for (uint32_t i = 0; i < set->streams_count; i++)
		if (set->streams[i].want_port != 0)
			return true;
	return false;
}

void request_session_set(struct control *control, struct connection *connection,
			 const struct ctl_message *message)
{
	const struct ctl_session_set *set = &message->session_set;
	struct entry *entry = entry_find(control, connection->owner, set->session);

	if (!entry && control->draining && !comes_back(set)) {
		refuse(connection, message->request, ERR_EXHAUSTED,
		       "the relay takes no new sessions: it is being drained");
		return;
	}
	if (!entry)
		entry = entry_create(control, connection->owner, set->session,
				     choose_worker(control, set));
	if (!entry) {
		refuse(connection, message->request, ERR_EXHAUSTED, "too many sessions");
		return;
	}
	post_to_entry(control, connection, entry, message);
}

void request_session_close(struct control *control, struct connection *connection,
			   const struct ctl_message *message)
{
	struct entry *entry = entry_find(control, connection->owner,
					 message->session_close.session);

	if (!entry) {
		refuse(connection, message->request, ERR_NOENT,
		       "session: there is none of this number");
		return;
	}
	post_to_entry(control, connection, entry, message);
}

void request_digit_send(struct control *control, struct connection *connection,
			const struct ctl_message *message)
{
	struct entry *entry = entry_find(control, connection->owner, message->digit_send.session);

	if (!entry) {
		refuse(connection, message->request, ERR_NOENT,
		       "session: there is none of this number");
		return;
	}
	post_to_entry(control, connection, entry, message);
}

/* Asked by the operator's side, which owns no sessions: whosever it is. */
void request_session_record(struct control *control, struct connection *connection,
			    const struct ctl_message *message)
{
	struct entry *entry = NULL;

	list_each(node, &control->owners) {
		const struct owner *owner = container_of(node, struct owner, link);

		entry = entry_find(control, owner, message->session_record.session);
		if (entry)
			break;
	}
	if (entry)
		post_to_entry(control, connection, entry, message);
	else
		refuse(connection, message->request, ERR_NOENT,
		       "session: there is none of this number");
}

/* ---- several workers ---- */

/* The first failure counts; the last answer is told. */
static void gather_post(struct control *control, struct request *request, uint32_t owner,
			const struct ctl_message *message)
{
	struct handle handle = request->handle;

	for (unsigned i = 0; i < control->options.workers; i++) {
		enum err err;

		request->outstanding++;
		err = request_post(control, request, i, owner, message);
		if (err == OK)
			continue;
		ensure(pool_get(&control->request_pool, handle) == request);
		request->outstanding--;
		request->err = err;
	}
}

static void gather_answer(struct control *control, struct request *request)
{
	struct connection *connection = pool_get(&control->connection_pool, request->connection);
	struct ctl_message answer = { .type = CTL_done, .request = request->id };

	if (connection && request->err != OK) {
		refuse(connection, request->id, request->err, err_text(request->err));
		if (request->err == ERR_SYNTAX)
			ctl_peer_refuse(connection->peer, ERR_SYNTAX);
	} else if (connection) {
		if (request->type == CTL_session_query) {
			answer.type = CTL_session_figures;
			answer.session_figures.sessions = request->found;
			answer.session_figures.sessions_count = request->found_count;
		}
		if (ctl_send(connection->peer, &answer) != OK)
			refuse(connection, request->id, ERR_LIMIT, "ask for fewer at once");
	}
	request_destroy(control, request);
}

/* outstanding holds one more while requests are posted, so that it ends here or with a reply. */
static void gather_release(struct control *control, struct request *request)
{
	if (--request->outstanding == 0)
		gather_answer(control, request);
}

void request_to_all(struct control *control, struct connection *connection,
		    const struct ctl_message *message)
{
	struct request *request = request_create(control, connection, message);

	if (!request)
		return;
	request->gathers = true;
	request->outstanding = 1;
	gather_post(control, request, 0, message);
	gather_release(control, request);
}

/* An owner asks for its own; anyone else (an operator's tool) is answered from all of them. */
void request_session_query(struct control *control, struct connection *connection,
			   const struct ctl_message *message)
{
	struct request *request = request_create(control, connection, message);

	if (!request)
		return;
	request->gathers = true;
	request->outstanding = 1;
	request->found_max = 2 * QUERY_MAX;
	request->found = arena_array(&request->arena, request->found_max, sizeof(*request->found));
	if (!request->found)
		request->err = ERR_NOMEM;
	list_each(node, &control->owners) {
		struct owner *owner = container_of(node, struct owner, link);

		if (owner->entry_count > 0 &&
		    (owner == connection->owner || connection->owner->entry_count == 0))
			gather_post(control, request, owner->number, message);
	}
	gather_release(control, request);
}

static enum err gather_figures(struct request *request, const struct ctl_session_figures *figures)
{
	for (uint32_t i = 0; i < figures->sessions_count; i++) {
		const struct ctl_session_stats *from = &figures->sessions[i];
		struct ctl_session_stats *to = &request->found[request->found_count];

		if (request->found_count == request->found_max)
			return ERR_LIMIT;
		*to = *from;
		to->streams = arena_array(&request->arena, from->streams_count + 1,
					  sizeof(*to->streams));
		if (!to->streams)
			return ERR_NOMEM;
		if (from->streams_count > 0)
			memcpy(to->streams, from->streams,
			       from->streams_count * sizeof(*to->streams));
		request->found_count++;
	}
	return OK;
}

/* ---- answers ---- */

static void gather_one(struct request *request, const struct ctl_message *answer)
{
	enum err err = OK;

	if (answer->type == CTL_failure)
		err = (enum err)answer->failure.err;
	else if (answer->type == CTL_session_figures && request->found)
		err = gather_figures(request, &answer->session_figures);
	if (request->err == OK)
		request->err = err;
}

static void entry_answered(struct control *control, const struct request *request,
			   const struct ctl_message *answer)
{
	struct entry *entry = pool_get(&control->entry_pool, request->entry);

	if (!entry)
		return;
	entry->pending--;
	if (request->type == CTL_session_set && answer->type == CTL_session_ports)
		entry->live = true;
	if (request->type == CTL_session_close &&
	    (answer->type == CTL_session_stats || answer->failure.err == ERR_NOENT))
		entry->live = false;
	if (!entry->live && entry->pending == 0)
		entry_destroy(control, entry);
}

/* Hands a worker's answer to who asked, under the number that was asked. */
static void answer_one(struct connection *connection, uint32_t id,
		       const struct ctl_message *worker_answer)
{
	struct ctl_message answer = *worker_answer;

	/* Number 0 asked for no answer; a refusal is told all the same. */
	if (id == 0 && answer.type != CTL_failure)
		return;
	answer.request = id;
	if (ctl_send(connection->peer, &answer) != OK)
		refuse(connection, id, ERR_LIMIT, "the answer is too long");
	if (answer.type == CTL_failure && answer.failure.err == ERR_SYNTAX)
		ctl_peer_refuse(connection->peer, ERR_SYNTAX);
}

void request_answered(struct control *control, const struct worker_reply *reply)
{
	struct request *request = pool_get(&control->request_pool, handle_from_u64(reply->tag));
	struct connection *connection;

	ensure(request);
	if (request->gathers) {
		gather_one(request, reply->message);
		gather_release(control, request);
		return;
	}
	entry_answered(control, request, reply->message);
	connection = pool_get(&control->connection_pool, request->connection);
	if (connection)
		answer_one(connection, request->id, reply->message);
	request_destroy(control, request);
}

/* SPDX-License-Identifier: MIT
 * Live calls: asked of sbcd page by page, each page's media figures of the relay, and written into
 * the answer as they come. A relay that does not answer costs the figures, not the list. */
#include "mgmt-api/api/api_priv.h"

#define SBCD_PAGE 50u
#define SBCD_MS 3000u
#define RELAY_MS 1000u

struct calls_job {
	struct api_call call;
	struct ask ask;
	struct json_out out;
	bool one;        /* GET /calls/{id} */
	unsigned wanted; /* calls that the answer still has room for */
	uint64_t next;   /* sbcd's cursor; 0: the end */
	struct ctl_call_info *calls; /* of this page, in the exchange's arena */
	uint32_t count;
};

static void ask_page(struct calls_job *job);

static void answer_gone(struct api_call *call)
{
	http_header(call->exchange, "Retry-After", "2");
	problem_answer(call->exchange, PROBLEM_UNAVAILABLE, "sbcd is not connected");
}

static void answer_list(struct calls_job *job)
{
	json_close_array(&job->out);
	if (job->next != 0)
		json_put_str(&job->out, "next",
			     arena_printf(http_arena(job->call.exchange), "%llu",
					  (unsigned long long)job->next));
	else
		json_put_null(&job->out, "next");
	json_close_object(&job->out);
	http_answer(job->call.exchange, 200, API_JSON);
}

static const struct ctl_session_stats *session_find(const struct ctl_session_figures *figures,
						    uint64_t session)
{
	for (uint32_t i = 0; figures && i < figures->sessions_count; i++)
		if (figures->sessions[i].session == session)
			return &figures->sessions[i];
	return NULL;
}

/* The page is complete, with the relay's figures or without. */
static void on_figures(void *owner, const struct ctl_message *answer)
{
	const struct ctl_session_figures *figures = NULL;
	struct calls_job *job = owner;

	if (answer && answer->type == CTL_session_figures)
		figures = &answer->session_figures;
	for (uint32_t i = 0; i < job->count; i++)
		call_json(&job->out, &job->calls[i], session_find(figures, job->calls[i].session),
			  false);
	job->wanted -= job->count < job->wanted ? job->count : job->wanted;
	if (job->one)
		http_answer(job->call.exchange, 200, API_JSON);
	else if (job->next != 0 && job->wanted > 0)
		ask_page(job);
	else
		answer_list(job);
}

static void ask_figures(struct calls_job *job)
{
	struct ctl_message question = { .type = CTL_session_query };
	struct ctl_session_ref refs[SBCD_PAGE];
	uint32_t count = 0;

	for (uint32_t i = 0; i < job->count && count < SBCD_PAGE; i++)
		if (job->calls[i].session != 0)
			refs[count++].session = job->calls[i].session;
	question.session_query.sessions = refs;
	question.session_query.sessions_count = count;
	if (count == 0 || !upstream_ask(&job->call.api->relay, &job->ask, &question, RELAY_MS,
					on_figures, job))
		on_figures(job, NULL);
}

/* A copy that outlives the message: through the codec, which knows every list in it. */
static enum err keep_calls(struct arena *arena, const struct ctl_calls_page *page,
			   struct ctl_call_info **ret)
{
	struct ctl_call_info *calls = arena_array(arena, page->calls_count, sizeof(*calls));
	enum err err = calls || page->calls_count == 0 ? OK : ERR_NOMEM;
	char bytes[CTL_MAX_BYTES];

	for (uint32_t i = 0; i < page->calls_count && err == OK; i++) {
		struct slice kept;
		size_t len = 0;

		err = ctl_call_info_encode(&page->calls[i], bytes, sizeof(bytes), &len);
		if (err == OK)
			err = arena_keep(arena, slice_of(bytes, len), &kept);
		if (err == OK)
			err = ctl_call_info_decode(arena, kept.p, kept.len, &calls[i]);
	}
	*ret = calls;
	return err;
}

static void on_page(void *owner, const struct ctl_message *answer)
{
	struct calls_job *job = owner;
	struct http_exchange *exchange = job->call.exchange;
	enum err err;

	if (!answer) {
		answer_gone(&job->call);
		return;
	}
	if (answer->type != CTL_calls_page || (job->one && answer->calls_page.calls_count == 0)) {
		if (job->one)
			problem_answer(exchange, PROBLEM_NOT_FOUND, "there is no such live call");
		else
			problem_answer(exchange, PROBLEM_INTERNAL, "sbcd gave no list");
		return;
	}
	err = keep_calls(http_arena(exchange), &answer->calls_page, &job->calls);
	if (err != OK) {
		problem_internal(exchange, err);
		return;
	}
	job->count = answer->calls_page.calls_count;
	job->next = answer->calls_page.next;
	ask_figures(job);
}

static void ask_page(struct calls_job *job)
{
	struct ctl_message question = { .type = CTL_calls_list };

	question.calls_list.cursor = job->next;
	question.calls_list.limit = job->wanted < SBCD_PAGE ? job->wanted : SBCD_PAGE;
	if (job->one)
		question.calls_list.id = job->call.params[0];
	if (!upstream_ask(&job->call.api->sbcd, &job->ask, &question, SBCD_MS, on_page, job))
		answer_gone(&job->call);
}

static struct calls_job *job_new(struct api_call *call)
{
	struct calls_job *job = arena_new(http_arena(call->exchange), struct calls_job);

	if (!job) {
		problem_internal(call->exchange, ERR_NOMEM);
		return NULL;
	}
	job->call = *call;
	json_out_init(&job->out, http_body(call->exchange));
	return job;
}

void list_calls(struct api_call *call)
{
	static const char *const parameters[] = { "limit", "cursor", NULL };
	struct calls_job *job = job_new(call);
	struct slice cursor;

	if (!job || !query_only(call, parameters) || !query_limit(call, &job->wanted))
		return;
	if (query_get(call, "cursor", &cursor) && parse_u64(cursor, &job->next) != OK) {
		problem_answer(call->exchange, PROBLEM_MALFORMED, "cursor: not one of ours");
		return;
	}
	json_open_object(&job->out, NULL);
	json_open_array(&job->out, "items");
	ask_page(job);
}

void get_call(struct api_call *call)
{
	struct calls_job *job = job_new(call);

	if (!job)
		return;
	job->one = true;
	job->wanted = 1;
	ask_page(job);
}

static void on_hung_up(void *owner, const struct ctl_message *answer)
{
	struct calls_job *job = owner;

	if (!answer)
		answer_gone(&job->call);
	else if (answer->type == CTL_done)
		http_answer(job->call.exchange, 204, NULL);
	else if (answer->type == CTL_failure && answer->failure.err != ERR_NOENT)
		problem_internal(job->call.exchange, (enum err)answer->failure.err);
	else
		problem_answer(job->call.exchange, PROBLEM_NOT_FOUND, "there is no such live call");
}

void delete_call(struct api_call *call)
{
	struct ctl_message question = { .type = CTL_call_hangup };
	struct calls_job *job = job_new(call);

	if (!job)
		return;
	question.call_hangup.id = call->params[0];
	if (!upstream_ask(&call->api->sbcd, &job->ask, &question, SBCD_MS, on_hung_up, job))
		answer_gone(call);
}

/* SPDX-License-Identifier: MIT
 * Writes of the configuration, one after the other: build the new document, check it with sbcd's own
 * code, write it down as pending, write the snapshot, let sbcd take it, commit, make it current,
 * answer. Until the commit nothing has changed: whatever fails before leaves the old version, and an
 * sbcd whose hello names another version than ours is given ours again, so both always end alike. */
#include "mgmt-api/api/api_priv.h"

#define APPLY_MS 15000u
#define REAPPLY_MS 10000u

static void write_pump(struct api *api);

static void job_end(struct write_job *job)
{
	if (job->body)
		jdoc_free(&job->body);
	if (job->next)
		jdoc_free(&job->next);
	/* From here on the exchange, in which the job lives, may be gone. */
}

/* ---- sbcd is given the version that we have ---- */

static void on_reapplied(void *owner, const struct ctl_message *answer)
{
	struct api *api = owner;

	api->reapplying = false;
	if (answer && answer->type == CTL_done) {
		api->sbcd_version = api->version;
		log_write(api->log, LOG_LEVEL_INFO, EVENT_config_loaded,
			  LOG_U("version", api->version), LOG_T("source", "given to sbcd again"));
	} else if (answer && answer->type == CTL_failure) {
		log_write(api->log, LOG_LEVEL_ERROR, EVENT_config_refused,
			  LOG_U("version", api->version), LOG_S("pointer", answer->failure.pointer),
			  LOG_S("detail", answer->failure.detail));
	}
	write_pump(api);
	if (api->sbcd_version != api->version)
		loop_timer_start(api->loop, &api->reapply_timer, REAPPLY_MS);
}

static void reapply(struct api *api)
{
	struct ctl_message question = { .type = CTL_config_apply };
	char storage[4096];
	struct text path;

	if (api->reapplying || api->writing || api->sbcd_version == api->version)
		return;
	text_init(&path, storage, sizeof(storage));
	text_printf(&path, "%s/current.json", api->config_dir);
	question.config_apply.version = api->version;
	question.config_apply.path = text_done(&path);
	api->reapplying = upstream_ask(&api->sbcd, &api->reapply, &question, APPLY_MS, on_reapplied,
				       api);
}

static void on_reapply_timer(struct loop *loop, void *owner)
{
	(void)loop;
	reapply(owner);
}

void write_sbcd_changed(struct upstream *upstream, const struct ctl_hello *hello)
{
	struct api *api = upstream->api;

	api->reapply_timer.fn = on_reapply_timer;
	api->reapply_timer.owner = api;
	api->sbcd_version = hello ? hello->config_version : 0;
	loop_timer_stop(api->loop, &api->reapply_timer);
	if (hello)
		reapply(api);
	write_pump(api);
}

/* ---- one write ---- */

static void answer_sbcd_away(struct write_job *job)
{
	http_header(job->call.exchange, "Retry-After", "2");
	problem_answer(job->call.exchange, PROBLEM_UNAVAILABLE,
		       "sbcd is not connected; nothing was changed");
}

/* The document's own errors, as the checker found them. */
static void answer_invalid(struct write_job *job, const struct conf_errors *errors)
{
	struct problem problem;
	char storage[96];
	struct text detail;

	text_init(&detail, storage, sizeof(storage));
	text_printf(&detail, "%zu error%s; nothing was changed", errors->total,
		    errors->total == 1 ? "" : "s");
	problem_begin(&problem, job->call.exchange, PROBLEM_INVALID, text_done(&detail));
	for (size_t i = 0; i < errors->count; i++)
		problem_error(&problem, errors->items[i].pointer, errors->items[i].value,
			      errors->items[i].detail, errors->items[i].remedy);
	problem_end(&problem);
}

static void answer_no_secret(struct write_job *job, struct slice pointer)
{
	struct problem problem;

	problem_begin(&problem, job->call.exchange, PROBLEM_INVALID,
		      SLICE("there is no stored secret to keep; nothing was changed"));
	problem_error(&problem, pointer, SLICE("\"***\""), SLICE("no secret is stored here yet"),
		      SLICE("the secret itself"));
	problem_end(&problem);
}

/* sbcd could not take it: a port in use, say. What it shows of the value may be a secret. */
static void answer_refused(struct write_job *job, const struct ctl_failure *failure)
{
	struct http_exchange *exchange = job->call.exchange;
	struct slice pointer = failure->pointer;
	struct json_t *value;
	struct problem problem;
	struct slice detail;
	struct text text;

	if (failure->err == ERR_NOMEM || failure->err == ERR_AGAIN) {
		problem_begin(&problem, exchange, PROBLEM_UNAVAILABLE, failure->detail);
		problem_end(&problem);
		return;
	}
	if (slice_starts(pointer, SLICE("/provisioning")))
		pointer = slice_skip(pointer, sizeof("/provisioning") - 1);
	text_init_arena(&text, http_arena(exchange), 256);
	value = jdoc_mask(job->next) == OK && pointer.len > 0 ? jdoc_at(job->next, pointer) : NULL;
	if (value)
		jdoc_write(&text, value);
	problem_begin(&problem, exchange, PROBLEM_INVALID,
		      SLICE("sbcd cannot run on it; nothing was changed"));
	/* "what is wrong; what would be right" */
	detail = slice_head(failure->detail, slice_find(failure->detail, SLICE("; ")));
	problem_error(&problem, pointer, slice_head(text_done(&text), 200), detail,
		      slice_skip(failure->detail, detail.len + 2));
	problem_end(&problem);
}

enum change { CHANGE_ADDED, CHANGE_CHANGED, CHANGE_REMOVED };

/* The names of one collection's items that are in `in` and stand so to `other`. */
static void put_changes(struct json_out *out, const struct kind *kind, const struct json_t *in,
			const struct json_t *other, bool in_both)
{
	for (size_t i = 0; i < jdoc_count(in); i++) {
		struct json_t *item = jdoc_item(in, i);
		struct slice name = jdoc_text(jdoc_member_lit(item, "name"));
		char storage[512];
		struct text text;
		size_t at = 0;

		if (jdoc_find_named(other, name, &at) != in_both ||
		    (in_both && jdoc_equal(item, jdoc_item(other, at))))
			continue;
		text_init(&text, storage, sizeof(storage));
		text_printf(&text, "%s/%.*s", kind->path, SLICE_ARG(name));
		json_put_str(out, NULL, text_done(&text));
	}
}

/* How the document would change, by the names of its resources. */
static void answer_dry_run(struct write_job *job)
{
	static const char *const names[] = { "added", "changed", "removed" };
	const struct json_t *old = job->call.api->document;
	struct json_out out;

	json_out_init(&out, http_body(job->call.exchange));
	json_open_object(&out, NULL);
	json_put_bool(&out, "valid", true);
	for (enum change change = CHANGE_ADDED; change <= CHANGE_REMOVED; change++) {
		const struct json_t *from = change == CHANGE_REMOVED ? old : job->next;
		const struct json_t *against = change == CHANGE_REMOVED ? job->next : old;

		json_open_array(&out, names[change]);
		for (size_t i = 0; i < api_kind_count; i++)
			put_changes(&out, &api_kinds[i],
				    jdoc_member_lit(from, api_kinds[i].member),
				    jdoc_member_lit(against, api_kinds[i].member),
				    change == CHANGE_CHANGED);
		json_close_array(&out);
	}
	json_close_object(&out);
	http_answer(job->call.exchange, 200, API_JSON);
}

/* The pending version is taken back. */
static void job_undo(struct write_job *job)
{
	store_config_drop(job->call.api->store, job->version);
	snapshot_delete(job->call.api, job->version);
}

static enum err job_commit(struct write_job *job)
{
	struct api *api = job->call.api;
	uint64_t old = api->version;
	enum err err = store_config_commit(api->store, job->version);

	if (err != OK)
		return err;
	api->version = job->version;
	api->sbcd_version = job->version;
	jdoc_free(&api->document);
	api->document = job->next;
	job->next = NULL;
	/* From here on it is so; a file that could not be renamed is made anew at the next start. */
	err = snapshot_make_current(api, job->version);
	if (err != OK)
		log_write(api->log, LOG_LEVEL_ERROR, EVENT_store_failed,
			  LOG_T("file", "config/current.json"), LOG_T("detail", err_text(err)));
	else
		snapshot_delete(api, old);
	log_write(api->log, LOG_LEVEL_INFO, EVENT_config_changed, LOG_U("version", job->version),
		  LOG_S("change", job->note),
		  LOG_T("author", http_data(job->call.exchange)));
	stats_add(api->metrics.row, api->metrics.config_writes, 1);
	return OK;
}

static void job_taken(struct write_job *job)
{
	struct api *api = job->call.api;
	enum err err = job_commit(job);

	if (err == OK) {
		job->answer(job);
		return;
	}
	/* sbcd runs on what could not be stored: it gets the old version back. */
	job_undo(job);
	api->sbcd_version = job->version;
	problem_internal(job->call.exchange, err);
}

static void on_applied(void *owner, const struct ctl_message *answer)
{
	struct write_job *job = owner;
	struct api *api = job->call.api;
	bool late = !answer && upstream_up(&api->sbcd);

	api->writing = NULL;
	if (answer && answer->type == CTL_done) {
		job_taken(job);
	} else {
		job_undo(job);
		stats_add(api->metrics.row, api->metrics.config_refused, 1);
		if (answer && answer->type == CTL_failure)
			answer_refused(job, &answer->failure);
		else if (late)
			problem_answer(job->call.exchange, PROBLEM_TIMEOUT,
				       "sbcd did not answer; the old configuration is restored");
		else
			answer_sbcd_away(job);
	}
	job_end(job);
	/* Whether sbcd runs on it now is not known: the next hello tells, and we repair. */
	if (late)
		upstream_reset(&api->sbcd);
	reapply(api);
	write_pump(api);
}

/* True: the new document is a valid one; otherwise it was answered. */
static bool job_check(struct write_job *job)
{
	struct http_exchange *exchange = job->call.exchange;
	struct conf_provisioning provisioning;
	struct conf_errors errors;
	char storage[512];
	struct text pointer;
	enum err err;

	text_init(&pointer, storage, sizeof(storage));
	err = jdoc_unmask(job->next, job->call.api->document, &pointer);
	if (err == ERR_NOENT) {
		answer_no_secret(job, text_done(&pointer));
		return false;
	}
	if (err == OK)
		err = conf_provisioning_check(http_arena(exchange), job->next, &provisioning,
					      &errors);
	if (err == OK)
		return true;
	if (err == ERR_SYNTAX)
		answer_invalid(job, &errors);
	else
		problem_internal(exchange, err);
	return false;
}

static enum err job_write_down(struct write_job *job, const char **ret_path)
{
	struct api *api = job->call.api;
	struct arena *arena = http_arena(job->call.exchange);
	struct store_version about = { .created_unix_ms = api->loop->now_unix_ms,
				       .author = slice_text(http_data(job->call.exchange)),
				       .note = job->note };
	struct text text;
	enum err err;

	text_init_arena(&text, arena, 4096);
	jdoc_write_canonical(&text, job->next);
	if (text.err != OK)
		return text.err;
	err = store_config_begin(api->store, &about, text_done(&text), &job->version);
	if (err != OK)
		return err;
	err = snapshot_write(api, arena, job->version, text_done(&text), ret_path);
	if (err != OK)
		store_config_drop(api->store, job->version);
	return err;
}

/* True: sbcd has it now. */
static bool job_send(struct write_job *job)
{
	struct ctl_message question = { .type = CTL_config_apply };
	struct api *api = job->call.api;
	const char *path;
	enum err err;

	if (!upstream_up(&api->sbcd)) {
		answer_sbcd_away(job);
		return false;
	}
	err = job_write_down(job, &path);
	if (err != OK) {
		problem_internal(job->call.exchange, err);
		return false;
	}
	question.config_apply.version = job->version;
	question.config_apply.path = slice_text(path);
	if (upstream_ask(&api->sbcd, &job->ask, &question, APPLY_MS, on_applied, job))
		return true;
	job_undo(job);
	answer_sbcd_away(job);
	return false;
}

/* True: it waits for sbcd; false: it was answered. */
static bool job_run(struct write_job *job)
{
	struct api *api = job->call.api;
	enum err err = jdoc_copy(api->document, &job->next);

	if (err != OK) {
		problem_internal(job->call.exchange, err);
		return false;
	}
	if (!job->build(job))
		return false;
	err = document_complete(job->next);
	if (err != OK) {
		problem_internal(job->call.exchange, err);
		return false;
	}
	if (!job_check(job)) {
		stats_add(api->metrics.row, api->metrics.config_refused, 1);
		return false;
	}
	if (job->dry_run) {
		answer_dry_run(job);
		return false;
	}
	/* What changes nothing makes no version, provided that sbcd runs on what we have. */
	if (upstream_up(&api->sbcd) && api->sbcd_version == api->version &&
	    jdoc_equal(job->next, api->document)) {
		job->answer(job);
		return false;
	}
	return job_send(job);
}

static void write_pump(struct api *api)
{
	struct list *node;

	while (!api->writing && !api->reapplying && (node = list_pop(&api->writes))) {
		struct write_job *job = container_of(node, struct write_job, link);

		if (job_run(job))
			api->writing = job;
		else
			job_end(job);
	}
}

struct write_job *write_new(struct api_call *call, bool needs_body)
{
	static const char *const parameters[] = { "dry_run", NULL };
	struct http_exchange *exchange = call->exchange;
	struct write_job *job = arena_new(http_arena(exchange), struct write_job);
	struct slice value;

	if (!job) {
		problem_internal(exchange, ERR_NOMEM);
		return NULL;
	}
	if (!query_only(call, parameters))
		return NULL;
	job->call = *call;
	if (query_get(call, "dry_run", &value)) {
		job->dry_run = slice_eq(value, SLICE("true"));
		if (!job->dry_run && !slice_eq(value, SLICE("false"))) {
			problem_answer(exchange, PROBLEM_MALFORMED, "dry_run: true or false");
			return NULL;
		}
	}
	job->note = arena_printf(http_arena(exchange), "%.*s %.*s",
				 SLICE_ARG(http_request(exchange)->method_text),
				 SLICE_ARG(slice_head(http_request(exchange)->path, 200)));
	if (needs_body && !document_body(exchange, &job->body))
		return NULL;
	return job;
}

void write_submit(struct write_job *job)
{
	struct api *api = job->call.api;

	list_add_tail(&api->writes, &job->link);
	write_pump(api);
}

void write_abandon(struct api *api)
{
	struct list *node;

	loop_timer_stop(api->loop, &api->reapply_timer);
	while ((node = list_pop(&api->writes))) {
		struct write_job *job = container_of(node, struct write_job, link);

		problem_answer(job->call.exchange, PROBLEM_UNAVAILABLE, "mgmt-apid stops");
		job_end(job);
	}
}

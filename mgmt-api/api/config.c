/* SPDX-License-Identifier: MIT
 * The whole provisioning document, and its versions. */
#include "mgmt-api/api/api_priv.h"

static void tell_version(struct api_call *call)
{
	struct slice value = arena_printf(http_arena(call->exchange), "%llu",
					  (unsigned long long)call->api->version);

	http_header(call->exchange, "Sbc-Config-Version", value.p);
}

void get_config(struct api_call *call)
{
	tell_version(call);
	document_answer(call->api, call->exchange, 200, call->api->document);
}

static void answer_config(struct write_job *job)
{
	get_config(&job->call);
}

/* A document that forgets one of these would silently delete all of them: [] says so on purpose. */
static bool names_collections(struct write_job *job)
{
	static const char *const needed[] = { "/realms", "/trunks", "/routes" };
	struct problem problem;
	unsigned missing = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!jdoc_is_object(job->body) || jdoc_member_lit(job->body, needed[i] + 1))
			continue;
		if (missing++ == 0)
			problem_begin(&problem, job->call.exchange, PROBLEM_INVALID,
				      SLICE("the document is not whole; nothing was changed"));
		problem_error(&problem, slice_text(needed[i]), SLICE_NONE, SLICE("it is missing"),
			      SLICE("a list; [] to have none"));
	}
	if (missing > 0)
		problem_end(&problem);
	return missing == 0;
}

static bool build_config(struct write_job *job)
{
	if (!document_match(job->call.api, job->call.exchange, job->next))
		return false;
	jdoc_free(&job->next);
	job->next = job->body;
	job->body = NULL;
	return true;
}

static bool build_put(struct write_job *job)
{
	return names_collections(job) && build_config(job);
}

void put_config(struct api_call *call)
{
	struct write_job *job = write_new(call, true);

	if (!job)
		return;
	job->build = build_put;
	job->answer = answer_config;
	write_submit(job);
}

void list_versions(struct api_call *call)
{
	static const char *const parameters[] = { "limit", "cursor", NULL };
	struct store_version *items;
	struct slice cursor;
	struct json_out out;
	uint64_t before = 0;
	unsigned limit;
	size_t count;
	enum err err;

	if (!query_only(call, parameters) || !query_limit(call, &limit))
		return;
	if (query_get(call, "cursor", &cursor) && parse_u64(cursor, &before) != OK) {
		problem_answer(call->exchange, PROBLEM_MALFORMED, "cursor: not one of ours");
		return;
	}
	/* One more than is shown tells whether there are more. */
	err = store_config_list(call->api->store, http_arena(call->exchange), before, limit + 1,
				&items, &count);
	if (err != OK) {
		problem_internal(call->exchange, err);
		return;
	}
	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_open_array(&out, "items");
	for (size_t i = 0; i < count && i < limit; i++) {
		json_open_object(&out, NULL);
		json_put_u64(&out, "version", items[i].version);
		json_put_time(&out, "created_at", items[i].created_unix_ms);
		json_put_str(&out, "author", items[i].author);
		json_put_str(&out, "note", items[i].note);
		json_put_bool(&out, "current", items[i].current);
		json_close_object(&out);
	}
	json_close_array(&out);
	if (count > limit)
		json_put_str(&out, "next",
			     arena_printf(http_arena(call->exchange), "%llu",
					  (unsigned long long)items[limit - 1].version));
	else
		json_put_null(&out, "next");
	json_close_object(&out);
	http_answer(call->exchange, 200, API_JSON);
}

/* The stored document of the version in the path; false: it was answered. */
static bool version_read(struct api_call *call, struct json_t **ret)
{
	struct jdoc_fault fault;
	struct slice text;
	uint64_t version;
	enum err err;

	if (parse_u64(call->params[0], &version) != OK || version > INT64_MAX) {
		problem_answer(call->exchange, PROBLEM_NOT_FOUND, "a version is a number");
		return false;
	}
	err = store_config_text(call->api->store, http_arena(call->exchange), version, &text);
	if (err == ERR_NOENT) {
		problem_answer(call->exchange, PROBLEM_NOT_FOUND, "there is no such version");
		return false;
	}
	if (err == OK)
		err = jdoc_parse(text, ret, &fault);
	if (err != OK)
		problem_internal(call->exchange, err);
	return err == OK;
}

void get_version(struct api_call *call)
{
	struct json_t *document;

	if (!version_read(call, &document))
		return;
	document_answer(call->api, call->exchange, 200, document);
	jdoc_free(&document);
}

static void answer_restored(struct write_job *job)
{
	struct api_call *call = &job->call;
	uint64_t version = 0;
	struct json_out out;

	if (parse_u64(call->params[0], &version) != OK)
		version = 0; /* not reached: the version was read by this number */
	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_put_u64(&out, "version", call->api->version);
	json_put_u64(&out, "restored", version);
	json_close_object(&out);
	tell_version(call);
	http_answer(call->exchange, 200, API_JSON);
}

/* The old text becomes a new version, checked like any other: the rules may have changed since. */
void restore_version(struct api_call *call)
{
	struct write_job *job = write_new(call, false);

	if (!job || !version_read(call, &job->body))
		return;
	job->build = build_config;
	job->answer = answer_restored;
	write_submit(job);
}

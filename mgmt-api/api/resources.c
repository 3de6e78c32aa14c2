/* SPDX-License-Identifier: MIT
 * The provisioning's collections, all by the same code: list, get, put, patch and delete of an item
 * that is known by its name. */
#include "mgmt-api/api/api_priv.h"

const struct kind api_kinds[] = {
	{ "realms", "realms", "realm" },
	{ "trunks", "trunks", "trunk" },
	{ "routes", "routes", "route" },
	{ "users", "users", "user" },
	{ "access-rules", "access_rules", "access rule" },
	{ "tls-profiles", "tls_profiles", "TLS profile" },
};
const size_t api_kind_count = sizeof(api_kinds) / sizeof(api_kinds[0]);

static struct json_t *item_find(const struct api_call *call, struct json_t *document,
				struct json_t **ret_list, size_t *ret_index)
{
	struct json_t *list = jdoc_member_lit(document, call->kind->member);

	*ret_list = list;
	if (!jdoc_find_named(list, call->params[0], ret_index))
		return NULL;
	return jdoc_item(list, *ret_index);
}

static void answer_missing(const struct api_call *call)
{
	struct arena *arena = http_arena(call->exchange);
	struct slice detail = arena_printf(arena, "there is no %s of this name",
					   call->kind->singular);

	problem_answer(call->exchange, PROBLEM_NOT_FOUND, detail.p);
}

static enum err put_masked(struct json_out *out, const struct json_t *item)
{
	struct json_t *shown;
	enum err err = jdoc_copy(item, &shown);

	if (err != OK)
		return err;
	err = jdoc_mask(shown);
	if (err == OK)
		json_put_doc(out, NULL, shown);
	jdoc_free(&shown);
	return err;
}

/* In the order of the document; the cursor is the position to go on from. */
void list_items(struct api_call *call)
{
	static const char *const parameters[] = { "limit", "cursor", NULL };
	const struct json_t *list = jdoc_member_lit(call->api->document, call->kind->member);
	struct slice cursor;
	struct json_out out;
	uint32_t first = 0;
	unsigned limit;
	size_t i;

	if (!query_only(call, parameters) || !query_limit(call, &limit))
		return;
	if (query_get(call, "cursor", &cursor) && parse_u32(cursor, &first) != OK) {
		problem_answer(call->exchange, PROBLEM_MALFORMED, "cursor: not one of ours");
		return;
	}
	json_out_init(&out, http_body(call->exchange));
	json_open_object(&out, NULL);
	json_open_array(&out, "items");
	for (i = first; i < jdoc_count(list) && i - first < limit; i++) {
		enum err err = put_masked(&out, jdoc_item(list, i));

		if (err != OK) {
			problem_internal(call->exchange, err);
			return;
		}
	}
	json_close_array(&out);
	if (i < jdoc_count(list))
		json_put_str(&out, "next", arena_printf(http_arena(call->exchange), "%zu", i));
	else
		json_put_null(&out, "next");
	json_close_object(&out);
	http_answer(call->exchange, 200, API_JSON);
}

void get_item(struct api_call *call)
{
	struct json_t *list;
	struct json_t *item;
	size_t index;

	item = item_find(call, call->api->document, &list, &index);
	if (!item)
		answer_missing(call);
	else
		document_answer(call->api, call->exchange, 200, item);
}

static void answer_item(struct write_job *job)
{
	struct api_call *call = &job->call;
	struct json_t *list;
	struct json_t *item;
	struct slice path;
	size_t index;

	item = item_find(call, call->api->document, &list, &index);
	if (job->created) {
		path = arena_printf(http_arena(call->exchange), "%.*s",
				    SLICE_ARG(http_request(call->exchange)->path));
		http_header(call->exchange, "Location", path.p);
	}
	document_answer(call->api, call->exchange, job->created ? 201 : 200, item);
}

/* The name in the path is the item's; a body may leave it out, but not say another. */
static bool name_settle(struct write_job *job, struct json_t *item, size_t index)
{
	struct json_t *said = jdoc_member_lit(item, "name");
	struct slice name = job->call.params[0];
	struct arena *arena = http_arena(job->call.exchange);
	struct problem problem;

	if (!jdoc_is_object(item)) {
		problem_begin(&problem, job->call.exchange, PROBLEM_INVALID,
			      SLICE("the body is no object; nothing was changed"));
		problem_error(&problem, arena_printf(arena, "/%s/%zu", job->call.kind->member, index),
			      SLICE_NONE, SLICE("not an object"), SLICE("a JSON object"));
		problem_end(&problem);
		return false;
	}
	if (!said) {
		if (jdoc_set_text(item, "name", name) == OK)
			return true;
		/* jansson refuses text that is not UTF-8, which a path may hold. */
		problem_answer(job->call.exchange, PROBLEM_MALFORMED, "the name is not UTF-8");
		return false;
	}
	if (slice_eq(jdoc_text(said), name))
		return true;
	problem_begin(&problem, job->call.exchange, PROBLEM_INVALID,
		      SLICE("the name is fixed; nothing was changed"));
	problem_error(&problem, arena_printf(arena, "/%s/%zu/name", job->call.kind->member, index),
		      SLICE_NONE, SLICE("another name than in the path"),
		      arena_printf(arena, "\"%.*s\", or no name at all", SLICE_ARG(name)));
	problem_end(&problem);
	return false;
}

static bool build_put(struct write_job *job)
{
	struct http_exchange *exchange = job->call.exchange;
	struct json_t *list;
	struct json_t *old;
	struct json_t *item;
	size_t index;
	enum err err;

	old = item_find(&job->call, job->next, &list, &index);
	if (!document_match(job->call.api, exchange, old))
		return false;
	if (!old)
		index = jdoc_count(list);
	if (!name_settle(job, job->body, index))
		return false;
	job->created = !old;
	item = job->body;
	job->body = NULL;
	err = old ? jdoc_replace(list, index, item) : jdoc_append(list, item);
	if (err != OK)
		problem_internal(exchange, err);
	return err == OK;
}

void put_item(struct api_call *call)
{
	struct write_job *job = write_new(call, true);

	if (!job)
		return;
	job->build = build_put;
	job->answer = answer_item;
	write_submit(job);
}

static bool build_patch(struct write_job *job)
{
	struct http_exchange *exchange = job->call.exchange;
	struct json_t *patched = NULL;
	struct json_t *list;
	struct json_t *old;
	size_t index;
	enum err err;

	old = item_find(&job->call, job->next, &list, &index);
	if (!old) {
		answer_missing(&job->call);
		return false;
	}
	if (!document_match(job->call.api, exchange, old))
		return false;
	err = jdoc_copy(old, &patched);
	if (err == OK)
		err = jdoc_merge_patch(&patched, job->body);
	if (err != OK) {
		if (patched)
			jdoc_free(&patched);
		problem_internal(exchange, err);
		return false;
	}
	if (!name_settle(job, patched, index)) {
		jdoc_free(&patched);
		return false;
	}
	err = jdoc_replace(list, index, patched);
	if (err != OK)
		problem_internal(exchange, err);
	return err == OK;
}

void patch_item(struct api_call *call)
{
	struct write_job *job = write_new(call, true);

	if (!job)
		return;
	job->build = build_patch;
	job->answer = answer_item;
	write_submit(job);
}

static bool build_delete(struct write_job *job)
{
	struct json_t *list;
	struct json_t *old;
	size_t index;

	old = item_find(&job->call, job->next, &list, &index);
	if (!old) {
		answer_missing(&job->call);
		return false;
	}
	if (!document_match(job->call.api, job->call.exchange, old))
		return false;
	if (references_answer(job, job->next))
		return false;
	jdoc_remove(list, index);
	return true;
}

static void answer_deleted(struct write_job *job)
{
	http_answer(job->call.exchange, 204, NULL);
}

void delete_item(struct api_call *call)
{
	struct write_job *job = write_new(call, false);

	if (!job)
		return;
	job->build = build_delete;
	job->answer = answer_deleted;
	write_submit(job);
}

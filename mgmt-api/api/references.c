/* SPDX-License-Identifier: MIT
 * Who uses a resource: where in the document names of others stand. */
#include "mgmt-api/api/api_priv.h"

static const struct {
	const char *target; /* the member whose item is named */
	const char *user;   /* the member whose items may name it */
	const char *path;   /* inside the user; * is any item of a list */
} places[] = {
	{ "realms", "trunks", "realm" },
	{ "realms", "routes", "match/realm" },
	{ "realms", "users", "realm" },
	{ "realms", "access_rules", "realm" },
	{ "trunks", "routes", "match/trunk" },
	{ "trunks", "routes", "targets/*/trunk" },
	{ "tls_profiles", "realms", "listeners/*/tls_profile" },
};

struct search {
	const struct kind *kind;
	struct slice name;
	struct slice user_path; /* "routes" as in the URL */
	struct slice user_name;
	struct http_exchange *exchange;
	struct problem problem;
	unsigned found;
};

static void tell(struct search *search, struct slice pointer)
{
	struct arena *arena = http_arena(search->exchange);

	if (search->found++ == 0)
		problem_begin(&search->problem, search->exchange, PROBLEM_IN_USE,
			      arena_printf(arena, "%s \"%.*s\" is in use; nothing was changed",
					   search->kind->singular, SLICE_ARG(search->name)));
	problem_error(&search->problem, pointer,
		      arena_printf(arena, "\"%.*s\"", SLICE_ARG(search->name)),
		      arena_printf(arena, "used by %.*s/%.*s", SLICE_ARG(search->user_path),
				   SLICE_ARG(search->user_name)),
		      SLICE("change or delete what uses it first"));
}

/* Follows the path through value; its depth is that of the table. */
static void follow(struct search *search, const struct json_t *value, struct slice path,
		   struct slice pointer)
{
	struct arena *arena = http_arena(search->exchange);
	struct slice step = slice_head(path, slice_find_char(path, '/'));
	struct slice rest = slice_skip(path, step.len + 1);

	if (!value)
		return;
	if (step.len == 0) {
		if (slice_eq(jdoc_text(value), search->name))
			tell(search, pointer);
	} else if (!slice_eq(step, SLICE("*"))) {
		follow(search, jdoc_member(value, step), rest,
		       arena_printf(arena, "%.*s/%.*s", SLICE_ARG(pointer), SLICE_ARG(step)));
	} else {
		for (size_t i = 0; i < jdoc_count(value); i++)
			follow(search, jdoc_item(value, i), rest,
			       arena_printf(arena, "%.*s/%zu", SLICE_ARG(pointer), i));
	}
}

bool references_answer(struct write_job *job, const struct json_t *document)
{
	struct search search = { .kind = job->call.kind, .name = job->call.params[0],
				 .exchange = job->call.exchange };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct json_t *users = jdoc_member_lit(document, places[i].user);

		if (strcmp(places[i].target, search.kind->member) != 0)
			continue;
		for (size_t k = 0; k < api_kind_count; k++)
			if (strcmp(api_kinds[k].member, places[i].user) == 0)
				search.user_path = slice_text(api_kinds[k].path);
		for (size_t n = 0; n < jdoc_count(users); n++) {
			const struct json_t *user = jdoc_item(users, n);

			search.user_name = jdoc_text(jdoc_member_lit(user, "name"));
			follow(&search, user, slice_text(places[i].path),
			       arena_printf(http_arena(search.exchange), "/%s/%zu", places[i].user,
					    n));
		}
	}
	if (search.found == 0)
		return false;
	problem_end(&search.problem);
	return true;
}

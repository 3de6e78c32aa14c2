/* SPDX-License-Identifier: MIT
 * PCRE2 under limits, in the caller's arena: a hostile number against a careless expression costs
 * ROUTE_MATCH_LIMIT steps and no more. */
#include "sbc/route/route_priv.h"

#include "lib/base/ensure.h"

#define GROUPS 10u /* $0 … $9 */

static void *memory_take(PCRE2_SIZE size, void *context)
{
	char *p = arena_reserve(context, size);

	if (p)
		arena_commit(context, size);
	return p;
}

/* The arena goes whole. */
static void memory_give(void *p, void *context)
{
	(void)p;
	(void)context;
}

static enum err matcher_open(struct matcher *matcher)
{
	if (matcher->data)
		return OK;
	matcher->general = pcre2_general_context_create(memory_take, memory_give, matcher->arena);
	if (!matcher->general)
		return ERR_NOMEM;
	matcher->context = pcre2_match_context_create(matcher->general);
	if (!matcher->context)
		return ERR_NOMEM;
	pcre2_set_match_limit(matcher->context, ROUTE_MATCH_LIMIT);
	pcre2_set_depth_limit(matcher->context, ROUTE_MATCH_LIMIT);
	pcre2_set_heap_limit(matcher->context, ROUTE_MATCH_HEAP_KIB);
	matcher->data = pcre2_match_data_create(GROUPS, matcher->general);
	return matcher->data ? OK : ERR_NOMEM;
}

enum err matcher_run(struct matcher *matcher, const pcre2_code *code, struct slice subject)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.p ? subject.p : "");
	enum err err = matcher_open(matcher);
	int result;

	if (err != OK)
		return err;
	result = pcre2_match(code, text, subject.len, 0, 0, matcher->data, matcher->context);
	if (result >= 0)
		return OK;
	if (result == PCRE2_ERROR_NOMEMORY)
		return ERR_NOMEM;
	if (result != PCRE2_ERROR_NOMATCH)
		settings_count_match_limit(matcher->settings);
	return ERR_NOENT;
}

/* Group n of the last match; empty when it took no part. */
static struct slice group(const struct matcher *matcher, struct slice subject, uint32_t n)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(matcher->data);

	ensure(n < GROUPS);
	/* \K can put a start behind its end. */
	if (at[2 * n] == PCRE2_UNSET || at[2 * n] > at[2 * n + 1])
		return slice_of(subject.p, 0);
	return slice_of(subject.p + at[2 * n], at[2 * n + 1] - at[2 * n]);
}

static void expand(struct text *text, const struct matcher *matcher, struct slice subject,
		   struct slice replace)
{
	for (size_t i = 0; i < replace.len; i++) {
		char next = i + 1 < replace.len ? replace.p[i + 1] : 0;

		if (replace.p[i] == '$' && char_is(next, CC_DIGIT)) {
			text_slice(text, group(matcher, subject, (uint32_t)(next - '0')));
			i++;
		} else {
			text_char(text, replace.p[i]);
			i += replace.p[i] == '$' && next == '$';
		}
	}
}

static enum err replace_match(struct matcher *matcher, struct slice replace, struct slice *number)
{
	struct slice hit = group(matcher, *number, 0);
	size_t before = (size_t)(hit.p - number->p);
	char storage[ROUTE_NUMBER_MAX_BYTES];
	struct text text;

	text_init(&text, storage, sizeof(storage));
	text_slice(&text, slice_head(*number, before));
	expand(&text, matcher, *number, replace);
	text_slice(&text, slice_skip(*number, before + hit.len));
	return text.err == OK ? arena_keep(matcher->arena, text_done(&text), number) : ERR_NOENT;
}

enum err matcher_rewrite(struct matcher *matcher, const struct settings_rewrite *rules,
			 size_t count, struct slice *number)
{
	for (size_t i = 0; i < count; i++) {
		enum err err = matcher_run(matcher, rules[i].match, *number);

		if (err == ERR_NOENT)
			continue;
		if (err == OK)
			err = replace_match(matcher, rules[i].replace, number);
		if (err != OK)
			return err;
	}
	return OK;
}

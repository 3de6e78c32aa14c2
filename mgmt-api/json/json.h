/* SPDX-License-Identifier: MIT
 * JSON for mgmt-api: documents (jansson's values behind an opaque pointer, jdoc_…) and a streaming
 * writer (json_…) that makes valid JSON of any bytes. With lib/conf the only place that knows jansson.
 * A struct json_t * that a function returns through ret is the caller's (jdoc_free); what is looked
 * up inside a document is borrowed from it. */
#pragma once

#include "lib/base/text.h"

struct json_t;

#define JDOC_MAX_DEPTH 32u
#define JDOC_MASK "***" /* what a secret reads back as */

struct jdoc_fault {
	char detail[160]; /* what is wrong and where; shows no content */
};

/* Strict RFC 8259: UTF-8, no duplicate names, at most JDOC_MAX_DEPTH levels (checked before anything
 * is built). ERR_SYNTAX or ERR_LIMIT with *ret_fault filled; ERR_NOMEM. */
must_use enum err jdoc_parse(struct slice text, struct json_t **ret, struct jdoc_fault *ret_fault);
void jdoc_free(struct json_t **doc);
must_use enum err jdoc_copy(const struct json_t *doc, struct json_t **ret);
must_use enum err jdoc_new_array(struct json_t **ret);

bool jdoc_is_object(const struct json_t *value);
bool jdoc_is_array(const struct json_t *value);
bool jdoc_equal(const struct json_t *a, const struct json_t *b);
/* Borrowed from the value; empty when it is no string. */
struct slice jdoc_text(const struct json_t *value);
/* 0 when it is no integer. */
int64_t jdoc_integer(const struct json_t *value);
/* NULL: not an object, or no such member. */
struct json_t *jdoc_member(const struct json_t *object, struct slice name);
struct json_t *jdoc_member_lit(const struct json_t *object, const char *name);
size_t jdoc_count(const struct json_t *array);
struct json_t *jdoc_item(const struct json_t *array, size_t index);
/* Position of the item whose "name" is this; false: none. */
bool jdoc_find_named(const struct json_t *array, struct slice name, size_t *ret_index);
/* What a JSON pointer (RFC 6901) names; NULL when there is no such thing. */
struct json_t *jdoc_at(struct json_t *doc, struct slice pointer);

/* These take the value over, whether they succeed or not (ERR_NOMEM, ERR_STATE: wrong container). */
must_use enum err jdoc_set(struct json_t *object, const char *name, struct json_t *value);
must_use enum err jdoc_set_text(struct json_t *object, const char *name, struct slice value);
must_use enum err jdoc_append(struct json_t *array, struct json_t *value);
must_use enum err jdoc_replace(struct json_t *array, size_t index, struct json_t *value);
void jdoc_remove(struct json_t *array, size_t index);

/* RFC 7396: *target becomes the patched document (another value, maybe). */
must_use enum err jdoc_merge_patch(struct json_t **target, const struct json_t *patch);

/* Every secret (a string member named "password") becomes JDOC_MASK, in place. */
must_use enum err jdoc_mask(struct json_t *doc);
/* Every secret that reads JDOC_MASK gets the value it has at the same place of `old`, where items of
 * arrays are matched by their "name". ERR_NOENT: there is none; pointer holds the place. */
must_use enum err jdoc_unmask(struct json_t *doc, const struct json_t *old, struct text *pointer);

/* As given (members in their order), without white space; or canonical: members sorted, so that
 * equal documents are equal bytes. */
void jdoc_write(struct text *text, const struct json_t *value);
void jdoc_write_canonical(struct text *text, const struct json_t *value);
void jdoc_write_pretty(struct text *text, const struct json_t *value);

/* ---- the writer ---- */
struct json_out {
	struct text *text;
	unsigned depth;
	uint64_t filled; /* bit n: the container at depth n has a member already */
};

void json_out_init(struct json_out *out, struct text *text);
/* key: NULL inside an array or at the top. */
void json_open_object(struct json_out *out, const char *key);
void json_close_object(struct json_out *out);
void json_open_array(struct json_out *out, const char *key);
void json_close_array(struct json_out *out);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_put_str(struct json_out *out, const char *key, struct slice value);
/* An empty slice becomes null. */
void json_put_str_or_null(struct json_out *out, const char *key, struct slice value);
void json_put_u64(struct json_out *out, const char *key, uint64_t value);
void json_put_i64(struct json_out *out, const char *key, int64_t value);
/* value / 10^decimals as a decimal fraction. */
void json_put_fixed(struct json_out *out, const char *key, uint64_t value, unsigned decimals);
void json_put_bool(struct json_out *out, const char *key, bool value);
void json_put_null(struct json_out *out, const char *key);
/* ISO 8601 in UTC with milliseconds; 0 becomes null. */
void json_put_time(struct json_out *out, const char *key, uint64_t unix_ms);
void json_put_doc(struct json_out *out, const char *key, const struct json_t *value);

/* "2026-01-31T23:59:59.999Z". */
void json_write_time(struct text *text, uint64_t unix_ms);

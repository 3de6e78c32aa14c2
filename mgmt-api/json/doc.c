/* SPDX-License-Identifier: MIT
 * Looking into documents, changing them, and writing them out. Values are counted by jansson; here
 * each has one owner, and what goes into a container belongs to it. */
#include "mgmt-api/json/json.h"

#include <jansson.h>

enum err jdoc_copy(const struct json_t *doc, struct json_t **ret)
{
	json_t *copy = json_deep_copy(doc);

	if (!copy)
		return ERR_NOMEM;
	*ret = copy;
	return OK;
}

enum err jdoc_new_array(struct json_t **ret)
{
	json_t *array = json_array();

	if (!array)
		return ERR_NOMEM;
	*ret = array;
	return OK;
}

bool jdoc_is_object(const struct json_t *value)
{
	return json_is_object(value);
}

bool jdoc_is_array(const struct json_t *value)
{
	return json_is_array(value);
}

bool jdoc_equal(const struct json_t *a, const struct json_t *b)
{
	return json_equal(a, b);
}

struct slice jdoc_text(const struct json_t *value)
{
	if (!json_is_string(value))
		return SLICE_NONE;
	return slice_of(json_string_value(value), json_string_length(value));
}

int64_t jdoc_integer(const struct json_t *value)
{
	return json_integer_value(value);
}

struct json_t *jdoc_member(const struct json_t *object, struct slice name)
{
	const char *key;
	json_t *value;
	void *at;

	if (!json_is_object(object))
		return NULL;
	/* By hand, for the name is not NUL-terminated and jansson 2.14 cannot take a length here. */
	for (at = json_object_iter((json_t *)(uintptr_t)object); at;
	     at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		key = json_object_iter_key(at);
		value = json_object_iter_value(at);
		if (slice_eq(slice_text(key), name))
			return value;
	}
	return NULL;
}

struct json_t *jdoc_member_lit(const struct json_t *object, const char *name)
{
	return json_object_get(object, name);
}

size_t jdoc_count(const struct json_t *array)
{
	return json_array_size(array);
}

struct json_t *jdoc_item(const struct json_t *array, size_t index)
{
	return json_array_get(array, index);
}

bool jdoc_find_named(const struct json_t *array, struct slice name, size_t *ret_index)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *value = json_object_get(json_array_get(array, i), "name");

		if (json_is_string(value) && slice_eq(jdoc_text(value), name)) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

/* One reference token with ~1 and ~0 undone (RFC 6901 section 4). */
static struct slice pointer_token(struct slice token, char *storage, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < token.len && len < cap; i++) {
		char c = token.p[i];

		if (c == '~' && i + 1 < token.len)
			c = token.p[++i] == '1' ? '/' : '~';
		storage[len++] = c;
	}
	return slice_of(storage, len);
}

struct json_t *jdoc_at(struct json_t *doc, struct slice pointer)
{
	char storage[256];

	while (doc && pointer.len > 0) {
		struct slice token;
		uint32_t index;

		pointer = slice_skip(pointer, 1); /* the slash */
		token = slice_head(pointer, slice_find_char(pointer, '/'));
		pointer = slice_skip(pointer, token.len);
		if (json_is_array(doc))
			doc = parse_u32(token, &index) == OK ? json_array_get(doc, index) : NULL;
		else
			doc = jdoc_member(doc, pointer_token(token, storage, sizeof(storage)));
	}
	return doc;
}

enum err jdoc_set(struct json_t *object, const char *name, struct json_t *value)
{
	return json_object_set_new(object, name, value) == 0 ? OK : ERR_NOMEM;
}

enum err jdoc_set_text(struct json_t *object, const char *name, struct slice value)
{
	json_t *string = json_stringn(value.p ? value.p : "", value.len);

	if (!string)
		return ERR_NOMEM;
	return jdoc_set(object, name, string);
}

enum err jdoc_append(struct json_t *array, struct json_t *value)
{
	return json_array_append_new(array, value) == 0 ? OK : ERR_NOMEM;
}

enum err jdoc_replace(struct json_t *array, size_t index, struct json_t *value)
{
	return json_array_set_new(array, index, value) == 0 ? OK : ERR_NOMEM;
}

void jdoc_remove(struct json_t *array, size_t index)
{
	json_array_remove(array, index);
}

static int write_part(const char *bytes, size_t len, void *text)
{
	text_bytes(text, bytes, len);
	return 0;
}

static void write_with(struct text *text, const struct json_t *value, size_t flags)
{
	if (json_dump_callback(value, write_part, text, flags | JSON_ENCODE_ANY) != 0 &&
	    text->err == OK)
		text->err = ERR_NOMEM;
}

void jdoc_write(struct text *text, const struct json_t *value)
{
	write_with(text, value, JSON_COMPACT);
}

void jdoc_write_canonical(struct text *text, const struct json_t *value)
{
	write_with(text, value, JSON_COMPACT | JSON_SORT_KEYS);
}

void jdoc_write_pretty(struct text *text, const struct json_t *value)
{
	write_with(text, value, JSON_INDENT(2));
}

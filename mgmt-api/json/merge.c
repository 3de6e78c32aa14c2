/* SPDX-License-Identifier: MIT
 * JSON Merge Patch, RFC 7396 section 2, and the two walks over secrets. Recursion is bounded by the
 * depth that the parser admits. */
#include "mgmt-api/json/json.h"

#include <jansson.h>

/* Returns a new reference: target patched. NULL: out of memory. */
static json_t *merged(const json_t *target, const json_t *patch)
{
	const char *name;
	json_t *member;
	json_t *result;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_deep_copy(target) : json_object();
	if (!result)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)patch, name, member)
	{
		json_t *value;

		if (json_is_null(member)) {
			json_object_del(result, name);
			continue;
		}
		value = merged(json_object_get(result, name), member);
		if (!value || json_object_set_new(result, name, value) != 0) {
			json_decref(result);
			return NULL;
		}
	}
	return result;
}

enum err jdoc_merge_patch(struct json_t **target, const struct json_t *patch)
{
	json_t *result = merged(*target, patch);

	if (!result)
		return ERR_NOMEM;
	json_decref(*target);
	*target = result;
	return OK;
}

static bool secret_name(const char *name)
{
	return strcmp(name, "password") == 0;
}

enum err jdoc_mask(struct json_t *doc)
{
	enum err err = OK;
	const char *name;
	json_t *value;
	size_t i;

	json_array_foreach(doc, i, value)
		if (err == OK)
			err = jdoc_mask(value);
	json_object_foreach(doc, name, value)
	{
		if (err != OK)
			break;
		if (!secret_name(name))
			err = jdoc_mask(value);
		else if (json_string_set(value, JDOC_MASK) != 0)
			/* Not a string: a mistake, but what was meant as a secret stays one. */
			err = jdoc_set_text(doc, name, SLICE(JDOC_MASK));
	}
	return err;
}

/* The item of `old` that stands for this one of an array: of the same name, or at the same place. */
static const json_t *counterpart(const json_t *old, size_t index, const json_t *item)
{
	struct slice name = jdoc_text(json_object_get(item, "name"));
	size_t at;

	if (name.len == 0)
		return json_array_get(old, index);
	return jdoc_find_named(old, name, &at) ? json_array_get(old, at) : NULL;
}

/* Restores what is inside `value`; on failure the pointer is left at the place. */
static enum err unmask_member(json_t *object, const char *name, json_t *value, const json_t *old,
			      struct text *pointer)
{
	const json_t *kept = json_object_get(old, name);

	if (!secret_name(name) || !slice_eq(jdoc_text(value), SLICE(JDOC_MASK)))
		return jdoc_unmask(value, kept, pointer);
	if (!json_is_string(kept))
		return ERR_NOENT;
	return jdoc_set_text(object, name, jdoc_text(kept));
}

enum err jdoc_unmask(struct json_t *doc, const struct json_t *old, struct text *pointer)
{
	size_t mark = pointer->len;
	enum err err = OK;
	const char *name;
	json_t *value;
	size_t i;

	json_array_foreach(doc, i, value)
	{
		text_printf(pointer, "/%zu", i);
		err = jdoc_unmask(value, counterpart(old, i, value), pointer);
		if (err != OK)
			return err;
		pointer->len = mark;
	}
	json_object_foreach(doc, name, value)
	{
		text_printf(pointer, "/%s", name);
		err = unmask_member(doc, name, value, old, pointer);
		if (err != OK)
			return err;
		pointer->len = mark;
	}
	return OK;
}

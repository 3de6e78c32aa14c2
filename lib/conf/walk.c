/* SPDX-License-Identifier: MIT
 * Reads a JSON value into its struct by the tables. */
#include "lib/conf/conf_priv.h"

#define WORD_MAX_BYTES 32u

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance; names of fields are short, longer words are far from all of them. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX_BYTES + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > WORD_MAX_BYTES || b_len > WORD_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = diagonal + (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]));

			diagonal = row[j];
			row[j] = smaller(cost, smaller(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_len];
}

/* The known field that was probably meant, or NULL. */
static const struct field *nearest(const struct object *object, const char *name)
{
	const struct field *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < object->count; i++) {
		const char *known = object->fields[i].name;
		size_t d = distance(name, known);

		if (d < best_distance && d <= 1 + strlen(known) / 3) {
			best_distance = d;
			best = &object->fields[i];
		}
	}
	return best;
}

static bool field_secret(const struct field *field)
{
	if (field->kind != FIELD_OBJECT)
		return field->kind == FIELD_SECRET;
	for (size_t i = 0; i < field->object->count; i++)
		if (field->object->fields[i].kind == FIELD_SECRET)
			return true;
	return false;
}

static bool object_secret(const struct object *object)
{
	struct field field = { .kind = FIELD_OBJECT, .object = object };

	return field_secret(&field);
}

static const struct field *known_field(const struct object *object, const char *name)
{
	for (size_t i = 0; i < object->count; i++)
		if (strcmp(object->fields[i].name, name) == 0)
			return &object->fields[i];
	return NULL;
}

static void unknown_field(struct check *check, const struct object *object, const char *name,
			  const struct spot *up)
{
	/* A misspelt secret is still one. */
	struct spot spot = { .up = up, .key = name, .secret = object_secret(object) };
	const struct field *meant = nearest(object, name);
	struct text text;

	text_init_arena(&text, check->arena, 128);
	if (meant)
		text_printf(&text, "did you mean \"%s\"? ", meant->name);
	text_lit(&text, "known here: ");
	for (size_t i = 0; i < object->count; i++)
		text_printf(&text, "%s%s", i > 0 ? ", " : "", object->fields[i].name);
	check_fail(check, &spot, text_done(&text), "unknown field");
}

static void unknown_fields(struct check *check, const struct object *object, json_t *value,
			   const struct spot *spot)
{
	const char *name;
	json_t *member;

	json_object_foreach(value, name, member) if (!known_field(object, name))
	    unknown_field(check, object, name, spot);
}

static void item_read(struct check *check, const struct field *item, json_t *value,
		      const struct spot *spot, void *at)
{
	if (item->kind == FIELD_OBJECT)
		object_read(check, item->object, value, spot, at);
	else
		scalar_read(check, item, value, spot, at);
}

static void list_read(struct check *check, const struct field *field, json_t *value,
		      const struct spot *spot, void *target)
{
	size_t count = json_array_size(value);
	void *items;

	if (!json_is_array(value)) {
		check_fail(check, spot, field_remedy(check, field), "not a list");
		return;
	}
	if (count < field->min || count > field->max) {
		check_fail(check, spot, field_remedy(check, field), "%zu items", count);
		return;
	}
	items = arena_array(check->arena, count ? count : 1, field->item_size);
	if (!items)
		return;
	for (size_t i = 0; i < count; i++) {
		struct spot at = { .up = spot, .index = i };

		item_read(check, field->item, json_array_get(value, i), &at,
			  (char *)items + i * field->item_size);
	}
	/* The member is a pointer to whatever the items are. */
	memcpy((char *)target + field->offset, &items, sizeof(items));
	memcpy((char *)target + field->count_offset, &count, sizeof(count));
}

static void field_read(struct check *check, const struct field *field, json_t *value,
		       const struct spot *spot, void *target)
{
	void *at = (char *)target + field->offset;

	if (field->kind == FIELD_OBJECT) {
		object_read(check, field->object, value, spot, at);
	} else if (field->kind == FIELD_LIST) {
		if (value)
			list_read(check, field, value, spot, target);
	} else {
		scalar_default(field, at);
		if (value)
			scalar_read(check, field, value, spot, at);
	}
}

void object_read(struct check *check, const struct object *object, json_t *value,
		 const struct spot *spot, void *target)
{
	if (value && !json_is_object(value)) {
		check_fail(check, spot, SLICE("an object: {…}"), "not an object");
		value = NULL;
	}
	if (value)
		unknown_fields(check, object, value, spot);
	for (size_t i = 0; i < object->count; i++) {
		const struct field *field = &object->fields[i];
		json_t *member = json_object_get(value, field->name);
		struct spot at = { .up = spot, .key = field->name, .secret = field_secret(field) };

		if (value && !member && field->required)
			check_fail(check, &at, field_remedy(check, field), "missing");
		field_read(check, field, member, &at, target);
	}
	if (value && object->finish)
		object->finish(check, spot, target);
}

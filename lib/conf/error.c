/* SPDX-License-Identifier: MIT
 * The list of errors. Values are shown clipped, containers only as such, secrets never. */
#include "lib/conf/conf_priv.h"

#include <stdarg.h>
#include <stdio.h>

#define VALUE_MAX_BYTES 80u

static void pointer_write(struct text *text, const struct spot *spot)
{
	if (!spot)
		return;
	pointer_write(text, spot->up);
	text_char(text, '/');
	if (!spot->key) {
		text_u64(text, spot->index);
		return;
	}
	for (const char *p = spot->key; *p; p++) { /* RFC 6901 3 */
		if (*p == '~')
			text_lit(text, "~0");
		else if (*p == '/')
			text_lit(text, "~1");
		else
			text_char(text, *p);
	}
}

static json_t *spot_value(json_t *root, const struct spot *spot)
{
	json_t *up;

	if (!spot)
		return root;
	up = spot_value(root, spot->up);
	return spot->key ? json_object_get(up, spot->key) : json_array_get(up, spot->index);
}

static int value_put(const char *bytes, size_t len, void *context)
{
	struct text *text = context;
	size_t room = VALUE_MAX_BYTES - text->len;

	text_bytes(text, bytes, len < room ? len : room);
	return len > room ? -1 : 0;
}

/* Cuts what is left of a character of several bytes at the end. */
static void clip_utf8(struct text *text)
{
	size_t at = text->len;

	while (at > 0 && ((unsigned char)text->p[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && ((unsigned char)text->p[at - 1] & 0xc0) == 0xc0)
		text->len = at - 1;
}

static struct slice value_text(struct arena *arena, json_t *value, bool secret)
{
	char storage[VALUE_MAX_BYTES];
	struct text text;

	if (!value)
		return SLICE_NONE;
	if (secret)
		return SLICE("\"***\"");
	if (json_is_object(value))
		return json_object_size(value) > 0 ? SLICE("{…}") : SLICE("{}");
	if (json_is_array(value))
		return json_array_size(value) > 0 ? SLICE("[…]") : SLICE("[]");
	text_init(&text, storage, sizeof(storage));
	if (json_dump_callback(value, value_put, &text, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return arena_printf(arena, "%.*s", SLICE_ARG(text_done(&text)));
	clip_utf8(&text);
	return arena_printf(arena, "%.*s…", SLICE_ARG(text_done(&text)));
}

static struct conf_error *errors_next(struct arena *arena, struct conf_errors *errors)
{
	errors->total++;
	if (errors->count == CONF_MAX_ERRORS)
		return NULL;
	if (!errors->items)
		errors->items = arena_array(arena, CONF_MAX_ERRORS, sizeof(*errors->items));
	return errors->items ? &errors->items[errors->count++] : NULL;
}

void check_fail(struct check *check, const struct spot *spot, struct slice remedy,
		const char *detail, ...)
{
	struct conf_error *error = errors_next(check->arena, check->errors);
	char storage[256];
	struct text text;
	va_list args;
	int len;

	if (!error)
		return;
	va_start(args, detail);
	len = vsnprintf(storage, sizeof(storage), detail, args);
	va_end(args);
	error->detail = arena_printf(check->arena, "%s", len < 0 ? "" : storage);
	error->remedy = remedy;
	error->value =
	    value_text(check->arena, spot_value(check->root, spot), spot && spot->secret);
	text_init_arena(&text, check->arena, 64);
	pointer_write(&text, spot);
	error->pointer = text_done(&text);
}

void errors_add(struct arena *arena, struct conf_errors *errors, struct slice detail,
		struct slice remedy)
{
	struct conf_error *error = errors_next(arena, errors);

	if (error)
		*error = (struct conf_error){ .detail = detail, .remedy = remedy };
}

/* Names of unknown fields are outside bytes: what a terminal would act upon is not shown. */
static void text_shown(struct text *text, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		text_char(text, char_is(s.p[i], CC_CTL) ? '?' : s.p[i]);
}

struct slice conf_errors_text(struct arena *arena, const struct conf_errors *errors)
{
	struct text text;

	text_init_arena(&text, arena, 256);
	for (size_t i = 0; i < errors->count; i++) {
		const struct conf_error *error = &errors->items[i];

		text_shown(&text, error->pointer.len > 0 ? error->pointer : SLICE("document"));
		text_lit(&text, ": ");
		text_shown(&text, error->detail);
		if (error->value.len > 0) {
			text_lit(&text, " (value ");
			text_shown(&text, error->value);
			text_lit(&text, ")");
		}
		text_lit(&text, "; ");
		text_shown(&text, error->remedy);
		text_char(&text, '\n');
	}
	if (errors->total > errors->count)
		text_printf(&text, "and %zu more errors\n", errors->total - errors->count);
	return text_done(&text);
}

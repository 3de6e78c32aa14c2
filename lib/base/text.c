/* SPDX-License-Identifier: MIT */
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *text, char *storage, size_t cap)
{
	*text = (struct text){ .p = storage, .cap = cap };
}

void text_init_arena(struct text *text, struct arena *arena, size_t first_bytes)
{
	*text = (struct text){ .arena = arena };
	/* Written before it is read: no need of zeroes. */
	text->p = arena_reserve(arena, first_bytes);
	text->cap = first_bytes;
	if (text->p)
		arena_commit(arena, first_bytes);
	else
		text->err = ERR_NOMEM;
}

/* Makes room for `more` bytes. In an arena the text moves to a block of twice the size. */
bool text_room(struct text *text, size_t more)
{
	size_t cap;
	char *p;

	if (text->err != OK)
		return false;
	if (text->cap - text->len >= more)
		return true;
	if (!text->arena) {
		text->err = ERR_LIMIT;
		return false;
	}
	cap = text->cap > 0 ? text->cap * 2 : 64;
	while (cap < text->len + more)
		cap *= 2;
	p = arena_reserve(text->arena, cap);
	if (!p) {
		text->err = ERR_NOMEM;
		return false;
	}
	arena_commit(text->arena, cap);
	memcpy(p, text->p, text->len);
	text->p = p;
	text->cap = cap;
	return true;
}

void text_u64(struct text *text, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	text_bytes(text, digits + at, sizeof(digits) - at);
}

void text_i64(struct text *text, int64_t value)
{
	if (value < 0)
		text_char(text, '-');
	text_u64(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void text_hex(struct text *text, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++) {
		text_char(text, digits[p[i] >> 4]);
		text_char(text, digits[p[i] & 15]);
	}
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	/* vsnprintf writes a NUL behind the text, hence the one byte more. */
	if (len < 0 || !text_room(text, (size_t)len + 1))
		return;
	va_start(args, format);
	vsnprintf(text->p + text->len, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

struct slice text_done(const struct text *text)
{
	return text->err == OK ? slice_of(text->p, text->len) : slice_of("", 0);
}

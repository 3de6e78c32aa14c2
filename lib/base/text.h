/* SPDX-License-Identifier: MIT
 * Sticky text writer: write everything, check once. After the first failure every call is a no-op. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/slice.h"

struct text {
	char *p;
	size_t len;
	size_t cap;
	struct arena *arena; /* NULL: fixed storage */
	enum err err;        /* ERR_NOMEM or ERR_LIMIT; sticky */
};

/* Into caller's storage of `cap` bytes; overflow is ERR_LIMIT. */
void text_init(struct text *text, char *storage, size_t cap);

/* Grows inside the arena, up to limit_bytes. While the text is open nothing else may be allocated
 * from that arena, or growth copies. */
void text_init_arena(struct text *text, struct arena *arena, size_t first_bytes);

/* Makes room for `more` bytes or fails; the inline writers call it when the storage is full. */
bool text_room(struct text *text, size_t more);

static inline void text_bytes(struct text *text, const char *p, size_t len)
{
	if (len == 0 || text->err != OK)
		return;
	if (text->cap - text->len < len && !text_room(text, len))
		return;
	memcpy(text->p + text->len, p, len);
	text->len += len;
}

static inline void text_char(struct text *text, char c)
{
	text_bytes(text, &c, 1);
}

void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);
void text_hex(struct text *text, const void *bytes, size_t len);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void text_slice(struct text *text, struct slice s)
{
	text_bytes(text, s.p, s.len);
}

/* A string literal. */
#define text_lit(text, literal) text_bytes((text), (literal), sizeof(literal) - 1)

/* What was written so far, borrowed. Empty after a failure. */
struct slice text_done(const struct text *text);

/* SPDX-License-Identifier: MIT
 * Borrowed bytes, passed by value. Never NUL-terminated, never written through.
 * A slice kept in an object points into that object's own arena or into static text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/err.h"

struct slice {
	const char *p;
	size_t len;
};

/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (s).p ? (s).p : ""
#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
/* The same as an initialiser of static tables, where a compound literal is not constant. */
#define SLICE_INIT(literal) { (literal), sizeof(literal) - 1 }
#define SLICE_NONE ((struct slice){ NULL, 0 })

/* Character classes: one bit each, one 256-entry table. */
enum char_class {
	CC_DIGIT = 1 << 0,
	CC_ALPHA = 1 << 1,
	CC_HEX = 1 << 2,
	CC_TOKEN = 1 << 3,      /* RFC 3261 25.1 token */
	CC_WORD = 1 << 4,       /* RFC 3261 25.1 word (Call-ID) */
	CC_LWS = 1 << 5,        /* SP HTAB CR LF */
	CC_WSP = 1 << 6,        /* SP HTAB */
	CC_USER = 1 << 7,       /* unreserved / user-unreserved, without escapes */
	CC_PASSWORD = 1 << 8,   /* unreserved / & = + $ , */
	CC_URI_PARAM = 1 << 9,  /* unreserved / param-unreserved */
	CC_URI_HEADER = 1 << 10, /* unreserved / hnv-unreserved */
	CC_HOST = 1 << 11,      /* alphanum - . (and _ which the field uses) */
	CC_URI_ANY = 1 << 12,   /* any visible byte that may stand in an absolute URI */
	CC_CTL = 1 << 13,       /* 0x00-0x1f, 0x7f */
};

extern const uint16_t char_class_table[256];

static inline bool char_is(char c, unsigned classes)
{
	return (char_class_table[(unsigned char)c] & classes) != 0;
}

static inline struct slice slice_of(const char *p, size_t len)
{
	return (struct slice){ p, len };
}

static inline struct slice slice_text(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline struct slice slice_skip(struct slice s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return n == 0 ? s : slice_of(s.p + n, s.len - n);
}

static inline struct slice slice_head(struct slice s, size_t n)
{
	return slice_of(s.p, n < s.len ? n : s.len);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* As many bytes as `len` says are the same but for ASCII case. */
bool bytes_eq_nocase(const char *a, const char *b, size_t len);

/* Equality without regard to ASCII case. */
static inline bool slice_eq_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && bytes_eq_nocase(a.p, b.p, a.len);
}

bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);

/* Not empty, and every byte is of one of `classes`. */
bool slice_is(struct slice s, unsigned classes);

/* Without leading and trailing bytes of `classes`. */
struct slice slice_trim(struct slice s, unsigned classes);

/* Takes the longest run of bytes of `classes` from the front (maybe empty). */
struct slice slice_take(struct slice *in, unsigned classes);

/* Takes the bytes before the first `stop` byte and drops that run of stop bytes.
 * False: there is none; nothing moved. */
bool slice_cut(struct slice *in, unsigned stop, struct slice *ret_head);

/* The same for one byte, of which only the first is dropped. */
bool slice_cut_char(struct slice *in, char stop, struct slice *ret_head);

/* Position of the first `c`, or s.len. */
size_t slice_find_char(struct slice s, char c);

/* Position of the first `needle`, or s.len when it is not there. */
size_t slice_find(struct slice s, struct slice needle);

/* 1*DIGIT, whole slice. ERR_SYNTAX, ERR_LIMIT (does not fit). */
must_use enum err parse_u32(struct slice digits, uint32_t *ret);
must_use enum err parse_u64(struct slice digits, uint64_t *ret);
must_use enum err parse_u16(struct slice digits, uint16_t *ret);

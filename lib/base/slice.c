/* SPDX-License-Identifier: MIT
 * Character classes and cutting functions. The table is written out as ranges so that it can be
 * held against RFC 3261 section 25.1 production by production. */
#include "lib/base/slice.h"

/* Ranges in initialisers are an extension that gcc and clang share. */
#pragma GCC diagnostic ignored "-Wpedantic"

#define ALNUM_BITS                                                                                 \
	(CC_TOKEN | CC_WORD | CC_USER | CC_PASSWORD | CC_URI_PARAM | CC_URI_HEADER | CC_HOST |      \
	 CC_URI_ANY)
/* mark = - _ . ! ~ * ' ( ) */
#define MARK_BITS (CC_USER | CC_PASSWORD | CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY)

const uint16_t char_class_table[256] = {
	[0 ... 8] = CC_CTL,
	['\t'] = CC_CTL | CC_LWS | CC_WSP,
	['\n'] = CC_CTL | CC_LWS,
	[11 ... 12] = CC_CTL,
	['\r'] = CC_CTL | CC_LWS,
	[14 ... 31] = CC_CTL,
	[' '] = CC_LWS | CC_WSP,
	['!'] = MARK_BITS | CC_TOKEN | CC_WORD,
	['"'] = CC_WORD,
	['#'] = CC_URI_ANY,
	['$'] = CC_USER | CC_PASSWORD | CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY,
	['%'] = CC_TOKEN | CC_WORD | CC_URI_ANY,
	['&'] = CC_USER | CC_PASSWORD | CC_URI_PARAM | CC_URI_ANY,
	['\''] = MARK_BITS | CC_TOKEN | CC_WORD,
	['('] = MARK_BITS | CC_WORD,
	[')'] = MARK_BITS | CC_WORD,
	['*'] = MARK_BITS | CC_TOKEN | CC_WORD,
	['+'] = CC_USER | CC_PASSWORD | CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY | CC_TOKEN |
		CC_WORD,
	[','] = CC_USER | CC_PASSWORD | CC_URI_ANY,
	['-'] = MARK_BITS | CC_TOKEN | CC_WORD | CC_HOST,
	['.'] = MARK_BITS | CC_TOKEN | CC_WORD | CC_HOST,
	['/'] = CC_USER | CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY | CC_WORD,
	['0' ... '9'] = CC_DIGIT | CC_HEX | ALNUM_BITS,
	[':'] = CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY | CC_WORD,
	[';'] = CC_USER | CC_URI_ANY,
	['<'] = CC_WORD,
	['='] = CC_USER | CC_PASSWORD | CC_URI_ANY,
	['>'] = CC_WORD,
	['?'] = CC_USER | CC_URI_HEADER | CC_URI_ANY | CC_WORD,
	['@'] = CC_URI_ANY,
	['A' ... 'F'] = CC_ALPHA | CC_HEX | ALNUM_BITS,
	['G' ... 'Z'] = CC_ALPHA | ALNUM_BITS,
	['['] = CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY | CC_WORD,
	['\\'] = CC_WORD,
	[']'] = CC_URI_PARAM | CC_URI_HEADER | CC_URI_ANY | CC_WORD,
	['_'] = MARK_BITS | CC_TOKEN | CC_WORD | CC_HOST,
	['`'] = CC_TOKEN | CC_WORD,
	['a' ... 'f'] = CC_ALPHA | CC_HEX | ALNUM_BITS,
	['g' ... 'z'] = CC_ALPHA | ALNUM_BITS,
	['{'] = CC_WORD,
	['}'] = CC_WORD,
	['~'] = MARK_BITS | CC_TOKEN | CC_WORD,
	[127] = CC_CTL,
};

bool bytes_eq_nocase(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return slice_eq(slice_head(s, prefix.len), prefix);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
	return slice_eq_nocase(slice_head(s, prefix.len), prefix);
}

bool slice_is(struct slice s, unsigned classes)
{
	for (size_t i = 0; i < s.len; i++)
		if (!char_is(s.p[i], classes))
			return false;
	return s.len > 0;
}

struct slice slice_trim(struct slice s, unsigned classes)
{
	while (s.len > 0 && char_is(s.p[0], classes)) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && char_is(s.p[s.len - 1], classes))
		s.len--;
	return s;
}

struct slice slice_take(struct slice *in, unsigned classes)
{
	struct slice head = { in->p, 0 };

	while (head.len < in->len && char_is(in->p[head.len], classes))
		head.len++;
	in->p += head.len;
	in->len -= head.len;
	return head;
}

bool slice_cut(struct slice *in, unsigned stop, struct slice *ret_head)
{
	size_t at = 0;
	size_t end;

	while (at < in->len && !char_is(in->p[at], stop))
		at++;
	if (at == in->len)
		return false;
	end = at;
	while (end < in->len && char_is(in->p[end], stop))
		end++;
	*ret_head = slice_of(in->p, at);
	*in = slice_skip(*in, end);
	return true;
}

bool slice_cut_char(struct slice *in, char stop, struct slice *ret_head)
{
	size_t at = slice_find_char(*in, stop);

	if (at == in->len)
		return false;
	*ret_head = slice_of(in->p, at);
	*in = slice_skip(*in, at + 1);
	return true;
}

size_t slice_find_char(struct slice s, char c)
{
	const char *hit = s.len > 0 ? memchr(s.p, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.p) : s.len;
}

size_t slice_find(struct slice s, struct slice needle)
{
	const char *hit = s.len > 0 ? memmem(s.p, s.len, needle.p, needle.len) : NULL;

	return hit ? (size_t)(hit - s.p) : s.len;
}

enum err parse_u64(struct slice digits, uint64_t *ret)
{
	uint64_t value = 0;

	if (!slice_is(digits, CC_DIGIT))
		return ERR_SYNTAX;
	for (size_t i = 0; i < digits.len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digits.p[i] - '0'), &value))
			return ERR_LIMIT;
	}
	*ret = value;
	return OK;
}

enum err parse_u32(struct slice digits, uint32_t *ret)
{
	uint64_t value;
	enum err err = parse_u64(digits, &value);

	if (err == OK && value > UINT32_MAX)
		err = ERR_LIMIT;
	if (err == OK)
		*ret = (uint32_t)value;
	return err;
}

enum err parse_u16(struct slice digits, uint16_t *ret)
{
	uint64_t value;
	enum err err = parse_u64(digits, &value);

	if (err == OK && value > UINT16_MAX)
		err = ERR_LIMIT;
	if (err == OK)
		*ret = (uint16_t)value;
	return err;
}

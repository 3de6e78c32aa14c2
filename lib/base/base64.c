/* SPDX-License-Identifier: MIT
 * Three bytes to four characters and back. */
#include "lib/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64(struct text *text, const void *bytes, size_t len)
{
	const unsigned char *in = bytes;

	for (size_t at = 0; at < len; at += 3) {
		size_t here = len - at < 3 ? len - at : 3;
		uint32_t bits = (uint32_t)in[at] << 16;

		if (here > 1)
			bits |= (uint32_t)in[at + 1] << 8;
		if (here > 2)
			bits |= in[at + 2];
		for (size_t i = 0; i < 4; i++)
			text_char(text, i <= here ? alphabet[bits >> (18 - 6 * i) & 63] : '=');
	}
}

/* 64: not of the alphabet. */
static uint32_t value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (uint32_t)(at - alphabet) : 64;
}

/* "xx==" and "xxx=" lose their padding; any other '=' is left to be found out. */
static struct slice without_padding(struct slice text)
{
	size_t padding = 0;

	if (text.len % 4 != 0)
		return text;
	while (padding < 2 && padding < text.len && text.p[text.len - 1 - padding] == '=')
		padding++;
	return slice_head(text, text.len - padding);
}

enum err base64_decode(struct slice text, void *storage, size_t cap, size_t *ret_len)
{
	unsigned char *out = storage;
	uint32_t bits = 0;
	unsigned held = 0;
	size_t len = 0;

	text = without_padding(text);
	if (text.len % 4 == 1)
		return ERR_SYNTAX;
	if (text.len / 4 * 3 + text.len % 4 * 3 / 4 > cap)
		return ERR_LIMIT;
	for (size_t i = 0; i < text.len; i++) {
		uint32_t value = value_of(text.p[i]);

		if (value > 63)
			return ERR_SYNTAX;
		bits = bits << 6 | value;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		out[len++] = (unsigned char)(bits >> held);
		bits &= (1u << held) - 1;
	}
	if (bits != 0)
		return ERR_SYNTAX;
	*ret_len = len;
	return OK;
}

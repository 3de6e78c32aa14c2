/* SPDX-License-Identifier: MIT
 * Escapes of user parts (RFC 3261 19.1.2) and of quoted strings (25.1), both ways. */
#include "sbc/sip/sip_priv.h"

static unsigned hex_value(char c)
{
	return char_is(c, CC_DIGIT) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

int sip_escape_value(struct slice text)
{
	if (text.len < 3 || text.p[0] != '%' || !char_is(text.p[1], CC_HEX) ||
	    !char_is(text.p[2], CC_HEX))
		return -1;
	return (int)(hex_value(text.p[1]) << 4 | hex_value(text.p[2]));
}

/* An escaped control stays escaped: %00 never becomes a NUL in a name, a log or a message. */
enum err sip_user_unescape(struct arena *arena, struct slice user, struct slice *ret)
{
	char *to = arena_reserve(arena, user.len);
	size_t len = 0;

	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < user.len; i++) {
		int value = sip_escape_value(slice_skip(user, i));

		if (value >= 0 && !char_is((char)value, CC_CTL)) {
			to[len++] = (char)value;
			i += 2;
		} else {
			to[len++] = user.p[i];
		}
	}
	arena_commit(arena, len);
	*ret = slice_of(to, len);
	return OK;
}

/* Text without quotes comes back as it is, but in the arena like any other. */
enum err sip_unquote(struct arena *arena, struct slice quoted, struct slice *ret)
{
	size_t len = 0;
	char *to;

	if (quoted.len < 2 || quoted.p[0] != '"' || quoted.p[quoted.len - 1] != '"')
		return arena_keep(arena, quoted, ret);
	to = arena_reserve(arena, quoted.len);
	if (!to)
		return ERR_NOMEM;
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		if (quoted.p[i] == '\\' && i + 2 < quoted.len)
			i++;
		/* Escaped controls are legal there and of use to nobody. */
		if (!char_is(quoted.p[i], CC_CTL) || quoted.p[i] == '\t')
			to[len++] = quoted.p[i];
	}
	arena_commit(arena, len);
	*ret = slice_of(to, len);
	return OK;
}

void sip_write_quoted(struct text *text, struct slice plain)
{
	text_char(text, '"');
	for (size_t i = 0; i < plain.len; i++) {
		char c = plain.p[i];

		if (char_is(c, CC_CTL) && c != '\t')
			continue;
		if (c == '"' || c == '\\')
			text_char(text, '\\');
		text_char(text, c);
	}
	text_char(text, '"');
}

void sip_write_user(struct text *text, struct slice plain)
{
	for (size_t i = 0; i < plain.len; i++) {
		if (char_is(plain.p[i], CC_USER)) {
			text_char(text, plain.p[i]);
		} else {
			text_char(text, '%');
			text_hex(text, plain.p + i, 1);
		}
	}
}

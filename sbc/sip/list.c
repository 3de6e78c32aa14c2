/* SPDX-License-Identifier: MIT
 * Values of headers: the first, and the elements of comma-separated lists over several fields. Each
 * byte is looked at once, whatever quotes and brackets are left open: an open one takes the rest.
 */
#include "sbc/sip/sip_priv.h"

#define CURSOR_END UINT16_MAX

struct slice sip_value(const struct sip_msg *msg, enum sip_header id)
{
	return msg->first[id] ? msg->fields[msg->first[id] - 1].value : SLICE_NONE;
}

/* Position behind the quoted string that starts at `at`, or len. */
static size_t quoted_end(struct slice s, size_t at)
{
	for (at++; at < s.len && s.p[at] != '"'; at++)
		if (s.p[at] == '\\')
			at++;
	return at < s.len ? at + 1 : s.len;
}

/* The same for a comment, which may hold comments. */
static size_t comment_end(struct slice s, size_t at)
{
	size_t depth = 1;

	for (at++; at < s.len && depth > 0; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '(')
			depth++;
		else if (s.p[at] == ')')
			depth--;
	}
	return at < s.len ? at : s.len;
}

/* Position of the first comma that separates, or len. */
static size_t comma_find(struct slice s, unsigned flags)
{
	size_t at = 0;

	while (at < s.len && s.p[at] != ',') {
		if (s.p[at] == '"')
			at = quoted_end(s, at);
		else if (s.p[at] == '<')
			at += slice_find_char(slice_skip(s, at), '>');
		else if (s.p[at] == '(' && !(flags & SIP_ADDRESS))
			at = comment_end(s, at);
		else
			at++;
	}
	return at < s.len ? at : s.len;
}

bool sip_element_cut(struct slice *rest, unsigned header_flags, struct slice *ret)
{
	size_t comma;

	if (!rest->p)
		return false;
	comma = slice_find_char(*rest, ',');
	if (comma < rest->len)
		comma = comma_find(*rest, header_flags);
	*ret = sip_trim_wsp(slice_head(*rest, comma));
	*rest = comma < rest->len ? slice_skip(*rest, comma + 1) : SLICE_NONE;
	return true;
}

bool sip_next(const struct sip_msg *msg, enum sip_header id, struct sip_cursor *cursor,
	      struct slice *ret)
{
	struct slice element;

	if (cursor->field == 0) {
		cursor->field = msg->first[id] ? msg->first[id] : CURSOR_END;
		cursor->rest = sip_value(msg, id);
	}
	while (cursor->field != CURSOR_END) {
		while (sip_element_cut(&cursor->rest, sip_header_flags[id], &element)) {
			if (element.len > 0) {
				*ret = element;
				return true;
			}
		}
		cursor->field = msg->fields[cursor->field - 1].next;
		if (cursor->field == 0)
			cursor->field = CURSOR_END;
		else
			cursor->rest = msg->fields[cursor->field - 1].value;
	}
	return false;
}

bool sip_has_token(const struct sip_msg *msg, enum sip_header id, struct slice token)
{
	struct sip_cursor cursor = { 0 };
	struct slice element;

	while (sip_next(msg, id, &cursor, &element))
		if (slice_eq_nocase(element, token))
			return true;
	return false;
}

bool sip_retry_after(const struct sip_msg *msg, uint32_t *ret_s)
{
	struct slice rest = sip_value(msg, SIP_HDR_RETRY_AFTER);
	struct slice digits = rest.len ? slice_take(&rest, CC_DIGIT) : rest;
	enum err err = parse_u32(digits, ret_s);

	if (err == ERR_LIMIT)
		*ret_s = UINT32_MAX;
	/* Behind the number may be blanks, a comment or parameters. */
	return (err == OK || err == ERR_LIMIT) &&
	       (rest.len == 0 || char_is(rest.p[0], CC_WSP) || rest.p[0] == '(' || rest.p[0] == ';');
}

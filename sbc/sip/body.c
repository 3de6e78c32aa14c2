/* SPDX-License-Identifier: MIT
 * Bodies as octets: one type, or multipart (RFC 2046 5.1). Parts may hold any byte; only the
 * delimiters and the lines of a part's headers are looked at. Linear: a level of nesting is
 * searched once, and levels are limited. */
#include "sbc/sip/sip_priv.h"

#define BODY_MAX_DEPTH     4u
#define BOUNDARY_MAX_BYTES 70u /* RFC 2046 5.1.1 */

struct slice sip_media_type(struct slice content_type)
{
	return slice_trim(slice_head(content_type, slice_find_char(content_type, ';')), CC_LWS);
}

/* Position of "--boundary" at the start of a line, or len. */
static size_t delimiter_find(struct slice body, struct slice boundary)
{
	char storage[2 + 2 + BOUNDARY_MAX_BYTES];
	struct text text;

	text_init(&text, storage, sizeof(storage));
	text_lit(&text, "\r\n--");
	text_slice(&text, boundary);
	return slice_find(body, text_done(&text));
}

/* Behind "--boundary": white space and the line's end, or "--". */
enum delimiter { DELIMITER_NONE, DELIMITER_NEXT, DELIMITER_LAST };
static enum delimiter delimiter_end(struct slice *rest)
{
	struct slice after = *rest;

	if (slice_starts(after, SLICE("--"))) {
		*rest = slice_skip(after, 2);
		return DELIMITER_LAST;
	}
	slice_take(&after, CC_WSP);
	if (!slice_starts(after, SLICE("\r\n")))
		return DELIMITER_NONE;
	*rest = slice_skip(after, 2);
	return DELIMITER_NEXT;
}

/* Cuts the bytes before the next delimiter; *rest stands behind it. */
static enum delimiter delimiter_cut(struct slice *rest, struct slice boundary,
				    struct slice *ret_head)
{
	struct slice start = *rest;
	size_t skip = 4 + boundary.len;

	while (rest->len > 0) {
		size_t at = delimiter_find(*rest, boundary);
		const char *head_end = rest->p + at;
		enum delimiter found;

		if (at == rest->len)
			break;
		*rest = slice_skip(*rest, at + skip);
		found = delimiter_end(rest);
		if (found != DELIMITER_NONE) {
			*ret_head = slice_of(start.p, (size_t)(head_end - start.p));
			return found;
		}
	}
	return DELIMITER_NONE;
}

/* rest.p is NULL behind the last delimiter, so that a body that just ends can be told apart. */
enum err sip_parts_init(struct slice content_type, struct slice body, struct sip_parts *ret)
{
	struct slice params = slice_skip(content_type, slice_find_char(content_type, ';'));
	struct sip_parts parts = { .rest = body };
	struct slice preamble;
	enum delimiter found;

	if (!slice_starts_nocase(sip_media_type(content_type), SLICE("multipart/")) ||
	    !sip_param_find(params, SLICE("boundary"), &parts.boundary))
		return ERR_SYNTAX;
	if (parts.boundary.len >= 2 && parts.boundary.p[0] == '"')
		parts.boundary = slice_of(parts.boundary.p + 1, parts.boundary.len - 2);
	if (parts.boundary.len == 0 || parts.boundary.len > BOUNDARY_MAX_BYTES ||
	    slice_find_char(parts.boundary, '\\') < parts.boundary.len)
		return ERR_SYNTAX;
	found = DELIMITER_NONE;
	if (slice_starts(body, SLICE("--")) && slice_starts(slice_skip(body, 2), parts.boundary)) {
		parts.rest = slice_skip(body, 2 + parts.boundary.len);
		found = delimiter_end(&parts.rest);
	}
	if (found == DELIMITER_NONE)
		found = delimiter_cut(&parts.rest, parts.boundary, &preamble);
	if (found == DELIMITER_NONE)
		return ERR_SYNTAX;
	if (found == DELIMITER_LAST)
		parts.rest = SLICE_NONE;
	*ret = parts;
	return OK;
}

/* One line "Name: value" of a part, with the lines that continue it; values keep their folds. */
static struct slice part_line_cut(struct slice *headers)
{
	struct slice start = *headers;
	size_t len = 0;

	do {
		size_t at = slice_find(*headers, SLICE("\r\n"));

		len = (size_t)(headers->p - start.p) + at;
		*headers = slice_skip(*headers, at + 2);
	} while (headers->len > 0 && char_is(headers->p[0], CC_WSP));
	return slice_of(start.p, len);
}

static void part_headers_read(struct sip_part *part)
{
	struct slice headers = part->headers;

	while (headers.len > 0) {
		struct slice line = part_line_cut(&headers);
		struct slice name;

		if (!slice_cut_char(&line, ':', &name))
			continue;
		name = slice_trim(name, CC_WSP);
		line = slice_trim(line, CC_LWS);
		/* RFC 3261's compact forms hold for the message's own headers only. */
		if (slice_eq_nocase(name, SLICE("Content-Type")))
			part->content_type = line;
		else if (slice_eq_nocase(name, SLICE("Content-Disposition")))
			part->disposition = line;
		else if (slice_eq_nocase(name, SLICE("Content-ID")))
			part->content_id = line;
		else if (slice_eq_nocase(name, SLICE("Content-Encoding")))
			part->encoding = line;
		else if (slice_eq_nocase(name, SLICE("Content-Transfer-Encoding")))
			part->transfer_encoding = line;
	}
}

bool sip_parts_next(struct sip_parts *parts, struct sip_part *ret)
{
	struct sip_part part = { 0 };
	enum delimiter found;
	struct slice whole;
	size_t at;

	if (!parts->rest.p)
		return false;
	found = delimiter_cut(&parts->rest, parts->boundary, &whole);
	if (found == DELIMITER_NONE)
		return false;
	if (found == DELIMITER_LAST)
		parts->rest = SLICE_NONE;
	if (slice_starts(whole, SLICE("\r\n"))) {
		part.body = slice_skip(whole, 2);
	} else {
		at = slice_find(whole, SLICE("\r\n\r\n"));
		part.headers = slice_head(whole, at);
		part.body = slice_skip(whole, at + 4);
		part_headers_read(&part);
	}
	*ret = part;
	return true;
}

/* ret_part->p stays NULL while nothing was found. */
static enum err part_find(struct slice content_type, struct slice body, struct slice type,
			  unsigned depth, struct slice *ret_part)
{
	struct sip_parts parts;
	struct sip_part part;
	enum err err;

	if (slice_eq_nocase(sip_media_type(content_type), type)) {
		if (ret_part->p)
			return ERR_EXISTS;
		*ret_part = slice_of(body.p ? body.p : "", body.len);
		return OK;
	}
	if (!slice_starts_nocase(sip_media_type(content_type), SLICE("multipart/")))
		return OK;
	if (depth == BODY_MAX_DEPTH)
		return ERR_SYNTAX;
	err = sip_parts_init(content_type, body, &parts);
	while (err == OK && sip_parts_next(&parts, &part))
		err = part_find(part.content_type, part.body, type, depth + 1, ret_part);
	return err == OK && parts.rest.p ? ERR_SYNTAX : err;
}

enum err sip_body_find(const struct sip_msg *msg, struct slice type, struct slice *ret_part)
{
	struct slice part = SLICE_NONE;
	enum err err;

	if (msg->body.len == 0)
		return ERR_NOENT;
	err = part_find(sip_value(msg, SIP_HDR_CONTENT_TYPE), msg->body, type, 0, &part);
	if (err == OK && !part.p)
		err = ERR_NOENT;
	if (err == OK)
		*ret_part = part;
	return err;
}

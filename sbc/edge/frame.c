/* SPDX-License-Identifier: MIT
 * What makes it hard: whoever can make us and another element see different boundaries can hide a
 * request in a body. So nothing is guessed: exactly one Content-Length of digits alone, lines that
 * end in CRLF, and the first doubt ends the stream. */
#include "sbc/edge/frame.h"

static enum frame_result more(struct frame_cut *ret, size_t consumed)
{
	*ret = (struct frame_cut){ .consumed = consumed };
	return FRAME_MORE;
}

static enum frame_result bad(struct frame_cut *ret, struct slice head, uint16_t status,
			     const char *why)
{
	*ret = (struct frame_cut){ .message = head, .status = status, .why = why };
	return FRAME_BAD;
}

/* CRLFs before a start line are skipped (RFC 3261 7.5); two in a row are a ping. */
static enum frame_result frame_gap(struct frame *frame, struct slice input, struct frame_cut *ret)
{
	static const char ping[] = "\r\n\r\n";

	for (size_t i = 0; i < input.len; i++) {
		char c = input.p[i];

		if (c != '\r' && c != '\n') {
			frame->crlf = 0;
			frame->phase = FRAME_HEAD;
			return more(ret, i);
		}
		if (c == ping[frame->crlf])
			frame->crlf++;
		else
			frame->crlf = c == '\r';
		if (frame->crlf == 4) {
			frame->crlf = 0;
			*ret = (struct frame_cut){ .consumed = i + 1 };
			return FRAME_PING;
		}
	}
	return more(ret, input.len);
}

/* "SIP/2.0 200 OK" or "INVITE sip:x SIP/2.0"; the version itself is the parser's matter (505). */
static bool is_sip(struct slice start_line)
{
	size_t at = start_line.len;

	if (slice_starts_nocase(start_line, SLICE("SIP/")))
		return true;
	while (at > 0 && start_line.p[at - 1] != ' ')
		at--;
	return at > 0 && slice_starts_nocase(slice_skip(start_line, at), SLICE("SIP/"));
}

/* One header field of `fields` with its continuation lines. */
static struct slice cut_field(struct slice *fields)
{
	size_t end = 0;

	do {
		end += slice_find(slice_skip(*fields, end), SLICE("\r\n")) + 2;
	} while (end < fields->len && char_is(fields->p[end], CC_WSP));
	*fields = slice_skip(*fields, end);
	return slice_of(fields->p - end, end);
}

/* Content-Length or its compact form; HCOLON allows blanks before the colon (RFC 3261 25.1). */
static bool is_content_length(struct slice field, struct slice *ret_value)
{
	struct slice name;

	if (!slice_cut_char(&field, ':', &name))
		return false;
	name = slice_trim(name, CC_WSP);
	if (!slice_eq_nocase(name, SLICE("Content-Length")) && !slice_eq_nocase(name, SLICE("l")))
		return false;
	*ret_value = slice_trim(field, CC_LWS);
	return true;
}

/* NULL, or why the body's length is not known. fields: every one with its CRLF. */
static const char *find_body_bytes(struct slice fields, size_t *ret)
{
	struct slice found = SLICE_NONE;
	struct slice value;
	uint64_t bytes;

	if (fields.len > 0 && char_is(fields.p[0], CC_WSP))
		return "start_line_folded";
	while (fields.len > 0) {
		if (!is_content_length(cut_field(&fields), &value))
			continue;
		if (found.p)
			return "content_length_twice";
		found = value;
	}
	if (!found.p)
		return "content_length_missing";
	if (parse_u64(found, &bytes) != OK || bytes > SIZE_MAX / 2)
		return "content_length_invalid";
	*ret = (size_t)bytes;
	return NULL;
}

/* The empty line was found. */
static enum frame_result frame_head_done(struct frame *frame, struct slice head, size_t max_bytes,
					 struct frame_cut *ret)
{
	size_t first_line = slice_find(head, SLICE("\r\n")) + 2;
	struct slice fields = slice_of(head.p + first_line, head.len - first_line - 2);
	size_t body_bytes = 0;
	const char *why = find_body_bytes(fields, &body_bytes);

	if (!why && body_bytes > max_bytes - head.len)
		why = "content_length_too_large";
	if (why)
		return bad(ret, head, 400, why);
	frame->phase = FRAME_BODY;
	frame->head_bytes = head.len;
	frame->total_bytes = head.len + body_bytes;
	return FRAME_MORE;
}

/* A complete line, without its LF, at line_at. NULL, or what is wrong with it. */
static const char *check_line(const struct frame *frame, struct slice line)
{
	if (line.len == 0 || slice_find_char(line, '\r') != line.len - 1)
		return "line_end";
	if (slice_find_char(line, 0) < line.len)
		return "nul";
	if (frame->line_at == 0 && !is_sip(slice_head(line, line.len - 1)))
		return "not_sip";
	return NULL;
}

static enum frame_result frame_head(struct frame *frame, struct slice input, size_t max_bytes,
				    struct frame_cut *ret)
{
	struct slice view = slice_head(input, max_bytes);

	/* Every method and "SIP/2.0" begin with a token; a TLS hello does not. */
	if (!char_is(view.p[0], CC_TOKEN))
		return bad(ret, SLICE_NONE, 0, "not_sip");
	for (;;) {
		struct slice rest = slice_skip(view, frame->scanned);
		size_t at = frame->scanned + slice_find_char(rest, '\n');
		struct slice line = slice_of(view.p + frame->line_at, at - frame->line_at);
		const char *why;

		if (at == view.len) {
			frame->scanned = view.len;
			if (view.len == max_bytes)
				return bad(ret, SLICE_NONE, 0, "head_too_long");
			return more(ret, 0);
		}
		why = check_line(frame, line);
		if (why)
			return bad(ret, SLICE_NONE, 0, why);
		frame->scanned = at + 1;
		frame->line_at = at + 1;
		if (line.len == 1)
			return frame_head_done(frame, slice_head(view, at + 1), max_bytes, ret);
	}
}

static enum frame_result frame_body(struct frame *frame, struct slice input, struct frame_cut *ret)
{
	if (input.len < frame->total_bytes)
		return more(ret, 0);
	*ret = (struct frame_cut){ .consumed = frame->total_bytes,
				   .message = slice_head(input, frame->total_bytes) };
	*frame = (struct frame){ .phase = FRAME_GAP };
	return FRAME_MESSAGE;
}

enum frame_result frame_next(struct frame *frame, struct slice input, size_t max_bytes,
			     struct frame_cut *ret)
{
	enum frame_result result;
	size_t skipped = 0;

	*ret = (struct frame_cut){ 0 };
	if (frame->phase == FRAME_GAP) {
		result = frame_gap(frame, input, ret);
		if (result != FRAME_MORE || frame->phase == FRAME_GAP)
			return result;
		skipped = ret->consumed;
		input = slice_skip(input, skipped);
	}
	result = FRAME_MORE;
	if (frame->phase == FRAME_HEAD)
		result = frame_head(frame, input, max_bytes, ret);
	if (result == FRAME_MORE && frame->phase == FRAME_BODY)
		result = frame_body(frame, input, ret);
	ret->consumed += skipped;
	return result;
}

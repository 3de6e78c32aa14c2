/* SPDX-License-Identifier: MIT
 * A message's first line, fields and body. Reading goes on behind a fault, since the answer to a
 * broken request still copies its Vias, From, To, Call-ID and CSeq; a line that is itself at fault
 * is not kept, so nothing that is kept can break what is written from it. The first fault wins. */
#include "sbc/sip/scan.h"
#include "sbc/sip/sip_priv.h"

#define FIRST_FIELDS 24u

const struct sip_limits sip_limits_default = {
	.max_bytes = 65535, .max_headers = 256, .max_header_bytes = 8192, .max_vias = 70
};

struct reader {
	struct arena *arena;
	const struct sip_limits *limits;
	struct sip_msg *msg;
	const char *at;
	const char *end;
	enum sip_fault fault;
	size_t field_room;
	uint16_t last[SIP_HEADER_COUNT]; /* index + 1 */
};

/* A line, or a header field with the lines that continue it (RFC 3261 7.3.1). */
struct line {
	const char *start;
	const char *end; /* before the last CRLF */
	bool folded;
	bool has_control; /* one that is not a tab */
};

static void fault(struct reader *reader, enum sip_fault fault)
{
	if (reader->fault == SIP_FAULT_NONE)
		reader->fault = fault;
}

/* One line up to CRLF, and reader->at behind that. False: there is no CRLF. */
static bool line_take(struct reader *reader, struct line *ret)
{
	const char *p = reader->at;

	*ret = (struct line){ .start = p };
	while ((p = sip_scan_control(p, reader->end)) < reader->end) {
		if (*p == '\r' && reader->end - p >= 2 && p[1] == '\n') {
			ret->end = p;
			reader->at = p + 2;
			return true;
		}
		if (*p != '\t')
			ret->has_control = true;
		p++;
	}
	return false;
}

static bool field_take(struct reader *reader, struct line *ret)
{
	struct line more;

	if (!line_take(reader, ret))
		return false;
	while (reader->at < reader->end && char_is(*reader->at, CC_WSP)) {
		if (!line_take(reader, &more))
			return false;
		ret->end = more.end;
		ret->folded = true;
		ret->has_control = ret->has_control || more.has_control;
	}
	return true;
}

/* Each fold, with the white space on both sides, becomes one space. */
static enum err unfold(struct arena *arena, struct slice folded, struct slice *ret)
{
	char *to = arena_reserve(arena, folded.len);
	size_t len = 0;

	if (!to)
		return ERR_NOMEM;
	while (folded.len > 0) {
		size_t cut = slice_find_char(folded, '\r');
		struct slice part = sip_trim_wsp(slice_head(folded, cut));

		if (len > 0 && part.len > 0)
			to[len++] = ' ';
		memcpy(to + len, part.p, part.len);
		len += part.len;
		folded = slice_skip(folded, cut + 2);
	}
	arena_commit(arena, len);
	*ret = slice_of(to, len);
	return OK;
}

/* Controls other than tab stand only in quoted-pairs, of which NUL, VT and the like are legal in a
 * display name (RFC 3261 25.1; RFC 4475 3.1.1.2 sends them). */
static bool controls_escaped(struct slice value)
{
	bool quoted = false;

	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '"')
			quoted = !quoted;
		else if (quoted && value.p[i] == '\\')
			i++;
		else if (char_is(value.p[i], CC_CTL) && value.p[i] != '\t')
			return false;
		if (i < value.len && (value.p[i] == '\r' || value.p[i] == '\n'))
			return false;
	}
	return true;
}

/* Room for one field more. The array doubles, so the copies are linear in all. */
static struct sip_field *field_room(struct reader *reader)
{
	struct sip_msg *msg = reader->msg;
	size_t room = reader->field_room ? reader->field_room * 2 : FIRST_FIELDS;
	struct sip_field *fields;

	if (msg->field_count == reader->limits->max_headers) {
		fault(reader, SIP_FAULT_HEADER_COUNT);
		return NULL;
	}
	if (msg->field_count < reader->field_room)
		return &msg->fields[msg->field_count++];
	if (room > reader->limits->max_headers)
		room = reader->limits->max_headers;
	fields = (void *)arena_reserve(reader->arena, room * sizeof(*fields));
	if (!fields) {
		fault(reader, SIP_FAULT_MEMORY);
		return NULL;
	}
	arena_commit(reader->arena, room * sizeof(*fields));
	if (msg->field_count > 0)
		memcpy(fields, msg->fields, msg->field_count * sizeof(*fields));
	msg->fields = fields;
	reader->field_room = room;
	return &msg->fields[msg->field_count++];
}

static void field_add(struct reader *reader, enum sip_header id, struct slice name,
		      struct slice value)
{
	struct sip_msg *msg = reader->msg;
	struct sip_field *field;

	if ((sip_header_flags[id] & SIP_SINGLE) && msg->first[id]) {
		fault(reader, SIP_FAULT_DUPLICATE);
		return;
	}
	field = field_room(reader);
	if (!field)
		return;
	*field = (struct sip_field){ .id = id, .name = name, .value = value };
	if (msg->first[id])
		msg->fields[reader->last[id] - 1].next = msg->field_count;
	else
		msg->first[id] = msg->field_count;
	reader->last[id] = msg->field_count;
}

/* Some senders end a list of parameters with one ';' too many. One alone, at the very end, can mean
 * nothing else, and is taken away here so that nothing of ours repeats it (RFC 1122 1.2.2). More than
 * one, or one within, is what RFC 4475 3.1.2.1 wants refused. */
static struct slice without_last_semicolon(struct slice value)
{
	if (value.len > 1 && value.p[value.len - 1] == ';')
		value = sip_trim_wsp(slice_head(value, value.len - 1));
	return value;
}

/* Bytes outside an escaped control are refused; the value is then unfolded if need be. */
static void field_read(struct reader *reader, const struct line *line)
{
	struct slice rest = slice_of(line->start, (size_t)(line->end - line->start));
	struct slice name = sip_take(&rest, CC_TOKEN);
	enum sip_header id = sip_header_find(name);
	struct slice value;

	sip_skip_wsp(&rest); /* HCOLON allows it, unlike HTTP */
	if (name.len == 0 || rest.len == 0 || rest.p[0] != ':') {
		fault(reader, SIP_FAULT_HEADER_NAME);
		return;
	}
	if ((size_t)(line->end - line->start) > reader->limits->max_header_bytes) {
		fault(reader, SIP_FAULT_HEADER_LENGTH);
		return;
	}
	value = sip_trim_wsp(slice_of(rest.p + 1, rest.len - 1));
	if (line->folded && unfold(reader->arena, value, &value) != OK) {
		fault(reader, SIP_FAULT_MEMORY);
		return;
	}
	if (id == SIP_HDR_VIA || (sip_header_flags[id] & SIP_ADDRESS))
		value = without_last_semicolon(value);
	if (line->has_control &&
	    (!(sip_header_flags[id] & SIP_ADDRESS) || !controls_escaped(value))) {
		fault(reader, SIP_FAULT_CONTROL_BYTE);
		return;
	}
	field_add(reader, id, name, value);
}

static void fields_read(struct reader *reader)
{
	struct line line;

	while (reader->fault != SIP_FAULT_MEMORY) {
		if (reader->end - reader->at >= 2 && reader->at[0] == '\r' &&
		    reader->at[1] == '\n') {
			reader->at += 2;
			return;
		}
		if (!field_take(reader, &line)) {
			fault(reader, SIP_FAULT_TRUNCATED);
			reader->at = reader->end;
			return;
		}
		field_read(reader, &line);
	}
}

/* SIP-Version, of which this border speaks 2.0. */
static enum sip_fault version_check(struct slice text, enum sip_fault otherwise)
{
	if (slice_eq_nocase(text, SLICE("SIP/2.0")))
		return SIP_FAULT_NONE;
	if (!slice_starts_nocase(text, SLICE("SIP/")))
		return otherwise;
	text = slice_skip(text, 4);
	return sip_take(&text, CC_DIGIT).len > 0 && text.len > 1 && text.p[0] == '.' &&
		       slice_is(slice_skip(text, 1), CC_DIGIT)
		   ? SIP_FAULT_VERSION
		   : otherwise;
}

/* Method SP Request-URI SP SIP-Version: single spaces, and none behind. */
static enum sip_fault request_line_read(struct sip_msg *msg, struct slice line, size_t max_bytes)
{
	enum sip_fault version;

	msg->is_request = true;
	if (!slice_cut_char(&line, ' ', &msg->method_text) || !slice_is(msg->method_text, CC_TOKEN))
		return SIP_FAULT_REQUEST_LINE;
	msg->method = sip_method_find(msg->method_text);
	if (!slice_cut_char(&line, ' ', &msg->uri_text))
		return SIP_FAULT_REQUEST_LINE;
	version = version_check(line, SIP_FAULT_REQUEST_LINE);
	if (version != SIP_FAULT_NONE)
		return version;
	if (msg->uri_text.len > max_bytes)
		return SIP_FAULT_REQUEST_URI_LENGTH;
	/* Headers in a Request-URI: RFC 3261 19.1.1; a border that took them could be told to send
	 * what its peer chose. */
	if (sip_uri_parse(msg->uri_text, &msg->uri) != OK || msg->uri.headers.len > 0)
		return SIP_FAULT_REQUEST_URI;
	return SIP_FAULT_NONE;
}

/* SIP-Version SP Status-Code SP Reason-Phrase. The last space is missed in nobody's way. */
static enum sip_fault status_line_read(struct sip_msg *msg, struct slice line)
{
	struct slice version;
	uint16_t status;

	if (!slice_cut_char(&line, ' ', &version))
		return SIP_FAULT_STATUS_LINE;
	if (version_check(version, SIP_FAULT_STATUS_LINE) != SIP_FAULT_NONE)
		return SIP_FAULT_VERSION;
	if (line.len < 3 || (line.len > 3 && line.p[3] != ' ') ||
	    parse_u16(slice_head(line, 3), &status) != OK || status < 100 || status > 699)
		return SIP_FAULT_STATUS_LINE;
	msg->status = status;
	msg->reason = slice_skip(line, 4);
	return SIP_FAULT_NONE;
}

static void first_line_read(struct reader *reader)
{
	struct slice text;
	struct line line;

	if (!line_take(reader, &line)) {
		fault(reader, SIP_FAULT_TRUNCATED);
		reader->at = reader->end;
		return;
	}
	if (line.has_control)
		fault(reader, SIP_FAULT_CONTROL_BYTE);
	text = slice_of(line.start, (size_t)(line.end - line.start));
	if (slice_starts_nocase(text, SLICE("SIP/")))
		fault(reader, status_line_read(reader->msg, text));
	else
		fault(reader,
		      request_line_read(reader->msg, text, reader->limits->max_header_bytes));
}

/* RFC 3261 18.3: without Content-Length the body is the rest of the datagram, bytes behind it are
 * passed over, and a body that is shorter is an error. */
static void body_read(struct reader *reader)
{
	struct slice rest = slice_of(reader->at, (size_t)(reader->end - reader->at));
	struct slice digits = sip_value(reader->msg, SIP_HDR_CONTENT_LENGTH);
	uint64_t len;

	reader->msg->body = rest;
	if (!digits.p)
		return;
	if (parse_u64(digits, &len) != OK) {
		fault(reader, SIP_FAULT_CONTENT_LENGTH);
		return;
	}
	if (len > rest.len)
		fault(reader, SIP_FAULT_BODY_LENGTH);
	reader->msg->body = slice_head(rest, len < rest.len ? (size_t)len : rest.len);
}

enum err sip_parse(struct arena *arena, struct slice bytes, const struct sip_limits *limits,
		   struct sip_msg *ret_msg, struct sip_verdict *ret_verdict)
{
	struct reader reader = { .arena = arena, .limits = limits, .msg = ret_msg };

	*ret_msg = (struct sip_msg){ .bytes = bytes, .max_forwards = -1 };
	if (bytes.len > limits->max_bytes) {
		fault(&reader, SIP_FAULT_TOO_LARGE);
		bytes.len = limits->max_bytes;
	}
	reader.at = bytes.p;
	reader.end = bytes.p + bytes.len;
	/* CRLFs before the first line: RFC 3261 7.5. */
	while (reader.end - reader.at >= 2 && reader.at[0] == '\r' && reader.at[1] == '\n')
		reader.at += 2;
	if (reader.at == reader.end) {
		fault(&reader, SIP_FAULT_EMPTY);
		return sip_verdict_write(reader.fault, ret_msg, ret_verdict);
	}
	first_line_read(&reader);
	fields_read(&reader);
	body_read(&reader);
	fault(&reader, sip_check(ret_msg, limits));
	return sip_verdict_write(reader.fault, ret_msg, ret_verdict);
}

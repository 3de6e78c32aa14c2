/* SPDX-License-Identifier: MIT */
#include "tests/support/raw.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/unit.h"

static size_t find(struct slice in, const char *needle)
{
	size_t len = strlen(needle);

	for (size_t at = 0; at + len <= in.len; at++)
		if (memcmp(in.p + at, needle, len) == 0)
			return at;
	return in.len;
}

static struct slice rest(struct slice s, size_t skip)
{
	return skip >= s.len ? slice_of("", 0) : slice_of(s.p + skip, s.len - skip);
}

static struct slice upto(struct slice s, const char *stops)
{
	size_t len = 0;

	while (len < s.len && !strchr(stops, s.p[len]))
		len++;
	return slice_of(s.p, len);
}

static struct slice head(struct slice msg)
{
	return slice_of(msg.p, find(msg, "\r\n\r\n"));
}

struct slice raw_start(struct slice msg)
{
	return upto(msg, "\r");
}

struct slice raw_field(struct slice msg, const char *name)
{
	char line[64];
	struct slice at;

	snprintf(line, sizeof(line), "\r\n%s: ", name);
	at = head(msg);
	return upto(rest(at, find(at, line) + strlen(line)), "\r");
}

uint32_t raw_cseq(struct slice msg)
{
	char number[16];

	raw_copy(number, sizeof(number), upto(raw_field(msg, "CSeq"), " "));
	return (uint32_t)strtoul(number, NULL, 10);
}

struct slice raw_method(struct slice msg)
{
	struct slice cseq = raw_field(msg, "CSeq");

	return rest(cseq, find(cseq, " ") + 1);
}

unsigned raw_status(struct slice msg)
{
	char number[4] = "";

	if (msg.len < 12 || memcmp(msg.p, "SIP/2.0 ", 8) != 0)
		return 0;
	raw_copy(number, sizeof(number), slice_of(msg.p + 8, 3));
	return (unsigned)strtoul(number, NULL, 10);
}

struct slice raw_uri(struct slice msg)
{
	struct slice start = raw_start(msg);

	return upto(rest(start, find(start, " ") + 1), " ");
}

struct slice raw_branch(struct slice msg)
{
	struct slice via = raw_field(msg, "Via");

	return upto(rest(via, find(via, ";branch=") + 8), ";,\r");
}

struct slice raw_tag(struct slice msg, const char *name)
{
	struct slice party = raw_field(msg, name);

	return upto(rest(party, find(party, ";tag=") + 5), ";\r");
}

struct slice raw_contact(struct slice msg)
{
	struct slice contact = raw_field(msg, "Contact");

	return upto(rest(contact, find(contact, "<") + 1), ">");
}

struct slice raw_body(struct slice msg)
{
	return rest(msg, find(msg, "\r\n\r\n") + 4);
}

void raw_copy(char *storage, size_t size, struct slice s)
{
	assert_true(s.len < size);
	memcpy(storage, s.p, s.len);
	storage[s.len] = '\0';
}

static size_t add_body(char *storage, size_t at, const char *body)
{
	const char *headers = body ? "Content-Type: application/sdp\r\n" : "";
	int headers_len = (int)strlen(headers);

	if (body && strncmp(body, "Content-", 8) == 0) {
		headers = body;
		body = strstr(body, "\r\n\r\n") + 4;
		headers_len = (int)(body - headers) - 2;
	}
	return at + (size_t)snprintf(storage + at, RAW_BYTES - at,
				     "%.*sContent-Length: %zu\r\n\r\n%s", headers_len, headers,
				     body ? strlen(body) : 0, body ? body : "");
}

struct slice raw_write_request(char *storage, const struct raw_dialog *dialog,
			       const struct raw_request *request)
{
	size_t len = (size_t)snprintf(
		storage, RAW_BYTES,
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=%s\r\nMax-Forwards: 70\r\n"
		"From: %s;tag=%s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
		"Contact: <sip:ua@%s>\r\n%s",
		request->method, dialog->target, dialog->via, request->branch, dialog->local,
		dialog->local_tag, dialog->remote, dialog->remote_tag[0] ? ";tag=" : "",
		dialog->remote_tag, dialog->call_id, request->cseq, request->method, dialog->via,
		request->headers ? request->headers : "");

	len = add_body(storage, len, request->sdp);
	assert_true(len < RAW_BYTES);
	return slice_of(storage, len);
}

struct slice raw_write_response(char *storage, struct slice request, unsigned status,
				const char *tag, const char *contact, const char *headers,
				const char *sdp)
{
	struct slice at = head(request);
	struct slice to = raw_field(request, "To");
	size_t len = (size_t)snprintf(storage, RAW_BYTES, "SIP/2.0 %u Some Reason\r\n", status);

	for (size_t next; (next = find(at, "\r\nVia: ")) < at.len;) {
		struct slice value;

		at = rest(at, next + 7);
		value = upto(at, "\r");
		len += (size_t)snprintf(storage + len, RAW_BYTES - len, "Via: %.*s\r\n",
					SLICE_ARG(value));
	}
	len += (size_t)snprintf(storage + len, RAW_BYTES - len,
				"From: %.*s\r\nTo: %.*s%s%s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n",
				SLICE_ARG(raw_field(request, "From")), SLICE_ARG(to),
				find(to, ";tag=") < to.len || !tag ? "" : ";tag=",
				find(to, ";tag=") < to.len || !tag ? "" : tag,
				SLICE_ARG(raw_field(request, "Call-ID")),
				SLICE_ARG(raw_field(request, "CSeq")));
	if (contact)
		len += (size_t)snprintf(storage + len, RAW_BYTES - len, "Contact: <sip:ua@%s>\r\n",
					contact);
	len += (size_t)snprintf(storage + len, RAW_BYTES - len, "%s", headers ? headers : "");
	len = add_body(storage, len, sdp);
	assert_true(len < RAW_BYTES);
	return slice_of(storage, len);
}

/* SPDX-License-Identifier: MIT
 * What a response copies from its request (RFC 3261 8.2.6.2), with received and rport filled into
 * the topmost Via (18.2.1, RFC 3581 4). The values come from outside: the parser let no CR, LF or
 * bare control into them, and folds became spaces, so they cannot break the line they are written
 * into. */
#include "sbc/sip/sip_priv.h"

/* Needed: the sent-by is a name or another address than the packet came from, or rport asks. */
static bool received_needed(const struct sip_via *via, const struct endpoint *source)
{
	struct slice host = via->host;
	struct slice taken;
	struct ip_addr ip;

	return via->rport || sip_host_take(&host, &taken, &ip) != OK || !ip_eq(&ip, &source->ip);
}

static void received_write(struct text *text, const struct endpoint *source)
{
	text_lit(text, ";received=");
	ip_write(text, &source->ip); /* without brackets: RFC 5118 4.5 */
}

/* The topmost Via. A received that the sender wrote himself is not kept, and rport gets its value
 * in its place. One that could not be read goes back as it came: the answer goes to the source
 * anyway. */
static void top_via_write(struct text *text, struct slice element, const struct sip_via *via,
			  const struct endpoint *source)
{
	struct slice params = via->params;
	struct slice name;
	struct slice value;

	if (via->host.len == 0) {
		text_slice(text, element);
		return;
	}
	text_slice(text, sip_trim_wsp(slice_head(element, slice_find_char(element, ';'))));
	while (sip_param_next(&params, &name, &value)) {
		if (slice_eq_nocase(name, SLICE("received")))
			continue;
		text_char(text, ';');
		text_slice(text, name);
		if (slice_eq_nocase(name, SLICE("rport"))) {
			text_char(text, '=');
			text_u64(text, source->port);
		} else if (value.len > 0) {
			text_char(text, '=');
			text_slice(text, value);
		}
	}
	if (received_needed(via, source))
		received_write(text, source);
}

static void line_write(struct text *text, enum sip_header id, struct slice value)
{
	text_slice(text, sip_header_name(id));
	text_lit(text, ": ");
	text_slice(text, value);
	text_lit(text, "\r\n");
}

static void lines_write(struct text *text, const struct sip_msg *msg, enum sip_header id)
{
	for (uint16_t at = msg->first[id]; at; at = msg->fields[at - 1].next)
		line_write(text, id, msg->fields[at - 1].value);
}

static void vias_write(struct text *text, const struct sip_msg *request,
		       const struct endpoint *source)
{
	uint16_t at = request->first[SIP_HDR_VIA];
	struct slice rest;
	struct slice element;

	if (!at)
		return;
	rest = request->fields[at - 1].value;
	text_lit(text, "Via: ");
	if (sip_element_cut(&rest, SIP_LIST, &element))
		top_via_write(text, element, &request->via, source);
	if (rest.p) {
		text_lit(text, ", ");
		text_slice(text, sip_trim_wsp(rest));
	}
	text_lit(text, "\r\n");
	for (at = request->fields[at - 1].next; at; at = request->fields[at - 1].next)
		line_write(text, SIP_HDR_VIA, request->fields[at - 1].value);
}

/* Enough for all that is copied, so that the text does not move while it grows. */
static size_t head_bytes(const struct sip_msg *request)
{
	static const enum sip_header copied[] = { SIP_HDR_VIA,      SIP_HDR_RECORD_ROUTE,
						  SIP_HDR_FROM,     SIP_HDR_TO,
						  SIP_HDR_CALL_ID,  SIP_HDR_CSEQ,
						  SIP_HDR_TIMESTAMP };
	size_t bytes = sizeof(";received=;rport=65535") + INET6_ADDRSTRLEN;

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		for (uint16_t at = request->first[copied[i]]; at; at = request->fields[at - 1].next)
			bytes += request->fields[at - 1].value.len + sizeof("Record-Route: \r\n");
	return bytes;
}

/* What was written since *from, which moves to the end. */
static struct slice written_since(const struct text *text, size_t *from)
{
	struct slice written = slice_of(text->p + *from, text->len - *from);

	*from = text->len;
	return written;
}

enum err sip_reply_keep(struct arena *arena, const struct sip_msg *request,
			const struct endpoint *source, struct sip_reply_head *ret)
{
	struct sip_reply_head head = { .to_has_tag = request->to_tag.len > 0 };
	struct text text;
	size_t at = 0;

	text_init_arena(&text, arena, head_bytes(request));
	if (text.err != OK)
		return text.err;
	vias_write(&text, request, source);
	head.top = written_since(&text, &at);
	lines_write(&text, request, SIP_HDR_RECORD_ROUTE);
	head.record_routes = written_since(&text, &at);
	lines_write(&text, request, SIP_HDR_FROM);
	head.middle = written_since(&text, &at);
	if (request->first[SIP_HDR_TO]) {
		text_lit(&text, "To: ");
		text_slice(&text, sip_value(request, SIP_HDR_TO));
	}
	head.to = written_since(&text, &at);
	lines_write(&text, request, SIP_HDR_CALL_ID);
	lines_write(&text, request, SIP_HDR_CSEQ);
	head.bottom = written_since(&text, &at);
	lines_write(&text, request, SIP_HDR_TIMESTAMP);
	head.timestamp = written_since(&text, &at);
	if (text.err != OK)
		return text.err;
	*ret = head;
	return OK;
}

void sip_reply_write(struct text *text, const struct sip_reply_head *head, uint16_t status,
		     struct slice reason, struct slice to_tag, bool record_routes)
{
	text_lit(text, "SIP/2.0 ");
	text_u64(text, status);
	text_char(text, ' ');
	text_slice(text, reason.len > 0 ? reason : slice_text(sip_status_reason(status)));
	text_lit(text, "\r\n");
	text_slice(text, head->top);
	if (record_routes)
		text_slice(text, head->record_routes);
	text_slice(text, head->middle);
	if (head->to.len > 0) {
		text_slice(text, head->to);
		if (!head->to_has_tag && to_tag.len > 0) {
			text_lit(text, ";tag=");
			text_slice(text, to_tag);
		}
		text_lit(text, "\r\n");
	}
	text_slice(text, head->bottom);
	text_slice(text, head->timestamp);
}

void sip_write_body(struct text *text, struct slice content_type, struct slice body)
{
	if (body.len > 0) {
		text_lit(text, "Content-Type: ");
		text_slice(text, content_type);
		text_lit(text, "\r\n");
	}
	text_lit(text, "Content-Length: ");
	text_u64(text, body.len);
	text_lit(text, "\r\n\r\n");
	text_slice(text, body);
}

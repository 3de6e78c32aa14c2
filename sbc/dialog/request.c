/* SPDX-License-Identifier: MIT
 * The heads of requests inside a dialog, written anew from what the dialog knows. */
#include "sbc/dialog/dialog.h"

static uint16_t default_port(uint8_t transport)
{
	static const uint16_t ports[SIP_TRANSPORT_COUNT] = {
		[SIP_UDP] = 5060, [SIP_TCP] = 5060, [SIP_TLS] = 5061, [SIP_WS] = 80, [SIP_WSS] = 443,
	};

	return transport < SIP_TRANSPORT_COUNT ? ports[transport] : 5060;
}

void dialog_sent_by_write(struct text *text, const struct dialog_self *self)
{
	struct ip_addr ip;

	text_slice(text, self->host);
	if (self->port == default_port(self->transport) &&
	    ip_parse_reference(self->host, &ip) != OK)
		return;
	text_char(text, ':');
	text_u64(text, self->port);
}

void dialog_via_write(struct text *text, const struct dialog_self *self, struct slice branch)
{
	text_lit(text, "Via: SIP/2.0/");
	text_slice(text, sip_transport_text((enum sip_transport)self->transport));
	text_char(text, ' ');
	dialog_sent_by_write(text, self);
	text_lit(text, ";rport;branch=");
	text_slice(text, branch);
	text_lit(text, "\r\n");
}

void dialog_contact_write(struct text *text, const struct dialog_self *self)
{
	static const char *const params[SIP_TRANSPORT_COUNT] = {
		[SIP_UDP] = "",
		[SIP_TCP] = ";transport=tcp",
		[SIP_TLS] = ";transport=tls",
		[SIP_WS] = ";transport=ws",
		[SIP_WSS] = ";transport=ws",
	};

	text_lit(text, "Contact: <sip:");
	dialog_sent_by_write(text, self);
	text_slice(text, slice_text(params[self->transport]));
	text_lit(text, ">\r\n");
}

/* A route without ;lr is a strict router (RFC 2543 style). */
static bool route_is_strict(struct slice route, struct sip_address *ret)
{
	struct slice value;

	return sip_address_parse(route, ret) == OK &&
	       !sip_param_find(ret->uri.params, SLICE("lr"), &value);
}

static void write_route(struct text *text, struct slice route)
{
	text_lit(text, "Route: ");
	text_slice(text, route);
	text_lit(text, "\r\n");
}

static void write_routes(struct text *text, const struct dialog *dialog, bool strict)
{
	for (size_t i = strict ? 1 : 0; i < dialog->route_count; i++)
		write_route(text, dialog->routes[i]);
	if (strict) {
		text_lit(text, "Route: <");
		text_slice(text, dialog->remote_target);
		text_lit(text, ">\r\n");
	}
}

static void write_party(struct text *text, const char *name, struct slice party, struct slice tag)
{
	text_slice(text, slice_text(name));
	text_slice(text, party);
	if (tag.len > 0) {
		text_lit(text, ";tag=");
		text_slice(text, tag);
	}
	text_lit(text, "\r\n");
}

void dialog_request_write(struct text *text, const struct dialog *dialog,
			  const struct dialog_request *request)
{
	struct slice method = sip_method_text(request->method);
	struct slice target = dialog->remote_target;
	struct sip_address first;
	bool strict = dialog->route_count > 0 && route_is_strict(dialog->routes[0], &first);

	if (strict)
		target = first.uri_text;
	text_slice(text, method);
	text_char(text, ' ');
	text_slice(text, target);
	text_lit(text, " SIP/2.0\r\n");
	dialog_via_write(text, request->self, request->branch);
	text_lit(text, "Max-Forwards: ");
	text_i64(text, request->max_forwards);
	text_lit(text, "\r\n");
	write_routes(text, dialog, strict);
	write_party(text, "From: ", dialog->local, dialog->local_tag);
	write_party(text, "To: ", dialog->remote, dialog->remote_tag);
	text_lit(text, "Call-ID: ");
	text_slice(text, dialog->call_id);
	text_lit(text, "\r\nCSeq: ");
	text_u64(text, request->cseq);
	text_char(text, ' ');
	text_slice(text, method);
	text_lit(text, "\r\n");
}

/* SPDX-License-Identifier: MIT
 * Via elements (RFC 3261 20.42, 18.2.1; RFC 3581; received of IPv6 with and without brackets, RFC
 * 5118 4.5). */
#include "sbc/sip/sip_priv.h"

/* protocol-name SLASH protocol-version SLASH transport; versions are judged on the first line. */
static enum err protocol_take(struct slice *in, struct slice *ret_transport)
{
	struct slice rest = *in;

	if (slice_starts(rest, SLICE("SIP/2.0/"))) {
		rest = slice_skip(rest, 8);
	} else {
		if (sip_take(&rest, CC_TOKEN).len == 0 || !sip_skip_char(&rest, '/') ||
		    sip_take(&rest, CC_TOKEN).len == 0 || !sip_skip_char(&rest, '/'))
			return ERR_SYNTAX;
	}
	sip_skip_wsp(&rest);
	*ret_transport = sip_take(&rest, CC_TOKEN);
	if (ret_transport->len == 0 || rest.len == 0 || !char_is(rest.p[0], CC_WSP))
		return ERR_SYNTAX;
	sip_skip_wsp(&rest);
	*in = rest;
	return OK;
}

/* A parameter that this border reads; each may stand there once. */
static enum err via_param(struct sip_via *via, struct slice name, struct slice value)
{
	if (slice_eq_nocase(name, SLICE("branch"))) {
		if (via->branch.len > 0 || value.len == 0)
			return ERR_SYNTAX;
		via->branch = value;
	} else if (slice_eq_nocase(name, SLICE("received"))) {
		if (via->received.len > 0 || value.len == 0)
			return ERR_SYNTAX;
		via->received = value;
	} else if (slice_eq_nocase(name, SLICE("rport"))) {
		if (via->rport)
			return ERR_SYNTAX;
		via->rport = true;
		if (value.len > 0)
			return parse_u16(value, &via->rport_value);
	}
	return OK;
}

enum err sip_via_parse(struct slice text, struct sip_via *ret)
{
	struct sip_via via = { 0 };
	struct ip_addr ip;
	struct slice name;
	struct slice value;
	bool more;
	enum err err;

	text = sip_trim_wsp(text);
	err = protocol_take(&text, &via.transport_text);
	if (err == OK)
		err = sip_host_take(&text, &via.host, &ip);
	if (err == OK && sip_skip_char(&text, ':'))
		err = sip_port_take(&text, &via.port);
	if (err != OK)
		return err;
	via.transport = sip_transport_find(via.transport_text);
	more = sip_skip_char(&text, ';');
	via.params = text;
	if (!more && text.len > 0)
		return ERR_SYNTAX;
	while (more) {
		err = sip_param_take(&text, &name, &value, &more);
		if (err == OK)
			err = via_param(&via, name, value);
		if (err != OK)
			return err;
	}
	*ret = via;
	return OK;
}

/* SPDX-License-Identifier: MIT
 * URIs: sip:, sips: (RFC 3261 19.1), tel: (RFC 3966) and others, which are kept as text. The only
 * '@' that can stand in a SIP URI ends its userinfo, whose user part may hold ; ? / and , bare. */
#include "sbc/sip/sip_priv.h"

/* *(";" name ["=" value]), behind the first ';': no empty ones. */
static bool uri_params_ok(struct slice params)
{
	char before = ';';

	for (size_t i = 0; i < params.len; i++) {
		char c = params.p[i];

		if (c == ';' || c == '=') {
			if (before == ';')
				return false;
		} else if (c == '%') {
			if (!sip_escaped_is(slice_head(slice_skip(params, i), 3), 0))
				return false;
		} else if (!char_is(c, CC_URI_PARAM)) {
			return false;
		}
		before = c;
	}
	return before != ';';
}

/* header *("&" header), behind the '?': hname "=" hvalue each. */
static bool uri_headers_ok(struct slice headers)
{
	struct slice header;
	struct slice name;

	while (headers.len > 0) {
		if (!slice_cut_char(&headers, '&', &header)) {
			header = headers;
			headers.len = 0;
		} else if (headers.len == 0) {
			return false;
		}
		if (!slice_cut_char(&header, '=', &name) || name.len == 0 ||
		    !sip_escaped_is(name, CC_URI_HEADER) || !sip_escaped_is(header, CC_URI_HEADER))
			return false;
	}
	return true;
}

static enum err userinfo_parse(struct slice userinfo, struct sip_uri *uri)
{
	if (slice_cut_char(&userinfo, ':', &uri->user)) {
		uri->password = userinfo;
		if (!sip_escaped_is(uri->password, CC_PASSWORD))
			return ERR_SYNTAX;
	} else {
		uri->user = userinfo;
	}
	return uri->user.len > 0 && sip_escaped_is(uri->user, CC_USER) ? OK : ERR_SYNTAX;
}

/* What follows hostport. */
static enum err uri_tail_parse(struct slice rest, struct sip_uri *uri)
{
	size_t at;

	if (rest.len > 0 && rest.p[0] == ';') {
		rest = slice_skip(rest, 1);
		at = slice_find_char(rest, '?');
		uri->params = slice_head(rest, at);
		if (!uri_params_ok(uri->params))
			return ERR_SYNTAX;
		rest = slice_skip(rest, at);
	}
	if (rest.len == 0)
		return OK;
	if (rest.p[0] != '?' || rest.len == 1)
		return ERR_SYNTAX;
	uri->headers = slice_skip(rest, 1);
	return uri_headers_ok(uri->headers) ? OK : ERR_SYNTAX;
}

static enum err sip_scheme_parse(struct slice rest, struct sip_uri *uri)
{
	struct slice userinfo;
	enum err err = OK;

	if (slice_cut_char(&rest, '@', &userinfo))
		err = userinfo_parse(userinfo, uri);
	if (err == OK)
		err = sip_host_take(&rest, &uri->host, &uri->ip);
	if (err == OK && rest.len > 0 && rest.p[0] == ':') {
		rest = slice_skip(rest, 1);
		err = sip_port_take(&rest, &uri->port);
	}
	return err == OK ? uri_tail_parse(rest, uri) : err;
}

/* Digits, hexdigits and * # of local numbers, visual separators. */
static bool tel_number_ok(struct slice number)
{
	bool any = false;

	for (size_t i = 0; i < number.len; i++) {
		char c = number.p[i];

		if (char_is(c, CC_HEX) || c == '*' || c == '#')
			any = true;
		else if (!(c == '+' && i == 0) && (c == 0 || !strchr("-.()", c)))
			return false;
	}
	return any;
}

static enum err tel_parse(struct slice rest, struct sip_uri *uri)
{
	size_t at = slice_find_char(rest, ';');

	uri->user = slice_head(rest, at);
	if (!tel_number_ok(uri->user))
		return ERR_SYNTAX;
	if (at == rest.len)
		return OK;
	uri->params = slice_skip(rest, at + 1);
	return uri_params_ok(uri->params) ? OK : ERR_SYNTAX;
}

static bool scheme_ok(struct slice scheme)
{
	if (scheme.len == 0 || !char_is(scheme.p[0], CC_ALPHA))
		return false;
	for (size_t i = 1; i < scheme.len; i++)
		if (!char_is(scheme.p[i], CC_ALPHA | CC_DIGIT) && scheme.p[i] != '+' &&
		    scheme.p[i] != '-' && scheme.p[i] != '.')
			return false;
	return true;
}

/* The scheme with its colon; of another scheme also its name, empty when there is none. */
static enum sip_scheme scheme_take(struct slice *in, struct slice *ret_scheme)
{
	static const struct slice names[] = { { "sip:", 4 }, { "sips:", 5 }, { "tel:", 4 } };
	struct slice text = *in;

	for (unsigned scheme = SIP_SCHEME_SIP; scheme < SIP_SCHEME_OTHER; scheme++) {
		struct slice name = names[scheme];

		if (text.len >= name.len &&
		    (memcmp(text.p, name.p, name.len) == 0 || slice_starts_nocase(text, name))) {
			*in = slice_skip(text, name.len);
			return (enum sip_scheme)scheme;
		}
	}
	if (!slice_cut_char(in, ':', ret_scheme))
		*ret_scheme = SLICE_NONE;
	return SIP_SCHEME_OTHER;
}

enum err sip_uri_parse(struct slice text, struct sip_uri *ret)
{
	struct sip_uri uri = { 0 };
	struct slice rest = text;
	struct slice scheme;
	enum err err;

	uri.scheme = scheme_take(&rest, &scheme);
	if (uri.scheme == SIP_SCHEME_TEL)
		err = tel_parse(rest, &uri);
	else if (uri.scheme != SIP_SCHEME_OTHER)
		err = sip_scheme_parse(rest, &uri);
	else
		err = scheme_ok(scheme) && slice_is(rest, CC_URI_ANY | CC_URI_PARAM) ? OK
										     : ERR_SYNTAX;
	if (err == OK)
		*ret = uri;
	return err;
}

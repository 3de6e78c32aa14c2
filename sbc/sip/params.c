/* SPDX-License-Identifier: MIT
 * generic-param lists (RFC 3261 25.1) and quoted strings. Names are tokens. Values are a token, a
 * host or a quoted string; IPv6 addresses stand there without brackets too (RFC 5118 4.5), so the
 * value's bytes are those of URI parameters as well. */
#include "sbc/sip/sip_priv.h"

bool sip_escaped_is(struct slice text, unsigned classes)
{
	const char *p = text.p;
	const char *end = p + text.len;

	while (p < end) {
		if (*p == '%') {
			if (end - p < 3 || !char_is(p[1], CC_HEX) || !char_is(p[2], CC_HEX))
				return false;
			p += 3;
		} else if (char_is(*p, classes)) {
			p++;
		} else {
			return false;
		}
	}
	return true;
}

bool sip_quoted_take(struct slice *in, struct slice *ret)
{
	const char *p = in->p;
	const char *end = p + in->len;

	if (in->len < 2 || *p != '"')
		return false;
	for (p++; p < end && *p != '"'; p++) {
		bool escaped = *p == '\\';

		if (escaped && ++p == end)
			break;
		/* quoted-pair takes any byte but CR and LF (25.1); no control stands there bare */
		if (*p == '\r' || *p == '\n' || (!escaped && char_is(*p, CC_CTL) && *p != '\t'))
			return false;
	}
	if (p == end)
		return false;
	p++;
	*ret = slice_of(in->p, (size_t)(p - in->p));
	*in = slice_of(p, (size_t)(end - p));
	return true;
}

enum err sip_param_take(struct slice *in, struct slice *ret_name, struct slice *ret_value,
			bool *ret_more)
{
	struct slice rest = *in;
	struct slice value = { "", 0 };
	struct slice name;

	sip_skip_wsp(&rest);
	name = sip_take(&rest, CC_TOKEN);
	if (name.len == 0)
		return ERR_SYNTAX;
	if (sip_skip_char(&rest, '=')) {
		if (rest.len > 0 && rest.p[0] == '"') {
			if (!sip_quoted_take(&rest, &value))
				return ERR_SYNTAX;
		} else {
			value = sip_take(&rest, CC_TOKEN | CC_URI_PARAM);
			if (value.len == 0)
				return ERR_SYNTAX;
		}
	}
	sip_skip_wsp(&rest);
	*ret_more = rest.len > 0;
	if (rest.len > 0 && rest.p[0] != ';')
		return ERR_SYNTAX;
	*in = *ret_more ? slice_skip(rest, 1) : rest;
	*ret_name = name;
	*ret_value = value;
	return OK;
}

enum err sip_params_check(struct slice params, struct slice *ret_tag)
{
	struct slice tag = { "", 0 };
	struct slice name;
	struct slice value;
	bool more = true;

	while (more) {
		if (sip_param_take(&params, &name, &value, &more) != OK)
			return ERR_SYNTAX;
		if (name.len != 3 || !slice_eq_nocase(name, SLICE("tag")))
			continue;
		if (tag.len > 0 || value.len == 0 || value.p[0] == '"')
			return ERR_SYNTAX;
		tag = value;
	}
	*ret_tag = tag;
	return OK;
}

/* Values of a part's headers still have their folds, hence LWS. */
bool sip_param_next(struct slice *params, struct slice *ret_name, struct slice *ret_value)
{
	struct slice rest = *params;
	size_t len = 0;

	while (rest.len > 0 && (rest.p[0] == ';' || char_is(rest.p[0], CC_LWS)))
		rest = slice_skip(rest, 1);
	if (rest.len == 0)
		return false;
	while (len < rest.len && rest.p[len] != ';' && rest.p[len] != '=')
		len++;
	*ret_name = slice_trim(slice_head(rest, len), CC_LWS);
	*ret_value = slice_of("", 0);
	rest = slice_skip(rest, len);
	if (rest.len > 0 && rest.p[0] == '=') {
		rest = slice_skip(rest, 1);
		sip_take(&rest, CC_LWS);
		if (!sip_quoted_take(&rest, ret_value)) {
			len = slice_find_char(rest, ';');
			*ret_value = slice_trim(slice_head(rest, len), CC_LWS);
			rest = slice_skip(rest, len);
		}
	}
	*params = rest;
	return true;
}

bool sip_param_find(struct slice params, struct slice name, struct slice *ret_value)
{
	struct slice this_name;
	struct slice value;

	while (sip_param_next(&params, &this_name, &value)) {
		if (slice_eq_nocase(this_name, name)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* SPDX-License-Identifier: MIT
 * name-addr and addr-spec with header parameters (RFC 3261 20.10, 25.1). In an addr-spec without
 * <> every ';' starts a header parameter, and ',' or '?' must not stand in it. */
#include "sbc/sip/sip_priv.h"

/* Display name and '<'. False: no name-addr. */
static bool display_take(struct slice *in, struct slice *ret_display)
{
	struct slice rest = *in;
	struct slice display;

	if (rest.len > 0 && rest.p[0] == '"') {
		if (!sip_quoted_take(&rest, &display))
			return false;
		sip_skip_wsp(&rest);
	} else {
		display = sip_trim_wsp(sip_take(&rest, CC_TOKEN | CC_WSP));
	}
	if (rest.len == 0 || rest.p[0] != '<')
		return false;
	*in = slice_skip(rest, 1);
	*ret_display = display;
	return true;
}

enum err sip_party_parse(struct slice text, struct sip_address *ret, struct slice *ret_tag)
{
	struct sip_address address = { 0 };
	struct slice tag = { "", 0 };
	enum err err;

	text = sip_trim_wsp(text);
	if (display_take(&text, &address.display)) {
		if (!slice_cut_char(&text, '>', &address.uri_text))
			return ERR_SYNTAX;
	} else {
		address.uri_text = slice_head(text, slice_find_char(text, ';'));
		text = slice_skip(text, address.uri_text.len);
		address.uri_text = sip_trim_wsp(address.uri_text);
		if (slice_find_char(address.uri_text, '?') < address.uri_text.len ||
		    slice_find_char(address.uri_text, ',') < address.uri_text.len)
			return ERR_SYNTAX;
	}
	err = sip_uri_parse(address.uri_text, &address.uri);
	if (err != OK)
		return err;
	if (sip_skip_char(&text, ';')) {
		address.params = text;
		err = sip_params_check(text, &tag);
	} else if (text.len > 0) {
		err = ERR_SYNTAX;
	}
	if (err != OK)
		return err;
	*ret = address;
	*ret_tag = tag;
	return OK;
}

enum err sip_address_parse(struct slice text, struct sip_address *ret)
{
	struct slice tag;

	return sip_party_parse(text, ret, &tag);
}

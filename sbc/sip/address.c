/* SPDX-License-Identifier: MIT
 * name-addr and addr-spec with header parameters (RFC 3261 20.10, 25.1). In an addr-spec without
 * <> every ';' starts a header parameter, and ',' or '?' must not stand in it. */
#include "sbc/sip/sip_priv.h"

/* Bytes of the one character beyond ASCII that the text begins with (RFC 3629 4); 0: none, or not
 * well-formed. */
static size_t utf8_take(struct slice text)
{
	/* The lowest code of each length: none is written longer than it need be. */
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = text.len > 0 ? (unsigned char)text.p[0] : 0;
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	uint32_t code = first & (0xffu >> (len + 1));

	if (first < 0xc2 || first > 0xf4 || text.len < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text.p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text.p[i] & 0x3f);
	}
	if (code < lowest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

/* *(token LWS), as 25.1 has it, and characters beyond ASCII, which it would have in quotes only:
 * telephones send names so all over the world, and nothing else can be meant (RFC 1122 1.2.2). */
static struct slice words_take(struct slice *in)
{
	const char *start = in->p;
	size_t len;

	do {
		sip_take(in, CC_TOKEN | CC_WSP);
		len = utf8_take(*in);
		*in = slice_skip(*in, len);
	} while (len > 0);
	return slice_of(start, (size_t)(in->p - start));
}

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
		display = sip_trim_wsp(words_take(&rest));
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

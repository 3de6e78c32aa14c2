/* SPDX-License-Identifier: MIT
 * Attributes that carry keys or lead to them: a=crypto (RFC 4568), a=fingerprint (RFC 8122), a=setup
 * (RFC 4145), and ICE's credentials (RFC 8839). A line that does not follow its grammar is as good as
 * not there; which of the others are of use is not decided here. */
#include "sbc/sdp/sdp_priv.h"

#include "lib/base/base64.h"
#include "lib/base/ensure.h"

/* srtp-lifetime = ["2^"] 1*DIGIT (RFC 4568 9.2), at most 2^48 packets (RFC 3711 9.2). What it promises
 * is the peer's business; a zero would be a key that protects nothing. */
static bool lifetime_valid(struct slice text)
{
	uint64_t number;

	if (slice_starts(text, SLICE("2^")))
		return parse_u64(slice_skip(text, 2), &number) == OK && number <= 48;
	return parse_u64(text, &number) == OK && number > 0 && number <= UINT64_C(1) << 48;
}

/* mki-value ":" mki-length; the value must fit its octets. */
static enum err read_mki(struct slice text, struct sdp_key *key)
{
	struct slice value;
	uint64_t number;
	uint32_t bytes;

	if (!slice_cut_char(&text, ':', &value) || parse_u32(text, &bytes) != OK ||
	    !slice_is(value, CC_DIGIT))
		return ERR_SYNTAX;
	if (parse_u64(value, &number) != OK)
		return ERR_UNSUPPORTED;
	if (bytes == 0 || bytes > SDP_MKI_MAX || (bytes < 8 && number >> 8 * bytes != 0))
		return ERR_SYNTAX;
	key->mki = number;
	key->mki_bytes = (uint8_t)bytes;
	return OK;
}

/* Takes a lifetime off the front; it has no colon, which an MKI has. *more: something is behind it. */
static bool lifetime_cut(struct slice *text, bool *more)
{
	struct slice lifetime = slice_head(*text, slice_find_char(*text, '|'));

	if (slice_find_char(lifetime, ':') < lifetime.len)
		return true;
	*more = slice_cut_char(text, '|', &lifetime);
	return lifetime_valid(lifetime);
}

/* "inline:" key-salt ["|" lifetime] ["|" mki], RFC 4568 9.2. */
static enum err read_key(struct slice text, struct sdp_key *ret)
{
	struct sdp_key key = { 0 };
	struct slice part;
	bool more;
	size_t len;
	enum err err;

	if (!slice_starts(text, SLICE("inline:")))
		return ERR_SYNTAX;
	text = slice_skip(text, 7);
	more = slice_cut_char(&text, '|', &part);
	err = base64_decode(more ? part : text, key.bytes, sizeof(key.bytes), &len);
	if (err != OK)
		return err == ERR_LIMIT ? ERR_UNSUPPORTED : err;
	key.len = (uint8_t)len;
	if (more && !lifetime_cut(&text, &more))
		return ERR_SYNTAX;
	if (more)
		err = read_mki(text, &key);
	if (err == OK)
		*ret = key;
	return err;
}

/* Several keys tell themselves apart by MKIs of one length (RFC 4568 6.1). */
static enum err read_keys(struct slice text, struct sdp_crypto *crypto)
{
	struct slice one;
	bool more = true;
	enum err err = OK;

	while (more && err == OK) {
		more = slice_cut_char(&text, ';', &one);
		if (crypto->key_count == array_size(crypto->keys))
			return ERR_UNSUPPORTED;
		err = read_key(more ? one : text, &crypto->keys[crypto->key_count++]);
	}
	if (err == OK && crypto->key_count > 1 &&
	    (crypto->keys[0].mki_bytes == 0 || crypto->keys[0].mki_bytes != crypto->keys[1].mki_bytes))
		return ERR_SYNTAX;
	return err;
}

/* One session parameter (RFC 4568 6.3). A parameter that is not known makes the line invalid unless it
 * begins with '-' (6.3.7). The window of WSH is a wish for the receiver's least (RFC 3711 3.3.2). */
static enum err read_parameter(struct slice text, struct sdp_crypto *crypto)
{
	uint32_t number;

	if (text.len == 0)
		return ERR_SYNTAX;
	if (slice_eq(text, SLICE("UNENCRYPTED_SRTP")))
		crypto->unencrypted_rtp = true;
	else if (slice_eq(text, SLICE("UNENCRYPTED_SRTCP")))
		crypto->unencrypted_rtcp = true;
	else if (slice_eq(text, SLICE("UNAUTHENTICATED_SRTP")))
		crypto->unauthenticated_rtp = true;
	else if (slice_starts(text, SLICE("KDR=")))
		return parse_u32(slice_skip(text, 4), &number) != OK || number > 24 ? ERR_SYNTAX :
		       number > 0 ? ERR_UNSUPPORTED : OK;
	else if (slice_starts(text, SLICE("WSH=")))
		return parse_u32(slice_skip(text, 4), &number) == OK && number >= 64 ? OK :
										       ERR_SYNTAX;
	else if (slice_starts(text, SLICE("FEC_ORDER=")) || slice_starts(text, SLICE("FEC_KEY=")))
		return ERR_UNSUPPORTED;
	else if (text.p[0] != '-')
		return ERR_UNSUPPORTED;
	return OK;
}

enum err sdp_crypto_parse(struct slice value, struct sdp_crypto *ret)
{
	struct sdp_crypto crypto = { 0 };
	struct slice tag, keys, parameter;
	bool more;
	enum err err;

	if (!slice_cut(&value, CC_WSP, &tag) || !slice_cut(&value, CC_WSP, &crypto.suite))
		return ERR_SYNTAX;
	if (tag.len > 9 || parse_u32(tag, &crypto.tag) != OK || !sdp_is_token(crypto.suite))
		return ERR_SYNTAX;
	more = slice_cut(&value, CC_WSP, &keys);
	err = read_keys(more ? keys : value, &crypto);
	while (more && err == OK) {
		more = slice_cut(&value, CC_WSP, &parameter);
		err = read_parameter(more ? parameter : value, &crypto);
	}
	if (err == OK)
		*ret = crypto;
	return err;
}

static int hex_digit(char c)
{
	if (char_is(c, CC_DIGIT))
		return c - '0';
	return char_is(c, CC_HEX) ? ascii_lower(c) - 'a' + 10 : -1;
}

/* hash-func SP 2UHEX *(":" 2UHEX). Small letters are seen, and can mean nothing else. */
enum err sdp_fingerprint_parse(struct slice value, struct sdp_fingerprint *ret)
{
	struct sdp_fingerprint fingerprint = { 0 };

	if (!slice_cut(&value, CC_WSP, &fingerprint.hash) || !sdp_is_token(fingerprint.hash) ||
	    value.len % 3 != 2)
		return ERR_SYNTAX;
	if ((value.len + 1) / 3 > sizeof(fingerprint.bytes))
		return ERR_UNSUPPORTED;
	for (size_t at = 0; at < value.len; at += 3) {
		int high = hex_digit(value.p[at]);
		int low = hex_digit(value.p[at + 1]);

		if (high < 0 || low < 0 || (at + 2 < value.len && value.p[at + 2] != ':'))
			return ERR_SYNTAX;
		fingerprint.bytes[fingerprint.len++] = (uint8_t)(high << 4 | low);
	}
	*ret = fingerprint;
	return OK;
}

static const char *const setups[] = { "", "actpass", "active", "passive", "holdconn" };

enum sdp_setup sdp_setup_find(struct slice value)
{
	for (unsigned i = 1; i < array_size(setups); i++)
		if (slice_eq_nocase(value, slice_text(setups[i])))
			return (enum sdp_setup)i;
	return SDP_SETUP_NONE;
}

const char *sdp_setup_text(enum sdp_setup setup)
{
	return setups[setup];
}

/* ice-char = ALPHA / DIGIT / "+" / "/". */
bool sdp_is_ice_text(struct slice value, size_t least)
{
	for (size_t i = 0; i < value.len; i++)
		if (!char_is(value.p[i], CC_ALPHA | CC_DIGIT) && value.p[i] != '+' &&
		    value.p[i] != '/')
			return false;
	return value.len >= least && value.len <= SDP_ICE_TEXT_MAX;
}

static bool find_in(const struct sdp_attribute *attributes, size_t count, struct slice name,
		    struct slice *ret_value)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq(attributes[i].name, name)) {
			*ret_value = attributes[i].value;
			return true;
		}
	}
	return false;
}

bool sdp_attribute_find(const struct sdp_media *media, struct slice name, struct slice *ret_value)
{
	return find_in(media->attributes, media->attribute_count, name, ret_value);
}

bool sdp_attribute_of(const struct sdp *sdp, const struct sdp_media *media, struct slice name,
		      struct slice *ret_value)
{
	return find_in(media->attributes, media->attribute_count, name, ret_value) ||
	       find_in(sdp->attributes, sdp->attribute_count, name, ret_value);
}

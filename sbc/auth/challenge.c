/* SPDX-License-Identifier: MIT
 * challenge = "Digest" LWS digest-cln *(COMMA digest-cln), RFC 3261 25.1. What is a token by the
 * grammar is taken in quotes too, and the other way round: both are in the field. */
#include "sbc/auth/auth.h"

#include "lib/base/ensure.h"

static const struct slice algorithm_names[AUTH_ALGORITHM_COUNT] = {
	[AUTH_MD5] = { "MD5", 3 },
	[AUTH_SHA_256] = { "SHA-256", 7 },
	[AUTH_SHA_512_256] = { "SHA-512-256", 11 },
};

static void skip_lws(struct slice *rest)
{
	slice_take(rest, CC_LWS);
}

/* Takes what is between quotes, escapes left as they are. */
static bool take_quoted(struct slice *rest, struct slice *ret)
{
	for (size_t i = 1; i < rest->len; i++) {
		if (rest->p[i] == '\\') {
			i++;
		} else if (rest->p[i] == '"') {
			*ret = slice_of(rest->p + 1, i - 1);
			*rest = slice_skip(*rest, i + 1);
			return true;
		}
	}
	return false;
}

/* "name = value" and the comma behind it. False: it is none. */
static bool take_param(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	skip_lws(rest);
	*ret_name = slice_take(rest, CC_TOKEN);
	skip_lws(rest);
	if (ret_name->len == 0 || rest->len == 0 || rest->p[0] != '=')
		return false;
	*rest = slice_skip(*rest, 1);
	skip_lws(rest);
	if (rest->len > 0 && rest->p[0] == '"') {
		if (!take_quoted(rest, ret_value))
			return false;
	} else {
		*ret_value = slice_head(*rest, slice_find_char(*rest, ','));
		*rest = slice_skip(*rest, ret_value->len);
		*ret_value = slice_trim(*ret_value, CC_LWS);
		if (slice_find_char(*ret_value, '"') < ret_value->len)
			return false;
	}
	skip_lws(rest);
	if (rest->len > 0 && rest->p[0] != ',')
		return false;
	*rest = slice_skip(*rest, 1);
	return true;
}

static bool has_auth(struct slice qop)
{
	struct slice option;

	while (slice_cut_char(&qop, ',', &option))
		if (slice_eq_nocase(slice_trim(option, CC_LWS), SLICE("auth")))
			return true;
	return slice_eq_nocase(slice_trim(qop, CC_LWS), SLICE("auth"));
}

static bool find_algorithm(struct slice name, enum auth_algorithm *ret)
{
	for (unsigned i = 0; i < AUTH_ALGORITHM_COUNT; i++) {
		if (!slice_eq_nocase(name, algorithm_names[i]))
			continue;
		*ret = (enum auth_algorithm)i;
		return true;
	}
	return false;
}

static enum err set_param(struct auth_challenge *challenge, struct slice name, struct slice value)
{
	if (slice_eq_nocase(name, SLICE("realm"))) {
		challenge->realm = value;
	} else if (slice_eq_nocase(name, SLICE("nonce"))) {
		challenge->nonce = value;
	} else if (slice_eq_nocase(name, SLICE("opaque"))) {
		challenge->opaque = value;
	} else if (slice_eq_nocase(name, SLICE("stale"))) {
		challenge->stale = slice_eq_nocase(value, SLICE("true"));
	} else if (slice_eq_nocase(name, SLICE("algorithm"))) {
		challenge->algorithm_given = true;
		if (!find_algorithm(value, &challenge->algorithm))
			return ERR_UNSUPPORTED;
	} else if (slice_eq_nocase(name, SLICE("qop"))) {
		challenge->qop = has_auth(value);
		if (!challenge->qop)
			return ERR_UNSUPPORTED;
	}
	return OK;
}

enum err auth_challenge_parse(struct slice value, struct auth_challenge *ret)
{
	struct auth_challenge challenge = { .algorithm = AUTH_MD5 };
	struct slice param;
	struct slice name;
	enum err err;

	skip_lws(&value);
	if (!slice_eq_nocase(slice_take(&value, CC_TOKEN), SLICE("Digest")))
		return ERR_UNSUPPORTED;
	while (slice_trim(value, CC_LWS).len > 0) {
		if (!take_param(&value, &name, &param))
			return ERR_SYNTAX;
		err = set_param(&challenge, name, param);
		if (err < 0)
			return err;
	}
	if (!challenge.realm.p || challenge.nonce.len == 0)
		return ERR_SYNTAX;
	*ret = challenge;
	return OK;
}

/* Keeps the stronger of two for one realm. */
static size_t offer(struct auth_challenge *kept, size_t count, const struct auth_challenge *offered)
{
	for (size_t i = 0; i < count; i++) {
		if (kept[i].proxy != offered->proxy || !slice_eq(kept[i].realm, offered->realm))
			continue;
		if (offered->algorithm > kept[i].algorithm)
			kept[i] = *offered;
		return count;
	}
	if (count < AUTH_CHALLENGES_MAX)
		kept[count++] = *offered;
	return count;
}

size_t auth_challenges(const struct sip_msg *msg, struct auth_challenge ret[AUTH_CHALLENGES_MAX])
{
	static const enum sip_header ids[] = { SIP_HDR_WWW_AUTHENTICATE,
					       SIP_HDR_PROXY_AUTHENTICATE };
	size_t count = 0;

	for (size_t i = 0; i < array_size(ids); i++) {
		for (uint16_t at = msg->first[ids[i]]; at; at = msg->fields[at - 1].next) {
			struct auth_challenge challenge;

			if (auth_challenge_parse(msg->fields[at - 1].value, &challenge) < 0)
				continue;
			challenge.proxy = ids[i] == SIP_HDR_PROXY_AUTHENTICATE;
			count = offer(ret, count, &challenge);
		}
	}
	return count;
}

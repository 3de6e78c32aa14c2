/* SPDX-License-Identifier: MIT
 * What crosses from one side to the other: a short list, and nothing that is not on it. */
#include "sbc/policy/policy.h"

#include "lib/base/ensure.h"

/* priv-values of RFC 3323 4.2, RFC 3325 9.3 and RFC 7044 10.1. */
static const char *const privacy_words[] = { "header", "session",  "user",   "none",
					     "id",     "critical", "history" };
/* Those that hide the caller from a side that is not trusted. */
static const char *const hiding_words[] = { "header", "user", "id" };

static bool word_in(struct slice word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq_nocase(word, slice_text(words[i])))
			return true;
	return false;
}

/* Takes the next priv-value of a list with ';'. False: none is left. */
static bool privacy_next(struct slice *in, struct slice *ret)
{
	if (in->len == 0)
		return false;
	if (!slice_cut_char(in, ';', ret)) {
		*ret = *in;
		*in = slice_skip(*in, in->len);
	}
	*ret = slice_trim(*ret, CC_LWS);
	return true;
}

static bool privacy_hides(struct slice value)
{
	struct slice word;

	while (privacy_next(&value, &word))
		if (word_in(word, hiding_words, array_size(hiding_words)))
			return true;
	return false;
}

static bool privacy_known(struct slice value)
{
	struct slice word;

	if (value.len == 0)
		return false;
	while (privacy_next(&value, &word))
		if (!word_in(word, privacy_words, array_size(privacy_words)))
			return false;
	return true;
}

struct policy_headers policy_headers(const struct conf_trunk *from, const struct conf_trunk *to,
				     struct slice privacy)
{
	bool trusted = from->trust_identity && to->trust_identity;

	return (struct policy_headers){
		.identity = trusted,
		.anonymous = !trusted && privacy_hides(privacy),
	};
}

bool policy_header_crosses(const struct policy_headers *headers, enum sip_header id,
			   struct slice value)
{
	if (id == SIP_HDR_P_ASSERTED_IDENTITY)
		return headers->identity && value.len > 0;
	if (id == SIP_HDR_PRIVACY)
		return headers->identity && privacy_known(value);
	return false;
}

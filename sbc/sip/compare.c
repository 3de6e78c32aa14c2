/* SPDX-License-Identifier: MIT
 * URIs compared (RFC 3261 19.1.4). The comparison of parameters looks for each of one side in the
 * other, which is quadratic: more than MAX_PARAMS of them are equal only when they are the same
 * text. A name that stands twice, which 19.1.1 forbids, never makes a URI differ from itself. */
#include "sbc/sip/sip_priv.h"

#define MAX_PARAMS 64u

/* The next character of an escaped text. What is reserved means another thing when it is escaped
 * (RFC 2396 2.2), and gets another value here. */
static unsigned char_take(struct slice *in)
{
	unsigned value = (unsigned char)in->p[0];
	int escaped = sip_escape_value(*in);

	*in = slice_skip(*in, escaped < 0 ? 1 : 3);
	if (escaped < 0)
		return value;
	return escaped > 0 && strchr(";/?:@&=+$,", escaped) ? (unsigned)escaped | 0x100
							    : (unsigned)escaped;
}

static unsigned folded(unsigned value)
{
	return value >= 'A' && value <= 'Z' ? value + 32 : value;
}

static bool escaped_eq(struct slice a, struct slice b, bool nocase)
{
	while (a.len > 0 && b.len > 0) {
		unsigned from_a = char_take(&a);
		unsigned from_b = char_take(&b);

		if (nocase ? folded(from_a) != folded(from_b) : from_a != from_b)
			return false;
	}
	return a.len == 0 && b.len == 0;
}

/* Parameters that count although they stand in one URI only. */
static bool param_counts(struct slice name)
{
	static const struct slice names[] = {
		{ "transport", 9 }, { "user", 4 }, { "method", 6 }, { "maddr", 5 }, { "ttl", 3 }
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (escaped_eq(name, names[i], true))
			return true;
	return false;
}

static bool params_find(struct slice params, struct slice name, struct slice *ret_value)
{
	struct slice this_name;

	while (sip_param_next(&params, &this_name, ret_value))
		if (escaped_eq(this_name, name, true))
			return true;
	return false;
}

/* Every parameter of a has its equal in b, or may be missed there. */
static bool params_match(struct slice a, struct slice b)
{
	struct slice name;
	struct slice value;
	struct slice other;

	while (sip_param_next(&a, &name, &value)) {
		if (params_find(b, name, &other) ? !escaped_eq(value, other, true)
						 : param_counts(name))
			return false;
	}
	return true;
}

static bool header_cut(struct slice *headers, struct slice *ret_name, struct slice *ret_value)
{
	if (headers->len == 0)
		return false;
	if (!slice_cut_char(headers, '&', ret_value)) {
		*ret_value = *headers;
		*headers = slice_of(headers->p + headers->len, 0);
	}
	if (!slice_cut_char(ret_value, '=', ret_name)) {
		*ret_name = *ret_value;
		*ret_value = slice_of("", 0);
	}
	return true;
}

/* Headers are never passed over: each of a stands in b with the same value. */
static bool headers_match(struct slice a, struct slice b)
{
	struct slice name;
	struct slice value;

	while (header_cut(&a, &name, &value)) {
		struct slice rest = b;
		struct slice other_name;
		struct slice other;
		bool found = false;

		while (!found && header_cut(&rest, &other_name, &other))
			found =
			    escaped_eq(name, other_name, true) && escaped_eq(value, other, false);
		if (!found)
			return false;
	}
	return true;
}

static size_t count_char(struct slice s, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.p[i] == c;
	return count;
}

static bool params_eq(struct slice a, struct slice b)
{
	if (slice_eq(a, b))
		return true;
	if (count_char(a, ';') >= MAX_PARAMS || count_char(b, ';') >= MAX_PARAMS)
		return false;
	return params_match(a, b) && params_match(b, a);
}

static bool headers_eq(struct slice a, struct slice b)
{
	if (slice_eq(a, b))
		return true;
	if (count_char(a, '&') >= MAX_PARAMS || count_char(b, '&') >= MAX_PARAMS)
		return false;
	return headers_match(a, b) && headers_match(b, a);
}

static bool host_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	if (a->ip.family != IP_NONE)
		return ip_eq(&a->ip, &b->ip);
	return b->ip.family == IP_NONE && slice_eq_nocase(a->host, b->host);
}

bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	return a->scheme == b->scheme && a->scheme != SIP_SCHEME_OTHER && host_eq(a, b) &&
	       a->port == b->port && escaped_eq(a->user, b->user, false) &&
	       escaped_eq(a->password, b->password, false) && params_eq(a->params, b->params) &&
	       headers_eq(a->headers, b->headers);
}

/* SPDX-License-Identifier: MIT
 * The kinds of scalar fields: one reader and one sentence of what would be right for each. */
#include "lib/conf/conf_priv.h"

#include <math.h>

#include "lib/base/ensure.h"

#define NAME_MAX_BYTES  64u
#define CODEC_MAX_BYTES 32u

static struct slice words_text(struct arena *arena, const char *const *words)
{
	struct text text;

	text_init_arena(&text, arena, 64);
	text_lit(&text, "one of ");
	for (size_t i = 0; words[i]; i++)
		text_printf(&text, "%s%s", i > 0 ? ", " : "", words[i]);
	return text_done(&text);
}

struct slice field_remedy(struct check *check, const struct field *field)
{
	static const char *const sentences[FIELD_KINDS] = {
		[FIELD_NAME] = "a name: 1 to 64 of the characters A-Z a-z 0-9 . _ -",
		[FIELD_SECRET] = "the secret itself, as a string of 1 to 256 bytes",
		[FIELD_HOST] = "a host name or an IP address, as a string",
		[FIELD_IP_TEXT] = "an IP address that others can reach, as a string",
		[FIELD_CODEC] = "an encoding name, for example \"PCMU\"",
		[FIELD_CONTENT_TYPE] = "a content type without parameters, for example "
				       "\"application/isup\"; SDP is always rewritten, and a "
				       "multipart's parts are named one by one",
		[FIELD_REGEX] = "a PCRE2 expression of 1 to 512 bytes that compiles",
		[FIELD_URI] = "sip:HOST, or sip:HOST:PORT;transport=udp|tcp|tls|ws|wss, or sips:…",
		[FIELD_BOOL] = "true or false",
		[FIELD_IP] = "one IPv4 or IPv6 address of this machine, as a string",
		[FIELD_PREFIX] = "an address or a prefix with no host bits set, as in "
				 "\"192.0.2.0/24\" or \"2001:db8::/32\"",
		[FIELD_ENDPOINT] = "ADDRESS:PORT, as in \"127.0.0.1:8080\" or \"[::1]:8080\"",
	};

	if (field->kind == FIELD_OBJECT)
		return SLICE("an object: {…}");
	if (field->kind == FIELD_LIST)
		return arena_printf(check->arena, "a list of %u to %u items", field->min,
				    field->max);
	if (field->kind == FIELD_WORD)
		return words_text(check->arena, field->words);
	if (field->kind == FIELD_U16 || field->kind == FIELD_U32)
		return arena_printf(check->arena, "an integer from %u to %u", field->min,
				    field->max);
	if (field->kind == FIELD_TEXT)
		return arena_printf(check->arena, "a string of %u to %u bytes", field->min,
				    field->max);
	return slice_text(sentences[field->kind]);
}

static bool integer_read(json_t *value, uint32_t *ret)
{
	double real = json_real_value(value);
	json_int_t integer = json_integer_value(value);

	/* 5.0 is an integer to JSON Schema, and so to us. */
	if (json_is_real(value)) {
		if (real != floor(real) || real < 0 || real > UINT32_MAX)
			return false;
		integer = (json_int_t)real;
	}
	if (integer < 0 || integer > UINT32_MAX)
		return false;
	*ret = (uint32_t)integer;
	return true;
}

static const char *number_read(const struct field *field, json_t *value, void *at)
{
	uint32_t number;

	if (!json_is_number(value))
		return "not a number";
	if (!integer_read(value, &number) || number < field->min || number > field->max)
		return json_is_real(value) ? "not an integer in the range" : "out of range";
	if (field->kind == FIELD_U16)
		*(uint16_t *)at = (uint16_t)number;
	else
		*(uint32_t *)at = number;
	return NULL;
}

static const char *word_read(const struct field *field, struct slice text, void *at)
{
	for (unsigned i = 0; field->words[i]; i++) {
		if (slice_eq(text, slice_text(field->words[i]))) {
			*(unsigned *)at = i;
			return NULL;
		}
	}
	return "an unknown word";
}

/* SDP is never passed on unread, and a multipart is no more than its parts. */
static bool content_type_valid(struct slice text)
{
	struct slice subtype = text;
	struct slice type;

	return slice_cut_char(&subtype, '/', &type) && slice_is(type, CC_TOKEN) &&
	       slice_is(subtype, CC_TOKEN) && !slice_eq_nocase(type, SLICE("multipart")) &&
	       !slice_eq_nocase(text, SLICE("application/sdp"));
}

/* NULL: a fine text of this kind. */
static const char *text_wrong(const struct field *field, struct slice text)
{
	struct ip_addr ip;

	if (text.len < field->min || text.len > field->max)
		return text.len == 0 ? "empty" : "too short or too long";
	if (field->kind == FIELD_SECRET)
		return slice_eq(text, SLICE("***"))
			   ? "a placeholder for a secret that is not stored"
			   : NULL;
	if (field->kind == FIELD_HOST && !host_valid(text))
		return "neither a host name nor an IP address";
	if (field->kind == FIELD_IP_TEXT &&
	    (ip_parse(text, &ip) != OK || ip_unspecified(&ip) || ip_multicast(&ip)))
		return "not the IP address of a host";
	if (field->kind == FIELD_CODEC && !slice_is(text, CC_TOKEN))
		return "not an encoding name";
	if (field->kind == FIELD_CONTENT_TYPE && !content_type_valid(text))
		return "not a content type that may cross as it is";
	return NULL;
}

static bool name_valid(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!char_is(text.p[i], CC_ALPHA | CC_DIGIT) && !strchr("._-", text.p[i]))
			return false;
	return text.len > 0 && text.len <= NAME_MAX_BYTES;
}

/* A mapped address would never equal that of a packet, which is IPv4 to us. */
static bool ip_mapped(const struct ip_addr *ip)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return ip->family == IP_V6 && memcmp(ip->bytes, head, sizeof(head)) == 0;
}

static const char *ip_read(struct slice text, struct ip_addr *at)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) != OK)
		return "not an IP address";
	if (ip_unspecified(&ip) || ip_multicast(&ip) || ip_mapped(&ip))
		return "not the address of one interface";
	*at = ip;
	return NULL;
}

static const char *prefix_read(struct slice text, struct ip_prefix *at)
{
	struct ip_prefix prefix;

	if (ip_prefix_parse(text, &prefix) != OK)
		return "not an address or a prefix";
	if (prefix.bits >= 96 && ip_mapped(&prefix.ip))
		return "an IPv4 address in IPv6 clothes";
	*at = prefix;
	return NULL;
}

static const char *regex_read(struct check *check, struct slice pattern, struct slice *at)
{
	char why[CONF_REGEX_WHY_BYTES] = "";
	size_t offset = 0;
	uint32_t groups;
	struct text text;

	if (pattern.len == 0 || pattern.len > CONF_REGEX_MAX_BYTES)
		return "too short or too long";
	if (regex_check(pattern, &groups, &offset, why) == OK) {
		*at = pattern;
		return NULL;
	}
	text_init_arena(&text, check->arena, 160);
	text_printf(&text, "does not compile at offset %zu: %s", offset, why);
	text_char(&text, 0);
	return text.err == OK ? text.p : "does not compile";
}

static const char *string_read(struct check *check, const struct field *field, struct slice text,
			       void *at)
{
	struct endpoint *endpoint = at;
	const char *wrong = NULL;

	switch ((int)field->kind) {
	case FIELD_WORD:
		return word_read(field, text, at);
	case FIELD_IP:
		return ip_read(text, at);
	case FIELD_PREFIX:
		return prefix_read(text, at);
	case FIELD_ENDPOINT:
		return endpoint_parse(text, endpoint) == OK ? NULL : "not an address with a port";
	case FIELD_URI:
		return gateway_uri_parse(text, at);
	case FIELD_REGEX:
		return regex_read(check, text, at);
	case FIELD_NAME:
		wrong = name_valid(text) ? NULL : "not a name";
		break;
	default:
		wrong = text_wrong(field, text);
		break;
	}
	if (!wrong)
		*(struct slice *)at = text;
	return wrong;
}

static const char *value_read(struct check *check, const struct field *field, json_t *value,
			      void *at)
{
	struct slice text;

	if (field->kind == FIELD_U16 || field->kind == FIELD_U32)
		return number_read(field, value, at);
	if (field->kind == FIELD_BOOL) {
		if (!json_is_boolean(value))
			return "neither true nor false";
		*(bool *)at = json_is_true(value);
		return NULL;
	}
	if (!json_is_string(value))
		return "not a string";
	text = slice_of(json_string_value(value), json_string_length(value));
	if (arena_keep(check->arena, text, &text) != OK)
		return "out of memory";
	return string_read(check, field, text, at);
}

bool scalar_read(struct check *check, const struct field *field, json_t *value,
		 const struct spot *spot, void *at)
{
	const char *wrong = value_read(check, field, value, at);

	if (wrong)
		check_fail(check, spot, field_remedy(check, field), "%s", wrong);
	return !wrong;
}

void scalar_default(const struct field *field, void *at)
{
	struct slice text = slice_text(field->initial_text);

	if (field->kind == FIELD_U16)
		*(uint16_t *)at = (uint16_t)field->initial;
	else if (field->kind == FIELD_U32)
		*(uint32_t *)at = field->initial;
	else if (field->kind == FIELD_WORD)
		*(unsigned *)at = field->initial;
	else if (field->kind == FIELD_BOOL)
		*(bool *)at = field->initial_bool;
	else if (field->kind == FIELD_ENDPOINT && text.len > 0)
		ensure(endpoint_parse(text, at) == OK);
	else if (field->kind == FIELD_TEXT)
		*(struct slice *)at = text;
}

/* SPDX-License-Identifier: MIT
 * The streaming writer. What it is given came from the network (numbers, Call-IDs, addresses), so
 * every string is checked: control characters are escaped, and what is not UTF-8 becomes U+FFFD. */
#include "mgmt-api/json/json.h"

#include <time.h>

#include "lib/base/ensure.h"

#define MAX_DEPTH 63u

void json_out_init(struct json_out *out, struct text *text)
{
	*out = (struct json_out){ .text = text };
}

/* Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates); 0: none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (left < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static void write_string(struct text *text, struct slice value)
{
	const unsigned char *p = (const unsigned char *)value.p;

	text_char(text, '"');
	for (size_t i = 0; i < value.len;) {
		size_t len = 1;

		if (p[i] == '"' || p[i] == '\\') {
			text_char(text, '\\');
			text_char(text, (char)p[i]);
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			text_printf(text, "\\u%04x", p[i]);
		} else if (p[i] < 0x80) {
			text_char(text, (char)p[i]);
		} else if ((len = utf8_len(p + i, value.len - i)) > 0) {
			text_bytes(text, value.p + i, len);
		} else {
			len = 1;
			text_lit(text, "\xef\xbf\xbd");
		}
		i += len;
	}
	text_char(text, '"');
}

static void begin_value(struct json_out *out, const char *key)
{
	uint64_t bit = UINT64_C(1) << out->depth;

	if (out->filled & bit)
		text_char(out->text, ',');
	out->filled |= bit;
	if (!key)
		return;
	write_string(out->text, slice_text(key));
	text_char(out->text, ':');
}

static void open_container(struct json_out *out, const char *key, char bracket)
{
	begin_value(out, key);
	text_char(out->text, bracket);
	ensure(out->depth < MAX_DEPTH);
	out->depth++;
	out->filled &= ~(UINT64_C(1) << out->depth);
}

static void close_container(struct json_out *out, char bracket)
{
	ensure(out->depth > 0);
	out->depth--;
	text_char(out->text, bracket);
}

void json_open_object(struct json_out *out, const char *key)
{
	open_container(out, key, '{');
}

void json_close_object(struct json_out *out)
{
	close_container(out, '}');
}

void json_open_array(struct json_out *out, const char *key)
{
	open_container(out, key, '[');
}

void json_close_array(struct json_out *out)
{
	close_container(out, ']');
}

void json_put_str(struct json_out *out, const char *key, struct slice value)
{
	begin_value(out, key);
	write_string(out->text, value);
}

void json_put_str_or_null(struct json_out *out, const char *key, struct slice value)
{
	if (value.len == 0)
		json_put_null(out, key);
	else
		json_put_str(out, key, value);
}

void json_put_u64(struct json_out *out, const char *key, uint64_t value)
{
	begin_value(out, key);
	text_u64(out->text, value);
}

void json_put_i64(struct json_out *out, const char *key, int64_t value)
{
	begin_value(out, key);
	text_i64(out->text, value);
}

void json_put_fixed(struct json_out *out, const char *key, uint64_t value, unsigned decimals)
{
	uint64_t scale = 1;

	for (unsigned i = 0; i < decimals; i++)
		scale *= 10;
	begin_value(out, key);
	text_printf(out->text, "%llu.%0*llu", (unsigned long long)(value / scale), (int)decimals,
		    (unsigned long long)(value % scale));
}

void json_put_bool(struct json_out *out, const char *key, bool value)
{
	begin_value(out, key);
	text_slice(out->text, value ? SLICE("true") : SLICE("false"));
}

void json_put_null(struct json_out *out, const char *key)
{
	begin_value(out, key);
	text_lit(out->text, "null");
}

void json_put_time(struct json_out *out, const char *key, uint64_t unix_ms)
{
	if (unix_ms == 0) {
		json_put_null(out, key);
		return;
	}
	begin_value(out, key);
	text_char(out->text, '"');
	json_write_time(out->text, unix_ms);
	text_char(out->text, '"');
}

void json_put_doc(struct json_out *out, const char *key, const struct json_t *value)
{
	begin_value(out, key);
	jdoc_write(out->text, value);
}

void json_write_time(struct text *text, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm)); /* a year beyond int: never a time of ours */
	text_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(unix_ms % 1000));
}

/* SPDX-License-Identifier: MIT
 * Digits in bodies. Lines end in CRLF, CR or LF; names in any case, white space around what counts;
 * lines that are not known are passed over. */
#include "sbc/call/dtmf.h"

#include "lib/base/text.h"

static const char symbols[] = "0123456789*#ABCD";
#define FLASH 16u

static const struct slice relay_type = SLICE_INIT("application/dtmf-relay");
static const struct slice plain_type = SLICE_INIT("application/dtmf");

bool dtmf_is_type(struct slice type)
{
	return slice_starts_nocase(type, plain_type);
}

/* One of the symbols, the number of a later event, or a name of the hook flash. */
static bool event_parse(struct slice value, uint8_t *ret)
{
	uint32_t number;
	const char *at;

	value = slice_trim(value, CC_WSP);
	if (value.len == 1) {
		char c = value.p[0] >= 'a' && value.p[0] <= 'd' ? (char)(value.p[0] - 'a' + 'A') :
								   value.p[0];

		at = memchr(symbols, c, sizeof(symbols) - 1);
		*ret = at ? (uint8_t)(at - symbols) : FLASH;
		return at || c == '!';
	}
	if (slice_eq_nocase(value, SLICE("hf")) || slice_eq_nocase(value, SLICE("flash"))) {
		*ret = FLASH;
		return true;
	}
	if (value.len != 2 || parse_u32(value, &number) != OK || number < 10 || number > FLASH)
		return false;
	*ret = (uint8_t)number;
	return true;
}

/* 0 is what some send for "not known". */
static bool duration_parse(struct slice value, uint16_t *ret)
{
	uint32_t number;
	enum err err = parse_u32(slice_trim(value, CC_WSP), &number);

	if (err == ERR_LIMIT)
		number = DTMF_MAX_MS;
	else if (err != OK)
		return false;
	if (number == 0)
		number = DTMF_DEFAULT_MS;
	number = number < DTMF_MIN_MS ? DTMF_MIN_MS : number;
	*ret = (uint16_t)(number > DTMF_MAX_MS ? DTMF_MAX_MS : number);
	return true;
}

/* The bytes up to the next line's end. */
static struct slice line_take(struct slice *body)
{
	size_t len = 0;
	struct slice line;

	while (len < body->len && body->p[len] != '\r' && body->p[len] != '\n')
		len++;
	line = slice_head(*body, len);
	*body = slice_skip(*body, len < body->len ? len + 1 : len);
	return line;
}

static enum err relay_parse(struct slice body, struct media_digit *ret)
{
	struct media_digit digit = { .duration_ms = DTMF_DEFAULT_MS };
	unsigned signals = 0, durations = 0;

	while (body.len > 0) {
		struct slice value = line_take(&body);
		struct slice name;

		if (!slice_cut_char(&value, '=', &name))
			continue;
		name = slice_trim(name, CC_WSP);
		if (slice_eq_nocase(name, SLICE("Signal"))) {
			if (signals++ > 0 || !event_parse(value, &digit.event))
				return ERR_SYNTAX;
		} else if (slice_eq_nocase(name, SLICE("Duration"))) {
			if (durations++ > 0 || !duration_parse(value, &digit.duration_ms))
				return ERR_SYNTAX;
		}
	}
	if (signals == 0)
		return ERR_SYNTAX;
	*ret = digit;
	return OK;
}

enum err dtmf_parse(struct slice type, struct slice body, struct media_digit *ret)
{
	struct media_digit digit = { .duration_ms = DTMF_DEFAULT_MS };

	if (slice_eq_nocase(type, relay_type))
		return relay_parse(body, ret);
	if (!slice_eq_nocase(type, plain_type))
		return ERR_UNSUPPORTED;
	if (body.len > 0 && memchr(body.p, '=', body.len))
		return relay_parse(body, ret); /* some name the other format so */
	if (!event_parse(slice_trim(body, CC_LWS), &digit.event))
		return ERR_SYNTAX;
	*ret = digit;
	return OK;
}

struct slice dtmf_write(struct arena *arena, const struct media_digit *digit)
{
	char symbol[] = { digit->event < FLASH ? symbols[digit->event] : '\0', '\0' };

	return arena_printf(arena, "Signal=%s\r\nDuration=%u\r\n", digit->event < FLASH ? symbol : "16",
			    (unsigned)digit->duration_ms);
}

/* SPDX-License-Identifier: MIT
 * Message boundaries, each input in one piece, byte by byte, and cut in two at every place. */
#include "sbc/edge/frame.h"

#include "lib/base/text.h"
#include "tests/support/unit.h"

#define START "INVITE sip:b@example.com SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/TCP a.example.com;branch=z9hG4bK1\r\n"

struct row {
	const char *input;
	const char *want; /* M<length> for a message, P for a ping, B<status>:<why> for the end */
};

static const struct row rows[] = {
	{ START VIA "Content-Length: 4\r\n\r\nv=0\n", "M107" },
	{ START VIA "Content-Length: 4\r\n\r\nv=0", "" },
	{ START "l:0\r\n\r\n" START "L : 2\r\n\r\nab", "M41M45" },
	{ "SIP/2.0 200 OK\r\nContent-length:\t0 \r\n\r\n", "M38" },
	{ START "Content-Length:\r\n 3\r\n\r\nabc", "M60" },
	/* RFC 3261 7.5, RFC 5626 3.5.1 */
	{ "\r\n" START "l: 0\r\n\r\n\r\n", "M42" },
	{ "\r\n\r\n" START "l: 0\r\n\r\n\r\n\r\n", "PM42P" },
	{ "\r\n\r\n\r\n\r\n\r\n", "PP" },
	{ "\r\r\n\r\n", "P" },
	{ "\n\n\n\n", "" },
	/* one Content-Length, digits only (RFC 3261 18.3, 20.14) */
	{ START VIA "\r\n", "B400:content_length_missing" },
	{ START "\r\n", "B400:content_length_missing" },
	{ START "l: 3\r\nContent-Length: 3\r\n\r\nabc", "B400:content_length_twice" },
	{ START "l: 3\r\nl: 4\r\n\r\nabcd", "B400:content_length_twice" },
	{ START "l: -1\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: +5\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 0x10\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 5,5\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 5 5\r\n\r\n", "B400:content_length_invalid" },
	{ START "l:\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 4294967328\r\n\r\n", "B400:content_length_too_large" },
	{ START "l: 2147483647\r\n\r\n", "B400:content_length_too_large" },
	{ START "l: 99999999999999999999\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 18446744073709551615\r\n\r\n", "B400:content_length_invalid" },
	{ START "l: 1000\r\n\r\n", "B400:content_length_too_large" },
	{ START " l: 3\r\n\r\n", "B400:start_line_folded" },
	/* another header that contains the name is not it */
	{ START "X: Content-Length: 9\r\nX-Content-Length: 8\r\nl: 1\r\n\r\nz", "M86" },
	{ START "X: a\r\n l: 9\r\nl: 1\r\n\r\nz", "M56" },
	/* lines */
	{ START "X: a\nl: 3\r\n\r\nabc", "B0:line_end" },
	{ START "X: a\rl: 3\r\n\r\nabc", "B0:line_end" },
	{ START "l: 3\n\nabc", "B0:line_end" },
	/* no SIP */
	{ "GET / HTTP/1.1\r\n\r\n", "B0:not_sip" },
	{ "\x16\x03\x01", "B0:not_sip" },
	{ " INVITE", "B0:not_sip" },
	{ "INVITE\r\n", "B0:not_sip" },
	{ "INVITE sip:a SIP/7.0\r\nl: 0\r\n\r\n", "M30" },
};

static struct slice play(struct slice in, size_t first, size_t piece, struct text *out)
{
	struct frame frame = { 0 };
	struct frame_cut cut;
	size_t at = 0;
	size_t have = first;

	for (;;) {
		struct slice input = slice_of(in.p + at, have - at);
		enum frame_result result = frame_next(&frame, input, 500, &cut);

		assert_true(cut.consumed <= input.len);
		at += cut.consumed;
		if (result == FRAME_PING)
			text_char(out, 'P');
		if (result == FRAME_MESSAGE)
			text_printf(out, "M%zu", cut.message.len);
		if (result == FRAME_BAD) {
			text_printf(out, "B%u:%s", cut.status, cut.why);
			break;
		}
		/* Nothing is looked at twice. */
		if (result == FRAME_MORE && frame.phase == FRAME_HEAD)
			assert_int_equal(frame.scanned, have - at);
		if (result == FRAME_MORE && frame.phase == FRAME_GAP)
			assert_int_equal(at, have);
		if (result == FRAME_MORE && have == in.len)
			break;
		if (result == FRAME_MORE)
			have = in.len - have > piece ? have + piece : in.len;
	}
	return text_done(out);
}

static void check(struct slice in, const char *want)
{
	char storage[128];
	struct text text;

	for (size_t first = 0; first <= in.len; first++) {
		text_init(&text, storage, sizeof(storage));
		assert_slice(play(in, first, in.len, &text), want);
	}
	text_init(&text, storage, sizeof(storage));
	assert_slice(play(in, 0, 1, &text), want);
}

static void boundaries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(slice_text(rows[i].input), rows[i].want);
}

static void nul_in_the_head(void **state)
{
	static const char input[] = START "X: \0\r\nl: 0\r\n\r\n";

	(void)state;
	check(slice_of(input, sizeof(input) - 1), "B0:nul");
}

/* Exactly at the limit, and one byte over it. */
static void limits(void **state)
{
	char input[600];
	struct text text;

	(void)state;
	for (unsigned body = 456; body <= 457; body++) {
		text_init(&text, input, sizeof(input));
		text_printf(&text, START "l: %u\r\n\r\n", body);
		assert_int_equal(text.len, 44);
		while (text.len < 44 + body)
			text_char(&text, 'x');
		check(text_done(&text), body == 456 ? "M500" : "B400:content_length_too_large");
	}
	/* The empty line ends at byte 500, and at 501. */
	for (unsigned pad = 0; pad <= 1; pad++) {
		text_init(&text, input, sizeof(input));
		text_lit(&text, START "l: 0\r\nX: ");
		while (text.len < 496 + pad)
			text_char(&text, 'x');
		text_lit(&text, "\r\n\r\n");
		check(text_done(&text), pad == 0 ? "M500" : "B0:head_too_long");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundaries),
		cmocka_unit_test(nul_in_the_head),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

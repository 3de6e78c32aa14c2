/* SPDX-License-Identifier: MIT
 * The ACK that belongs to the INVITE's transaction (RFC 3261 17.1.1.3): written from the INVITE as
 * it was sent, which is our own writer's text: one Via, full names, no folding. */
#include "sbc/txn/txn_priv.h"

/* The next line without its CRLF; empty at the end of the headers. */
static struct slice take_line(struct slice *rest)
{
	static const struct slice crlf = { "\r\n", 2 };
	size_t at = slice_find(*rest, crlf);
	struct slice line = slice_head(*rest, at);

	*rest = slice_skip(*rest, at + crlf.len);
	return line;
}

static void write_line(struct text *text, struct slice line)
{
	text_slice(text, line);
	text_lit(text, "\r\n");
}

/* "CSeq: 1 INVITE" */
static void write_cseq(struct text *text, struct slice line)
{
	while (line.len > 0 && char_is(line.p[line.len - 1], CC_ALPHA))
		line.len--;
	text_slice(text, line);
	text_lit(text, "ACK\r\n");
}

static void write_headers(struct text *text, struct slice rest)
{
	static const struct slice copied[] = {
		{ "Via:", 4 },  { "Max-Forwards:", 13 }, { "Route:", 6 },
		{ "From:", 5 }, { "Call-ID:", 8 },
	};
	static const struct slice cseq = { "CSeq:", 5 };
	struct slice line;

	while ((line = take_line(&rest)).len > 0) {
		for (size_t i = 0; i < array_size(copied); i++)
			if (slice_starts_nocase(line, copied[i]))
				write_line(text, line);
		if (slice_starts_nocase(line, cseq))
			write_cseq(text, line);
	}
}

struct slice txn_ack_write(struct arena *arena, struct slice invite, struct slice to)
{
	struct slice rest = invite;
	struct slice start = take_line(&rest);
	struct text text;

	/* INVITE without its body, its method four letters shorter, a To that may be longer */
	text_init_arena(&text, arena, 512);
	text_lit(&text, "ACK");
	write_line(&text, slice_skip(start, sizeof("INVITE") - 1));
	write_headers(&text, rest);
	text_lit(&text, "To: ");
	write_line(&text, to);
	text_lit(&text, "Content-Length: 0\r\n\r\n");
	return text_done(&text);
}

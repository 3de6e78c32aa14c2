/* SPDX-License-Identifier: MIT
 * Where a message ends in a stream (RFC 3261 18.3): a pure function of the bytes, whatever the pieces
 * they come in. Private to edge, and to the fuzzer. */
#pragma once

#include "lib/base/slice.h"

enum frame_phase {
	FRAME_GAP,  /* between messages: CRLFs only so far */
	FRAME_HEAD, /* a start line or header fields have begun */
	FRAME_BODY, /* all header fields are there */
};

enum frame_result {
	FRAME_MORE,    /* read on */
	FRAME_PING,    /* a double CRLF (RFC 5626 3.5.1) */
	FRAME_MESSAGE, /* a whole one */
	FRAME_BAD,     /* the stream cannot be followed any further: answer if it says so, close */
};

/* Zeroed at first. Kept between calls, so that no byte is looked at twice. */
struct frame {
	enum frame_phase phase;
	unsigned crlf;      /* FRAME_GAP: bytes of a ping seen, 0-3 */
	size_t scanned;     /* FRAME_HEAD: input bytes already searched */
	size_t line_at;     /* FRAME_HEAD: where the current line begins */
	size_t head_bytes;  /* with the empty line */
	size_t total_bytes; /* FRAME_BODY: of the message */
};

struct frame_cut {
	size_t consumed;      /* bytes of the input that are done with, the message included */
	struct slice message; /* FRAME_MESSAGE; FRAME_BAD: the header part when it is worth a 400 */
	uint16_t status;      /* FRAME_BAD: 400, 513; 0: no SIP, close without a word */
	const char *why;      /* FRAME_BAD: for counters, [a-z_]+ */
};

/* input: all that was received and not consumed; it may only grow between calls. max_bytes: of a
 * whole message. After FRAME_PING and FRAME_MESSAGE call again with the rest of the input. */
enum frame_result frame_next(struct frame *frame, struct slice input, size_t max_bytes,
			     struct frame_cut *ret);

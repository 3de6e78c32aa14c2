/* SPDX-License-Identifier: MIT
 * SIP messages composed with printf and read with string search: peers for tests that owe nothing to
 * our own parser and writers. Good enough for what a border writes: full header names, no folding. */
#pragma once

#include "lib/base/text.h"

#define RAW_BYTES 4096u

/* The first value of a header; empty: none. */
struct slice raw_field(struct slice msg, const char *name);
/* Its number in the second place counts: "1 INVITE". */
uint32_t raw_cseq(struct slice msg);
struct slice raw_method(struct slice msg); /* of a response: its CSeq's */
unsigned raw_status(struct slice msg);     /* 0: a request */
struct slice raw_uri(struct slice msg);    /* Request-URI */
struct slice raw_branch(struct slice msg);
struct slice raw_tag(struct slice msg, const char *name); /* of From or To */
struct slice raw_contact(struct slice msg);               /* its URI */
struct slice raw_body(struct slice msg);
struct slice raw_start(struct slice msg);                 /* first line */

struct raw_dialog { /* one end's view */
	char call_id[96];
	char local[96];     /* "<sip:…>" */
	char remote[96];
	char local_tag[48];
	char remote_tag[48]; /* empty: none yet */
	char target[128];   /* Request-URI */
	char via[48];       /* host:port of this end */
	uint32_t cseq;
};

struct raw_request {
	const char *method;
	uint32_t cseq;
	const char *branch;
	const char *headers; /* whole lines, or NULL */
	const char *sdp;     /* or NULL; another body begins with its own "Content-…" lines and an empty one */
};

/* Both write into storage of RAW_BYTES. */
struct slice raw_write_request(char *storage, const struct raw_dialog *dialog,
			       const struct raw_request *request);
/* Copies what a response copies (all Vias, From, To, Call-ID, CSeq). tag: added to To where it has
 * none. contact: host:port, or NULL. */
struct slice raw_write_response(char *storage, struct slice request, unsigned status,
				const char *tag, const char *contact, const char *headers,
				const char *sdp);
void raw_copy(char *storage, size_t size, struct slice s);

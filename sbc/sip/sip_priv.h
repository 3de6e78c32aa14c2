/* SPDX-License-Identifier: MIT
 * What the files of this room share: small cutting functions for unfolded values. "take" functions
 * move *in behind what they took, and leave it where it was when they fail. */
#pragma once

#include "sbc/sip/sip.h"

/* Unfolded values hold no other LWS. */
static inline void sip_skip_wsp(struct slice *in)
{
	while (in->len > 0 && (in->p[0] == ' ' || in->p[0] == '\t')) {
		in->p++;
		in->len--;
	}
}

static inline struct slice sip_trim_wsp(struct slice s)
{
	sip_skip_wsp(&s);
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Drops `c` and the white space around it (HCOLON, SLASH, EQUAL, SEMI). False: it is not there. */
static inline bool sip_skip_char(struct slice *in, char c)
{
	struct slice rest = *in;

	sip_skip_wsp(&rest);
	if (rest.len == 0 || rest.p[0] != c)
		return false;
	rest = slice_of(rest.p + 1, rest.len - 1);
	sip_skip_wsp(&rest);
	*in = rest;
	return true;
}

/* The longest run of bytes of `classes`, maybe empty; inline because this is the hot loop. */
static inline struct slice sip_take(struct slice *in, unsigned classes)
{
	const char *p = in->p;
	const char *end = p + in->len;
	struct slice head;

	while (p < end && char_is(*p, classes))
		p++;
	head = slice_of(in->p, (size_t)(p - in->p));
	*in = slice_of(p, (size_t)(end - p));
	return head;
}

/* Every byte is of `classes`, or a whole %HH escape. True of an empty slice. */
bool sip_escaped_is(struct slice text, unsigned classes);

/* The byte that "%HH" at the start of the text stands for; -1: there is none. */
int sip_escape_value(struct slice text);

/* A quoted-string with its quotes. False: it does not start with a quote or has no end. */
bool sip_quoted_take(struct slice *in, struct slice *ret);

/* host: a name, an IPv4 address or an IPv6 reference. */
must_use enum err sip_host_take(struct slice *in, struct slice *ret_host, struct ip_addr *ret_ip);
/* 1*DIGIT from 1 to 65535. */
must_use enum err sip_port_take(struct slice *in, uint16_t *ret);

/* One generic-param (name, or name=value) behind a SEMI; *ret_more: another ';' follows. */
must_use enum err sip_param_take(struct slice *in, struct slice *ret_name, struct slice *ret_value,
				 bool *ret_more);
/* A whole list of generic-params, of which "tag" may stand there once. *ret_tag: empty when none.
 */
must_use enum err sip_params_check(struct slice params, struct slice *ret_tag);

/* sip_address_parse that also gives the tag. */
must_use enum err sip_party_parse(struct slice text, struct sip_address *ret,
				  struct slice *ret_tag);

/* UDP …, in any case; SIP_TRANSPORT_COUNT: another. */
enum sip_transport sip_transport_find(struct slice text);

/* The header of this name, long or compact; the name must be a token. */
enum sip_header sip_header_find(struct slice name);
extern const uint8_t sip_header_flags[SIP_HEADER_COUNT];
struct slice sip_header_name(enum sip_header id);

/* Cuts the element before the first comma that separates; elements may come out empty. False when
 * *rest is used up, which is rest->p NULL. */
bool sip_element_cut(struct slice *rest, unsigned header_flags, struct slice *ret);

/* What is wrong with a message; the order of the table in verdict.c. */
enum sip_fault {
	SIP_FAULT_NONE,
	SIP_FAULT_EMPTY,
	SIP_FAULT_TOO_LARGE,
	SIP_FAULT_REQUEST_LINE,
	SIP_FAULT_STATUS_LINE,
	SIP_FAULT_VERSION,
	SIP_FAULT_REQUEST_URI,
	SIP_FAULT_REQUEST_URI_LENGTH,
	SIP_FAULT_HEADER_NAME,
	SIP_FAULT_CONTROL_BYTE,
	SIP_FAULT_HEADER_LENGTH,
	SIP_FAULT_HEADER_COUNT,
	SIP_FAULT_DUPLICATE,
	SIP_FAULT_TRUNCATED,
	SIP_FAULT_VIA_MISSING,
	SIP_FAULT_VIA,
	SIP_FAULT_VIA_COUNT,
	SIP_FAULT_FROM_MISSING,
	SIP_FAULT_FROM,
	SIP_FAULT_TO_MISSING,
	SIP_FAULT_TO,
	SIP_FAULT_CALL_ID_MISSING,
	SIP_FAULT_CALL_ID,
	SIP_FAULT_CSEQ_MISSING,
	SIP_FAULT_CSEQ,
	SIP_FAULT_CSEQ_METHOD,
	SIP_FAULT_MAX_FORWARDS,
	SIP_FAULT_CONTACT,
	SIP_FAULT_ROUTE,
	SIP_FAULT_CONTENT_LENGTH,
	SIP_FAULT_BODY_LENGTH,
	SIP_FAULT_MEMORY,
	SIP_FAULT_COUNT,
};

/* Checks the fields that were read, and fills what is parsed from them. The first fault, or none.
 */
enum sip_fault sip_check(struct sip_msg *msg, const struct sip_limits *limits);
/* The verdict's text and the error of a fault. */
enum err sip_verdict_write(enum sip_fault fault, const struct sip_msg *msg,
			   struct sip_verdict *ret);

/* SPDX-License-Identifier: MIT
 * SIP messages (RFC 3261, RFC 5118, RFC 4475): bytes to views, views to verdicts, and the pieces of
 * which new messages are written. Sans-I/O, linear time, no allocation beyond the arena's quota.
 * Every slice of a view borrows from the message's bytes, or from the arena where a value had to be
 * unfolded. Nothing is ever written into the bytes. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"
#include "lib/base/text.h"

#define SIP_T1_MS 500u
#define SIP_T2_MS 4000u
#define SIP_T4_MS 5000u
#define SIP_MAX_FORWARDS 70

enum sip_method { /* order of sip_method_text's table */
	SIP_UNKNOWN_METHOD, SIP_INVITE, SIP_ACK, SIP_CANCEL, SIP_BYE, SIP_OPTIONS, SIP_REGISTER,
	SIP_INFO, SIP_UPDATE, SIP_PRACK, SIP_REFER, SIP_NOTIFY, SIP_SUBSCRIBE, SIP_MESSAGE,
	SIP_PUBLISH, SIP_METHOD_COUNT,
};

#define SIP_SINGLE 1u
#define SIP_LIST 2u
#define SIP_ADDRESS 4u
enum sip_header {
	SIP_OTHER_HEADER,
#define SIP_HEADER(id, name, compact, flags) SIP_HDR_##id,
#include "sbc/sip/headers.def"
#undef SIP_HEADER
	SIP_HEADER_COUNT,
};

/* SIP_TRANSPORT_COUNT also stands for any other transport that a Via names (SCTP …). */
enum sip_transport { SIP_UDP, SIP_TCP, SIP_TLS, SIP_WS, SIP_WSS, SIP_TRANSPORT_COUNT };
enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL, SIP_SCHEME_OTHER };

struct sip_uri {
	enum sip_scheme scheme;
	struct slice user;     /* escaped as received; of tel: the number, without parameters */
	struct slice password;
	struct slice host;     /* a reference in brackets stays in brackets; empty for tel: and others */
	struct ip_addr ip;     /* family none: host is a name */
	uint16_t port;         /* 0: not given */
	struct slice params;   /* after the first ';', without it */
	struct slice headers;  /* after '?' */
};

struct sip_address {         /* name-addr or addr-spec with header parameters */
	struct slice display; /* as received, quotes included; empty: none */
	struct slice uri_text;
	struct sip_uri uri;
	struct slice params;  /* after the first ';' behind the address */
};

struct sip_via {
	enum sip_transport transport;
	struct slice transport_text;
	struct slice host;
	uint16_t port; /* 0: not given */
	struct slice params;
	struct slice branch;   /* empty: none */
	struct slice received;
	bool rport;            /* present */
	uint16_t rport_value;  /* 0: empty */
};

struct sip_cseq {
	uint32_t number;
	enum sip_method method;
	struct slice method_text;
};

struct sip_field {
	enum sip_header id;
	uint16_t next;       /* index + 1 of the next field of this id; 0: last */
	struct slice name;   /* as received */
	struct slice value;  /* trimmed, unfolded */
};

struct sip_msg {
	struct slice bytes;
	bool is_request;
	enum sip_method method; /* of a response: its CSeq's */
	struct slice method_text;
	struct slice uri_text;  /* Request-URI */
	struct sip_uri uri;     /* parsed for sip, sips and tel */
	uint16_t status;
	struct slice reason;
	struct sip_field *fields;
	uint16_t field_count;
	uint16_t first[SIP_HEADER_COUNT]; /* index + 1; 0: none */
	struct sip_via via;     /* topmost; host empty: it could not be read */
	struct sip_address from;
	struct sip_address to;
	struct slice from_tag;
	struct slice to_tag;
	struct slice call_id;
	struct sip_cseq cseq;
	int max_forwards;       /* -1: absent */
	struct slice body;      /* exactly Content-Length bytes, or the datagram's rest */
};

struct sip_limits { size_t max_bytes, max_headers, max_header_bytes, max_vias; };
extern const struct sip_limits sip_limits_default; /* 65535, 256, 8192, 70 */

/* What a message deserves. status 0: nothing wrong; drop: be silent (responses, ACK, no Via). */
struct sip_verdict {
	uint16_t status;
	bool drop;
	const char *reason; /* reason phrase for the response; static */
	const char *why;    /* for log and counters, [a-z_]+; static */
};

/* One whole datagram or framed stream message. OK, or ERR_SYNTAX / ERR_LIMIT / ERR_NOMEM with
 * *ret_verdict saying what to answer; *ret_msg then holds what could be read, enough for
 * sip_reply_keep when verdict.drop is false: at least one Via field, and of From, To, Call-ID and
 * CSeq those that are there. A line that is itself at fault is never among the fields.
 * Checked: the first line, all Vias, From, To, Call-ID, CSeq, Max-Forwards, Contact, Route,
 * Record-Route and Content-Length. A Request-URI of another scheme is good here (416 is policy). */
must_use enum err sip_parse(struct arena *arena, struct slice bytes, const struct sip_limits *limits,
			    struct sip_msg *ret_msg, struct sip_verdict *ret_verdict);

must_use enum err sip_uri_parse(struct slice text, struct sip_uri *ret);
/* One address of From, To, Contact, Route … (text without commas outside quotes and <>). */
must_use enum err sip_address_parse(struct slice text, struct sip_address *ret);
must_use enum err sip_via_parse(struct slice text, struct sip_via *ret);
must_use enum err sip_cseq_parse(struct slice text, struct sip_cseq *ret);
must_use enum err sip_rack_parse(struct slice text, uint32_t *ret_rseq, struct sip_cseq *ret_cseq);

/* First value of a header; empty slice with p NULL when there is none. */
struct slice sip_value(const struct sip_msg *msg, enum sip_header id);
/* The elements of a list header one by one over all its fields, split at commas outside quotes,
 * comments and <>. Start with a zeroed cursor; false at the end. */
struct sip_cursor { uint16_t field; struct slice rest; };
bool sip_next(const struct sip_msg *msg, enum sip_header id, struct sip_cursor *cursor,
	      struct slice *ret);
/* A token stands in a list header (option tags, methods), without regard to case. */
bool sip_has_token(const struct sip_msg *msg, enum sip_header id, struct slice token);

/* Retry-After's seconds (RFC 3261 20.33), at most UINT32_MAX. False: none that can be read. */
bool sip_retry_after(const struct sip_msg *msg, uint32_t *ret_s);

/* ";name=value" lists. *ret_value is empty when there is no '='; a quoted value keeps its quotes. */
bool sip_param_next(struct slice *params, struct slice *ret_name, struct slice *ret_value);
bool sip_param_find(struct slice params, struct slice name, struct slice *ret_value);
/* Unescaped text: %xx of a user part, or the quotes and backslashes of a quoted string. */
must_use enum err sip_user_unescape(struct arena *arena, struct slice user, struct slice *ret);
must_use enum err sip_unquote(struct arena *arena, struct slice quoted, struct slice *ret);
/* URIs compared by RFC 3261 19.1.4. Other schemes are equal to nothing: compare their text. */
bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b);

/* Bodies. The part of this type (application/sdp) in the body itself or, with multipart/..., in any
 * depth up to 4. ERR_NOENT: none; ERR_SYNTAX: broken multipart; ERR_EXISTS: two of them. */
must_use enum err sip_body_find(const struct sip_msg *msg, struct slice type, struct slice *ret_part);
/* Iterates the parts of a multipart body as octets. */
struct sip_part { struct slice headers, content_type, disposition, content_id, encoding, transfer_encoding, body; };
struct sip_parts { struct slice rest, boundary; };
must_use enum err sip_parts_init(struct slice content_type, struct slice body, struct sip_parts *ret);
bool sip_parts_next(struct sip_parts *parts, struct sip_part *ret);
/* type/subtype of a Content-Type value, without parameters. */
struct slice sip_media_type(struct slice content_type);

/* What a response copies from its request (RFC 3261 8.2.6.2), kept in an arena so that it can be
 * sent turns later: Vias (the topmost with received/rport filled from `source`, 18.2.1, RFC 3581),
 * Record-Routes, From, To, Call-ID, CSeq, Timestamp. What a broken request lacks is left out, and a
 * topmost Via that cannot be read goes back as it came: such an answer goes to the source. */
struct sip_reply_head {
	struct slice top;    /* "Via: …\r\n"s */
	struct slice record_routes;
	struct slice middle; /* From … */
	struct slice to;     /* without CRLF; a tag is added behind it when it has none */
	struct slice bottom; /* Call-ID and CSeq */
	struct slice timestamp;
	bool to_has_tag;
};
must_use enum err sip_reply_keep(struct arena *arena, const struct sip_msg *request,
				 const struct endpoint *source, struct sip_reply_head *ret);
/* Status line and the copied headers. record_routes: for dialog-creating 1xx/2xx. The caller then
 * adds its own headers and ends with sip_write_body. reason empty: the standard phrase. */
void sip_reply_write(struct text *text, const struct sip_reply_head *head, uint16_t status,
		     struct slice reason, struct slice to_tag, bool record_routes);
/* Content-Type (when body is not empty), Content-Length, the empty line and the body. */
void sip_write_body(struct text *text, struct slice content_type, struct slice body);

const char *sip_status_reason(uint16_t status); /* "OK"; never NULL */
struct slice sip_method_text(enum sip_method method);
enum sip_method sip_method_find(struct slice text); /* exact case */
struct slice sip_transport_text(enum sip_transport transport); /* "UDP" */
/* Writes text as a quoted-string, or as the user part of a URI with escapes where needed. Bytes that
 * a quoted string cannot carry (controls) are left out. */
void sip_write_quoted(struct text *text, struct slice plain);
void sip_write_user(struct text *text, struct slice plain);

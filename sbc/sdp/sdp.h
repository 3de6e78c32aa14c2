/* SPDX-License-Identifier: MIT
 * Session descriptions (RFC 8866, RFC 3264): bytes to a tree with what offer/answer needs of its
 * structure. Line ends are CRLF or LF (RFC 8866 section 5 asks a reader to take both). Strict on what would
 * let a line be smuggled into what we write: NUL, bare CR, bytes outside the grammar of the fields
 * that are copied. Every slice borrows from the text; arrays live in the arena. Linear time. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/arena.h"

enum sdp_direction { /* bit 0: may send, bit 1: may receive; seen from who wrote it */
	SDP_INACTIVE = 0, SDP_SENDONLY = 1, SDP_RECVONLY = 2, SDP_SENDRECV = 3,
};

enum sdp_proto { SDP_PROTO_OTHER, SDP_RTP_AVP, SDP_RTP_AVPF, SDP_RTP_SAVP, SDP_RTP_SAVPF,
		 SDP_DTLS_SAVP, SDP_DTLS_SAVPF, SDP_UDPTL };

enum sdp_kind { SDP_KIND_OTHER, SDP_AUDIO, SDP_VIDEO, SDP_TEXT, SDP_IMAGE, SDP_APPLICATION,
		SDP_MESSAGE };

struct sdp_connection {
	bool given;
	struct ip_addr ip;  /* family none: a host name, kept in `host` */
	struct slice host;
};

struct sdp_origin {
	struct slice username;
	uint64_t session_id;
	uint64_t version;
	struct slice address;
};

struct sdp_bandwidth {
	struct slice type; /* AS, TIAS, RS, RR, CT */
	uint64_t value;
};

struct sdp_codec { /* one format of an RTP m-line, with its rtpmap and fmtp */
	uint8_t payload_type;
	struct slice encoding;   /* from rtpmap, or RFC 3551's static table */
	uint32_t clock_hz;
	uint16_t channels;       /* 1 when not given */
	bool has_rtpmap;
	struct slice fmtp;       /* after the payload type; empty: none */
};

struct sdp_attribute {
	struct slice name;
	struct slice value; /* empty: a flag */
};

struct sdp_media {
	struct slice kind_text;
	enum sdp_kind kind;
	uint16_t port;
	uint16_t port_count; /* 1 when not given */
	struct slice proto_text;
	enum sdp_proto proto;
	struct slice formats; /* the fmt list as it stands */
	struct sdp_codec *codecs; /* RTP only, in order of preference */
	size_t codec_count;
	struct sdp_connection connection; /* of this m-line; not given: the session's */
	struct sdp_bandwidth *bandwidths;
	size_t bandwidth_count;
	bool direction_given;
	enum sdp_direction direction; /* with the session's as default */
	bool rtcp_given;
	uint16_t rtcp_port;
	struct ip_addr rtcp_ip; /* family none: the media's */
	bool rtcp_mux;
	bool bundle_only;
	struct slice mid;
	uint32_t ptime_ms;    /* 0: not given */
	uint32_t maxptime_ms;
	struct sdp_attribute *attributes; /* all of them, in order */
	size_t attribute_count;
};

struct sdp {
	struct sdp_origin origin;
	struct slice session_name;
	struct sdp_connection connection;
	struct sdp_bandwidth *bandwidths;
	size_t bandwidth_count;
	struct sdp_attribute *attributes;
	size_t attribute_count;
	enum sdp_direction direction;
	struct sdp_media *media;
	size_t media_count;
};

struct sdp_limits { size_t max_bytes, max_lines, max_media, max_codecs; };
extern const struct sdp_limits sdp_limits_default; /* 32768, 1000, 32, 64 */

/* v= and o= must open it; the session's and each m-line's own lines may come in any order.
 * ERR_SYNTAX or ERR_LIMIT, with the 1-based number of the offending line; ERR_NOMEM. */
must_use enum err sdp_parse(struct arena *arena, struct slice text, const struct sdp_limits *limits,
			    struct sdp *ret, unsigned *ret_line);

/* The connection that holds for a media line. */
const struct sdp_connection *sdp_media_connection(const struct sdp *sdp,
						  const struct sdp_media *media);
/* First attribute of this name; false when there is none. _of: else the session's. */
bool sdp_attribute_find(const struct sdp_media *media, struct slice name, struct slice *ret_value);
bool sdp_attribute_of(const struct sdp *sdp, const struct sdp_media *media, struct slice name,
		      struct slice *ret_value);

/* ---- keys ---- */
#define SDP_KEY_MAX 46u
#define SDP_MKI_MAX 128u
struct sdp_key { /* inline:, RFC 4568 6.1 */
	uint8_t bytes[SDP_KEY_MAX]; /* master key and salt; whether the length is the suite's is not
				       looked at */
	uint8_t len;
	uint8_t mki_bytes; /* 0: no MKI */
	uint64_t mki;
};

struct sdp_crypto {
	uint32_t tag;
	struct slice suite;
	struct sdp_key keys[2];
	uint8_t key_count;
	bool unencrypted_rtp;
	bool unencrypted_rtcp;
	bool unauthenticated_rtp;
};

struct sdp_fingerprint {
	struct slice hash; /* "sha-256", in any case */
	uint8_t bytes[64];
	uint8_t len;
};

enum sdp_setup { SDP_SETUP_NONE, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE,
		 SDP_SETUP_HOLDCONN };

/* Values of attributes. ERR_SYNTAX; ERR_UNSUPPORTED: fine, but not for us (more than two keys, a key
 * derivation rate, keys for FEC, a parameter that is not known). *ret untouched then. */
must_use enum err sdp_crypto_parse(struct slice value, struct sdp_crypto *ret);
must_use enum err sdp_fingerprint_parse(struct slice value, struct sdp_fingerprint *ret);
enum sdp_setup sdp_setup_find(struct slice value);
const char *sdp_setup_text(enum sdp_setup setup);
/* A user fragment (at least 4) or password (at least 22), RFC 8839 5.4. */
#define SDP_ICE_TEXT_MAX 256u
bool sdp_is_ice_text(struct slice value, size_t least);

/* RFC 3264 6.1: what the answerer may say to an offer's direction, at most `want`. */
enum sdp_direction sdp_direction_answer(enum sdp_direction offered, enum sdp_direction want);
/* The same stream seen from the other end. */
enum sdp_direction sdp_direction_reverse(enum sdp_direction direction);
const char *sdp_direction_text(enum sdp_direction direction);
/* Static text; "other" for what has no name. */
const char *sdp_proto_text(enum sdp_proto proto);
const char *sdp_kind_text(enum sdp_kind kind);
bool sdp_proto_is_rtp(enum sdp_proto proto);
bool sdp_proto_has_feedback(enum sdp_proto proto); /* AVPF, SAVPF */

/* RFC 3551 static payload types. False: not one of them. */
bool sdp_static_codec(uint8_t payload_type, struct sdp_codec *ret);
/* Same encoding (no regard to case), clock and channels. */
bool sdp_codec_same(const struct sdp_codec *a, const struct sdp_codec *b);

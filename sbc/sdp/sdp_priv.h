/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "sbc/sdp/sdp.h"

#define SDP_PAYLOAD_TYPES 128u

struct sdp_reader {
	struct arena *arena;
	const struct sdp_limits *limits;
	struct sdp *sdp;
	struct sdp_media *media; /* NULL: still in the session's part */
	/* Where the next one goes; the arrays were counted beforehand and are cut up among the
	 * session and its m-lines, whose own lines stand together. */
	struct sdp_attribute *next_attribute;
	struct sdp_bandwidth *next_bandwidth;
	/* 1 + index of a payload type among the codecs of `media`. */
	uint8_t codec_at[SDP_PAYLOAD_TYPES];
};

/* token of RFC 8866 section 9, which has # $ & ^ { | } beyond that of RFC 3261. */
bool sdp_is_token(struct slice text);
/* proto of an m-line: token *("/" token). */
enum sdp_proto sdp_proto_find(struct slice text);
enum sdp_kind sdp_kind_find(struct slice text);

/* An a= line of the session or of reader->media. Attributes that make no sense are as good as
 * unknown ones, which a reader ignores (RFC 8866 5.13): they change nothing. */
void sdp_attribute_read(struct sdp_reader *reader, struct slice value);

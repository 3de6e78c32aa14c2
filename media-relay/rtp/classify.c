/* SPDX-License-Identifier: MIT
 * What a datagram is. Bytes from anyone: every length is checked before it is followed. */
#include "media-relay/rtp/rtp_priv.h"

#define RTP_VERSION 2u
#define RTCP_HEADER_BYTES 8u /* with the sender's SSRC */
#define RTCP_TYPE_FIRST 192u /* RFC 5761 4: 64-95 with the marker bit are RTCP */
#define RTCP_TYPE_LAST 223u
#define EXTENSION_BYTES 4u

/* RFC 3550 5.1 and 5.3.1. */
static enum rtp_kind rtp_header_parse(const unsigned char *bytes, size_t len, bool protected,
				      struct rtp_header *ret)
{
	size_t at = RTP_HEADER_BYTES + 4u * (bytes[0] & 0x0fu);
	size_t padding = 0;

	if (bytes[0] & 0x10u) {
		if (len < at + EXTENSION_BYTES)
			return RTP_MALFORMED;
		at += EXTENSION_BYTES + 4u * (size_t)get_u16(bytes + at + 2);
	}
	if (len < at)
		return RTP_MALFORMED;
	if ((bytes[0] & 0x20u) && !protected) {
		padding = bytes[len - 1];
		if (padding == 0 || padding > len - at)
			return RTP_MALFORMED;
	}
	*ret = (struct rtp_header){
		.payload_type = bytes[1] & 0x7fu,
		.marker = (bytes[1] & 0x80u) != 0,
		.sequence = get_u16(bytes + 2),
		.timestamp = get_u32(bytes + 4),
		.ssrc = get_u32(bytes + 8),
		.payload_at = at,
		.payload_len = len - at - padding,
	};
	return RTP_MEDIA;
}

/* RFC 3550 A.2, but any packet may stand first (RFC 5506): every part has version 2 and an RTCP type,
 * and the lengths lead exactly to the end. */
static enum rtp_kind rtcp_check(const unsigned char *bytes, size_t len, uint32_t *ret_ssrc)
{
	size_t at = 0;

	while (at < len) {
		if (len - at < 4 || bytes[at] >> 6 != RTP_VERSION ||
		    bytes[at + 1] < RTCP_TYPE_FIRST || bytes[at + 1] > RTCP_TYPE_LAST)
			return RTP_MALFORMED;
		at += 4u * ((size_t)get_u16(bytes + at + 2) + 1);
	}
	if (at != len)
		return RTP_MALFORMED;
	*ret_ssrc = get_u32(bytes + 4);
	return RTP_CONTROL;
}

static enum rtp_kind rtcp_protected(const unsigned char *bytes, uint32_t *ret_ssrc)
{
	*ret_ssrc = get_u32(bytes + 4);
	return RTP_CONTROL;
}

static enum rtp_kind classify(const unsigned char *bytes, size_t len, bool protected,
			      struct rtp_header *ret_header, uint32_t *ret_ssrc)
{
	if (len == 0)
		return RTP_EMPTY;
	if (bytes[0] < 4)
		return RTP_STUN; /* RFC 7983 7 */
	if (bytes[0] >= 20 && bytes[0] < 64)
		return RTP_DTLS;
	if (bytes[0] >> 6 != RTP_VERSION)
		return RTP_OTHER;
	if (len >= 2 && bytes[1] >= RTCP_TYPE_FIRST && bytes[1] <= RTCP_TYPE_LAST) {
		if (len < RTCP_HEADER_BYTES)
			return RTP_MALFORMED;
		return protected ? rtcp_protected(bytes, ret_ssrc)
				 : rtcp_check(bytes, len, ret_ssrc);
	}
	if (len < RTP_HEADER_BYTES)
		return RTP_MALFORMED;
	return rtp_header_parse(bytes, len, protected, ret_header);
}

enum rtp_kind rtp_classify(const unsigned char *bytes, size_t len, struct rtp_header *ret_header,
			   uint32_t *ret_ssrc)
{
	return classify(bytes, len, false, ret_header, ret_ssrc);
}

enum rtp_kind rtp_classify_protected(const unsigned char *bytes, size_t len,
				     struct rtp_header *ret_header, uint32_t *ret_ssrc)
{
	return classify(bytes, len, true, ret_header, ret_ssrc);
}

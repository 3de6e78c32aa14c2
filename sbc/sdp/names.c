/* SPDX-License-Identifier: MIT
 * The closed lists: protos, kinds, directions, and RFC 3551's static payload types. */
#include "sbc/sdp/sdp_priv.h"

#include "lib/base/ensure.h"

static const struct {
	struct slice text;
	enum sdp_proto proto;
} protos[] = {
	{ SLICE_INIT("RTP/AVP"), SDP_RTP_AVP },
	{ SLICE_INIT("RTP/AVPF"), SDP_RTP_AVPF },
	{ SLICE_INIT("RTP/SAVP"), SDP_RTP_SAVP },
	{ SLICE_INIT("RTP/SAVPF"), SDP_RTP_SAVPF },
	{ SLICE_INIT("UDP/TLS/RTP/SAVP"), SDP_DTLS_SAVP },
	{ SLICE_INIT("UDP/TLS/RTP/SAVPF"), SDP_DTLS_SAVPF },
	{ SLICE_INIT("udptl"), SDP_UDPTL },
};

static const struct {
	struct slice text;
	enum sdp_kind kind;
} kinds[] = {
	{ SLICE_INIT("audio"), SDP_AUDIO },	     { SLICE_INIT("video"), SDP_VIDEO },
	{ SLICE_INIT("text"), SDP_TEXT },	     { SLICE_INIT("image"), SDP_IMAGE },
	{ SLICE_INIT("application"), SDP_APPLICATION }, { SLICE_INIT("message"), SDP_MESSAGE },
};

/* RFC 3551 tables 4 and 5. */
static const struct {
	uint8_t payload_type;
	struct slice encoding;
	uint32_t clock_hz;
	uint16_t channels;
} static_codecs[] = {
	{ 0, SLICE_INIT("PCMU"), 8000, 1 },	 { 3, SLICE_INIT("GSM"), 8000, 1 },
	{ 4, SLICE_INIT("G723"), 8000, 1 },	 { 5, SLICE_INIT("DVI4"), 8000, 1 },
	{ 6, SLICE_INIT("DVI4"), 16000, 1 },	 { 7, SLICE_INIT("LPC"), 8000, 1 },
	{ 8, SLICE_INIT("PCMA"), 8000, 1 },	 { 9, SLICE_INIT("G722"), 8000, 1 },
	{ 10, SLICE_INIT("L16"), 44100, 2 },	 { 11, SLICE_INIT("L16"), 44100, 1 },
	{ 12, SLICE_INIT("QCELP"), 8000, 1 }, { 13, SLICE_INIT("CN"), 8000, 1 },
	{ 14, SLICE_INIT("MPA"), 90000, 1 },	 { 15, SLICE_INIT("G728"), 8000, 1 },
	{ 16, SLICE_INIT("DVI4"), 11025, 1 }, { 17, SLICE_INIT("DVI4"), 22050, 1 },
	{ 18, SLICE_INIT("G729"), 8000, 1 },	 { 25, SLICE_INIT("CelB"), 90000, 1 },
	{ 26, SLICE_INIT("JPEG"), 90000, 1 }, { 28, SLICE_INIT("nv"), 90000, 1 },
	{ 31, SLICE_INIT("H261"), 90000, 1 }, { 32, SLICE_INIT("MPV"), 90000, 1 },
	{ 33, SLICE_INIT("MP2T"), 90000, 1 }, { 34, SLICE_INIT("H263"), 90000, 1 },
};

bool sdp_is_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!char_is(text.p[i], CC_TOKEN) && !memchr("#$&^{|}", text.p[i], 7))
			return false;
	return text.len > 0;
}

/* Case does not matter in the field: "UDPTL" and "rtp/avp" are both seen. */
enum sdp_proto sdp_proto_find(struct slice text)
{
	for (size_t i = 0; i < array_size(protos); i++)
		if (slice_eq_nocase(text, protos[i].text))
			return protos[i].proto;
	return SDP_PROTO_OTHER;
}

const char *sdp_proto_text(enum sdp_proto proto)
{
	for (size_t i = 0; i < array_size(protos); i++)
		if (protos[i].proto == proto)
			return protos[i].text.p;
	return "other";
}

bool sdp_proto_is_rtp(enum sdp_proto proto)
{
	return proto != SDP_PROTO_OTHER && proto != SDP_UDPTL;
}

bool sdp_proto_has_feedback(enum sdp_proto proto)
{
	return proto == SDP_RTP_AVPF || proto == SDP_RTP_SAVPF || proto == SDP_DTLS_SAVPF;
}

enum sdp_kind sdp_kind_find(struct slice text)
{
	for (size_t i = 0; i < array_size(kinds); i++)
		if (slice_eq_nocase(text, kinds[i].text))
			return kinds[i].kind;
	return SDP_KIND_OTHER;
}

const char *sdp_kind_text(enum sdp_kind kind)
{
	for (size_t i = 0; i < array_size(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].text.p;
	return "other";
}

const char *sdp_direction_text(enum sdp_direction direction)
{
	static const char *const texts[] = { "inactive", "sendonly", "recvonly", "sendrecv" };

	return texts[direction & SDP_SENDRECV];
}

enum sdp_direction sdp_direction_reverse(enum sdp_direction direction)
{
	return (enum sdp_direction)((direction & SDP_SENDONLY ? SDP_RECVONLY : 0u) |
				    (direction & SDP_RECVONLY ? SDP_SENDONLY : 0u));
}

enum sdp_direction sdp_direction_answer(enum sdp_direction offered, enum sdp_direction want)
{
	return sdp_direction_reverse(offered) & want;
}

bool sdp_static_codec(uint8_t payload_type, struct sdp_codec *ret)
{
	for (size_t i = 0; i < array_size(static_codecs); i++) {
		if (static_codecs[i].payload_type != payload_type)
			continue;
		*ret = (struct sdp_codec){ .payload_type = payload_type,
					   .encoding = static_codecs[i].encoding,
					   .clock_hz = static_codecs[i].clock_hz,
					   .channels = static_codecs[i].channels };
		return true;
	}
	return false;
}

bool sdp_codec_same(const struct sdp_codec *a, const struct sdp_codec *b)
{
	return a->clock_hz == b->clock_hz && a->channels == b->channels &&
	       slice_eq_nocase(a->encoding, b->encoding);
}

/* SPDX-License-Identifier: MIT
 * a= lines: those that offer/answer needs are understood, all are listed. */
#include "sbc/sdp/sdp_priv.h"

#include "lib/base/ensure.h"

/* "96 rest": the codec of reader->media that is meant, NULL when it is none of its formats. */
static struct sdp_codec *codec_cut(struct sdp_reader *reader, struct slice *value)
{
	struct slice number = *value;
	struct slice rest = slice_of(value->p + value->len, 0);
	uint32_t payload_type;

	if (slice_cut(value, CC_WSP, &number))
		rest = slice_trim(*value, CC_WSP);
	if (parse_u32(number, &payload_type) != OK || payload_type >= SDP_PAYLOAD_TYPES ||
	    reader->codec_at[payload_type] == 0)
		return NULL;
	*value = rest;
	return &reader->media->codecs[reader->codec_at[payload_type] - 1];
}

/* rtpmap:<payload type> <encoding>/<clock>[/<parameters>], RFC 8866 6.6. A broken one ("101 ",
 * which is seen) leaves the format without an encoding, so that nobody will use it. */
static void read_rtpmap(struct sdp_reader *reader, struct slice value)
{
	struct sdp_codec *codec = codec_cut(reader, &value);
	struct slice encoding;
	struct slice clock = value;
	uint32_t clock_hz;
	uint16_t channels = 1;

	if (!codec || codec->has_rtpmap || !slice_cut_char(&value, '/', &encoding))
		return;
	if (!slice_cut_char(&value, '/', &clock))
		clock = value;
	else if (parse_u16(value, &channels) != OK || channels == 0)
		channels = 1;
	if (!slice_is(encoding, CC_TOKEN) || parse_u32(clock, &clock_hz) != OK || clock_hz == 0)
		return;
	codec->encoding = encoding;
	codec->clock_hz = clock_hz;
	codec->channels = channels;
	codec->has_rtpmap = true;
}

static void read_fmtp(struct sdp_reader *reader, struct slice value)
{
	struct sdp_codec *codec = codec_cut(reader, &value);

	if (codec && codec->fmtp.len == 0)
		codec->fmtp = value;
}

/* rtcp:<port> [IN IP4|IP6 <address>], RFC 3605. */
static void read_rtcp(struct sdp_reader *reader, struct slice value)
{
	struct slice port = value;
	struct slice word;
	struct ip_addr ip = { 0 };
	uint16_t number;

	if (slice_cut(&value, CC_WSP, &port)) {
		value = slice_trim(value, CC_WSP);
		if (!slice_cut(&value, CC_WSP, &word) || !slice_cut(&value, CC_WSP, &word) ||
		    ip_parse(value, &ip) != OK)
			ip = (struct ip_addr){ 0 };
	}
	if (parse_u16(port, &number) != OK)
		return;
	reader->media->rtcp_given = true;
	reader->media->rtcp_port = number;
	reader->media->rtcp_ip = ip;
}

/* Whole milliseconds; a fraction, which RFC 8866 allows, is cut off. */
static uint32_t milliseconds(struct slice value)
{
	uint32_t ms;

	return parse_u32(slice_take(&value, CC_DIGIT), &ms) == OK ? ms : 0;
}

static void read_ptime(struct sdp_reader *reader, struct slice value)
{
	reader->media->ptime_ms = milliseconds(value);
}

static void read_maxptime(struct sdp_reader *reader, struct slice value)
{
	reader->media->maxptime_ms = milliseconds(value);
}

static void read_rtcp_mux(struct sdp_reader *reader, struct slice value)
{
	(void)value;
	reader->media->rtcp_mux = true;
}

static void read_bundle_only(struct sdp_reader *reader, struct slice value)
{
	(void)value;
	reader->media->bundle_only = true;
}

static void read_mid(struct sdp_reader *reader, struct slice value)
{
	if (sdp_is_token(value))
		reader->media->mid = value;
}

/* Only for m-lines. */
static const struct {
	struct slice name;
	void (*read)(struct sdp_reader *reader, struct slice value);
} readers[] = {
	{ SLICE_INIT("rtpmap"), read_rtpmap },
	{ SLICE_INIT("fmtp"), read_fmtp },
	{ SLICE_INIT("rtcp"), read_rtcp },
	{ SLICE_INIT("ptime"), read_ptime },
	{ SLICE_INIT("maxptime"), read_maxptime },
	{ SLICE_INIT("rtcp-mux"), read_rtcp_mux },
	{ SLICE_INIT("bundle-only"), read_bundle_only },
	{ SLICE_INIT("mid"), read_mid },
};

static bool read_direction(struct sdp_reader *reader, struct slice name)
{
	static const struct slice names[] = { SLICE_INIT("inactive"), SLICE_INIT("sendonly"),
					      SLICE_INIT("recvonly"), SLICE_INIT("sendrecv") };

	for (unsigned i = 0; i < array_size(names); i++) {
		if (!slice_eq(name, names[i]))
			continue;
		if (reader->media) {
			reader->media->direction = (enum sdp_direction)i;
			reader->media->direction_given = true;
		} else {
			reader->sdp->direction = (enum sdp_direction)i;
		}
		return true;
	}
	return false;
}

void sdp_attribute_read(struct sdp_reader *reader, struct slice value)
{
	struct slice name;

	value = slice_trim(value, CC_WSP);
	if (!slice_cut_char(&value, ':', &name)) {
		name = value;
		value = slice_of(name.p + name.len, 0);
	}
	if (!sdp_is_token(name))
		return;
	*reader->next_attribute++ = (struct sdp_attribute){ .name = name, .value = value };
	if (reader->media)
		reader->media->attribute_count++;
	else
		reader->sdp->attribute_count++;
	if (read_direction(reader, name) || !reader->media)
		return;
	for (size_t i = 0; i < array_size(readers); i++) {
		if (slice_eq(name, readers[i].name)) {
			readers[i].read(reader, value);
			return;
		}
	}
}

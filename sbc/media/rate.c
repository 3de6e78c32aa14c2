/* SPDX-License-Identifier: MIT
 * How much a side may send, from what was agreed: the relay drops what is above it, so that a flood
 * on one stream does not become a flood at the other side. Generous: it is meant for floods, not for
 * a codec's average. */
#include "sbc/media/media_priv.h"

#define PACKETS_PER_S 100u    /* 10 ms, the shortest that is common */
#define PACKET_OVERHEAD 72u   /* headers, tag, and what the relay adds for each packet */
#define MARGIN 2u
#define AUDIO_BYTES_PER_S 256000u /* of a codec that is not in the table */
#define VIDEO_BYTES_PER_S 4000000u

static const struct {
	struct slice encoding;
	uint32_t bytes_per_s; /* payload */
} rates[] = {
	{ SLICE_INIT("PCMU"), 8000 },  { SLICE_INIT("PCMA"), 8000 },
	{ SLICE_INIT("G722"), 8000 },  { SLICE_INIT("G729"), 1000 },
	{ SLICE_INIT("G723"), 800 },   { SLICE_INIT("GSM"), 1650 },
	{ SLICE_INIT("iLBC"), 1900 },  { SLICE_INIT("G726-32"), 4000 },
	{ SLICE_INIT("AMR"), 1600 },   { SLICE_INIT("AMR-WB"), 3100 },
	{ SLICE_INIT("opus"), 64000 }, { SLICE_INIT("telephone-event"), 400 },
	{ SLICE_INIT("CN"), 400 },     { SLICE_INIT("t38"), 16800 }, /* 33.6 kbit/s, three times more */
};

static uint32_t codec_rate(const struct media_codec *codec)
{
	for (size_t i = 0; i < array_size(rates); i++)
		if (slice_eq_nocase(rates[i].encoding, codec->encoding))
			return rates[i].bytes_per_s;
	return AUDIO_BYTES_PER_S;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What b= says is the author's wish for what it receives; more than the default is believed. */
static uint32_t video_rate(const struct media_line *line)
{
	uint64_t bits = 0;

	if (line->bandwidths.given & 1u << MEDIA_AS)
		bits = line->bandwidths.value[MEDIA_AS] * UINT64_C(1000);
	if (line->bandwidths.given & 1u << MEDIA_TIAS && line->bandwidths.value[MEDIA_TIAS] > bits)
		bits = line->bandwidths.value[MEDIA_TIAS];
	bits = bits > UINT32_MAX ? UINT32_MAX : bits;
	return larger((uint32_t)(bits / 8), VIDEO_BYTES_PER_S);
}

uint32_t media_line_bytes_per_s(const struct media_line *line)
{
	uint32_t rate = 0;

	if (line->kind == SDP_VIDEO)
		return MARGIN * video_rate(line);
	for (unsigned i = 0; i < line->codec_count; i++)
		rate = larger(rate, codec_rate(&line->codecs[i]));
	return MARGIN * (rate + PACKETS_PER_S * PACKET_OVERHEAD);
}

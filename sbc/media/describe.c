/* SPDX-License-Identifier: MIT
 * The streams as the operator sees them: one entry for each line in use and side. */
#include "sbc/media/media_priv.h"

/* What the answerer put first is what is spoken. */
static struct slice line_codec(const struct media_terms *terms, unsigned i)
{
	const struct media_said *answer = &terms->said[!terms->offerer];
	const struct media_said *said = answer->given ? answer : &terms->said[terms->offerer];

	for (unsigned at = 0; at < said->lines[i].codec_count; at++)
		if (media_codec_is_media(&said->lines[i].codecs[at]))
			return said->lines[i].codecs[at].encoding;
	return slice_of("", 0);
}

/* Of keys that pass, that of the answer is both sides'. */
static uint8_t line_suite(const struct media_terms *terms, unsigned side, unsigned i)
{
	const struct media_said *answer = &terms->said[!terms->offerer];
	const struct media_said *said = &terms->said[side];

	if (media_passes(terms, i) && answer->given && i < answer->count)
		said = answer;
	return said->lines[i].keying == MEDIA_SDES ? said->lines[i].secure->suite : CTL_SRTP_NONE;
}

static enum err describe_line(const struct media *media, const struct media_terms *terms,
			      unsigned i, struct arena *arena, struct ctl_media_info *infos)
{
	struct slice codec;
	enum err err = arena_keep(arena, line_codec(terms, i), &codec);

	for (unsigned side = 0; err == OK && side < 2; side++) {
		const struct media_said *said = &terms->said[side];

		infos[side] = (struct ctl_media_info){
			.stream = (uint8_t)i,
			.side = (uint8_t)side,
			.kind = slice_text(sdp_kind_text(
				(enum sdp_kind)terms->said[terms->offerer].lines[i].kind)),
			.codec = codec,
		};
		if (media->streams[i])
			infos[side].local = media->streams[i]->local[side];
		if (said->given && i < said->count) {
			infos[side].remote = said->lines[i].rtp;
			infos[side].suite = line_suite(terms, side, i);
		}
	}
	return err;
}

enum err media_describe(const struct media *media, struct arena *arena,
			struct ctl_media_info **ret_infos, uint32_t *ret_count)
{
	const struct media_terms *terms = media->current ? media->current : media->pending;
	unsigned lines = terms ? terms->said[terms->offerer].count : 0;
	struct ctl_media_info *infos = arena_array(arena, 2 * lines + 1, sizeof(*infos));
	uint32_t count = 0;
	enum err err = infos ? OK : ERR_NOMEM;

	for (unsigned i = 0; err == OK && i < lines; i++) {
		if (!media_line_live(media, terms, i))
			continue;
		err = describe_line(media, terms, i, arena, &infos[count]);
		count += 2;
	}
	if (err == OK) {
		*ret_infos = infos;
		*ret_count = count;
	}
	return err;
}

bool media_is_audio(const struct media *media, unsigned stream)
{
	const struct media_terms *terms = media->current;

	return terms && stream < terms->said[terms->offerer].count &&
	       terms->said[terms->offerer].lines[stream].kind == SDP_AUDIO;
}

void media_add_stats(struct ctl_media_info *infos, uint32_t count,
		     const struct ctl_session_stats *stats)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t at = 0; at < stats->streams_count; at++) {
			const struct ctl_stream_stats *from = &stats->streams[at];

			if (from->stream != infos[i].stream || from->side != infos[i].side)
				continue;
			infos[i].packets_received = from->packets_received;
			infos[i].packets_sent = from->packets_sent;
			infos[i].bytes_received = from->bytes_received;
			infos[i].bytes_sent = from->bytes_sent;
			infos[i].packets_lost = from->packets_lost;
			infos[i].jitter_us = from->jitter_us;
			infos[i].mos_x100 = from->mos_x100;
			infos[i].packets_reordered = from->packets_reordered;
			infos[i].packets_duplicated = from->packets_duplicated;
			infos[i].packets_forged = from->packets_forged;
			infos[i].packets_replayed = from->packets_replayed;
			infos[i].round_trip_us = from->round_trip_us;
			infos[i].reported = from->reported;
			infos[i].reported_lost = from->reported_lost;
			infos[i].reported_jitter_us = from->reported_jitter_us;
			infos[i].way = from->way;
			if (from->suite != CTL_SRTP_NONE) /* where keys pass the relay knows none */
				infos[i].suite = from->suite;
		}
	}
}

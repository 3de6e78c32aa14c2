/* SPDX-License-Identifier: MIT
 * telephone-event where a trunk's policy on DTMF sets the sides apart: then it is agreed with each side
 * by itself, as a side may have it that the other one lacks, or has in another clock (RFC 4733 2.1 wants
 * the audio's), and the relay maps or makes what arrives. Where both sides pass digits as they come,
 * it is a codec like others and nothing here is used. */
#include "sbc/media/media_priv.h"

#define EVENT_TYPE_FIRST 101u /* what most of the world uses; then upward, then around */

bool media_is_event(const struct media_codec *codec)
{
	return slice_eq_nocase(codec->encoding, SLICE("telephone-event"));
}

bool media_converts(const struct media *media)
{
	return media->legs[0].config.dtmf != CONF_DTMF_PASS ||
	       media->legs[1].config.dtmf != CONF_DTMF_PASS;
}

/* Digits reach this side as events, wherever they come from. */
static bool wants_events(const struct media *media, unsigned side)
{
	return media->legs[side].config.dtmf == CONF_DTMF_RFC4733 ||
	       (media->legs[side].config.dtmf == CONF_DTMF_PASS &&
		media->legs[!side].config.dtmf == CONF_DTMF_INFO);
}

/* ---- what we offer of our own ---- */

static bool number_free(const struct media *media, const struct media_terms *terms, unsigned i,
			const struct media_own *own, uint8_t type, uint16_t meaning)
{
	const struct media_line *line = &terms->said[terms->offerer].lines[i];
	uint16_t before = media->streams[i] ? media->streams[i]->meanings[type - MEDIA_DYNAMIC_FIRST] :
					      0;

	for (unsigned at = 0; at < line->codec_count; at++)
		if (line->codecs[at].payload_type == type)
			return false;
	for (unsigned at = 0; at < own->event_count; at++)
		if (own->events[at].payload_type == type)
			return false;
	return before == 0 || before == meaning;
}

/* The number that it had, or a new one. */
static bool number_choose(const struct media *media, const struct media_terms *terms, unsigned i,
			  const struct media_own *own, struct media_codec *event)
{
	uint16_t meaning = media_meaning(event);
	bool found = false;

	for (unsigned n = 0; n < MEDIA_DYNAMIC_COUNT; n++) {
		unsigned at = (EVENT_TYPE_FIRST - MEDIA_DYNAMIC_FIRST + n) % MEDIA_DYNAMIC_COUNT;
		uint8_t type = (uint8_t)(MEDIA_DYNAMIC_FIRST + at);
		bool same = media->streams[i] && media->streams[i]->meanings[at] == meaning;

		if ((found && !same) || !number_free(media, terms, i, own, type, meaning))
			continue;
		event->payload_type = type;
		found = true;
		if (same)
			break;
	}
	return found;
}

static bool has_event(const struct media_codec *codecs, unsigned count, uint32_t clock_hz)
{
	for (unsigned at = 0; at < count; at++)
		if (media_is_event(&codecs[at]) && codecs[at].clock_hz == clock_hz)
			return true;
	return false;
}

/* One for each clock of the audio, as far as the offer's author has none that goes on. */
enum err media_prepare_events(struct media *media, struct media_terms *terms, unsigned i)
{
	unsigned side = !terms->offerer;
	const struct media_line *line = &terms->said[terms->offerer].lines[i];
	struct media_own *own = &terms->own[side][i];

	if (line->kind != SDP_AUDIO || !wants_events(media, side))
		return OK;
	own->events = arena_array(&terms->arenas[0], MEDIA_EVENTS, sizeof(*own->events));
	if (!own->events)
		return ERR_NOMEM;
	for (unsigned at = 0; at < line->codec_count && own->event_count < MEDIA_EVENTS; at++) {
		const struct media_codec *codec = &line->codecs[at];
		struct media_codec event = { .channels = 1,
					     .clock_hz = codec->clock_hz,
					     .encoding = SLICE("telephone-event"),
					     .fmtp = SLICE("0-16") };

		if (media_codec_is_media(codec) && media_allows(&media->legs[side], codec->encoding) &&
		    !has_event(line->codecs, line->codec_count, codec->clock_hz) &&
		    !has_event(own->events, own->event_count, codec->clock_hz) &&
		    number_choose(media, terms, i, own, &event))
			own->events[own->event_count++] = event;
	}
	return OK;
}

const struct media_codec *media_event_offered(const struct media_line *offer,
					      const struct media_own *own,
					      const struct media_codec *codec)
{
	for (unsigned at = 0; at < offer->codec_count; at++)
		if (offer->codecs[at].payload_type == codec->payload_type)
			return NULL; /* it stood for something else */
	for (unsigned at = 0; at < own->event_count; at++)
		if (media_is_event(codec) && own->events[at].clock_hz == codec->clock_hz)
			return &own->events[at];
	return NULL;
}

bool media_event_confuses(const struct media_own *own, const struct media_codec *codec)
{
	for (unsigned at = 0; at < own->event_count; at++)
		if (own->events[at].payload_type == codec->payload_type)
			return !media_is_event(codec) ||
			       own->events[at].clock_hz != codec->clock_hz;
	return false;
}

/* ---- what is agreed ---- */

static bool has_clock(const struct media_line *line, uint32_t clock_hz, bool events)
{
	for (unsigned at = 0; at < line->codec_count; at++)
		if (line->codecs[at].clock_hz == clock_hz &&
		    (events ? media_is_event(&line->codecs[at]) :
			      media_codec_is_media(&line->codecs[at])))
			return true;
	return false;
}

static bool any_event(const struct media_line *line)
{
	for (unsigned at = 0; at < line->codec_count; at++)
		if (media_is_event(&line->codecs[at]))
			return true;
	return false;
}

/* Of the offer's those in a clock that is in use, or else its first, if there is somebody to hear or to
 * send them. */
static bool takes_offered(const struct media *media, const struct media_terms *terms, unsigned i,
			  const struct media_codec *event, bool first)
{
	const struct media_said *answer = &terms->said[!terms->offerer];
	const struct media_line *line = answer->given && i < answer->count ? &answer->lines[i] : NULL;
	bool forced = wants_events(media, terms->offerer);

	if (!line)
		return true;
	if (!forced && !any_event(line))
		return false;
	return first || has_clock(line, event->clock_hz, !forced);
}

unsigned media_events(const struct media *media, const struct media_terms *terms, unsigned i,
		      unsigned side, const struct media_codec *ret[MEDIA_EVENTS])
{
	const struct media_said *said = &terms->said[side];
	const struct media_line *line = said->given && i < said->count ? &said->lines[i] : NULL;
	unsigned count = 0;

	for (unsigned pass = 0; line && pass < 2 && count == 0; pass++)
		for (unsigned at = 0; at < line->codec_count && count < MEDIA_EVENTS; at++)
			if (media_is_event(&line->codecs[at]) && (pass == 0 || count == 0) &&
			    (side != terms->offerer ||
			     takes_offered(media, terms, i, &line->codecs[at], pass == 1)))
				ret[count++] = &line->codecs[at];
	return count;
}

/* ---- what is written ---- */

const struct media_codec *media_shown(const struct media *media, const struct media_terms *terms,
				      unsigned i, unsigned to, unsigned *at)
{
	bool answer = to == terms->offerer;
	const struct media_line *line = &terms->said[!to].lines[i];
	const struct media_own *own = &terms->own[to][i];
	const struct media_codec *events[MEDIA_EVENTS];
	bool apart = answer && media_converts(media);
	unsigned behind;

	for (; *at < line->codec_count; ++*at) {
		const struct media_codec *codec = &line->codecs[*at];

		if (media_allows(&media->legs[to], codec->encoding) &&
		    !(apart && media_is_event(codec)))
			return &line->codecs[(*at)++];
	}
	behind = (*at)++ - line->codec_count;
	if (apart)
		return behind < media_events(media, terms, i, to, events) ? events[behind] : NULL;
	return behind < own->event_count ? &own->events[behind] : NULL;
}

/* ---- what the relay is told ---- */

/* What side `from` sends under this number, for the other one. */
static struct ctl_relay_payload payload_of(const struct media *media, unsigned from,
					   const struct media_codec *event,
					   const struct media_codec *const *others, unsigned count)
{
	struct ctl_relay_payload payload = { .payload_type = event->payload_type,
					     .clock_hz = event->clock_hz,
					     .kind = CTL_PAYLOAD_EVENT };
	const struct media_codec *other = count > 0 ? others[0] : NULL;

	if (media->legs[!from].config.dtmf == CONF_DTMF_INFO) {
		payload.out = CTL_PAYLOAD_TELL;
		return payload;
	}
	for (unsigned at = 0; at < count; at++)
		if (others[at]->clock_hz == event->clock_hz)
			other = others[at];
	if (other) {
		payload.out = (uint8_t)(CTL_PAYLOAD_OUT | other->payload_type);
		payload.out_clock_hz = other->clock_hz;
	}
	return payload;
}

unsigned media_event_payloads(const struct media *media, const struct media_terms *terms, unsigned i,
			      unsigned side, struct ctl_relay_payload ret[MEDIA_EVENT_PAYLOADS])
{
	const struct media_codec *others[MEDIA_EVENTS], *own[MEDIA_EVENTS];
	unsigned other_count = media_events(media, terms, i, !side, others);
	unsigned own_count = media_events(media, terms, i, side, own);
	const struct media_said *offer = &terms->said[terms->offerer];
	unsigned count = 0;

	if (side != terms->offerer && i < offer->count && terms->own[side]) {
		const struct media_own *ours = &terms->own[side][i];

		for (unsigned at = 0; at < ours->event_count; at++)
			ret[count++] = payload_of(media, side, &ours->events[at], others, other_count);
		for (unsigned at = 0; at < other_count; at++)
			ret[count++] = payload_of(media, side, others[at], others, other_count);
	}
	for (unsigned at = 0; at < own_count; at++)
		ret[count++] = payload_of(media, side, own[at], others, other_count);
	return count;
}

/* ---- digits ---- */

static bool flows(const struct media *media, const struct media_terms *terms, unsigned i)
{
	return media_line_live(media, terms, i) &&
	       terms->said[terms->offerer].lines[i].kind == SDP_AUDIO;
}

struct ctl_message *media_digit(const struct media *media, unsigned side,
				const struct media_digit *digit, struct arena *turn)
{
	const struct media_terms *terms = media_answered(media) ? media->pending : media->current;
	const struct media_codec *events[MEDIA_EVENTS];
	struct ctl_digit_send *send;
	struct ctl_message *message;
	unsigned count = 0;
	unsigned i = 0;

	for (; terms && i < terms->said[terms->offerer].count; i++)
		if (flows(media, terms, i) && (count = media_events(media, terms, i, side, events)) > 0)
			break;
	message = count > 0 ? arena_new(turn, struct ctl_message) : NULL;
	if (!message)
		return NULL;
	message->type = CTL_digit_send;
	send = &message->digit_send;
	*send = (struct ctl_digit_send){ .session = media->session, .stream = (uint8_t)i,
					 .side = (uint8_t)side, .event = digit->event,
					 .volume = MEDIA_DIGIT_VOLUME,
					 .duration_ms = digit->duration_ms };
	send->payloads = arena_array(turn, MEDIA_EVENTS, sizeof(*send->payloads));
	if (!send->payloads)
		return NULL;
	for (unsigned at = 0; at < count; at++)
		send->payloads[send->payloads_count++] =
			(struct ctl_relay_payload){ .payload_type = events[at]->payload_type,
						    .clock_hz = events[at]->clock_hz,
						    .kind = CTL_PAYLOAD_EVENT };
	return message;
}

/* SPDX-License-Identifier: MIT
 * Terms to the relay's commands. What a side announced is where the relay sends to and which numbers
 * the other side's packets carry; the relay learns other addresses only where policy says so. */
#include "sbc/media/media_priv.h"

static bool has_ports(const struct media_stream *stream, unsigned side)
{
	return stream && stream->local[side].port != 0;
}

bool media_needs_ports(const struct media *media, const struct media_terms *terms)
{
	const struct media_said *offer = &terms->said[terms->offerer];

	for (unsigned i = 0; i < offer->count; i++)
		if (media_line_live(media, terms, i) && (!has_ports(media->streams[i], 0) ||
							 !has_ports(media->streams[i], 1)))
			return true;
	return false;
}

bool media_removals_due(const struct media *media)
{
	for (unsigned i = 0; i < MEDIA_LINES; i++)
		if (media->streams[i] && media->streams[i]->ended)
			return true;
	return false;
}

static unsigned said_direction(const struct media_said *said, unsigned i)
{
	return said->given && i < said->count ? said->lines[i].direction : SDP_SENDRECV;
}

/* Packets flow where one side may send and the other receive. A line that an answer refused flows
 * nowhere. */
static uint8_t relay_direction(const struct media *media, const struct media_terms *terms,
			       unsigned i, unsigned side)
{
	unsigned own = said_direction(&terms->said[side], i);
	unsigned other = said_direction(&terms->said[!side], i);
	unsigned direction = 0;

	if (!media_line_live(media, terms, i))
		return 0;
	if (own & SDP_SENDONLY && other & SDP_RECVONLY)
		direction |= CTL_RECEIVE;
	if (own & SDP_RECVONLY && other & SDP_SENDONLY)
		direction |= CTL_TRANSMIT;
	return (uint8_t)direction;
}

struct payloads {
	struct ctl_relay_payload *list;
	uint32_t count;
	bool seen[128];
};

/* What G.113 and we tell apart. */
static const struct {
	struct slice encoding;
	enum ctl_codec codec;
} codecs[] = {
	{ SLICE_INIT("PCMU"), CTL_CODEC_G711 },	  { SLICE_INIT("PCMA"), CTL_CODEC_G711 },
	{ SLICE_INIT("G722"), CTL_CODEC_G722 },	  { SLICE_INIT("G729"), CTL_CODEC_G729 },
	{ SLICE_INIT("G723"), CTL_CODEC_G723 },	  { SLICE_INIT("G726-16"), CTL_CODEC_G726 },
	{ SLICE_INIT("G726-24"), CTL_CODEC_G726 }, { SLICE_INIT("G726-32"), CTL_CODEC_G726 },
	{ SLICE_INIT("G726-40"), CTL_CODEC_G726 }, { SLICE_INIT("GSM"), CTL_CODEC_GSM },
	{ SLICE_INIT("iLBC"), CTL_CODEC_ILBC },	  { SLICE_INIT("AMR"), CTL_CODEC_AMR },
	{ SLICE_INIT("AMR-WB"), CTL_CODEC_AMR_WB }, { SLICE_INIT("opus"), CTL_CODEC_OPUS },
	{ SLICE_INIT("speex"), CTL_CODEC_SPEEX },
};

static uint8_t codec_of(struct slice encoding)
{
	for (size_t i = 0; i < array_size(codecs); i++)
		if (slice_eq_nocase(encoding, codecs[i].encoding))
			return (uint8_t)codecs[i].codec;
	return CTL_CODEC_OTHER;
}

static void add_payloads(struct payloads *payloads, const struct media *media,
			 const struct media_line *line)
{
	for (unsigned at = 0; at < line->codec_count; at++) {
		const struct media_codec *codec = &line->codecs[at];
		bool event = media_is_event(codec);

		if (payloads->seen[codec->payload_type] || (event && media_converts(media)) ||
		    !media_allows(&media->legs[0], codec->encoding) ||
		    !media_allows(&media->legs[1], codec->encoding))
			continue;
		payloads->seen[codec->payload_type] = true;
		payloads->list[payloads->count++] = (struct ctl_relay_payload){
			.payload_type = codec->payload_type,
			.clock_hz = codec->clock_hz,
			.kind = event ? CTL_PAYLOAD_EVENT : CTL_PAYLOAD_MEDIA,
			.codec = codec_of(codec->encoding),
		};
	}
}

/* First, so that they have room whatever else was announced. */
static void add_events(struct payloads *payloads, const struct media *media,
		       const struct media_terms *terms, unsigned i, unsigned side)
{
	struct ctl_relay_payload events[MEDIA_EVENT_PAYLOADS];
	unsigned count = media_converts(media) ? media_event_payloads(media, terms, i, side, events) :
						 0;

	for (unsigned at = 0; at < count; at++) {
		if (payloads->seen[events[at].payload_type])
			continue;
		payloads->seen[events[at].payload_type] = true;
		payloads->list[payloads->count++] = events[at];
	}
}

static const struct media_line *said_line(const struct media_said *said, unsigned i)
{
	return said->given && i < said->count ? &said->lines[i] : NULL;
}

/* A side's packets carry the numbers that the other side announced; its own are named too, for peers
 * that send what they said themselves. */
static bool fill_payloads(const struct media *media, const struct media_terms *terms, unsigned i,
			  struct ctl_stream_set *set, struct arena *turn)
{
	const struct media_line *other = said_line(&terms->said[!set->side], i);
	const struct media_line *own = said_line(&terms->said[set->side], i);
	size_t room = (other ? other->codec_count : 0u) + (own ? own->codec_count : 0u);
	struct payloads payloads = { .list = arena_array(turn, room + 1 + MEDIA_EVENT_PAYLOADS,
							 sizeof(*payloads.list)) };

	if (!payloads.list)
		return false;
	if (own ? own->proto == SDP_UDPTL : other && other->proto == SDP_UDPTL) {
		set->flags |= CTL_STREAM_RAW;
		set->bytes_per_s = media_line_bytes_per_s(own ? own : other);
		return true;
	}
	add_events(&payloads, media, terms, i, set->side);
	if (other)
		add_payloads(&payloads, media, other);
	if (own)
		add_payloads(&payloads, media, own);
	set->payloads = payloads.list;
	set->payloads_count = payloads.count;
	if (other || own)
		set->bytes_per_s = media_line_bytes_per_s(other ? other : own);
	return true;
}

static void fill_addresses(const struct media *media, const struct media_terms *terms, unsigned i,
			   struct ctl_stream_set *set)
{
	const struct media_leg *leg = &media->legs[set->side];
	const struct media_line *line = said_line(&terms->said[set->side], i);

	if (line) {
		set->remote_rtp = line->rtp;
		set->remote_rtcp = line->rtcp;
	}
	if ((leg->config.nat || (line && line->elsewhere)) &&
	    leg->config.signalling_ip.family != IP_NONE) {
		set->learn_from = leg->config.signalling_ip;
		set->learn_bits = leg->config.signalling_ip.family == IP_V4 ? 32 : 128;
	}
}

/* A realm of one IP version has no choice to tell of. */
static void fill_local(const struct media_leg *leg, const struct endpoint *local, unsigned ask,
		       struct ctl_stream_set *set)
{
	if (ask & MEDIA_ASK_RESTORE) {
		set->want_port = local->port;
		set->local = local->ip;
	} else if (leg->config.both_families) {
		set->local.family = leg->family;
	}
}

static bool gives_nothing(const struct media_bandwidths *bandwidths)
{
	const unsigned both = 1u << MEDIA_RS | 1u << MEDIA_RR;

	return (bandwidths->given & both) == both && bandwidths->value[MEDIA_RS] == 0 &&
	       bandwidths->value[MEDIA_RR] == 0;
}

/* What the peer takes of RTCP: feedback by its profile, reports unless it gives no bandwidth to
 * senders nor to receivers (RFC 3556 section 2). */
static void fill_control(const struct media_terms *terms, unsigned i, struct ctl_stream_set *set)
{
	const struct media_said *said = &terms->said[set->side];
	const struct media_line *line = said_line(said, i);

	if (!line)
		return;
	if (sdp_proto_has_feedback((enum sdp_proto)line->proto))
		set->flags |= CTL_STREAM_FEEDBACK;
	if (gives_nothing(&line->bandwidths) ||
	    (line->bandwidths.given == 0 && gives_nothing(&said->bandwidths)))
		set->flags |= CTL_STREAM_NO_REPORTS;
}

static bool fill_stream(struct media *media, const struct media_terms *terms, unsigned i,
			unsigned side, unsigned ask, struct ctl_stream_set *set, struct arena *turn)
{
	struct media_stream *stream = media->streams[i];

	*set = (struct ctl_stream_set){ .stream = (uint8_t)i,
					.side = (uint8_t)side,
					.realm = media->legs[side].config.realm,
					.direction = relay_direction(media, terms, i, side) };
	/* A refused line only falls silent: its latch is still wanted after a rollback. */
	if (media->current && !media_line_live(media, terms, i))
		terms = media->current;
	fill_local(&media->legs[side], &stream->local[side], ask, set);
	if (media->legs[side].reset)
		set->flags |= CTL_STREAM_RESET;
	fill_addresses(media, terms, i, set);
	fill_control(terms, i, set);
	stream->asked = true;
	stream->ended = false;
	return media_fill_security(media, terms, i, set, turn) &&
	       fill_payloads(media, terms, i, set, turn);
}

/* The stream of an m-line; made when it is first asked for. */
static struct media_stream *stream_get(struct media *media, unsigned i)
{
	if (!media->streams[i])
		media->streams[i] = arena_new(media->arena, struct media_stream);
	return media->streams[i];
}

static void add_removals(struct media *media, struct ctl_session_set *set)
{
	for (unsigned i = 0; i < MEDIA_LINES; i++) {
		struct media_stream *stream = media->streams[i];

		if (!stream || !stream->ended)
			continue;
		set->streams[set->streams_count++] = (struct ctl_stream_set){
			.stream = (uint8_t)i,
			.flags = CTL_STREAM_REMOVE,
			.realm = media->legs[0].config.realm,
		};
		/* The next stream of this line is another one, but numbers keep their meaning. */
		memset(stream->local, 0, sizeof(stream->local));
		memset(stream->shown, 0, sizeof(stream->shown));
		memset(stream->rtcp_port, 0, sizeof(stream->rtcp_port));
		stream->asked = false;
		stream->ended = false;
	}
}

static uint32_t shorter(uint32_t a, uint32_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Silence is counted once there is an answer; before it nobody need speak. */
static void fill_timeouts(const struct media *media, const struct media_terms *terms,
			  struct ctl_session_set *set)
{
	const struct media_side *a = &media->legs[0].config;
	const struct media_side *b = &media->legs[1].config;

	if (!media->current && !(terms && terms->said[0].given && terms->said[1].given))
		return;
	set->first_timeout_ms = shorter(a->first_timeout_ms, b->first_timeout_ms);
	set->timeout_ms = shorter(a->timeout_ms, b->timeout_ms);
	set->hold_timeout_ms = shorter(a->hold_timeout_ms, b->hold_timeout_ms);
	set->one_way_ms = shorter(a->one_way_ms, b->one_way_ms);
}

static bool wanted(const struct media *media, const struct media_terms *terms, unsigned i,
		   unsigned ask)
{
	const struct media_stream *stream = media->streams[i];

	if (ask & MEDIA_ASK_NEW)
		return media_line_live(media, terms, i) &&
		       (!has_ports(stream, 0) || !has_ports(stream, 1));
	/* A refused line that has ports is told to be silent until it is removed. */
	return media_line_live(media, terms, i) || (stream && stream->asked && !stream->ended);
}

struct ctl_message *media_command(struct media *media, const struct media_terms *terms,
				  unsigned sides, unsigned ask, struct arena *turn)
{
	struct ctl_message *message = arena_new(turn, struct ctl_message);
	unsigned lines = terms ? terms->said[terms->offerer].count : 0;
	struct ctl_session_set *set;

	if (!message)
		return NULL;
	lines = lines > MEDIA_LINES ? MEDIA_LINES : lines;
	message->type = CTL_session_set;
	set = &message->session_set;
	set->session = media->session;
	set->streams = arena_array(turn, 2 * lines + (media_removals_due(media) ? MEDIA_LINES : 1u),
				   sizeof(*set->streams));
	if (!set->streams)
		return NULL;
	for (unsigned i = 0; i < lines; i++) {
		if (!wanted(media, terms, i, ask))
			continue;
		if (!stream_get(media, i))
			return NULL;
		for (unsigned side = 0; side < 2; side++)
			if (sides & 1u << side &&
			    !fill_stream(media, terms, i, side, ask,
					 &set->streams[set->streams_count++], turn))
				return NULL;
	}
	add_removals(media, set);
	fill_timeouts(media, terms, set);
	for (unsigned side = 0; side < 2; side++)
		if (sides & 1u << side)
			media->legs[side].reset = false;
	media->in_relay = true;
	return message;
}

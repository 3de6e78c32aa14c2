/* SPDX-License-Identifier: MIT
 * From a parsed SDP to what we are willing to repeat of it. What is not named here crosses to nobody:
 * names, ssrc, groups and every attribute that is not known. Keys and ICE are each side's own. */
#include "sbc/media/media_priv.h"

#define ENCODING_MAX_BYTES 32u
#define CLOCK_MAX_HZ 1000000u /* what the relay takes; no codec has more */

bool media_allows(const struct media_leg *leg, struct slice encoding)
{
	if (slice_eq_nocase(encoding, SLICE("telephone-event")))
		return leg->config.dtmf != CONF_DTMF_INFO;
	if (leg->config.codec_count == 0 || slice_eq_nocase(encoding, SLICE("CN")))
		return true;
	for (size_t i = 0; i < leg->config.codec_count; i++)
		if (slice_eq_nocase(encoding, leg->config.codecs[i]))
			return true;
	return false;
}

/* What a payload type stands for, in 16 bits (FNV-1a, folded): it need only tell honest codecs of one
 * call apart. */
uint16_t media_meaning(const struct media_codec *codec)
{
	uint32_t hash = UINT32_C(2166136261) ^ codec->clock_hz ^ (uint32_t)codec->channels << 24;

	for (size_t i = 0; i < codec->encoding.len; i++)
		hash = (hash ^ (uint8_t)ascii_lower(codec->encoding.p[i])) * UINT32_C(16777619);
	return (uint16_t)((hash >> 16 ^ hash) | 1);
}

/* RFC 3264 8.3.2: a dynamic payload type keeps its meaning for the whole session. */
static bool meaning_kept(const struct media_stream *stream, const struct media_codec *codec)
{
	unsigned at = codec->payload_type - MEDIA_DYNAMIC_FIRST;

	return !stream || codec->payload_type < MEDIA_DYNAMIC_FIRST || stream->meanings[at] == 0 ||
	       stream->meanings[at] == media_meaning(codec);
}

static void read_bandwidths(const struct sdp_bandwidth *from, size_t count,
			    struct media_bandwidths *ret)
{
	static const struct slice types[] = { SLICE_INIT("AS"), SLICE_INIT("TIAS"), SLICE_INIT("RS"),
					      SLICE_INIT("RR") };

	for (size_t i = 0; i < count; i++) {
		for (unsigned type = 0; type < array_size(types); type++) {
			if (!slice_eq(from[i].type, types[type]) || from[i].value > UINT32_MAX)
				continue;
			ret->value[type] = (uint32_t)from[i].value;
			ret->given = (uint8_t)(ret->given | 1u << type);
		}
	}
}

static uint8_t feedback_of(struct slice value)
{
	if (slice_eq(value, SLICE("nack")))
		return MEDIA_NACK;
	if (slice_eq(value, SLICE("nack pli")))
		return MEDIA_NACK_PLI;
	if (slice_eq(value, SLICE("ccm fir")))
		return MEDIA_CCM_FIR;
	return 0;
}

/* a=rtcp-fb:<payload type or *> <value>, RFC 4585 4.2. */
static void read_feedback(const struct sdp_media *media, struct media_line *line)
{
	for (size_t i = 0; i < media->attribute_count; i++) {
		struct slice value = media->attributes[i].value;
		struct slice number;
		uint32_t payload_type = 256;
		bool all;

		if (!slice_eq(media->attributes[i].name, SLICE("rtcp-fb")) ||
		    !slice_cut(&value, CC_WSP, &number))
			continue;
		all = slice_eq(number, SLICE("*"));
		if (!all && parse_u32(number, &payload_type) != OK)
			continue;
		for (unsigned at = 0; at < line->codec_count; at++)
			if (all || line->codecs[at].payload_type == payload_type)
				line->codecs[at].feedback =
					(uint8_t)(line->codecs[at].feedback | feedback_of(value));
	}
}

static bool is_helper(struct slice encoding)
{
	static const struct slice helpers[] = { SLICE_INIT("telephone-event"), SLICE_INIT("CN"),
						SLICE_INIT("red"),	       SLICE_INIT("rtx"),
						SLICE_INIT("ulpfec"),	       SLICE_INIT("flexfec-03") };

	for (size_t i = 0; i < array_size(helpers); i++)
		if (slice_eq_nocase(encoding, helpers[i]))
			return true;
	return false;
}

bool media_codec_is_media(const struct media_codec *codec)
{
	return !is_helper(codec->encoding);
}

static enum err read_codecs(struct media_reading *reading, const struct sdp_media *media,
			    struct media_line *line)
{
	const struct media_leg *leg = &reading->media->legs[reading->side];

	line->codecs = arena_array(reading->turn, media->codec_count + 1, sizeof(*line->codecs));
	if (!line->codecs)
		return ERR_NOMEM;
	line->only_helpers = true;
	for (size_t i = 0; i < media->codec_count; i++) {
		const struct sdp_codec *from = &media->codecs[i];

		line->only_helpers &= is_helper(from->encoding);
		if (from->encoding.len == 0 || from->encoding.len > ENCODING_MAX_BYTES ||
		    from->clock_hz > CLOCK_MAX_HZ || from->channels > UINT8_MAX ||
		    !media_allows(leg, from->encoding))
			continue;
		line->codecs[line->codec_count++] = (struct media_codec){
			.payload_type = from->payload_type,
			.channels = (uint8_t)from->channels,
			.clock_hz = from->clock_hz,
			.encoding = from->encoding,
			.fmtp = media_fmtp_clean(reading->turn, from->encoding, from->fmtp),
		};
	}
	if (sdp_proto_has_feedback(media->proto))
		read_feedback(media, line);
	return reading->turn->exhausted ? ERR_NOMEM : OK;
}

/* What is left makes sense: a codec, or nothing but helpers where never more was meant. */
static bool is_useful(const struct media_line *line, bool only_helpers)
{
	for (unsigned i = 0; i < line->codec_count; i++)
		if (only_helpers || media_codec_is_media(&line->codecs[i]))
			return true;
	return false;
}

/* Drops codecs that would give a used number another meaning, unless nothing would be left: a peer
 * that breaks this rule after a transfer is better served by a call that works. */
static void drop_renamed(const struct media_stream *stream, struct media_line *line)
{
	unsigned kept = 0;
	bool media = false;

	for (unsigned i = 0; i < line->codec_count; i++)
		if (meaning_kept(stream, &line->codecs[i]) &&
		    media_codec_is_media(&line->codecs[i]))
			media = true;
	for (unsigned i = 0; media && i < line->codec_count; i++)
		if (meaning_kept(stream, &line->codecs[i]))
			line->codecs[kept++] = line->codecs[i];
	if (media)
		line->codec_count = (uint8_t)kept;
}

/* Where this side had its stream before, for RTCP during a hold that gives no address. */
static void keep_addresses(const struct media_reading *reading, unsigned i, struct media_line *line)
{
	const struct media_terms *terms = reading->media->current;

	if (!terms || i >= terms->said[reading->side].count)
		return;
	line->rtp = terms->said[reading->side].lines[i].rtp;
	line->rtcp = terms->said[reading->side].lines[i].rtcp;
}

static void read_rtcp(const struct sdp_media *media, struct media_line *line)
{
	line->rtcp = line->rtp;
	if (line->rtcp_mux)
		return;
	line->rtcp.port = (uint16_t)(media->port + 1);
	if (media->rtcp_given) {
		line->rtcp.port = media->rtcp_port;
		if (media->rtcp_ip.family == line->rtp.ip.family &&
		    !ip_unspecified(&media->rtcp_ip) && !ip_multicast(&media->rtcp_ip))
			line->rtcp.ip = media->rtcp_ip;
	}
	if (line->rtcp.port == 0)
		line->rtcp = (struct endpoint){ 0 };
}

static bool uses_ice(const struct media_line *line)
{
	return line->secure && line->secure->ufrag.len > 0;
}

/* False: the line is of no use. With ICE the addresses are a hint and the path is found by checks: an
 * unspecified one only says that none is known yet (RFC 8838 section 4.3). Else c=0.0.0.0 and c=:: are RFC 2543's hold (RFC 3264 8.4): nothing may be
 * sent, which is what the direction then says. A host name, or an address of the other IP version,
 * cannot be sent to: as with a peer behind a NAT, the relay learns from where the signalling came
 * (RFC 5118 4.6 asks that such an offer is not refused). */
static bool read_addresses(struct media_reading *reading, const struct sdp_media *media, unsigned i,
			   struct media_line *line)
{
	const struct sdp_connection *connection = sdp_media_connection(reading->sdp, media);
	const struct media_leg *leg = &reading->media->legs[reading->side];
	unsigned own = leg->family; /* of our ports */

	if (!connection->given || ip_multicast(&connection->ip))
		return false;
	if (uses_ice(line) &&
	    (connection->ip.family == IP_NONE || ip_unspecified(&connection->ip) ||
	     (own != IP_NONE && own != connection->ip.family)))
		return true;
	if (connection->ip.family != IP_NONE && ip_unspecified(&connection->ip)) {
		line->direction &= SDP_SENDONLY;
		keep_addresses(reading, i, line);
		return true;
	}
	if (connection->ip.family == IP_NONE || (own != IP_NONE && own != connection->ip.family)) {
		line->elsewhere = true;
		return true;
	}
	line->rtp = (struct endpoint){ .ip = connection->ip, .port = media->port };
	read_rtcp(media, line);
	return true;
}

static bool relayed(const struct sdp_media *media, unsigned i)
{
	if (i >= MEDIA_LINES)
		return false;
	return media_is_t38(media) ||
	       (sdp_proto_is_rtp(media->proto) &&
		(media->kind == SDP_AUDIO || media->kind == SDP_VIDEO || media->kind == SDP_TEXT));
}

static uint16_t clip_u16(uint32_t value)
{
	return value > UINT16_MAX ? 0 : (uint16_t)value;
}

/* There is nothing to secure it with. */
static enum err read_fax(struct media_reading *reading, unsigned i, struct media_line *line)
{
	const struct sdp_media *media = &reading->sdp->media[i];
	const struct media_leg *leg = &reading->media->legs[reading->side];
	enum err err = OK;

	reading->why = "media_address";
	if (!read_addresses(reading, media, i, line))
		return OK;
	line->rtcp = (struct endpoint){ 0 };
	reading->why = leg->config.srtp == CONF_SRTP_REQUIRED ? "srtp_required" : "no_codec";
	if (leg->config.srtp != CONF_SRTP_REQUIRED)
		err = media_read_t38(leg, media, reading->turn, line);
	line->carried = line->codec_count > 0;
	return err;
}

static enum err read_line(struct media_reading *reading, unsigned i, struct media_line *line)
{
	const struct sdp_media *media = &reading->sdp->media[i];
	struct slice format = media->formats;
	bool taken;
	enum err err;

	*line = (struct media_line){ .kind = (uint8_t)media->kind,
				     .proto = (uint8_t)media->proto,
				     .direction = (uint8_t)media->direction,
				     .ptime_ms = clip_u16(media->ptime_ms),
				     .maxptime_ms = clip_u16(media->maxptime_ms),
				     .mid = media->mid,
				     .kind_text = media->kind_text,
				     .proto_text = media->proto_text };
	if (!slice_cut(&format, CC_WSP, &line->format))
		line->format = format;
	if (media->port == 0)
		return OK;
	reading->why = "media_unusable";
	if (!relayed(media, i))
		return OK;
	if (line->proto == SDP_UDPTL)
		return read_fax(reading, i, line);
	err = media_read_keys(reading, media, line, &taken);
	if (err != OK || !taken)
		return err;
	reading->why = "media_address";
	if (!read_addresses(reading, media, i, line))
		return OK;
	read_bandwidths(media->bandwidths, media->bandwidth_count, &line->bandwidths);
	err = read_codecs(reading, media, line);
	drop_renamed(reading->media->streams[i], line);
	reading->why = "no_codec";
	line->carried = is_useful(line, line->only_helpers);
	return err;
}

/* A slot that an earlier exchange made and this SDP does not have (RFC 3264 section 8 forbids that, a
 * transfer behind the peer does it): as if it were refused. */
static void read_forgotten(const struct media_reading *reading, unsigned i, struct media_line *line)
{
	const struct media_terms *terms = reading->media->current;
	const struct media_said *said = terms ? &terms->said[terms->offerer] : NULL;

	if (said && i < said->count)
		*line = (struct media_line){ .kind = said->lines[i].kind,
					     .proto = said->lines[i].proto };
}

static enum err read_said(struct media_reading *reading, size_t at_least, struct media_said *ret)
{
	const struct sdp *sdp = reading->sdp;
	struct media_said said = { .given = true, .own = (uint8_t)sdp->media_count };
	enum err err = OK;

	said.count = (uint8_t)(at_least > sdp->media_count ? at_least : sdp->media_count);
	said.lines = arena_array(reading->turn, said.count + 1u, sizeof(*said.lines));
	if (!said.lines)
		return ERR_NOMEM;
	read_bandwidths(sdp->bandwidths, sdp->bandwidth_count, &said.bandwidths);
	for (unsigned i = 0; err == OK && i < said.count; i++) {
		reading->offered = reading->own ? &reading->own[i] : NULL;
		if (i < said.own)
			err = read_line(reading, i, &said.lines[i]);
		else
			read_forgotten(reading, i, &said.lines[i]);
	}
	*ret = said;
	return err;
}

bool media_line_allowed(const struct media_leg *leg, const struct media_line *line)
{
	if (line->proto == SDP_UDPTL && leg->config.srtp == CONF_SRTP_REQUIRED)
		return false;
	for (unsigned i = 0; line->carried && i < line->codec_count; i++)
		if ((line->only_helpers || media_codec_is_media(&line->codecs[i])) &&
		    media_allows(leg, line->codecs[i].encoding))
			return true;
	return false;
}

bool media_line_offered(const struct media *media, const struct media_terms *terms, unsigned i)
{
	(void)media;
	return i < terms->said[terms->offerer].count && terms->own[!terms->offerer][i].offered;
}

bool media_line_live(const struct media *media, const struct media_terms *terms, unsigned i)
{
	const struct media_said *answer = &terms->said[!terms->offerer];

	return media_line_offered(media, terms, i) &&
	       (!answer->given || (i < answer->count && answer->lines[i].carried));
}

static enum err refuse(const char *why, struct media_verdict *ret_verdict)
{
	*ret_verdict = (struct media_verdict){ .status = 488, .why = why };
	return ERR_REFUSED;
}

enum err media_read_offer(const struct media *media, unsigned side, const struct sdp *sdp,
			  struct arena *turn, struct media_said *ret,
			  struct media_verdict *ret_verdict)
{
	struct media_reading reading = { .media = media, .sdp = sdp, .side = side, .turn = turn };
	const struct media_terms *terms = media->current;
	enum err err = read_said(&reading, terms ? terms->said[terms->offerer].count : 0, ret);

	if (err != OK)
		return err;
	for (unsigned i = 0; i < ret->count; i++) {
		if (!media_line_allowed(&media->legs[!side], &ret->lines[i]))
			continue;
		reading.why = media_barred(media, &media->legs[!side]);
		return reading.why ? refuse(reading.why, ret_verdict) : OK;
	}
	/* Every port 0 by its own wish ends the media of a call (RFC 3264 8.2); it begins none. */
	if (!reading.why && media->current && ret->own > 0)
		return OK;
	return refuse(reading.why ? reading.why : "no_media", ret_verdict);
}

/* The offered codec that is meant by one of the answer. Another number than the offered one is fine
 * (each side receives with the numbers that it announced itself) unless the offer used that number
 * for something else. */
static const struct media_codec *find_offered(const struct media_line *offer,
					      const struct media_codec *codec)
{
	const struct media_codec *found = NULL;

	for (unsigned i = 0; i < offer->codec_count; i++) {
		const struct media_codec *other = &offer->codecs[i];
		bool same = other->clock_hz == codec->clock_hz &&
			    other->channels == codec->channels &&
			    slice_eq_nocase(other->encoding, codec->encoding);

		if (same && (!found || other->payload_type == codec->payload_type))
			found = other;
		if (!same && other->payload_type == codec->payload_type)
			return NULL;
	}
	return found;
}

/* Only what was offered stays of an answer (RFC 3264 section 6). */
static void limit_to_offer(const struct media_line *offer, const struct media_own *own,
			   struct media_line *line)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < line->codec_count; i++) {
		const struct media_codec *offered = find_offered(offer, &line->codecs[i]);

		if (!offered)
			offered = media_event_offered(offer, own, &line->codecs[i]);
		if (!offered || media_event_confuses(own, &line->codecs[i]))
			continue;
		line->codecs[kept] = line->codecs[i];
		line->codecs[kept++].feedback &= offered->feedback;
	}
	line->codec_count = (uint8_t)kept;
	line->direction = (uint8_t)sdp_direction_answer((enum sdp_direction)offer->direction,
							(enum sdp_direction)line->direction);
	line->carried = line->carried && is_useful(line, offer->only_helpers) &&
			line->kind == offer->kind && line->proto == own->proto;
}

enum err media_read_answer(const struct media *media, const struct sdp *sdp, struct arena *turn,
			   struct media_said *ret, struct media_verdict *ret_verdict)
{
	const struct media_terms *terms = media->pending;
	const struct media_said *offer = &terms->said[terms->offerer];
	struct media_reading reading = {
		.media = media, .sdp = sdp, .side = !terms->offerer, .turn = turn,
		.own = terms->own[!terms->offerer],
	};
	unsigned wanted = 0;
	unsigned carried = 0;
	enum err err;

	if (sdp->media_count > offer->count)
		return refuse("answer_lines", ret_verdict);
	err = read_said(&reading, offer->count, ret);
	if (err != OK)
		return err;
	for (unsigned i = 0; i < ret->count; i++) {
		if (!media_line_offered(media, terms, i)) {
			ret->lines[i].carried = false;
			continue;
		}
		wanted += i < ret->own && sdp->media[i].port != 0;
		limit_to_offer(&offer->lines[i], &reading.own[i], &ret->lines[i]);
		carried += ret->lines[i].carried;
	}
	/* An answer may refuse every line with port 0, but one that means media must be of use. */
	if (wanted == 0 || carried > 0)
		return OK;
	return refuse(reading.keyless ? "answer_keys" : "answer_codec", ret_verdict);
}

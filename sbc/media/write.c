/* SPDX-License-Identifier: MIT
 * SDP written anew. Nothing is copied from the other side's text but encoding names, which are tokens,
 * and format parameters that fmtp.c passed; to its author go back only his m-lines' ids. The o= version grows exactly when the rest differs from
 * what was last sent to that side (RFC 3264 section 8). */
#include "sbc/media/media_priv.h"

struct writing {
	struct media *media;
	struct media_terms *terms;
	unsigned to;
	struct text text;
	struct ip_addr address; /* of the session's c= */
};

static const struct ip_addr *stream_address(const struct media *media, unsigned side, unsigned i)
{
	return &media->streams[i]->shown[side];
}

/* Stays for the life of the side, streams or not; before it has any port, 0.0.0.0 asks for nothing. */
static struct ip_addr session_address(const struct media *media, unsigned side)
{
	const struct media_leg *leg = &media->legs[side];

	return leg->address.family != IP_NONE ? leg->address : (struct ip_addr){ .family = IP_V4 };
}

static void write_address(struct text *text, const struct ip_addr *ip)
{
	if (ip->family == IP_V6)
		text_lit(text, "IN IP6 ");
	else
		text_lit(text, "IN IP4 ");
	ip_write(text, ip);
	text_lit(text, "\r\n");
}

static void write_bandwidths(struct text *text, const struct media_bandwidths *bandwidths)
{
	static const char *const types[] = { "AS:", "TIAS:", "RS:", "RR:" };

	for (unsigned type = 0; type < MEDIA_BANDWIDTHS; type++) {
		if (!(bandwidths->given & 1u << type))
			continue;
		text_lit(text, "b=");
		text_slice(text, slice_text(types[type]));
		text_u64(text, bandwidths->value[type]);
		text_lit(text, "\r\n");
	}
}

static void write_number_attribute(struct text *text, const char *name, uint64_t value)
{
	text_slice(text, slice_text(name));
	text_u64(text, value);
	text_lit(text, "\r\n");
}

static void write_feedback(struct text *text, const struct media_codec *codec)
{
	static const char *const values[] = { " nack\r\n", " nack pli\r\n", " ccm fir\r\n" };

	for (unsigned bit = 0; bit < array_size(values); bit++) {
		if (!(codec->feedback & 1u << bit))
			continue;
		text_lit(text, "a=rtcp-fb:");
		text_u64(text, codec->payload_type);
		text_slice(text, slice_text(values[bit]));
	}
}

static void write_codec(struct text *text, const struct media_codec *codec, bool feedback)
{
	text_lit(text, "a=rtpmap:");
	text_u64(text, codec->payload_type);
	text_char(text, ' ');
	text_slice(text, codec->encoding);
	text_char(text, '/');
	text_u64(text, codec->clock_hz);
	if (codec->channels > 1) {
		text_char(text, '/');
		text_u64(text, codec->channels);
	}
	text_lit(text, "\r\n");
	if (codec->fmtp.len > 0) {
		text_lit(text, "a=fmtp:");
		text_u64(text, codec->payload_type);
		text_char(text, ' ');
		text_slice(text, codec->fmtp);
		text_lit(text, "\r\n");
	}
	if (feedback)
		write_feedback(text, codec);
}

static void write_media_head(struct text *text, struct slice kind, uint16_t port,
			     struct slice proto)
{
	text_lit(text, "m=");
	text_slice(text, kind);
	text_char(text, ' ');
	text_u64(text, port);
	text_char(text, ' ');
	text_slice(text, proto);
}

static void write_mid(struct text *text, struct slice mid)
{
	if (mid.len == 0)
		return;
	text_lit(text, "a=mid:");
	text_slice(text, mid);
	text_lit(text, "\r\n");
}

static void write_attributes(struct text *text, const struct media_line *line)
{
	if (line->ptime_ms > 0)
		write_number_attribute(text, "a=ptime:", line->ptime_ms);
	if (line->maxptime_ms > 0)
		write_number_attribute(text, "a=maxptime:", line->maxptime_ms);
}

/* The line's own author, in an answer to him; in an offer who spoke of it before. */
static const struct media_line *line_of_reader(const struct writing *writing, unsigned i)
{
	if (writing->to == writing->terms->offerer)
		return &writing->terms->said[writing->to].lines[i];
	return media_line_in_force(writing->media, writing->to, i);
}

/* What is between us and this side alone. */
static void write_transport(struct writing *writing, unsigned i)
{
	const struct media_own *own = &writing->terms->own[writing->to][i];
	const struct media_stream *stream = writing->media->streams[i];
	const struct media_line *reader = line_of_reader(writing, i);
	bool answer = writing->to == writing->terms->offerer;
	uint16_t rtp_port = stream->local[writing->to].port;
	uint16_t rtcp_port = answer && own->rtcp_mux ? rtp_port : stream->rtcp_port[writing->to];

	if (reader)
		write_mid(&writing->text, reader->mid);
	if (rtcp_port != rtp_port && rtcp_port != rtp_port + 1)
		write_number_attribute(&writing->text, "a=rtcp:", rtcp_port);
	if (media_passes(writing->terms, i))
		media_pass_write(&writing->text, writing->media, writing->terms, writing->to, i);
	else
		media_write_keys(&writing->text, writing->media, writing->to, own,
				 answer ? reader : NULL);
	if (own->rtcp_mux)
		text_lit(&writing->text, "a=rtcp-mux\r\n");
	media_write_ice(&writing->text, own, stream_address(writing->media, writing->to, i),
			rtp_port, rtcp_port);
}

/* The rest of a T.38 line. */
static void write_fax(struct writing *writing, unsigned i, const struct media_line *line)
{
	const struct ip_addr *address = stream_address(writing->media, writing->to, i);
	const struct media_line *reader = line_of_reader(writing, i);
	struct text *text = &writing->text;

	text_lit(text, " t38\r\n");
	if (!ip_eq(address, &writing->address)) {
		text_lit(text, "c=");
		write_address(text, address);
	}
	text_slice(text, line->codecs[0].fmtp);
	if (reader)
		write_mid(text, reader->mid);
}

/* A line that is relayed, as its author meant it, with our address and port. */
static void write_live(struct writing *writing, unsigned i, const struct media_line *line)
{
	const struct media *media = writing->media;
	const struct media_codec *codec;
	unsigned at = 0;
	enum sdp_proto proto = (enum sdp_proto)writing->terms->own[writing->to][i].proto;
	const struct ip_addr *address = stream_address(media, writing->to, i);
	struct text *text = &writing->text;

	write_media_head(text, slice_text(sdp_kind_text((enum sdp_kind)line->kind)),
			 media->streams[i]->local[writing->to].port,
			 slice_text(sdp_proto_text(proto)));
	if (proto == SDP_UDPTL) {
		write_fax(writing, i, line);
		return;
	}
	while ((codec = media_shown(media, writing->terms, i, writing->to, &at))) {
		text_char(text, ' ');
		text_u64(text, codec->payload_type);
	}
	text_lit(text, "\r\n");
	if (!ip_eq(address, &writing->address)) {
		text_lit(text, "c=");
		write_address(text, address);
	}
	write_bandwidths(text, &line->bandwidths);
	at = 0;
	while ((codec = media_shown(media, writing->terms, i, writing->to, &at)))
		write_codec(text, codec, sdp_proto_has_feedback(proto));
	write_attributes(text, line);
	write_transport(writing, i);
	text_lit(text, "a=");
	text_slice(text, slice_text(sdp_direction_text((enum sdp_direction)line->direction)));
	text_lit(text, "\r\n");
}

/* Port 0 to its own author: in his words, with a format that he offered (RFC 3264 section 6). */
static void write_refused(struct text *text, const struct media_line *line)
{
	struct slice kind = line->kind_text;
	struct slice proto = line->proto_text;

	if (line->carried) {
		kind = slice_text(sdp_kind_text((enum sdp_kind)line->kind));
		proto = slice_text(sdp_proto_text((enum sdp_proto)line->proto));
	}
	write_media_head(text, kind, 0, proto);
	text_char(text, ' ');
	if (line->carried && line->proto == SDP_UDPTL)
		text_lit(text, "t38");
	else if (line->carried)
		text_u64(text, line->codecs[0].payload_type);
	else
		text_slice(text, line->format.len > 0 ? line->format : SLICE("0"));
	text_lit(text, "\r\n");
	write_mid(text, line->mid);
}

/* A place in the order for the other side. What kind of thing was there is told only as far as names
 * are known; unknown words would be its author's text. */
static void write_placeholder(struct text *text, const struct media_line *line)
{
	bool known = line->proto != SDP_PROTO_OTHER && line->kind != SDP_KIND_OTHER;
	const char *kind = known ? sdp_kind_text((enum sdp_kind)line->kind) : "application";
	const char *proto = known ? sdp_proto_text((enum sdp_proto)line->proto) : "RTP/AVP";

	write_media_head(text, slice_text(kind), 0, slice_text(proto));
	if (line->proto == SDP_UDPTL && known)
		text_lit(text, " t38\r\n");
	else
		text_lit(text, " 0\r\n");
}

static void write_session(struct writing *writing, const struct media_bandwidths *bandwidths)
{
	struct text *text = &writing->text;

	text_char(text, ' ');
	write_address(text, &writing->address);
	text_lit(text, "s=-\r\nc=");
	write_address(text, &writing->address);
	if (bandwidths)
		write_bandwidths(text, bandwidths);
	text_lit(text, "t=0 0\r\n");
}

static bool any_ice(const struct writing *writing)
{
	const struct media_terms *terms = writing->terms;

	for (unsigned i = 0; i < terms->said[terms->offerer].count; i++)
		if (terms->own[writing->to][i].ufrag &&
		    media_line_live(writing->media, terms, i))
			return true;
	return false;
}

/* RFC 8839 5.3 and 5.6. */
static void write_ice_session(struct writing *writing)
{
	if (any_ice(writing))
		text_lit(&writing->text, "a=ice-lite\r\na=ice-options:ice2\r\n");
}

static void write_offer(struct writing *writing)
{
	const struct media_said *offer = &writing->terms->said[!writing->to];

	write_session(writing, &offer->bandwidths);
	write_ice_session(writing);
	for (unsigned i = 0; i < offer->count; i++) {
		if (media_line_offered(writing->media, writing->terms, i))
			write_live(writing, i, &offer->lines[i]);
		else
			write_placeholder(&writing->text, &offer->lines[i]);
	}
}

/* As many lines as the offer really had. */
static void write_answer(struct writing *writing)
{
	const struct media_said *offer = &writing->terms->said[writing->to];
	const struct media_said *answer = &writing->terms->said[!writing->to];

	write_session(writing, &answer->bandwidths);
	write_ice_session(writing);
	for (unsigned i = 0; i < offer->own; i++) {
		if (media_line_live(writing->media, writing->terms, i))
			write_live(writing, i, &answer->lines[i]);
		else
			write_refused(&writing->text, &offer->lines[i]);
	}
}

struct slice media_stamp(struct media_leg *leg, struct media_sent *sent)
{
	char storage[MEDIA_HEAD_BYTES];
	struct text head;

	if (leg->version == 0 || leg->sent_hash != sent->hash)
		leg->version++;
	leg->sent_hash = sent->hash;
	text_init(&head, storage, sizeof(storage));
	text_lit(&head, "v=0\r\no=- ");
	text_u64(&head, leg->session_id);
	text_char(&head, ' ');
	text_u64(&head, leg->version);
	memcpy(sent->rest - head.len, head.p, head.len);
	return slice_of(sent->rest - head.len, head.len + sent->len);
}

/* Keeps what was written for the leg, where the terms keep that side's messages, and stamps it. */
static struct slice finish(struct writing *writing, struct arena *turn)
{
	struct media_terms *terms = writing->terms;
	struct media_sent *sent = &terms->sent[writing->to];
	struct slice rest = text_done(&writing->text);
	struct slice ret;
	uint64_t hash;

	if (rest.len == 0)
		return rest;
	hash = hash64(&writing->media->key, rest);
	if (!sent->rest || sent->hash != hash) {
		struct arena *arena = &terms->arenas[writing->to == terms->offerer];
		char *p = arena_reserve(arena, MEDIA_HEAD_BYTES + rest.len);

		if (!p)
			return slice_of("", 0);
		arena_commit(arena, MEDIA_HEAD_BYTES + rest.len);
		*sent = (struct media_sent){
			.rest = p + MEDIA_HEAD_BYTES, .len = rest.len, .hash = hash
		};
		memcpy(sent->rest, rest.p, rest.len);
	}
	if (arena_keep(turn, media_stamp(&writing->media->legs[writing->to], sent), &ret) != OK)
		return slice_of("", 0);
	return ret;
}

struct slice media_write(struct media *media, struct media_terms *terms, unsigned to,
			 struct arena *turn)
{
	struct writing writing = { .media = media,
				   .terms = terms,
				   .to = to,
				   .address = session_address(media, to) };

	text_init_arena(&writing.text, turn, 1024);
	if (to == terms->offerer)
		write_answer(&writing);
	else
		write_offer(&writing);
	return finish(&writing, turn);
}

struct slice media_write_rejected(struct media *media, struct media_terms *terms,
				  struct arena *turn)
{
	struct writing writing = { .media = media, .terms = terms, .to = terms->offerer };
	const struct media_said *offer = &terms->said[terms->offerer];

	writing.address = session_address(media, writing.to);
	text_init_arena(&writing.text, turn, 1024);
	write_session(&writing, NULL);
	for (unsigned i = 0; i < offer->own; i++)
		write_refused(&writing.text, &offer->lines[i]);
	return finish(&writing, turn);
}

/* SPDX-License-Identifier: MIT
 * The exchange: which terms are in force, which are being built, and what each step asks of the relay.
 * A step that fails changes nothing that a later rollback could not find again. */
#include "sbc/media/media_priv.h"

#define BOTH_SIDES 3u
#define TERMS_FIRST_BYTES 512u /* beside what is about as long as the offer */

static const struct media_relay no_relay;

struct media *media_create(struct arena *arena, struct arena_cache *cache, size_t quota_bytes,
			   uint64_t session, struct rand *rand)
{
	struct media *media = arena_new(arena, struct media);

	if (!media)
		return NULL;
	media->arena = arena;
	media->cache = cache;
	media->quota_bytes = quota_bytes;
	media->session = session;
	media->rand = rand;
	media->relay = &no_relay;
	rand_bytes(rand, &media->key, sizeof(media->key));
	return media;
}

void media_set_relay(struct media *media, const struct media_relay *relay)
{
	media->relay = relay;
}

/* Keys may come to lie in what this call's terms hold. */
static bool holds_keys(const struct media *media)
{
	return media->legs[0].config.srtp != CONF_SRTP_OFF ||
	       media->legs[1].config.srtp != CONF_SRTP_OFF;
}

/* text_bytes: of the offer, to size memory by. */
static struct media_terms *terms_open(struct media *media, unsigned offerer, size_t text_bytes)
{
	struct media_terms **slot = &media->slots[media->slots[0] && media->current == media->slots[0]];

	if (!*slot)
		*slot = arena_new(media->arena, struct media_terms);
	if (!*slot)
		return NULL;
	**slot = (struct media_terms){ .offerer = (uint8_t)offerer };
	for (unsigned i = 0; i < 2; i++) {
		arena_init(&(*slot)->arenas[i], media->cache, TERMS_FIRST_BYTES + text_bytes,
			   media->quota_bytes);
		(*slot)->arenas[i].wipe = holds_keys(media);
	}
	return *slot;
}

static void terms_drop(struct media_terms **terms)
{
	if (!*terms)
		return;
	arena_fini(&(*terms)->arenas[0]);
	arena_fini(&(*terms)->arenas[1]);
	*terms = NULL;
}

void media_fini(struct media *media)
{
	terms_drop(&media->pending);
	terms_drop(&media->current);
}

/* RFC 3264 section 5 wants the session id below 2^63. */
void media_set_side(struct media *media, unsigned side, const struct media_side *config)
{
	struct media_leg *leg = &media->legs[side];
	bool moved = leg->set && (!slice_eq(leg->config.realm, config->realm) ||
				  (config->both_families && leg->family != config->family));

	ensure(side < 2);
	for (unsigned i = 0; moved && i < MEDIA_LINES; i++) {
		if (!media->streams[i])
			continue;
		media->streams[i]->local[side] = (struct endpoint){ 0 };
		media->streams[i]->rtcp_port[side] = 0;
	}
	*leg = (struct media_leg){ .config = *config,
				   .set = true,
				   .anew = true,
				   .reset = leg->set && media->in_relay,
				   .address = moved ? (struct ip_addr){ 0 } : leg->address,
				   .family = (uint8_t)(moved || leg->address.family == IP_NONE ?
							       config->family :
							       leg->address.family),
				   .session_id = rand_u64(media->rand) >> 1 };
}

static enum err parse(struct slice sdp_text, struct arena *turn, struct sdp *ret,
		      struct media_verdict *ret_verdict)
{
	unsigned line;
	enum err err = sdp_parse(turn, sdp_text, &sdp_limits_default, ret, &line);

	if (err == ERR_SYNTAX)
		*ret_verdict = (struct media_verdict){ .status = 400, .why = "sdp_syntax" };
	else if (err == ERR_LIMIT)
		*ret_verdict = (struct media_verdict){ .status = 488, .why = "sdp_limit" };
	return err == OK || err == ERR_NOMEM ? err : ERR_REFUSED;
}

/* An offer is answered with the IP version that it used, where we have it and no port yet. A host's
 * name, and the address that means hold or "not known yet", say nothing about it. */
static void choose_family(struct media_leg *leg, const struct sdp *sdp)
{
	if (!leg->config.both_families || leg->address.family != IP_NONE)
		return;
	leg->family = (uint8_t)leg->config.family;
	for (unsigned i = 0; i < sdp->media_count; i++) {
		const struct sdp_connection *connection =
			sdp_media_connection(sdp, &sdp->media[i]);

		if (sdp->media[i].port == 0 || !connection->given ||
		    connection->ip.family == IP_NONE || ip_unspecified(&connection->ip))
			continue;
		leg->family = connection->ip.family;
		return;
	}
}

/* NULL as the command means "nothing to ask", so a lack of memory is told apart here. */
static enum err ask(struct media *media, const struct media_terms *terms, unsigned sides,
		    unsigned how, struct arena *turn, struct ctl_message **ret_command)
{
	turn->wipe |= holds_keys(media);
	*ret_command = media_command(media, terms, sides, how, turn);
	return *ret_command ? OK : ERR_NOMEM;
}

/* Streams that the terms in force do not have are to be removed. */
static void mark_ended(struct media *media)
{
	for (unsigned i = 0; i < MEDIA_LINES; i++) {
		struct media_stream *stream = media->streams[i];

		if (stream && stream->asked)
			stream->ended = !media_line_live(media, media->current, i);
	}
}

/* A stream that waits for its removal is used again when its line is. */
static void revive(struct media *media, const struct media_terms *terms)
{
	for (unsigned i = 0; i < MEDIA_LINES; i++)
		if (media->streams[i] && media_line_live(media, terms, i))
			media->streams[i]->ended = false;
}

enum err media_offer_in(struct media *media, unsigned side, struct slice sdp_text,
			struct arena *turn, struct ctl_message **ret_command,
			struct media_verdict *ret_verdict)
{
	struct media_said said;
	struct sdp sdp;
	enum err err;

	ensure(side < 2 && media->legs[0].set && media->legs[1].set);
	*ret_command = NULL;
	*ret_verdict = (struct media_verdict){ 0 };
	if (media->pending)
		return ERR_STATE;
	turn->wipe |= holds_keys(media);
	err = parse(sdp_text, turn, &sdp, ret_verdict);
	if (err == OK)
		choose_family(&media->legs[side], &sdp);
	if (err == OK)
		err = media_read_offer(media, side, &sdp, turn, &said, ret_verdict);
	if (err != OK)
		return err;
	media->pending = terms_open(media, side, sdp_text.len);
	if (!media->pending)
		return ERR_NOMEM;
	err = media_keep(&media->pending->arenas[0], &said, &media->pending->said[side]);
	for (unsigned at = 0; err == OK && at < 2; at++)
		err = media_prepare(media, media->pending, at);
	if (err == OK)
		revive(media, media->pending);
	if (err == OK && media_needs_ports(media, media->pending))
		err = ask(media, media->pending, BOTH_SIDES, MEDIA_ASK_NEW, turn, ret_command);
	if (err != OK) {
		terms_drop(&media->pending);
		if (media->current)
			mark_ended(media);
	}
	return err;
}

static void note_ports(struct media_leg *leg, struct media_stream *stream,
		       const struct ctl_stream_ports *ports)
{
	struct ip_addr *shown = &stream->shown[ports->side];

	stream->local[ports->side] = ports->local_rtp;
	stream->rtcp_port[ports->side] = ports->local_rtcp.port;
	*shown = ports->shown.family != IP_NONE ? ports->shown : ports->local_rtp.ip;
	if (leg->address.family != IP_NONE)
		return;
	leg->address = *shown;
	leg->family = shown->family;
}

enum err media_on_ports(struct media *media, const struct ctl_session_ports *ports)
{
	const struct media_terms *terms = media->pending ? media->pending : media->current;

	if (ports->session != media->session)
		return ERR_STATE;
	for (uint32_t i = 0; i < ports->streams_count; i++) {
		const struct ctl_stream_ports *at = &ports->streams[i];
		struct media_stream *stream =
			at->stream < MEDIA_LINES ? media->streams[at->stream] : NULL;

		if (at->side > 1 || at->local_rtp.port == 0 || at->local_rtp.ip.family == IP_NONE)
			return ERR_SYNTAX;
		/* Late news of a stream that a rollback gave back already. */
		if (!stream || !stream->asked)
			continue;
		note_ports(&media->legs[at->side], stream, at);
	}
	return terms && media_needs_ports(media, terms) ? ERR_STATE : OK;
}

const char *media_offer_barred(const struct media *media)
{
	return media->pending ? media_barred(media, &media->legs[!media->pending->offerer]) : NULL;
}

bool media_offer_ported(const struct media *media)
{
	return media->pending && !media_needs_ports(media, media->pending);
}

struct slice media_offer_out(struct media *media, struct arena *turn)
{
	struct media_terms *terms = media->pending;

	if (!terms || (media->legs[!terms->offerer].anew &&
		       media_prepare(media, terms, !terms->offerer) != OK) ||
	    media_needs_ports(media, terms))
		return slice_of("", 0);
	turn->wipe |= holds_keys(media);
	return media_write(media, terms, !terms->offerer, turn);
}

static void answer_drop(struct media_terms *terms)
{
	arena_reset(&terms->arenas[1]);
	terms->said[!terms->offerer] = (struct media_said){ 0 };
	terms->sent[terms->offerer] = (struct media_sent){ 0 };
	terms->answer_hash = 0;
}

enum err media_offer_again(struct media *media, struct arena *turn,
			   struct ctl_message **ret_command)
{
	struct media_terms *terms = media->pending;
	unsigned other;
	unsigned offered = 0;

	*ret_command = NULL;
	if (!terms)
		return ERR_STATE;
	answer_drop(terms);
	other = !terms->offerer;
	if (media_prepare(media, terms, other) != OK)
		return ERR_NOMEM;
	for (unsigned i = 0; i < terms->said[terms->offerer].count; i++)
		offered += media_line_offered(media, terms, i);
	if (offered == 0)
		return ERR_REFUSED;
	/* Lines that only the former target's codecs allowed, or only the new one's, may differ; the
	 * offerer's side is named for those that have no port yet. */
	return ask(media, terms, media_needs_ports(media, terms) ? BOTH_SIDES : 1u << other, 0, turn,
		   ret_command);
}

enum err media_answer_in(struct media *media, struct slice sdp_text, struct arena *turn,
			 struct ctl_message **ret_command, struct media_verdict *ret_verdict)
{
	struct media_terms *terms = media->pending;
	uint64_t hash = hash64(&media->key, sdp_text);
	struct media_said said;
	struct sdp sdp;
	enum err err;

	*ret_command = NULL;
	*ret_verdict = (struct media_verdict){ 0 };
	if (!terms || media_needs_ports(media, terms))
		return ERR_STATE;
	if (terms->said[!terms->offerer].given && terms->answer_hash == hash)
		return OK;
	turn->wipe |= holds_keys(media);
	err = parse(sdp_text, turn, &sdp, ret_verdict);
	if (err == OK)
		err = media_read_answer(media, &sdp, turn, &said, ret_verdict);
	if (err != OK)
		return err;
	media_answer_differs(media, terms, &said);
	answer_drop(terms);
	err = media_keep(&terms->arenas[1], &said, &terms->said[!terms->offerer]);
	if (err != OK)
		return err;
	media_settle_roles(media, terms);
	terms->answer_hash = hash;
	terms->told = true;
	return ask(media, terms, BOTH_SIDES, 0, turn, ret_command);
}

struct slice media_answer_out(struct media *media, struct arena *turn)
{
	if (!media_answered(media))
		return slice_of("", 0);
	turn->wipe |= holds_keys(media);
	return media_write(media, media->pending, media->pending->offerer, turn);
}

struct slice media_reject_out(struct media *media, struct arena *turn)
{
	if (!media->pending)
		return slice_of("", 0);
	return media_write_rejected(media, media->pending, turn);
}

bool media_exchange_open(const struct media *media)
{
	return media->pending != NULL;
}

bool media_answered(const struct media *media)
{
	return media->pending && media->pending->said[!media->pending->offerer].given;
}

unsigned media_offerer(const struct media *media)
{
	ensure(media->pending);
	return media->pending->offerer;
}

/* Remembers what the dynamic payload types of agreed lines stand for. */
static void note_meanings(struct media *media, const struct media_terms *terms)
{
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned i = 0; i < terms->said[side].count && i < MEDIA_LINES; i++) {
			const struct media_line *line = &terms->said[side].lines[i];

			for (unsigned at = 0; media->streams[i] && at < line->codec_count; at++) {
				unsigned type = line->codecs[at].payload_type;

				if (type >= MEDIA_DYNAMIC_FIRST)
					media->streams[i]->meanings[type - MEDIA_DYNAMIC_FIRST] =
						media_meaning(&line->codecs[at]);
			}
		}
	}
}

void media_commit(struct media *media)
{
	if (!media_answered(media)) {
		terms_drop(&media->pending);
		return;
	}
	terms_drop(&media->current);
	media->current = media->pending;
	media->pending = NULL;
	note_meanings(media, media->current);
	mark_ended(media);
}

struct ctl_message *media_settle(struct media *media, struct arena *turn)
{
	if (!media_removals_due(media))
		return NULL;
	return media_command(media, NULL, 0, 0, turn);
}

enum err media_rollback(struct media *media, struct arena *turn, struct ctl_message **ret_command)
{
	bool told = media->pending && media->pending->told;

	*ret_command = NULL;
	terms_drop(&media->pending);
	if (!media->current)
		return OK;
	mark_ended(media);
	if (!told && !media_removals_due(media))
		return OK;
	return ask(media, told ? media->current : NULL, BOTH_SIDES, 0, turn, ret_command);
}

struct slice media_last_sdp(struct media *media, unsigned side)
{
	struct media_terms *terms = media->current ? media->current : media->pending;

	if (!terms || !terms->sent[side].rest)
		return slice_of("", 0);
	return media_stamp(&media->legs[side], &terms->sent[side]);
}

bool media_has_session(const struct media *media)
{
	return media->in_relay;
}

uint64_t media_session(const struct media *media)
{
	return media->session;
}

struct ctl_message *media_close(struct media *media, struct arena *turn)
{
	struct ctl_message *message = arena_new(turn, struct ctl_message);

	if (!message)
		return NULL;
	message->type = CTL_session_close;
	message->session_close.session = media->session;
	media->in_relay = false;
	return message;
}

struct ctl_message *media_restore(struct media *media, struct arena *turn)
{
	const struct media_terms *terms = media->current;

	if (!terms || media_answered(media))
		terms = media->pending ? media->pending : media->current;
	turn->wipe |= holds_keys(media);
	return media_command(media, terms, BOTH_SIDES, MEDIA_ASK_RESTORE, turn);
}

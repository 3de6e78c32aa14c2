/* SPDX-License-Identifier: MIT
 * What we say ourselves about keys and ICE: to the author of an offer in his profile, to the other side
 * in that of its policy. A key of ours stays for as long as its side's transport does (RFC 4568 7.1.4
 * lets a stream of the same key go on only there), so that a refresh is the same text and the relay
 * goes on counting; whatever is new is drawn from the call's random source. */
#include "sbc/media/media_priv.h"

const struct media_line *media_line_in_force(const struct media *media, unsigned side, unsigned i)
{
	const struct media_terms *terms = media->current;

	if (!terms || i >= terms->said[side].count || !media_line_live(media, terms, i))
		return NULL;
	return &terms->said[side].lines[i];
}

static const struct media_own *own_in_force(const struct media *media, unsigned side, unsigned i)
{
	return media_line_in_force(media, side, i) ? &media->current->own[side][i] : NULL;
}

static bool ice_same(const struct media_secure *a, const struct media_secure *b)
{
	static const struct media_secure none;

	a = a ? a : &none;
	b = b ? b : &none;
	return slice_eq(a->ufrag, b->ufrag) && slice_eq(a->password, b->password);
}

/* Where this side hears us. With ICE it is the agent, which another user fragment makes anew. */
static bool transport_same(const struct media_line *before, const struct media_line *now)
{
	if (!ice_same(before->secure, now->secure))
		return false;
	return (now->secure && now->secure->ufrag.len > 0) ||
	       endpoint_eq(&before->rtp, &now->rtp);
}

/* ---- SDES ---- */

static struct media_keys *keys_keep(struct arena *arena, const struct media_own *before)
{
	struct media_keys *keys = arena_new(arena, struct media_keys);

	if (keys && before && before->keys)
		*keys = *before->keys;
	return keys;
}

static void keys_make(struct media *media, struct media_keys *keys, unsigned suite)
{
	if (keys->made & 1u << suite)
		return;
	rand_bytes(media->rand, keys->of[suite], ctl_srtp_key_bytes(suite));
	keys->made = (uint16_t)(keys->made | 1u << suite);
}

/* ---- DTLS ---- */

static bool dtls_same(const struct media_line *before, const struct media_line *now)
{
	const struct media_secure *a = before->secure;
	const struct media_secure *b = now->secure;

	return before->keying == MEDIA_DTLS && a && b && a->hash == b->hash &&
	       a->fingerprint_bytes == b->fingerprint_bytes &&
	       memcmp(a->fingerprint, b->fingerprint, b->fingerprint_bytes) == 0 &&
	       slice_eq(a->tls_id, b->tls_id);
}

/* RFC 8842 section 4, RFC 5763 6.6: an association ends with another fingerprint or tls-id, with
 * another role, and, where no ICE finds the new path, with another transport. An ICE restart alone
 * leaves it. */
static bool association_stays(const struct media_own *own, const struct media_line *before,
			      const struct media_line *now)
{
	uint8_t setup = now->secure->setup;
	bool ice = now->secure->ufrag.len > 0;

	if (!dtls_same(before, now) || (!ice && !endpoint_eq(&before->rtp, &now->rtp)))
		return false;
	return setup == SDP_SETUP_ACTPASS ||
	       (setup == SDP_SETUP_ACTIVE) == (own->role == CTL_DTLS_PASSIVE);
}

/* The answerer begins (RFC 5763 section 5), unless he does not know where to: behind a NAT the peer's
 * first packet tells, with ICE its check. And a phone that answers a later offer of ours by "active",
 * whatever it was before, then stays what it is. */
static enum ctl_dtls_role role_for(const struct media_leg *leg, const struct media_line *line,
				   bool answer)
{
	if (line->secure->setup == SDP_SETUP_ACTIVE)
		return CTL_DTLS_PASSIVE;
	if (line->secure->setup == SDP_SETUP_PASSIVE)
		return CTL_DTLS_ACTIVE;
	/* An answer that leaves the choice open, as some do: somebody has to begin. */
	return !answer && (leg->config.nat || line->secure->ufrag.len > 0) ? CTL_DTLS_PASSIVE :
									     CTL_DTLS_ACTIVE;
}

/* RFC 8842 4: another fingerprint is another association. So one that goes on keeps what it was shown,
 * whatever certificate the relay has for new ones meanwhile. kept: NULL: a new one. */
static struct media_print *print_keep(const struct media *media, struct arena *arena,
				      const struct media_own *kept)
{
	struct media_print *print = arena_new(arena, struct media_print);

	if (print && kept && kept->print) {
		*print = *kept->print;
	} else if (print) {
		print->hash = media->relay->dtls_hash;
		print->bytes = media->relay->fingerprint_bytes;
		memcpy(print->octets, media->relay->fingerprint, sizeof(print->octets));
	}
	return print;
}

/* True: the association of before goes on. */
static bool settle_role(struct media *media, unsigned side, unsigned i,
			const struct media_line *line, bool answer, struct media_own *own)
{
	const struct media_line *before = media_line_in_force(media, side, i);
	const struct media_own *own_before = own_in_force(media, side, i);

	if (before && own_before->keying == MEDIA_DTLS &&
	    association_stays(own_before, before, line)) {
		own->role = own_before->role;
		own->association = own_before->association;
		return true;
	}
	own->role = (uint8_t)role_for(&media->legs[side], line, answer);
	if (own->association == 0 || (own_before && own->association == own_before->association))
		own->association = ++media->associations;
	return false;
}

void media_answer_differs(struct media *media, struct media_terms *terms,
			  const struct media_said *now)
{
	unsigned side = !terms->offerer;
	const struct media_said *before = &terms->said[side];

	for (unsigned i = 0; i < before->count && i < now->count; i++)
		if (before->lines[i].keying == MEDIA_DTLS && now->lines[i].keying == MEDIA_DTLS &&
		    !(dtls_same(&before->lines[i], &now->lines[i]) &&
		      transport_same(&before->lines[i], &now->lines[i])))
			terms->own[side][i].association = ++media->associations;
}

void media_settle_roles(struct media *media, struct media_terms *terms)
{
	unsigned side = !terms->offerer;

	for (unsigned i = 0; i < terms->said[side].count; i++)
		if (media_line_live(media, terms, i) &&
		    terms->said[side].lines[i].keying == MEDIA_DTLS)
			(void)settle_role(media, side, i, &terms->said[side].lines[i], true,
					  &terms->own[side][i]);
}

/* ---- ICE ---- */

/* keep: the credentials of before, or NULL for new ones (a restart). */
static char *credentials(struct media *media, struct arena *arena, const char *keep)
{
	size_t len = MEDIA_UFRAG_CHARS + MEDIA_PASSWORD_CHARS;
	char *p = arena_alloc(arena, len);
	struct text text;

	if (!p)
		return NULL;
	text_init(&text, p, len);
	if (keep)
		memcpy(p, keep, len);
	else
		rand_text(media->rand, &text, len);
	return p;
}

/* ---- a line ---- */

static enum err prepare_answer(struct media *media, struct media_terms *terms, unsigned i)
{
	unsigned side = terms->offerer;
	const struct media_line *line = &terms->said[side].lines[i];
	const struct media_line *before = media_line_in_force(media, side, i);
	const struct media_own *kept = before && transport_same(before, line) ?
					       own_in_force(media, side, i) :
					       NULL;
	struct media_own *own = &terms->own[side][i];

	own->proto = line->proto;
	own->keying = line->keying;
	own->rtcp_mux = line->rtcp_mux;
	if (line->keying == MEDIA_SDES) {
		own->keys = keys_keep(&terms->arenas[0], kept);
		if (!own->keys)
			return ERR_NOMEM;
		keys_make(media, own->keys, line->secure->suite);
	}
	if (line->keying == MEDIA_DTLS) {
		bool stays = settle_role(media, side, i, line, false, own);

		own->print = print_keep(media, &terms->arenas[0],
					stays ? own_in_force(media, side, i) : NULL);
		if (!own->print)
			return ERR_NOMEM;
	}
	if (!line->secure || line->secure->ufrag.len == 0)
		return OK;
	own->ufrag = credentials(media, &terms->arenas[0], kept ? kept->ufrag : NULL);
	return own->ufrag ? OK : ERR_NOMEM;
}

/* The first keying of the policy that may be used. */
static enum media_keying wanted_keying(const struct media *media, const struct media_leg *leg)
{
	for (size_t i = 0; i < leg->config.keying_count; i++)
		if (media_may_use(media, leg, leg->config.keying[i]))
			return leg->config.keying[i] == CONF_KEYING_SDES ? MEDIA_SDES : MEDIA_DTLS;
	return MEDIA_PLAIN;
}

/* RFC 8643: what is optional is offered by attributes under the plain profile. */
static enum sdp_proto wanted_proto(const struct media_leg *leg, enum media_keying keying)
{
	bool feedback = leg->config.feedback;

	if (keying == MEDIA_PLAIN || leg->config.srtp != CONF_SRTP_REQUIRED)
		return feedback ? SDP_RTP_AVPF : SDP_RTP_AVP;
	if (keying == MEDIA_SDES)
		return feedback ? SDP_RTP_SAVPF : SDP_RTP_SAVP;
	return feedback ? SDP_DTLS_SAVPF : SDP_DTLS_SAVP;
}

/* What is agreed with this side stays as it is; a line that stayed plain may become secure. */
static void choose_proto(const struct media *media, unsigned side, const struct media_line *before,
			 struct media_own *own)
{
	const struct media_leg *leg = &media->legs[side];

	own->keying = (uint8_t)wanted_keying(media, leg);
	own->proto = (uint8_t)wanted_proto(leg, (enum media_keying)own->keying);
	if (!before || before->proto == SDP_UDPTL)
		return;
	own->proto = before->proto;
	if (before->keying != MEDIA_PLAIN)
		own->keying = before->keying;
}

/* Keys that cross leave no way to a profile that only we would speak: RTCP is sealed. */
static void pass_proto(const struct media *media, const struct media_terms *terms, unsigned i,
		       const struct media_line *before, struct media_own *own)
{
	enum sdp_proto proto = (enum sdp_proto)terms->said[terms->offerer].lines[i].proto;

	own->keying = MEDIA_SDES;
	if (before && before->proto != SDP_UDPTL)
		return; /* agreed before */
	own->proto = (uint8_t)proto;
	if (media_pass_demands(media, terms, i))
		own->proto = sdp_proto_has_feedback(proto) ? SDP_RTP_SAVPF : SDP_RTP_SAVP;
}

static enum err prepare_offer(struct media *media, struct media_terms *terms, unsigned i)
{
	unsigned side = !terms->offerer;
	const struct media_leg *leg = &media->legs[side];
	const struct media_line *before = media_line_in_force(media, side, i);
	const struct media_own *kept = own_in_force(media, side, i);
	struct media_own *own = &terms->own[side][i];

	own->offered = media_line_allowed(leg, &terms->said[terms->offerer].lines[i]);
	if (!own->offered)
		return OK;
	if (terms->said[terms->offerer].lines[i].proto == SDP_UDPTL) {
		own->proto = SDP_UDPTL; /* no keys, no RTCP, no ICE */
		return OK;
	}
	if (media_prepare_events(media, terms, i) != OK)
		return ERR_NOMEM;
	choose_proto(media, side, before, own);
	own->pass = media_pass_offered(media, terms, i);
	if (own->pass)
		pass_proto(media, terms, i, before, own);
	own->rtcp_mux = leg->config.rtcp_mux == CONF_RTCP_MUX_OPTIONAL;
	own->role = kept ? kept->role : CTL_DTLS_PASSIVE;
	if (own->keying == MEDIA_SDES && !own->pass) {
		own->keys = keys_keep(&terms->arenas[0], kept);
		if (!own->keys)
			return ERR_NOMEM;
		for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++)
			if (media_uses_suite(media, leg, suite))
				keys_make(media, own->keys, suite);
	}
	if (own->keying == MEDIA_DTLS) {
		bool stays = kept && kept->keying == MEDIA_DTLS;

		own->association = stays ? kept->association : ++media->associations;
		own->print = print_keep(media, &terms->arenas[0], stays ? kept : NULL);
		if (!own->print)
			return ERR_NOMEM;
	}
	if (leg->config.ice == CONF_ICE_OFF)
		return OK;
	own->ufrag = credentials(media, &terms->arenas[0], kept ? kept->ufrag : NULL);
	return own->ufrag ? OK : ERR_NOMEM;
}

enum err media_prepare(struct media *media, struct media_terms *terms, unsigned side)
{
	unsigned count = terms->said[terms->offerer].count;
	enum err err = OK;

	if (!terms->own[side])
		terms->own[side] = arena_array(&terms->arenas[0], count + 1, sizeof(struct media_own));
	if (!terms->own[side])
		return ERR_NOMEM;
	memset(terms->own[side], 0, count * sizeof(struct media_own));
	for (unsigned i = 0; err == OK && i < count; i++) {
		if (!terms->said[terms->offerer].lines[i].carried)
			continue;
		err = side == terms->offerer ? prepare_answer(media, terms, i) :
					       prepare_offer(media, terms, i);
	}
	media->legs[side].anew = false;
	return err;
}

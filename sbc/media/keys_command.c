/* SPDX-License-Identifier: MIT
 * Keys for the relay: what the peer said is what we receive with, what we said is what we send with. A
 * side is told as plain only when it is: one that was offered keys and has not answered yet, or that
 * agreed on none. */
#include "sbc/media/media_priv.h"

#include "lib/base/ensure.h"

/* Suites that DTLS can agree on (RFC 5764 4.1.2, RFC 7714 14.2). */
#define DTLS_SUITES                                                                                \
	(1u << CTL_SRTP_AES_CM_128_HMAC_SHA1_80 | 1u << CTL_SRTP_AES_CM_128_HMAC_SHA1_32 |         \
	 1u << CTL_SRTP_AEAD_AES_128_GCM | 1u << CTL_SRTP_AEAD_AES_256_GCM)

/* Big-endian in as many octets as were named. */
static struct slice mki_octets(const struct sdp_key *key, struct arena *turn)
{
	char *octets;

	if (key->mki_bytes == 0)
		return SLICE_NONE;
	octets = arena_alloc(turn, key->mki_bytes);
	if (!octets)
		return SLICE_NONE;
	for (unsigned i = 0; i < key->mki_bytes; i++)
		octets[i] = (char)(key->mki >> 8 * (key->mki_bytes - 1u - i));
	return slice_of(octets, key->mki_bytes);
}

static struct slice octets_of(const uint8_t *bytes, size_t len)
{
	return slice_of((const char *)bytes, len);
}

static bool fill_sdes(const struct media_own *own, const struct media_line *line,
		      struct ctl_stream_security *security, struct arena *turn)
{
	const struct media_secure *secure = line->secure;

	security->receive = arena_array(turn, secure->key_count, sizeof(*security->receive));
	security->send = arena_new(turn, struct ctl_srtp_crypto);
	if (!security->receive || !security->send)
		return false;
	security->receive_count = secure->key_count;
	security->send_count = 1;
	for (unsigned i = 0; i < secure->key_count; i++)
		security->receive[i] = (struct ctl_srtp_crypto){
			.suite = secure->suite,
			.key = octets_of(secure->keys[i].bytes, secure->keys[i].len),
			.mki = mki_octets(&secure->keys[i], turn),
		};
	*security->send = (struct ctl_srtp_crypto){
		.suite = secure->suite,
		.key = octets_of(own->keys->of[secure->suite], ctl_srtp_key_bytes(secure->suite)),
	};
	return !turn->exhausted;
}

/* ---- what came of DTLS ---- */

static bool keys_fit(const struct ctl_media_event *event)
{
	return event->component < CTL_COMPONENTS && event->keys_count == 2 &&
	       event->keys[0].key.len > 0 &&
	       event->keys[0].key.len <= CTL_SRTP_KEY_MAX &&
	       event->keys[0].key.len == event->keys[1].key.len;
}

/* This component's, made when there is none. NULL: no memory. */
static struct media_association *association_of(struct media *media,
						const struct ctl_media_event *event)
{
	struct media_association **at = &media->streams[event->stream]->associations[event->side];

	while (*at && (*at)->component != event->component)
		at = &(*at)->next;
	if (*at)
		return *at;
	media->arena->wipe = true;
	*at = arena_new(media->arena, struct media_association);
	if (*at)
		(*at)->component = event->component;
	return *at;
}

void media_secured(struct media *media, const struct ctl_media_event *event)
{
	struct media_stream *stream =
		event->stream < MEDIA_LINES ? media->streams[event->stream] : NULL;
	struct media_association *association;

	if (!stream || event->side > 1 || !keys_fit(event))
		return;
	association = association_of(media, event);
	if (!association)
		return; /* only a relay's restart will be heard */
	association->number = event->value;
	association->suite = event->keys[0].suite;
	association->key_bytes = (uint8_t)event->keys[0].key.len;
	memcpy(association->receive, event->keys[0].key.p, event->keys[0].key.len);
	memcpy(association->send, event->keys[1].key.p, event->keys[1].key.len);
}

static bool add_association(const struct media_association *association,
			    struct ctl_stream_security *security, struct arena *turn)
{
	struct ctl_srtp_crypto *keys = arena_array(turn, 2, sizeof(*keys));

	if (!keys)
		return false;
	keys[0] = (struct ctl_srtp_crypto){ .suite = association->suite,
					    .key = octets_of(association->receive,
							     association->key_bytes) };
	keys[1] = (struct ctl_srtp_crypto){ .suite = association->suite,
					    .key = octets_of(association->send,
							     association->key_bytes) };
	if (association->component == CTL_COMPONENT_RTCP) {
		security->receive_rtcp = &keys[0];
		security->send_rtcp = &keys[1];
		security->receive_rtcp_count = security->send_rtcp_count = 1;
	} else {
		security->receive = &keys[0];
		security->send = &keys[1];
		security->receive_count = security->send_count = 1;
	}
	return true;
}

/* Those that are in force; with rtcp-mux RTCP has none of its own. */
static bool add_associations(const struct media_stream *stream, const struct media_own *own,
			     const struct ctl_stream_set *set,
			     struct ctl_stream_security *security, struct arena *turn)
{
	const struct media_association *it = stream ? stream->associations[set->side] : NULL;
	bool mux = (set->flags & CTL_STREAM_RTCP_MUX) != 0;

	for (; it; it = it->next)
		if (it->number == own->association &&
		    !(mux && it->component == CTL_COMPONENT_RTCP) &&
		    !add_association(it, security, turn))
			return false;
	return true;
}

static uint32_t dtls_suites(const struct media *media, const struct media_leg *leg)
{
	uint32_t suites = 0;

	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++)
		if (DTLS_SUITES >> suite & 1 && media_uses_suite(media, leg, suite))
			suites |= 1u << suite;
	return suites;
}

/* line: NULL while it is not answered, on either side: a client's hello may come before (RFC 5763
 * section 5), and ours would meet a peer that does not know yet who speaks to it. */
static bool fill_dtls(const struct media *media, const struct media_leg *leg,
		      const struct media_own *own, const struct media_line *line,
		      struct ctl_stream_security *security, struct arena *turn)
{
	security->dtls = arena_new(turn, struct ctl_dtls_setup);
	if (!security->dtls)
		return false;
	security->dtls_count = 1;
	ensure(own->print);
	*security->dtls = (struct ctl_dtls_setup){ .role = line ? own->role : CTL_DTLS_PASSIVE,
						   .suites = dtls_suites(media, leg),
						   .shown = octets_of(own->print->octets,
								      own->print->bytes),
						   .association = own->association };
	if (line) {
		security->dtls->hash = line->secure->hash;
		security->dtls->fingerprint = octets_of(line->secure->fingerprint,
							line->secure->fingerprint_bytes);
	}
	return true;
}

static bool fill_ice(const struct media_own *own, const struct media_line *line,
		     struct ctl_stream_security *security, struct arena *turn)
{
	security->ice = arena_new(turn, struct ctl_ice_setup);
	if (!security->ice)
		return false;
	security->ice_count = 1;
	*security->ice = (struct ctl_ice_setup){
		.local_ufrag = slice_of(own->ufrag, MEDIA_UFRAG_CHARS),
		.local_password = slice_of(own->ufrag + MEDIA_UFRAG_CHARS, MEDIA_PASSWORD_CHARS),
	};
	if (line) {
		security->ice->remote_ufrag = line->secure->ufrag;
		security->ice->remote_password = line->secure->password;
	}
	return true;
}

/* Before an answer says so, only a profile that has no plain form promises DTLS. */
static bool dtls_certain(const struct media_own *own, const struct media_line *line)
{
	return line ? line->keying == MEDIA_DTLS :
		      own->keying == MEDIA_DTLS &&
			      (own->proto == SDP_DTLS_SAVP || own->proto == SDP_DTLS_SAVPF);
}

static bool ice_certain(const struct media_own *own, const struct media_line *line)
{
	return own->ufrag && (!line || (line->secure && line->secure->ufrag.len > 0));
}

/* Until the answer it may be so; an answer without keys ends it. */
static bool crosses(const struct media_terms *terms, unsigned i)
{
	const struct media_said *answer = &terms->said[!terms->offerer];

	return media_passes(terms, i) &&
	       (!answer->given || (i < answer->count && answer->lines[i].keying == MEDIA_SDES));
}

bool media_fill_security(const struct media *media, const struct media_terms *terms, unsigned i,
			 struct ctl_stream_set *set, struct arena *turn)
{
	const struct media_said *said = &terms->said[set->side];
	const struct media_line *line = said->given && i < said->count ? &said->lines[i] : NULL;
	bool restores = set->want_port != 0; /* the relay was started again */
	struct ctl_stream_security security = { 0 };
	const struct media_own *own;
	bool sdes, dtls, ice;

	if (i >= terms->said[terms->offerer].count)
		return true;
	own = &terms->own[set->side][i];
	sdes = line && line->keying == MEDIA_SDES && !media_passes(terms, i);
	if (crosses(terms, i))
		set->flags |= CTL_STREAM_PASS_CRYPTO;
	dtls = dtls_certain(own, line);
	ice = ice_certain(own, line);
	if (line && line->rtcp_mux)
		set->flags |= CTL_STREAM_RTCP_MUX;
	if (!sdes && !dtls && !ice)
		return true;
	if (dtls && restores && !add_associations(media->streams[i], own, set, &security, turn))
		return false;
	if ((sdes && !fill_sdes(own, line, &security, turn)) ||
	    (dtls && !fill_dtls(media, &media->legs[set->side], own,
				terms->said[!set->side].given ? line : NULL, &security, turn)) ||
	    (ice && !fill_ice(own, line, &security, turn)))
		return false;
	set->security = arena_new(turn, struct ctl_stream_security);
	if (!set->security)
		return false;
	*set->security = security;
	set->security_count = 1;
	return true;
}

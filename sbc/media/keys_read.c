/* SPDX-License-Identifier: MIT
 * What a peer's m-line says of keys, RTCP multiplexing and ICE, weighed by its side's policy. An offer
 * may name several ways to key: ours is the order that chooses among them, the peer's that among its
 * crypto lines (RFC 4568 5.1.2). What is secure by its profile is never answered in the clear. */
#include "sbc/media/media_priv.h"

static const struct media_leg *leg_of(const struct media_reading *reading)
{
	return &reading->media->legs[reading->side];
}

bool media_uses_suite(const struct media *media, const struct media_leg *leg, unsigned suite)
{
	for (size_t i = 0; i < leg->config.suite_count; i++)
		if ((unsigned)leg->config.suites[i] + 1 == suite)
			return media->relay->suites >> suite & 1;
	return false;
}

static bool uses_any_suite(const struct media *media, const struct media_leg *leg)
{
	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++)
		if (media_uses_suite(media, leg, suite))
			return true;
	return false;
}

bool media_may_use(const struct media *media, const struct media_leg *leg, enum conf_keying keying)
{
	if (leg->config.srtp == CONF_SRTP_OFF || !uses_any_suite(media, leg))
		return false;
	return keying == CONF_KEYING_SDES ? leg->config.sdes :
					    media->relay->dtls_hash != CTL_HASH_NONE;
}

const char *media_barred(const struct media *media, const struct media_leg *leg)
{
	bool sdes = false;

	if (leg->config.srtp != CONF_SRTP_REQUIRED)
		return NULL;
	for (size_t i = 0; i < leg->config.keying_count; i++) {
		sdes = sdes || leg->config.keying[i] == CONF_KEYING_SDES;
		if (media_may_use(media, leg, leg->config.keying[i]))
			return NULL;
	}
	return sdes && !leg->config.sdes ? "srtp_untrusted" : "srtp_unavailable";
}

/* ---- SDES ---- */

static bool key_fits(const struct sdp_crypto *crypto, unsigned suite)
{
	for (unsigned i = 0; i < crypto->key_count; i++)
		if (crypto->keys[i].len != ctl_srtp_key_bytes(suite) ||
		    crypto->keys[i].mki_bytes > MEDIA_MKI_MAX)
			return false;
	return true;
}

/* A suite that is ours to use, with a whole key, and nothing switched off that it protects. */
static bool crypto_usable(const struct media_reading *reading, const struct sdp_crypto *crypto,
			  unsigned *ret_suite)
{
	*ret_suite = ctl_srtp_suite_find(crypto->suite);
	return *ret_suite != CTL_SRTP_NONE && key_fits(crypto, *ret_suite) &&
	       !crypto->unencrypted_rtp && !crypto->unencrypted_rtcp &&
	       !crypto->unauthenticated_rtp &&
	       media_uses_suite(reading->media, leg_of(reading), *ret_suite);
}

/* The line that an answer may take: under the tag that we, or whose keys pass, gave to this suite. */
static bool tag_answers(const struct media_reading *reading, uint32_t tag, unsigned suite)
{
	const struct media_leg *leg = leg_of(reading);

	if (reading->offered->pass)
		return media_pass_has(reading->offered->pass, tag, suite);
	return tag > 0 && tag <= leg->config.suite_count &&
	       (unsigned)leg->config.suites[tag - 1] + 1 == suite;
}

/* The first of them; of an offer whose keys may pass, the others too. */
static bool find_crypto(const struct media_reading *reading, const struct sdp_media *from,
			struct media_secure *secure)
{
	bool passes = media_pass_wanted(reading);
	bool found = false;

	for (size_t i = 0; i < from->attribute_count; i++) {
		struct sdp_crypto crypto;
		unsigned suite;

		if (!slice_eq(from->attributes[i].name, SLICE("crypto")) ||
		    sdp_crypto_parse(from->attributes[i].value, &crypto) != OK ||
		    !crypto_usable(reading, &crypto, &suite))
			continue;
		if (reading->offered && !tag_answers(reading, crypto.tag, suite))
			continue;
		if (passes)
			media_pass_add(reading, &crypto, suite, from->attributes[i].value, secure);
		if (passes && reading->offered && !secure->pass)
			continue; /* it cannot cross, so it answers nothing */
		if (!found) {
			secure->tag = crypto.tag;
			secure->suite = (uint8_t)suite;
			secure->key_count = crypto.key_count;
			memcpy(secure->keys, crypto.keys, sizeof(secure->keys));
		}
		found = true;
		if (reading->offered || !passes)
			break;
	}
	return found;
}

/* ---- DTLS ---- */

/* RFC 8122 section 5's hashes that still prove something; SHA-1 does not. */
static const struct {
	struct slice name;
	enum ctl_hash hash;
	uint8_t bytes;
} hashes[] = {
	{ SLICE_INIT("sha-224"), CTL_HASH_SHA224, 28 },
	{ SLICE_INIT("sha-256"), CTL_HASH_SHA256, 32 },
	{ SLICE_INIT("sha-384"), CTL_HASH_SHA384, 48 },
	{ SLICE_INIT("sha-512"), CTL_HASH_SHA512, 64 },
};

static enum ctl_hash hash_of(const struct sdp_fingerprint *fingerprint)
{
	for (size_t i = 0; i < array_size(hashes); i++)
		if (slice_eq_nocase(fingerprint->hash, hashes[i].name) &&
		    fingerprint->len == hashes[i].bytes)
			return hashes[i].hash;
	return CTL_HASH_NONE;
}

/* The strongest of them; RFC 8122 5.1 lets a peer name several. */
static bool strongest(const struct sdp_attribute *attributes, size_t count,
		      struct media_secure *secure)
{
	struct sdp_fingerprint fingerprint;

	secure->hash = CTL_HASH_NONE;
	for (size_t i = 0; i < count; i++) {
		enum ctl_hash hash;

		if (!slice_eq(attributes[i].name, SLICE("fingerprint")) ||
		    sdp_fingerprint_parse(attributes[i].value, &fingerprint) != OK)
			continue;
		hash = hash_of(&fingerprint);
		if (hash <= secure->hash)
			continue;
		secure->hash = (uint8_t)hash;
		secure->fingerprint_bytes = fingerprint.len;
		memcpy(secure->fingerprint, fingerprint.bytes, sizeof(secure->fingerprint));
	}
	return secure->hash != CTL_HASH_NONE;
}

/* RFC 4145 section 4: what stands for a missing setup. */
static enum sdp_setup setup_meant(const struct media_reading *reading, enum sdp_setup setup)
{
	if (setup == SDP_SETUP_NONE)
		return reading->offered ? SDP_SETUP_PASSIVE : SDP_SETUP_ACTIVE;
	return setup;
}

static bool find_fingerprint(const struct media_reading *reading, const struct sdp_media *from,
			     struct media_secure *secure)
{
	struct slice value = SLICE_NONE;

	if (!strongest(from->attributes, from->attribute_count, secure) &&
	    !strongest(reading->sdp->attributes, reading->sdp->attribute_count, secure))
		return false;
	(void)sdp_attribute_of(reading->sdp, from, SLICE("setup"), &value);
	secure->setup = (uint8_t)setup_meant(reading, sdp_setup_find(value));
	(void)sdp_attribute_of(reading->sdp, from, SLICE("tls-id"), &secure->tls_id);
	return secure->setup != SDP_SETUP_HOLDCONN;
}

/* ---- the choice ---- */

static bool is_dtls(enum sdp_proto proto)
{
	return proto == SDP_DTLS_SAVP || proto == SDP_DTLS_SAVPF;
}

static bool is_plain(enum sdp_proto proto)
{
	return proto == SDP_RTP_AVP || proto == SDP_RTP_AVPF;
}

static bool find_keying(const struct media_reading *reading, const struct sdp_media *from,
			enum conf_keying keying, struct media_secure *secure)
{
	if (!media_may_use(reading->media, leg_of(reading), keying))
		return false;
	if (keying == CONF_KEYING_DTLS)
		return find_fingerprint(reading, from, secure);
	return !is_dtls(from->proto) && find_crypto(reading, from, secure);
}

static enum media_keying media_keying_of(enum conf_keying keying)
{
	return keying == CONF_KEYING_SDES ? MEDIA_SDES : MEDIA_DTLS;
}

static enum media_keying choose_offered(const struct media_reading *reading,
					const struct sdp_media *from, struct media_secure *secure)
{
	const struct media_leg *leg = leg_of(reading);

	for (size_t i = 0; i < leg->config.keying_count; i++)
		if (find_keying(reading, from, leg->config.keying[i], secure))
			return media_keying_of(leg->config.keying[i]);
	return MEDIA_PLAIN;
}

/* Why an offered line that we could not key is refused; NULL: it may stay plain. */
static const char *refused_plain(const struct media_reading *reading, const struct sdp_media *from)
{
	const struct media_leg *leg = leg_of(reading);
	struct slice value;
	bool crypto = sdp_attribute_find(from, SLICE("crypto"), &value) && !is_dtls(from->proto);

	if (is_plain(from->proto) && leg->config.srtp != CONF_SRTP_REQUIRED)
		return NULL;
	if (leg->config.srtp == CONF_SRTP_OFF)
		return "srtp_off";
	if (crypto && !leg->config.sdes)
		return "srtp_untrusted";
	if (!uses_any_suite(reading->media, leg))
		return "srtp_unavailable";
	return is_plain(from->proto) && !crypto ? "srtp_required" : "srtp_no_keys";
}

/* An answer takes what we offered, or nothing of it where that was left open (RFC 8643). */
static enum media_keying choose_answered(const struct media_reading *reading,
					 const struct sdp_media *from, struct media_secure *secure)
{
	switch ((enum media_keying)reading->offered->keying) {
	case MEDIA_PLAIN:
		break;
	case MEDIA_SDES:
		return find_crypto(reading, from, secure) ? MEDIA_SDES : MEDIA_PLAIN;
	case MEDIA_DTLS:
		return find_fingerprint(reading, from, secure) ? MEDIA_DTLS : MEDIA_PLAIN;
	}
	return MEDIA_PLAIN;
}

/* Two lite agents check nothing (RFC 8445 6.2): media goes where the SDP says, as without ICE. */
static bool read_ice(const struct media_reading *reading, const struct sdp_media *from,
		     struct media_secure *secure)
{
	bool ours = reading->offered ? reading->offered->ufrag != NULL :
				       leg_of(reading)->config.ice == CONF_ICE_LITE;
	struct slice value;

	if (!ours || sdp_attribute_of(reading->sdp, from, SLICE("ice-lite"), &value) ||
	    !sdp_attribute_of(reading->sdp, from, SLICE("ice-ufrag"), &secure->ufrag) ||
	    !sdp_attribute_of(reading->sdp, from, SLICE("ice-pwd"), &secure->password) ||
	    !sdp_is_ice_text(secure->ufrag, 4) || !sdp_is_ice_text(secure->password, 22)) {
		secure->ufrag = SLICE_NONE;
		secure->password = SLICE_NONE;
		return false;
	}
	return true;
}

/* Why an answer without keys is refused; NULL: it was left open. */
static const char *answered_plain(const struct media_reading *reading, const struct sdp_media *from)
{
	unsigned i = (unsigned)(reading->offered - reading->own);
	bool demanded = reading->offered->pass &&
			media_pass_demands(reading->media, reading->media->pending, i);

	return is_plain(from->proto) && !demanded ? NULL : "answer_keys";
}

enum err media_read_keys(struct media_reading *reading, const struct sdp_media *from,
			 struct media_line *line, bool *ret_taken)
{
	struct media_secure secure = { 0 };
	enum media_keying keying;
	const char *why = NULL;
	bool ice = read_ice(reading, from, &secure);

	keying = reading->offered ? choose_answered(reading, from, &secure) :
				    choose_offered(reading, from, &secure);
	if (reading->turn->exhausted)
		return ERR_NOMEM;
	if (keying == MEDIA_PLAIN)
		why = reading->offered ? answered_plain(reading, from) :
					 refused_plain(reading, from);
	*ret_taken = why == NULL;
	if (why) {
		reading->why = why;
		reading->keyless = true;
	}
	line->keying = (uint8_t)keying;
	line->rtcp_mux = from->rtcp_mux &&
			 (reading->offered ? reading->offered->rtcp_mux :
					     leg_of(reading)->config.rtcp_mux ==
						     CONF_RTCP_MUX_OPTIONAL);
	if (why || (keying == MEDIA_PLAIN && !ice))
		return OK;
	line->secure = arena_new(reading->turn, struct media_secure);
	if (!line->secure)
		return ERR_NOMEM;
	*line->secure = secure;
	explicit_bzero(&secure, sizeof(secure));
	return OK;
}

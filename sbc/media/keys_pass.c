/* SPDX-License-Identifier: MIT
 * SDES keys that cross: the a=crypto lines of one peer go to the other as they are, checked and cut
 * down to what both policies allow. Whether they cross hangs on the side that is offered to, which a
 * failover sets anew; so an offer's lines are kept beside what terminating them needs. */
#include "sbc/media/media_priv.h"

bool media_pass_has(const struct media_pass *pass, uint32_t tag, unsigned suite)
{
	for (unsigned i = 0; i < pass->count; i++)
		if (pass->of[i].tag == tag && pass->of[i].suite == suite)
			return true;
	return false;
}

/* Parameters that begin with '-' are anybody's own text (RFC 4568 6.3.7): such a line stays here. */
static bool known_words(struct slice value)
{
	for (size_t i = 1; i < value.len; i++)
		if (value.p[i] == '-' && char_is(value.p[i - 1], CC_WSP))
			return false;
	return true;
}

static bool tag_taken(const struct media_pass *pass, uint32_t tag)
{
	for (unsigned i = 0; i < pass->count; i++)
		if (pass->of[i].tag == tag)
			return true;
	return false;
}

bool media_pass_wanted(const struct media_reading *reading)
{
	if (reading->offered)
		return reading->offered->pass != NULL;
	return reading->media->legs[reading->side].config.pass;
}

void media_pass_add(const struct media_reading *reading, const struct sdp_crypto *crypto,
		    unsigned suite, struct slice value, struct media_secure *secure)
{
	if (!known_words(value))
		return;
	if (!secure->pass)
		secure->pass = arena_new(reading->turn, struct media_pass);
	if (!secure->pass || secure->pass->count == array_size(secure->pass->of) ||
	    tag_taken(secure->pass, crypto->tag))
		return;
	secure->pass->of[secure->pass->count].tag = crypto->tag;
	secure->pass->of[secure->pass->count].suite = (uint8_t)suite;
	secure->pass->of[secure->pass->count++].value = value;
}

enum err media_pass_keep(struct arena *arena, struct media_pass **pass)
{
	struct media_pass *kept;
	enum err err = OK;

	if (!*pass)
		return OK;
	kept = arena_new(arena, struct media_pass);
	if (!kept)
		return ERR_NOMEM;
	*kept = **pass;
	for (unsigned i = 0; err == OK && i < kept->count; i++)
		err = arena_keep(arena, kept->of[i].value, &kept->of[i].value);
	*pass = kept;
	return err;
}

static bool takes_sdes(const struct media_leg *leg)
{
	for (size_t i = 0; i < leg->config.keying_count; i++)
		if (leg->config.keying[i] == CONF_KEYING_SDES)
			return true;
	return false;
}

const struct media_pass *media_pass_offered(const struct media *media,
					    const struct media_terms *terms, unsigned i)
{
	const struct media_leg *leg = &media->legs[!terms->offerer];
	const struct media_line *line = &terms->said[terms->offerer].lines[i];
	const struct media_pass *pass = line->secure ? line->secure->pass : NULL;

	/* Digits that become others have to be seen. */
	if (!pass || line->keying != MEDIA_SDES || !leg->config.pass || !takes_sdes(leg) ||
	    media_converts(media) || !media_may_use(media, leg, CONF_KEYING_SDES))
		return NULL;
	for (unsigned at = 0; at < pass->count; at++)
		if (media_uses_suite(media, leg, pass->of[at].suite))
			return pass;
	return NULL;
}

bool media_passes(const struct media_terms *terms, unsigned i)
{
	const struct media_own *own = terms->own[!terms->offerer];

	return own && i < terms->said[terms->offerer].count && own[i].pass;
}

bool media_pass_demands(const struct media *media, const struct media_terms *terms, unsigned i)
{
	enum sdp_proto proto = (enum sdp_proto)terms->said[terms->offerer].lines[i].proto;

	return media->legs[0].config.srtp == CONF_SRTP_REQUIRED ||
	       media->legs[1].config.srtp == CONF_SRTP_REQUIRED ||
	       (proto != SDP_RTP_AVP && proto != SDP_RTP_AVPF);
}

void media_pass_write(struct text *text, const struct media *media,
		      const struct media_terms *terms, unsigned to, unsigned i)
{
	const struct media_secure *secure = terms->said[!to].lines[i].secure;
	const struct media_pass *pass = secure ? secure->pass : NULL;

	for (unsigned at = 0; pass && at < pass->count; at++) {
		if (to != terms->offerer &&
		    !media_uses_suite(media, &media->legs[to], pass->of[at].suite))
			continue;
		text_lit(text, "a=crypto:");
		text_slice(text, pass->of[at].value);
		text_lit(text, "\r\n");
	}
}

/* SPDX-License-Identifier: MIT
 * Keys, RTCP multiplexing and ICE as attributes of an m-line, all of it our own; and, in the same
 * spelling, what of one side must never be seen on the other. */
#include "sbc/media/media_priv.h"

#include "lib/base/base64.h"

static void write_crypto(struct text *text, uint32_t tag, unsigned suite,
			 const struct media_keys *keys)
{
	text_lit(text, "a=crypto:");
	text_u64(text, tag);
	text_char(text, ' ');
	text_slice(text, slice_text(ctl_srtp_suite_name(suite)));
	text_lit(text, " inline:");
	text_base64(text, keys->of[suite], ctl_srtp_key_bytes(suite));
	text_lit(text, "\r\n");
}

/* Of an offer, one line for each suite, tagged by its place in the configuration. */
static void write_cryptos(struct text *text, const struct media *media, const struct media_leg *leg,
			  const struct media_keys *keys)
{
	for (size_t i = 0; i < leg->config.suite_count; i++) {
		unsigned suite = (unsigned)leg->config.suites[i] + 1;

		if (media_uses_suite(media, leg, suite))
			write_crypto(text, (uint32_t)i + 1, suite, keys);
	}
}

static void write_octets(struct text *text, const uint8_t *octets, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		if (i > 0)
			text_char(text, ':');
		text_char(text, digits[octets[i] >> 4]);
		text_char(text, digits[octets[i] & 15]);
	}
}

static void write_fingerprint(struct text *text, const struct media_print *print)
{
	static const char *const names[] = { "", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512" };

	text_lit(text, "a=fingerprint:");
	text_slice(text, slice_text(names[print->hash]));
	text_char(text, ' ');
	write_octets(text, print->octets, print->bytes);
	text_lit(text, "\r\n");
}

static void write_setup(struct text *text, enum sdp_setup setup)
{
	text_lit(text, "a=setup:");
	text_slice(text, slice_text(sdp_setup_text(setup)));
	text_lit(text, "\r\n");
}

void media_write_keys(struct text *text, const struct media *media, unsigned to,
		      const struct media_own *own, const struct media_line *answered)
{
	switch ((enum media_keying)own->keying) {
	case MEDIA_PLAIN:
		break;
	case MEDIA_SDES:
		if (answered)
			write_crypto(text, answered->secure->tag, answered->secure->suite,
				     own->keys);
		else
			write_cryptos(text, media, &media->legs[to], own->keys);
		break;
	case MEDIA_DTLS:
		write_fingerprint(text, own->print);
		/* RFC 8842 5.2: offers leave the role open, again and again. */
		write_setup(text, !answered                     ? SDP_SETUP_ACTPASS :
				  own->role == CTL_DTLS_ACTIVE ? SDP_SETUP_ACTIVE :
								 SDP_SETUP_PASSIVE);
		break;
	}
}

/* RFC 8445 5.1.2: type preference 126 of a host, one address. */
static void write_candidate(struct text *text, unsigned component, const struct ip_addr *address,
			    uint16_t port)
{
	text_lit(text, "a=candidate:1 ");
	text_u64(text, component);
	text_lit(text, " UDP ");
	text_u64(text, (126u << 24) + (65535u << 8) + (256 - component));
	text_char(text, ' ');
	ip_write(text, address);
	text_char(text, ' ');
	text_u64(text, port);
	text_lit(text, " typ host\r\n");
}

void media_write_ice(struct text *text, const struct media_own *own, const struct ip_addr *address,
		     uint16_t rtp_port, uint16_t rtcp_port)
{
	if (!own->ufrag)
		return;
	text_lit(text, "a=ice-ufrag:");
	text_bytes(text, own->ufrag, MEDIA_UFRAG_CHARS);
	text_lit(text, "\r\na=ice-pwd:");
	text_bytes(text, own->ufrag + MEDIA_UFRAG_CHARS, MEDIA_PASSWORD_CHARS);
	text_lit(text, "\r\n");
	write_candidate(text, 1, address, rtp_port);
	if (rtcp_port != rtp_port)
		write_candidate(text, 2, address, rtcp_port);
	text_lit(text, "a=end-of-candidates\r\n");
}

/* ---- secrets ---- */

struct secrets {
	struct arena *turn;
	struct slice *list;
	size_t count;
	size_t room;
};

static void add_secret(struct secrets *secrets, struct slice text)
{
	if (text.len > 0 && secrets->count < secrets->room)
		secrets->list[secrets->count++] = text;
}

static void add_key(struct secrets *secrets, const uint8_t *key, size_t len)
{
	struct text text;

	text_init_arena(&text, secrets->turn, BASE64_CHARS(CTL_SRTP_KEY_MAX));
	text_base64(&text, key, len);
	add_secret(secrets, text_done(&text));
}

/* passes: his keys are meant for the other side. */
static void add_said(struct secrets *secrets, const struct media_secure *secure, bool passes)
{
	struct text text;

	for (unsigned i = 0; !passes && i < secure->key_count; i++)
		add_key(secrets, secure->keys[i].bytes, secure->keys[i].len);
	add_secret(secrets, secure->ufrag);
	add_secret(secrets, secure->password);
	if (secure->fingerprint_bytes == 0)
		return;
	text_init_arena(&text, secrets->turn, 3u * sizeof(secure->fingerprint));
	write_octets(&text, secure->fingerprint, secure->fingerprint_bytes);
	add_secret(secrets, text_done(&text));
}

static void add_own(struct secrets *secrets, const struct media_own *own)
{
	for (unsigned suite = 1; own->keys && suite < CTL_SRTP_SUITES; suite++)
		if (own->keys->made >> suite & 1)
			add_key(secrets, own->keys->of[suite], ctl_srtp_key_bytes(suite));
	if (own->ufrag)
		add_secret(secrets, slice_of(own->ufrag + MEDIA_UFRAG_CHARS, MEDIA_PASSWORD_CHARS));
}

static void add_terms(struct secrets *secrets, const struct media_terms *terms, unsigned side)
{
	const struct media_said *said = &terms->said[side];

	for (unsigned i = 0; said->given && i < said->count; i++)
		if (said->lines[i].secure)
			add_said(secrets, said->lines[i].secure, media_passes(terms, i));
	for (unsigned i = 0; terms->own[side] && i < terms->said[terms->offerer].count; i++)
		add_own(secrets, &terms->own[side][i]);
}

size_t media_secrets(const struct media *media, unsigned side, struct arena *turn,
		     struct slice *ret_secrets, size_t room)
{
	struct secrets secrets = { .turn = turn, .list = ret_secrets, .room = room };

	if (media->pending)
		add_terms(&secrets, media->pending, side);
	if (media->current)
		add_terms(&secrets, media->current, side);
	return secrets.count;
}

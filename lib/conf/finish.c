/* SPDX-License-Identifier: MIT
 * What needs more than one field of an object: defaults that hang on another field, and rules. */
#include "lib/conf/conf_priv.h"

#include "lib/base/ensure.h"

static bool over_tls(enum conf_transport transport)
{
	return transport == CONF_TLS || transport == CONF_WSS;
}

void listener_finish(struct check *check, const struct spot *spot, void *target)
{
	static const uint16_t ports[] = {
		[CONF_UDP] = 5060, [CONF_TCP] = 5060, [CONF_TLS] = 5061,
		[CONF_WS] = 80,    [CONF_WSS] = 443,
	};
	struct spot profile = { .up = spot, .key = "tls_profile" };
	struct conf_listener *listener = target;

	if (listener->port == 0)
		listener->port = ports[listener->transport];
	if (over_tls(listener->transport) && listener->tls_profile.len == 0)
		check_fail(check, &profile, SLICE("the name of a tls_profile"),
			   "missing for a listener over TLS");
	if (!over_tls(listener->transport) && listener->tls_profile.len > 0)
		check_fail(check, &profile, SLICE("leave it out, or choose transport tls or wss"),
			   "given for a listener without TLS");
}

/* RTP takes the even port of a pair, RTCP the odd one after it (RFC 3550 11). */
static void media_finish(struct check *check, const struct spot *spot, struct conf_media *media)
{
	struct spot advertise = { .up = spot, .key = "advertise" };
	struct spot port_max = { .up = spot, .key = "port_max" };
	struct ip_addr shown;

	media->port_min = (uint16_t)(media->port_min + (media->port_min & 1));
	media->port_max = (uint16_t)(media->port_max - !(media->port_max & 1));
	if (media->port_min > media->port_max)
		check_fail(check, &port_max, SLICE("port_max above port_min by at least 1"),
			   "no pair of ports from port_min to port_max");
	if (media->advertise.len > 0 && ip_parse(media->advertise, &shown) == OK &&
	    media->address.family != IP_NONE && shown.family != media->address.family)
		check_fail(check, &advertise, SLICE("an address of the same IP version"),
			   "not of the IP version of the address beside it");
}

void realm_finish(struct check *check, const struct spot *spot, void *target)
{
	struct spot media = { .up = spot, .key = "media" };
	struct spot more = { .up = &media, .key = "more_addresses" };
	struct conf_realm *realm = target;

	media_finish(check, &media, &realm->media);
	for (size_t i = 0; i < realm->more_media_count; i++) {
		struct spot at = { .up = &more, .index = i };
		struct conf_media *other = &realm->more_media[i];

		if (other->port_min == 0)
			other->port_min = realm->media.port_min;
		if (other->port_max == 0)
			other->port_max = realm->media.port_max;
		media_finish(check, &at, other);
	}
}

/* Who may call as a trunk that names no sources: its gateways, as far as they are addresses. */
static void sources_default(struct check *check, struct conf_trunk *trunk)
{
	trunk->sources =
	    arena_array(check->arena, trunk->gateway_count + 1, sizeof(*trunk->sources));
	if (!trunk->sources)
		return;
	for (size_t i = 0; i < trunk->gateway_count; i++) {
		const struct conf_gateway *gateway = &trunk->gateways[i];

		if (gateway->host_is_ip)
			trunk->sources[trunk->source_count++] = (struct ip_prefix){
				.ip = gateway->ip,
				.bits = gateway->ip.family == IP_V4 ? 32 : 128,
			};
	}
}

static void failover_default(struct check *check, struct conf_trunk *trunk)
{
	static const uint16_t codes[] = { 408, 500, 502, 503, 504 };

	trunk->failover_codes = arena_alloc(check->arena, sizeof(codes));
	if (!trunk->failover_codes)
		return;
	memcpy(trunk->failover_codes, codes, sizeof(codes));
	trunk->failover_code_count = array_size(codes);
}

static void keying_default(struct check *check, struct conf_trunk *trunk)
{
	static const enum conf_keying both[] = { CONF_KEYING_SDES, CONF_KEYING_DTLS };

	trunk->keying = arena_alloc(check->arena, sizeof(both));
	if (!trunk->keying)
		return;
	memcpy(trunk->keying, both, sizeof(both));
	trunk->keying_count = array_size(both);
}

/* Authenticated encryption first, which is also the cheapest; the one that every peer has (RFC 4568
 * 6.2 demands it) before its short tag, which is there for peers that offer nothing else. */
static void suites_default(struct check *check, struct conf_trunk *trunk)
{
	static const enum conf_srtp_suite suites[] = {
		CONF_AEAD_AES_256_GCM,	      CONF_AEAD_AES_128_GCM,
		CONF_AES_256_CM_HMAC_SHA1_80, CONF_AES_CM_128_HMAC_SHA1_80,
		CONF_AES_CM_128_HMAC_SHA1_32,
	};

	trunk->srtp_suites = arena_alloc(check->arena, sizeof(suites));
	if (!trunk->srtp_suites)
		return;
	memcpy(trunk->srtp_suites, suites, sizeof(suites));
	trunk->srtp_suite_count = array_size(suites);
}

/* A suite or keying named twice would be offered twice. `words`: as scalar_read wrote them. */
static void given_once(struct check *check, const struct spot *media, const char *key,
		       const void *words, size_t count)
{
	const unsigned *items = words;
	struct spot list = { .up = media, .key = key };

	for (size_t i = 1; i < count; i++) {
		struct spot at = { .up = &list, .index = i };

		for (size_t j = 0; j < i; j++)
			if (items[i] == items[j])
				check_fail(check, &at, SLICE("each of them once"),
					   "already item %zu of this list", j);
	}
}

/* Signalling to it can only go in the clear. A name may still lead to TLS (RFC 3263). */
static bool gateway_clear(const struct conf_gateway *gateway)
{
	if (gateway->sips || over_tls(gateway->transport))
		return false;
	return gateway->transport_given || gateway->host_is_ip;
}

/* A trunk that demands keys and may show them to none of its gateways could never be called. */
static void keys_possible(struct check *check, const struct spot *media,
			  const struct conf_trunk *trunk)
{
	struct spot at = { .up = media, .key = "sdes_trusted" };
	bool clear = trunk->gateway_count > 0;

	for (size_t i = 0; i < trunk->gateway_count; i++)
		clear = clear && gateway_clear(&trunk->gateways[i]);
	for (size_t i = 0; i < trunk->keying_count; i++)
		clear = clear && trunk->keying[i] != CONF_KEYING_DTLS;
	if (clear && trunk->srtp == CONF_SRTP_REQUIRED && !trunk->sdes_trusted)
		check_fail(check, &at,
			   SLICE("true where the path of this trunk's signalling is trusted; or "
				 "\"dtls\" in keying, or gateways over TLS"),
			   "srtp is required, and its keys may not be shown without TLS");
}

/* Keys cross only where they may be said at all. */
static void pass_possible(struct check *check, const struct spot *media,
			  const struct conf_trunk *trunk)
{
	struct spot at = { .up = media, .key = "sdes_pass" };
	bool sdes = false;

	for (size_t i = 0; i < trunk->keying_count; i++)
		sdes |= trunk->keying[i] == CONF_KEYING_SDES;
	if (trunk->sdes_pass && (!sdes || trunk->srtp == CONF_SRTP_OFF))
		check_fail(check, &at,
			   SLICE("false; or srtp optional or required, and \"sdes\" in keying"),
			   "keys cannot pass where this trunk takes none");
}

static void trunk_media_finish(struct check *check, const struct spot *spot,
			       struct conf_trunk *trunk)
{
	struct spot media = { .up = spot, .key = "media" };

	if (!trunk->keying)
		keying_default(check, trunk);
	if (!trunk->srtp_suites)
		suites_default(check, trunk);
	given_once(check, &media, "keying", trunk->keying, trunk->keying_count);
	given_once(check, &media, "srtp_suites", trunk->srtp_suites, trunk->srtp_suite_count);
	keys_possible(check, &media, trunk);
	pass_possible(check, &media, trunk);
}

void trunk_finish(struct check *check, const struct spot *spot, void *target)
{
	struct conf_trunk *trunk = target;

	trunk_media_finish(check, spot, trunk);
	trunk->sources_given = trunk->sources != NULL;
	if (!trunk->sources_given)
		sources_default(check, trunk);
	if (!trunk->failover_codes)
		failover_default(check, trunk);
}

void rewrite_finish(struct check *check, const struct spot *spot, void *target)
{
	struct spot at = { .up = spot, .key = "replace" };
	struct conf_rewrite *rewrite = target;
	struct slice replace = rewrite->replace;
	uint32_t groups = 0;
	size_t offset;

	if (rewrite->match.len == 0 || regex_check(rewrite->match, &groups, &offset, NULL) != OK)
		return;
	for (size_t i = 0; i < replace.len; i++) {
		char next = i + 1 < replace.len ? replace.p[i + 1] : 0;

		if (replace.p[i] != '$')
			continue;
		i++;
		if (next == '$' || (char_is(next, CC_DIGIT) && (uint32_t)(next - '0') <= groups))
			continue;
		check_fail(check, &at, SLICE("$0 to $9 for the groups of match, $$ for a dollar"),
			   "position %zu: there is no such group (match has %u)", i - 1, groups);
		return;
	}
}

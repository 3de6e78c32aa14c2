/* SPDX-License-Identifier: MIT
 * One call's media with a relay that always has ports: side 0 in 192.0.2.1 from 20000 up, side 1 in
 * 198.51.100.1 from 30000 up, and an IPv6 address beside each for those who ask for it. Each step keeps
 * the last command and SDP for the test to look at. */
#pragma once

#include "tests/support/unit.h"

#include <stdio.h>

#include "lib/base/ensure.h"
#include "sbc/media/media.h"

struct world {
	struct arena_cache cache;
	struct arena call;
	struct arena turn;
	struct rand rand;
	struct media *media;
	struct media_side sides[2];
	struct media_relay relay; /* with all that there is */
	struct ctl_message *command;
	struct media_verdict verdict;
	struct ip_addr shown[2]; /* advertised for the relay's address; none: that itself */
	uint16_t next_port[2];
	unsigned ports_given;
};

static inline struct ip_addr world_ip(const char *text)
{
	struct ip_addr ip;

	ensure(ip_parse(slice_text(text), &ip) == OK);
	return ip;
}

static inline void world_init(struct world *w)
{
	*w = (struct world){ .next_port = { 20000, 30000 } };
	arena_cache_init(&w->cache, 1 << 20);
	arena_init(&w->call, &w->cache, 1024, 1 << 16);
	arena_init(&w->turn, &w->cache, 16384, 1 << 20);
	rand_init_seed(&w->rand, 1);
	w->media = media_create(&w->call, &w->cache, 1 << 16, 77, &w->rand);
	w->relay = (struct media_relay){ .suites = UINT32_MAX, .dtls_hash = CTL_HASH_SHA256,
					 .fingerprint_bytes = 32 };
	for (unsigned i = 0; i < 32; i++)
		w->relay.fingerprint[i] = (uint8_t)(i * 8);
	w->sides[0].realm = SLICE("inside");
	w->sides[1].realm = SLICE("outside");
	ensure(w->media);
	media_set_relay(w->media, &w->relay);
}

/* What world_secure's offers show: the relay's certificate. */
#define WORLD_FINGERPRINT                                                                          \
	"a=fingerprint:sha-256 00:08:10:18:20:28:30:38:40:48:50:58:60:68:70:78:80:88:90:98:A0:A8:" \
	"B0:B8:C0:C8:D0:D8:E0:E8:F0:F8\r\n"

/* A side's policy on keys: with this keying first, and two suites. */
static inline void world_secure(struct world *w, unsigned side, enum conf_srtp srtp,
				enum conf_keying keying)
{
	static const enum conf_keying keyings[] = { CONF_KEYING_SDES, CONF_KEYING_DTLS,
						    CONF_KEYING_SDES };
	static const enum conf_srtp_suite suites[] = { CONF_AEAD_AES_128_GCM,
						       CONF_AES_CM_128_HMAC_SHA1_80 };

	w->sides[side].srtp = srtp;
	w->sides[side].keying = keying == CONF_KEYING_SDES ? keyings : keyings + 1;
	w->sides[side].keying_count = 2;
	w->sides[side].suites = suites;
	w->sides[side].suite_count = 2;
	w->sides[side].sdes = true;
}

static inline void world_sides(struct world *w)
{
	media_set_side(w->media, 0, &w->sides[0]);
	media_set_side(w->media, 1, &w->sides[1]);
}

static inline void world_fini(struct world *w)
{
	media_fini(w->media);
	arena_fini(&w->turn);
	arena_fini(&w->call);
	arena_cache_fini(&w->cache);
}

/* What a relay would answer to the last command: the ports that the streams have, or new ones. */
static inline enum err world_ports(struct world *w)
{
	static const char *const addresses[2] = { "192.0.2.1", "198.51.100.1" };
	static const char *const addresses_6[2] = { "2001:db8:a::1", "2001:db8:b::1" };
	const struct ctl_session_set *set = &w->command->session_set;
	struct ctl_stream_ports ports[64];
	struct ctl_session_ports answer = { .session = set->session, .streams = ports };

	for (uint32_t i = 0; i < set->streams_count; i++) {
		const struct ctl_stream_set *stream = &set->streams[i];
		struct ctl_stream_ports *at = &ports[answer.streams_count++];

		ensure(answer.streams_count < array_size(ports));
		if (stream->flags & CTL_STREAM_REMOVE) {
			answer.streams_count--;
			continue;
		}
		*at = (struct ctl_stream_ports){ .stream = stream->stream, .side = stream->side };
		at->local_rtp.ip = world_ip(stream->local.family == IP_V6 ?
						    addresses_6[stream->side] :
						    addresses[stream->side]);
		at->shown = w->shown[stream->side];
		at->local_rtp.port = w->next_port[stream->side];
		at->local_rtcp = at->local_rtp;
		at->local_rtcp.port++;
		w->next_port[stream->side] = (uint16_t)(w->next_port[stream->side] + 2);
		w->ports_given++;
	}
	return media_on_ports(w->media, &answer);
}

/* An offer from `side`; the SDP that goes to the other one. */
static inline struct slice world_offer(struct world *w, unsigned side, const char *sdp)
{
	enum err err = media_offer_in(w->media, side, slice_text(sdp), &w->turn, &w->command,
				      &w->verdict);

	if (err != OK)
		fail_msg("offer: %s (%u %s)", err_text(err), w->verdict.status,
			 w->verdict.why ? w->verdict.why : "");
	if (w->command)
		assert_int_equal(world_ports(w), OK);
	return media_offer_out(w->media, &w->turn);
}

static inline struct slice world_answer(struct world *w, const char *sdp)
{
	enum err err =
		media_answer_in(w->media, slice_text(sdp), &w->turn, &w->command, &w->verdict);

	if (err != OK)
		fail_msg("answer: %s (%u %s)", err_text(err), w->verdict.status,
			 w->verdict.why ? w->verdict.why : "");
	return media_answer_out(w->media, &w->turn);
}

static inline void world_exchange(struct world *w, unsigned side, const char *offer,
				  const char *answer)
{
	world_offer(w, side, offer);
	world_answer(w, answer);
	media_commit(w->media);
}

static inline const struct ctl_stream_set *world_stream(const struct world *w, unsigned stream,
							unsigned side)
{
	if (!w->command)
		return NULL;
	for (uint32_t i = 0; i < w->command->session_set.streams_count; i++)
		if (w->command->session_set.streams[i].stream == stream &&
		    w->command->session_set.streams[i].side == side)
			return &w->command->session_set.streams[i];
	return NULL;
}

/* The text without its o= line's two numbers, which the seed chose. */
static inline void world_expect(struct slice got, unsigned version, const char *rest)
{
	char storage[8192];
	struct slice id;
	struct slice head;
	struct text text;

	head = got;
	assert_true(slice_starts(head, SLICE("v=0\r\no=- ")));
	head = slice_skip(head, 9);
	id = slice_take(&head, CC_DIGIT);
	text_init(&text, storage, sizeof(storage) - 1);
	text_printf(&text, "v=0\r\no=- %.*s %u %s", SLICE_ARG(id), version, rest);
	storage[text.len] = 0;
	if (!slice_eq(got, text_done(&text)))
		fail_msg("got\n%.*sinstead of\n%s", SLICE_ARG(got), storage);
}

static inline bool slice_has(struct slice text, const char *needle)
{
	return slice_find(text, slice_text(needle)) < text.len;
}

/* SPDX-License-Identifier: MIT
 * A call's media with a relay of endless ports, for inputs that nobody wrote. */
#pragma once

#include "lib/base/ensure.h"
#include "sbc/media/media.h"

struct fuzz_media {
	struct arena_cache cache;
	struct arena call, turn;
	struct rand rand;
	struct media *media;
	struct ctl_message *command;
	struct media_verdict verdict;
	struct media_relay relay;
	uint16_t port;
	bool secure;
};

/* secure: with every way to key, ICE and RTCP multiplexing; pass: SDES keys cross. */
static inline void fuzz_media_init(struct fuzz_media *fuzz, bool secure, bool pass)
{
	static const enum conf_keying keying[] = { CONF_KEYING_SDES, CONF_KEYING_DTLS };
	static const enum conf_srtp_suite suites[] = { CONF_AES_CM_128_HMAC_SHA1_80,
						       CONF_AEAD_AES_256_GCM };
	struct media_side side = { .realm = SLICE("x") };
	struct media_side keyed = { .realm = SLICE("x"), .srtp = CONF_SRTP_OPTIONAL,
				    .keying = keying, .keying_count = 2,
				    .suites = suites, .suite_count = 2, .sdes = true, .pass = pass,
				    .ice = CONF_ICE_LITE, .rtcp_mux = CONF_RTCP_MUX_OPTIONAL,
				    .feedback = true, .dtmf = CONF_DTMF_RFC4733 };

	*fuzz = (struct fuzz_media){ .port = 10000, .secure = secure,
				     .relay = { .suites = UINT32_MAX, .dtls_hash = CTL_HASH_SHA256,
						.fingerprint_bytes = 32 } };
	arena_cache_init(&fuzz->cache, 0);
	arena_init(&fuzz->call, &fuzz->cache, 1024, 1 << 16);
	arena_init(&fuzz->turn, &fuzz->cache, 16384, 1 << 22);
	rand_init_seed(&fuzz->rand, 1);
	fuzz->media = media_create(&fuzz->call, &fuzz->cache, 1 << 18, 1, &fuzz->rand);
	ensure(fuzz->media);
	media_set_relay(fuzz->media, &fuzz->relay);
	media_set_side(fuzz->media, 0, secure ? &keyed : &side);
	media_set_side(fuzz->media, 1, secure ? &keyed : &side);
}

static inline void fuzz_media_fini(struct fuzz_media *fuzz)
{
	media_fini(fuzz->media);
	arena_fini(&fuzz->turn);
	arena_fini(&fuzz->call);
	arena_cache_fini(&fuzz->cache);
}

static inline void fuzz_media_ports(struct fuzz_media *fuzz)
{
	const struct ctl_session_set *set = &fuzz->command->session_set;
	struct ctl_stream_ports ports[64];
	struct ctl_session_ports answer = { .session = 1, .streams = ports };

	for (uint32_t i = 0; i < set->streams_count; i++) {
		if (set->streams[i].flags & CTL_STREAM_REMOVE)
			continue;
		ensure(answer.streams_count < array_size(ports));
		ports[answer.streams_count++] = (struct ctl_stream_ports){
			.stream = set->streams[i].stream,
			.side = set->streams[i].side,
			.local_rtp = { .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = fuzz->port },
			.local_rtcp = { .ip = { IP_V4, { 192, 0, 2, 1 } },
					.port = (uint16_t)(fuzz->port + 1) },
		};
		fuzz->port = (uint16_t)(fuzz->port + 2);
	}
	ensure(media_on_ports(fuzz->media, &answer) == OK);
}

/* Our text parses, shows no address but ours, and has at least (offers), or exactly, these lines. */
static inline void fuzz_media_check(struct fuzz_media *fuzz, struct slice ours, struct slice theirs,
				    bool exact)
{
	struct sdp in, out;
	unsigned line;

	ensure(sdp_parse(&fuzz->turn, ours, &sdp_limits_default, &out, &line) == OK);
	ensure(sdp_parse(&fuzz->turn, theirs, &sdp_limits_default, &in, &line) == OK);
	ensure(exact ? out.media_count == in.media_count : out.media_count >= in.media_count);
	ensure(out.connection.ip.bytes[0] == 192);
	ensure(out.attribute_count == 0 || (fuzz->secure && out.attribute_count == 2)); /* ICE's */
	for (size_t i = 0; i < out.media_count; i++)
		ensure(!out.media[i].connection.given && !out.media[i].rtcp_given);
}

/* True when it was committed; rolled back otherwise. */
static inline bool fuzz_media_exchange(struct fuzz_media *fuzz, unsigned side, struct slice offer,
				       struct slice answer)
{
	struct media *media = fuzz->media;
	struct slice out;

	if (media_offer_in(media, side, offer, &fuzz->turn, &fuzz->command, &fuzz->verdict) != OK)
		return false;
	if (fuzz->command)
		fuzz_media_ports(fuzz);
	out = media_offer_out(media, &fuzz->turn);
	fuzz_media_check(fuzz, out, offer, false);
	if (media_answer_in(media, answer, &fuzz->turn, &fuzz->command, &fuzz->verdict) != OK) {
		ensure(media_rollback(media, &fuzz->turn, &fuzz->command) == OK);
		return false;
	}
	fuzz_media_check(fuzz, media_answer_out(media, &fuzz->turn), offer, true);
	media_commit(media);
	(void)media_settle(media, &fuzz->turn);
	ensure(media_restore(media, &fuzz->turn));
	return true;
}

/* SPDX-License-Identifier: MIT
 * What the files of this room share: what each side said, reduced to terms that we are willing to
 * repeat; what we sent; and the ports of the relay, which outlive both.
 *
 * An exchange has two arenas, one for the offer and one for the answer, since an answer may be
 * replaced many times (183, 183, 200) and must not let a call grow. */
#pragma once

#include "lib/base/ensure.h"
#include "lib/base/hash.h"
#include "sbc/media/media.h"

#define MEDIA_LINES 16u         /* m-lines above it are refused with port 0 */
#define MEDIA_DYNAMIC_FIRST 96u /* RFC 3551 section 6: dynamic payload types */
#define MEDIA_DYNAMIC_COUNT 32u
#define MEDIA_HEAD_BYTES 64u /* "v=0\r\no=- <20 digits> <20 digits>" is at most 51 */

enum media_bandwidth { MEDIA_AS, MEDIA_TIAS, MEDIA_RS, MEDIA_RR, MEDIA_BANDWIDTHS };

struct media_bandwidths {
	uint32_t value[MEDIA_BANDWIDTHS];
	uint8_t given; /* bit: 1 << enum media_bandwidth */
};

enum media_feedback { /* RFC 4585, RFC 5104 */
	MEDIA_NACK = 1,
	MEDIA_NACK_PLI = 2,
	MEDIA_CCM_FIR = 4,
};

struct media_codec {
	uint8_t payload_type;
	uint8_t feedback; /* enum media_feedback */
	uint8_t channels;
	uint32_t clock_hz;
	struct slice encoding;
	struct slice fmtp; /* as media_fmtp_clean made it */
};

/* One m-line as its side meant it, hold in all its forms already turned into a direction. */
struct media_line {
	uint8_t kind;  /* enum sdp_kind */
	uint8_t proto; /* enum sdp_proto */
	uint8_t direction;
	bool carried; /* RTP that we relay; else it is passed on with port 0 */
	bool elsewhere; /* its address cannot be sent to: learned from the signalling's */
	bool only_helpers; /* offers events and the like alone (RFC 3264 10.1 has such a line) */
	uint8_t codec_count;
	uint16_t ptime_ms;
	uint16_t maxptime_ms;
	struct media_bandwidths bandwidths;
	struct endpoint rtp; /* family none: nowhere to send to */
	struct endpoint rtcp;
	struct media_codec *codecs;
	/* For refusing it in its owner's words (RFC 3264 section 6); shown to nobody else. */
	struct slice kind_text;
	struct slice proto_text;
	struct slice format;
};

struct media_said {
	struct media_line *lines;
	uint8_t count; /* with slots of earlier exchanges that this SDP forgot */
	uint8_t own;   /* m-lines that it really had */
	bool given;
	struct media_bandwidths bandwidths;
};

struct media_sent {
	char *rest; /* all after o='s version, with MEDIA_HEAD_BYTES of room before it */
	size_t len;
	uint64_t hash; /* of rest */
};

struct media_terms {
	struct arena arenas[2]; /* the offer's: what was offered and sent on; the answer's */
	uint8_t offerer;
	bool told; /* the relay was told of the answer */
	uint64_t answer_hash; /* of the answer's text as received */
	struct media_said said[2];
	struct media_sent sent[2];
};

/* The relay's side of an m-line; lives from its first offer to the end of the call. */
struct media_stream {
	struct endpoint local[2];
	uint16_t rtcp_port[2];
	bool asked; /* named to the relay, ports known or not yet */
	bool ended; /* no terms have it any more; the next command removes it */
	uint16_t meanings[MEDIA_DYNAMIC_COUNT]; /* of dynamic payload types; 0: not used yet */
};

struct media_leg {
	struct media_side config;
	bool set;
	bool reset; /* set anew: the relay is to forget what it learned */
	struct ip_addr address; /* the relay's, of o= and c=, from this side's first stream on */
	uint64_t session_id;
	uint64_t version; /* last sent; 0: none */
	uint64_t sent_hash;
};

struct media {
	struct arena *arena;
	struct arena_cache *cache;
	size_t quota_bytes;
	uint64_t session;
	struct rand *rand;
	struct hash_key key;
	bool in_relay;
	struct media_leg legs[2];
	struct media_terms *slots[2]; /* made when first needed: many calls never renegotiate */
	struct media_terms *current; /* NULL: nothing agreed yet */
	struct media_terms *pending; /* NULL: no exchange is open */
	struct media_stream *streams[MEDIA_LINES];
};

/* read.c: what `side` said, borrowing from the text; ERR_REFUSED with the reason when none of its
 * m-lines is of use. ERR_NOMEM. */
must_use enum err media_read_offer(const struct media *media, unsigned side, const struct sdp *sdp,
				   struct arena *turn, struct media_said *ret,
				   struct media_verdict *ret_verdict);
must_use enum err media_read_answer(const struct media *media, const struct sdp *sdp,
				    struct arena *turn, struct media_said *ret,
				    struct media_verdict *ret_verdict);
/* A copy that is all in `arena`. */
must_use enum err media_keep(struct arena *arena, const struct media_said *said,
			     struct media_said *ret);
/* May `leg` use this codec? */
bool media_allows(const struct media_leg *leg, struct slice encoding);
/* Counts as media: not an event, filler or repair of another codec. */
bool media_codec_is_media(const struct media_codec *codec);
uint16_t media_meaning(const struct media_codec *codec);

/* Will line i be offered to the other side, and is it (as far as answered) in use? */
bool media_line_offered(const struct media *media, const struct media_terms *terms, unsigned i);
bool media_line_live(const struct media *media, const struct media_terms *terms, unsigned i);

/* fmtp.c: the parameters that are known and harmless, in the turn's arena; empty: none. */
struct slice media_fmtp_clean(struct arena *turn, struct slice encoding, struct slice fmtp);

/* write.c: the SDP for side `to` out of these terms, kept there too; empty: no memory. */
struct slice media_write(struct media *media, struct media_terms *terms, unsigned to,
			 struct arena *turn);
struct slice media_write_rejected(struct media *media, struct media_terms *terms,
				  struct arena *turn);
/* The text last sent to a side within terms, with an o= version of now. */
struct slice media_stamp(struct media_leg *leg, struct media_sent *sent);

/* rate.c: the most that may be sent to who wrote this line. */
uint32_t media_line_bytes_per_s(const struct media_line *line);

/* command.c */
enum media_ask {
	MEDIA_ASK_NEW = 1,     /* only streams that lack ports */
	MEDIA_ASK_RESTORE = 2, /* with the ports that they had */
};
/* For the streams of terms on `sides` (bits 1 and 2), and removals that are due. NULL: no memory. */
struct ctl_message *media_command(struct media *media, const struct media_terms *terms,
				  unsigned sides, unsigned ask, struct arena *turn);
bool media_needs_ports(const struct media *media, const struct media_terms *terms);
bool media_removals_due(const struct media *media);

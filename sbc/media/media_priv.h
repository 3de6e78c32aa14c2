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
#define MEDIA_EVENTS 4u         /* telephone-event of one line, by clock */
#define MEDIA_EVENT_PAYLOADS (3u * MEDIA_EVENTS)
#define MEDIA_DIGIT_VOLUME 10u  /* -dBm0; RFC 4733 2.3.4 wants it above -55 */
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

enum media_keying { MEDIA_PLAIN, MEDIA_SDES, MEDIA_DTLS };

#define MEDIA_MKI_MAX 8u /* what the relay takes */

/* Lines of a=crypto that may cross as they are, tags too: an answer's then means the same on both
 * sides. */
struct media_pass {
	uint8_t count;
	struct {
		uint32_t tag;
		uint8_t suite; /* enum ctl_srtp_suite */
		struct slice value;
	} of[CTL_SRTP_SUITES];
};

/* What a peer says of its keys and of ICE for one line: of several keyings and crypto lines that which
 * was chosen. */
struct media_secure {
	/* SDES: what the peer sends with */
	uint32_t tag;
	uint8_t suite; /* enum ctl_srtp_suite */
	uint8_t key_count;
	struct sdp_key keys[2];
	struct media_pass *pass; /* all lines of an offer, or that of an answer; NULL: none crosses */
	/* DTLS */
	uint8_t setup; /* enum sdp_setup */
	uint8_t hash;  /* enum ctl_hash */
	uint8_t fingerprint_bytes;
	uint8_t fingerprint[64];
	struct slice tls_id; /* empty: none */
	/* ICE */
	struct slice ufrag; /* empty: not in use */
	struct slice password;
};

/* Our keys for one side of one line, one for each suite that was ever needed. */
struct media_keys {
	uint16_t made; /* bits: 1 << enum ctl_srtp_suite */
	uint8_t of[CTL_SRTP_SUITES][CTL_SRTP_KEY_MAX];
};

#define MEDIA_UFRAG_CHARS 8u     /* 40 bits; RFC 8445 5.3 asks for 24 */
#define MEDIA_PASSWORD_CHARS 26u /* 130 bits; it asks for 128 */

/* The fingerprint of the relay's certificate that a side was told of. */
struct media_print {
	uint8_t hash; /* enum ctl_hash */
	uint8_t bytes;
	uint8_t octets[64];
};

/* What we say ourselves to one side of one line beside addresses and codecs: in the answer to its
 * author, in the offer to the other one. */
struct media_own {
	bool offered;   /* the line goes on (only the side that is offered to) */
	uint8_t proto;  /* enum sdp_proto */
	uint8_t keying; /* enum media_keying */
	bool rtcp_mux;
	uint8_t role;   /* enum ctl_dtls_role */
	uint32_t association;
	struct media_print *print; /* DTLS: what we show; else NULL */
	struct media_keys *keys; /* SDES; else NULL */
	const struct media_pass *pass; /* offered in place of keys of ours: the offerer's; else NULL */
	char *ufrag;    /* NULL: no ICE; the password stands behind it */
	struct media_codec *events; /* that are offered beside the author's */
	uint8_t event_count;
};

/* One m-line as its side meant it, hold in all its forms already turned into a direction. */
struct media_line {
	uint8_t kind;  /* enum sdp_kind */
	uint8_t proto; /* enum sdp_proto */
	uint8_t direction;
	bool carried; /* RTP or T.38 that we relay; else it is passed on with port 0 */
	bool elsewhere; /* its address cannot be sent to: learned from the signalling's */
	bool only_helpers; /* offers events and the like alone (RFC 3264 10.1 has such a line) */
	bool rtcp_mux; /* offered and allowed here, or answered */
	uint8_t keying; /* enum media_keying */
	uint8_t codec_count;
	uint16_t ptime_ms;
	uint16_t maxptime_ms;
	struct media_bandwidths bandwidths;
	struct endpoint rtp; /* family none: nowhere to send to */
	struct endpoint rtcp;
	struct media_codec *codecs;
	struct media_secure *secure; /* NULL: neither keys nor ICE */
	struct slice mid; /* for its owner alone; empty: none */
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
	struct media_own *own[2]; /* of the offer's lines */
	struct media_sent sent[2];
};

/* The keys that came of a DTLS association, as the relay told them: it wants them back after it was
 * started again. A side has one, and without rtcp-mux another one for RTCP. */
struct media_association {
	struct media_association *next; /* of the other component; NULL: none yet */
	uint32_t number;
	uint8_t component; /* enum ctl_component */
	uint8_t suite;   /* enum ctl_srtp_suite */
	uint8_t key_bytes;
	uint8_t receive[CTL_SRTP_KEY_MAX]; /* seen from the relay */
	uint8_t send[CTL_SRTP_KEY_MAX];
};

/* The relay's side of an m-line; lives from its first offer to the end of the call. */
struct media_stream {
	struct endpoint local[2];
	struct ip_addr shown[2]; /* in SDP: the local address, or what is advertised instead */
	uint16_t rtcp_port[2];
	struct media_association *associations[2]; /* the first; NULL: no handshake ended yet */
	bool asked; /* named to the relay, ports known or not yet */
	bool ended; /* no terms have it any more; the next command removes it */
	uint16_t meanings[MEDIA_DYNAMIC_COUNT]; /* of dynamic payload types; 0: not used yet */
};

struct media_leg {
	struct media_side config;
	bool set;
	bool anew; /* set since the open offer was prepared for it */
	bool reset; /* set anew: the relay is to forget what it learned */
	uint8_t family; /* enum ip_family: of its ports, had or wanted; none: whatever comes */
	struct ip_addr address; /* of o= and c=, from this side's first stream on */
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
	const struct media_relay *relay; /* never NULL */
	uint32_t associations; /* DTLS, so far */
	bool in_relay;
	struct media_leg legs[2];
	struct media_terms *slots[2]; /* made when first needed: many calls never renegotiate */
	struct media_terms *current; /* NULL: nothing agreed yet */
	struct media_terms *pending; /* NULL: no exchange is open */
	struct media_stream *streams[MEDIA_LINES];
};

/* What is at hand while a peer's SDP is read. */
struct media_reading {
	const struct media *media;
	const struct sdp *sdp;
	unsigned side;
	struct arena *turn;
	const struct media_own *own;     /* NULL: this is an offer; else what its lines answer */
	const struct media_own *offered; /* the present line's */
	const char *why; /* of the last m-line that was not taken; NULL: none */
	bool keyless;    /* one was not taken for want of keys */
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

/* Something of the line may be offered to this side. */
bool media_line_allowed(const struct media_leg *leg, const struct media_line *line);
/* Will line i be offered to the other side, and is it (as far as answered) in use? */
bool media_line_offered(const struct media *media, const struct media_terms *terms, unsigned i);
bool media_line_live(const struct media *media, const struct media_terms *terms, unsigned i);

/* keys_read.c: the line's keying, RTCP multiplexing and ICE, by policy. *ret_taken false: it cannot be
 * taken, and reading->why says so. ERR_NOMEM. */
must_use enum err media_read_keys(struct media_reading *reading, const struct sdp_media *from,
				  struct media_line *line, bool *ret_taken);
bool media_may_use(const struct media *media, const struct media_leg *leg, enum conf_keying keying);
bool media_uses_suite(const struct media *media, const struct media_leg *leg, unsigned suite);
/* Why nothing may be offered to this side at all; NULL: fine. */
const char *media_barred(const struct media *media, const struct media_leg *leg);

/* keys_pass.c: may this line's keys cross? Then each a=crypto is added that is of use.
 * turn->exhausted: no memory. */
bool media_pass_wanted(const struct media_reading *reading);
void media_pass_add(const struct media_reading *reading, const struct sdp_crypto *crypto,
		    unsigned suite, struct slice value, struct media_secure *secure);
/* Does an answer's line take one of those offered? */
bool media_pass_has(const struct media_pass *pass, uint32_t tag, unsigned suite);
must_use enum err media_pass_keep(struct arena *arena, struct media_pass **pass);
/* What of the open offer's line i may be offered to the other side as it is; NULL: nothing. */
const struct media_pass *media_pass_offered(const struct media *media,
					    const struct media_terms *terms, unsigned i);
/* Keys of line i cross: none of it are ours. */
bool media_passes(const struct media_terms *terms, unsigned i);
/* An answer without keys would leave somebody in the clear who did not agree to that. */
bool media_pass_demands(const struct media *media, const struct media_terms *terms, unsigned i);
void media_pass_write(struct text *text, const struct media *media,
		      const struct media_terms *terms, unsigned to, unsigned i);

/* keys_own.c: makes or keeps what we say to `side` about the open offer's lines. ERR_NOMEM. */
must_use enum err media_prepare(struct media *media, struct media_terms *terms, unsigned side);
/* Another answer to the same offer: whoever it is that answers now shakes hands anew. */
void media_answer_differs(struct media *media, struct media_terms *terms,
			  const struct media_said *now);
/* The role and the association of DTLS, now that the answerer said his. */
void media_settle_roles(struct media *media, struct media_terms *terms);
/* A side that we agreed on keys with (or on none) in the terms in force. */
const struct media_line *media_line_in_force(const struct media *media, unsigned side, unsigned i);

/* keys_write.c: attributes of one line for its side. `answer`: what is answered, NULL in an offer. */
void media_write_keys(struct text *text, const struct media *media, unsigned to,
		      const struct media_own *own, const struct media_line *answered);
void media_write_ice(struct text *text, const struct media_own *own, const struct ip_addr *address,
		     uint16_t rtp_port, uint16_t rtcp_port);

/* keys_command.c: for the relay. False: no memory. */
bool media_fill_security(const struct media *media, const struct media_terms *terms, unsigned i,
			 struct ctl_stream_set *set, struct arena *turn);

/* t38.c: an m=image line of UDPTL with T.38; its one codec, if this side may use it. */
bool media_is_t38(const struct sdp_media *media);
must_use enum err media_read_t38(const struct media_leg *leg, const struct sdp_media *media,
				 struct arena *turn, struct media_line *line);

/* events.c */
bool media_is_event(const struct media_codec *codec);
/* telephone-event is agreed with each side by itself. */
bool media_converts(const struct media *media);
must_use enum err media_prepare_events(struct media *media, struct media_terms *terms, unsigned i);
/* Ours that an answer's codec means; NULL: none. And: it uses our number for something else. */
const struct media_codec *media_event_offered(const struct media_line *offer,
					      const struct media_own *own,
					      const struct media_codec *codec);
bool media_event_confuses(const struct media_own *own, const struct media_codec *codec);
/* What this side announced and is in use, as far as answered. */
unsigned media_events(const struct media *media, const struct media_terms *terms, unsigned i,
		      unsigned side, const struct media_codec *ret[MEDIA_EVENTS]);
/* The codecs of line i as side `to` is shown them, one by one; *at begins at 0. NULL: no more. */
const struct media_codec *media_shown(const struct media *media, const struct media_terms *terms,
				      unsigned i, unsigned to, unsigned *at);
/* What becomes of events from this side. */
unsigned media_event_payloads(const struct media *media, const struct media_terms *terms, unsigned i,
			      unsigned side, struct ctl_relay_payload ret[MEDIA_EVENT_PAYLOADS]);

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

/* SPDX-License-Identifier: MIT
 * The media of one call, seen from the signalling: offers and answers (RFC 3264, 6337) between two
 * sides, each with its own SDP written anew (own o= line, our addresses, filtered codecs), and the
 * relay's commands that go with them. Sans-I/O. Two sets of terms: `current`, which both legs run on,
 * and `pending`, which an exchange builds; commit swaps, rollback drops (RFC 3261 14.1: a refused
 * re-INVITE leaves the old session exactly as it was).
 *
 * Order of an exchange, offerer = side s, other = !s:
 *   media_offer_in(s)   → command for the relay (may be "nothing to ask"): send, wait for its ports
 *   media_on_ports      → when the relay answered
 *   media_offer_out     → SDP for the other side
 *   media_answer_in     → its answer (in a 1xx, 2xx, ACK; may come again): another command, no wait
 *   media_answer_out    → SDP for the offerer
 *   media_commit        → at the 2xx/ACK that ends the exchange; or media_rollback
 *
 * Payload types pass unchanged both ways, so no mapping is needed even when an answer renumbers a
 * codec: each side receives with the numbers that it announced itself (RFC 3264 6.1).
 *
 * Keys: each side has its own, whatever the other one has. What a side offers is taken by that side's
 * policy and answered in kind; what is offered to it is that policy's own wish. Only between two sides
 * that both say `pass` does the a=crypto of one go to the other, and the relay knows no keys. Keys that we made for
 * a side stay as long as its transport does, and are gone with the terms that hold them. */
#pragma once

#include "lib/base/rand.h"
#include "lib/conf/document.h"
#include "lib/ctl/ctl.h"
#include "sbc/sdp/sdp.h"

struct media;

/* Slices are borrowed from the configuration that the call keeps; they outlive the media. */
struct media_side {              /* what a trunk and a realm say of one side */
	struct slice realm;      /* where the relay takes ports from */
	enum ip_family family;   /* of the address that its ports are to have: that of the peer's own
				    address, if the realm has such; IP_NONE: whatever the relay gives */
	bool both_families;      /* the realm has addresses of either, and an offer of this side is
				    answered with one of its own */
	struct slice *codecs;    /* encoding names allowed; count 0: all */
	size_t codec_count;
	bool nat;                /* latch from the signalling source instead of the SDP address */
	struct ip_addr signalling_ip;
	uint32_t first_timeout_ms;
	uint32_t timeout_ms;
	uint32_t hold_timeout_ms;
	uint32_t one_way_ms;
	enum conf_srtp srtp;
	const enum conf_keying *keying; /* accepted; the first that may be used is offered */
	size_t keying_count;
	const enum conf_srtp_suite *suites; /* as offered */
	size_t suite_count;
	bool sdes; /* its signalling may show keys: it goes over TLS, or the trunk is trusted */
	bool pass; /* where the other side says so too, SDES keys cross as they are */
	enum conf_ice ice;
	enum conf_rtcp_mux rtcp_mux;
	bool feedback;
	enum conf_dtmf dtmf;
};

/* What the relay said that it can do beyond plain RTP; all zero: nothing. */
struct media_relay {
	uint32_t suites;        /* bits: 1 << enum ctl_srtp_suite */
	uint8_t dtls_hash;      /* enum ctl_hash; none: no DTLS */
	uint8_t fingerprint_bytes;
	uint8_t fingerprint[64]; /* of the certificate that it shows */
};

struct media_verdict {
	uint16_t status;    /* 0: fine; 488, 400, 415, 500 … */
	const char *why;    /* for log and CDR, [a-z_]+ */
};

/* session: the relay's number for it, unique among this worker's live calls. cache: where the two
 * terms' arenas take memory from, quota_bytes each. NULL: no memory. The object lives in `arena`. */
struct media *media_create(struct arena *arena, struct arena_cache *cache, size_t quota_bytes,
			   uint64_t session, struct rand *rand);
void media_fini(struct media *media); /* gives the terms back */
/* relay: outlives the media; may change while it lives. Not told: it can do nothing but plain RTP. */
void media_set_relay(struct media *media, const struct media_relay *relay);

/* Sets a side before its first exchange; again for the next target of a failover, which makes that
 * side anew (its o= line, its latch, its ports if the realm or the IP version is another). */
void media_set_side(struct media *media, unsigned side, const struct media_side *config);

/* An offer from `side`. OK: *ret_command is in `turn` (NULL: the relay need not be asked, go on at
 * once). A refusal: ERR_REFUSED with *ret_verdict, nothing changed. ERR_STATE: an exchange is open
 * (the caller answers 491/500). ERR_NOMEM. */
must_use enum err media_offer_in(struct media *media, unsigned side, struct slice sdp_text,
				 struct arena *turn, struct ctl_message **ret_command,
				 struct media_verdict *ret_verdict);

/* Why the open offer cannot go on to the side that it is for, as that was set last: a policy that
 * demands keys which cannot be had. NULL: it can (or no exchange is open). Static, [a-z_]+. */
const char *media_offer_barred(const struct media *media);

/* The relay's answer to an offer's command. */
must_use enum err media_on_ports(struct media *media, const struct ctl_session_ports *ports);

/* Every stream of the open offer has its ports: it can go on without asking the relay again. */
bool media_offer_ported(const struct media *media);

/* The offer for the other side, and (again, for the next target) after media_set_side + command: see
 * media_offer_again. Empty when the arena is exhausted. */
struct slice media_offer_out(struct media *media, struct arena *turn);

/* Failover: the same pending offer towards a side that was set anew. The command's answer is waited
 * for. ERR_REFUSED: this side may use no codec of the offer; ERR_STATE: no exchange is open. */
must_use enum err media_offer_again(struct media *media, struct arena *turn,
				    struct ctl_message **ret_command);

/* The answer to the open offer from the side that it was sent to. A second answer in a later
 * provisional or final response replaces the first. *ret_command: for the relay, no need to wait. */
must_use enum err media_answer_in(struct media *media, struct slice sdp_text, struct arena *turn,
				  struct ctl_message **ret_command,
				  struct media_verdict *ret_verdict);

/* The answer for the offerer. Byte-identical, o= version included, while nothing else changed. */
struct slice media_answer_out(struct media *media, struct arena *turn);

/* An answer that rejects every m-line of the open offer, towards the side that offered it (a callee
 * whose late offer the caller never answered, RFC 3261 13.2.2.4). */
struct slice media_reject_out(struct media *media, struct arena *turn);

bool media_exchange_open(const struct media *media);
bool media_answered(const struct media *media);     /* the open exchange has an answer already */
unsigned media_offerer(const struct media *media);  /* of the open exchange */
void media_commit(struct media *media);
/* After a commit: removes from the relay the streams that the new terms have no more (they cannot go
 * with the answer, since a rollback needs their ports). NULL: nothing to do, or no memory; what is not
 * asked here goes with the next command. */
struct ctl_message *media_settle(struct media *media, struct arena *turn);
/* *ret_command restores the relay where it had been changed; NULL: nothing to do. */
must_use enum err media_rollback(struct media *media, struct arena *turn,
				 struct ctl_message **ret_command);

/* The SDP of the terms in force as sent to a side, for a refresh; empty: none yet. It counts as sent:
 * after a rollback its o= version is above that of the refused one. Borrowed until the next
 * exchange. */
struct slice media_last_sdp(struct media *media, unsigned side);

/* The session is in the relay (a command was sent), so it must be closed. */
bool media_has_session(const struct media *media);
uint64_t media_session(const struct media *media);
struct ctl_message *media_close(struct media *media, struct arena *turn);
/* After a restart of the relay: everything it must know, with the ports that it had. */
struct ctl_message *media_restore(struct media *media, struct arena *turn);

/* The relay ended a DTLS handshake (CTL_MEDIA_SECURED). */
void media_secured(struct media *media, const struct ctl_media_event *event);

struct media_digit {
	uint8_t event; /* RFC 4733: 0-9, 10 *, 11 #, 12-15 A-D, 16 flash */
	uint16_t duration_ms;
};

/* For the relay: the digit as events towards this side. NULL: none are agreed with it (or no memory). */
struct ctl_message *media_digit(const struct media *media, unsigned side,
				const struct media_digit *digit, struct arena *turn);

/* What REST and the CDR show: kind, codec, addresses of current (or pending) terms, one for each
 * stream and side; figures zero. In `arena`. */
must_use enum err media_describe(const struct media *media, struct arena *arena,
				 struct ctl_media_info **ret_infos, uint32_t *ret_count);
/* Is this stream audio, by the terms in force? */
bool media_is_audio(const struct media *media, unsigned stream);
/* What of this side must not be seen on the other one: keys, ICE's credentials and fingerprints of the
 * exchange that is open and of the terms in force, as SDP writes them. At most `room`, in `turn`. */
size_t media_secrets(const struct media *media, unsigned side, struct arena *turn,
		     struct slice *ret_secrets, size_t room);
/* Figures from the relay written into what media_describe made. */
void media_add_stats(struct ctl_media_info *infos, uint32_t count,
		     const struct ctl_session_stats *stats);

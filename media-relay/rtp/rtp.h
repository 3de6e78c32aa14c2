/* SPDX-License-Identifier: MIT
 * RTP and RTCP as bytes and as arithmetic: what a datagram is (RFC 7983, 5761), whether it is whole
 * (RFC 3550 5.1, A.2), what was lost and how much it jitters (A.1, A.3, A.8), and what that may sound
 * like (G.107). Sans-I/O: no socket, no clock, no memory of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/ctl/ctl.h"
#include "media-relay/rtp/rtcp.h"

#define RTP_HEADER_BYTES 12u
#define RTP_PAYLOAD_TYPE_NONE 255u

enum rtp_kind {
	RTP_MEDIA,
	RTP_CONTROL,   /* RTCP */
	RTP_RAW,       /* by agreement no RTP (UDPTL); nothing is read of it */
	RTP_STUN,
	RTP_DTLS,
	RTP_EMPTY,     /* a datagram of no bytes */
	RTP_MALFORMED, /* RTP or RTCP by its first byte, but not whole */
	RTP_OTHER,     /* ZRTP, TURN channels, anything else */
};

struct rtp_header {
	uint8_t payload_type;
	bool marker;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t ssrc;
	size_t payload_at; /* behind CSRCs and the header extension */
	size_t payload_len; /* without padding */
};

/* Which of the six it is; RTP_MEDIA fills *ret_header, RTP_CONTROL *ret_ssrc (of the first packet's
 * sender). Every length inside is checked against len. */
enum rtp_kind rtp_classify(const unsigned char *bytes, size_t len, struct rtp_header *ret_header,
			   uint32_t *ret_ssrc);
/* The same of a datagram whose body is encrypted: only what lies before it is looked at, and
 * payload_len holds whatever stands behind it. */
enum rtp_kind rtp_classify_protected(const unsigned char *bytes, size_t len,
				     struct rtp_header *ret_header, uint32_t *ret_ssrc);

/* ---- figures of what one side sends ---- */

/* One SSRC after another; figures sum up over them. Zeroed: nothing arrived yet. */
struct rtp_source {
	bool valid; /* a packet was seen */
	uint8_t payload_type;
	uint16_t max_sequence;
	uint32_t ssrc;
	uint32_t cycles; /* sequence wraps, in units of 2^16 */
	uint32_t base_sequence;
	uint32_t bad_sequence; /* the next one, if the sender jumped */
	uint16_t window_top;
	bool has_transit;
	uint64_t received;     /* of this SSRC, since base_sequence */
	/* Which of the last 64 came: bit i is window_top - i. It stands apart from max_sequence, since
	 * packets may be counted where no window is kept. */
	uint64_t window;
	uint64_t reordered;  /* came after a later one */
	uint64_t duplicated; /* came again within the window */
	/* jitter (A.8) */
	uint32_t clock_hz;
	uint32_t transit;
	uint32_t jitter16; /* 16 times the jitter, in units of the clock */
	/* of the SSRCs before */
	uint64_t past_expected;
	uint64_t past_received;
};

/* arrival_us: any steady clock. clock_hz 0: no jitter from this packet (telephone-event, whose
 * timestamps stand still: RFC 4733 2.5.1.3). */
void rtp_source_count(struct rtp_source *source, const struct rtp_header *header,
		      uint64_t arrival_us, uint32_t clock_hz);

/* Could counting have led here? Of one that lay in a file, where even a bool may hold anything. */
bool rtp_source_plausible(const struct rtp_source *source);

/* Nobody listens for a while: the next packet is as the first one of another SSRC. */
void rtp_source_suspend(struct rtp_source *source);

/* Where a source's counting stands, to be taken on elsewhere. The last transit time is not part of it,
 * for each who counts has a clock of its own: the jitter goes on with the packet after the next. */
struct rtp_standing {
	uint32_t max_sequence; /* extended: with its cycles */
	uint8_t payload_type;
	uint32_t clock_hz;
	uint32_t jitter16;
	uint64_t window;
	uint16_t window_top;
};

void rtp_source_standing(const struct rtp_source *source, struct rtp_standing *ret);
/* Brings it back, with the number of packets that were counted there; of the same SSRC. */
void rtp_source_take(struct rtp_source *source, const struct rtp_standing *standing,
		     uint64_t received);

uint64_t rtp_source_expected(const struct rtp_source *source);
/* RFC 3550 A.3; below zero when there were more duplicates than losses. */
int64_t rtp_source_lost(const struct rtp_source *source);
uint32_t rtp_source_jitter_us(const struct rtp_source *source);

/* ---- how much may come ---- */

struct rtp_police {
	uint32_t bytes_per_s; /* 0: any */
	uint64_t busy_until_us;
};

/* False: more than the rate allows. Only what is accepted counts. */
bool rtp_police_accept(struct rtp_police *police, size_t len, uint64_t now_us);

/* The clock of a static payload type (RFC 3551 table 4 and 5); 8000 where the table has none. */
uint32_t rtp_static_clock_hz(uint8_t payload_type);

/* ---- how it may sound ---- */

/* What the E-model is told; all else has G.107's default values. */
struct rtp_quality {
	enum ctl_codec codec;
	double loss;      /* 0 … 1 */
	double jitter_ms; /* a receiver's buffer is taken to hold twice of it */
	double delay_ms;  /* of the network, one way */
};

/* The codec of a static payload type (RFC 3551 table 4). */
enum ctl_codec rtp_static_codec(uint8_t payload_type);

/* G.107 section 7: R, 0 … 93.2. */
double rtp_rating(const struct rtp_quality *quality);
/* The same from the model's own terms: absolute one-way delay, Ie, Bpl and random loss. */
double rtp_emodel(double delay_ms, double ie, double bpl, double loss_percent);
/* Annex B: R to the mean opinion, 100 … 450. */
uint16_t rtp_mos_x100(double rating);

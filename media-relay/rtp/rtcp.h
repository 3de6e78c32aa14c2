/* SPDX-License-Identifier: MIT
 * RTCP (RFC 3550 section 6) as parts of a compound packet, and what its reports say of a stream and
 * of the way to the peer. Sans-I/O; the bytes were found whole by rtp_classify. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTCP_SENT_MAX 4u /* sender reports that an answer is waited for */

enum rtcp_type {
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204,
	RTCP_RTPFB = 205, /* RFC 4585 */
	RTCP_PSFB = 206,
	RTCP_XR = 207, /* RFC 3611 */
};

struct rtcp_part {
	uint8_t type;  /* enum rtcp_type, or another */
	uint8_t count; /* reports, sources … */
	const unsigned char *bytes; /* with its header */
	size_t len;
};

/* Takes the next part off *bytes, *len. False: no more, or not whole. */
bool rtcp_next(const unsigned char **bytes, size_t *len, struct rtcp_part *ret);

/* The middle of a sender report's NTP timestamp, which the peer's LSR repeats. False: no SR, or too
 * short for one. */
bool rtcp_sender_time(const struct rtcp_part *part, uint32_t *ret_ntp_middle);

struct rtcp_report { /* RFC 3550 6.4.1 */
	uint32_t ssrc;   /* whom it is about */
	int32_t lost;    /* cumulative, 24 bits with sign */
	uint32_t jitter; /* in units of that stream's clock */
	uint32_t last_sr;
	uint32_t delay_since_sr; /* 1/65536 s */
};

/* Report number `i` of an SR or RR; false: it has no such. */
bool rtcp_report(const struct rtcp_part *part, unsigned i, struct rtcp_report *ret);

/* Takes out, in place, the words with which a sender names himself: every SDES item (user and host
 * name, address, tool: RFC 3550 6.5) and BYE's reason become letters that `seed` makes, as long as
 * before, so that nothing moves. The same seed gives the same CNAME. */
void rtcp_scrub(unsigned char *bytes, size_t len, uint64_t seed);

/* ---- what a peer's reports say ---- */

/* Of one peer. Zeroed: nothing yet. */
struct rtcp_peer {
	struct {
		uint32_t ntp_middle;
		uint64_t sent_us;
	} sent[RTCP_SENT_MAX]; /* sender reports that went to this peer; sent_us 0: none */
	unsigned sent_at;
	uint32_t round_trip_us; /* smoothed as in RFC 6298; 0: not known */
	bool reported;
	int32_t reported_lost;
	uint32_t reported_jitter_us;
};

/* A sender report goes to this peer now, whoever made it. */
void rtcp_peer_sent(struct rtcp_peer *peer, uint32_t ntp_middle, uint64_t now_us);
/* This peer reports about what we send it, whose SSRC and clock are given. The round trip is from us
 * to the peer and back even though the report answers somebody behind us: its clock starts when the
 * sender report left here. */
void rtcp_peer_report(struct rtcp_peer *peer, const struct rtcp_report *report, uint32_t clock_hz,
		      uint64_t now_us);

/* SPDX-License-Identifier: MIT
 * RTCP (RFC 3550 section 6) as parts of a compound packet, what its reports say of a stream and of
 * the way to the peer, and reports of our own. Sans-I/O; bytes that are read were found whole by
 * rtp_classify. */
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
	uint8_t fraction; /* lost since the report before, of 256 */
	int32_t lost;    /* cumulative, 24 bits with sign */
	uint32_t max_sequence; /* extended: with its cycles */
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

/* In place: a sender report of `ssrc` counts so many packets and octets more (modulo 2^32); reports
 * about `ssrc` name an extended highest sequence number that is so much higher. */
void rtcp_shift_sent(unsigned char *bytes, size_t len, uint32_t ssrc, uint32_t packets,
		     uint32_t octets);
void rtcp_shift_highest(unsigned char *bytes, size_t len, uint32_t ssrc, int32_t by);

/* Takes out, in place, the feedback messages (RFC 4585 6.1: NACK, PLI, FIR …); returns the length of
 * the rest, which is 0 when there was nothing else (RFC 5506 allows it). */
size_t rtcp_drop_feedback(unsigned char *bytes, size_t len);

/* ---- reports of our own ---- */

/* What one SSRC was seen to send. Zeroed: nothing. */
struct rtcp_sender {
	uint32_t ssrc;
	uint32_t packets; /* both wrap, as on the wire */
	uint32_t octets;  /* of payload */
	uint32_t timestamp; /* of the last packet of media, that came at_us */
	uint64_t at_us;     /* 0: none yet */
};

/* Makes room for this SSRC: another one begins to count anew. */
static inline void rtcp_sender_of(struct rtcp_sender *sender, uint32_t ssrc)
{
	if (sender->ssrc != ssrc || sender->packets == 0)
		*sender = (struct rtcp_sender){ .ssrc = ssrc };
}

struct rtcp_sender_info { /* RFC 3550 6.4.1 */
	uint64_t unix_us;       /* this moment by the wall clock … */
	uint32_t rtp_timestamp; /* … and by the stream's */
	uint32_t packets;
	uint32_t octets; /* of payload */
};

/* An SR or RR, and the sender's CNAME. */
struct rtcp_compound {
	uint32_t ssrc; /* whose it is */
	const struct rtcp_sender_info *sender; /* NULL: RR */
	const struct rtcp_report *report;      /* NULL: of nobody; lost is clipped to its 24 bits */
	uint64_t seed; /* the CNAME that rtcp_scrub makes of one of these many letters */
};

#define RTCP_COMPOUND_BYTES 80u /* at most */

size_t rtcp_write(const struct rtcp_compound *compound, unsigned char ret[RTCP_COMPOUND_BYTES]);

/* The middle of the NTP timestamp that the wall clock's moment is written as. */
uint32_t rtcp_ntp_middle(uint64_t unix_us);

/* When the next report is due, in ms: 6.3.1 for a session of two, whose bandwidth never asks for more
 * than the 5 s between reports; random is any number. */
uint32_t rtcp_interval_ms(uint32_t random);

/* ---- what a peer's reports say ---- */

/* Of one peer. Zeroed: nothing yet. */
struct rtcp_peer {
	/* Sender reports that went to this peer; sent_us 0: none. */
	uint64_t sent_us[RTCP_SENT_MAX];
	uint32_t sent_ntp_middle[RTCP_SENT_MAX];
	uint8_t sent_at;
	bool reported;
	uint32_t round_trip_us; /* smoothed as in RFC 6298; 0: not known */
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

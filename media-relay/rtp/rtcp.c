/* SPDX-License-Identifier: MIT
 * Reading RTCP. A part may be shorter than its type asks for (RFC 3550 A.2 checks no more than the
 * lengths), so every reader looks at it again. */
#include "media-relay/rtp/rtcp.h"

#include <string.h>

#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp_priv.h"

#define ROUND_TRIP_MAX_US 30000000u /* longer is no way that a call can use, but a wrong clock */

bool rtcp_next(const unsigned char **bytes, size_t *len, struct rtcp_part *ret)
{
	const unsigned char *p = *bytes;
	size_t part_len;

	if (*len < RTCP_PART_BYTES)
		return false;
	part_len = 4u * ((size_t)get_u16(p + 2) + 1);
	if (part_len > *len)
		return false;
	*ret = (struct rtcp_part){
		.type = p[1], .count = p[0] & 0x1fu, .bytes = p, .len = part_len
	};
	*bytes += part_len;
	*len -= part_len;
	return true;
}

bool rtcp_sender_time(const struct rtcp_part *part, uint32_t *ret_ntp_middle)
{
	if (part->type != RTCP_SR || part->len < RTCP_SENDER_BYTES)
		return false;
	*ret_ntp_middle = get_u32(part->bytes + 10);
	return true;
}

/* 24 bits, two's complement. */
static int32_t get_lost(const unsigned char *p)
{
	return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8) / 256;
}

bool rtcp_report(const struct rtcp_part *part, unsigned i, struct rtcp_report *ret)
{
	size_t at = part->type == RTCP_SR ? RTCP_SENDER_BYTES : RTCP_RECEIVER_BYTES;
	const unsigned char *p;

	if ((part->type != RTCP_SR && part->type != RTCP_RR) || i >= part->count)
		return false;
	at += (size_t)i * RTCP_REPORT_BYTES;
	if (part->len < at + RTCP_REPORT_BYTES)
		return false;
	p = part->bytes + at;
	*ret = (struct rtcp_report){
		.ssrc = get_u32(p),
		.fraction = p[4],
		.lost = get_lost(p + 5),
		.max_sequence = get_u32(p + 8),
		.jitter = get_u32(p + 12),
		.last_sr = get_u32(p + 16),
		.delay_since_sr = get_u32(p + 20),
	};
	return true;
}

/* splitmix64: the letters need not be secret, only not the sender's. */
static void fill(unsigned char *text, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		text[i] = (unsigned char)('a' + (z >> 32) % 26);
	}
}

void rtcp_letters(unsigned char *text, size_t len, uint64_t seed, uint8_t item)
{
	fill(text, len, seed + item);
}

/* Chunks of an SSRC and items, each ended by zeros up to the next word. An item that runs over the
 * part's end is filled as far as there is something. */
static void scrub_description(unsigned char *bytes, size_t len, uint64_t seed)
{
	size_t at = RTCP_PART_BYTES;

	while (at + 4 < len) {
		at += 4;
		while (at + 1 < len && bytes[at] != 0) {
			size_t text = bytes[at + 1];

			if (text > len - at - 2)
				text = len - at - 2;
			rtcp_letters(bytes + at + 2, text, seed, bytes[at]);
			at += 2 + text;
		}
		at = (at & ~(size_t)3) + 4;
	}
}

/* 6.6: the sources, then a length and the reason. */
static void scrub_bye(unsigned char *bytes, size_t len, unsigned count, uint64_t seed)
{
	size_t at = RTCP_PART_BYTES + 4u * (size_t)count;

	if (at + 1 < len)
		fill(bytes + at + 1, bytes[at] < len - at - 1 ? bytes[at] : len - at - 1, seed);
}

static void add_u32(unsigned char *p, uint32_t by)
{
	put_u32(p, get_u32(p) + by);
}

void rtcp_shift_sent(unsigned char *bytes, size_t len, uint32_t ssrc, uint32_t packets,
		     uint32_t octets)
{
	const unsigned char *at = bytes;
	struct rtcp_part part;

	while (rtcp_next(&at, &len, &part)) {
		unsigned char *own = bytes + (part.bytes - bytes);

		if (part.type != RTCP_SR || part.len < RTCP_SENDER_BYTES || get_u32(own + 4) != ssrc)
			continue;
		add_u32(own + 20, packets);
		add_u32(own + 24, octets);
	}
}

void rtcp_shift_highest(unsigned char *bytes, size_t len, uint32_t ssrc, int32_t by)
{
	const unsigned char *at = bytes;
	struct rtcp_report report;
	struct rtcp_part part;

	while (rtcp_next(&at, &len, &part)) {
		size_t first = part.type == RTCP_SR ? RTCP_SENDER_BYTES : RTCP_RECEIVER_BYTES;

		for (unsigned i = 0; rtcp_report(&part, i, &report); i++)
			if (report.ssrc == ssrc)
				add_u32(bytes + (part.bytes - bytes) + first +
						(size_t)i * RTCP_REPORT_BYTES + 8, (uint32_t)by);
	}
}

void rtcp_scrub(unsigned char *bytes, size_t len, uint64_t seed)
{
	const unsigned char *left = bytes;
	size_t left_len = len;
	struct rtcp_part part;

	while (rtcp_next(&left, &left_len, &part)) {
		unsigned char *p = bytes + (part.bytes - bytes);

		if (part.type == RTCP_SDES)
			scrub_description(p, part.len, seed);
		else if (part.type == RTCP_BYE)
			scrub_bye(p, part.len, part.count, seed);
	}
}

size_t rtcp_drop_feedback(unsigned char *bytes, size_t len)
{
	const unsigned char *left = bytes;
	size_t left_len = len, kept = 0;
	struct rtcp_part part;

	while (rtcp_next(&left, &left_len, &part)) {
		if (part.type == RTCP_RTPFB || part.type == RTCP_PSFB)
			continue;
		memmove(bytes + kept, part.bytes, part.len);
		kept += part.len;
	}
	return kept;
}

void rtcp_peer_sent(struct rtcp_peer *peer, uint32_t ntp_middle, uint64_t now_us)
{
	unsigned at = peer->sent_at++ % RTCP_SENT_MAX;

	peer->sent_ntp_middle[at] = ntp_middle;
	peer->sent_us[at] = now_us;
}

/* RFC 3550 6.4.1 with our own clock on both ends: arrival - departure - DLSR. */
static void measure(struct rtcp_peer *peer, const struct rtcp_report *report, uint64_t now_us)
{
	uint64_t held_us = (uint64_t)report->delay_since_sr * 1000000u >> 16;

	for (unsigned i = 0; i < RTCP_SENT_MAX; i++) {
		uint64_t sent_us = peer->sent_us[i];
		uint64_t took_us;

		if (sent_us == 0 || peer->sent_ntp_middle[i] != report->last_sr)
			continue;
		took_us = now_us - sent_us - held_us;
		if (sent_us + held_us > now_us || took_us > ROUND_TRIP_MAX_US)
			return;
		if (peer->round_trip_us == 0)
			peer->round_trip_us = (uint32_t)took_us;
		else
			peer->round_trip_us =
				(uint32_t)((7 * (uint64_t)peer->round_trip_us + took_us) / 8);
		if (peer->round_trip_us == 0)
			peer->round_trip_us = 1; /* known, and below a microsecond */
		return;
	}
}

void rtcp_peer_report(struct rtcp_peer *peer, const struct rtcp_report *report, uint32_t clock_hz,
		      uint64_t now_us)
{
	uint64_t jitter_us = (uint64_t)report->jitter * 1000000u / (clock_hz ? clock_hz : 8000u);

	peer->reported = true;
	peer->reported_lost = report->lost;
	peer->reported_jitter_us = jitter_us > UINT32_MAX ? UINT32_MAX : (uint32_t)jitter_us;
	if (report->last_sr != 0)
		measure(peer, report, now_us);
}

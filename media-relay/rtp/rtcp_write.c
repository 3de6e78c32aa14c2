/* SPDX-License-Identifier: MIT
 * Reports as bytes (RFC 3550 6.4, 6.5), and when the next one is due (6.3). */
#include "media-relay/rtp/rtcp.h"

#include <assert.h>
#include <string.h>

#include "media-relay/rtp/rtp_priv.h"

#define SDES_CNAME 1u
#define CNAME_LETTERS 16u
/* Header, SSRC, item; at least one zero ends the chunk and fills the word (6.5). */
#define DESCRIPTION_BYTES ((4u + 4u + 2u + CNAME_LETTERS + 4u) & ~3u)
#define NTP_UNIX_S UINT64_C(2208988800) /* 1900 to 1970 */
#define INTERVAL_MS 5000u               /* 6.2 */
#define LOST_MAX 0x7fffff

static_assert(RTCP_SENDER_BYTES + RTCP_REPORT_BYTES + DESCRIPTION_BYTES <= RTCP_COMPOUND_BYTES,
	      "the longest compound fits");

static uint64_t ntp_of(uint64_t unix_us)
{
	return (unix_us / 1000000u + NTP_UNIX_S) << 32 | ((unix_us % 1000000u) << 32) / 1000000u;
}

uint32_t rtcp_ntp_middle(uint64_t unix_us)
{
	return (uint32_t)(ntp_of(unix_us) >> 16);
}

static void put_header(unsigned char *p, uint8_t type, unsigned count, size_t len)
{
	put_u32(p, 0x80000000u | (uint32_t)count << 24 | (uint32_t)type << 16 |
			   (uint32_t)(len / 4 - 1));
}

static void put_sender(unsigned char *p, const struct rtcp_sender_info *sender)
{
	uint64_t ntp = ntp_of(sender->unix_us);

	put_u32(p, (uint32_t)(ntp >> 32));
	put_u32(p + 4, (uint32_t)ntp);
	put_u32(p + 8, sender->rtp_timestamp);
	put_u32(p + 12, sender->packets);
	put_u32(p + 16, sender->octets);
}

static int32_t clip_lost(int32_t lost)
{
	if (lost > LOST_MAX)
		return LOST_MAX;
	return lost < -LOST_MAX - 1 ? -LOST_MAX - 1 : lost;
}

static void put_report(unsigned char *p, const struct rtcp_report *report)
{
	put_u32(p, report->ssrc);
	put_u32(p + 4, (uint32_t)report->fraction << 24 |
			       ((uint32_t)clip_lost(report->lost) & 0xffffffu));
	put_u32(p + 8, report->max_sequence);
	put_u32(p + 12, report->jitter);
	put_u32(p + 16, report->last_sr);
	put_u32(p + 20, report->delay_since_sr);
}

static void put_description(unsigned char *p, uint32_t ssrc, uint64_t seed)
{
	memset(p, 0, DESCRIPTION_BYTES);
	put_header(p, RTCP_SDES, 1, DESCRIPTION_BYTES);
	put_u32(p + 4, ssrc);
	p[8] = SDES_CNAME;
	p[9] = CNAME_LETTERS;
	rtcp_letters(p + 10, CNAME_LETTERS, seed, SDES_CNAME);
}

size_t rtcp_write(const struct rtcp_compound *compound, unsigned char ret[RTCP_COMPOUND_BYTES])
{
	size_t at = compound->sender ? RTCP_SENDER_BYTES : RTCP_RECEIVER_BYTES;
	unsigned count = compound->report ? 1 : 0;

	put_u32(ret + 4, compound->ssrc);
	if (compound->sender)
		put_sender(ret + 8, compound->sender);
	if (compound->report)
		put_report(ret + at, compound->report);
	at += count * RTCP_REPORT_BYTES;
	put_header(ret, compound->sender ? RTCP_SR : RTCP_RR, count, at);
	put_description(ret + at, compound->ssrc, compound->seed);
	return at + DESCRIPTION_BYTES;
}

/* 6.3.1: half to one and a half of it, and that by e - 3/2, for the reconsideration of 6.3.3 would
 * make it longer. */
uint32_t rtcp_interval_ms(uint32_t random)
{
	uint64_t spread_ms = INTERVAL_MS / 2 + ((uint64_t)INTERVAL_MS * random >> 32);

	return (uint32_t)(spread_ms * 100000u / 121828u);
}

/* SPDX-License-Identifier: MIT
 * Names of header fields to their identifiers: a perfect hash over length, first, middle and last
 * byte picks the one candidate, which is then compared. The multipliers were found by trying; a new
 * name of headers.def that falls into a taken slot needs new ones (the test says so). */
#include "sbc/sip/sip_priv.h"

#define HEADER_SLOTS 128u

const uint8_t sip_header_flags[SIP_HEADER_COUNT] = {
#define SIP_HEADER(id, name, compact, flags) [SIP_HDR_##id] = flags,
#include "sbc/sip/headers.def"
#undef SIP_HEADER
};

static const struct slice header_names[SIP_HEADER_COUNT] = {
#define SIP_HEADER(id, name, compact, flags) [SIP_HDR_##id] = { name, sizeof(name) - 1 },
#include "sbc/sip/headers.def"
#undef SIP_HEADER
};

/* By identifier; 0 where there is none. */
static const char compact_names[SIP_HEADER_COUNT] = {
#define SIP_HEADER(id, name, compact, flags) [SIP_HDR_##id] = compact,
#include "sbc/sip/headers.def"
#undef SIP_HEADER
};

static const uint8_t header_slots[HEADER_SLOTS] = {
	[1] = SIP_HDR_PROXY_AUTHENTICATE,
	[2] = SIP_HDR_PRIVACY,
	[4] = SIP_HDR_VIA,
	[6] = SIP_HDR_P_ASSERTED_IDENTITY,
	[9] = SIP_HDR_USER_AGENT,
	[10] = SIP_HDR_INFO_PACKAGE,
	[11] = SIP_HDR_EXPIRES,
	[12] = SIP_HDR_PROXY_REQUIRE,
	[13] = SIP_HDR_SESSION_EXPIRES,
	[14] = SIP_HDR_ALERT_INFO,
	[17] = SIP_HDR_GEOLOCATION_ROUTING,
	[18] = SIP_HDR_REASON,
	[19] = SIP_HDR_MIN_EXPIRES,
	[20] = SIP_HDR_CONTENT_TYPE,
	[30] = SIP_HDR_SUBSCRIPTION_STATE,
	[33] = SIP_HDR_MIME_VERSION,
	[36] = SIP_HDR_CONTACT,
	[38] = SIP_HDR_ROUTE,
	[40] = SIP_HDR_WWW_AUTHENTICATE,
	[44] = SIP_HDR_EVENT,
	[50] = SIP_HDR_CONTENT_ENCODING,
	[51] = SIP_HDR_REFER_TO,
	[53] = SIP_HDR_RECORD_ROUTE,
	[55] = SIP_HDR_RACK,
	[57] = SIP_HDR_ACCEPT,
	[66] = SIP_HDR_CONTENT_DISPOSITION,
	[67] = SIP_HDR_CONTENT_LENGTH,
	[71] = SIP_HDR_TO,
	[72] = SIP_HDR_RECV_INFO,
	[73] = SIP_HDR_FROM,
	[75] = SIP_HDR_REPLACES,
	[76] = SIP_HDR_SUBJECT,
	[78] = SIP_HDR_GEOLOCATION,
	[82] = SIP_HDR_SUPPORTED,
	[84] = SIP_HDR_CALL_ID,
	[85] = SIP_HDR_PROXY_AUTHORIZATION,
	[88] = SIP_HDR_REQUIRE,
	[92] = SIP_HDR_REFERRED_BY,
	[93] = SIP_HDR_SERVER,
	[97] = SIP_HDR_WARNING,
	[99] = SIP_HDR_RETRY_AFTER,
	[100] = SIP_HDR_CSEQ,
	[102] = SIP_HDR_AUTHORIZATION,
	[105] = SIP_HDR_TIMESTAMP,
	[108] = SIP_HDR_P_EARLY_MEDIA,
	[111] = SIP_HDR_DATE,
	[112] = SIP_HDR_MIN_SE,
	[113] = SIP_HDR_RSEQ,
	[116] = SIP_HDR_MAX_FORWARDS,
	[117] = SIP_HDR_ALLOW,
	[126] = SIP_HDR_UNSUPPORTED,
};

struct slice sip_header_name(enum sip_header id)
{
	return header_names[id];
}

/* Case folding by one bit is exact here: both sides are tokens, and of two token bytes that differ
 * in this bit alone both are letters, or neither can stand in a known name. */
static unsigned folded(char c)
{
	return (unsigned char)c | 0x20u;
}

static unsigned header_hash(struct slice name)
{
	return (unsigned)name.len * 25 + folded(name.p[0]) * 35 +
	       folded(name.p[name.len / 2]) * 52 + folded(name.p[name.len - 1]) * 35;
}

static bool header_eq(struct slice known, struct slice name)
{
	if (known.len != name.len)
		return false;
	if (memcmp(known.p, name.p, name.len) == 0)
		return true;
	for (size_t i = 0; i < name.len; i++)
		if (folded(known.p[i]) != folded(name.p[i]))
			return false;
	return true;
}

static enum sip_header compact_find(char c)
{
	const char *hit = memchr(compact_names, ascii_lower(c), sizeof(compact_names));

	return hit ? (enum sip_header)(hit - compact_names) : SIP_OTHER_HEADER;
}

enum sip_header sip_header_find(struct slice name)
{
	enum sip_header id;

	if (name.len < 2)
		return name.len == 1 && name.p[0] != 0 ? compact_find(name.p[0]) : SIP_OTHER_HEADER;
	id = header_slots[header_hash(name) % HEADER_SLOTS];
	return id != SIP_OTHER_HEADER && header_eq(header_names[id], name) ? id : SIP_OTHER_HEADER;
}

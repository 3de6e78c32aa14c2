/* SPDX-License-Identifier: MIT */
#include "tests/perf/rtpload_sealed.h"

#include <string.h>

#include "lib/base/ensure.h"
#include "tests/support/reference_srtp.h"

uint32_t load_ssrc(uint32_t number)
{
	return 0x10000000u + number;
}

unsigned sealed_tag_bytes(unsigned suite)
{
	switch (suite) {
	case CTL_SRTP_AES_CM_128_HMAC_SHA1_32:
	case CTL_SRTP_AES_256_CM_HMAC_SHA1_32:
		return 4;
	case CTL_SRTP_AEAD_AES_128_GCM:
	case CTL_SRTP_AEAD_AES_256_GCM:
		return 16;
	default:
		return 10;
	}
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = strchr(digits, digit);

	return digit && found ? (int)(found - digits) : -1;
}

static bool key_parse(const char *text, size_t bytes, unsigned char *to)
{
	if (strlen(text) != 2 * bytes)
		return false;
	for (size_t n = 0; n < bytes; n++) {
		int high = hex_digit(text[2 * n]), low = hex_digit(text[2 * n + 1]);

		if (high < 0 || low < 0)
			return false;
		to[n] = (unsigned char)(high << 4 | low);
	}
	return true;
}

bool sealed_keys_parse(const char *suite, const char *sends, const char *hears,
		       struct sealed_keys *ret)
{
	struct sealed_keys keys = { .suite = ctl_srtp_suite_find(slice_text(suite)) };
	size_t bytes = ctl_srtp_key_bytes(keys.suite);

	/* Of keys with 192 bits the reference knows nothing. */
	if (keys.suite == CTL_SRTP_NONE || keys.suite == CTL_SRTP_AES_192_CM_HMAC_SHA1_80 ||
	    keys.suite == CTL_SRTP_AES_192_CM_HMAC_SHA1_32 ||
	    !key_parse(sends, bytes, keys.sends) || !key_parse(hears, bytes, keys.hears))
		return false;
	*ret = keys;
	return true;
}

static void put_be(unsigned char *at, uint32_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		at[bytes] = (unsigned char)value;
		value >>= 8;
	}
}

static void packet_write(unsigned char *rtp, uint32_t number, uint16_t sequence)
{
	uint32_t ssrc = load_ssrc(number);

	rtp[0] = 0x80;
	rtp[1] = 0;
	put_be(rtp + 2, sequence, 2);
	put_be(rtp + 4, load_timestamp(number, sequence), 4);
	put_be(rtp + 8, ssrc, 4);
	for (unsigned n = 0; n < LOAD_PAYLOAD_BYTES / 16; n++) {
		uint64_t word = load_word(ssrc, sequence, n), other = ~word;

		memcpy(rtp + LOAD_RTP_HEADER_BYTES + (size_t)16 * n, &word, 8);
		memcpy(rtp + LOAD_RTP_HEADER_BYTES + (size_t)16 * n + 8, &other, 8);
	}
}

static uint16_t sum_of(const unsigned char *at, size_t len)
{
	uint32_t sum = 0;

	for (size_t n = 0; n < len; n++)
		sum += n % 2 == 0 ? (uint32_t)at[n] << 8 : at[n];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* A session of its own for each direction: libsrtp2's cost grows with the streams of one. */
static void direction_fill(struct load_sealed *table, const struct load_state *state,
			   uint32_t place, unsigned suite, const unsigned char *key,
			   uint32_t number, unsigned is_sent_to)
{
	struct ctl_srtp_crypto crypto = { .suite = (uint8_t)suite,
					  .key = { (const char *)key, ctl_srtp_key_bytes(suite) } };
	struct reference *reference = reference_create(&crypto, true);

	for (uint32_t round = 0; round < state->rounds; round++) {
		uint16_t sequence = (uint16_t)(state->first + round);
		unsigned char packet[LOAD_RTP_BYTES + 64];
		struct load_sealed *to = &table[load_sealed_at(state, place, sequence, is_sent_to)];
		size_t len;

		packet_write(packet, number, sequence);
		ensure(reference_protect(reference, false, packet, LOAD_RTP_BYTES, &len));
		ensure(len <= sizeof(to->rtp));
		memcpy(to->rtp, packet, len);
		to->bytes = (uint16_t)len;
		to->sum = sum_of(packet, len);
	}
	reference_destroy(reference);
}

void sealed_fill(struct load_sealed *table, const struct load_state *state, uint32_t place,
		 const struct sealed_keys *keys, uint32_t sends, uint32_t hears)
{
	direction_fill(table, state, place, keys->suite, keys->sends, sends, 0);
	direction_fill(table, state, place, keys->suite, keys->hears, hears, 1);
}

/* SPDX-License-Identifier: MIT
 * Our transform beside libsrtp2: the same packets, byte for byte, both ways, under every suite, with
 * CSRCs, header extensions, padding and MKIs of all lengths, around a roll-over and in disorder. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"
#include "media-relay/srtp/srtp.h"
#include "tests/support/reference_srtp.h"

#define PACKETS 3000u
#define DISORDER 25u /* packets */
#define PACKET_MAX 1500u
#define TRAILER_MAX 64u

struct bytes {
	unsigned char p[PACKET_MAX + TRAILER_MAX];
	size_t len;
};

/* One suite, one key, one MKI: both transforms as sender and as receiver. */
struct bench {
	struct srtp_engine engine;
	struct srtp *ours;
	struct reference *sender;
	struct reference *receiver;
	struct rand rand;
	char key[46];
	char mki[SRTP_MKI_MAX_BYTES];
	size_t mki_len;
	bool short_tag;
};

static unsigned below(struct bench *b, unsigned limit)
{
	return rand_below(&b->rand, limit);
}

static struct bench *bench_open(const char *library, enum ctl_srtp_suite suite, size_t mki_len)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct ctl_srtp_crypto crypto = { .suite = (uint8_t)suite };
	struct bytes dummy = { .p = { 0x80, 201, 0, 1 }, .len = 8 };

	ensure(b);
	rand_init_seed(&b->rand, 1000 * suite + mki_len);
	rand_bytes(&b->rand, b->key, sizeof(b->key));
	rand_bytes(&b->rand, b->mki, sizeof(b->mki));
	b->mki_len = mki_len;
	b->short_tag = suite == CTL_SRTP_AES_CM_128_HMAC_SHA1_32 ||
		       suite == CTL_SRTP_AES_192_CM_HMAC_SHA1_32 ||
		       suite == CTL_SRTP_AES_256_CM_HMAC_SHA1_32;
	crypto.key = slice_of(b->key, srtp_master_key_bytes(suite) + srtp_master_salt_bytes(suite));
	crypto.mki = slice_of(b->mki, mki_len);
	assert_int_equal(srtp_engine_init_by(&b->engine, 2, library), OK);
	b->ours = srtp_create(&b->engine);
	ensure(b->ours);
	assert_int_equal(srtp_set_send(b->ours, &crypto), OK);
	assert_int_equal(srtp_set_receive(b->ours, &crypto, 1, 0), OK);
	/* Its first SRTCP index is 1; RFC 3711 3.4 begins with 0. */
	assert_int_equal(srtp_protect(b->ours, true, dummy.p, dummy.len, &dummy.len), SRTP_OK);
	b->sender = reference_create(&crypto, true);
	b->receiver = reference_create(&crypto, false);
	return b;
}

static void bench_close(struct bench *b)
{
	reference_destroy(b->sender);
	reference_destroy(b->receiver);
	srtp_destroy(&b->ours);
	srtp_engine_fini(&b->engine);
	free(b);
}

static struct bytes random_rtp(struct bench *b, uint16_t sequence)
{
	unsigned csrcs = below(b, 3) == 0 ? below(b, 16) : 0;
	bool extends = below(b, 3) == 0;
	struct bytes packet = { .len = 12 + 4 * csrcs };
	unsigned words = below(b, 12);

	rand_bytes(&b->rand, packet.p, sizeof(packet.p));
	packet.p[0] = (unsigned char)(0x80u | csrcs | (extends ? 0x10u : 0));
	packet.p[1] &= 0x8f; /* the marker, and a type that is none of RTCP's */
	packet.p[2] = (unsigned char)(sequence >> 8);
	packet.p[3] = (unsigned char)sequence;
	memset(packet.p + 8, (int)(sequence % 2) + 1, 4); /* two SSRCs */
	if (extends) {
		packet.p[packet.len + 2] = 0;
		packet.p[packet.len + 3] = (unsigned char)words;
		packet.len += 4 + 4 * words;
	}
	packet.len += below(b, 4) == 0 ? below(b, 1300) : below(b, 200);
	if (packet.len > 200 && below(b, 4) == 0) {
		packet.p[0] |= 0x20;
		packet.p[packet.len - 1] = 4;
	}
	return packet;
}

static struct bytes random_rtcp(struct bench *b)
{
	struct bytes packet = { .len = 4 * (2 + below(b, 60)) };

	rand_bytes(&b->rand, packet.p, sizeof(packet.p));
	packet.p[0] = 0x81;
	packet.p[1] = 200;
	packet.p[2] = 0;
	packet.p[3] = (unsigned char)(packet.len / 4 - 1);
	memset(packet.p + 4, 1, 4); /* one SSRC: it has a row of indices for each, we have one for all */
	return packet;
}

static struct bytes theirs(struct bench *b, bool control, struct bytes packet)
{
	assert_true(reference_protect(b->sender, control, packet.p, packet.len, &packet.len));
	return packet;
}

static struct bytes ours(struct bench *b, bool control, struct bytes packet)
{
	assert_int_equal(srtp_protect(b->ours, control, packet.p, packet.len, &packet.len), SRTP_OK);
	return packet;
}

static void assert_same(const struct bytes *a, const struct bytes *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->p, b->p, a->len);
}

/* Both read it alike: opened, or refused. True: opened. */
static bool both_open(struct bench *b, bool control, const struct bytes *packet)
{
	struct bytes mine = *packet;
	struct bytes other = *packet;
	enum srtp_verdict verdict =
		srtp_unprotect(b->ours, control, mine.p, mine.len, 0, &mine.len);

	assert_int_equal(verdict == SRTP_OK, reference_unprotect(b->receiver, control, other.p,
								 other.len, &other.len));
	if (verdict != SRTP_OK)
		return false;
	assert_same(&mine, &other);
	return true;
}

static void stream_of_packets(struct bench *b)
{
	struct bytes *sent = calloc(PACKETS, sizeof(*sent));
	uint32_t sequence = 65536 - PACKETS / 2;
	unsigned opened = 0;

	ensure(sent);
	for (unsigned i = 0; i < PACKETS; i++) {
		struct bytes plain = random_rtp(b, (uint16_t)sequence);
		struct bytes reference = theirs(b, false, plain);

		sent[i] = ours(b, false, plain);
		assert_same(&sent[i], &reference);
		sequence += below(b, 20) == 0 ? 1 + below(b, 50) : 1;
	}
	for (unsigned i = 0; i + 1 < PACKETS; i++) { /* a neighbour a little further on comes first */
		unsigned other = i + below(b, DISORDER);
		struct bytes swap = sent[i];

		if (other < PACKETS && below(b, 4) == 0) {
			sent[i] = sent[other];
			sent[other] = swap;
		}
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		struct bytes forged = sent[i];

		forged.p[8 + below(b, (unsigned)forged.len - 8)] ^= 1;
		assert_false(both_open(b, false, &forged));
		opened += both_open(b, false, &sent[i]);
		assert_false(both_open(b, false, &sent[i - below(b, i < 200 ? i + 1 : 200)]));
	}
	assert_true(opened > PACKETS * 9 / 10); /* some came too late: refused by both */
	free(sent);
}

static void reports(struct bench *b)
{
	for (unsigned i = 0; i < 300; i++) {
		struct bytes plain = random_rtcp(b);
		struct bytes sealed = ours(b, true, plain);
		struct bytes reference = theirs(b, true, plain);
		struct bytes forged = sealed;

		assert_same(&sealed, &reference);
		/* It looks for the MKI of SRTCP before a tag of RTP's length (2.5.0). */
		if (b->mki_len > 0 && b->short_tag)
			continue;
		forged.p[8 + below(b, (unsigned)forged.len - 8)] ^= 0x10;
		assert_false(both_open(b, true, &forged));
		assert_true(both_open(b, true, &sealed));
		assert_false(both_open(b, true, &sealed));
	}
}

static void every_suite_with(const char *library)
{
	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++) {
		/* It derives keys of 192 bits by AES-256; RFC 6188 4 says AES-192, and its vectors too. */
		if (srtp_master_key_bytes((enum ctl_srtp_suite)suite) == 24)
			continue;
		for (size_t mki_len = 0; mki_len <= SRTP_MKI_MAX_BYTES; mki_len += 4) {
			struct bench *b = bench_open(library, (enum ctl_srtp_suite)suite, mki_len);

			stream_of_packets(b);
			reports(b);
			bench_close(b);
		}
	}
}

static void every_suite(void **state)
{
	static const char *const libraries[] = { "ipsec-mb", "OpenSSL" };
	struct srtp_engine engine;

	(void)state;
	if (!reference_load()) {
		print_message("libsrtp2 is not installed\n");
		skip();
	}
	for (unsigned i = 0; i < array_size(libraries); i++) {
		enum err err = srtp_engine_init_by(&engine, 1, libraries[i]);

		srtp_engine_fini(&engine);
		if (err != ERR_UNSUPPORTED)
			every_suite_with(libraries[i]);
		else
			assert_string_equal(libraries[i], "ipsec-mb"); /* not on every processor */
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(every_suite) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Expectations are worked out by hand from RFC 3550 (A.1, A.3, A.8), RFC 5761, RFC 7983 and G.107. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp.h"

struct datagram {
	enum rtp_kind kind;
	size_t len;
	unsigned char bytes[32];
};

static void datagrams(void **state)
{
	static const struct datagram table[] = {
		{ RTP_EMPTY, 0, { 0 } },
		{ RTP_STUN, 1, { 0 } },
		{ RTP_STUN, 20, { 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 } },
		{ RTP_DTLS, 13, { 22, 0xfe, 0xfd } },
		{ RTP_OTHER, 1, { 4 } },
		{ RTP_OTHER, 1, { 19 } },                 /* ZRTP ends */
		{ RTP_DTLS, 1, { 20 } },
		{ RTP_DTLS, 1, { 63 } },
		{ RTP_OTHER, 1, { 64 } },                 /* TURN channels begin */
		{ RTP_OTHER, 12, { 0x40, 0 } },           /* RTP version 1, or a TURN channel */
		{ RTP_OTHER, 12, { 0xc0, 0 } },           /* version 3 */
		{ RTP_MALFORMED, 1, { 0x80 } },
		{ RTP_MALFORMED, 11, { 0x80, 0 } },
		{ RTP_MEDIA, 12, { 0x80, 0 } },
		{ RTP_MEDIA, 12, { 0x80, 0xff } },        /* marker and type 127 */
		{ RTP_MEDIA, 12, { 0x80, 191 } },         /* marker and type 63 */
		{ RTP_MEDIA, 12, { 0x80, 224 } },         /* marker and type 96 */
		{ RTP_MEDIA, 12, { 0x80, 72 } },          /* without the marker: no RTCP */
		{ RTP_MALFORMED, 15, { 0x81, 0 } },       /* one CSRC, not there */
		{ RTP_MEDIA, 16, { 0x81, 0 } },
		{ RTP_MALFORMED, 28, { 0x8f, 0 } },       /* 15 CSRCs take 60 bytes */
		{ RTP_MALFORMED, 14, { 0x90, 0 } },       /* extension without its head */
		{ RTP_MEDIA, 16, { 0x90, 0 } },           /* extension of no words */
		{ RTP_MALFORMED, 16, { 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1 } },
		{ RTP_MEDIA, 20, { 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1 } },
		{ RTP_MALFORMED, 20, { 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
		{ RTP_MALFORMED, 12, { 0xa0, 0 } },       /* padding of 0 */
		{ RTP_MALFORMED, 13, { 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 } },
		{ RTP_MEDIA, 13, { 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
		{ RTP_CONTROL, 8, { 0x80, 201, 0, 1 } },
		{ RTP_CONTROL, 8, { 0x81, 203, 0, 1 } },
		{ RTP_CONTROL, 8, { 0x80, 192, 0, 1 } },
		{ RTP_CONTROL, 8, { 0x80, 223, 0, 1 } },
		{ RTP_MALFORMED, 4, { 0x80, 201, 0, 0 } }, /* no SSRC */
		{ RTP_MALFORMED, 8, { 0x80, 201, 0, 2 } }, /* longer than the datagram */
		{ RTP_MALFORMED, 12, { 0x80, 201, 0, 1 } }, /* a second part of version 0 */
		{ RTP_CONTROL, 16, { 0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 202, 0, 1 } },
		{ RTP_MALFORMED, 16, { 0x80, 201, 0, 1, 0, 0, 0, 9, 0x80, 96, 0, 1 } },
		{ RTP_MALFORMED, 9, { 0x80, 201, 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct rtp_header header;
		uint32_t ssrc;
		enum rtp_kind kind = rtp_classify(table[i].bytes, table[i].len, &header, &ssrc);

		if (kind != table[i].kind)
			fail_msg("row %zu: %d instead of %d", i, (int)kind, (int)table[i].kind);
	}
}

static void header_fields(void **state)
{
	/* Padding, extension, two CSRCs, marker, type 101. */
	static const unsigned char bytes[] = {
		0xb2, 0xe5, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04,
		0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 'h', 'i', '!', 0, 2,
	};
	struct rtp_header header;
	uint32_t ssrc;

	(void)state;
	assert_int_equal(rtp_classify(bytes, sizeof(bytes), &header, &ssrc), RTP_MEDIA);
	assert_int_equal(header.payload_type, 101);
	assert_true(header.marker);
	assert_int_equal(header.sequence, 0x1234);
	assert_int_equal(header.timestamp, 0xdeadbeef);
	assert_int_equal(header.ssrc, 0x01020304);
	assert_int_equal(header.payload_at, 28);
	assert_int_equal(header.payload_len, 3);
}

static void count(struct rtp_source *source, uint32_t ssrc, uint16_t sequence)
{
	struct rtp_header header = { .ssrc = ssrc, .sequence = sequence };

	rtp_source_count(source, &header, 0, 0);
}

struct losses {
	const char *what;
	uint64_t expected;
	int64_t lost;
	unsigned count;
	uint16_t sequences[12];
};

static void losses(void **state)
{
	static const struct losses table[] = {
		{ "nothing", 0, 0, 0, { 0 } },
		{ "one", 1, 0, 1, { 7 } },
		{ "in order", 5, 0, 5, { 1, 2, 3, 4, 5 } },
		{ "two lost", 5, 2, 3, { 1, 2, 5 } },
		{ "reordered", 5, 0, 5, { 1, 2, 4, 3, 5 } },
		{ "a duplicate", 3, -1, 4, { 1, 2, 2, 3 } },
		{ "wrap", 6, 0, 6, { 65533, 65534, 65535, 0, 1, 2 } },
		{ "loss at the wrap", 5, 1, 4, { 65534, 65535, 1, 2 } },
		{ "reordered over the wrap", 4, 0, 4, { 65534, 0, 65535, 1 } },
		{ "older than the first", 2, -1, 3, { 65535, 0, 65534 } },
		/* A.1: one stray packet far away is not believed … */
		{ "a stray", 3, 0, 4, { 1, 2, 20000, 3 } },
		/* … two in a row are a restart; the first of them was not counted. */
		{ "a restart", 5, 0, 6, { 1, 2, 3, 20000, 20001, 20002 } },
		{ "the largest gap", 3000, 2998, 2, { 0, 2999 } },
		{ "MAX_DROPOUT: a jump that waits", 1, 0, 2, { 0, 3000 } },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct rtp_source source = { .valid = false };

		for (unsigned n = 0; n < table[i].count; n++)
			count(&source, 9, table[i].sequences[n]);
		if (rtp_source_expected(&source) != table[i].expected ||
		    rtp_source_lost(&source) != table[i].lost)
			fail_msg("%s: expected %lu lost %ld", table[i].what,
				 (unsigned long)rtp_source_expected(&source),
				 (long)rtp_source_lost(&source));
	}
}

/* The extended sequence number goes on over many wraps. */
static void many_wraps(void **state)
{
	struct rtp_source source = { .valid = false };

	(void)state;
	for (uint32_t sequence = 0; sequence <= 1000000; sequence += 2000)
		count(&source, 1, (uint16_t)sequence);
	assert_int_equal(rtp_source_expected(&source), 1000001);
	assert_int_equal(rtp_source_lost(&source), 1000001 - 501);
}

static void another_ssrc(void **state)
{
	struct rtp_source source = { .valid = false };

	(void)state;
	count(&source, 1, 10);
	count(&source, 1, 12); /* 3 expected, 1 lost */
	count(&source, 2, 60000);
	count(&source, 2, 60003); /* 4 expected, 2 lost */
	assert_int_equal(rtp_source_expected(&source), 7);
	assert_int_equal(rtp_source_lost(&source), 3);
	count(&source, 1, 13); /* the first again: a new count, nothing lost between */
	assert_int_equal(rtp_source_expected(&source), 8);
	assert_int_equal(rtp_source_lost(&source), 3);
	assert_int_equal(source.ssrc, 1);
}

static void arrive(struct rtp_source *source, uint16_t sequence, uint32_t timestamp,
		   uint64_t arrival_us, uint32_t clock_hz)
{
	struct rtp_header header = { .ssrc = 1, .sequence = sequence, .timestamp = timestamp };

	rtp_source_count(source, &header, arrival_us, clock_hz);
}

/* A.8 in whole numbers: J16 += |D| - ((J16 + 8) >> 4). Packets of 20 ms (160 at 8 kHz), the third
 * 5 ms late: |D| is 0, 40, 40. J16: 0, 40, 40 + 40 - 3 = 77, then |D| 0: 77 - 5 = 72. */
static void jitter(void **state)
{
	struct rtp_source source = { .valid = false };
	const uint64_t start_us = UINT64_C(1234567890123);

	(void)state;
	arrive(&source, 1, 4294967200u, start_us, 8000);
	assert_int_equal(source.jitter16, 0);
	arrive(&source, 2, 64, start_us + 20000, 8000); /* the timestamp wraps */
	assert_int_equal(source.jitter16, 0);
	arrive(&source, 3, 224, start_us + 45000, 8000);
	assert_int_equal(source.jitter16, 40);
	arrive(&source, 4, 384, start_us + 60000, 8000);
	assert_int_equal(source.jitter16, 77);
	arrive(&source, 5, 544, start_us + 80000, 8000);
	assert_int_equal(source.jitter16, 72);
	assert_int_equal(rtp_source_jitter_us(&source), 72 * 1000000 / 16 / 8000);
	/* telephone-event: its timestamp stands still, so it says nothing */
	arrive(&source, 6, 544, start_us + 100000, 0);
	assert_int_equal(source.jitter16, 72);
	/* Another clock: the same time in its unit, and no difference across the change. */
	arrive(&source, 7, 1000000, start_us + 120000, 16000);
	assert_int_equal(source.jitter16, 144);
	assert_int_equal(rtp_source_jitter_us(&source), 72 * 1000000 / 16 / 8000);
	arrive(&source, 8, 1000320, start_us + 140000, 16000);
	assert_int_equal(source.jitter16, 144 - 9);
}

static void jitter_restarts_with_the_ssrc(void **state)
{
	struct rtp_source source = { .valid = false };
	struct rtp_header header = { .ssrc = 2, .sequence = 9, .timestamp = 777777 };

	(void)state;
	arrive(&source, 1, 0, 0, 8000);
	arrive(&source, 2, 160, 20000, 8000);
	rtp_source_count(&source, &header, 40000, 8000);
	assert_int_equal(source.jitter16, 0);
}

static void static_clocks(void **state)
{
	(void)state;
	assert_int_equal(rtp_static_clock_hz(0), 8000);
	assert_int_equal(rtp_static_clock_hz(9), 8000); /* G722, RFC 3551 4.5.2 */
	assert_int_equal(rtp_static_clock_hz(11), 44100);
	assert_int_equal(rtp_static_clock_hz(34), 90000);
}

struct order {
	const char *what;
	uint64_t reordered;
	uint64_t duplicated;
	unsigned count;
	uint16_t sequences[12];
};

static void order(void **state)
{
	static const struct order table[] = {
		{ "in order", 0, 0, 3, { 1, 2, 3 } },
		{ "a gap", 0, 0, 3, { 1, 5, 6 } },
		{ "one late", 1, 0, 4, { 1, 3, 2, 4 } },
		{ "two late, one of them twice", 2, 1, 6, { 1, 4, 2, 3, 2, 5 } },
		{ "the first again", 0, 1, 2, { 7, 7 } },
		{ "every one twice", 0, 3, 6, { 1, 1, 2, 2, 3, 3 } },
		{ "late over the wrap", 1, 0, 3, { 65534, 0, 65535 } },
		{ "again over the wrap", 0, 1, 3, { 65535, 0, 65535 } },
		{ "63 back is seen", 0, 1, 3, { 100, 163, 100 } },
		{ "64 back is beyond the window", 1, 0, 3, { 100, 164, 100 } },
		{ "a restart begins a window", 0, 1, 6, { 1, 2, 20000, 20001, 20001, 20002 } },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct rtp_source source = { .valid = false };

		for (unsigned n = 0; n < table[i].count; n++)
			count(&source, 9, table[i].sequences[n]);
		if (source.reordered != table[i].reordered ||
		    source.duplicated != table[i].duplicated)
			fail_msg("%s: reordered %lu duplicated %lu", table[i].what,
				 (unsigned long)source.reordered,
				 (unsigned long)source.duplicated);
	}
}

static void assert_near(double value, double expected, double tolerance)
{
	if (value < expected - tolerance || value > expected + tolerance)
		fail_msg("%f is not %f +- %f", value, expected, tolerance);
}

/* G.107 7.7: with all default values R is 93.2. */
static void rating_by_default(void **state)
{
	(void)state;
	assert_near(rtp_emodel(0, 0, 25.1, 0), 93.2, 0.05);
}

/* G.113 (02/2001) table I.2, the impairment of codec and random loss together, in whole numbers that
 * were found by listening; the formula with Ie and Bpl follows them within 2.5. */
static void impairment_by_loss(void **state)
{
	static const struct {
		double ie;
		double bpl;
		double loss_percent;
		double impairment;
	} table[] = {
		{ 0, 25.1, 0, 0 },   { 0, 25.1, 1, 5 },    { 0, 25.1, 2, 7 },    { 0, 25.1, 3, 10 },
		{ 0, 25.1, 5, 15 },  { 0, 25.1, 7, 20 },   { 0, 25.1, 10, 25 },  { 0, 25.1, 15, 35 },
		{ 11, 19.0, 0, 11 }, { 11, 19.0, 1, 15 },  { 11, 19.0, 2, 19 },  { 11, 19.0, 3, 23 },
		{ 11, 19.0, 4, 26 }, { 11, 19.0, 8, 36 },  { 15, 16.1, 0, 15 },  { 15, 16.1, 1, 19 },
		{ 15, 16.1, 2, 24 }, { 15, 16.1, 4, 32 },  { 15, 16.1, 8, 41 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++)
		assert_near(93.2 - rtp_emodel(0, table[i].ie, table[i].bpl, table[i].loss_percent),
			    table[i].impairment, 2.5);
}

/* The usual approximation of the delay's part (Cole and Rosenbluth, 2001): 0.024 d, and 0.11 more for
 * each millisecond above 177.3; it was fitted to the model up to 400 ms, and is close up to 250. */
static void impairment_by_delay(void **state)
{
	(void)state;
	for (double delay_ms = 0; delay_ms <= 250; delay_ms += 10) {
		double more_ms = delay_ms > 177.3 ? delay_ms - 177.3 : 0;

		assert_near(93.2 - rtp_emodel(delay_ms, 0, 25.1, 0),
			    0.024 * delay_ms + 0.11 * more_ms, 1.2);
	}
}

/* G.107 table B.1 */
static void opinion(void **state)
{
	(void)state;
	assert_in_range(rtp_mos_x100(90), 434, 434);
	assert_in_range(rtp_mos_x100(80), 402, 403);
	assert_in_range(rtp_mos_x100(70), 360, 360);
	assert_in_range(rtp_mos_x100(60), 310, 310);
	assert_in_range(rtp_mos_x100(50), 257, 258);
	assert_int_equal(rtp_mos_x100(93.2), 441);
	assert_int_equal(rtp_mos_x100(0), 100);
	assert_int_equal(rtp_mos_x100(3), 100); /* the polynomial is below 1 there */
	assert_int_equal(rtp_mos_x100(-40), 100);
	assert_int_equal(rtp_mos_x100(100), 450);
}

/* Worse is never better. */
static void ratings_fall(void **state)
{
	(void)state;
	for (int codec = 0; codec < CTL_CODECS; codec++) {
		struct rtp_quality quality = { .codec = (enum ctl_codec)codec };
		double rating = rtp_rating(&quality);

		for (quality.loss = 0.02; quality.loss < 1.2; quality.loss += 0.02) {
			assert_true(rtp_rating(&quality) <= rating);
			rating = rtp_rating(&quality);
		}
		quality.loss = 0;
		rating = rtp_rating(&quality);
		for (quality.jitter_ms = 1; quality.jitter_ms < 1000; quality.jitter_ms *= 2) {
			assert_true(rtp_rating(&quality) <= rating);
			rating = rtp_rating(&quality);
		}
	}
	assert_int_equal(rtp_static_codec(8), CTL_CODEC_G711);
	assert_int_equal(rtp_static_codec(18), CTL_CODEC_G729);
	assert_int_equal(rtp_static_codec(96), CTL_CODEC_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(header_fields),
		cmocka_unit_test(losses),
		cmocka_unit_test(many_wraps),
		cmocka_unit_test(another_ssrc),
		cmocka_unit_test(jitter),
		cmocka_unit_test(jitter_restarts_with_the_ssrc),
		cmocka_unit_test(static_clocks),
		cmocka_unit_test(order),
		cmocka_unit_test(rating_by_default),
		cmocka_unit_test(impairment_by_loss),
		cmocka_unit_test(impairment_by_delay),
		cmocka_unit_test(opinion),
		cmocka_unit_test(ratings_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * The direction algebra of RFC 3264 6.1 and 8.4, the static payload types of RFC 3551. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "sbc/sdp/sdp.h"

#define I SDP_INACTIVE
#define S SDP_SENDONLY
#define R SDP_RECVONLY
#define B SDP_SENDRECV

/* Rows: what was offered; columns: what the answerer would like. Typed from RFC 3264 6.1: sendonly
 * takes recvonly or inactive, recvonly takes sendonly or inactive, inactive takes inactive only,
 * sendrecv takes all. */
static void test_answers(void **state)
{
	static const enum sdp_direction golden[4][4] = {
		[I] = { [I] = I, [S] = I, [R] = I, [B] = I },
		[S] = { [I] = I, [S] = I, [R] = R, [B] = R },
		[R] = { [I] = I, [S] = S, [R] = I, [B] = S },
		[B] = { [I] = I, [S] = S, [R] = R, [B] = B },
	};

	(void)state;
	for (unsigned offered = 0; offered < 4; offered++)
		for (unsigned want = 0; want < 4; want++)
			assert_int_equal(sdp_direction_answer((enum sdp_direction)offered,
							      (enum sdp_direction)want),
					 golden[offered][want]);
	assert_int_equal(sdp_direction_reverse(S), R);
	assert_int_equal(sdp_direction_reverse(R), S);
	assert_int_equal(sdp_direction_reverse(B), B);
	assert_int_equal(sdp_direction_reverse(I), I);
	assert_string_equal(sdp_direction_text(I), "inactive");
	assert_string_equal(sdp_direction_text(S), "sendonly");
	assert_string_equal(sdp_direction_text(R), "recvonly");
	assert_string_equal(sdp_direction_text(B), "sendrecv");
}

static void test_static_types(void **state)
{
	static const struct {
		uint8_t payload_type;
		const char *encoding;
		uint32_t clock_hz;
		uint16_t channels;
	} golden[] = {
		{ 0, "PCMU", 8000, 1 },	  { 3, "GSM", 8000, 1 },     { 8, "PCMA", 8000, 1 },
		{ 9, "G722", 8000, 1 },	  { 10, "L16", 44100, 2 },   { 13, "CN", 8000, 1 },
		{ 18, "G729", 8000, 1 },  { 26, "JPEG", 90000, 1 },  { 34, "H263", 90000, 1 },
	};
	static const uint8_t none[] = { 1, 2, 19, 20, 24, 27, 29, 30, 35, 72, 96, 127, 255 };
	struct sdp_codec codec;

	(void)state;
	for (size_t i = 0; i < array_size(golden); i++) {
		assert_true(sdp_static_codec(golden[i].payload_type, &codec));
		assert_slice(codec.encoding, golden[i].encoding);
		assert_int_equal(codec.clock_hz, golden[i].clock_hz);
		assert_int_equal(codec.channels, golden[i].channels);
		assert_int_equal(codec.payload_type, golden[i].payload_type);
	}
	for (size_t i = 0; i < array_size(none); i++)
		assert_false(sdp_static_codec(none[i], &codec));
}

static void test_same_codec(void **state)
{
	struct sdp_codec a = { .encoding = SLICE("OPUS"), .clock_hz = 48000, .channels = 2 };
	struct sdp_codec b = { .encoding = SLICE("opus"), .clock_hz = 48000, .channels = 2 };

	(void)state;
	assert_true(sdp_codec_same(&a, &b));
	b.channels = 1;
	assert_false(sdp_codec_same(&a, &b));
	b = a;
	b.clock_hz = 16000;
	assert_false(sdp_codec_same(&a, &b));
}

static void test_protos(void **state)
{
	(void)state;
	assert_string_equal(sdp_proto_text(SDP_RTP_AVP), "RTP/AVP");
	assert_string_equal(sdp_proto_text(SDP_DTLS_SAVPF), "UDP/TLS/RTP/SAVPF");
	assert_string_equal(sdp_proto_text(SDP_PROTO_OTHER), "other");
	assert_string_equal(sdp_kind_text(SDP_AUDIO), "audio");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_static_types),
		cmocka_unit_test(test_same_codec),
		cmocka_unit_test(test_protos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * a=crypto by RFC 4568's grammar and its own examples, a=fingerprint by RFC 8122's, a=setup, and ICE's
 * texts. */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "lib/base/text.h"
#include "sbc/sdp/sdp.h"

#define KEY "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj" /* 30 octets, of RFC 4568 */
#define GCM "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==" /* 28 octets */

static const struct {
	const char *value;
	enum err err;
	uint32_t tag;
	const char *suite;
	uint8_t len;
	uint8_t mki_bytes;
	uint64_t mki;
} lines[] = {
	/* RFC 4568 section 6.1 and appendix */
	{ "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|2^20|1:32", OK, 1, "AES_CM_128_HMAC_SHA1_80", 30, 32,
	  1 },
	{ "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|1048576|1:4", OK, 1, "AES_CM_128_HMAC_SHA1_80", 30, 4,
	  1 },
	{ "2 F8_128_HMAC_SHA1_80 inline:" KEY "|2^20|1:4 FEC_ORDER=FEC_SRTP", ERR_UNSUPPORTED },
	{ "2 F8_128_HMAC_SHA1_80 inline:" KEY, OK, 2, "F8_128_HMAC_SHA1_80", 30 },
	{ "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|2^20", OK, 1, "AES_CM_128_HMAC_SHA1_80", 30 },
	{ "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY "|77:2", OK, 1, "AES_CM_128_HMAC_SHA1_80", 30, 2, 77 },
	{ "999999999 X inline:" GCM, OK, 999999999, "X", 28 },
	{ "01 X inline:" GCM, OK, 1, "X", 28 },
	{ "0 X\t inline:" GCM, OK, 0, "X", 28 },
	{ "1 X inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw", OK, 1, "X", 28 }, /* no padding */
	/* session parameters */
	{ "1 X inline:" KEY " KDR=0 WSH=64 -something=1 -x", OK, 1, "X", 30 },
	{ "1 X inline:" KEY " KDR=1", ERR_UNSUPPORTED },
	{ "1 X inline:" KEY " KDR=25", ERR_SYNTAX },
	{ "1 X inline:" KEY " KDR=", ERR_SYNTAX },
	{ "1 X inline:" KEY " WSH=63", ERR_SYNTAX },
	{ "1 X inline:" KEY " FEC_KEY=inline:" KEY, ERR_UNSUPPORTED },
	{ "1 X inline:" KEY " dummy_session_param", ERR_UNSUPPORTED },
	{ "1 X inline:" KEY " unencrypted_srtp", ERR_UNSUPPORTED },
	/* not the grammar */
	{ "", ERR_SYNTAX },
	{ "1", ERR_SYNTAX },
	{ "1 X", ERR_SYNTAX },
	{ "1 X ", ERR_SYNTAX },
	{ "1 X " KEY, ERR_SYNTAX },
	{ "1 X inline:", OK, 1, "X", 0 }, /* of no suite's length */
	{ "1 X Inline:" KEY, ERR_SYNTAX },
	{ "1a X inline:" KEY, ERR_SYNTAX },
	{ "-1 X inline:" KEY, ERR_SYNTAX },
	{ "1000000000 X inline:" KEY, ERR_SYNTAX },
	{ "1 X/Y inline:" KEY, ERR_SYNTAX },
	{ "1 X inline:@@@" KEY, ERR_SYNTAX },
	{ "1 X inline:" KEY KEY, ERR_UNSUPPORTED },
	{ "1 X inline:" KEY " ", ERR_SYNTAX },
	{ "1 X inline:" KEY "|", ERR_SYNTAX },
	{ "1 X inline:" KEY "|0", ERR_SYNTAX },
	{ "1 X inline:" KEY "|2^49", ERR_SYNTAX },
	{ "1 X inline:" KEY "|2^", ERR_SYNTAX },
	{ "1 X inline:" KEY "|2^20|", ERR_SYNTAX },
	{ "1 X inline:" KEY "|2^20|1", ERR_SYNTAX },
	{ "1 X inline:" KEY "|1:4|2^20", ERR_SYNTAX },
	{ "1 X inline:" KEY "|1:0", ERR_SYNTAX },
	{ "1 X inline:" KEY "|1:129", ERR_SYNTAX },
	{ "1 X inline:" KEY "|256:1", ERR_SYNTAX },
	{ "1 X inline:" KEY "|255:1", OK, 1, "X", 30, 1, 255 },
	{ "1 X inline:" KEY "|99999999999999999999999:32", ERR_UNSUPPORTED },
	{ "1 X inline:" KEY ";inline:" KEY, ERR_SYNTAX },
	{ "1 X inline:" KEY "|1:4;inline:" KEY "|2:1", ERR_SYNTAX },
	{ "1 X inline:" KEY "|1:4;inline:" KEY "|2:4;inline:" KEY "|3:4", ERR_UNSUPPORTED },
};

static void test_crypto(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(lines); i++) {
		struct sdp_crypto crypto = { .tag = 4711 };
		enum err err = sdp_crypto_parse(slice_text(lines[i].value), &crypto);

		if (err != lines[i].err)
			fail_msg("%s: %s", lines[i].value, err_text(err));
		if (err != OK) {
			assert_int_equal(crypto.tag, 4711);
			continue;
		}
		assert_int_equal(crypto.tag, lines[i].tag);
		assert_slice(crypto.suite, lines[i].suite);
		assert_int_equal(crypto.key_count, 1);
		assert_int_equal(crypto.keys[0].len, lines[i].len);
		assert_int_equal(crypto.keys[0].mki_bytes, lines[i].mki_bytes);
		assert_int_equal(crypto.keys[0].mki, lines[i].mki);
		assert_false(crypto.unencrypted_rtp || crypto.unencrypted_rtcp ||
			     crypto.unauthenticated_rtp);
	}
}

static void test_crypto_whole(void **state)
{
	struct sdp_crypto crypto;

	(void)state;
	assert_int_equal(sdp_crypto_parse(SLICE("3 X inline:" GCM "|2^20|1:4;inline:" KEY "|2^20|2:4 "
						"UNENCRYPTED_SRTCP UNENCRYPTED_SRTP "
						"UNAUTHENTICATED_SRTP"),
					  &crypto),
			 OK);
	assert_int_equal(crypto.key_count, 2);
	for (unsigned i = 0; i < 28; i++)
		assert_int_equal(crypto.keys[0].bytes[i], i);
	/* python3: base64.b64decode(KEY) */
	assert_memory_equal(crypto.keys[1].bytes, "wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#", 30);
	assert_int_equal(crypto.keys[1].mki, 2);
	assert_true(crypto.unencrypted_rtp && crypto.unencrypted_rtcp && crypto.unauthenticated_rtp);
}

static void test_fingerprint(void **state)
{
	static const char *const wrong[] = {
		"",	      "sha-256",	"sha-256 ",    "sha-256 4",  "sha-256 4A:", "sha-256 :4A",
		"sha-256 4AA", "sha-256 4A-BB", "sha-256 4G", "sha-256 4A:B", "sha/256 4A",  "$x $fingerprint",
	};
	struct sdp_fingerprint fingerprint = { .len = 77 };

	(void)state;
	for (size_t i = 0; i < array_size(wrong); i++) {
		if (sdp_fingerprint_parse(slice_text(wrong[i]), &fingerprint) != ERR_SYNTAX)
			fail_msg("%s", wrong[i]);
		assert_int_equal(fingerprint.len, 77);
	}
	/* RFC 8122 section 5 */
	assert_int_equal(sdp_fingerprint_parse(
				 SLICE("SHA-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:"
				       "54:02:12:DF:3E:5D:49:6b:19:e5:7C:AB:4A:AD"),
				 &fingerprint),
			 OK);
	assert_slice(fingerprint.hash, "SHA-256");
	assert_int_equal(fingerprint.len, 32);
	assert_memory_equal(fingerprint.bytes, "\x12\xdf\x3e\x5d\x49\x6b\x19\xe5", 8);
	assert_memory_equal(fingerprint.bytes + 24, "\x49\x6b\x19\xe5\x7c\xab\x4a\xad", 8);
}

static void test_fingerprint_length(void **state)
{
	struct sdp_fingerprint fingerprint;
	char storage[4 + 3 * 66];
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	text_lit(&text, "x 0A");
	for (unsigned bytes = 1; bytes < 66; bytes++) {
		if (bytes > 1)
			text_lit(&text, ":0A");
		assert_int_equal(sdp_fingerprint_parse(text_done(&text), &fingerprint),
				 bytes <= 64 ? OK : ERR_UNSUPPORTED);
		assert_int_equal(fingerprint.len, bytes <= 64 ? bytes : 64);
	}
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(sdp_setup_find(SLICE("actpass")), SDP_SETUP_ACTPASS);
	assert_int_equal(sdp_setup_find(SLICE("active")), SDP_SETUP_ACTIVE);
	assert_int_equal(sdp_setup_find(SLICE("PASSIVE")), SDP_SETUP_PASSIVE);
	assert_int_equal(sdp_setup_find(SLICE("holdconn")), SDP_SETUP_HOLDCONN);
	assert_int_equal(sdp_setup_find(SLICE("")), SDP_SETUP_NONE);
	assert_int_equal(sdp_setup_find(SLICE("both")), SDP_SETUP_NONE);
	assert_string_equal(sdp_setup_text(SDP_SETUP_ACTPASS), "actpass");
	assert_string_equal(sdp_setup_text(SDP_SETUP_ACTIVE), "active");
	assert_string_equal(sdp_setup_text(SDP_SETUP_PASSIVE), "passive");
	assert_true(sdp_is_ice_text(SLICE("8hhY"), 4));
	assert_true(sdp_is_ice_text(SLICE("asd88fgpdd777uzjYhagZg"), 22));
	assert_true(sdp_is_ice_text(SLICE("a+/Z"), 4));
	assert_false(sdp_is_ice_text(SLICE("abc"), 4));
	assert_false(sdp_is_ice_text(SLICE("ab c"), 4));
	assert_false(sdp_is_ice_text(SLICE("abc:"), 4));
}

/* An m-line's own attribute goes before the session's. */
static void test_levels(void **state)
{
	static const char text[] = "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nt=0 0\r\na=setup:active\r\n"
				   "a=tls-id:x\r\nm=audio 1 RTP/AVP 0\r\na=setup:passive\r\n";
	struct arena_cache cache;
	struct arena arena;
	struct slice value;
	struct sdp sdp;
	unsigned line;

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 20);
	assert_int_equal(sdp_parse(&arena, SLICE(text), &sdp_limits_default, &sdp, &line), OK);
	assert_true(sdp_attribute_of(&sdp, &sdp.media[0], SLICE("setup"), &value));
	assert_slice(value, "passive");
	assert_true(sdp_attribute_of(&sdp, &sdp.media[0], SLICE("tls-id"), &value));
	assert_slice(value, "x");
	assert_false(sdp_attribute_find(&sdp.media[0], SLICE("tls-id"), &value));
	assert_false(sdp_attribute_of(&sdp, &sdp.media[0], SLICE("crypto"), &value));
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crypto),	     cmocka_unit_test(test_crypto_whole),
		cmocka_unit_test(test_fingerprint),  cmocka_unit_test(test_fingerprint_length),
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Calls between a side with SRTP and one without: what each of them hears, whose call is refused, and
 * what the record says of it. */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define CRYPTO(tag) "a=crypto:" tag " AES_CM_128_HMAC_SHA1_80 inline:" KEY "\r\n"
#define SDP(address, media)                                                                        \
	"v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\nm=audio " media

static int setup(void **state)
{
	*state = stage_new();
	return 0;
}

static int teardown(void **state)
{
	stage_end((struct stage **)state);
	return 0;
}

static void call_to(struct stage *stage, const char *number, const char *sdp)
{
	snprintf(stage->a.remote, sizeof(stage->a.remote), "<sip:%s@border.example>", number);
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:%s@192.0.2.2", number);
	stage_invite(stage, sdp);
}

static bool has(struct slice message, const char *part)
{
	return slice_find(message, slice_text(part)) < message.len;
}

static void plain_to_secure(void **state)
{
	struct stage *stage = *state;
	struct slice invite, ok;

	call_to(stage, "7711", SDP_A);
	invite = stage_take(stage, VAULT, "INVITE ");
	assert_true(has(invite, "m=audio ") && has(invite, " RTP/SAVP 0 8\r\n"));
	assert_true(has(invite, "a=crypto:1 AEAD_AES_256_GCM inline:"));
	assert_true(has(invite, "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:"));
	stage_answer(stage, VAULT, invite, 200, "tag-of-b",
		     SDP("198.51.100.23", "5000 RTP/SAVP 0\r\n") CRYPTO("4"));
	stage_take(stage, VAULT, "ACK ");
	ok = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_true(has(ok, " RTP/AVP 0\r\n"));
	assert_false(has(ok, "crypto"));
	stage_learn_a(stage, ok);
	stage_ack_a(stage, stage->a.cseq, NULL);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_skip(stage, VAULT);
	stage_run(stage, 40000);
	assert_string_equal(stage->record_result, "answered");
}

static void answer_without_keys(void **state)
{
	struct stage *stage = *state;

	call_to(stage, "7711", SDP_A);
	stage_answer(stage, VAULT, stage_take(stage, VAULT, "INVITE "), 200, "tag-of-b",
		     SDP("198.51.100.23", "5000 RTP/SAVP 0\r\n"));
	stage_take(stage, VAULT, "ACK ");
	stage_take(stage, VAULT, "BYE ");
	stage_take(stage, PBX, "SIP/2.0 502 ");
	stage_run(stage, 40000);
	stage_skip(stage, VAULT);
	stage_skip(stage, PBX);
	assert_string_equal(stage->record_cause, "answer_keys");
}

static void secure_offer_where_it_is_off(void **state)
{
	struct stage *stage = *state;

	call_to(stage, "4711", SDP("192.0.2.10", "4000 RTP/SAVP 0\r\n") CRYPTO("1"));
	stage_take(stage, PBX, "SIP/2.0 488 ");
	stage_none(stage, GW_1);
	assert_int_equal(stage->records, 1);
	assert_int_equal(stage->record_code, 488);
	assert_string_equal(stage->record_result, "rejected");
	assert_string_equal(stage->record_cause, "srtp_off");
	stage_ack_refusal(stage, stage->invite_a);
}

/* Its name could have led to TLS, and did not: keys are not shown. */
static void no_keys_in_the_clear(void **state)
{
	struct stage *stage = *state;

	call_to(stage, "9711", SDP_A);
	stage_take(stage, PBX, "SIP/2.0 488 ");
	stage_none(stage, "198.51.100.30:5060");
	stage_none(stage, "198.51.100.31:5060");
	assert_int_equal(stage->record_code, 488);
	assert_string_equal(stage->record_cause, "srtp_untrusted");
	stage_ack_refusal(stage, stage->invite_a);
}

static void next_target_without_keys(void **state)
{
	struct stage *stage = *state;
	struct slice invite;

	call_to(stage, "8711", SDP_A);
	stage_none(stage, "198.51.100.30:5060");
	invite = stage_take(stage, GW_1, "INVITE ");
	assert_true(has(invite, " RTP/AVP 0 8\r\n"));
	assert_false(has(invite, "crypto"));
	stage_cancel_a(stage);
	stage_skip(stage, PBX);
	stage_run(stage, 40000);
	stage_skip(stage, GW_1);
}

/* A late offer is made by the other side, and answered in its own profile. */
static void late_offer(void **state)
{
	struct stage *stage = *state;
	struct slice ok, ack;

	call_to(stage, "7711", NULL);
	stage_answer(stage, VAULT, stage_take(stage, VAULT, "INVITE "), 200, "tag-of-b",
		     SDP("198.51.100.23", "5000 RTP/SAVP 0\r\n") CRYPTO("9"));
	ok = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_true(has(ok, " RTP/AVP 0\r\n"));
	stage_learn_a(stage, ok);
	stage_ack_a(stage, stage->a.cseq, SDP("192.0.2.10", "4000 RTP/AVP 0\r\n"));
	ack = stage_take(stage, VAULT, "ACK ");
	assert_true(has(ack, " RTP/SAVP 0\r\n"));
	assert_true(has(ack, "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:"));
	assert_false(has(ack, KEY));
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_skip(stage, VAULT);
	stage_run(stage, 40000);
}

/* Both hear that it is over where the peer is not who the signalling named; what merely takes long is
 * left to the limits on silence. */
static void wrong_certificate(void **state)
{
	struct stage *stage = *state;

	stage_talk(stage);
	border_security_failed(stage->border, CTL_SECURITY_TIMEOUT);
	stage_none(stage, PBX);
	border_security_failed(stage->border, CTL_SECURITY_FINGERPRINT);
	stage_take(stage, PBX, "BYE ");
	stage_take(stage, GW_1, "BYE ");
	stage_run(stage, 40000);
	stage_skip(stage, PBX);
	stage_skip(stage, GW_1);
	assert_int_equal(stage->record_code, 488);
	assert_string_equal(stage->record_result, "failed");
	assert_string_equal(stage->record_cause, "dtls_fingerprint");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_to_secure),	    TEST(answer_without_keys), TEST(secure_offer_where_it_is_off),
		TEST(no_keys_in_the_clear), TEST(next_target_without_keys), TEST(late_offer), TEST(wrong_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

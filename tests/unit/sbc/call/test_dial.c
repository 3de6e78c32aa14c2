/* SPDX-License-Identifier: MIT
 * Digits between INFO and events, by policy: a PBX that passes what comes, a trunk that hears events,
 * one that speaks INFO. */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

#define RELAY_TYPE "Content-Type: application/dtmf-relay\r\n\r\n"
#define SIGNAL(digit, ms) RELAY_TYPE "Signal=" digit "\r\nDuration=" ms "\r\n"
#define SDP(address, media)                                                                        \
	"v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\nm=audio " media
#define EVENTS(number) "a=rtpmap:" number " telephone-event/8000\r\na=fmtp:" number " 0-15\r\n"

static bool has(struct slice message, const char *part)
{
	return slice_find(message, slice_text(part)) < message.len;
}

/* A call that is up, from the PBX with this offer. */
static void talk(struct stage *stage, const char *number, const char *gateway, const char *offer,
		 const char *answer)
{
	struct slice ok;

	snprintf(stage->a.remote, sizeof(stage->a.remote), "<sip:%s@border.example>", number);
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:%s@192.0.2.2", number);
	stage_invite(stage, offer);
	stage_answer(stage, gateway, stage_take(stage, gateway, "INVITE "), 200, "tag-of-b", answer);
	stage_take(stage, gateway, "ACK ");
	ok = stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_learn_a(stage, ok);
	stage_ack_a(stage, stage->a.cseq, NULL);
}

static void hang_up(struct stage *stage, const char *gateway)
{
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, gateway, stage_take(stage, gateway, "BYE "), 200, NULL, NULL);
	stage_end(&stage);
}

static void assert_sent(struct stage *stage, unsigned count, unsigned side, unsigned event,
			unsigned ms, uint8_t number)
{
	unsigned sent;
	const struct ctl_digit_send *digit = border_digit_sent(stage->border, &sent);

	assert_int_equal(sent, count);
	if (count == 0)
		return;
	assert_int_equal(digit->side, side);
	assert_int_equal(digit->event, event);
	assert_int_equal(digit->duration_ms, ms);
	assert_int_equal(digit->payloads[0].payload_type, number);
	assert_int_equal(digit->payloads[0].clock_hz, 8000);
}

/* The PBX dials by INFO; the trunk hears events, which were offered to it though the PBX has none. */
static void info_becomes_events(void **state)
{
	struct stage *stage = stage_new();
	unsigned count;

	(void)state;
	talk(stage, "1711", TONES, SDP_A,
	     SDP("198.51.100.24", "5000 RTP/AVP 0 101\r\n") EVENTS("101"));
	stage_request_a(stage, "INFO", SIGNAL("5", "160"));
	stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_sent(stage, 1, 1, 5, 160, 101);
	stage_request_a(stage, "INFO", "Content-Type: application/dtmf\r\n\r\n#");
	stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_sent(stage, 2, 1, 11, 160, 101);
	stage_none(stage, TONES);
	/* What cannot be read is told; another kind of digits is not taken. */
	stage_request_a(stage, "INFO", SIGNAL("E", "160"));
	stage_take(stage, PBX, "SIP/2.0 400 ");
	stage_request_a(stage, "INFO", "Content-Type: application/dtmf-other\r\n\r\n5");
	assert_true(has(stage_take(stage, PBX, "SIP/2.0 415 "),
			"Accept: application/dtmf-relay, application/dtmf\r\n"));
	assert_sent(stage, 2, 1, 11, 160, 101);
	/* What is no digit crosses, as ever; so does INFO of the side that has events. */
	stage_request_a(stage, "INFO", "Content-Type: application/qsig\r\n\r\nx");
	stage_answer(stage, TONES, stage_take(stage, TONES, "INFO "), 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_request_b(stage, TONES, "INFO", SIGNAL("5", "160"));
	stage_answer(stage, PBX, stage_take(stage, PBX, "INFO "), 200, NULL, NULL);
	stage_take(stage, TONES, "SIP/2.0 200 ");
	/* Without the relay nothing can be made. */
	border_relay_down(stage->border);
	stage_request_a(stage, "INFO", SIGNAL("5", "160"));
	stage_take(stage, PBX, "SIP/2.0 500 ");
	border_relay_up(stage->border, false);
	border_digit_sent(stage->border, &count);
	assert_int_equal(count, 2);
	hang_up(stage, TONES);
}

/* The trunk did not take the events: INFO is all that is left. */
static void no_events_agreed(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	talk(stage, "1711", TONES, SDP_A, SDP("198.51.100.24", "5000 RTP/AVP 0\r\n"));
	stage_request_a(stage, "INFO", SIGNAL("5", "160"));
	stage_answer(stage, TONES, stage_take(stage, TONES, "INFO "), 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_sent(stage, 0, 0, 0, 0, 0);
	hang_up(stage, TONES);
}

static void to_words(struct stage *stage)
{
	talk(stage, "2711", WORDS,
	     SDP("192.0.2.10", "4000 RTP/AVP 0 101\r\n") EVENTS("101"),
	     SDP("198.51.100.25", "5000 RTP/AVP 0\r\n"));
}

/* Digits of the PBX are heard by the relay; INFO of the trunk is made to events for the PBX. */
static void events_become_info(void **state)
{
	struct stage *stage = stage_new();
	struct slice info, next;

	(void)state;
	to_words(stage);
	border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(11, 100));
	info = stage_take(stage, WORDS, "INFO sip:");
	assert_true(has(info, "Content-Type: application/dtmf-relay\r\n"));
	assert_true(slice_eq(raw_body(info), SLICE("Signal=#\r\nDuration=100\r\n")));
	/* In a row, one at a time. */
	border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(1, 7));
	border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(2, 65535));
	stage_none(stage, WORDS);
	stage_answer(stage, WORDS, info, 200, NULL, NULL);
	next = stage_take(stage, WORDS, "INFO sip:");
	assert_int_equal(raw_cseq(next), raw_cseq(info) + 1);
	assert_true(slice_eq(raw_body(next), SLICE("Signal=1\r\nDuration=40\r\n")));
	stage_answer(stage, WORDS, next, 500, NULL, NULL); /* one lost is not all lost */
	next = stage_take(stage, WORDS, "INFO sip:");
	assert_true(slice_eq(raw_body(next), SLICE("Signal=2\r\nDuration=6000\r\n")));
	stage_answer(stage, WORDS, next, 200, NULL, NULL);
	stage_none(stage, WORDS);
	stage_none(stage, PBX);
	/* The side with INFO is not told what it is said to have dialled itself. */
	border_digit_heard(stage->border, 1, CTL_DIGIT_VALUE(3, 100));
	stage_none(stage, PBX);
	stage_request_b(stage, WORDS, "INFO", SIGNAL("9", "300"));
	stage_take(stage, WORDS, "SIP/2.0 200 ");
	assert_sent(stage, 1, 0, 9, 300, 101);
	/* INFO of the PBX crosses as it is. */
	stage_request_a(stage, "INFO", SIGNAL("4", "160"));
	stage_answer(stage, WORDS, stage_take(stage, WORDS, "INFO "), 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	hang_up(stage, WORDS);
}

/* Each is answered, with the same digit. */
static void challenged(void **state)
{
	static const char challenge[] = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
	struct stage *stage = stage_new();
	struct slice info;

	(void)state;
	to_words(stage);
	for (unsigned i = 0; i < 2; i++) {
		char storage[RAW_BYTES];

		border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(i, 100));
		info = stage_take(stage, WORDS, "INFO ");
		stage_feed(stage, WORDS, raw_write_response(storage, info, 401, NULL, NULL, challenge,
							    NULL));
		info = stage_take(stage, WORDS, "INFO ");
		assert_true(has(info, "Authorization: Digest username=\"acct\""));
		assert_true(has(raw_body(info), i == 0 ? "Signal=0" : "Signal=1"));
		stage_answer(stage, WORDS, info, 200, NULL, NULL);
	}
	hang_up(stage, WORDS);
}

/* The dialog is gone there (RFC 3261 12.2.1.2). */
static void dialog_gone(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	to_words(stage);
	border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(1, 100));
	stage_answer(stage, WORDS, stage_take(stage, WORDS, "INFO "), 481, NULL, NULL);
	stage_answer(stage, PBX, stage_take(stage, PBX, "BYE "), 200, NULL, NULL);
	stage_run(stage, 40000);
	stage_skip(stage, WORDS);
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

/* Nobody answers: what waited is stale, the call goes on. And there is a bound to waiting. */
static void silence(void **state)
{
	struct stage *stage = stage_new();
	struct slice info;

	(void)state;
	to_words(stage);
	for (unsigned i = 0; i < 20; i++)
		border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(1, 100));
	assert_int_equal(calls_figures(border_calls(stage->border))->digits[CALL_DIGIT_EVENT], 16);
	assert_int_equal(calls_figures(border_calls(stage->border))->digits[CALL_DIGIT_DROPPED], 4);
	stage_run(stage, 33000);
	stage_skip(stage, WORDS);
	stage_run(stage, 1000);
	stage_none(stage, WORDS);
	border_digit_heard(stage->border, 0, CTL_DIGIT_VALUE(2, 100));
	info = stage_take(stage, WORDS, "INFO ");
	assert_true(has(raw_body(info), "Signal=2"));
	stage_answer(stage, WORDS, info, 200, NULL, NULL);
	hang_up(stage, WORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_becomes_events), cmocka_unit_test(no_events_agreed),
		cmocka_unit_test(events_become_info),  cmocka_unit_test(challenged),
		cmocka_unit_test(dialog_gone),	       cmocka_unit_test(silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

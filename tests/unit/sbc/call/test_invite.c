/* SPDX-License-Identifier: MIT
 * The first INVITE to its end: answers and their ACKs, CANCEL and BYE at every moment, merged requests.
 * What is expected is what RFC 3261 sections 8, 9, 13, 15 and RFC 6026 say. */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

/* The same ACK for every 2xx: a branch of its own, the INVITE's CSeq number (13.2.2.4). */
static void ack_is_repeated(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice first;
	char ack[RAW_BYTES];
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE sip:4711@198.51.100.20:5060 ");
	raw_copy(copy, sizeof(copy), invite);
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	first = stage_take(stage, GW_1, "ACK sip:ua@198.51.100.20:5060 ");
	raw_copy(ack, sizeof(ack), first);
	assert_int_equal(raw_cseq(first), raw_cseq(slice_text(copy)));
	assert_slice(raw_tag(first, "To"), "tag-of-b");
	assert_false(slice_eq(raw_branch(first), raw_branch(slice_text(copy))));
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	first = stage_take(stage, GW_1, "ACK ");
	assert_slice(first, ack);
	stage_learn_a(stage, stage_take(stage, PBX, "SIP/2.0 200 "));
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	first = stage_take(stage, GW_1, "BYE sip:ua@198.51.100.20:5060 ");
	assert_int_equal(raw_cseq(first), raw_cseq(slice_text(copy)) + 1);
	stage_answer(stage, GW_1, first, 200, NULL, NULL);
	stage_end(&stage);
}

/* 13.3.1.4: T1, doubling to T2, for 64*T1; then BYE, on both sides. */
static void no_ack_ever(void **state)
{
	struct stage *stage = stage_new();
	unsigned repeated = 0;

	(void)state;
	stage_call(stage, SDP_A, 200, SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_run(stage, 500);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_run(stage, 1000);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_run(stage, 2000);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_run(stage, 4000);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_none(stage, PBX);
	for (unsigned i = 0; i < 6; i++) {
		stage_run(stage, 4000);
		stage_take(stage, PBX, "SIP/2.0 200 ");
		repeated++;
	}
	assert_int_equal(repeated, 6);
	stage_none(stage, GW_1);
	stage_run(stage, 4000);
	stage_take(stage, PBX, "BYE sip:ua@192.0.2.10:5060 ");
	stage_take(stage, GW_1, "BYE sip:ua@198.51.100.20:5060 ");
	stage_end(&stage);
}

/* The callee's offer goes to the caller, and his answer in the ACK to the callee's ACK. */
static void late_offer(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice ack;

	(void)state;
	stage_invite(stage, NULL);
	invite = stage_take(stage, GW_1, "INVITE ");
	assert_int_equal(raw_body(invite).len, 0);
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", SDP_B);
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", SDP_B); /* repeated: not yet */
	stage_none(stage, GW_1);
	stage_learn_a(stage, stage_take(stage, PBX, "SIP/2.0 200 "));
	stage_ack_a(stage, 1, SDP_A);
	ack = stage_take(stage, GW_1, "ACK ");
	assert_true(slice_find(raw_body(ack), SLICE("m=audio ")) < raw_body(ack).len);
	assert_true(slice_find(raw_body(ack), SLICE("m=audio 0 ")) == raw_body(ack).len);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* A BYE must not overtake the ACK that is owed: first one that takes no media. */
static void bye_while_ack_is_owed(void **state)
{
	struct stage *stage = stage_new();
	struct slice ack;

	(void)state;
	stage_call(stage, NULL, 200, SDP_B);
	stage_learn_a(stage, stage_take(stage, PBX, "SIP/2.0 200 "));
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	ack = stage_take(stage, GW_1, "ACK ");
	assert_true(slice_find(raw_body(ack), SLICE("m=audio 0 ")) < raw_body(ack).len);
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

static void late_offer_never_answered(void **state)
{
	struct stage *stage = stage_new();
	struct slice ack;

	(void)state;
	stage_call(stage, NULL, 200, SDP_B);
	stage_skip(stage, PBX);
	stage_run(stage, 33000);
	ack = stage_take(stage, GW_1, "ACK ");
	assert_true(slice_find(raw_body(ack), SLICE("m=audio 0 ")) < raw_body(ack).len);
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
	(void)ack;
}

/* 9.1: same Request-URI, Call-ID, To, CSeq number, branch; one Via. */
static void cancel_while_ringing(void **state)
{
	struct stage *stage = stage_new();
	struct slice cancel;
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	invite = stage_begin(stage, SDP_A, copy);
	stage_answer(stage, GW_1, invite, 180, "tag-of-b", NULL);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_cancelled(stage);
	cancel = stage_take(stage, GW_1, "CANCEL sip:4711@198.51.100.20:5060 ");
	assert_int_equal(raw_cseq(cancel), raw_cseq(slice_text(copy)));
	assert_true(slice_eq(raw_branch(cancel), raw_branch(slice_text(copy))));
	assert_true(slice_eq(raw_field(cancel, "To"), raw_field(slice_text(copy), "To")));
	assert_true(slice_eq(raw_field(cancel, "From"), raw_field(slice_text(copy), "From")));
	assert_slice(raw_field(cancel, "Reason"), "SIP;cause=200");
	assert_int_equal(raw_field(cancel, "Contact").len, 0);
	stage_answer(stage, GW_1, cancel, 200, "x", NULL);
	stage_answer(stage, GW_1, slice_text(copy), 487, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_end(&stage);
}

/* No CANCEL before a provisional response; the INVITE is not repeated; the first 1xx brings the
 * CANCEL, and a 2xx its ACK and BYE. */
static void cancel_before_any_response(void **state)
{
	struct stage *stage = stage_new();
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
	stage_cancelled(stage);
	stage_run(stage, 3000);
	stage_none(stage, GW_1);
	stage_answer(stage, GW_1, slice_text(copy), 180, "tag-of-b", NULL);
	stage_take(stage, GW_1, "CANCEL ");
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK sip:ua@198.51.100.20:5060 ");
	stage_take(stage, GW_1, "BYE sip:ua@198.51.100.20:5060 ");
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_skip(stage, PBX);
	stage_end(&stage);
}

/* The callee rings and is never heard of again: 64*T1 after the CANCEL nothing is kept (9.1). */
static void cancelled_and_never_answered(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_call(stage, SDP_A, 180, NULL);
	stage_cancel_a(stage);
	stage_take(stage, GW_1, "CANCEL ");
	stage_end(&stage);
}

/* A CANCEL that crosses our 2xx changes nothing. */
static void cancel_after_answer(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_call(stage, SDP_A, 200, SDP_B);
	stage_learn_a(stage, stage_take(stage, PBX, "SIP/2.0 200 "));
	stage_take(stage, GW_1, "ACK ");
	stage_cancel_a(stage);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_none(stage, PBX);
	stage_none(stage, GW_1);
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* Its SDP in the 183 is the answer; the 200 needs none. */
static void early_media_then_bare_200(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];
	char early[RAW_BYTES];

	(void)state;
	invite = stage_begin(stage, SDP_A, copy);
	stage_answer(stage, GW_1, slice_text(copy), 183, "tag-of-b", SDP_B);
	raw_copy(early, sizeof(early), raw_body(stage_take(stage, PBX, "SIP/2.0 183 ")));
	assert_true(early[0] != '\0');
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	invite = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_slice(raw_body(invite), early);
	stage_learn_a(stage, invite);
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* Without an answer anywhere the call cannot be: the callee hears ACK and BYE, the caller 502. */
static void answer_without_sdp(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_call(stage, SDP_A, 200, NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, GW_1, "BYE ");
	stage_take(stage, PBX, "SIP/2.0 502 ");
	stage_end(&stage);
}

/* 13.3.1.1: a provisional response each minute. */
static void ringing_is_repeated(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_call(stage, SDP_A, 180, NULL);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_run(stage, 59990);
	stage_none(stage, PBX);
	stage_run(stage, 10);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_cancel_a(stage);
	stage_skip(stage, PBX);
	stage_end(&stage);
}

/* 15.1.2: the caller may end an early dialog by BYE. */
static void bye_of_the_caller_while_ringing(void **state)
{
	struct stage *stage = stage_new();
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
	stage_answer(stage, GW_1, slice_text(copy), 180, "tag-of-b", NULL);
	stage_learn_a(stage, stage_take(stage, PBX, "SIP/2.0 180 "));
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
	stage_take(stage, GW_1, "CANCEL ");
	stage_answer(stage, GW_1, slice_text(copy), 487, "tag-of-b", NULL);
	stage_end(&stage);
}

/* A callee must not; it is taken for a refusal, its INVITE is taken back, nobody else is asked. */
static void bye_of_the_callee_while_ringing(void **state)
{
	struct stage *stage = stage_new();
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
	stage_answer(stage, GW_1, slice_text(copy), 180, "tag-of-b", NULL);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_request_b(stage, GW_1, "BYE", NULL);
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 480 ");
	stage_take(stage, GW_1, "CANCEL ");
	stage_none(stage, GW_2);
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_end(&stage);
}

/* A name beyond ASCII without quotes (25.1 wants them) leaves with them, to both sides. */
static void quotes_names(void **state)
{
	struct stage *stage = stage_new();
	struct slice bye;

	(void)state;
	raw_copy(stage->a.local, sizeof(stage->a.local),
		 SLICE("J\xc3\xbcrgen B <sip:1001@pbx.example>"));
	stage_talk(stage);
	assert_true(slice_starts(slice_text(stage->b.remote), SLICE("\"J\xc3\xbcrgen B\" <sip:1001@")));
	stage_request_b(stage, GW_1, "BYE", NULL);
	bye = stage_take(stage, PBX, "BYE ");
	assert_true(slice_starts(raw_field(bye, "To"),
				 SLICE("\"J\xc3\xbcrgen B\" <sip:1001@pbx.example>;tag=tag-of-a")));
	stage_end(&stage);
}

/* 8.2.2.2 */
static void merged_request(void **state)
{
	struct stage *stage = stage_new();
	struct raw_request request = {
		.method = "INVITE", .cseq = 1, .branch = "z9hG4bKanother-path", .sdp = SDP_A
	};
	char storage[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	stage_take(stage, GW_1, "INVITE ");
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &request));
	stage_take(stage, PBX, "SIP/2.0 482 ");
	stage_none(stage, GW_1);
	stage_cancel_a(stage);
	stage_end(&stage);
}

/* A fork that comes when the first one's call is over, for as long as its transaction may last; then,
 * and to another user, it is a call of its own. */
static void merged_later(void **state)
{
	struct stage *stage = stage_new();
	struct raw_request request = { .method = "INVITE", .cseq = 1, .sdp = SDP_A };
	char storage[RAW_BYTES];

	(void)state;
	stage_call(stage, SDP_A, 486, NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 486 ");
	stage_ack_refusal(stage, stage->invite_a);
	request.branch = "z9hG4bKsecond-path";
	stage_run(stage, 20000);
	stage_skip(stage, PBX);
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &request));
	stage_take(stage, PBX, "SIP/2.0 482 ");
	stage_none(stage, GW_1);
	request.branch = "z9hG4bKanother-user";
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:4712@192.0.2.2");
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &request));
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE sip:4712@"), 486, "tag-of-c",
		     NULL);
	stage_run(stage, 12000);
	request.branch = "z9hG4bKthird-path";
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:4711@192.0.2.2");
	stage_skip(stage, GW_1);
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &request));
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE sip:4711@"), 486, "tag-of-d",
		     NULL);
	assert_int_equal(stage->records, 3);
	stage_end(&stage);
}

/* The relay is away at each of its questions. */
static void relay_is_away(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	border_relay_down(stage->border);
	stage_invite(stage, SDP_A);
	stage_take(stage, PBX, "SIP/2.0 503 ");
	assert_int_equal(stage->records, 1);
	border_relay_up(stage->border, true);
	border_relay_short(stage->border, 1000);
	raw_copy(stage->a.call_id, sizeof(stage->a.call_id), SLICE("second-call"));
	stage_invite(stage, SDP_A);
	stage_take(stage, PBX, "SIP/2.0 503 ");
	raw_copy(stage->a.call_id, sizeof(stage->a.call_id), SLICE("third-call"));
	stage_call(stage, NULL, 200, SDP_B);
	stage_take(stage, PBX, "SIP/2.0 503 ");
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* A callee whose tag stands in every message of the other leg: the last look stops our 2xx, and both
 * sides hear that there is no call. */
static void answer_is_stopped(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "Content-Length", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, GW_1, "BYE ");
	stage_take(stage, PBX, "SIP/2.0 500 ");
	stage_none(stage, PBX);
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ack_is_repeated),
		cmocka_unit_test(no_ack_ever),
		cmocka_unit_test(late_offer),
		cmocka_unit_test(bye_while_ack_is_owed),
		cmocka_unit_test(late_offer_never_answered),
		cmocka_unit_test(cancel_while_ringing),
		cmocka_unit_test(cancel_before_any_response),
		cmocka_unit_test(cancelled_and_never_answered),
		cmocka_unit_test(cancel_after_answer),
		cmocka_unit_test(early_media_then_bare_200),
		cmocka_unit_test(answer_without_sdp),
		cmocka_unit_test(ringing_is_repeated),
		cmocka_unit_test(bye_of_the_caller_while_ringing),
		cmocka_unit_test(bye_of_the_callee_while_ringing),
		cmocka_unit_test(quotes_names),
		cmocka_unit_test(merged_request),
		cmocka_unit_test(merged_later),
		cmocka_unit_test(relay_is_away),
		cmocka_unit_test(answer_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

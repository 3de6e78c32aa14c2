/* SPDX-License-Identifier: MIT
 * The first INVITE to its end: answers and their ACKs, CANCEL at every moment, forks, failover. What
 * is expected is what RFC 3261 sections 9, 13, 14, 15 and RFC 6026 say. */
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
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
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
	stage_invite(stage, NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
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
	stage_invite(stage, NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
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
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	stage_answer(stage, GW_1, invite, 180, "tag-of-b", NULL);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_cancel_a(stage);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
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
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	stage_cancel_a(stage);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
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
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 180, "tag-of-b", NULL);
	stage_cancel_a(stage);
	stage_take(stage, GW_1, "CANCEL ");
	stage_end(&stage);
}

/* A CANCEL that crosses our 2xx changes nothing. */
static void cancel_after_answer(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
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

/* A gateway that says nothing: the next one; when the first then answers, its 2xx is taken back, and
 * the call goes on with the other. */
static void late_200_after_failover(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	raw_copy(copy, sizeof(copy), stage_take(stage, GW_1, "INVITE "));
	stage_run(stage, 140);
	stage_none(stage, PBX);
	stage_run(stage, 20); /* 17.2.1: nothing else came within 200 ms */
	stage_take(stage, PBX, "SIP/2.0 100 ");
	stage_run(stage, 3850); /* no 1xx, and the relay's answer */
	stage_skip(stage, GW_1);
	invite = stage_take(stage, GW_2, "INVITE ");
	assert_false(slice_eq(raw_field(invite, "Call-ID"), raw_field(slice_text(copy), "Call-ID")));
	stage_run(stage, 2000);
	stage_none(stage, GW_1); /* a given-up INVITE is not repeated */
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-1", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, GW_1, "BYE ");
	stage_none(stage, PBX);
	stage_skip(stage, GW_2);
	stage_answer(stage, GW_2, invite, 486, "tag-of-2", NULL);
	stage_take(stage, GW_2, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 486 ");
	stage_end(&stage);
}

static void second_answer_of_a_fork(void **state)
{
	struct stage *stage = stage_new();
	struct slice message;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	raw_copy(copy, sizeof(copy), stage_take(stage, GW_1, "INVITE "));
	stage_answer(stage, GW_1, slice_text(copy), 180, "fork-1", NULL);
	stage_answer(stage, GW_1, slice_text(copy), 180, "fork-2", NULL);
	stage_answer(stage, GW_1, slice_text(copy), 200, "fork-2", SDP_B);
	message = stage_take(stage, GW_1, "ACK ");
	assert_slice(raw_tag(message, "To"), "fork-2");
	stage_answer(stage, GW_1, slice_text(copy), 200, "fork-1", SDP_B);
	message = stage_take(stage, GW_1, "ACK ");
	assert_slice(raw_tag(message, "To"), "fork-1");
	message = stage_take(stage, GW_1, "BYE ");
	assert_slice(raw_tag(message, "To"), "fork-1");
	stage_none(stage, GW_1);
	/* one tag towards the caller, whatever forks */
	message = stage_take(stage, PBX, "SIP/2.0 180 ");
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(message, "To"));
	assert_slice(raw_tag(stage_take(stage, PBX, "SIP/2.0 180 "), "To"), stage->a.remote_tag);
	message = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_slice(raw_tag(message, "To"), stage->a.remote_tag);
	stage_learn_a(stage, message);
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "BYE", NULL);
	message = stage_take(stage, GW_1, "BYE ");
	assert_slice(raw_tag(message, "To"), "fork-2");
	stage_end(&stage);
}

/* A second BYE for another fork: each of three dialogs gets its own. */
static void two_answers_too_many(void **state)
{
	struct stage *stage = stage_new();
	static const char *const tags[] = { "fork-1", "fork-2", "fork-3" };
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	raw_copy(copy, sizeof(copy), stage_take(stage, GW_1, "INVITE "));
	stage_answer(stage, GW_1, slice_text(copy), 180, "fork-0", NULL);
	stage_cancel_a(stage);
	stage_take(stage, GW_1, "CANCEL ");
	for (unsigned i = 0; i < 3; i++) {
		stage_answer(stage, GW_1, slice_text(copy), 200, tags[i], SDP_B);
		assert_slice(raw_tag(stage_take(stage, GW_1, "ACK "), "To"), tags[i]);
		assert_slice(raw_tag(stage_take(stage, GW_1, "BYE "), "To"), tags[i]);
		stage_answer(stage, GW_1, slice_text(copy), 200, tags[i], SDP_B);
		assert_slice(raw_tag(stage_take(stage, GW_1, "ACK "), "To"), tags[i]);
	}
	stage_end(&stage);
}

static void finals_of_the_callee(void **state)
{
	static const struct {
		unsigned from;
		const char *to;
	} table[] = {
		{ 302, "SIP/2.0 480 " }, { 401, "SIP/2.0 403 " }, { 407, "SIP/2.0 403 " },
		{ 404, "SIP/2.0 404 " }, { 486, "SIP/2.0 486 " }, { 488, "SIP/2.0 488 " },
		{ 603, "SIP/2.0 603 " }, { 480, "SIP/2.0 480 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct stage *stage = stage_new();

		stage_invite(stage, SDP_A);
		stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), table[i].from,
			     "tag-of-b", NULL);
		stage_take(stage, GW_1, "ACK ");
		stage_take(stage, PBX, table[i].to);
		stage_none(stage, GW_2);
		stage_end(&stage);
	}
}

/* 503 of the last gateway is not the caller's to hear: he would leave us alone (16.7). */
static void every_gateway_fails(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 503, "t1", NULL);
	stage_answer(stage, GW_2, stage_take(stage, GW_2, "INVITE "), 503, "t2", NULL);
	stage_take(stage, PBX, "SIP/2.0 500 ");
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

static void gateway_is_unreachable(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage->unreachable = GW_1;
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_2, stage_take(stage, GW_2, "INVITE "), 486, "t2", NULL);
	stage_take(stage, PBX, "SIP/2.0 486 ");
	stage_end(&stage);
}

static void rings_too_long(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	stage_answer(stage, GW_1, invite, 180, "tag-of-b", NULL);
	stage_skip(stage, PBX);
	stage_run(stage, 70000);
	stage_take(stage, PBX, "SIP/2.0 180 ");
	stage_take(stage, GW_1, "CANCEL ");
	stage_take(stage, PBX, "SIP/2.0 480 ");
	stage_none(stage, GW_2);
	stage_answer(stage, GW_1, slice_text(copy), 487, "tag-of-b", NULL);
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
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
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
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", NULL);
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
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 180, "tag-of-b", NULL);
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
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
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
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
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

/* The first gateway has 4 s, the last one four times as long: there is nobody else. */
static void patience_with_the_last(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;

	(void)state;
	stage_invite(stage, SDP_A);
	stage_run(stage, 3990);
	stage_none(stage, GW_2);
	stage_run(stage, 20);
	stage_take(stage, GW_2, "INVITE ");
	stage_run(stage, 14000);
	stage_take(stage, PBX, "SIP/2.0 100 ");
	stage_none(stage, PBX);
	for (unsigned repeated = 0; repeated < 4; repeated++) /* at 0.5, 1.5, 3.5 and 7.5 s */
		stage_take(stage, GW_2, "INVITE ");
	stage_none(stage, GW_2);
	stage_run(stage, 2100);
	stage_take(stage, PBX, "SIP/2.0 408 ");
	stage_end(&stage);
	/* and whoever answers in that time is heard */
	stage = stage_new();
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:6711@192.0.2.2");
	stage_invite(stage, SDP_A);
	invite = stage_take(stage, PICKY, "INVITE ");
	stage_run(stage, 15000);
	stage_answer(stage, PICKY, invite, 486, "tag-of-b", NULL);
	stage_take(stage, PBX, "SIP/2.0 100 ");
	stage_take(stage, PBX, "SIP/2.0 486 ");
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
	stage_invite(stage, SDP_A);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 486, "tag-of-b", NULL);
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
	stage_invite(stage, NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
	stage_take(stage, PBX, "SIP/2.0 503 ");
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* A BYE past the proxies would never arrive: what takes a late 2xx back follows its route set. */
static void stray_follows_the_route(void **state)
{
	struct stage *stage = stage_new();
	struct slice message;
	char copy[RAW_BYTES];
	char storage[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	raw_copy(copy, sizeof(copy), stage_take(stage, GW_1, "INVITE "));
	stage_answer(stage, GW_1, slice_text(copy), 180, "tag-of-b", NULL);
	stage_cancel_a(stage);
	stage_take(stage, GW_1, "CANCEL ");
	stage_feed(stage, GW_1,
		   raw_write_response(storage, slice_text(copy), 200, "tag-of-b", GW_1,
				      "Record-Route: <sip:198.51.100.9;lr>, <sip:198.51.100.8;lr>\r\n",
				      SDP_B));
	message = stage_take(stage, GW_1, "ACK sip:ua@198.51.100.20:5060 ");
	assert_slice(raw_field(message, "Route"), "<sip:198.51.100.8;lr>");
	message = stage_take(stage, GW_1, "BYE sip:ua@198.51.100.20:5060 ");
	assert_slice(raw_field(message, "Route"), "<sip:198.51.100.8;lr>");
	assert_int_equal(raw_cseq(message), raw_cseq(slice_text(copy)) + 1);
	stage_end(&stage);
}

/* A target that may use none of the offered codecs is passed over; where all are such, 488. */
static void codecs_of_the_targets(void **state)
{
	static const char pcma[] = "v=0\r\no=pbx 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"
				   "c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
	struct stage *stage = stage_new();

	(void)state;
	raw_copy(stage->a.target, sizeof(stage->a.target), SLICE("sip:5711@192.0.2.2"));
	stage_invite(stage, pcma);
	stage_none(stage, PICKY);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 486, "t1", NULL);
	stage_take(stage, PBX, "SIP/2.0 486 ");
	raw_copy(stage->a.target, sizeof(stage->a.target), SLICE("sip:6711@192.0.2.2"));
	raw_copy(stage->a.call_id, sizeof(stage->a.call_id), SLICE("second-call"));
	stage_invite(stage, pcma);
	stage_skip(stage, GW_1);
	stage_take(stage, PBX, "SIP/2.0 488 ");
	stage_none(stage, PICKY);
	assert_int_equal(stage->records, 2);
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
		cmocka_unit_test(late_200_after_failover),
		cmocka_unit_test(second_answer_of_a_fork),
		cmocka_unit_test(two_answers_too_many),
		cmocka_unit_test(finals_of_the_callee),
		cmocka_unit_test(every_gateway_fails),
		cmocka_unit_test(gateway_is_unreachable),
		cmocka_unit_test(rings_too_long),
		cmocka_unit_test(early_media_then_bare_200),
		cmocka_unit_test(answer_without_sdp),
		cmocka_unit_test(ringing_is_repeated),
		cmocka_unit_test(bye_of_the_caller_while_ringing),
		cmocka_unit_test(bye_of_the_callee_while_ringing),
		cmocka_unit_test(patience_with_the_last),
		cmocka_unit_test(quotes_names),
		cmocka_unit_test(merged_request),
		cmocka_unit_test(merged_later),
		cmocka_unit_test(relay_is_away),
		cmocka_unit_test(stray_follows_the_route),
		cmocka_unit_test(codecs_of_the_targets),
		cmocka_unit_test(answer_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Targets tried one after the other: silence, refusals, forks, and answers that come when nobody waits
 * for them any more (RFC 3261 13.2.2.4, 16.7). */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

/* A gateway that says nothing: the next one; when the first then answers, its 2xx is taken back, and
 * the call goes on with the other. */
static void late_200_after_failover(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
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
	stage_begin(stage, SDP_A, copy);
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
	stage_begin(stage, SDP_A, copy);
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
	invite = stage_begin(stage, SDP_A, copy);
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

/* A BYE past the proxies would never arrive: what takes a late 2xx back follows its route set. */
static void stray_follows_the_route(void **state)
{
	struct stage *stage = stage_new();
	struct slice message;
	char copy[RAW_BYTES];
	char storage[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_200_after_failover),
		cmocka_unit_test(second_answer_of_a_fork),
		cmocka_unit_test(two_answers_too_many),
		cmocka_unit_test(finals_of_the_callee),
		cmocka_unit_test(every_gateway_fails),
		cmocka_unit_test(gateway_is_unreachable),
		cmocka_unit_test(rings_too_long),
		cmocka_unit_test(patience_with_the_last),
		cmocka_unit_test(stray_follows_the_route),
		cmocka_unit_test(codecs_of_the_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

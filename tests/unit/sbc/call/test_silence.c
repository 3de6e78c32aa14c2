/* SPDX-License-Identifier: MIT
 * A call whose media stays away. The PBX's trunk ends it, the carrier's asks the peer first. */
#include "tests/unit/sbc/call/stage.h"

static void answer_byes(struct stage *stage)
{
	struct slice bye = stage_take(stage, PBX, "BYE ");

	assert_non_null(memmem(bye.p, bye.len, "\r\nReason: Q.850;cause=102\r\n", 27));
	stage_answer(stage, PBX, bye, 200, NULL, NULL);
	bye = stage_take(stage, GW_1, "BYE ");
	assert_non_null(memmem(bye.p, bye.len, "\r\nReason: Q.850;cause=102\r\n", 27));
	stage_answer(stage, GW_1, bye, 200, NULL, NULL);
	assert_int_equal(stage->records, 1);
	assert_string_equal(stage->record_result, "media_timeout");
}

static void silence_ends_the_call(void **state)
{
	static const struct {
		enum ctl_media_event_kind kind;
		const char *cause;
	} table[] = {
		{ CTL_MEDIA_NONE_YET, "no_media" },
		{ CTL_MEDIA_TIMEOUT, "media_timeout" },
		{ CTL_MEDIA_HOLD_TIMEOUT, "hold_timeout" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(table); i++) {
		struct stage *stage = stage_new();

		stage_talk(stage);
		border_media_event(stage->border, 0, table[i].kind);
		answer_byes(stage);
		assert_string_equal(stage->record_cause, table[i].cause);
		stage_end(&stage);
	}
}

/* It is told, and where the trunk says no more, not acted on. */
static void one_way_ends_nothing(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_media_event(stage->border, 0, CTL_MEDIA_ONE_WAY);
	border_media_event(stage->border, 0, CTL_MEDIA_LATCHED);
	stage_none(stage, PBX);
	stage_none(stage, GW_1);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "BYE "), 200, NULL, NULL);
	stage_end(&stage);
}

/* The carrier's trunk asks, and ends the call of a peer that does not know it. */
static void one_way_by_policy(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_media_event(stage->border, 1, CTL_MEDIA_ONE_WAY);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "OPTIONS "), 200, NULL, NULL);
	stage_none(stage, PBX);
	border_media_event(stage->border, 1, CTL_MEDIA_RESUMED);
	stage_run(stage, 120000);
	stage_none(stage, GW_1);
	border_media_event(stage->border, 1, CTL_MEDIA_ONE_WAY);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "OPTIONS "), 481, NULL, NULL);
	answer_byes(stage);
	assert_string_equal(stage->record_cause, "one_way_media");
	stage_end(&stage);
}

/* Who answers, whatever he says, is asked again while he stays silent, and not any more when he
 * speaks. */
static void an_answered_probe_keeps_the_call(void **state)
{
	static const unsigned answers[] = { 200, 405, 500 };
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_media_event(stage->border, 1, CTL_MEDIA_TIMEOUT);
	for (size_t i = 0; i < array_size(answers); i++) {
		stage_answer(stage, GW_1, stage_take(stage, GW_1, "OPTIONS "), answers[i], NULL,
			     NULL);
		stage_run(stage, 29900);
		stage_none(stage, GW_1);
		stage_run(stage, 200);
	}
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "OPTIONS "), 200, NULL, NULL);
	border_media_event(stage->border, 1, CTL_MEDIA_RESUMED);
	stage_run(stage, 120000);
	stage_none(stage, GW_1);
	stage_none(stage, PBX);
	assert_int_equal(stage->records, 0);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "BYE "), 200, NULL, NULL);
	stage_end(&stage);
}

static void a_peer_that_lost_the_call(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_media_event(stage->border, 1, CTL_MEDIA_TIMEOUT);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "OPTIONS "), 481, NULL, NULL);
	answer_byes(stage);
	stage_end(&stage);
}

/* 64*T1 without an answer (timer F). */
static void a_peer_that_is_gone(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_media_event(stage->border, 1, CTL_MEDIA_TIMEOUT);
	stage_run(stage, 31900);
	assert_int_equal(stage->records, 0);
	stage_skip(stage, GW_1);
	stage_run(stage, 200);
	answer_byes(stage);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_ends_the_call),
		cmocka_unit_test(one_way_ends_nothing),
		cmocka_unit_test(one_way_by_policy),
		cmocka_unit_test(an_answered_probe_keeps_the_call),
		cmocka_unit_test(a_peer_that_lost_the_call),
		cmocka_unit_test(a_peer_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

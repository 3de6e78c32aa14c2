/* SPDX-License-Identifier: MIT
 * Where calls go when a gateway asked to be left alone (RFC 3261 21.5.4), and when all of them did. */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

/* The INVITE at this gateway is answered 503; its ACK is taken. */
static void refuse(struct stage *stage, const char *gateway, const char *headers)
{
	char invite[RAW_BYTES];
	char storage[RAW_BYTES];

	raw_copy(invite, sizeof(invite), stage_take(stage, gateway, "INVITE "));
	stage_feed(stage, gateway,
		   raw_write_response(storage, slice_text(invite), 503, "tag-of-b", gateway,
				      headers, NULL));
	stage_take(stage, gateway, "ACK ");
}

/* A call of its own: another Call-ID and tag than the one before. */
static void call_again(struct stage *stage)
{
	stage_skip(stage, PBX); /* finals of the last one, which nobody acknowledged */
	snprintf(stage->a.call_id, sizeof(stage->a.call_id), "call-%u", stage->a.cseq);
	stage_invite(stage, SDP_A);
}

static void fail_at(struct stage *stage, const char *gateway)
{
	stage_answer(stage, gateway, stage_take(stage, gateway, "INVITE "), 486, "tag-of-b", NULL);
	stage_take(stage, gateway, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 486 ");
}

static void left_alone_for_its_time(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	refuse(stage, GW_1, "Retry-After: 2\r\n");
	fail_at(stage, GW_2);
	stage_run(stage, 1900);
	call_again(stage);
	fail_at(stage, GW_2);
	stage_none(stage, GW_1);
	stage_run(stage, 200);
	call_again(stage);
	fail_at(stage, GW_1); /* any answer: it takes calls again */
	call_again(stage);
	fail_at(stage, GW_1);
	stage_skip(stage, PBX);
	stage_end(&stage);
}

static void a_503_without_a_time_is_for_one_call(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	refuse(stage, GW_1, "");
	fail_at(stage, GW_2);
	call_again(stage);
	fail_at(stage, GW_1);
	stage_skip(stage, PBX);
	stage_end(&stage);
}

static void all_are_tried_when_none_is_open(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_invite(stage, SDP_A);
	refuse(stage, GW_1, "Retry-After: 30\r\n");
	refuse(stage, GW_2, "Retry-After: 30\r\n");
	/* One trunk's 503 is not the caller's (RFC 3261 16.7). */
	stage_take(stage, PBX, "SIP/2.0 500 ");
	call_again(stage);
	refuse(stage, GW_1, "Retry-After: 30\r\n");
	fail_at(stage, GW_2);
	stage_skip(stage, PBX);
	stage_end(&stage);
}

static void one_trial_at_a_time(void **state)
{
	struct stage *stage = stage_new();
	char trial[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	refuse(stage, GW_1, "Retry-After: 1\r\n");
	fail_at(stage, GW_2);
	stage_run(stage, 1000);
	call_again(stage);
	raw_copy(trial, sizeof(trial), stage_take(stage, GW_1, "INVITE "));
	call_again(stage);
	fail_at(stage, GW_2);
	stage_answer(stage, GW_1, slice_text(trial), 486, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	call_again(stage);
	fail_at(stage, GW_1);
	stage_skip(stage, PBX);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(left_alone_for_its_time),
		cmocka_unit_test(a_503_without_a_time_is_for_one_call),
		cmocka_unit_test(all_are_tried_when_none_is_open),
		cmocka_unit_test(one_trial_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

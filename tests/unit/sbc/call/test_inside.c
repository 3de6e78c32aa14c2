/* SPDX-License-Identifier: MIT
 * Requests inside the dialogs: re-INVITE and UPDATE, glare, what ends a call and what does not, BYEs
 * that cross, strangers; and that a long call does not grow. RFC 3261 12, 14, 15, RFC 3311, 6141. */
#include "tests/unit/sbc/call/stage.h"

#include <stdio.h>

static unsigned version_of(struct slice sdp)
{
	unsigned version = 0;
	char text[RAW_BYTES];

	raw_copy(text, sizeof(text), sdp);
	assert_int_equal(sscanf(text, "v=0 o=- %*u %u ", &version), 1);
	return version;
}

static void hang_up(struct stage *stage)
{
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "BYE "), 200, NULL, NULL);
	assert_int_equal(stage->records, 1);
	assert_int_equal(stage->record_code, 200);
	stage_end(&stage);
}

/* Hold and resume; each leg's CSeq numbers are its own, each o= version grows by one. */
static void hold_and_resume(void **state)
{
	static const char *const offers[] = { SDP_A_HOLD, SDP_A };
	struct stage *stage = stage_new();
	struct slice message;
	uint32_t cseq = 0;
	unsigned version = 1;

	(void)state;
	stage_talk(stage);
	for (unsigned i = 0; i < 2; i++) {
		stage_request_a(stage, "INVITE", offers[i]);
		message = stage_take(stage, GW_1, "INVITE sip:ua@198.51.100.20:5060 ");
		assert_true(cseq == 0 || raw_cseq(message) == cseq + 1);
		cseq = raw_cseq(message);
		assert_int_equal(version_of(raw_body(message)), ++version);
		stage_answer(stage, GW_1, message, 200, "tag-of-b", SDP_B);
		message = stage_take(stage, GW_1, "ACK ");
		assert_int_equal(raw_cseq(message), cseq);
		message = stage_take(stage, PBX, "SIP/2.0 200 ");
		stage_ack_a(stage, stage->a.cseq, NULL);
	}
	hang_up(stage);
}

/* What was refused leaves no trace: the old session, the next request goes through. */
static void refused_reinvite(void **state)
{
	static const unsigned codes[] = { 488, 491, 500, 401, 302, 603 };
	static const char *const heard[] = { "SIP/2.0 488 ", "SIP/2.0 491 ", "SIP/2.0 500 ",
					     "SIP/2.0 488 ", "SIP/2.0 488 ", "SIP/2.0 603 " };
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	for (unsigned i = 0; i < 6; i++) {
		stage_request_a(stage, "INVITE", SDP_A_HOLD);
		stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), codes[i], "tag-of-b",
			     NULL);
		stage_take(stage, GW_1, "ACK ");
		stage_take(stage, PBX, heard[i]);
		stage_ack_a(stage, stage->a.cseq, NULL);
	}
	stage_none(stage, GW_1);
	hang_up(stage);
}

/* 481 and 408 end the dialog (12.2.1.2): both hear BYE. */
static void dialog_is_lost(void **state)
{
	static const unsigned codes[] = { 481, 408 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct stage *stage = stage_new();

		stage_talk(stage);
		stage_request_a(stage, "INVITE", SDP_A_HOLD);
		stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), codes[i], "tag-of-b",
			     NULL);
		stage_take(stage, GW_1, "ACK ");
		stage_take(stage, PBX, codes[i] == 481 ? "SIP/2.0 481 " : "SIP/2.0 408 ");
		stage_take(stage, PBX, "BYE ");
		stage_take(stage, GW_1, "BYE ");
		stage_end(&stage);
	}
}

/* The offer comes in the 2xx, its answer in the ACK, for the other leg's ACK. */
static void reinvite_without_offer(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice ack;

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", NULL);
	invite = stage_take(stage, GW_1, "INVITE ");
	assert_int_equal(raw_body(invite).len, 0);
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", SDP_B);
	stage_none(stage, GW_1);
	assert_true(raw_body(stage_take(stage, PBX, "SIP/2.0 200 ")).len > 0);
	stage_ack_a(stage, stage->a.cseq, SDP_A);
	ack = stage_take(stage, GW_1, "ACK ");
	assert_true(raw_body(ack).len > 0);
	hang_up(stage);
}

/* Both begin at once: the first wins, the other hears 491 (14.2); after that both may again. */
static void glare(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	stage_request_b(stage, GW_1, "INVITE", SDP_B);
	stage_take(stage, GW_1, "SIP/2.0 491 ");
	stage_none(stage, PBX);
	stage_answer(stage, GW_1, slice_text(copy), 491, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 491 ");
	stage_ack_a(stage, stage->a.cseq, NULL);
	stage_request_b(stage, GW_1, "INVITE", SDP_B);
	stage_answer(stage, PBX, stage_take(stage, PBX, "INVITE "), 200, NULL, SDP_A);
	stage_take(stage, PBX, "ACK ");
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	hang_up(stage);
}

/* A second offer while the first of the same side is open: 500 with Retry-After. */
static void second_offer_too_early(void **state)
{
	struct stage *stage = stage_new();
	struct slice refusal;
	char copy[RAW_BYTES];

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	raw_copy(copy, sizeof(copy), stage_take(stage, GW_1, "INVITE "));
	stage_request_a(stage, "INVITE", SDP_A);
	refusal = stage_take(stage, PBX, "SIP/2.0 500 ");
	assert_true(raw_field(refusal, "Retry-After").len > 0);
	stage_request_a(stage, "INFO", NULL); /* never a matter of glare */
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INFO "), 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, GW_1, "ACK ");
	stage_ack_a(stage, stage->a.cseq - 2, NULL);
	hang_up(stage);
}

/* Before the ACK of the first 2xx a re-INVITE is too early, whoever sends it. */
static void reinvite_before_the_ack(void **state)
{
	struct stage *stage = stage_new();
	struct slice answer;

	(void)state;
	stage_call(stage, SDP_A, 200, SDP_B);
	stage_take(stage, GW_1, "ACK ");
	answer = stage_take(stage, PBX, "SIP/2.0 200 ");
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(answer, "To"));
	stage_request_b(stage, GW_1, "INVITE", SDP_B);
	stage_take(stage, GW_1, "SIP/2.0 491 ");
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	stage_take(stage, PBX, "SIP/2.0 491 ");
	stage_ack_a(stage, 1, NULL);
	hang_up(stage);
}

/* The first INVITE's 2xx, repeated after a re-INVITE has had its own ACK, gets one as well. */
static void old_2xx_again(void **state)
{
	struct stage *stage = stage_new();
	struct slice ack;
	char first[RAW_BYTES];

	(void)state;
	stage_invite(stage, SDP_A);
	raw_copy(first, sizeof(first), stage_take(stage, GW_1, "INVITE "));
	stage_answer(stage, GW_1, slice_text(first), 200, "tag-of-b", SDP_B);
	ack = stage_take(stage, PBX, "SIP/2.0 200 ");
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(ack, "To"));
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	stage_take(stage, GW_1, "ACK ");
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
	assert_int_equal(raw_cseq(stage_take(stage, GW_1, "ACK ")), raw_cseq(slice_text(first)) + 1);
	stage_answer(stage, GW_1, slice_text(first), 200, "tag-of-b", SDP_B);
	assert_int_equal(raw_cseq(stage_take(stage, GW_1, "ACK ")), raw_cseq(slice_text(first)));
	stage_skip(stage, PBX);
	stage_ack_a(stage, stage->a.cseq, NULL);
	hang_up(stage);
}

/* 15.1.2: the pending re-INVITE is answered 487, and BYE goes on. */
static void bye_during_reinvite(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	stage_request_b(stage, GW_1, "BYE", NULL);
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
	stage_take(stage, PBX, "BYE ");
	stage_answer(stage, GW_1, slice_text(copy), 487, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_none(stage, GW_1);
	stage_end(&stage);
}

/* Both hang up at once: 200 to both. */
static void byes_cross(void **state)
{
	struct stage *stage = stage_new();
	struct slice bye;

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	bye = stage_take(stage, GW_1, "BYE ");
	stage_request_b(stage, GW_1, "BYE", NULL);
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, bye, 200, NULL, NULL);
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

/* Once it is over, there is no dialog. */
static void after_the_end(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "BYE "), 200, NULL, NULL);
	stage_request_b(stage, GW_1, "INFO", NULL);
	stage_take(stage, GW_1, "SIP/2.0 481 ");
	stage_end(&stage);
}

/* A re-INVITE is taken back: 487, the call stays; the answer that crosses gets its ACK. */
static void cancelled_reinvite(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	char copy[RAW_BYTES];
	char asked[RAW_BYTES];
	struct raw_request cancel = { .method = "CANCEL" };

	(void)state;
	stage_talk(stage);
	raw_copy(asked, sizeof(asked), stage_request_a(stage, "INVITE", SDP_A_HOLD));
	invite = stage_take(stage, GW_1, "INVITE ");
	raw_copy(copy, sizeof(copy), invite);
	char branch[32];

	raw_copy(branch, sizeof(branch), raw_branch(slice_text(asked)));
	cancel.branch = branch;
	cancel.cseq = stage->a.cseq;
	stage_feed(stage, PBX, raw_write_request(stage->storage, &stage->a, &cancel));
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_take(stage, PBX, "SIP/2.0 487 ");
	stage_none(stage, GW_1);
	stage_answer(stage, GW_1, slice_text(copy), 100, NULL, NULL);
	stage_take(stage, GW_1, "CANCEL ");
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_answer(stage, GW_1, slice_text(copy), 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_none(stage, GW_1);
	hang_up(stage);
}

/* The far leg rings and says no more: in the end the one who began hears it, and the call stays. */
static void reinvite_never_answered(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	invite = stage_take(stage, GW_1, "INVITE ");
	stage_answer(stage, GW_1, invite, 100, NULL, NULL);
	stage_run(stage, 70000);
	stage_take(stage, PBX, "SIP/2.0 100 ");
	stage_take(stage, PBX, "SIP/2.0 480 ");
	stage_take(stage, GW_1, "CANCEL ");
	stage_ack_a(stage, stage->a.cseq, NULL);
	stage_run(stage, 33000);
	stage_skip(stage, PBX);
	stage_skip(stage, GW_1);
	hang_up(stage);
}

/* 12.2.1.2: no response at all is like 408: the dialog is gone. A transport error is not. */
static void reinvite_into_silence(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;

	(void)state;
	stage_talk(stage);
	stage->unreachable = GW_1;
	invite = stage_request_a(stage, "INVITE", SDP_A_HOLD);
	stage_take(stage, PBX, "SIP/2.0 500 ");
	stage_ack_refusal(stage, invite);
	stage->unreachable = NULL;
	stage_request_a(stage, "INVITE", SDP_A_HOLD);
	stage_run(stage, 32010);
	stage_take(stage, PBX, "SIP/2.0 100 "); /* RFC 3261 17.2.1 */
	stage_skip(stage, GW_1);
	stage_take(stage, PBX, "SIP/2.0 408 ");
	stage_take(stage, PBX, "BYE ");
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

/* UPDATE with an offer; towards a peer that does not allow it, as a re-INVITE, which gets its ACK. */
static void update_as_reinvite(void **state)
{
	struct stage *stage = stage_new();
	struct slice message;
	char storage[RAW_BYTES];
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
	stage_feed(stage, GW_1, raw_write_response(storage, slice_text(copy), 200, "tag-of-b", GW_1,
						   "Allow: INVITE, ACK, BYE, CANCEL\r\n", SDP_B));
	stage_take(stage, GW_1, "ACK ");
	message = stage_take(stage, PBX, "SIP/2.0 200 ");
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(message, "To"));
	stage_ack_a(stage, 1, NULL);
	stage_request_a(stage, "UPDATE", SDP_A_HOLD);
	message = stage_take(stage, GW_1, "INVITE ");
	stage_answer(stage, GW_1, message, 200, "tag-of-b", SDP_B);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_none(stage, PBX);
	hang_up(stage);
}

static void update_as_update(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	stage_request_b(stage, GW_1, "UPDATE", SDP_B);
	stage_answer(stage, PBX, stage_take(stage, PBX, "UPDATE "), 200, NULL, SDP_A);
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	stage_none(stage, PBX);
	stage_request_b(stage, GW_1, "UPDATE", NULL); /* answered here: nothing to agree on */
	stage_take(stage, GW_1, "SIP/2.0 200 ");
	stage_none(stage, PBX);
	hang_up(stage);
}

/* 12.2.2: lower than seen: 500. Another trunk's address: 403. A wrong tag: 481. */
static void wrong_requests(void **state)
{
	struct stage *stage = stage_new();
	struct raw_dialog wrong;
	struct raw_request info = { .method = "INFO", .cseq = 1, .branch = "z9hG4bKwrong1" };
	char storage[RAW_BYTES];

	(void)state;
	stage_talk(stage);
	stage_feed(stage, PBX, raw_write_request(storage, &stage->a, &info));
	stage_take(stage, PBX, "SIP/2.0 500 ");
	info.cseq = 50;
	info.branch = "z9hG4bKwrong2";
	stage_feed(stage, OTHER, raw_write_request(storage, &stage->a, &info));
	stage_take(stage, OTHER, "SIP/2.0 403 ");
	wrong = stage->a;
	raw_copy(wrong.local_tag, sizeof(wrong.local_tag), SLICE("not-of-a"));
	info.branch = "z9hG4bKwrong3";
	stage_feed(stage, PBX, raw_write_request(storage, &wrong, &info));
	stage_take(stage, PBX, "SIP/2.0 481 ");
	stage_none(stage, GW_1);
	hang_up(stage);
}

/* INFO: a failure of the far side is not the asker's 503, and silence is not 408 (RFC 4320). */
static void info_fails(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INFO", NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INFO "), 503, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 500 ");
	stage_request_a(stage, "INFO", NULL);
	stage_take(stage, GW_1, "INFO ");
	stage_run(stage, 32100);
	stage_take(stage, PBX, "SIP/2.0 480 ");
	stage_skip(stage, GW_1);
	hang_up(stage);
}

static void info_finds_no_dialog(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INFO", NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INFO "), 481, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 481 ");
	stage_take(stage, PBX, "BYE ");
	stage_take(stage, GW_1, "BYE ");
	assert_int_equal(stage->records, 1);
	stage_end(&stage);
}

/* The call's memory after ten and after a thousand re-INVITEs, each with another Contact. */
static void long_call_does_not_grow(void **state)
{
	struct stage *stage = stage_new();
	size_t early = 0;

	(void)state;
	stage_talk(stage);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(stage->a.via, sizeof(stage->a.via), "192.0.2.10:%u", 5060 + i % 40);
		stage_request_a(stage, "INVITE", i % 2 ? SDP_A : SDP_A_HOLD);
		snprintf(stage->a.via, sizeof(stage->a.via), "192.0.2.10:5060");
		stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 200, "tag-of-b", SDP_B);
		stage_take(stage, GW_1, "ACK ");
		stage_skip(stage, PBX);
		stage_ack_a(stage, stage->a.cseq, NULL);
		stage_run(stage, 40000);
		if (i == 10)
			early = border_call_bytes(stage->border, 1);
	}
	assert_true(early > 0);
	assert_int_equal(border_call_bytes(stage->border, 1), early);
	stage_request_a(stage, "BYE", NULL);
	stage_take(stage, GW_1, "BYE ");
	stage_end(&stage);
}

/* While it rings: INFO goes on, an offer is too early (RFC 3311 5.1), and what is open when the call is
 * refused has its answer. */
static void while_it_rings(void **state)
{
	struct stage *stage = stage_new();
	struct slice message;
	char copy[RAW_BYTES];

	(void)state;
	stage_begin(stage, SDP_A, copy);
	stage_answer(stage, GW_1, slice_text(copy), 180, "tag-of-b", NULL);
	message = stage_take(stage, PBX, "SIP/2.0 180 ");
	raw_copy(stage->a.remote_tag, sizeof(stage->a.remote_tag), raw_tag(message, "To"));
	stage_request_a(stage, "UPDATE", SDP_A_HOLD);
	assert_true(raw_field(stage_take(stage, PBX, "SIP/2.0 500 "), "Retry-After").len > 0);
	stage_request_b(stage, GW_1, "UPDATE", SDP_B);
	stage_take(stage, GW_1, "SIP/2.0 491 ");
	stage_request_a(stage, "INFO", NULL);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INFO "), 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_request_a(stage, "INFO", NULL);
	stage_take(stage, GW_1, "INFO ");
	stage_answer(stage, GW_1, slice_text(copy), 486, "tag-of-b", NULL);
	stage_take(stage, GW_1, "ACK ");
	stage_take(stage, PBX, "SIP/2.0 486 ");
	message = stage_take(stage, PBX, "SIP/2.0 481 ");
	assert_slice(raw_method(message), "INFO");
	stage_end(&stage);
}

static void relay_down_in_reinvite(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	border_relay_down(stage->border);
	stage_request_a(stage, "INVITE",
			SDP_A "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
	stage_take(stage, PBX, "SIP/2.0 500 ");
	stage_none(stage, GW_1);
	stage_ack_a(stage, stage->a.cseq, NULL);
	border_relay_up(stage->border, true);
	hang_up(stage);
}

/* The relay came back without the session: it gets it again. Twice it does not answer, for it is
 * gone once more. Then somebody else has the ports. */
static void relay_forgets_the_session(void **state)
{
	struct stage *stage = stage_new();

	(void)state;
	stage_talk(stage);
	for (unsigned i = 0; i < 2; i++) {
		border_relay_down(stage->border);
		border_relay_up(stage->border, true);
	}
	stage_run(stage, 100);
	stage_none(stage, GW_1);
	assert_int_equal(border_relay_sessions(stage->border), 1);
	border_relay_down(stage->border);
	border_relay_short(stage->border, 1000);
	border_relay_up(stage->border, true);
	stage_run(stage, 100);
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "BYE "), 200, NULL, NULL);
	stage_answer(stage, PBX, stage_take(stage, PBX, "BYE "), 200, NULL, NULL);
	stage_run(stage, 100);
	assert_int_equal(stage->records, 1);
	assert_string_equal(stage->record_cause, "ports_lost");
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_and_resume),
		cmocka_unit_test(refused_reinvite),
		cmocka_unit_test(dialog_is_lost),
		cmocka_unit_test(reinvite_without_offer),
		cmocka_unit_test(glare),
		cmocka_unit_test(second_offer_too_early),
		cmocka_unit_test(reinvite_before_the_ack),
		cmocka_unit_test(old_2xx_again),
		cmocka_unit_test(bye_during_reinvite),
		cmocka_unit_test(byes_cross),
		cmocka_unit_test(after_the_end),
		cmocka_unit_test(cancelled_reinvite),
		cmocka_unit_test(reinvite_never_answered),
		cmocka_unit_test(reinvite_into_silence),
		cmocka_unit_test(update_as_reinvite),
		cmocka_unit_test(update_as_update),
		cmocka_unit_test(wrong_requests),
		cmocka_unit_test(info_fails),
		cmocka_unit_test(info_finds_no_dialog),
		cmocka_unit_test(long_call_does_not_grow),
		cmocka_unit_test(while_it_rings),
		cmocka_unit_test(relay_down_in_reinvite),
		cmocka_unit_test(relay_forgets_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

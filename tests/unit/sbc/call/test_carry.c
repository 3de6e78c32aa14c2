/* SPDX-License-Identifier: MIT
 * Bodies beside the SDP on their way through a call: which messages carry them, in both directions,
 * over waits, failovers and challenges. The trunks of the stage name ISUP and PIDF. */
#include <stdio.h>

#include "tests/unit/sbc/call/stage.h"

#define ISUP(octets)                                                                               \
	"Content-Type: application/isup;version=x\r\nContent-Disposition: "                        \
	"signal;handling=required"                                                                 \
	"\r\n\r\n" octets
#define MIXED(parts) "Content-Type: multipart/mixed;boundary=b\r\n\r\n" parts "--b--\r\n"
#define PART(part)   "--b\r\n" part "\r\n"
#define SDP(sdp)     PART("Content-Type: application/sdp\r\n\r\n" sdp)
#define HTML(how)                                                                                  \
	PART("Content-Type: text/html\r\nContent-Disposition: x;handling=" how "\r\n\r\nhtml")

static bool has(struct slice bytes, const char *text)
{
	return slice_find(bytes, slice_text(text)) < bytes.len;
}

/* IAM, ACM, ANM, REL: INVITE, 183, 200, BYE. */
static void all_the_way(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice answer;

	(void)state;
	stage_invite(stage, MIXED(SDP(SDP_A) PART(ISUP("IAM 192.0.2.10")) HTML("optional")));
	invite = stage_take(stage, GW_1, "INVITE ");
	assert_true(has(invite, "Content-Type: multipart/mixed;boundary="));
	assert_true(has(invite, "MIME-Version: 1.0\r\n"));
	assert_true(has(
	    invite, "application/isup;version=x\r\n"
		    "Content-Disposition: signal;handling=required\r\n\r\nIAM 192.0.2.10\r\n--"));
	assert_false(has(invite, "html"));
	assert_true(has(invite, "c=IN IP4 198.51.100.2\r\n"));
	/* an address message complete alone, and one with early media */
	stage_answer(stage, GW_1, invite, 180, "tag-of-b", ISUP("ACM"));
	answer = stage_take(stage, PBX, "SIP/2.0 180 ");
	assert_true(has(answer, "Content-Type: application/isup;version=x\r\n"));
	assert_slice(raw_body(answer), "ACM");
	stage_answer(stage, GW_1, invite, 183, "tag-of-b", MIXED(SDP(SDP_B) PART(ISUP("CPG"))));
	answer = stage_take(stage, PBX, "SIP/2.0 183 ");
	assert_true(has(answer, "\r\n\r\nCPG\r\n--") && has(answer, "m=audio "));
	/* no SDP here: that of the 183 is said again */
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", ISUP("ANM"));
	stage_take(stage, GW_1, "ACK ");
	answer = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_true(has(answer, "\r\n\r\nANM\r\n--") && has(answer, "m=audio "));
	stage_learn_a(stage, answer);
	stage_ack_a(stage, 1, NULL);
	stage_request_b(stage, GW_1, "BYE", ISUP("REL"));
	answer = stage_take(stage, PBX, "BYE ");
	assert_true(has(answer, "Content-Disposition: signal;handling=required\r\n"));
	assert_slice(raw_body(answer), "REL");
	stage_end(&stage);
}

/* The second gateway gets what the first one got; its refusal's body reaches the caller. */
static void over_a_failover(void **state)
{
	struct stage *stage = stage_new();
	struct slice answer;

	(void)state;
	stage_invite(stage, MIXED(SDP(SDP_A) PART(ISUP("IAM"))));
	stage_answer(stage, GW_1, stage_take(stage, GW_1, "INVITE "), 503, "t1", ISUP("first"));
	stage_take(stage, GW_1, "ACK ");
	answer = stage_take(stage, GW_2, "INVITE ");
	assert_true(has(answer, "\r\n\r\nIAM\r\n--") && has(answer, "m=audio "));
	stage_answer(stage, GW_2, answer, 486, "t2", ISUP("REL busy"));
	answer = stage_take(stage, PBX, "SIP/2.0 486 ");
	assert_slice(raw_body(answer), "REL busy");
	stage_end(&stage);
}

/* What must be understood and may not cross: 415, with what may (RFC 5621 5, RFC 3261 21.4.13). */
static void required_parts(void **state)
{
	struct stage *stage = stage_new();
	struct slice answer;

	(void)state;
	stage_invite(stage, MIXED(SDP(SDP_A) HTML("required")));
	stage_none(stage, GW_1);
	answer = stage_take(stage, PBX, "SIP/2.0 415 ");
	assert_slice(raw_field(answer, "Accept"),
		     "application/sdp, multipart/mixed, application/isup, application/pidf+xml");
	stage_end(&stage);
	/* the first target's trunk takes no ISUP, the next one's does */
	stage = stage_new();
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:5711@192.0.2.2");
	stage_invite(stage, MIXED(SDP(SDP_A) PART(ISUP("IAM"))));
	stage_none(stage, PICKY);
	assert_true(has(stage_take(stage, GW_1, "INVITE "), "IAM"));
	stage_cancel_a(stage);
	stage_end(&stage);
	/* and where there is no next one */
	stage = stage_new();
	snprintf(stage->a.target, sizeof(stage->a.target), "sip:6711@192.0.2.2");
	stage_invite(stage, MIXED(SDP(SDP_A) PART(ISUP("IAM"))));
	stage_none(stage, PICKY);
	answer = stage_take(stage, PBX, "SIP/2.0 415 ");
	assert_true(has(answer, "\r\nAccept: application/sdp, "));
	stage_end(&stage);
}

/* An offer that comes late, and location beside no SDP at all. */
static void without_an_offer(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice answer;

	(void)state;
	stage_invite(stage, "Content-Type: application/pidf+xml\r\n\r\n<presence/>");
	invite = stage_take(stage, GW_1, "INVITE ");
	assert_true(has(invite, "Content-Type: application/PIDF+xml\r\n"));
	assert_slice(raw_body(invite), "<presence/>");
	stage_answer(stage, GW_1, invite, 200, "tag-of-b", MIXED(PART(ISUP("ANM")) SDP(SDP_B)));
	answer = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_true(has(answer, "ANM\r\n--") && has(answer, "m=audio "));
	stage_learn_a(stage, answer);
	stage_ack_a(stage, 1, SDP_A);
	stage_take(stage, GW_1, "ACK ");
	stage_request_a(stage, "BYE", NULL);
	stage_end(&stage);
}

/* Inside the dialog: re-INVITE and its answer, INFO. */
static void inside(void **state)
{
	struct stage *stage = stage_new();
	struct slice request;
	struct slice answer;

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INVITE", MIXED(SDP(SDP_A_HOLD) PART(ISUP("SUS"))));
	request = stage_take(stage, GW_1, "INVITE ");
	assert_true(has(request, "SUS\r\n--") && has(request, "a=sendonly"));
	stage_answer(stage, GW_1, request, 200, NULL, MIXED(SDP(SDP_B) PART(ISUP("RES"))));
	stage_take(stage, GW_1, "ACK ");
	answer = stage_take(stage, PBX, "SIP/2.0 200 ");
	assert_true(has(answer, "RES\r\n--"));
	stage_ack_a(stage, stage->a.cseq, NULL);
	/* the next exchange carries nothing of the last one */
	stage_request_a(stage, "INVITE", SDP_A);
	request = stage_take(stage, GW_1, "INVITE ");
	assert_true(has(request, "Content-Type: application/sdp\r\n") && !has(request, "SUS"));
	stage_answer(stage, GW_1, request, 200, NULL, SDP_B);
	stage_take(stage, GW_1, "ACK ");
	assert_false(has(stage_take(stage, PBX, "SIP/2.0 200 "), "RES"));
	stage_ack_a(stage, stage->a.cseq, NULL);
	stage_request_a(stage, "INVITE", MIXED(SDP(SDP_A) HTML("required")));
	assert_true(has(stage_take(stage, PBX, "SIP/2.0 415 "), "Accept: "));
	stage_request_a(stage, "INFO", ISUP("INF"));
	request = stage_take(stage, GW_1, "INFO ");
	assert_true(has(request, "application/isup;version=x\r\n"));
	assert_slice(raw_body(request), "INF");
	stage_answer(stage, GW_1, request, 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_request_a(stage, "BYE", NULL);
	stage_end(&stage);
}

/* DTMF passes as it is; of a multipart what may; SDP does not. */
static void info_bodies(void **state)
{
	struct stage *stage = stage_new();
	struct slice request;

	(void)state;
	stage_talk(stage);
	stage_request_a(stage, "INFO",
			"Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n");
	request = stage_take(stage, GW_1, "INFO ");
	assert_true(has(request, "Content-Type: application/dtmf-relay\r\n"));
	assert_slice(raw_body(request), "Signal=5\r\nDuration=160\r\n");
	stage_answer(stage, GW_1, request, 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_request_a(stage, "INFO", MIXED(PART(ISUP("INF")) HTML("optional")));
	request = stage_take(stage, GW_1, "INFO ");
	assert_true(has(request, "multipart/mixed;boundary=") && has(request, "INF\r\n--"));
	assert_false(has(request, "html"));
	stage_answer(stage, GW_1, request, 200, NULL, NULL);
	stage_take(stage, PBX, "SIP/2.0 200 ");
	stage_request_a(stage, "INFO", MIXED(HTML("optional")));
	assert_true(has(stage_take(stage, PBX, "SIP/2.0 415 "),
			"Accept: application/sdp, multipart/mixed, "));
	stage_request_a(stage, "INFO", SDP_A);
	stage_take(stage, PBX, "SIP/2.0 415 ");
	stage_none(stage, GW_1);
	stage_request_a(stage, "BYE", NULL);
	stage_end(&stage);
}

/* RFC 6442: the location is named by a Content-ID that crosses with it. */
static void location(void **state)
{
	struct stage *stage = stage_new();
	struct slice invite;
	struct slice named;

	(void)state;
	stage_invite(stage, "Content-Type: multipart/mixed;boundary=b\r\n"
			    "Geolocation: <sip:lis@192.0.2.10>, <cid:loc%40pbx.example>;x=1\r\n"
			    "Geolocation-Routing: no\r\n\r\n" SDP(SDP_A)
				PART("Content-Type: application/pidf+xml\r\nContent-ID: "
				     "<loc@pbx.example>\r\n\r\n<p/>") "--b--\r\n");
	invite = stage_take(stage, GW_1, "INVITE ");
	named = raw_field(invite, "Geolocation");
	assert_true(slice_starts(named, SLICE("<cid:")));
	named = slice_of(named.p + 5, named.len - 6);
	assert_true(slice_find(raw_body(invite), named) < raw_body(invite).len);
	assert_slice(raw_field(invite, "Geolocation-Routing"), "no");
	assert_false(has(invite, "pbx.example>\r\n\r\n<p/>"));
	stage_cancel_a(stage);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_the_way),    cmocka_unit_test(over_a_failover),
		cmocka_unit_test(required_parts), cmocka_unit_test(without_an_offer),
		cmocka_unit_test(inside),         cmocka_unit_test(info_bodies),
		cmocka_unit_test(location),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

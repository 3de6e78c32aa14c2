/* SPDX-License-Identifier: MIT
 * Server transactions in virtual time: timers G, H, I, J, L, matching, CANCEL, where responses go.
 */
#include "tests/support/unit.h"
#include "tests/unit/sbc/txn/stage.h"

#define BRANCH "z9hG4bKserver1"

/* G doubles up to T2, H at 64*T1 (RFC 3261 17.2.1). */
static void refused_without_ack(void **state)
{
	struct stage stage;
	struct handle txn;
	struct handle none;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	txn_set_user(stage.table, txn, (struct txn_user){ { 5, 5 }, 6, 7 });
	assert_int_equal(txn_user(stage.table, txn).leg, 6);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &none), TXN_ABSORBED);
	assert_false(handle_is(none));
	assert_int_equal(stage_answer(&stage, txn, 100), OK);
	stage_run(&stage, 500);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &none), TXN_ABSORBED);
	assert_int_equal(stage_answer(&stage, txn, 486), OK);
	assert_int_equal(stage_answer(&stage, txn, 500), ERR_STATE);
	assert_null(txn_reply_head(stage.table, txn));
	stage_run(&stage, 40000);
	assert_string_equal(stage_log(&stage),
			    "0 send 100\n500 send 100\n500 send 486\n1000 send 486\n2000 send 486\n"
			    "4000 send 486\n8000 send 486\n12000 send 486\n16000 send 486\n"
			    "20000 send 486\n24000 send 486\n28000 send 486\n32000 send 486\n"
			    "32500 no-ack\n");
	assert_int_equal(stage.last_user.purpose, 7);
	assert_int_equal(stage_answer(&stage, txn, 500), ERR_NOENT);
	stage_fini(&stage);
}

/* The ACK stops G; I absorbs more of them for T4. */
static void refused_with_ack(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_ACK, BRANCH, &txn), TXN_ABSORBED);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, "z9hG4bKserver2", &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 404), OK);
	stage_run(&stage, 600);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, "z9hG4bKserver2", &txn),
			 TXN_ABSORBED);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_ACK, "z9hG4bKserver2", &txn), TXN_ABSORBED);
	stage_run(&stage, 4999);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_ACK, "z9hG4bKserver2", &txn), TXN_ABSORBED);
	stage_run(&stage, 1);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_ACK, "z9hG4bKserver2", &txn), TXN_ACK);
	assert_int_equal(txn_count(stage.table), 1);
	assert_string_equal(stage_log(&stage), "0 send 404\n500 send 404\n600 send 404\n");
	stage_fini(&stage);
}

static void refused_tcp(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 404), OK);
	stage_run(&stage, 10000);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_ACK, BRANCH, &txn), TXN_ABSORBED);
	assert_int_equal(txn_count(stage.table), 0);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 404), OK);
	stage_run(&stage, 32000);
	assert_int_equal(txn_count(stage.table), 0);
	assert_string_equal(stage_log(&stage), "0 send 404\n10000 send 404\n");
	assert_int_equal(txn_counters(stage.table)->ack_timeouts, 1);
	stage_fini(&stage);
}

/* RFC 6026: the 2xx is the user's to repeat, INVITEs are absorbed silently, L ends it. */
static void accepted(void **state)
{
	struct stage stage;
	struct handle none;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 183), OK);
	txn_resend(stage.table, txn, &stage.out);
	stage_drain(&stage);
	assert_int_equal(stage_answer(&stage, txn, 200), OK);
	stage_run(&stage, 500);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_INVITE, BRANCH, &none), TXN_ABSORBED);
	txn_resend(stage.table, txn, &stage.out);
	stage_drain(&stage);
	assert_int_equal(stage_answer(&stage, txn, 200), ERR_STATE);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_ACK, "z9hG4bKack", &none), TXN_ACK);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_ACK, BRANCH, &none), TXN_ACK);
	txn_forget_response(stage.table, txn);
	txn_resend(stage.table, txn, &stage.out);
	arena_fini(&stage.turn);
	assert_int_equal(stage.cache.used_bytes, stage.idle_bytes);
	stage_run(&stage, 31499);
	assert_int_equal(txn_count(stage.table), 1);
	stage_run(&stage, 1);
	assert_int_equal(txn_count(stage.table), 0);
	assert_string_equal(stage_log(&stage),
			    "0 send 183\n0 send 183\n0 send 200\n500 send 200\n");
	stage_fini(&stage);
}

static void non_invite(void **state)
{
	struct stage stage;
	struct handle none;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_BYE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_BYE, BRANCH, &none), TXN_ABSORBED);
	stage_run(&stage, 1000);
	assert_int_equal(stage_answer(&stage, txn, 200), OK);
	txn_resend(stage.table, txn, &stage.out);
	stage_run(&stage, 31999);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_BYE, BRANCH, &none), TXN_ABSORBED);
	stage_run(&stage, 1);
	assert_int_equal(txn_count(stage.table), 0);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_BYE, BRANCH, &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 200), OK);
	assert_int_equal(txn_count(stage.table), 0);
	assert_string_equal(stage_log(&stage), "1000 send 200\n32999 send 200\n33000 send 200\n");
	stage_fini(&stage);
}

/* An INVITE transaction goes on (RFC 6026), another ends (figure 8). */
static void transport_errors(void **state)
{
	struct stage stage;
	struct handle invite;
	struct handle bye;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &invite), TXN_NEW);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_BYE, BRANCH, &bye), TXN_NEW);
	txn_set_user(stage.table, invite, (struct txn_user){ { 5, 5 }, 6, 7 });
	assert_int_equal(stage_answer(&stage, invite, 480), OK);
	assert_int_equal(stage_answer(&stage, bye, 480), OK);
	txn_on_transport_error(stage.table, invite, stage.now_ms, &stage.out);
	txn_on_transport_error(stage.table, bye, stage.now_ms, &stage.out);
	assert_int_equal(txn_count(stage.table), 1);
	stage_run(&stage, 500);
	assert_string_equal(stage_log(&stage), "0 send 480\n0 send 480\n500 send 480\n");
	stage_fini(&stage);
}

static enum txn_match ask(struct stage *stage, const struct sip_msg *msg, const struct flow *flow,
			  struct handle *ret_invite)
{
	struct handle txn;

	return txn_on_request(stage->table, msg, flow, stage->now_ms, &stage->out, &txn,
			      ret_invite);
}

/* RFC 3261 9.2: a CANCEL is a transaction of its own that names the INVITE by its branch. */
static void cancel(void **state)
{
	struct flow flow = stage_flow(SIP_UDP);
	struct handle invite;
	struct handle found;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &invite), TXN_NEW);
	stage_request(&stage, &msg, SIP_CANCEL, BRANCH);
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	assert_true(handle_eq(found, invite));
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	stage_request(&stage, &msg, SIP_CANCEL, "z9hG4bKstranger");
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	assert_false(handle_is(found));
	/* the right branch from another address */
	stage_request(&stage, &msg, SIP_CANCEL, BRANCH);
	flow.remote.ip.bytes[3]++;
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	assert_false(handle_is(found));
	stage_fini(&stage);
}

/* 17.2.3: branch, sent-by and method; a NAT may have moved the source port. */
static void matching(void **state)
{
	struct flow flow = stage_flow(SIP_UDP);
	struct handle found;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	stage_init(&stage, 10);
	stage_request(&stage, &msg, SIP_OPTIONS, BRANCH);
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	flow.remote.port++;
	msg.call_id = SLICE("not looked at");
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	msg.via.host = SLICE("Client.Example.COM");
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	msg.via.port = 5060;
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	msg.via.port = 0;
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	msg.via.host = SLICE("other.example.com");
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	msg.method = SIP_INFO;
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	assert_int_equal(txn_count(stage.table), 4);
	stage_fini(&stage);
}

/* Branches longer than any buffer differ in their last byte. */
static void long_branches(void **state)
{
	static char branch[6000];
	struct flow flow = stage_flow(SIP_UDP);
	struct handle found;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	memset(branch, 'a', sizeof(branch) - 1);
	memcpy(branch, "z9hG4bK", 7);
	stage_init(&stage, 10);
	stage_request(&stage, &msg, SIP_OPTIONS, branch);
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	branch[sizeof(branch) - 2] = 'b';
	stage_request(&stage, &msg, SIP_OPTIONS, branch);
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
	stage_fini(&stage);
}

/* No cookie, or nothing behind it: Request-URI, tags, Call-ID, CSeq and the top Via decide. */
static void rfc2543_matching(void **state)
{
	static const char *const branches[] = { "", "1", "z9hG4bK" };
	struct flow flow = stage_flow(SIP_UDP);
	struct handle found;
	struct handle txn;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	for (size_t i = 0; i < array_size(branches); i++) {
		stage_init(&stage, 10);
		stage_request(&stage, &msg, SIP_INVITE, branches[i]);
		assert_int_equal(txn_on_request(stage.table, &msg, &flow, stage.now_ms, &stage.out,
						&txn, &found),
				 TXN_NEW);
		assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
		msg.to_tag = SLICE("tt");
		assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
		msg.to_tag = SLICE_NONE;
		msg.cseq.number++;
		assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
		msg.cseq.number--;
		msg.call_id = SLICE("another");
		assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
		stage_request(&stage, &msg, SIP_CANCEL, branches[i]);
		assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_NEW);
		assert_true(handle_is(found));
		stage_fini(&stage);
	}
}

static void rfc2543_ack(void **state)
{
	struct flow flow = stage_flow(SIP_UDP);
	struct handle found;
	struct handle txn;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, "1", &txn), TXN_NEW);
	assert_int_equal(stage_answer(&stage, txn, 404), OK);
	stage_request(&stage, &msg, SIP_ACK, "1");
	msg.to_tag = SLICE("ours");
	assert_int_equal(ask(&stage, &msg, &flow, &found), TXN_ABSORBED);
	stage_run(&stage, 5000);
	assert_int_equal(txn_count(stage.table), 0);
	stage_fini(&stage);
}

/* RFC 3261 18.2.2 and RFC 3581 4. */
static void response_flows(void **state)
{
	struct {
		enum sip_transport transport;
		bool rport;
		uint16_t via_port;
		uint16_t expected;
	} rows[] = {
		{ SIP_UDP, true, 5070, 40000 }, { SIP_UDP, false, 5070, 5070 },
		{ SIP_UDP, false, 0, 5060 },    { SIP_TCP, false, 5070, 5070 },
		{ SIP_TCP, true, 0, 5060 },     { SIP_TLS, true, 0, 5061 },
	};
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	for (size_t i = 0; i < array_size(rows); i++) {
		struct flow flow = stage_flow(rows[i].transport);
		char branch[] = "z9hG4bK-flow-0";
		const struct flow *to;
		struct handle found;
		struct handle txn;
		struct sip_msg msg;

		branch[sizeof(branch) - 2] = (char)('0' + i);
		stage_request(&stage, &msg, SIP_OPTIONS, branch);
		msg.via.rport = rows[i].rport;
		msg.via.port = rows[i].via_port;
		assert_int_equal(txn_on_request(stage.table, &msg, &flow, stage.now_ms, &stage.out,
						&txn, &found),
				 TXN_NEW);
		to = txn_flow(stage.table, txn);
		assert_int_equal(to->remote.port, rows[i].expected);
		assert_true(ip_eq(&to->remote.ip, &flow.remote.ip));
		assert_true(handle_eq(to->connection, flow.connection));
		assert_int_equal(to->listener, 3);
	}
	stage_fini(&stage);
}

/* A user that cannot answer lets go; the request comes again as a new one. */
static void abandoned(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	txn_abandon(stage.table, txn);
	assert_int_equal(txn_count(stage.table), 0);
	assert_int_equal(stage_answer(&stage, txn, 500), ERR_NOENT);
	assert_int_equal(stage_ask(&stage, SIP_UDP, SIP_INVITE, BRANCH, &txn), TXN_NEW);
	stage_fini(&stage);
}

static void capacity(void **state)
{
	struct stage stage;
	struct handle txn;
	struct handle other;

	(void)state;
	stage_init(&stage, 2);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_OPTIONS, "z9hG4bK1", &txn), TXN_NEW);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_OPTIONS, "z9hG4bK2", &other), TXN_NEW);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_OPTIONS, "z9hG4bK3", &other), TXN_FULL);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_OPTIONS, "z9hG4bK1", &other), TXN_ABSORBED);
	assert_int_equal(stage_answer(&stage, txn, 200), OK);
	assert_int_equal(stage_ask(&stage, SIP_TCP, SIP_OPTIONS, "z9hG4bK3", &other), TXN_NEW);
	assert_int_equal(txn_counters(stage.table)->full, 1);
	stage_fini(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_without_ack),
		cmocka_unit_test(refused_with_ack),
		cmocka_unit_test(refused_tcp),
		cmocka_unit_test(accepted),
		cmocka_unit_test(non_invite),
		cmocka_unit_test(transport_errors),
		cmocka_unit_test(cancel),
		cmocka_unit_test(matching),
		cmocka_unit_test(long_branches),
		cmocka_unit_test(rfc2543_matching),
		cmocka_unit_test(rfc2543_ack),
		cmocka_unit_test(response_flows),
		cmocka_unit_test(capacity),
		cmocka_unit_test(abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

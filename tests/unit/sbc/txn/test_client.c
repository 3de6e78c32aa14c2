/* SPDX-License-Identifier: MIT
 * Client transactions in virtual time: timers A, B, D, E, F, K, M, the ACK, forks. */
#include "tests/support/unit.h"
#include "tests/unit/sbc/txn/stage.h"

#define BRANCH "z9hG4bKclient1"

/* A doubles from T1; B ends it at 64*T1 (RFC 3261 17.1.1.2). */
static void invite_unanswered(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	stage_run(&stage, 40000);
	assert_string_equal(stage_log(&stage),
			    "0 send INVITE\n500 send INVITE\n1500 send INVITE\n"
			    "3500 send INVITE\n7500 send INVITE\n15500 send INVITE\n"
			    "31500 send INVITE\n32000 timeout\n");
	assert_int_equal(stage.last_user.purpose, 2);
	assert_int_equal(txn_count(stage.table), 0);
	assert_int_equal(txn_counters(stage.table)->timeouts, 1);
	assert_int_equal(txn_counters(stage.table)->sent_again, 6);
	stage_fini(&stage);
}

static void invite_unanswered_tcp(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_TCP, SIP_INVITE, BRANCH, 0);
	stage_run(&stage, 40000);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n32000 timeout\n");
	stage_fini(&stage);
}

static void shorter_timeout(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 4000);
	stage_run(&stage, 40000);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n500 send INVITE\n1500 send INVITE\n"
					       "3500 send INVITE\n4000 timeout\n");
	stage_fini(&stage);
}

/* Not repeated once given up; 64*T1 later gone, whether it rings (RFC 3261 9.1) or not. */
static void invite_given_up(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	for (unsigned rings = 0; rings < 2; rings++) {
		stage_init(&stage, 10);
		txn = stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
		stage_run(&stage, 600);
		if (rings)
			assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 180), OK);
		txn_give_up(stage.table, txn, stage.now_ms);
		stage_run(&stage, 40000);
		assert_string_equal(stage_log(&stage),
				    rings ? "0 send INVITE\n500 send INVITE\n600 up 180\n"
					    "32600 timeout\n" :
					    "0 send INVITE\n500 send INVITE\n32600 timeout\n");
		stage_fini(&stage);
	}
}

/* A provisional ends A and B: ringing may last. The 2xx frees the INVITE, M absorbs stragglers,
 * every 2xx goes up (RFC 6026 7.2). */
static void invite_answered(void **state)
{
	struct stage stage;
	struct handle txn;
	size_t bytes;

	(void)state;
	stage_init(&stage, 10);
	txn = stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	stage_run(&stage, 100);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 100), OK);
	stage_run(&stage, 100000);
	bytes = txn_request_bytes(stage.table, txn).len;
	assert_true(bytes > 0);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 180), OK);
	arena_fini(&stage.turn);
	assert_true(stage.cache.used_bytes >= stage.idle_bytes + bytes);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), OK);
	arena_fini(&stage.turn);
	assert_int_equal(stage.cache.used_bytes, stage.idle_bytes);
	assert_int_equal(txn_request_bytes(stage.table, txn).len, 0);
	stage_run(&stage, 31000);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), OK);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 486), OK);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 183), OK);
	stage_run(&stage, 999);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), OK);
	stage_run(&stage, 1);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), ERR_NOENT);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n100 up 100\n100100 up 180\n"
					       "100100 up 200\n131100 up 200\n132099 up 200\n");
	stage_fini(&stage);
}

static const char expected_ack[] =
    "ACK sip:b@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP client.example.com:5070;branch=" BRANCH "\r\n"
    "Max-Forwards: 69\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"
    "From: <sip:a@example.com>;tag=ff\r\nCall-ID: call@example.com\r\nCSeq: 1 ACK\r\n"
    "To: <sip:b@example.com>;tag=tt\r\nContent-Length: 0\r\n\r\n";

/* 17.1.1.3, and D: 32 s in which every copy of the response gets the ACK again. */
static void invite_refused(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	stage_run(&stage, 200);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 486), OK);
	assert_slice(stage.last_sent, expected_ack);
	assert_int_equal(stage.last_flow.remote.port, 40000);
	stage_run(&stage, 31999);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 486), OK);
	assert_slice(stage.last_sent, expected_ack);
	stage_run(&stage, 1);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 486), ERR_NOENT);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n200 send ACK\n200 up 486\n"
					       "32199 send ACK\n");
	stage_fini(&stage);
}

static void invite_refused_tcp(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_TCP, SIP_INVITE, BRANCH, 0);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 503), OK);
	assert_slice(stage.last_sent, expected_ack);
	assert_int_equal(txn_count(stage.table), 0);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n0 send ACK\n0 up 503\n");
	stage_fini(&stage);
}

/* E doubles up to T2; F at 64*T1 (17.1.2.2). */
static void request_unanswered(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_OPTIONS, BRANCH, 0);
	stage_run(&stage, 40000);
	assert_string_equal(
	    stage_log(&stage),
	    "0 send OPTIONS\n500 send OPTIONS\n1500 send OPTIONS\n3500 send OPTIONS\n"
	    "7500 send OPTIONS\n11500 send OPTIONS\n15500 send OPTIONS\n19500 send OPTIONS\n"
	    "23500 send OPTIONS\n27500 send OPTIONS\n31500 send OPTIONS\n32000 timeout\n");
	stage_fini(&stage);
}

/* In Proceeding E goes on, at T2; F too. */
static void request_proceeding(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_OPTIONS, BRANCH, 0);
	stage_run(&stage, 600);
	assert_int_equal(stage_receive(&stage, SIP_OPTIONS, BRANCH, 100), OK);
	stage_run(&stage, 9000);
	assert_int_equal(stage_receive(&stage, SIP_OPTIONS, BRANCH, 200), OK);
	stage_run(&stage, 4999);
	assert_int_equal(stage_receive(&stage, SIP_OPTIONS, BRANCH, 200), OK);
	stage_run(&stage, 1);
	assert_int_equal(stage_receive(&stage, SIP_OPTIONS, BRANCH, 200), ERR_NOENT);
	assert_string_equal(stage_log(&stage),
			    "0 send OPTIONS\n500 send OPTIONS\n600 up 100\n1500 send OPTIONS\n"
			    "5500 send OPTIONS\n9500 send OPTIONS\n9600 up 200\n");
	stage_fini(&stage);
}

static void request_tcp(void **state)
{
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_TCP, SIP_OPTIONS, BRANCH, 0);
	arena_fini(&stage.turn);
	assert_int_equal(stage.cache.used_bytes, stage.idle_bytes);
	stage_run(&stage, 20000);
	assert_int_equal(stage_receive(&stage, SIP_OPTIONS, BRANCH, 404), OK);
	assert_int_equal(txn_count(stage.table), 0);
	assert_string_equal(stage_log(&stage), "0 send OPTIONS\n20000 up 404\n");
	stage_fini(&stage);
}

static void matching(void **state)
{
	struct sip_msg msg;
	struct stage stage;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, "z9hG4bKother", 200), ERR_NOENT);
	assert_int_equal(stage_receive(&stage, SIP_CANCEL, BRANCH, 200), ERR_NOENT);
	stage_response(&stage, &msg, SIP_INVITE, BRANCH, 200);
	msg.via.port = 5071;
	assert_int_equal(txn_on_response(stage.table, txn_asked(stage.table, &msg),
						 &msg, stage.now_ms, &stage.out), ERR_NOENT);
	msg.via.port = 5070;
	msg.via.host = SLICE("elsewhere.example.com");
	assert_int_equal(txn_on_response(stage.table, txn_asked(stage.table, &msg),
						 &msg, stage.now_ms, &stage.out), ERR_NOENT);
	msg.via.host = SLICE("CLIENT.example.com");
	assert_int_equal(txn_on_response(stage.table, txn_asked(stage.table, &msg),
						 &msg, stage.now_ms, &stage.out), OK);
	effects_init(&stage.out, &stage.turn);
	stage_fini(&stage);
}

/* One final outcome: an error after it is nobody's news. */
static void transport_errors(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	txn = stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	txn_on_transport_error(stage.table, txn, stage.now_ms, &stage.out);
	txn_on_transport_error(stage.table, txn, stage.now_ms, &stage.out);
	stage_drain(&stage);
	txn = stage_send(&stage, SIP_UDP, SIP_OPTIONS, BRANCH, 0);
	txn_on_transport_error(stage.table, txn, stage.now_ms, &stage.out);
	stage_drain(&stage);
	txn = stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 500), OK);
	txn_on_transport_error(stage.table, txn, stage.now_ms, &stage.out);
	stage_drain(&stage);
	assert_string_equal(stage_log(&stage),
			    "0 send INVITE\n0 error\n0 send OPTIONS\n0 error\n0 send INVITE\n"
			    "0 send ACK\n0 up 500\n");
	assert_int_equal(txn_count(stage.table), 0);
	stage_fini(&stage);
}

static void abandoned(void **state)
{
	struct stage stage;
	struct handle txn;

	(void)state;
	stage_init(&stage, 10);
	txn = stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	txn_abandon(stage.table, txn);
	txn_abandon(stage.table, txn);
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), ERR_NOENT);
	stage_run(&stage, 40000);
	assert_string_equal(stage_log(&stage), "0 send INVITE\n");
	stage_fini(&stage);
}

/* RFC 3261 8.1.3.3: as one field or as two. */
static void second_via(void **state)
{
	static const char *const extra[] = {
		"Via: SIP/2.0/UDP client.example.com:5070;branch=" BRANCH ", SIP/2.0/UDP other\r\n",
		"Via: SIP/2.0/UDP client.example.com:5070;branch=" BRANCH
		"\r\nVia: SIP/2.0/UDP other\r\n",
	};
	struct sip_verdict verdict;
	struct stage stage;
	struct sip_msg msg;

	(void)state;
	stage_init(&stage, 10);
	stage_send(&stage, SIP_UDP, SIP_INVITE, BRANCH, 0);
	for (size_t i = 0; i < array_size(extra); i++) {
		struct slice bytes = arena_printf(
		    &stage.turn,
		    "SIP/2.0 200 OK\r\n%sFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n"
		    "Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
		    extra[i]);

		assert_int_equal(sip_parse(&stage.turn, bytes, &sip_limits_default, &msg, &verdict),
				 OK);
		assert_int_equal(txn_on_response(stage.table, txn_asked(stage.table, &msg),
							 &msg, stage.now_ms, &stage.out),
				 ERR_NOENT);
	}
	assert_int_equal(stage_receive(&stage, SIP_INVITE, BRANCH, 200), OK);
	stage_fini(&stage);
}

static void branches(void **state)
{
	char storage[64];
	struct text text;
	struct rand rand;

	(void)state;
	rand_init_seed(&rand, 1);
	text_init(&text, storage, sizeof(storage));
	txn_branch_write(&text, &rand);
	assert_true(slice_starts(text_done(&text), SLICE("z9hG4bK")));
	assert_int_equal(text.len, 7 + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invite_unanswered),  cmocka_unit_test(invite_unanswered_tcp),
		cmocka_unit_test(shorter_timeout),
		cmocka_unit_test(invite_given_up),    cmocka_unit_test(invite_answered),
		cmocka_unit_test(invite_refused),     cmocka_unit_test(invite_refused_tcp),
		cmocka_unit_test(request_unanswered), cmocka_unit_test(request_proceeding),
		cmocka_unit_test(request_tcp),        cmocka_unit_test(matching),
		cmocka_unit_test(transport_errors),   cmocka_unit_test(abandoned),
		cmocka_unit_test(second_via),         cmocka_unit_test(branches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

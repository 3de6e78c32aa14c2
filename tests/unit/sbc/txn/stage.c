/* SPDX-License-Identifier: MIT */
#include "tests/unit/sbc/txn/stage.h"

#include <stdio.h>

#include "tests/support/unit.h"

#define START_MS 1000000u

void stage_init(struct stage *stage, uint32_t capacity)
{
	struct txn_config config = {
		.wheel = &stage->wheel,
		.cache = &stage->cache,
		.hash_key = { 1, 2 },
		.capacity = capacity,
		.timer_kind = 7,
		.quota_bytes = 16384,
	};

	*stage = (struct stage){ .now_ms = START_MS };
	wheel_init(&stage->wheel, START_MS);
	arena_cache_init(&stage->cache, 1u << 20);
	arena_init(&stage->turn, &stage->cache, 4096, 1u << 20);
	effects_init(&stage->out, &stage->turn);
	assert_int_equal(txn_table_create(&config, &stage->table), OK);
	stage->idle_bytes = stage->cache.used_bytes;
}

void stage_fini(struct stage *stage)
{
	txn_table_destroy(&stage->table);
	arena_fini(&stage->turn);
	assert_int_equal(stage->wheel.count, 0);
	assert_int_equal(stage->cache.used_bytes, 0);
	arena_cache_fini(&stage->cache);
}

static void log_line(struct stage *stage, const char *what, struct slice detail)
{
	size_t room = sizeof(stage->log) - stage->log_len;
	int len = snprintf(stage->log + stage->log_len, room, "%llu %s%s%.*s\n",
			   (unsigned long long)(stage->now_ms - START_MS), what,
			   detail.len ? " " : "", SLICE_ARG(detail));

	assert_true(len > 0 && (size_t)len < room);
	stage->log_len += (size_t)len;
}

static void log_effect(struct stage *stage, const struct effect *effect)
{
	static const char *const names[] = {
		[EFFECT_SEND] = "send",
		[EFFECT_TXN_RESPONSE] = "up",
		[EFFECT_TXN_TIMEOUT] = "timeout",
		[EFFECT_TXN_ERROR] = "error",
		[EFFECT_TXN_ACK_TIMEOUT] = "no-ack",
	};
	char status[8];
	struct slice detail = SLICE_NONE;

	assert_true(effect->kind <= EFFECT_TXN_ACK_TIMEOUT);
	if (effect->kind == EFFECT_SEND) {
		stage->last_sent = effect->send.bytes;
		stage->last_flow = effect->send.flow;
		detail = slice_head(effect->send.bytes, slice_find_char(effect->send.bytes, ' '));
	} else {
		stage->last_user = effect->txn.user;
	}
	if (effect->kind == EFFECT_TXN_RESPONSE) {
		snprintf(status, sizeof(status), "%u", effect->txn.msg->status);
		detail = slice_text(status);
	}
	log_line(stage, names[effect->kind], detail);
}

void stage_drain(struct stage *stage)
{
	struct effect *effect;

	while ((effect = effects_pop(&stage->out)))
		log_effect(stage, effect);
	assert_false(stage->out.failed);
}

void stage_run(struct stage *stage, uint64_t ms)
{
	struct timer *timer;

	while (ms-- > 0) {
		stage->now_ms++;
		while ((timer = wheel_pop(&stage->wheel, stage->now_ms))) {
			assert_int_equal(timer->kind, 7);
			txn_on_timer(stage->table, timer, stage->now_ms, &stage->out);
		}
		stage_drain(stage);
		arena_reset(&stage->turn);
	}
}

const char *stage_log(struct stage *stage)
{
	stage->log[stage->log_len] = '\0';
	stage->log_len = 0;
	return stage->log;
}

struct flow stage_flow(enum sip_transport transport)
{
	struct flow flow = { .transport = (uint8_t)transport, .listener = 3 };

	assert_int_equal(endpoint_parse(SLICE("192.0.2.1:5060"), &flow.local), OK);
	assert_int_equal(endpoint_parse(SLICE("198.51.100.7:40000"), &flow.remote), OK);
	if (transport != SIP_UDP)
		flow.connection = (struct handle){ 4, 1 };
	return flow;
}

static void parse(struct stage *stage, struct slice bytes, struct sip_msg *msg)
{
	struct sip_verdict verdict;

	assert_int_not_equal(bytes.len, 0);
	assert_int_equal(sip_parse(&stage->turn, bytes, &sip_limits_default, msg, &verdict), OK);
}

/* What follows the start line. */
#define HEADERS                                                                                    \
	"Via: SIP/2.0/UDP client.example.com:5070;x=1%s%s\r\nMax-Forwards: 70\r\n"                 \
	"From: <sip:a@example.com>;tag=ff\r\nTo: <sip:b@example.com>%s\r\n"                        \
	"Call-ID: call@example.com\r\nCSeq: 1 %.*s\r\nContent-Length: 0\r\n\r\n"

void stage_request(struct stage *stage, struct sip_msg *msg, enum sip_method method,
		   const char *branch)
{
	struct slice name = sip_method_text(method);

	parse(stage,
	      arena_printf(&stage->turn, "%.*s sip:b@example.com SIP/2.0\r\n" HEADERS,
			   SLICE_ARG(name), branch[0] ? ";branch=" : "", branch, "",
			   SLICE_ARG(name)),
	      msg);
}

void stage_response(struct stage *stage, struct sip_msg *msg, enum sip_method method,
		    const char *branch, uint16_t status)
{
	struct slice name = sip_method_text(method);

	parse(stage,
	      arena_printf(&stage->turn, "SIP/2.0 %u Text\r\n" HEADERS, status, ";branch=", branch,
			   ";tag=tt", SLICE_ARG(name)),
	      msg);
}

struct handle stage_send(struct stage *stage, enum sip_transport transport, enum sip_method method,
			 const char *branch, uint32_t timeout_ms)
{
	struct handle txn = HANDLE_NONE;
	struct slice bytes = arena_printf(
	    &stage->turn,
	    "%s sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP client.example.com:5070;branch=%s"
	    "\r\nMax-Forwards: 69\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"
	    "From: <sip:a@example.com>;tag=ff\r\nTo: <sip:b@example.com>\r\n"
	    "Call-ID: call@example.com\r\nCSeq: 1 %s\r\nContact: <sip:us>\r\n"
	    "Content-Length: 5\r\n\r\nRoute",
	    method == SIP_INVITE ? "INVITE" : "OPTIONS", branch,
	    method == SIP_INVITE ? "INVITE" : "OPTIONS");
	struct txn_request request = {
		.method = method,
		.branch = slice_text(branch),
		.sent_by = SLICE("client.example.com:5070"),
		.flow = stage_flow(transport),
		.bytes = bytes,
		.user = { .owner = { 9, 9 }, .leg = 1, .purpose = 2 },
		.timeout_ms = timeout_ms,
	};

	assert_int_equal(txn_request(stage->table, &request, stage->now_ms, &stage->out, &txn), OK);
	stage_drain(stage);
	return txn;
}

enum err stage_receive(struct stage *stage, enum sip_method method, const char *branch,
		       uint16_t status)
{
	struct sip_msg msg;
	enum err err;

	stage_response(stage, &msg, method, branch, status);
	err = txn_on_response(stage->table, txn_asked(stage->table, &msg), &msg, stage->now_ms, &stage->out);
	stage_drain(stage);
	return err;
}

enum txn_match stage_ask(struct stage *stage, enum sip_transport transport, enum sip_method method,
			 const char *branch, struct handle *ret_txn)
{
	struct flow flow = stage_flow(transport);
	struct handle invite;
	struct sip_msg msg;
	enum txn_match match;

	stage_request(stage, &msg, method, branch);
	match =
	    txn_on_request(stage->table, &msg, &flow, stage->now_ms, &stage->out, ret_txn, &invite);
	stage_drain(stage);
	return match;
}

enum err stage_answer(struct stage *stage, struct handle txn, uint16_t status)
{
	struct slice bytes = arena_printf(&stage->turn, "%u Something\r\n\r\n", status);
	enum err err = txn_respond(stage->table, txn, status, bytes, stage->now_ms, &stage->out);

	stage_drain(stage);
	return err;
}

/* SPDX-License-Identifier: MIT
 * Short memory: with every quota from nothing to plenty, of transactions and of the turn, a life on
 * both sides ends, nothing stays behind, and only the errors of the contract are seen. */
#include "tests/support/unit.h"
#include "tests/unit/sbc/txn/stage.h"

struct life {
	struct wheel wheel;
	struct arena_cache cache;
	struct arena input; /* the received messages: not what is short here */
	struct arena turn;
	struct effects out;
	struct txn_table *table;
	uint64_t now_ms;
	unsigned finals; /* outcomes that the client's user heard */
};

static struct slice message(struct life *life, const char *start, const char *tag,
			    const char *method)
{
	return arena_printf(&life->input,
			    "%s\r\nVia: SIP/2.0/UDP us.example.com;branch=z9hG4bKlife\r\n"
			    "Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=ff\r\n"
			    "To: <sip:b@example.com>%s\r\nCall-ID: call@example.com\r\n"
			    "CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
			    start, tag, method);
}

static void parse(struct life *life, struct slice bytes, struct sip_msg *msg)
{
	struct sip_verdict verdict;

	assert_int_equal(sip_parse(&life->input, bytes, &sip_limits_default, msg, &verdict), OK);
}

/* Ends a turn. */
static void drain(struct life *life)
{
	struct effect *effect;

	while ((effect = effects_pop(&life->out)))
		if ((effect->kind == EFFECT_TXN_RESPONSE && effect->txn.msg->status >= 200) ||
		    effect->kind == EFFECT_TXN_TIMEOUT || effect->kind == EFFECT_TXN_ERROR)
			life->finals++;
	arena_reset(&life->turn);
	effects_init(&life->out, &life->turn);
}

static void run(struct life *life, uint64_t ms)
{
	struct timer *timer;

	for (; ms > 0; ms -= 100) {
		life->now_ms += 100;
		while ((timer = wheel_pop(&life->wheel, life->now_ms))) {
			txn_on_timer(life->table, timer, life->now_ms, &life->out);
			drain(life);
		}
	}
}

static void server_life(struct life *life, uint16_t status)
{
	struct flow flow = stage_flow(SIP_UDP);
	struct slice bytes = message(life, "INVITE sip:b@example.com SIP/2.0", "", "INVITE");
	struct handle invite;
	struct handle txn;
	struct sip_msg msg;
	enum txn_match match;

	parse(life, bytes, &msg);
	match = txn_on_request(life->table, &msg, &flow, life->now_ms, &life->out, &txn, &invite);
	drain(life);
	if (match == TXN_FULL)
		return;
	assert_int_equal(match, TXN_NEW);
	assert_non_null(txn_reply_head(life->table, txn));
	assert_int_equal(txn_respond(life->table, txn, 180, bytes, life->now_ms, &life->out), OK);
	drain(life);
	assert_int_equal(txn_respond(life->table, txn, status, bytes, life->now_ms, &life->out),
			 OK);
	txn_resend(life->table, txn, &life->out);
	drain(life);
}

static void client_life(struct life *life, uint16_t status)
{
	struct txn_request request = {
		.method = SIP_INVITE,
		.branch = SLICE("z9hG4bKlife"),
		.sent_by = SLICE("us.example.com"),
		.flow = stage_flow(SIP_UDP),
		.bytes = message(life, "INVITE sip:b@example.com SIP/2.0", "", "INVITE"),
	};
	struct handle txn;
	struct sip_msg msg;
	enum err err = txn_request(life->table, &request, life->now_ms, &life->out, &txn);

	drain(life);
	if (err != OK) {
		assert_int_equal(err, ERR_NOMEM);
		return;
	}
	run(life, 2000);
	parse(life,
	      message(life, status == 200 ? "SIP/2.0 200 OK" : "SIP/2.0 486 Busy Here", ";tag=tt",
		      "INVITE"),
	      &msg);
	assert_int_equal(txn_on_response(life->table, txn_asked(life->table, &msg),
						 &msg, life->now_ms, &life->out), OK);
	drain(life);
}

static void sweep(size_t txn_quota, size_t turn_quota, struct life *life)
{
	struct txn_config config = {
		.wheel = &life->wheel,
		.cache = &life->cache,
		.capacity = 10,
		.quota_bytes = (uint32_t)txn_quota,
	};

	*life = (struct life){ .now_ms = 5000 };
	wheel_init(&life->wheel, life->now_ms);
	arena_cache_init(&life->cache, 1u << 20);
	arena_init(&life->turn, &life->cache, 0, turn_quota);
	arena_init(&life->input, &life->cache, 8192, 1u << 20);
	effects_init(&life->out, &life->turn);
	assert_int_equal(txn_table_create(&config, &life->table), OK);
	server_life(life, 200);
	run(life, 33000);
	server_life(life, 486);
	run(life, 33000);
	client_life(life, 200);
	run(life, 33000);
	client_life(life, 486);
	run(life, 40000);
	assert_int_equal(txn_count(life->table), 0);
	assert_int_equal(life->wheel.count, 0);
	txn_table_destroy(&life->table);
	arena_fini(&life->turn);
	arena_fini(&life->input);
	arena_cache_fini(&life->cache);
}

static void short_transactions(void **state)
{
	struct life life;

	(void)state;
	for (size_t quota = 0; quota < 4096; quota += 16)
		sweep(quota, 1u << 20, &life);
	assert_int_equal(life.finals, 2);
}

static void short_turns(void **state)
{
	struct life life;

	(void)state;
	for (size_t quota = 0; quota < 4096; quota += 16)
		sweep(16384, quota, &life);
	assert_int_equal(life.finals, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_transactions),
		cmocka_unit_test(short_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

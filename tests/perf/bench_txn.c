/* SPDX-License-Identifier: MIT
 * What a transaction costs: nanoseconds for a whole life of each kind over UDP, with few and with a
 * hundred thousand others waiting out their last timer, and the bytes that one holds while it
 * waits. Parsing and writing messages is not in it. */
#include <stdio.h>
#include <time.h>

#include "sbc/txn/txn.h"

#define LINGERING 100000u
#define LIVES     300000u

struct bench {
	struct wheel wheel;
	struct arena_cache cache;
	struct arena turn;
	struct arena texts;
	struct effects out;
	struct txn_table *table;
	uint64_t now_ms;
	uint64_t number;
	char branch[32];
	struct flow flow;
	struct sip_msg invite, bye, trying, ringing, ok, bye_ok;
};

static const char request_text[] =
    "%s sip:4930123456@192.0.2.10:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=z9hG4bK0000000000000000\r\n"
    "Max-Forwards: 70\r\nFrom: \"Alice\" <sip:4930987654@198.51.100.2>;tag=8f3a9c2b1d4e\r\n"
    "To: <sip:4930123456@192.0.2.10>\r\nCall-ID: 7d3f1a2b9c8e4f5a6b7c8d9e@198.51.100.2\r\n"
    "CSeq: 1 %s\r\nContact: <sip:198.51.100.2:5060>\r\nContent-Length: 0\r\n\r\n";
static const char response_text[] =
    "SIP/2.0 %u OK\r\n"
    "Via: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=z9hG4bK0000000000000000\r\n"
    "From: \"Alice\" <sip:4930987654@198.51.100.2>;tag=8f3a9c2b1d4e\r\n"
    "To: <sip:4930123456@192.0.2.10>;tag=1a2b3c4d5e\r\n"
    "Call-ID: 7d3f1a2b9c8e4f5a6b7c8d9e@198.51.100.2\r\nCSeq: 1 %s\r\n"
    "Contact: <sip:192.0.2.10:5060>\r\nContent-Length: 0\r\n\r\n";

static void parse(struct bench *bench, struct slice bytes, struct sip_msg *msg)
{
	struct sip_verdict verdict;

	ensure(sip_parse(&bench->texts, bytes, &sip_limits_default, msg, &verdict) == OK);
}

static void bench_init(struct bench *bench)
{
	struct txn_config config = {
		.wheel = &bench->wheel,
		.cache = &bench->cache,
		.hash_key = { 1, 2 },
		.capacity = 4 * LINGERING,
		.quota_bytes = 65536,
	};
	struct arena *texts = &bench->texts;

	*bench = (struct bench){ .now_ms = 1000 };
	wheel_init(&bench->wheel, bench->now_ms);
	arena_cache_init(&bench->cache, 64u << 20);
	arena_init(&bench->turn, &bench->cache, 65536, 1u << 20);
	arena_init(texts, &bench->cache, 65536, 1u << 20);
	ensure(txn_table_create(&config, &bench->table) == OK);
	ensure(endpoint_parse(SLICE("198.51.100.2:5060"), &bench->flow.remote) == OK);
	parse(bench, arena_printf(texts, request_text, "INVITE", "INVITE"), &bench->invite);
	parse(bench, arena_printf(texts, request_text, "BYE", "BYE"), &bench->bye);
	parse(bench, arena_printf(texts, response_text, 100u, "INVITE"), &bench->trying);
	parse(bench, arena_printf(texts, response_text, 180u, "INVITE"), &bench->ringing);
	parse(bench, arena_printf(texts, response_text, 200u, "INVITE"), &bench->ok);
	parse(bench, arena_printf(texts, response_text, 200u, "BYE"), &bench->bye_ok);
}

static void bench_fini(struct bench *bench)
{
	txn_table_destroy(&bench->table);
	arena_fini(&bench->turn);
	arena_fini(&bench->texts);
	arena_cache_fini(&bench->cache);
}

/* The received bytes, as of a new transaction. */
static struct sip_msg *fresh(struct bench *bench, struct sip_msg *msg)
{
	msg->via.branch = slice_text(bench->branch);
	return msg;
}

static struct handle ask(struct bench *bench, struct sip_msg *msg)
{
	struct handle invite;
	struct handle txn;

	ensure(txn_on_request(bench->table, fresh(bench, msg), &bench->flow, bench->now_ms,
			      &bench->out, &txn, &invite) == TXN_NEW);
	return txn;
}

static void answer(struct bench *bench, struct handle txn, const struct sip_msg *msg)
{
	ensure(txn_respond(bench->table, txn, msg->status, msg->bytes, bench->now_ms,
			   &bench->out) == OK);
}

static void server_invite(struct bench *bench)
{
	struct handle txn = ask(bench, &bench->invite);

	answer(bench, txn, &bench->trying);
	answer(bench, txn, &bench->ringing);
	answer(bench, txn, &bench->ok);
	txn_forget_response(bench->table, txn);
}

static void server_bye(struct bench *bench)
{
	answer(bench, ask(bench, &bench->bye), &bench->bye_ok);
}

static void request(struct bench *bench, const struct sip_msg *msg)
{
	struct txn_request request = {
		.method = msg->method,
		.branch = slice_text(bench->branch),
		.sent_by = SLICE("198.51.100.2:5060"),
		.flow = bench->flow,
		.bytes = msg->bytes,
	};
	struct handle txn;

	ensure(txn_request(bench->table, &request, bench->now_ms, &bench->out, &txn) == OK);
}

static void hear(struct bench *bench, struct sip_msg *msg)
{
	msg = fresh(bench, msg);
	ensure(txn_on_response(bench->table, txn_asked(bench->table, msg), msg, bench->now_ms,
			       &bench->out) == OK);
}

static void client_invite(struct bench *bench)
{
	request(bench, &bench->invite);
	hear(bench, &bench->trying);
	hear(bench, &bench->ringing);
	hear(bench, &bench->ok);
}

static void client_bye(struct bench *bench)
{
	request(bench, &bench->bye);
	hear(bench, &bench->bye_ok);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

typedef void life_fn(struct bench *bench);

static void live(struct bench *bench, life_fn *life)
{
	struct timer *timer;

	snprintf(bench->branch, sizeof(bench->branch), "z9hG4bK%016llx",
		 (unsigned long long)bench->number++);
	effects_init(&bench->out, &bench->turn);
	while ((timer = wheel_pop(&bench->wheel, bench->now_ms)))
		txn_on_timer(bench->table, timer, bench->now_ms, &bench->out);
	life(bench);
	arena_reset(&bench->turn);
}

/* Lives begin at such a rate that `lingering` of them wait for their last timer. */
static void measure(const char *name, life_fn *life, uint32_t lingering, uint64_t linger_ms)
{
	struct bench bench;
	size_t base_bytes;
	uint64_t start_ns = 0;

	bench_init(&bench);
	base_bytes = bench.cache.used_bytes; /* nothing of the turn yet */
	for (uint32_t i = 0; i < LIVES + lingering; i++) {
		if (i == lingering)
			start_ns = now_ns();
		bench.now_ms = 1000 + (uint64_t)i * linger_ms / lingering;
		live(&bench, life);
	}
	arena_fini(&bench.turn);
	printf("%-22s %8u waiting: %5llu ns a life, %4zu bytes of arena each\n", name,
	       txn_count(bench.table), (unsigned long long)((now_ns() - start_ns) / LIVES),
	       (bench.cache.used_bytes - base_bytes) / txn_count(bench.table));
	bench_fini(&bench);
}

int main(void)
{
	static const struct {
		const char *name;
		life_fn *life;
		uint64_t linger_ms;
	} rows[] = {
		{ "INVITE server", server_invite, 32000 },
		{ "non-INVITE server", server_bye, 32000 },
		{ "INVITE client", client_invite, 32000 },
		{ "non-INVITE client", client_bye, 5000 },
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		measure(rows[i].name, rows[i].life, 50, rows[i].linger_ms);
		measure(rows[i].name, rows[i].life, LINGERING, rows[i].linger_ms);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Resolutions against a name server that a script plays (dns_server.py has the zone). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sbc/resolve/resolve.h"
#include "tests/support/unit.h"

#define WAITING_MAX 64

struct outcome {
	bool over;
	enum err err;
	struct resolve_answer answer;
};

struct fixture {
	struct loop loop;
	struct rand rand;
	struct resolver *resolver;
	struct outcome outcomes[WAITING_MAX];
};

static void on_answer(void *owner, uint64_t token, enum err err,
		      const struct resolve_answer *answer)
{
	struct fixture *f = owner;

	assert_false(f->outcomes[token].over);
	f->outcomes[token] = (struct outcome){ true, err, *answer };
}

static void setup(struct fixture *f)
{
	struct resolve_config config = {
		.loop = &f->loop, .rand = &f->rand, .budget_ms = 1000, .patience_ms = 200
	};

	*f = (struct fixture){ 0 };
	config.servers = getenv("DNS_SERVER");
	assert_non_null(config.servers);
	assert_int_equal(loop_init(&f->loop), OK);
	rand_init_seed(&f->rand, 42);
	assert_int_equal(resolver_create(&config, &f->resolver), OK);
}

static void teardown(struct fixture *f)
{
	resolver_destroy(&f->resolver);
	assert_int_equal(f->loop.wheel.count, 0);
	loop_fini(&f->loop);
}

/* Begins one; true: it is over already. */
static bool start(struct fixture *f, size_t token, const struct resolve_query *query)
{
	struct outcome *outcome = &f->outcomes[token];

	*outcome = (struct outcome){ 0 };
	outcome->err = resolve(f->resolver, query, on_answer, f, token, &outcome->answer);
	outcome->over = outcome->err != ERR_AGAIN;
	return outcome->over;
}

static struct outcome *finish(struct fixture *f, size_t token)
{
	for (unsigned turns = 0; !f->outcomes[token].over; turns++) {
		assert_true(turns < 10000);
		loop_turn(&f->loop, 100);
	}
	return &f->outcomes[token];
}

static struct resolve_query udp(const char *host)
{
	return (struct resolve_query){ .host = slice_text(host),
				       .transport_given = true,
				       .transport = SIP_UDP,
				       .port = 5060,
				       .ipv4 = true };
}

/* By RFC 3263 whole: no port, no transport. */
static struct resolve_query bare(const char *host)
{
	return (struct resolve_query){ .host = slice_text(host), .ipv4 = true };
}

static struct outcome *ask(struct fixture *f, const struct resolve_query *query)
{
	start(f, 0, query);
	return finish(f, 0);
}

/* "udp 192.0.2.1:5060, tcp …" */
static void assert_targets(const struct outcome *outcome, const char *expected)
{
	static const char *const names[] = { "udp", "tcp", "tls", "ws", "wss" };
	char storage[1024];
	struct text text;

	assert_int_equal(outcome->err, OK);
	text_init(&text, storage, sizeof(storage));
	for (size_t i = 0; i < outcome->answer.count; i++) {
		text_printf(&text, "%s%s ", i ? ", " : "",
			    names[outcome->answer.targets[i].transport]);
		endpoint_write(&text, &outcome->answer.targets[i].endpoint);
	}
	assert_slice(text_done(&text), expected);
}

/* How often the server was asked for this name's address. */
static unsigned asked(struct fixture *f, const char *name)
{
	char host[128];
	struct resolve_query query;

	snprintf(host, sizeof(host), "count.%s", name);
	query = udp(host);
	assert_int_equal(ask(f, &query)->err, OK);
	return f->outcomes[0].answer.targets[0].endpoint.ip.bytes[3];
}

static void wait_ms(struct fixture *f, uint64_t ms)
{
	uint64_t end_ms = f->loop.now_ms + ms;

	while (f->loop.now_ms < end_ms)
		loop_turn(&f->loop, (int)(end_ms - f->loop.now_ms));
}

static void addresses_as_such(void **state)
{
	static const struct {
		struct resolve_query query;
		const char *expected;
	} rows[] = {
		{ { .host = { "192.0.2.7", 9 } }, "udp 192.0.2.7:5060" },
		{ { .host = { "192.0.2.7", 9 }, .port = 5099 }, "udp 192.0.2.7:5099" },
		{ { .host = { "192.0.2.7", 9 }, .sips = true }, "tls 192.0.2.7:5061" },
		{ { .host = { "192.0.2.7", 9 }, .transport_given = true, .transport = SIP_TCP },
		  "tcp 192.0.2.7:5060" },
		{ { .host = { "192.0.2.7", 9 },
		    .sips = true,
		    .transport_given = true,
		    .transport = SIP_TCP },
		  "tls 192.0.2.7:5061" },
		{ { .host = { "[2001:db8::7]", 13 },
		    .transport_given = true,
		    .transport = SIP_TLS },
		  "tls [2001:db8::7]:5061" },
		{ { .host = { "2001:db8::7", 11 } }, "udp [2001:db8::7]:5060" },
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < array_size(rows); i++) {
		assert_true(start(&f, 0, &rows[i].query));
		assert_targets(&f.outcomes[0], rows[i].expected);
	}
	assert_int_equal(resolve_counters(f.resolver)->queries, 0);
	teardown(&f);
}

static void refused_at_once(void **state)
{
	struct resolve_query query = bare("");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_SYNTAX);
	query.host = SLICE("no host name");
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_SYNTAX);
	query = udp("plain.test");
	query.transports = RESOLVE_BIT(SIP_TCP);
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_UNSUPPORTED);
	query.transports = 0;
	query.sips = true;
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_UNSUPPORTED);
	teardown(&f);
}

static void plain_names(void **state)
{
	struct resolve_query query = bare("plain.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_targets(ask(&f, &query), "udp 192.0.2.1:5060");
	query = bare("PLAIN.test.");
	assert_true(start(&f, 0, &query));
	assert_targets(&f.outcomes[0], "udp 192.0.2.1:5060");
	query = bare("alias.test");
	assert_targets(ask(&f, &query), "udp 192.0.2.1:5060");
	query = udp("both.test");
	query.ipv6 = true;
	assert_targets(ask(&f, &query), "udp [2001:db8::1]:5060, udp 192.0.2.1:5060");
	query = udp("liar.test");
	assert_targets(ask(&f, &query), "udp 192.0.2.60:5060");
	query = bare("localhost");
	assert_true(start(&f, 0, &query));
	assert_targets(&f.outcomes[0], "udp 127.0.0.1:5060");
	teardown(&f);
}

/* Priority 10 before 20; within it 30 to 10. c.test's two addresses take turns. */
static void weights(void **state)
{
	struct resolve_query query = bare("srv.test");
	unsigned first[2] = { 0, 0 };
	unsigned twelve = 0;
	struct fixture f;

	(void)state;
	setup(&f);
	for (unsigned i = 0; i < 2000; i++) {
		const struct resolve_target *targets = ask(&f, &query)->answer.targets;
		unsigned a = targets[0].endpoint.port == 5070 ? 0 : 1;

		assert_int_equal(f.outcomes[0].answer.count, 4);
		assert_int_equal(targets[a].endpoint.port, 5070);
		assert_int_equal(targets[1 - a].endpoint.port, 5071);
		assert_int_equal(targets[2].endpoint.port, 5072);
		assert_int_equal(targets[3].endpoint.port, 5072);
		twelve += targets[2].endpoint.ip.bytes[3] == 12;
		first[a]++;
	}
	/* 1500 expected, standard deviation 19; 1000, 22 */
	assert_in_range(first[0], 1380, 1620);
	assert_in_range(twelve, 870, 1130);
	teardown(&f);
}

static void naptr_order(void **state)
{
	struct resolve_query query = bare("naptr.test");
	struct outcome *outcome;
	struct fixture f;

	(void)state;
	setup(&f);
	outcome = ask(&f, &query);
	assert_int_equal(outcome->answer.count, 6);
	outcome->answer.count = 2;
	assert_targets(outcome, "tls 192.0.2.11:5081, tcp 192.0.2.10:5080");
	query.sips = true;
	assert_targets(ask(&f, &query), "tls 192.0.2.11:5081");
	query.sips = false;
	query.transports = RESOLVE_BIT(SIP_TCP);
	assert_targets(ask(&f, &query), "tcp 192.0.2.10:5080");
	/* a transport in the URI: SRV of that transport at once */
	query = bare("naptr.test");
	query.transport_given = true;
	query.transport = SIP_TLS;
	assert_targets(ask(&f, &query), "tls 192.0.2.11:5081");
	teardown(&f);
}

static void services_without_naptr(void **state)
{
	struct resolve_query query = bare("two.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_targets(ask(&f, &query), "tcp 192.0.2.10:5080, tls 192.0.2.11:5081");
	query.sips = true;
	assert_targets(ask(&f, &query), "tls 192.0.2.11:5081");
	query = bare("away.test");
	assert_int_equal(ask(&f, &query)->err, ERR_NOENT);
	teardown(&f);
}

static void fifty_targets(void **state)
{
	struct resolve_query query = bare("fifty.test");
	struct outcome *outcome;
	struct fixture f;

	(void)state;
	setup(&f);
	outcome = ask(&f, &query);
	assert_int_equal(outcome->err, OK);
	assert_int_equal(outcome->answer.count, RESOLVE_TARGETS_MAX);
	for (size_t i = 0; i < RESOLVE_TARGETS_MAX; i++)
		assert_int_equal(outcome->answer.targets[i].endpoint.ip.bytes[3] / 10, i / 10);
	teardown(&f);
}

static void no_such_name(void **state)
{
	struct resolve_query query = bare("nx.test");
	uint64_t queries;
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(ask(&f, &query)->err, ERR_NOENT);
	queries = resolve_counters(f.resolver)->queries;
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_NOENT);
	assert_int_equal(resolve_counters(f.resolver)->queries, queries);
	teardown(&f);
}

static void silent_server(void **state)
{
	struct resolve_query query = udp("dead.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(ask(&f, &query)->err, (enum err)(-ETIMEDOUT));
	assert_int_equal(resolve_counters(f.resolver)->timeouts, 1);
	/* nor is silence about SRV taken for their absence */
	query.port = 0;
	assert_int_equal(ask(&f, &query)->err, (enum err)(-ETIMEDOUT));
	teardown(&f);
}

/* The failure is remembered for a while. */
static void failing_server(void **state)
{
	struct resolve_query query = udp("broken.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(ask(&f, &query)->err, ERR_REFUSED);
	assert_true(start(&f, 0, &query));
	assert_int_equal(f.outcomes[0].err, ERR_REFUSED);
	teardown(&f);
}

/* TTL 0 serves those who waited, nobody later; those who wait at once share a query. */
static void coalescing(void **state)
{
	struct resolve_query query = udp("zero.test");
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 1; i <= 40; i++)
		assert_false(start(&f, i, &query));
	for (size_t i = 1; i <= 40; i++)
		assert_targets(finish(&f, i), "udp 192.0.2.20:5060");
	assert_int_equal(asked(&f, "zero.test"), 1);
	wait_ms(&f, 5);
	assert_false(start(&f, 1, &query));
	assert_targets(finish(&f, 1), "udp 192.0.2.20:5060");
	assert_int_equal(asked(&f, "zero.test"), 2);
	teardown(&f);
}

static void expiry(void **state)
{
	struct resolve_query query = udp("moving.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_targets(ask(&f, &query), "udp 192.0.2.40:5060");
	assert_true(start(&f, 0, &query));
	assert_targets(&f.outcomes[0], "udp 192.0.2.40:5060");
	wait_ms(&f, 1100);
	assert_targets(ask(&f, &query), "udp 192.0.2.41:5060");
	assert_false(f.outcomes[0].answer.stale);
	query = udp("gone.test");
	assert_targets(ask(&f, &query), "udp 192.0.2.50:5060");
	wait_ms(&f, 1100);
	assert_int_equal(ask(&f, &query)->err, ERR_NOENT);
	teardown(&f);
}

/* The server fell silent: the old answer serves, first after some patience, then at once. */
static void stale_answers(void **state)
{
	struct resolve_query query = udp("brief.test");
	struct fixture f;

	(void)state;
	setup(&f);
	assert_targets(ask(&f, &query), "udp 192.0.2.30:5060");
	wait_ms(&f, 1100);
	assert_false(start(&f, 0, &query));
	assert_targets(finish(&f, 0), "udp 192.0.2.30:5060");
	assert_true(f.outcomes[0].answer.stale);
	assert_true(start(&f, 0, &query)); /* the query is still out */
	assert_true(f.outcomes[0].answer.stale);
	wait_ms(&f, 3000);
	assert_true(start(&f, 0, &query));
	assert_targets(&f.outcomes[0], "udp 192.0.2.30:5060");
	assert_true(f.outcomes[0].answer.stale);
	teardown(&f);
}

static void destroyed_under_way(void **state)
{
	struct resolve_query query = udp("dead.test");
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < 10; i++)
		assert_false(start(&f, i, &query));
	teardown(&f);
	for (size_t i = 0; i < 10; i++)
		assert_false(f.outcomes[i].over);
}

/* More names than the cache holds. */
static void eviction(void **state)
{
	char host[32];
	struct fixture f;

	(void)state;
	setup(&f);
	resolver_destroy(&f.resolver);
	assert_int_equal(resolver_create(&(struct resolve_config){ .loop = &f.loop,
								   .rand = &f.rand,
								   .servers = getenv("DNS_SERVER"),
								   .capacity = 1 },
					 &f.resolver),
			 OK);
	for (unsigned i = 0; i < 1200; i++) {
		struct resolve_query query;

		snprintf(host, sizeof(host), "nx%u.test", i);
		query = udp(host);
		assert_int_equal(ask(&f, &query)->err, ERR_NOENT);
	}
	assert_int_equal(resolve_counters(f.resolver)->queries, 1200);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_as_such), cmocka_unit_test(refused_at_once),
		cmocka_unit_test(plain_names),       cmocka_unit_test(weights),
		cmocka_unit_test(naptr_order),       cmocka_unit_test(services_without_naptr),
		cmocka_unit_test(fifty_targets),     cmocka_unit_test(no_such_name),
		cmocka_unit_test(silent_server),     cmocka_unit_test(failing_server),
		cmocka_unit_test(coalescing),        cmocka_unit_test(expiry),
		cmocka_unit_test(stale_answers),     cmocka_unit_test(destroyed_under_way),
		cmocka_unit_test(eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

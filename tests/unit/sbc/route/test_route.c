/* SPDX-License-Identifier: MIT
 * Routing: which route, which number, which order of gateways, and when the next one may be tried.
 */
#include "sbc/route/route.h"

#include <stdio.h>

#include "lib/base/ensure.h"
#include "tests/support/settings.h"

#define REALMS                                                                                     \
	"\"realms\":["                                                                             \
	"{\"name\":\"in\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.1\"}],"       \
	"\"media\":{\"address\":\"10.0.0.1\"}},"                                                   \
	"{\"name\":\"out\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.2\"}],"      \
	"\"media\":{\"address\":\"10.0.0.2\"}}]"
#define TRUNKS                                                                                     \
	"\"trunks\":["                                                                             \
	"{\"name\":\"pbx\",\"realm\":\"in\",\"gateways\":[{\"uri\":\"sip:10.0.0.10\"}]},"          \
	"{\"name\":\"a\",\"realm\":\"out\",\"gateways\":[{\"uri\":\"sip:a1\",\"priority\":2},"     \
	"{\"uri\":\"sip:a2\"}]},"                                                                  \
	"{\"name\":\"b\",\"realm\":\"out\",\"gateways\":[{\"uri\":\"sip:b1\"}],"                   \
	"\"failover\":[480,603]}]"
#define DOCUMENT(routes) "{" REALMS "," TRUNKS ",\"routes\":[" routes "]}"

enum { TRUNK_PBX, TRUNK_A, TRUNK_B };

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct rand rand;
	struct settings *settings;
	uint32_t in_trunk;
	struct route_target *targets;
	uint32_t count;
};

static void begin(struct fixture *fixture, const char *document)
{
	memset(fixture, 0, sizeof(*fixture));
	arena_cache_init(&fixture->cache, 1 << 20);
	arena_init(&fixture->arena, &fixture->cache, 4096, 1 << 20);
	rand_init_seed(&fixture->rand, 7);
	fixture->settings = settings_from(document, 1);
	fixture->in_trunk = TRUNK_PBX;
}

static void end(struct fixture *fixture)
{
	settings_release(&fixture->settings);
	arena_fini(&fixture->arena);
	arena_cache_fini(&fixture->cache);
}

static enum err select_for(struct fixture *fixture, const char *called, const char *calling)
{
	return route_select(fixture->settings, fixture->in_trunk, slice_text(called),
			    slice_text(calling), &fixture->rand, &fixture->arena, &fixture->targets,
			    &fixture->count);
}

static void first_match_in_order(void **state)
{
	struct fixture f;

	(void)state;
	begin(
	    &f,
	    DOCUMENT(
		"{\"name\":\"any\",\"priority\":200,\"targets\":[{\"trunk\":\"b\"}]},"
		"{\"name\":\"late\",\"match\":{\"called\":\"^1\"},\"targets\":[{\"trunk\":\"b\"}]},"
		"{\"name\":\"early\",\"match\":{\"called\":\"^12\",\"calling\":\"^7\"},"
		"\"targets\":[{\"trunk\":\"a\"}]},"
		"{\"name\":\"carrier\",\"priority\":1,\"match\":{\"trunk\":\"a\"},"
		"\"targets\":[{\"trunk\":\"pbx\"}]},"
		"{\"name\":\"realm\",\"priority\":1,\"match\":{\"realm\":\"out\","
		"\"called\":\"9$\"},\"targets\":[{\"trunk\":\"pbx\"}]}"));
	assert_int_equal(select_for(&f, "123", "700"), OK);
	assert_slice(f.targets[0].route_name, "early");
	assert_int_equal(select_for(&f, "123", "800"), OK);
	assert_slice(f.targets[0].route_name, "late");
	assert_int_equal(select_for(&f, "21", "700"), OK);
	assert_slice(f.targets[0].route_name, "any");
	f.in_trunk = TRUNK_A;
	assert_int_equal(select_for(&f, "123", "700"), OK);
	assert_slice(f.targets[0].route_name, "carrier");
	assert_int_equal(f.targets[0].trunk, TRUNK_PBX);
	f.in_trunk = TRUNK_B;
	assert_int_equal(select_for(&f, "129", "700"), OK);
	assert_slice(f.targets[0].route_name, "realm");
	f.in_trunk = SETTINGS_NONE;
	assert_int_equal(select_for(&f, "129", "700"), OK);
	assert_slice(f.targets[0].route_name, "early");
	end(&f);
}

/* Routes for one trunk and for any, interleaved by priority. */
static void own_and_any_merge(void **state)
{
	static const struct {
		const char *called;
		const char *route;
	} rows[] = { { "1", "p1" }, { "2", "p2" }, { "3", "p3" }, { "4", "p4" }, { "5", "p5" } };
	struct fixture f;

	(void)state;
	begin(&f,
	      DOCUMENT("{\"name\":\"p5\",\"priority\":5,\"targets\":[{\"trunk\":\"a\"}]},"
		       "{\"name\":\"p3\",\"priority\":3,\"match\":{\"called\":\"[123]\"},"
		       "\"targets\":[{\"trunk\":\"a\"}]},"
		       "{\"name\":\"p4\",\"priority\":4,\"match\":{\"trunk\":\"pbx\",\"called\":"
		       "\"[1234]\"},\"targets\":[{\"trunk\":\"a\"}]},"
		       "{\"name\":\"p2\",\"priority\":2,\"match\":{\"trunk\":\"pbx\",\"called\":"
		       "\"[12]\"},\"targets\":[{\"trunk\":\"a\"}]},"
		       "{\"name\":\"p0\",\"priority\":0,\"match\":{\"trunk\":\"a\"},"
		       "\"targets\":[{\"trunk\":\"a\"}]},"
		       "{\"name\":\"p1\",\"priority\":1,\"match\":{\"called\":\"1\"},"
		       "\"targets\":[{\"trunk\":\"a\"}]}"));
	for (size_t i = 0; i < array_size(rows); i++) {
		assert_int_equal(select_for(&f, rows[i].called, ""), OK);
		assert_slice(f.targets[0].route_name, rows[i].route);
	}
	f.in_trunk = TRUNK_B;
	assert_int_equal(select_for(&f, "2", ""), OK);
	assert_slice(f.targets[0].route_name, "p3");
	f.in_trunk = SETTINGS_NONE;
	assert_int_equal(select_for(&f, "4", ""), OK);
	assert_slice(f.targets[0].route_name, "p5");
	end(&f);
}

static void no_route(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"match\":{\"called\":\"^[0-9]+$\"},"
			   "\"targets\":[{\"trunk\":\"a\"}]}"));
	assert_int_equal(select_for(&f, "alice", "1"), ERR_NOENT);
	assert_int_equal(select_for(&f, "", "1"), ERR_NOENT);
	assert_int_equal(select_for(&f, "5", ""), OK);
	assert_int_equal(settings_match_limits(f.settings), 0);
	end(&f);
}

static void rewriting(void **state)
{
	static const struct {
		const char *rules;
		const char *called;
		const char *expected;
	} rows[] = {
		{ "{\"match\":\"^00(.*)$\",\"replace\":\"+$1\"}", "004930123", "+4930123" },
		{ "{\"match\":\"^00(.*)$\",\"replace\":\"+$1\"}", "4930123", "4930123" },
		{ "{\"match\":\"^0\",\"replace\":\"+49\"}", "030123", "+4930123" },
		{ "{\"match\":\"0\",\"replace\":\"-\"}", "1020", "1-20" },
		{ "{\"match\":\"$\",\"replace\":\"#\"}", "12", "12#" },
		{ "{\"match\":\"^(..)(..)$\",\"replace\":\"$2$1$0\"}", "abcd", "cdababcd" },
		{ "{\"match\":\"^(a)?b\",\"replace\":\"<$1>\"}", "bc", "<>c" },
		{ "{\"match\":\"^1\",\"replace\":\"$$1\"}", "12", "$12" },
		{ "{\"match\":\".+\",\"replace\":\"\"}", "12", "" },
		{ "{\"match\":\"^00\",\"replace\":\"+\"},{\"match\":\"^\\\\+49\",\"replace\":\"0\"}"
		  ","
		  "{\"match\":\"^x\",\"replace\":\"y\"}",
		  "004930", "030" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		char document[2048];
		struct fixture f;
		int len = snprintf(document, sizeof(document),
				   DOCUMENT("{\"name\":\"r\",\"rewrite\":{\"called\":[%s],"
					    "\"calling\":[{\"match\":\"^7\",\"replace\":\"8\"}]},"
					    "\"targets\":[{\"trunk\":\"a\"}]}"),
				   rows[i].rules);

		assert_true(len > 0 && (size_t)len < sizeof(document));
		begin(&f, document);
		assert_int_equal(select_for(&f, rows[i].called, "77"), OK);
		assert_slice(f.targets[0].called_out, rows[i].expected);
		assert_slice(f.targets[0].calling_out, "87");
		end(&f);
	}
}

static void too_long(void **state)
{
	char number[ROUTE_NUMBER_MAX_BYTES + 2];
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"rewrite\":{\"called\":[{\"match\":\"^\","
			   "\"replace\":\"00\"}]},\"targets\":[{\"trunk\":\"a\"}]}"));
	memset(number, '1', sizeof(number) - 1);
	number[sizeof(number) - 1] = 0;
	assert_int_equal(select_for(&f, number, ""), ERR_NOENT);
	number[ROUTE_NUMBER_MAX_BYTES - 1] = 0;
	assert_int_equal(select_for(&f, number, ""), ERR_NOENT);
	number[ROUTE_NUMBER_MAX_BYTES - 2] = 0;
	assert_int_equal(select_for(&f, number, ""), OK);
	assert_int_equal(f.targets[0].called_out.len, ROUTE_NUMBER_MAX_BYTES);
	end(&f);
}

/* Exponential for a backtracking matcher: ends within its limit, is counted, and is no match. */
static void careless_expression(void **state)
{
	struct fixture f;

	(void)state;
	begin(
	    &f,
	    DOCUMENT(
		"{\"name\":\"bad\",\"priority\":1,\"match\":{\"called\":\"^(a+)+$\"},"
		"\"targets\":[{\"trunk\":\"b\"}]},"
		"{\"name\":\"deep\",\"priority\":2,\"match\":{\"called\":\"^(?:(x)|(a)|(b))*c$\"},"
		"\"targets\":[{\"trunk\":\"b\"}]},"
		"{\"name\":\"good\",\"targets\":[{\"trunk\":\"a\"}]}"));
	assert_int_equal(select_for(&f, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", ""), OK);
	assert_slice(f.targets[0].route_name, "good");
	assert_true(settings_match_limits(f.settings) >= 1);
	assert_int_equal(select_for(&f, "aaa", ""), OK);
	assert_slice(f.targets[0].route_name, "bad");
	end(&f);
}

/* RFC 2782: with weights 75 and 25, the pick is from 0 to 100, so 76 of 101 choose the first. */
static void weights(void **state)
{
	unsigned first[3] = { 0 };
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"targets\":["
			   "{\"trunk\":\"pbx\",\"priority\":2},"
			   "{\"trunk\":\"a\",\"weight\":75},{\"trunk\":\"b\",\"weight\":25}]}"));
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(select_for(&f, "1", ""), OK);
		assert_int_equal(f.count, 4);
		first[f.targets[0].trunk]++;
		/* The other priority comes last whatever is drawn. */
		assert_int_equal(f.targets[3].trunk, TRUNK_PBX);
		arena_reset(&f.arena);
	}
	assert_int_equal(first[TRUNK_PBX], 0);
	/* Five standard deviations of a binomial: 5 * sqrt(10000 * 0.75 * 0.25) = 217. */
	assert_in_range(first[TRUNK_A], 7300, 7750);
	end(&f);
}

static void weight_zero_is_rare(void **state)
{
	unsigned zero = 0;
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"targets\":["
			   "{\"trunk\":\"b\",\"weight\":0},{\"trunk\":\"a\",\"weight\":99}]}"));
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(select_for(&f, "1", ""), OK);
		assert_int_equal(f.count, 3);
		zero += f.targets[0].trunk == TRUNK_B;
		arena_reset(&f.arena);
	}
	assert_in_range(zero, 50, 150); /* one in a hundred: 100 ± 5 * sqrt(99) */
	end(&f);
}

static void gateways_within_target(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"targets\":[{\"trunk\":\"b\",\"priority\":2},"
			   "{\"trunk\":\"a\"}]}"));
	assert_int_equal(select_for(&f, "1", ""), OK);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.targets[0].trunk, TRUNK_A);
	assert_int_equal(f.targets[0].gateway, 1);
	assert_int_equal(f.targets[1].trunk, TRUNK_A);
	assert_int_equal(f.targets[1].gateway, 0);
	assert_int_equal(f.targets[2].trunk, TRUNK_B);
	end(&f);
}

static void failing_over(void **state)
{
	static const uint16_t codes[] = { 408, 500, 502, 503, 504 };
	static const uint16_t final[] = { 302, 403, 404, 480, 486, 487, 501, 600, 603 };
	struct fixture f;

	(void)state;
	begin(&f, DOCUMENT(""));
	for (size_t i = 0; i < array_size(codes); i++)
		assert_true(route_may_fail_over(f.settings->trunks[TRUNK_A].conf, codes[i]));
	for (size_t i = 0; i < array_size(final); i++)
		assert_false(route_may_fail_over(f.settings->trunks[TRUNK_A].conf, final[i]));
	assert_true(route_may_fail_over(f.settings->trunks[TRUNK_B].conf, 480));
	assert_true(route_may_fail_over(f.settings->trunks[TRUNK_B].conf, 603));
	assert_false(route_may_fail_over(f.settings->trunks[TRUNK_B].conf, 503));
	end(&f);
}

/* Whatever the quota: OK or ERR_NOMEM. */
static void out_of_memory(void **state)
{
	struct fixture f;
	enum err err = ERR_NOMEM;

	(void)state;
	begin(&f, DOCUMENT("{\"name\":\"r\",\"match\":{\"called\":\"^(\\\\d+)$\"},\"rewrite\":{"
			   "\"called\":[{\"match\":\"^0\",\"replace\":\"\"}]},"
			   "\"targets\":[{\"trunk\":\"a\"},{\"trunk\":\"b\"}]}"));
	for (size_t quota = 0; err == ERR_NOMEM; quota += 512) {
		arena_fini(&f.arena);
		arena_init(&f.arena, &f.cache, 512, quota);
		err = select_for(&f, "0123", "1");
	}
	assert_int_equal(err, OK);
	assert_slice(f.targets[0].called_out, "123");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_match_in_order),
		cmocka_unit_test(no_route),
		cmocka_unit_test(own_and_any_merge),
		cmocka_unit_test(rewriting),
		cmocka_unit_test(too_long),
		cmocka_unit_test(careless_expression),
		cmocka_unit_test(weights),
		cmocka_unit_test(weight_zero_is_rare),
		cmocka_unit_test(gateways_within_target),
		cmocka_unit_test(failing_over),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

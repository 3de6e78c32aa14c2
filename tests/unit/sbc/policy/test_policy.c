/* SPDX-License-Identifier: MIT
 * Admission: strangers, limits in virtual time, and what may cross. */
#include "sbc/policy/policy.h"

#include "lib/base/ensure.h"
#include "tests/support/settings.h"

static struct ip_addr ip(const char *text)
{
	struct ip_addr ret;

	assert_int_equal(ip_parse(slice_text(text), &ret), OK);
	return ret;
}

static void who_is_it(void **state)
{
	static const struct {
		const char *source;
		uint32_t realm;
		enum policy_answer answer;
		uint32_t trunk;
	} rows[] = {
		{ "192.0.2.9", 0, POLICY_ALLOW, 0 },
		{ "192.0.2.10", 0, POLICY_DROP, SETTINGS_NONE },
		{ "192.0.2.9", 1, POLICY_REJECT,
		  SETTINGS_NONE }, /* a trunk, but in the other realm */
		{ "198.51.100.1", 1, POLICY_ALLOW, SETTINGS_NONE },
		{ "2001:db8::9", 0, POLICY_REJECT, SETTINGS_NONE },
	};
	struct settings *s = settings_from(
	    "{\"realms\":["
	    "{\"name\":\"in\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.1\"}],"
	    "\"media\":{\"address\":\"10.0.0.1\"}},"
	    "{\"name\":\"out\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.2\"}],"
	    "\"media\":{\"address\":\"10.0.0.2\"}}],"
	    "\"trunks\":[{\"name\":\"pbx\",\"realm\":\"in\",\"sources\":[\"192.0.2.9\"]}],"
	    "\"access_rules\":["
	    "{\"name\":\"silence\",\"realm\":\"in\",\"source\":\"0.0.0.0/0\",\"action\":\"drop\"},"
	    "{\"name\":\"lab\",\"source\":\"198.51.100.0/24\",\"action\":\"allow\"}]}",
	    1);

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct ip_addr source = ip(rows[i].source);
		uint32_t trunk = 77;

		assert_int_equal(policy_admit(s, rows[i].realm, &source, &trunk), rows[i].answer);
		assert_int_equal(trunk, rows[i].trunk);
	}
	settings_release(&s);
}

static void concurrent_calls(void **state)
{
	struct conf_trunk trunk = { .name = SLICE("t"), .limit_calls = 2 };
	struct conf_trunk again = { .name = SLICE("t"), .limit_calls = 3 };
	struct conf_trunk other = { .name = SLICE("u"), .limit_calls = 1 };
	struct policy *policy = NULL;
	uint32_t calls;
	uint32_t cps;

	(void)state;
	assert_int_equal(policy_create(&policy), OK);
	assert_int_equal(policy_call_begin(policy, &trunk, 1000), 0);
	assert_int_equal(policy_call_begin(policy, &trunk, 1000), 0);
	assert_int_equal(policy_call_begin(policy, &trunk, 1000), 503);
	assert_int_equal(policy_call_begin(policy, &other, 1000), 0);
	/* The trunk of a later snapshot has the same name, and so the same calls. */
	assert_int_equal(policy_call_begin(policy, &again, 1000), 0);
	assert_int_equal(policy_call_begin(policy, &again, 1000), 503);
	policy_load(policy, SLICE("t"), 1000, &calls, &cps);
	assert_int_equal(calls, 3);
	policy_call_end(policy, SLICE("t"));
	policy_call_end(policy, SLICE("t"));
	assert_int_equal(policy_call_begin(policy, &trunk, 2000), 0);
	policy_load(policy, SLICE("nobody"), 1000, &calls, &cps);
	assert_int_equal(calls, 0);
	policy_destroy(&policy);
	assert_null(policy);
}

/* Begins as many calls as it may, each millisecond, from `from` to before `to`. */
static unsigned begin_all(struct policy *policy, const struct conf_trunk *trunk, uint64_t from,
			  uint64_t to)
{
	unsigned count = 0;

	for (uint64_t now = from; now < to; now++)
		while (policy_call_begin(policy, trunk, now) == 0)
			count++;
	return count;
}

static void calls_per_second(void **state)
{
	struct conf_trunk trunk = { .name = SLICE("t"), .limit_cps = 50 };
	struct conf_trunk unlimited = { .name = SLICE("t") };
	struct policy *policy = NULL;
	uint32_t calls;
	uint32_t cps;

	(void)state;
	assert_int_equal(policy_create(&policy), OK);
	assert_int_equal(begin_all(policy, &trunk, 5000, 5001), 50); /* a full bucket */
	assert_int_equal(begin_all(policy, &trunk, 5001, 5020), 0);
	assert_int_equal(begin_all(policy, &trunk, 5020, 5021), 1); /* one each 20 ms */
	assert_int_equal(begin_all(policy, &trunk, 5021, 7021), 100);
	/* A long rest fills it to one second's worth and no more. */
	assert_int_equal(begin_all(policy, &trunk, 100000, 100001), 50);
	policy_load(policy, SLICE("t"), 101500, &calls, &cps);
	assert_int_equal(cps, 50);
	assert_int_equal(calls, 201);
	policy_load(policy, SLICE("t"), 103000, &calls, &cps);
	assert_int_equal(cps, 0);
	/* Time does not run backwards, but another clock's would not harm. */
	assert_int_equal(policy_call_begin(policy, &trunk, 99000), 503);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(policy_call_begin(policy, &unlimited, 100001), 0);
	policy_destroy(&policy);
}

static void shared_limits(void **state)
{
	struct conf_trunk trunk = { .name = SLICE("t"), .limit_calls = 5 };
	struct policy *policy = NULL;
	unsigned count = 0;

	(void)state;
	assert_int_equal(policy_create(&policy), OK);
	policy_share(policy, 2);
	while (policy_call_begin(policy, &trunk, 1) == 0)
		count++;
	assert_int_equal(count, 3);
	policy_destroy(&policy);
}

static void retry_after_is_spread(void **state)
{
	unsigned seen[12] = { 0 };
	struct rand rand;

	(void)state;
	rand_init_seed(&rand, 3);
	for (unsigned i = 0; i < 1000; i++)
		seen[policy_retry_after_s(&rand) % 12]++;
	for (unsigned i = 1; i <= 10; i++)
		assert_true(seen[i] > 0);
	assert_int_equal(seen[0] + seen[11], 0);
}

static void what_crosses(void **state)
{
	static const struct {
		bool from, to;
		const char *privacy;
		bool identity, anonymous, privacy_crosses;
	} rows[] = {
		{ true, true, "", true, false, false },
		{ true, true, "id", true, false, true },
		{ true, true, "id; critical", true, false, true },
		{ true, true, "id;SECRET", true, false, false },
		{ true, false, "id", false, true, false },
		{ false, true, "user;critical", false, true, false },
		{ false, false, "HEADER", false, true, false },
		{ false, false, "none", false, false, false },
		{ false, false, "", false, false, false },
	};
	struct slice pai = SLICE("<sip:1@pbx>");

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct conf_trunk from = { .trust_identity = rows[i].from };
		struct conf_trunk to = { .trust_identity = rows[i].to };
		struct slice privacy = slice_text(rows[i].privacy);
		struct policy_headers headers = policy_headers(&from, &to, privacy);

		assert_int_equal(headers.identity, rows[i].identity);
		assert_int_equal(headers.anonymous, rows[i].anonymous);
		assert_int_equal(policy_header_crosses(&headers, SIP_HDR_P_ASSERTED_IDENTITY, pai),
				 rows[i].identity);
		assert_int_equal(policy_header_crosses(&headers, SIP_HDR_PRIVACY, privacy),
				 rows[i].privacy_crosses);
		/* Everything else stays on its side, trusted or not. */
		for (int id = SIP_OTHER_HEADER; id < SIP_HEADER_COUNT; id++)
			if (id != SIP_HDR_P_ASSERTED_IDENTITY && id != SIP_HDR_PRIVACY)
				assert_false(policy_header_crosses(&headers, (enum sip_header)id,
								   SLICE("none")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_it),
		cmocka_unit_test(concurrent_calls),
		cmocka_unit_test(calls_per_second),
		cmocka_unit_test(shared_limits),
		cmocka_unit_test(retry_after_is_spread),
		cmocka_unit_test(what_crosses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

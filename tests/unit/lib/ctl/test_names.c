/* SPDX-License-Identifier: MIT
 * Suites by name: their key lengths as the RFCs give them, and the configuration's order of them. */
#include "lib/ctl/ctl.h"

#include "lib/conf/conf.h"
#include "tests/support/unit.h"

static const struct {
	const char *name;
	enum ctl_srtp_suite suite;
	enum conf_srtp_suite conf;
	size_t key_bytes; /* RFC 4568 6.2, RFC 6188 section 4, RFC 7714 section 12: key + salt */
} suites[] = {
	{ "AES_CM_128_HMAC_SHA1_80", CTL_SRTP_AES_CM_128_HMAC_SHA1_80, CONF_AES_CM_128_HMAC_SHA1_80, 30 },
	{ "AES_CM_128_HMAC_SHA1_32", CTL_SRTP_AES_CM_128_HMAC_SHA1_32, CONF_AES_CM_128_HMAC_SHA1_32, 30 },
	{ "AES_192_CM_HMAC_SHA1_80", CTL_SRTP_AES_192_CM_HMAC_SHA1_80, CONF_AES_192_CM_HMAC_SHA1_80, 38 },
	{ "AES_192_CM_HMAC_SHA1_32", CTL_SRTP_AES_192_CM_HMAC_SHA1_32, CONF_AES_192_CM_HMAC_SHA1_32, 38 },
	{ "AES_256_CM_HMAC_SHA1_80", CTL_SRTP_AES_256_CM_HMAC_SHA1_80, CONF_AES_256_CM_HMAC_SHA1_80, 46 },
	{ "AES_256_CM_HMAC_SHA1_32", CTL_SRTP_AES_256_CM_HMAC_SHA1_32, CONF_AES_256_CM_HMAC_SHA1_32, 46 },
	{ "AEAD_AES_128_GCM", CTL_SRTP_AEAD_AES_128_GCM, CONF_AEAD_AES_128_GCM, 28 },
	{ "AEAD_AES_256_GCM", CTL_SRTP_AEAD_AES_256_GCM, CONF_AEAD_AES_256_GCM, 44 },
};

static void test_suites(void **state)
{
	(void)state;
	assert_int_equal(sizeof(suites) / sizeof(suites[0]), CTL_SRTP_SUITES - 1);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		assert_string_equal(ctl_srtp_suite_name(suites[i].suite), suites[i].name);
		assert_int_equal(ctl_srtp_suite_find(slice_text(suites[i].name)), suites[i].suite);
		assert_int_equal(ctl_srtp_key_bytes(suites[i].suite), suites[i].key_bytes);
		assert_true(suites[i].key_bytes <= CTL_SRTP_KEY_MAX);
		assert_int_equal((unsigned)suites[i].conf + 1, (unsigned)suites[i].suite);
	}
}

static void test_strangers(void **state)
{
	(void)state;
	assert_int_equal(ctl_srtp_suite_find(SLICE("F8_128_HMAC_SHA1_80")), CTL_SRTP_NONE);
	assert_int_equal(ctl_srtp_suite_find(SLICE("none")), CTL_SRTP_NONE);
	assert_int_equal(ctl_srtp_suite_find(SLICE("")), CTL_SRTP_NONE);
	assert_string_equal(ctl_srtp_suite_name(CTL_SRTP_NONE), "none");
	assert_string_equal(ctl_srtp_suite_name(CTL_SRTP_SUITES), "none");
	assert_int_equal(ctl_srtp_key_bytes(255), 0);
	assert_string_equal(ctl_way_name(CTL_WAY_SOCKET), "socket");
	assert_string_equal(ctl_way_name(CTL_WAY_XSK), "xdp_socket");
	assert_string_equal(ctl_way_name(CTL_WAY_KERNEL), "kernel");
	assert_string_equal(ctl_way_name(9), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

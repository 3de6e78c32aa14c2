/* SPDX-License-Identifier: MIT
 * Addresses that were asked: found for their time, whatever others are noted, and never without. */
#include "sbc/core/asked.h"

#include "tests/support/unit.h"

static struct ip_addr address(const char *text)
{
	struct ip_addr ip;

	assert_int_equal(ip_parse(slice_text(text), &ip), OK);
	return ip;
}

static void found_for_a_day(void **state)
{
	static struct asked asked = { .key = { 11, 12 } };
	struct ip_addr four = address("198.51.100.30");
	struct ip_addr six = address("2001:db8::30");
	struct ip_addr near = address("2001:db8::31");
	uint64_t noted_ms = 5000;

	(void)state;
	assert_false(asked_lately(&asked, &four, noted_ms));
	asked_note(&asked, &four, noted_ms);
	asked_note(&asked, &six, noted_ms);
	assert_true(asked_lately(&asked, &four, noted_ms));
	assert_true(asked_lately(&asked, &six, noted_ms));
	assert_false(asked_lately(&asked, &near, noted_ms));
	assert_true(asked_lately(&asked, &four, noted_ms + ASKED_LIFETIME_S * 1000));
	assert_false(asked_lately(&asked, &four, noted_ms + (ASKED_LIFETIME_S + 1) * 1000));
	asked_note(&asked, &four, noted_ms + 7200 * 1000);
	assert_true(asked_lately(&asked, &four, noted_ms + (ASKED_LIFETIME_S + 7200) * 1000));
}

/* The latest are kept: of a thousand all, and of ten thousand the last ones. */
static void keeps_the_latest(void **state)
{
	static struct asked asked = { .key = { 13, 14 } };
	struct ip_addr ip = address("10.0.0.0");
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		ip.bytes[2] = (uint8_t)(i >> 8);
		ip.bytes[3] = (uint8_t)i;
		asked_note(&asked, &ip, 1000 * (1 + (uint64_t)i));
		assert_true(asked_lately(&asked, &ip, 1000 * (1 + (uint64_t)i)));
		if (i != 1000)
			continue;
		for (unsigned j = 0; j <= 1000; j++) {
			ip.bytes[2] = (uint8_t)(j >> 8);
			ip.bytes[3] = (uint8_t)j;
			found += asked_lately(&asked, &ip, 2000000);
		}
		assert_in_range(found, 990, 1001); /* a set may hold nine of a thousand, once */
	}
	found = 0;
	for (unsigned i = 0; i < 10000; i++) {
		ip.bytes[2] = (uint8_t)(i >> 8);
		ip.bytes[3] = (uint8_t)i;
		found += asked_lately(&asked, &ip, 10001000);
	}
	assert_in_range(found, 3500, ASKED_SLOTS + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_for_a_day),
		cmocka_unit_test(keeps_the_latest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

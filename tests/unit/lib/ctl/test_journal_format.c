/* SPDX-License-Identifier: MIT
 * The checksum against the published check value of CRC-32/ISO-HDLC, and the names of segments. */
#include "tests/support/unit.h"

#include "lib/ctl/journal_format.h"

/* The check value 0xcbf43926 is that of "123456789": its first eight bytes stand in for seq. */
static void test_crc(void **state)
{
	uint64_t seq;

	(void)state;
	memcpy(&seq, "12345678", sizeof(seq));
	assert_int_equal(journal_crc(seq, SLICE("9")), 0xcbf43926);
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"cdr-0-1.journal",
		"cdr-0-000000000000000G.journal",
		"cdr-00-0000000000000001.journal",
		"cdr-0-0000000000000001.journal~",
		"cdr-0-000000000000000A.journal",
		"cdr--0000000000000001.journal",
		"",
	};
	uint64_t first_seq = 0;
	uint32_t worker = 0;

	(void)state;
	assert_int_equal(journal_name_parse("cdr-3-00000000000000ff.journal", &worker, &first_seq), OK);
	assert_int_equal(worker, 3);
	assert_int_equal(first_seq, 255);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(journal_name_parse(bad[i], &worker, &first_seq), ERR_SYNTAX);
}

static void test_fits(void **state)
{
	(void)state;
	assert_int_equal(journal_record_bytes(1), 24);
	assert_int_equal(journal_record_bytes(8), 24);
	assert_true(journal_record_fits(JOURNAL_SEGMENT_BYTES - 40, 8));
	assert_false(journal_record_fits(JOURNAL_SEGMENT_BYTES - 40, 9));
	assert_false(journal_record_fits(64, SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Buckets in virtual time, and the bounded table under more sources than it holds. */
#include "sbc/edge/source.h"

#include "tests/support/unit.h"

static void buckets(void **state)
{
	struct bucket bucket;
	unsigned taken = 0;

	(void)state;
	bucket_init(&bucket, 10, 3, 1000);
	assert_true(bucket_take(&bucket, 1000));
	assert_true(bucket_take(&bucket, 1000));
	assert_true(bucket_take(&bucket, 1000));
	assert_false(bucket_take(&bucket, 1000));
	assert_false(bucket_take(&bucket, 1099));
	assert_true(bucket_take(&bucket, 1100));
	assert_false(bucket_take(&bucket, 1100));
	/* A clock that went back gives nothing and breaks nothing. */
	assert_false(bucket_take(&bucket, 500));
	/* However long the rest, never more than the burst. */
	for (int i = 0; i < 10; i++)
		taken += bucket_take(&bucket, UINT64_MAX / 2);
	assert_int_equal(taken, 3);
	/* Over ten seconds at one try a millisecond: the rate, and the burst once. */
	bucket_init(&bucket, 50, 100, 0);
	taken = 0;
	for (uint64_t ms = 0; ms < 10000; ms++)
		taken += bucket_take(&bucket, ms);
	assert_in_range(taken, 595, 600);
}

static struct ip_addr v4(uint32_t n)
{
	struct ip_addr ip = { .family = IP_V4 };

	for (unsigned i = 0; i < 4; i++)
		ip.bytes[i] = (uint8_t)(n >> (24 - 8 * i));
	return ip;
}

static void sources_are_told_apart(void **state)
{
	const struct hash_key key = { 3, 4 };
	struct source_table *table = NULL;
	struct ip_addr six;
	struct ip_addr neighbour;
	uint64_t evictions = 0;

	(void)state;
	assert_int_equal(source_table_create(64, 0, 2, key, &table), OK);
	for (uint32_t n = 1; n <= 3; n++) {
		struct ip_addr ip = v4(n);

		assert_true(source_take(table, &ip, 0, &evictions));
		assert_true(source_take(table, &ip, 0, &evictions));
		assert_false(source_take(table, &ip, 0, &evictions));
	}
	/* One party has a whole /64 (RFC 6177), the next /64 is somebody else. */
	assert_int_equal(ip_parse(SLICE("2001:db8::1"), &six), OK);
	assert_int_equal(ip_parse(SLICE("2001:db8::ffff:2"), &neighbour), OK);
	assert_true(source_take(table, &six, 0, &evictions));
	assert_true(source_take(table, &neighbour, 0, &evictions));
	assert_false(source_take(table, &six, 0, &evictions));
	assert_int_equal(ip_parse(SLICE("2001:db8:0:1::1"), &neighbour), OK);
	assert_true(source_take(table, &neighbour, 0, &evictions));
	assert_int_equal(evictions, 0);
	source_table_destroy(&table);
	assert_null(table);
}

static void floods_evict_the_oldest(void **state)
{
	const struct hash_key key = { 5, 6 };
	struct source_table *table = NULL;
	struct ip_addr busy = v4(0xffffffff);
	uint64_t evictions = 0;
	unsigned admitted = 0;

	(void)state;
	assert_int_equal(source_table_create(64, 1, 2, key, &table), OK);
	for (uint32_t n = 0; n < 10000; n++) {
		struct ip_addr ip = v4(n);

		assert_true(source_take(table, &ip, n, &evictions));
		/* Seen at every step, so never the oldest: it stays limited through the flood. */
		admitted += source_take(table, &busy, n, &evictions);
	}
	assert_in_range(admitted, 10, 12);
	assert_true(evictions > 0);
	source_table_destroy(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),
		cmocka_unit_test(sources_are_told_apart),
		cmocka_unit_test(floods_evict_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

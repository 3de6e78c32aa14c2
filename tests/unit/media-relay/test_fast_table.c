/* SPDX-License-Identifier: MIT
 * What the process and the program in the kernel share: arithmetic, the layout of records, and the
 * table of flows. */
#include <arpa/inet.h>

#include "tests/unit/media-relay/program_fixture.h"

static void test_deltas(void **state)
{
	/* RFC 1624 4: 0xDD2F changes by 0x5555 → 0x3285 to 0x0000. */
	uint32_t sum = 0x22d0u + fast_delta(0x5555, 0x3285);

	(void)state;
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal((uint16_t)~sum, 0x0000);
	assert_int_equal(fast_sum("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8),
			 htons(0xddf2)); /* RFC 1071 3 */
	for (uint32_t hz = 1; hz < 200000; hz++)
		assert_int_equal(fast_clock_hz(fast_ticks(hz)), hz);
	assert_int_equal(fast_ticks(1000000), 0);
	assert_int_equal(fast_delta(7, 7), 0xffff); /* one's complement's other zero */
}

static void put_many(struct fastpath *fastpath, uint32_t slot, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		assert_true(fast_table_put(fastpath, slot, 0, i));
}

static void expect_chain(const struct fastpath *fastpath, uint32_t slot, const char *places)
{
	uint32_t place = first_of(fastpath, slot);

	for (; *places; places++) {
		assert_int_equal(place, *places - 'a' + 1);
		place = fastpath->records[place].flow.next;
	}
	assert_int_equal(place, 0);
}

static void test_table(void **state)
{
	static struct fast_row ports[FAST_SLOTS / FAST_ROW_SLOTS];
	static struct fast_record records[64];
	struct fastpath fastpath = { .ports = ports, .records = records, .capacity = 64 };

	(void)state;
	put_many(&fastpath, 7, 1, FAST_CHAIN_MAX);
	expect_chain(&fastpath, 7, "abcdefgh");
	assert_false(fast_table_put(&fastpath, 7, 0, 30)); /* full */
	assert_true(fast_table_put(&fastpath, 7, 1, 9));
	assert_true(fast_table_put(&fastpath, 7, 4, 10));
	assert_true(fast_table_put(&fastpath, 7, 8, 11));
	expect_chain(&fastpath, 7, "ibcjefgk");
	assert_int_equal(records[4].flow.next, 5); /* who stands there still finds the rest */
	fast_table_remove(&fastpath, 7, 9);
	fast_table_remove(&fastpath, 7, 5);
	fast_table_remove(&fastpath, 7, 11);
	expect_chain(&fastpath, 7, "bcjfg");
	put_many(&fastpath, 7, 12, 1);
	put_many(&fastpath, FAST_SLOTS - 1, 20, 1);
	expect_chain(&fastpath, 7, "bcjfgl");
	expect_chain(&fastpath, FAST_SLOTS - 1, "t");
	records[20].flow.onward.to.max_bytes = 1280;
	fast_table_readdress(&fastpath, 20, (const unsigned char *)"\2\3\4\5\6\7");
	assert_memory_equal(records[20].flow.onward.to.mac, "\2\3\4\5\6\7", 6);
	assert_int_equal(records[20].flow.onward.to.max_bytes, 1280);
}

static void test_layout(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct fast_flow), 64);
	assert_int_equal(offsetof(struct fast_record, count), 64);
	assert_int_equal(sizeof(struct fast_count), 64);
	assert_int_equal(sizeof(struct fast_record) % 128, 0);
	assert_int_equal(sizeof(struct fast_total), 64);
	assert_int_equal(offsetof(struct fast_flow, onward) % 8, 0);
}

/* Each of many addresses on one port is found, whatever shares its slot; what is taken out is not, and
 * the others still are. */
static void test_addresses_of_one_port(void **state)
{
	enum { FLOWS = 14 };
	struct kernel *kernel = *state;
	struct fast_rule rule = { .source = at(FOUR[0], 4000), .out = at(FOUR[2], 30002),
				  .target = at(FOUR[3], 65535), .ssrc = 0xdeadbeef,
				  .payload_count = 1 };
	uint32_t slots[FLOWS + 1];
	struct shape in = arriving(FOUR);
	struct frame frame, got;
	char address[32];
	bool shared = false;

	if (skipped(kernel))
		return;
	for (uint32_t gone = 0; gone <= FLOWS; gone++)
		for (uint32_t i = 1; i <= FLOWS; i++) {
			struct fast_record *record = &kernel->fastpath.records[i];
			int up = i <= gone ? XDP_PASS : XDP_REDIRECT;

			snprintf(address, sizeof(address), "192.0.2.%u", i);
			rule.local = at(address, 20000);
			slots[i] = fast_slot(&rule.local);
			if (gone == 0) {
				fast_record_fill(&rule, record);
				record->flow.onward.to.max_bytes = 1500;
				shared = shared || first_of(&kernel->fastpath, slots[i]) != 0;
				assert_true(fast_table_put(&kernel->fastpath, slots[i], 0, i));
			} else if (i == gone) {
				fast_table_remove(&kernel->fastpath, slots[i], i);
			}
			in.to = rule.local;
			rtp_of(&in, 0, (uint16_t)(1 + gone), 160, 0xdeadbeef, 160);
			build(&in, &frame);
			assert_int_equal(run(kernel, FAST_NATIVE, &frame, &got), up);
			assert_int_equal(record->count.packets, i <= gone ? i : 1 + gone);
		}
	assert_true(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_layout),
		cmocka_unit_test_setup_teardown(test_addresses_of_one_port, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

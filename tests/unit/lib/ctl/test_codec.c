/* SPDX-License-Identifier: MIT */
#include "tests/support/unit.h"

#include "lib/base/ensure.h"
#include "lib/ctl/ctl.h"

struct fixture {
	struct arena_cache cache;
	struct arena arena;
};

static int setup(void **state)
{
	static struct fixture fixture;

	arena_cache_init(&fixture.cache, 0);
	arena_init(&fixture.arena, &fixture.cache, 512, 1 << 20);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->arena);
	arena_cache_fini(&f->cache);
	return 0;
}

/* Bytes written down by hand from the table's comment: the format is a promise between versions. */
static void realm_set_bytes(void **state)
{
	static const unsigned char expected[] = {
		0, 10, 0, 0, 0, 0, 0, 7,           /* realm_set, reserved, request 7 */
		0, 0, 0, 1,                        /* one realm */
		0, 3, 'o', 'u', 't',               /* name */
		4, 192, 0, 2, 9, 0,                /* address, shown as it is */
		0x75, 0x30, 0x9c, 0x3f, 46,        /* 30000, 39999, EF */
	};
	struct ctl_relay_realm realm = {
		.name = SLICE("out"),
		.address = { .family = IP_V4, .bytes = { 192, 0, 2, 9 } },
		.port_min = 30000,
		.port_max = 39999,
		.dscp = 46,
	};
	struct ctl_message message = {
		.type = CTL_realm_set,
		.request = 7,
		.realm_set = { .realms = &realm, .realms_count = 1 },
	};
	unsigned char bytes[128];
	size_t len = 0;

	(void)state;
	assert_int_equal(ctl_encode(&message, bytes, sizeof(bytes), &len), OK);
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_int_equal(ctl_encode(&message, bytes, sizeof(expected) - 1, &len), ERR_LIMIT);
}

static size_t encode_session(unsigned char *bytes, size_t cap)
{
	struct ctl_relay_payload payloads[2] = { { 0, 8000, 0 }, { 101, 8000, 1 } };
	struct ctl_stream_set sides[2] = {
		{ .stream = 0,
		  .side = 0,
		  .realm = SLICE("inside"),
		  .remote_rtp = { { IP_V4, { 10, 0, 0, 1 } }, 4000 },
		  .learn_from = { IP_V6, { 0x20, 0x01 } },
		  .learn_bits = 16,
		  .direction = CTL_RECEIVE | CTL_TRANSMIT,
		  .payloads = payloads,
		  .payloads_count = 2 },
		{ .stream = 0, .side = 1, .realm = SLICE("outside"), .flags = CTL_STREAM_RTCP_MUX },
	};
	struct ctl_message message = {
		.type = CTL_session_set,
		.request = 0xfffffffe,
		.session_set = { .session = UINT64_C(0x123456789abcdef0),
				 .timeout_ms = 60000,
				 .streams = sides,
				 .streams_count = 2 },
	};
	size_t len = 0;

	assert_int_equal(ctl_encode(&message, bytes, cap, &len), OK);
	return len;
}

static void session_round_trip(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[512];
	size_t len = encode_session(bytes, sizeof(bytes));
	struct ctl_message message;
	const struct ctl_stream_set *side;

	assert_int_equal(ctl_decode(&f->arena, bytes, len, &message), OK);
	assert_int_equal(message.type, CTL_session_set);
	assert_int_equal(message.request, 0xfffffffe);
	assert_true(message.session_set.session == UINT64_C(0x123456789abcdef0));
	assert_int_equal(message.session_set.streams_count, 2);
	side = message.session_set.streams;
	assert_slice(side->realm, "inside");
	assert_int_equal(side->remote_rtp.port, 4000);
	assert_int_equal(side->remote_rtp.ip.bytes[0], 10);
	assert_int_equal(side->learn_from.family, IP_V6);
	assert_int_equal(side->payloads_count, 2);
	assert_int_equal(side->payloads[1].payload_type, 101);
	assert_int_equal(side->payloads[1].kind, CTL_PAYLOAD_EVENT);
	assert_slice(side[1].realm, "outside");
	assert_int_equal(side[1].remote_rtp.ip.family, IP_NONE);
	assert_null(side[1].payloads);
}

static void damaged_is_refused(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[513];
	size_t len = encode_session(bytes, sizeof(bytes) - 1);
	struct ctl_message message;

	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ctl_decode(&f->arena, bytes, cut, &message), ERR_SYNTAX);
	bytes[len] = 0;
	assert_int_equal(ctl_decode(&f->arena, bytes, len + 1, &message), ERR_SYNTAX);
	bytes[3] = 1; /* reserved */
	assert_int_equal(ctl_decode(&f->arena, bytes, len, &message), ERR_SYNTAX);
	bytes[3] = 0;
	bytes[1] = 99; /* no such type */
	assert_int_equal(ctl_decode(&f->arena, bytes, len, &message), ERR_SYNTAX);
}

static void lying_count_costs_nothing(void **state)
{
	static const unsigned char bytes[] = { 0, 15, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 1 };
	struct fixture *f = *state;
	struct ctl_message message;

	assert_int_equal(ctl_decode(&f->arena, bytes, sizeof(bytes), &message), ERR_SYNTAX);
	assert_int_equal(f->arena.held_bytes, 0);
}

static void out_of_memory(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[512];
	size_t len = encode_session(bytes, sizeof(bytes));
	struct ctl_message message;
	struct arena poor;

	for (size_t quota = 0; quota < 1024; quota += 128) {
		enum err err;

		arena_init(&poor, &f->cache, 0, quota);
		err = ctl_decode(&poor, bytes, len, &message);
		assert_true(err == OK || err == ERR_NOMEM);
		assert_true(quota > 0 || err == ERR_NOMEM);
		arena_fini(&poor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(realm_set_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(session_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(lying_count_costs_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

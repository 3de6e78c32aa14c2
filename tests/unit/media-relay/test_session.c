/* SPDX-License-Identifier: MIT
 * Sessions in virtual time, without a socket: what passes and is counted, what becomes of sessions
 * without an owner, and what outlives the relay. */
#include "tests/unit/media-relay/session_fixture.h"

/* Whatever stands around them in memory, and whoever has no flow. */
static void records_are_asked_for_and_not_touched(void **state)
{
	struct fixture *f = *state;
	struct stream before = *f->stream;

	session_expect(NULL);
	for (unsigned i = 0; i < 2 * COMPONENTS; i++)
		session_expect(&f->stream->sides[i / COMPONENTS].flows[i % COMPONENTS]);
	assert_memory_equal(f->stream, &before, sizeof(before));
}

static void ways_out(void **state)
{
	struct fixture *f = *state;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = { .ip = { .family = IP_NONE } } });
	assert_int_equal(arrives(f, 0, ME, 1, 1), PACKET_DROP_NO_WAY);
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("0.0.0.0:5000") });
	assert_int_equal(arrives(f, 0, ME, 1, 2), PACKET_DROP_NO_WAY);
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_RECEIVE });
	assert_int_equal(arrives(f, 0, ME, 1, 3), PACKET_DROP_DIRECTION);
	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .direction = CTL_TRANSMIT });
	assert_int_equal(arrives(f, 0, ME, 1, 4), PACKET_DROP_DIRECTION);
	assert_int_equal(f->stream->sides[0].counters.packets_dropped, 4);
	assert_int_equal(f->stream->sides[0].counters.packets_received, 3);
	assert_int_equal(f->stream->sides[1].counters.packets_sent, 0);
}

static void owners_have_numbers_of_their_own(void **state)
{
	struct fixture *f = *state;
	struct session *other = session_create(&f->sessions, 2, 77, START_MS);

	assert_ptr_equal(session_find(&f->sessions, 1, 77), f->session);
	assert_ptr_equal(session_find(&f->sessions, 2, 77), other);
	assert_null(session_find(&f->sessions, 3, 77));
	session_destroy(&f->sessions, other);
	assert_ptr_equal(session_find(&f->sessions, 1, 77), f->session);
	for (uint64_t id = 100; id < 115; id++)
		assert_non_null(session_create(&f->sessions, 1, id, START_MS));
	assert_null(session_create(&f->sessions, 1, 200, START_MS));
}

static void stats_of_a_side(void **state)
{
	struct fixture *f = *state;
	struct ctl_stream_stats stats;

	side_stats(&f->stream->sides[0], START_MS, 1700000000000, &stats);
	assert_int_equal(stats.payload_type, 255);
	assert_int_equal(stats.last_packet_unix_ms, 0);
	assert_int_equal(stats.mos_x100, 0);
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(arrives(f, 0, ME, 1, i < 5 ? i : (uint16_t)(i + 2)), GOOD);
	side_stats(&f->stream->sides[0], START_MS + 500, 1700000000500, &stats);
	assert_int_equal(stats.packets_received, 10);
	assert_int_equal(stats.bytes_received, 1720);
	assert_int_equal(stats.packets_expected, 12);
	assert_int_equal(stats.packets_lost, 2);
	assert_true(stats.last_packet_unix_ms == 1700000000000);
	assert_int_equal(stats.learned.port, 4000);
	assert_in_range(stats.mos_x100, 100, 437);
	side_stats(&f->stream->sides[1], START_MS + 500, 1700000000500, &stats);
	assert_int_equal(stats.packets_sent, 10);
}

/* A second's worth of G.711 at once is a network that held packets back; more is a flood. */
static void a_flood_is_let_through_at_the_rate(void **state)
{
	struct fixture *f = *state;
	struct side *side = &f->stream->sides[0];
	unsigned passed = 0;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME), .bytes_per_s = 21200 });
	f->now_ms = START_MS;
	for (uint16_t i = 0; i < 5000; i++)
		passed += arrives(f, 0, ME, 1, i) == GOOD;
	assert_int_equal(passed, 100); /* 21200 / (172 + 40) */
	assert_int_equal(side->counters.packets_received, 100);
	assert_int_equal(arrives(f, 0, ME, 1, 5000), PACKET_DROP_RATE);
	for (f->now_ms += 1; f->now_ms <= START_MS + 2000; f->now_ms++)
		passed += arrives(f, 0, ME, 1, (uint16_t)f->now_ms) == GOOD;
	assert_in_range(passed, 299, 300);
	/* A stranger uses nothing of it. */
	f->now_ms += 1000;
	for (uint16_t i = 0; i < 1000; i++)
		assert_int_equal(arrives(f, 0, THIEF, 1, i), BAD);
	assert_int_equal(arrives(f, 0, ME, 1, 9000), GOOD);
}

/* ---- without an owner ---- */

static void sessions_without_an_owner(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	session_set_lease(&f->sessions, f->session, LEASE_AWAY, START_MS);
	assert_false(pops(f, START_MS + 119999, &event));
	session_set_lease(&f->sessions, f->session, LEASE_OWNED, f->now_ms);
	assert_false(pops(f, START_MS + 500000, &event));
	session_set_lease(&f->sessions, f->session, LEASE_ORPHAN, f->now_ms);
	f->now_ms += 9000;
	assert_int_equal(arrives(f, 1, "198.51.100.1:5000", 1, 1), GOOD); /* media holds it */
	assert_false(pops(f, START_MS + 518999, &event));
	assert_true(pops(f, START_MS + 519000, &event));
	assert_null(event.side);
	assert_ptr_equal(event.session, f->session);
	session_destroy(&f->sessions, f->session);
	assert_null(session_find(&f->sessions, 1, 77));
	assert_int_equal(f->sessions.wheel.count, 0);
}

static void an_orphan_ends_after_four_hours(void **state)
{
	const uint64_t end_ms = START_MS + 4u * 3600u * 1000u;
	struct fixture *f = *state;
	struct session_event event;
	uint16_t sequence = 0;

	session_set_lease(&f->sessions, f->session, LEASE_ORPHAN, START_MS);
	while (f->now_ms < end_ms - 5000) {
		f->now_ms += 5000;
		assert_int_equal(arrives(f, 0, ME, 1, sequence++), GOOD);
		assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
	}
	assert_true(pops(f, end_ms, &event));
	assert_null(event.side);
}

/* ---- over a restart of the relay ---- */

/* The relay that comes after: the same session, told again, and what was remembered. */
static void reborn(struct fixture *f, struct fixture *next, const char *told)
{
	*next = (struct fixture){ .now_ms = START_MS + 5000 };
	assert_int_equal(sessions_init(&next->sessions, 16, next->now_ms), OK);
	next->session = session_create(&next->sessions, 9, 77, next->now_ms);
	next->stream = stream_create(&next->sessions, next->session, 0);
	tell(next, 0, (struct ctl_stream_set){ .remote_rtp = at(told),
					       .learn_from = at(NATED).ip,
					       .learn_bits = 32 });
	tell(next, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000") });
	for (unsigned i = 0; i < 2; i++) {
		struct side_memory memory;

		side_remember(&f->stream->sides[i], &memory);
		assert_int_equal(memory.session, 77);
		side_recall(&next->stream->sides[i], &memory, next->now_ms);
	}
	limit(next, 1000, 2000, next->now_ms);
}

/* A peer behind a NAT is heard and sent to at once; a stranger still is not. */
static void a_restart_keeps_who_was_learned(void **state)
{
	struct fixture *f = *state;
	struct fixture next;
	struct ctl_stream_stats stats;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME),
					    .learn_from = at(NATED).ip,
					    .learn_bits = 32 });
	for (uint16_t i = 1; i <= 10; i++)
		arrives(f, 0, NATED, 1, i);
	assert_target(f, 0, COMPONENT_RTP, NATED);
	reborn(f, &next, ME);
	assert_target(&next, 0, COMPONENT_RTP, NATED);
	assert_int_equal(arrives(&next, 0, ME, 1, 11), BAD);
	assert_int_equal(arrives(&next, 0, THIEF, 1, 11), BAD);
	assert_int_equal(arrives(&next, 0, NATED, 1, 61), GOOD);
	side_stats(&next.stream->sides[0], next.now_ms, 1, &stats);
	/* Three that only counted towards the latch; none of the fifty that nobody listened to. */
	assert_int_equal(stats.packets_received, 8);
	assert_int_equal(stats.packets_expected, 8);
	assert_int_equal(stats.packets_lost, 0);
	assert_int_equal(stats.packets_dropped, 3 + 2);
	assert_int_equal(arrives(&next, 0, NATED, 1, 63), GOOD);
	side_stats(&next.stream->sides[0], next.now_ms, 1, &stats);
	assert_int_equal(stats.packets_lost, 1);
	sessions_fini(&next.sessions);
}

static void a_restart_forgets_who_was_learned_for_another_address(void **state)
{
	struct fixture *f = *state;
	struct fixture next;

	for (uint16_t i = 1; i <= 10; i++)
		arrives(f, 0, MOVED, 1, i);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	reborn(f, &next, "192.0.2.7:4000");
	assert_target(&next, 0, COMPONENT_RTP, "192.0.2.7:4000");
	assert_int_equal(arrives(&next, 0, MOVED, 1, 11), BAD);
	sessions_fini(&next.sessions);
}

/* Who has spoken before is waited for as long as a silence may last, not as for a first packet. */
static void a_restart_goes_on_waiting(void **state)
{
	struct fixture *f = *state;
	struct session_event event;
	struct fixture next;

	for (uint16_t i = 1; i <= 10; i++)
		arrives(f, 0, ME, 1, i);
	reborn(f, &next, ME);
	assert_true(sessions_pop(&next.sessions, next.now_ms + 1500, &event));
	assert_int_equal(event.side->number, 1);
	assert_int_equal(event.kind, CTL_MEDIA_NONE_YET);
	assert_false(sessions_pop(&next.sessions, next.now_ms + 1500, &event));
	assert_true(sessions_pop(&next.sessions, next.now_ms + 2500, &event));
	assert_int_equal(event.side->number, 0);
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
	sessions_fini(&next.sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_asked_for_and_not_touched,
						setup, teardown),
		cmocka_unit_test_setup_teardown(ways_out, setup, teardown),
		cmocka_unit_test_setup_teardown(owners_have_numbers_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(stats_of_a_side, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_is_let_through_at_the_rate,
						setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_without_an_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(an_orphan_ends_after_four_hours, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_keeps_who_was_learned, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_restart_forgets_who_was_learned_for_another_address, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_goes_on_waiting, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

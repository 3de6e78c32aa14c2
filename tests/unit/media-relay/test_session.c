/* SPDX-License-Identifier: MIT
 * Sessions in virtual time, without a socket: who may be heard, where is sent to, when silence is
 * told, and what becomes of sessions without an owner. */
#include "tests/unit/media-relay/session_fixture.h"

static enum packet_verdict reports(struct fixture *f, unsigned number, enum component component,
				   const char *source, uint8_t ssrc)
{
	unsigned char bytes[8] = { 0x80, 201, 0, 1, 0, 0, 0, ssrc };
	struct packet packet = { .flow = &f->stream->sides[number].flows[component],
				 .bytes = bytes,
				 .len = sizeof(bytes),
				 .source = at(source),
				 .now_ms = f->now_ms };

	return session_packet(&packet);
}

/* ---- who is heard ---- */

struct arrival {
	const char *source;
	uint32_t ssrc;
	uint16_t sequence;
	enum packet_verdict verdict;
};

struct attack {
	const char *what;
	const char *told;       /* NULL: not known */
	const char *learn_from; /* prefix */
	const char *target;     /* where is sent to at the end; NULL: nowhere */
	struct arrival arrivals[12];
};

#define NATED "203.0.113.50:61000"
#define NATED2 "203.0.113.51:61001"

static const struct attack attacks[] = {
	{ "the told source latches", ME, NULL, ME,
	  { { ME, 1, 1, GOOD }, { ME, 1, 2, GOOD }, { ME, 1, 3, GOOD }, { ME, 1, 4, GOOD } } },
	{ "a stranger before the first packet", ME, NULL, ME,
	  { { THIEF, 1, 1, BAD }, { THIEF, 1, 2, BAD }, { THIEF, 1, 3, BAD }, { THIEF, 1, 4, BAD },
	    { THIEF, 1, 5, BAD }, { ME, 1, 6, GOOD } } },
	{ "injection after the lock: right SSRC, next sequence", ME, NULL, ME,
	  { { ME, 1, 1, GOOD }, { ME, 1, 2, GOOD }, { ME, 1, 3, GOOD }, { ME, 1, 4, GOOD },
	    { THIEF, 1, 5, BAD }, { THIEF, 1, 6, BAD }, { ME, 1, 5, GOOD } } },
	{ "injection from the told host's other port after the lock", ME, NULL, ME,
	  { { ME, 1, 1, GOOD }, { ME, 1, 2, GOOD }, { ME, 1, 3, GOOD }, { ME, 1, 4, GOOD },
	    { MOVED, 1, 5, BAD }, { MOVED, 1, 6, BAD } } },
	{ "SSRC takeover: another SSRC from the right source passes and moves nothing", ME, NULL, ME,
	  { { ME, 1, 1, GOOD }, { ME, 1, 2, GOOD }, { ME, 1, 3, GOOD }, { ME, 1, 4, GOOD },
	    { THIEF, 1, 5, BAD }, { ME, 2, 900, GOOD }, { THIEF, 2, 901, BAD } } },
	{ "the told host from another port is heard at once and learned after four", ME, NULL, MOVED,
	  { { MOVED, 1, 1, GOOD }, { MOVED, 1, 2, GOOD }, { MOVED, 1, 3, GOOD },
	    { MOVED, 1, 4, GOOD }, { ME, 1, 5, BAD } } },
	{ "three are not enough", ME, NULL, ME,
	  { { MOVED, 1, 1, GOOD }, { MOVED, 1, 2, GOOD }, { MOVED, 1, 3, GOOD } } },
	{ "a gap begins the count anew", ME, NULL, ME,
	  { { MOVED, 1, 1, GOOD }, { MOVED, 1, 2, GOOD }, { MOVED, 1, 3, GOOD },
	    { MOVED, 1, 5, GOOD }, { MOVED, 1, 6, GOOD }, { MOVED, 1, 7, GOOD } } },
	{ "so does another SSRC", ME, NULL, ME,
	  { { MOVED, 1, 1, GOOD }, { MOVED, 1, 2, GOOD }, { MOVED, 1, 3, GOOD },
	    { MOVED, 2, 4, GOOD }, { MOVED, 1, 5, GOOD } } },
	{ "sequence numbers wrap", ME, NULL, MOVED,
	  { { MOVED, 1, 65534, GOOD }, { MOVED, 1, 65535, GOOD }, { MOVED, 1, 0, GOOD },
	    { MOVED, 1, 1, GOOD } } },
	{ "behind NAT: silent until learned, then heard", "10.0.0.7:4000", "203.0.113.50/32", NATED,
	  { { NATED, 1, 1, BAD }, { NATED, 1, 2, BAD }, { NATED, 1, 3, BAD }, { NATED, 1, 4, GOOD },
	    { NATED, 1, 5, GOOD } } },
	{ "behind NAT: outside the prefix", "10.0.0.7:4000", "203.0.113.50/32", "10.0.0.7:4000",
	  { { NATED2, 1, 1, BAD }, { NATED2, 1, 2, BAD }, { NATED2, 1, 3, BAD },
	    { NATED2, 1, 4, BAD }, { NATED2, 1, 5, BAD } } },
	{ "behind NAT: the first to prove itself is locked", "10.0.0.7:4000", "203.0.113.0/24", NATED,
	  { { NATED, 1, 1, BAD }, { NATED, 1, 2, BAD }, { NATED, 1, 3, BAD }, { NATED, 1, 4, GOOD },
	    { NATED2, 1, 5, BAD }, { NATED2, 1, 6, BAD }, { NATED2, 1, 7, BAD },
	    { NATED2, 1, 8, BAD }, { NATED2, 1, 9, BAD } } },
	{ "behind NAT: a stranger in between does not keep the right one out", "10.0.0.7:4000",
	  "203.0.113.0/24", NATED,
	  { { NATED, 1, 1, BAD }, { NATED2, 9, 50, BAD }, { NATED, 1, 2, BAD },
	    { NATED2, 9, 70, BAD }, { NATED, 1, 3, BAD }, { NATED2, 9, 90, BAD },
	    { NATED, 1, 4, GOOD } } },
	{ "behind NAT: the told address itself may be the right one", ME, "203.0.113.50/32", ME,
	  { { ME, 1, 1, GOOD }, { ME, 1, 2, GOOD }, { ME, 1, 3, GOOD }, { ME, 1, 4, GOOD },
	    { NATED, 1, 5, BAD } } },
	{ "nothing told: nobody is heard", NULL, NULL, NULL,
	  { { ME, 1, 1, BAD }, { ME, 1, 2, BAD }, { ME, 1, 3, BAD }, { ME, 1, 4, BAD },
	    { ME, 1, 5, BAD } } },
};

static struct ctl_stream_set told(const struct attack *attack)
{
	struct ctl_stream_set set = { .flags = CTL_STREAM_RESET, .remote_rtp = at(attack->told) };
	struct ip_prefix prefix;

	if (attack->learn_from) {
		assert_int_equal(ip_prefix_parse(slice_text(attack->learn_from), &prefix), OK);
		set.learn_from = prefix.ip;
		set.learn_bits = prefix.bits;
	}
	return set;
}

static void attempts_on_the_latch(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(attacks); i++) {
		const struct attack *attack = &attacks[i];

		tell(f, 0, told(attack));
		for (const struct arrival *it = attack->arrivals; it->source; it++) {
			enum packet_verdict verdict =
				arrives(f, 0, it->source, it->ssrc, it->sequence);

			if (verdict != it->verdict)
				fail_msg("%s: packet %td: %s", attack->what,
					 it - attack->arrivals, packet_verdict_name(verdict));
		}
		assert_target(f, 0, COMPONENT_RTP, attack->target);
	}
}

static void what_keeps_and_what_loses_the_latch(void **state)
{
	struct ctl_stream_set set = { .remote_rtp = at(ME), .remote_rtcp = at("192.0.2.1:4001") };
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(arrives(f, 0, MOVED, 1, i), GOOD);
	tell(f, 0, set); /* the same again: a re-INVITE that changes nothing */
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	set.direction = CTL_TRANSMIT;
	tell(f, 0, set);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	set.direction = 0;
	set.flags = CTL_STREAM_RESET;
	tell(f, 0, set);
	assert_target(f, 0, COMPONENT_RTP, ME);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(arrives(f, 0, MOVED, 1, i), GOOD);
	set.flags = 0;
	set.remote_rtp = at("192.0.2.2:4000");
	tell(f, 0, set);
	assert_target(f, 0, COMPONENT_RTP, "192.0.2.2:4000");
	assert_int_equal(arrives(f, 0, MOVED, 1, 5), BAD);
}

static void rtcp_latches_apart(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(arrives(f, 0, MOVED, 1, i), GOOD);
	assert_target(f, 0, COMPONENT_RTCP, "192.0.2.1:4001");
	assert_int_equal(reports(f, 0, COMPONENT_RTCP, THIEF, 1), BAD);
	/* The SSRC whose RTP is latched, from the same host: one report is enough. */
	assert_int_equal(reports(f, 0, COMPONENT_RTCP, "192.0.2.1:4445", 1), GOOD);
	assert_target(f, 0, COMPONENT_RTCP, "192.0.2.1:4445");
	assert_int_equal(reports(f, 0, COMPONENT_RTCP, "192.0.2.1:4001", 1), BAD);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	/* Without RTP (a side that only listens) it takes three. */
	for (unsigned i = 0; i < 3; i++) {
		assert_target(f, 1, COMPONENT_RTCP, "198.51.100.1:5001");
		assert_int_equal(reports(f, 1, COMPONENT_RTCP, "198.51.100.1:7001", 3), GOOD);
	}
	assert_target(f, 1, COMPONENT_RTCP, "198.51.100.1:7001");
}

static void multiplexed_rtcp_never_latches(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reports(f, 0, COMPONENT_RTP, ME, 1), PACKET_DROP_MALFORMED);
	tell(f, 0, (struct ctl_stream_set){ .flags = CTL_STREAM_RTCP_MUX, .remote_rtp = at(ME) });
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(reports(f, 0, COMPONENT_RTP, MOVED, 1), GOOD);
	assert_target(f, 0, COMPONENT_RTP, ME);
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

/* ---- time ---- */

static bool pops(struct fixture *f, uint64_t now_ms, struct session_event *ret)
{
	f->now_ms = now_ms;
	return sessions_pop(&f->sessions, now_ms, ret);
}

static void limit(struct fixture *f, uint32_t first_ms, uint32_t silence_ms, uint64_t now_ms)
{
	const struct session_limits limits = { .first_ms = first_ms, .silence_ms = silence_ms };

	session_set_limits(&f->sessions, f->session, &limits, now_ms);
}

static void silence(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 5000, 3000, START_MS);
	f->now_ms = START_MS + 4000;
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	assert_false(pops(f, START_MS + 4999, &event));
	assert_true(pops(f, START_MS + 5000, &event)); /* side 1 never said a word */
	assert_int_equal(event.side->number, 1);
	assert_int_equal(event.kind, CTL_MEDIA_NONE_YET);
	assert_false(pops(f, START_MS + 6999, &event));
	assert_true(pops(f, START_MS + 7000, &event));
	assert_int_equal(event.side->number, 0);
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
	assert_false(pops(f, START_MS + 100000, &event)); /* told once */
	f->now_ms = START_MS + 100500;
	assert_int_equal(arrives(f, 0, ME, 1, 2), GOOD);
	assert_false(pops(f, START_MS + 103499, &event));
	assert_true(pops(f, START_MS + 103500, &event)); /* the next silence is another */
	assert_int_equal(event.kind, CTL_MEDIA_TIMEOUT);
}

static void no_timeouts_on_hold(void **state)
{
	struct ctl_stream_set hold = { .remote_rtp = at(ME), .direction = CTL_TRANSMIT };
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_TRANSMIT });
	limit(f, 1000, 1000, START_MS);
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	tell(f, 0, hold);
	limit(f, 1000, 1000, START_MS);
	assert_false(pops(f, START_MS + 50000, &event));
	hold.direction = CTL_RECEIVE | CTL_TRANSMIT;
	tell(f, 0, hold); /* resumed: the time on hold does not count */
	limit(f, 1000, 1000, START_MS + 50000);
	assert_false(pops(f, START_MS + 50999, &event));
	assert_true(pops(f, START_MS + 51000, &event));
	assert_int_equal(event.side->number, 0);
}

static void assert_event(struct fixture *f, uint64_t at_ms, unsigned side,
			 enum ctl_media_event_kind kind)
{
	struct session_event event;

	assert_false(pops(f, START_MS + at_ms - 1, &event));
	assert_true(pops(f, START_MS + at_ms, &event));
	assert_int_equal(event.side->number, side);
	assert_int_equal(event.kind, kind);
}

/* Side 0 speaks every 100 ms in [from, to). */
static void speaks(struct fixture *f, uint64_t from_ms, uint64_t to_ms)
{
	struct session_event event;

	for (uint64_t ms = from_ms; ms < to_ms; ms += 100) {
		assert_false(pops(f, START_MS + ms, &event));
		assert_int_equal(arrives(f, 0, ME, 1, (uint16_t)(ms / 100)), GOOD);
	}
}

/* The limit after the first packet holds from then on, however long the first one was. */
static void a_short_silence_after_a_long_wait(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 60000, 3000, START_MS);
	assert_false(pops(f, START_MS + 7000, &event));
	f->now_ms = START_MS + 7500;
	assert_int_equal(arrives(f, 0, ME, 1, 1), GOOD);
	assert_event(f, 10500, 0, CTL_MEDIA_TIMEOUT);
	assert_event(f, 60000, 1, CTL_MEDIA_NONE_YET);
}

static void one_way(void **state)
{
	const struct session_limits limits = { .first_ms = 60000, .silence_ms = 60000,
					       .one_way_ms = 5000 };
	struct fixture *f = *state;
	struct session_event event;

	session_set_limits(&f->sessions, f->session, &limits, START_MS);
	speaks(f, 1000, 5000);
	assert_event(f, 5000, 1, CTL_MEDIA_ONE_WAY);
	speaks(f, 5000, 30000); /* told once */
	f->now_ms = START_MS + 30000;
	assert_int_equal(arrives(f, 1, "198.51.100.1:5000", 2, 1), GOOD);
	assert_false(f->stream->sides[1].told_one_way);
	speaks(f, 30000, 35000);
	assert_event(f, 35000, 1, CTL_MEDIA_ONE_WAY); /* the next silence is another */
	/* Both silent: the other limit, for each of them. */
	assert_event(f, 90000, 1, CTL_MEDIA_TIMEOUT);
	assert_event(f, 94900, 0, CTL_MEDIA_TIMEOUT);
	assert_false(pops(f, START_MS + 200000, &event));
}

static void resumed_is_seen_by_the_packet(void **state)
{
	unsigned char bytes[12] = { 0x80, 0, 0, 9 };
	struct packet packet = { .bytes = bytes, .len = sizeof(bytes), .source = at(ME) };
	struct fixture *f = *state;
	struct session_event event;

	packet.flow = &f->stream->sides[0].flows[COMPONENT_RTP];
	limit(f, 1000, 1000, START_MS);
	assert_true(pops(f, START_MS + 1000, &event));
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
	assert_true(packet.resumed);
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
	assert_false(packet.resumed);
}

/* Hold has a limit of its own, and whoever is heard in any way is still there. */
static void timeouts_on_hold(void **state)
{
	const struct session_limits limits = { .first_ms = 1000, .silence_ms = 1000,
					       .hold_ms = 20000 };
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(ME),
					    .remote_rtcp = at("192.0.2.1:4001"),
					    .direction = CTL_TRANSMIT });
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .remote_rtcp = at("198.51.100.1:5001"),
					    .direction = CTL_TRANSMIT });
	session_set_limits(&f->sessions, f->session, &limits, START_MS);
	assert_false(pops(f, START_MS + 15000, &event));
	assert_int_equal(reports(f, 1, COMPONENT_RTCP, "198.51.100.1:5001", 2), GOOD);
	assert_event(f, 35000, 0, CTL_MEDIA_HOLD_TIMEOUT);
	assert_true(pops(f, START_MS + 35000, &event));
	assert_int_equal(event.side->number, 1);
	assert_int_equal(event.kind, CTL_MEDIA_HOLD_TIMEOUT);
	assert_false(pops(f, START_MS + 300000, &event));
}

static void the_wait_begins_with_the_answer(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	limit(f, 0, 0, START_MS); /* the offer */
	assert_false(pops(f, START_MS + 60000, &event));
	limit(f, 5000, 5000, START_MS + 60000);
	assert_false(pops(f, START_MS + 64999, &event));
	assert_true(pops(f, START_MS + 65000, &event));
}

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

static void silence_is_told_again_to_an_owner_that_was_away(void **state)
{
	struct fixture *f = *state;
	struct session_event event;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .direction = CTL_TRANSMIT });
	limit(f, 5000, 5000, START_MS);
	session_set_lease(&f->sessions, f->session, LEASE_AWAY, START_MS);
	assert_true(pops(f, START_MS + 5000, &event)); /* nobody hears it */
	assert_ptr_equal(event.side, &f->stream->sides[0]);
	assert_false(pops(f, START_MS + 9000, &event));
	session_set_lease(&f->sessions, f->session, LEASE_OWNED, START_MS + 9000);
	assert_true(pops(f, START_MS + 9001, &event));
	assert_ptr_equal(event.side, &f->stream->sides[0]);
	session_set_lease(&f->sessions, f->session, LEASE_OWNED, START_MS + 9002);
	assert_false(pops(f, START_MS + 60000, &event));
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

/* ---- objects ---- */

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
		cmocka_unit_test_setup_teardown(attempts_on_the_latch, setup, teardown),
		cmocka_unit_test_setup_teardown(what_keeps_and_what_loses_the_latch, setup, teardown),
		cmocka_unit_test_setup_teardown(rtcp_latches_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(multiplexed_rtcp_never_latches, setup, teardown),
		cmocka_unit_test_setup_teardown(ways_out, setup, teardown),
		cmocka_unit_test_setup_teardown(silence, setup, teardown),
		cmocka_unit_test_setup_teardown(no_timeouts_on_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_silence_after_a_long_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(one_way, setup, teardown),
		cmocka_unit_test_setup_teardown(resumed_is_seen_by_the_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(timeouts_on_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(the_wait_begins_with_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_without_an_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_is_told_again_to_an_owner_that_was_away,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_orphan_ends_after_four_hours, setup, teardown),
		cmocka_unit_test_setup_teardown(owners_have_numbers_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(stats_of_a_side, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_keeps_who_was_learned, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_restart_forgets_who_was_learned_for_another_address, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_goes_on_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_is_let_through_at_the_rate, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

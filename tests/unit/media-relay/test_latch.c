/* SPDX-License-Identifier: MIT
 * Who may be heard, and where is sent to: whatever is tried on the latch, without a socket. */
#include "tests/unit/media-relay/session_fixture.h"

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
	assert_int_equal(report_arrives(f, 0, COMPONENT_RTCP, THIEF, 1), BAD);
	/* The SSRC whose RTP is latched, from the same host: one report is enough. */
	assert_int_equal(report_arrives(f, 0, COMPONENT_RTCP, "192.0.2.1:4445", 1), GOOD);
	assert_target(f, 0, COMPONENT_RTCP, "192.0.2.1:4445");
	assert_int_equal(report_arrives(f, 0, COMPONENT_RTCP, "192.0.2.1:4001", 1), BAD);
	assert_target(f, 0, COMPONENT_RTP, MOVED);
	/* Without RTP (a side that only listens) it takes three. */
	for (unsigned i = 0; i < 3; i++) {
		assert_target(f, 1, COMPONENT_RTCP, "198.51.100.1:5001");
		assert_int_equal(report_arrives(f, 1, COMPONENT_RTCP, "198.51.100.1:7001", 3), GOOD);
	}
	assert_target(f, 1, COMPONENT_RTCP, "198.51.100.1:7001");
}

static void multiplexed_rtcp_never_latches(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(report_arrives(f, 0, COMPONENT_RTP, ME, 1), PACKET_DROP_MALFORMED);
	tell(f, 0, (struct ctl_stream_set){ .flags = CTL_STREAM_RTCP_MUX, .remote_rtp = at(ME) });
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(report_arrives(f, 0, COMPONENT_RTP, MOVED, 1), GOOD);
	assert_target(f, 0, COMPONENT_RTP, ME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(attempts_on_the_latch, setup, teardown),
		cmocka_unit_test_setup_teardown(what_keeps_and_what_loses_the_latch,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rtcp_latches_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(multiplexed_rtcp_never_latches, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * One gateway's machine: rows of "what is seen, when" and the state that must follow. */
#include "sbc/health/health_priv.h"

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

#define ROWS_MAX 16

struct row {
	enum health_event event;
	uint64_t at_ms;
	uint32_t retry_after_s;
	enum health_state wanted;
	bool allows; /* a call, right afterwards */
};

struct story {
	const char *name;
	bool probed;
	struct row rows[ROWS_MAX];
	size_t count;
};

#define ANSWERED(at, wanted, allows) { HEALTH_ANSWERED, at, 0, wanted, allows }
#define MISSED(at, wanted, allows) { HEALTH_MISSED, at, 0, wanted, allows }
#define REFUSED(at, after_s, wanted) { HEALTH_REFUSED, at, after_s, wanted, false }
#define ROWS(...)                                                                                  \
	{ __VA_ARGS__ }, sizeof((struct row[]){ __VA_ARGS__ }) / sizeof(struct row)

static const struct story stories[] = {
	{ "up at the first answer", true, ROWS(ANSWERED(0, HEALTH_UP, true)) },
	{ "down at the third miss in a row, from the start", true,
	  ROWS(MISSED(0, HEALTH_UNKNOWN, true), MISSED(1, HEALTH_UNKNOWN, true),
	       MISSED(2, HEALTH_DOWN, false), MISSED(3, HEALTH_DOWN, false)) },
	{ "an answer between misses starts the count again", true,
	  ROWS(ANSWERED(0, HEALTH_UP, true), MISSED(1, HEALTH_UP, true), MISSED(2, HEALTH_UP, true),
	       ANSWERED(3, HEALTH_UP, true), MISSED(4, HEALTH_UP, true), MISSED(5, HEALTH_UP, true),
	       MISSED(6, HEALTH_DOWN, false)) },
	{ "back up after two answers in a row, not one", true,
	  ROWS(MISSED(0, HEALTH_UNKNOWN, true), MISSED(1, HEALTH_UNKNOWN, true),
	       MISSED(2, HEALTH_DOWN, false), ANSWERED(3, HEALTH_DOWN, false),
	       MISSED(4, HEALTH_DOWN, false), ANSWERED(5, HEALTH_DOWN, false),
	       ANSWERED(6, HEALTH_UP, true)) },
	{ "503: left alone for its time, whatever is answered meanwhile", true,
	  ROWS(ANSWERED(0, HEALTH_UP, true), REFUSED(1000, 3, HEALTH_BUSY),
	       ANSWERED(2000, HEALTH_BUSY, false), ANSWERED(3999, HEALTH_BUSY, false),
	       ANSWERED(4000, HEALTH_UP, true)) },
	{ "503 again: its time begins again", true,
	  ROWS(REFUSED(0, 3, HEALTH_BUSY), REFUSED(3000, 3, HEALTH_BUSY),
	       ANSWERED(5999, HEALTH_BUSY, false), ANSWERED(6000, HEALTH_UP, true)) },
	{ "503 without a time: one second", true,
	  ROWS(REFUSED(0, 0, HEALTH_BUSY), ANSWERED(999, HEALTH_BUSY, false),
	       ANSWERED(1000, HEALTH_UP, true)) },
	{ "503 for an hour: one minute", true,
	  ROWS(REFUSED(0, 3600, HEALTH_BUSY), ANSWERED(59999, HEALTH_BUSY, false),
	       ANSWERED(60000, HEALTH_UP, true)) },
	{ "a busy one that falls silent is down", true,
	  ROWS(REFUSED(0, 60, HEALTH_BUSY), MISSED(1, HEALTH_BUSY, false),
	       MISSED(2, HEALTH_BUSY, false), MISSED(3, HEALTH_DOWN, false)) },
	{ "503 of one that was down: it is back, and busy", true,
	  ROWS(MISSED(0, HEALTH_UNKNOWN, true), MISSED(1, HEALTH_UNKNOWN, true),
	       MISSED(2, HEALTH_DOWN, false), REFUSED(3, 1, HEALTH_BUSY),
	       ANSWERED(1003, HEALTH_UP, true)) },
	{ "never down without probes: nothing would bring it back", false,
	  ROWS(ANSWERED(0, HEALTH_UP, true), MISSED(1, HEALTH_UP, true), MISSED(2, HEALTH_UP, true),
	       MISSED(3, HEALTH_UP, true), MISSED(4, HEALTH_UP, true)) },
	{ "busy without probes, too", false,
	  ROWS(REFUSED(0, 2, HEALTH_BUSY), MISSED(1, HEALTH_BUSY, false),
	       MISSED(2, HEALTH_BUSY, false), MISSED(3, HEALTH_BUSY, false),
	       ANSWERED(2000, HEALTH_UP, true)) },
};

static void play(const struct story *story)
{
	struct health_machine machine = { 0 };

	health_machine_set_probed(&machine, story->probed);
	for (size_t i = 0; i < story->count; i++) {
		const struct row *row = &story->rows[i];
		struct health_evidence evidence = { .event = row->event,
						    .retry_after_s = row->retry_after_s,
						    .now_ms = row->at_ms,
						    .now_unix_ms = 1000000 + row->at_ms };
		enum health_state before = machine.view.state;
		bool changed = health_machine_step(&machine, &evidence);

		if (machine.view.state != row->wanted ||
		    health_machine_allows(&machine, row->at_ms) != row->allows)
			fail_msg("%s: row %zu: %s, wanted %s", story->name, i,
				 health_state_name(machine.view.state),
				 health_state_name(row->wanted));
		assert_int_equal(changed, before != row->wanted);
		if (changed)
			assert_int_equal(machine.view.changed_unix_ms, 1000000 + row->at_ms);
	}
}

static void stories_end_well(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(stories); i++)
		play(&stories[i]);
}

/* Every cell leads somewhere by a finite count: no state is a trap. */
static void every_state_is_left(void **state)
{
	(void)state;
	for (unsigned s = 0; s < HEALTH_STATES; s++) {
		assert_int_equal(health_steps[s][HEALTH_ANSWERED].next, HEALTH_UP);
		assert_int_equal(health_steps[s][HEALTH_MISSED].next, HEALTH_DOWN);
		assert_int_equal(health_steps[s][HEALTH_REFUSED].next, HEALTH_BUSY);
		for (unsigned e = 0; e < HEALTH_EVENTS; e++)
			assert_in_range(health_steps[s][e].in_a_row, 1, 3);
	}
}

static void keeps_figures(void **state)
{
	struct health_machine machine = { .probed = true };
	struct health_evidence answer = { HEALTH_ANSWERED, 200, 0, 1500, 10, 20 };
	struct health_evidence miss = { .event = HEALTH_MISSED, .now_ms = 11 };

	(void)state;
	health_machine_step(&machine, &answer);
	health_machine_step(&machine, &miss);
	assert_int_equal(machine.view.last_code, 200);
	assert_int_equal(machine.view.rtt_us, 1500);
	assert_int_equal(machine.view.changed_unix_ms, 20);
	assert_true(machine.view.missed);
}

static void unknown_when_probing_ends(void **state)
{
	struct health_machine machine = { .probed = true };
	struct health_evidence miss = { .event = HEALTH_MISSED };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		health_machine_step(&machine, &miss);
	assert_int_equal(machine.view.state, HEALTH_DOWN);
	health_machine_set_probed(&machine, true);
	assert_int_equal(machine.view.state, HEALTH_DOWN);
	health_machine_set_probed(&machine, false);
	assert_int_equal(machine.view.state, HEALTH_UNKNOWN);
	assert_true(health_machine_allows(&machine, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stories_end_well),
		cmocka_unit_test(every_state_is_left),
		cmocka_unit_test(keeps_figures),
		cmocka_unit_test(unknown_when_probing_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

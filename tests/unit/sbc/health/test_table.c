/* SPDX-License-Identifier: MIT
 * The table: who stays and who goes with a snapshot, one trial at a time, and many threads. */
#include "sbc/health/health.h"

#include <pthread.h>

#include "lib/base/ensure.h"
#include "tests/support/settings.h"

#define REALMS                                                                                     \
	"\"realms\":[{\"name\":\"out\",\"listeners\":[{\"transport\":\"udp\","                     \
	"\"address\":\"10.0.0.1\"}],\"media\":{\"address\":\"10.0.0.1\"}},"                        \
	"{\"name\":\"in\",\"listeners\":[{\"transport\":\"udp\","                                  \
	"\"address\":\"10.0.0.2\"}],\"media\":{\"address\":\"10.0.0.2\"}}]"
#define TRUNK(name, realm, gateway, more)                                                          \
	"{\"name\":\"" name "\",\"realm\":\"" realm "\",\"gateways\":[{\"uri\":\"" gateway "\"}]"  \
	more "}"
#define PROBED ",\"probe\":{\"interval_s\":5}"

static const char two[] = "{" REALMS ",\"trunks\":["
			  TRUNK("a", "out", "sip:192.0.2.1", PROBED) ","
			  TRUNK("b", "out", "sip:192.0.2.1", PROBED) "]}";

struct place {
	struct health *health;
	struct settings *settings;
};

static void apply(struct place *place, const char *document)
{
	if (place->settings)
		settings_release(&place->settings);
	place->settings = settings_from(document, 1);
	assert_int_equal(health_apply(place->health, place->settings), OK);
}

static bool note(struct place *place, unsigned trunk, enum health_event event, uint64_t now_ms)
{
	const struct conf_trunk *conf = place->settings->trunks[trunk].conf;
	struct health_evidence evidence = { .event = event, .retry_after_s = 2, .now_ms = now_ms };
	struct health_view view;

	return health_note(place->health, conf, &conf->gateways[0], &evidence, &view);
}

static enum health_state state_of(struct place *place, unsigned trunk)
{
	const struct conf_trunk *conf = place->settings->trunks[trunk].conf;
	struct health_view view;

	health_read(place->health, conf, &conf->gateways[0], &view);
	return view.state;
}

static bool admit(struct place *place, unsigned trunk, uint64_t now_ms)
{
	const struct conf_trunk *conf = place->settings->trunks[trunk].conf;

	return health_admit(place->health, conf, &conf->gateways[0], now_ms);
}

static int setup(void **state)
{
	static struct place place;

	place = (struct place){ 0 };
	assert_int_equal(health_create(&place.health), OK);
	apply(&place, two);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	settings_release(&place->settings);
	health_destroy(&place->health);
	return 0;
}

static void take_down(struct place *place, unsigned trunk)
{
	for (unsigned i = 0; i < 3; i++)
		note(place, trunk, HEALTH_MISSED, i);
	assert_int_equal(state_of(place, trunk), HEALTH_DOWN);
}

static void trunks_are_apart(void **state)
{
	struct place *place = *state;

	take_down(place, 0);
	assert_int_equal(state_of(place, 1), HEALTH_UNKNOWN);
	assert_false(admit(place, 0, 10));
	assert_true(admit(place, 1, 10));
}

static void an_unchanged_gateway_stays(void **state)
{
	struct place *place = *state;

	take_down(place, 0);
	/* Another place in the list, another interval: the same gateway. */
	apply(place, "{" REALMS ",\"trunks\":[" TRUNK("b", "out", "sip:192.0.2.1", PROBED) ","
	      TRUNK("a", "out", "sip:192.0.2.1", ",\"probe\":{\"interval_s\":9}") "]}");
	assert_int_equal(state_of(place, 1), HEALTH_DOWN);
	assert_int_equal(state_of(place, 0), HEALTH_UNKNOWN);
}

static void a_changed_gateway_is_new(void **state)
{
	static const char *const documents[] = {
		"{" REALMS ",\"trunks\":[" TRUNK("a", "out", "sip:192.0.2.2", PROBED) "]}",
		"{" REALMS ",\"trunks\":[" TRUNK("a", "in", "sip:192.0.2.1", PROBED) "]}",
		"{" REALMS ",\"trunks\":[" TRUNK("a", "out", "sip:192.0.2.1", "") "]}",
	};
	struct place *place = *state;

	for (size_t i = 0; i < array_size(documents); i++) {
		apply(place, two);
		take_down(place, 0);
		apply(place, documents[i]);
		assert_int_equal(state_of(place, 0), HEALTH_UNKNOWN);
	}
	apply(place, "{" REALMS ",\"trunks\":[]}"); /* gone, and when it returns it is new */
	apply(place, two);
	assert_int_equal(state_of(place, 0), HEALTH_UNKNOWN);
}

static void one_trial_at_a_time(void **state)
{
	struct place *place = *state;
	const struct conf_trunk *a = place->settings->trunks[0].conf;

	assert_true(note(place, 0, HEALTH_REFUSED, 1000)); /* for 2 s */
	assert_false(admit(place, 0, 2999));
	assert_true(health_allows(place->health, a, &a->gateways[0], 3000));
	assert_true(admit(place, 0, 3000));
	assert_false(health_allows(place->health, a, &a->gateways[0], 3001));
	assert_false(admit(place, 0, 3000 + HEALTH_TRIAL_MS - 1));
	assert_true(admit(place, 0, 3000 + HEALTH_TRIAL_MS)); /* nothing came of it: the next */
	assert_true(note(place, 0, HEALTH_ANSWERED, 9000));
	assert_true(admit(place, 0, 9000));
	assert_true(admit(place, 0, 9000));
}

static void a_stranger_is_unknown(void **state)
{
	struct place *place = *state;
	struct conf_trunk trunk = { .name = SLICE("c"), .realm = SLICE("out") };
	struct conf_gateway gateway = { .uri = SLICE("sip:192.0.2.1") };
	struct health_evidence miss = { .event = HEALTH_MISSED };
	struct health_view view = { .state = HEALTH_DOWN };

	assert_false(health_note(place->health, &trunk, &gateway, &miss, &view));
	assert_int_equal(view.state, HEALTH_UNKNOWN);
	assert_true(health_admit(place->health, &trunk, &gateway, 0));
}

#define HAMMER_THREADS 4u
#define HAMMER_ROUNDS 3000u

static void *hammer(void *owner)
{
	struct place *place = owner;
	uintptr_t changes = 0;

	for (unsigned i = 0; i < HAMMER_ROUNDS; i++)
		changes += note(place, 0, i % 2 ? HEALTH_ANSWERED : HEALTH_REFUSED, 3000ull * i);
	return (void *)changes;
}

/* Every change is reported to exactly one of those who caused it: they alternate between up and busy,
 * so their number is odd when it ends busy, and even when it ends up (the first one is to busy). */
static void changes_are_told_once(void **state)
{
	struct place *place = *state;
	pthread_t threads[HAMMER_THREADS];
	uintptr_t changes = 0;
	void *told;

	for (unsigned i = 0; i < HAMMER_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, place), 0);
	for (unsigned i = 0; i < HAMMER_THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &told), 0);
		changes += (uintptr_t)told;
	}
	assert_true(changes >= 1);
	assert_int_equal(changes % 2, state_of(place, 0) == HEALTH_BUSY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(trunks_are_apart),	   TEST(an_unchanged_gateway_stays),
		TEST(a_changed_gateway_is_new), TEST(one_trial_at_a_time),
		TEST(a_stranger_is_unknown), TEST(changes_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

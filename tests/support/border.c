/* SPDX-License-Identifier: MIT */
#include "tests/support/border.h"

#include <stdlib.h>

#include "sbc/call/call_priv.h"
#include "tests/support/border_relay.h"
#include "tests/support/settings.h"

#define KIND_TXN     0u
#define KIND_CALL    1u
#define UNIX_MS      1700000000000u

/* An answer that is under way to the border. */
struct answer {
	struct timer timer;
	struct answer *next;
	bool resolved; /* of the resolver, else of the relay */
	bool never;
	struct handle call;
	uint32_t purpose;
	struct ctl_message message;
	struct ctl_stream_ports ports[2 * RELAY_LINES_MAX];
	struct call_destination found[2];
	size_t found_count;
};

struct border {
	struct border_config config;
	struct settings *settings;
	struct policy *policy;
	struct health *health; /* fed by calls only */
	struct txn_table *txns;
	struct calls *calls;
	struct wheel wheel;
	struct wheel answers_wheel;
	struct answer *answers;
	struct arena_cache cache;
	struct arena arena;
	struct effects effects;
	struct rand rand;
	struct rand dice;
	size_t idle_bytes;
	uint64_t now_ms;
	bool relay_up;
	struct media_relay can;
	struct relay_sessions relay;
	struct ctl_digit_send digit;
	struct ctl_relay_payload digit_payload;
	unsigned digit_count;
};

static struct turn turn_now(struct border *border)
{
	return (struct turn){ .now_ms = border->now_ms,
			      .now_unix_ms = UNIX_MS + border->now_ms,
			      .arena = &border->arena,
			      .out = &border->effects,
			      .relay_up = border->relay_up };
}

/* ---- the relay ---- */

static struct answer *answer_new(struct border *border, struct handle call, uint32_t purpose,
				 uint32_t delay_ms)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	assert_non_null(answer);
	answer->call = call;
	answer->purpose = purpose;
	answer->next = border->answers;
	border->answers = answer;
	wheel_start(&border->answers_wheel, &answer->timer,
		    border->now_ms + rand_below(&border->dice, delay_ms + 1));
	return answer;
}

static void answer_free(struct border *border, struct answer *answer)
{
	struct answer **at = &border->answers;

	while (*at != answer)
		at = &(*at)->next;
	*at = answer->next;
	wheel_stop(&border->answers_wheel, &answer->timer);
	free(answer);
}

static void hand_relay(void *owner, struct handle call, uint32_t purpose,
		       struct ctl_message *message)
{
	struct border *border = owner;
	struct turn turn = turn_now(border);
	struct answer *answer;
	bool set = message->type == CTL_session_set;

	if (!border->relay_up) {
		calls_on_relay(border->calls, &turn, call, purpose, NULL);
		return;
	}
	if (message->type == CTL_digit_send) { /* nobody waits for its answer */
		assert_int_equal(purpose, CALL_RELAY_NO_ANSWER);
		border->digit = message->digit_send;
		border->digit_payload = message->digit_send.payloads[0];
		border->digit.payloads = &border->digit_payload;
		border->digit.payloads_count = 1;
		border->digit_count++;
		return;
	}
	answer = answer_new(border, call, purpose, border->config.relay_delay_ms);
	if (set && rand_below(&border->dice, 1000) < border->config.relay_short_permille)
		relay_fail(&answer->message, ERR_EXHAUSTED);
	else if (set)
		relay_set(&border->relay, &message->session_set, &answer->message, answer->ports);
	else if (message->type == CTL_session_close)
		relay_close(&border->relay, message->session_close.session, &answer->message);
	else
		fail_msg("%s to the relay", ctl_type_name(message->type));
	answer->never = rand_below(&border->dice, 1000) < border->config.relay_silent_permille;
}

/* ---- the other hands ---- */

static void hand_send(void *owner, const struct flow *flow, struct slice bytes, struct handle txn)
{
	struct border *border = owner;

	if (border->config.hooks.send(border->config.hooks.owner, flow, bytes) != OK)
		txn_on_transport_error(border->txns, txn, border->now_ms, &border->effects);
}

/* "none.…" does not resolve; other names have two addresses. */
static void hand_resolve(void *owner, const struct effect *effect)
{
	static const char *const known[] = { "198.51.100.30:5060", "198.51.100.31:5060" };
	struct border *border = owner;
	struct answer *answer = answer_new(border, effect->resolve.owner, CALL_RELAY_NO_ANSWER,
					   border->config.resolve_delay_ms);

	answer->resolved = true;
	if (slice_starts(effect->resolve.host, SLICE("none.")))
		return;
	for (; answer->found_count < 2; answer->found_count++)
		assert_int_equal(endpoint_parse(slice_text(known[answer->found_count]),
						&answer->found[answer->found_count].remote),
				 OK);
}

static void hand_record(void *owner, const struct turn *turn, const struct ctl_call_info *info)
{
	struct border *border = owner;

	(void)turn;
	border->config.hooks.record(border->config.hooks.owner, info);
}

static void hand_rejected(void *owner, const struct sip_msg *msg, const struct flow *flow,
			  enum reject_reason reason)
{
	(void)owner;
	(void)msg;
	(void)flow;
	(void)reason;
}

static void hand_evidence(void *owner, const struct turn *turn, const struct effect *effect)
{
	struct border *border = owner;
	struct health_evidence evidence = { .event = (enum health_event)effect->evidence.event,
					    .code = effect->evidence.code,
					    .retry_after_s = effect->evidence.retry_after_s,
					    .now_ms = turn->now_ms,
					    .now_unix_ms = turn->now_unix_ms };
	struct health_view view;

	health_note(border->health, effect->evidence.trunk, effect->evidence.gateway, &evidence,
		    &view);
}

/* ---- turns ---- */

static struct rooms rooms_of(struct border *border)
{
	static const struct hands hands = { .send = hand_send,
					    .relay = hand_relay,
					    .resolve = hand_resolve,
					    .record = hand_record,
					    .rejected = hand_rejected,
					    .evidence = hand_evidence };

	return (struct rooms){ .txns = border->txns,
			       .calls = border->calls,
			       .settings = border->settings,
			       .tag_key = { 5, 6 },
			       .rand = &border->rand,
			       .hands = &hands,
			       .owner = border };
}

static struct turn turn_begin(struct border *border)
{
	effects_init(&border->effects, &border->arena);
	return turn_now(border);
}

static void turn_end(struct border *border)
{
	struct rooms rooms = rooms_of(border);
	struct turn turn = turn_now(border);

	dispatch_effects(&rooms, &turn);
	assert_false(border->effects.failed);
	arena_reset(&border->arena);
}

void border_receive(struct border *border, const struct flow *flow, struct slice bytes)
{
	struct turn turn = turn_begin(border);
	struct rooms rooms = rooms_of(border);
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(turn.arena, bytes, &sip_limits_default, &msg, &verdict);

	if (err == OK)
		dispatch_message(&rooms, &turn, &msg, flow);
	else if (!verdict.drop && verdict.status != 0)
		reply_stateless(&rooms, &turn, &msg, flow, verdict.status, verdict.reason);
	turn_end(border);
}

static void answer_deliver(struct border *border, struct answer *answer)
{
	struct turn turn = turn_begin(border);

	if (answer->resolved)
		calls_on_resolved(border->calls, &turn, answer->call, answer->found,
				  answer->found_count);
	else if (!answer->never)
		calls_on_relay(border->calls, &turn, answer->call, answer->purpose,
			       &answer->message);
	turn_end(border);
	answer_free(border, answer);
}

void border_tick(struct border *border, uint64_t now_ms)
{
	struct timer *timer;

	border->now_ms = now_ms;
	while ((timer = wheel_pop(&border->answers_wheel, now_ms)))
		answer_deliver(border, container_of(timer, struct answer, timer));
	while ((timer = wheel_pop(&border->wheel, now_ms))) {
		struct turn turn = turn_begin(border);

		if (timer->kind == KIND_TXN)
			txn_on_timer(border->txns, timer, turn.now_ms, turn.out);
		else
			calls_on_timer(border->calls, &turn, timer);
		turn_end(border);
	}
}

/* ---- the relay's fate, the operator ---- */

void border_relay_down(struct border *border)
{
	struct answer *answer = border->answers;

	border->relay_up = false;
	while (answer) {
		struct answer *next = answer->next;

		if (!answer->resolved) {
			struct turn turn = turn_begin(border);

			calls_on_relay(border->calls, &turn, answer->call, answer->purpose, NULL);
			turn_end(border);
			answer_free(border, answer);
		}
		answer = next;
	}
}

/* As the relay does after a reconnect: what nobody names is an orphan and goes; what it does not
 * have is told. */
void border_relay_up(struct border *border, bool forgets)
{
	uint64_t *owned = calloc(RELAY_SESSIONS_MAX, sizeof(*owned));
	uint32_t cursor = 0;
	uint32_t count = calls_sessions(border->calls, &cursor, owned, RELAY_SESSIONS_MAX);
	struct turn turn;

	border->relay_up = true;
	relay_keep(&border->relay, owned, forgets ? 0 : count);
	turn = turn_begin(border);
	for (uint32_t j = 0; j < count; j++)
		if (!relay_find(&border->relay, owned[j]))
			calls_on_session_missing(border->calls, &turn, owned[j]);
	turn_end(border);
	free(owned);
}

static void media_event(struct border *border, struct ctl_media_event event)
{
	struct turn turn = turn_begin(border);

	for (uint32_t i = 0; i < RELAY_SESSIONS_MAX && event.session == 0; i++)
		event.session = border->relay.at[i].id;
	calls_on_media_event(border->calls, &turn, &event);
	turn_end(border);
}

void border_media_event(struct border *border, uint8_t side, enum ctl_media_event_kind kind)
{
	media_event(border, (struct ctl_media_event){ .side = side, .kind = (uint8_t)kind });
}

void border_digit_heard(struct border *border, uint8_t side, uint32_t value)
{
	media_event(border, (struct ctl_media_event){ .side = side, .kind = CTL_MEDIA_DIGIT,
						      .value = value });
}

const struct ctl_digit_send *border_digit_sent(const struct border *border, unsigned *ret_count)
{
	*ret_count = border->digit_count;
	return &border->digit;
}

bool border_media_timeout(struct border *border)
{
	uint32_t start = rand_below(&border->dice, RELAY_SESSIONS_MAX);
	struct ctl_media_event event = { .kind = CTL_MEDIA_TIMEOUT };
	struct turn turn;

	for (uint32_t i = 0; i < RELAY_SESSIONS_MAX && event.session == 0; i++)
		event.session = border->relay.at[(start + i) % RELAY_SESSIONS_MAX].id;
	if (event.session == 0)
		return false;
	turn = turn_begin(border);
	calls_on_media_event(border->calls, &turn, &event);
	turn_end(border);
	return true;
}

void border_security_failed(struct border *border, enum ctl_security_failure failure)
{
	struct ctl_media_event event = { .kind = CTL_MEDIA_SECURITY_FAILED, .value = failure };
	struct turn turn;

	for (uint32_t i = 0; i < RELAY_SESSIONS_MAX && event.session == 0; i++)
		event.session = border->relay.at[i].id;
	turn = turn_begin(border);
	calls_on_insecure(border->calls, &turn, &event);
	turn_end(border);
}

bool border_hangup(struct border *border)
{
	uint32_t cursor = rand_below(&border->dice, border->calls->pool.used + 1);
	struct call *call = pool_next(&border->calls->pool, &cursor);
	struct turn turn = turn_begin(border);
	enum err err = call ? calls_hangup(border->calls, &turn, call->id) : ERR_NOENT;

	turn_end(border);
	return err == OK;
}

void border_hangup_all(struct border *border)
{
	uint32_t cursor = 0;
	bool more;

	do {
		struct turn turn = turn_begin(border);

		more = calls_hangup_some(border->calls, &turn, &cursor, 64);
		turn_end(border);
	} while (more);
}

void border_relay_short(struct border *border, uint32_t permille)
{
	border->config.relay_short_permille = permille;
}

/* ---- life ---- */

struct border *border_create(const struct border_config *config)
{
	struct border *border = calloc(1, sizeof(*border));
	struct hash_key key = { 7, 8 };

	assert_non_null(border);
	border->config = *config;
	border->now_ms = config->now_ms;
	border->relay_up = true;
	relay_init(&border->relay);
	border->settings = settings_from(config->provisioning, 1);
	arena_cache_init(&border->cache, 1u << 20);
	arena_init(&border->arena, &border->cache, 65536, 1u << 20);
	effects_init(&border->effects, &border->arena);
	rand_init_seed(&border->rand, config->seed);
	rand_init_seed(&border->dice, config->seed + 1);
	wheel_init(&border->wheel, config->now_ms);
	wheel_init(&border->answers_wheel, config->now_ms);
	assert_int_equal(policy_create(&border->policy), OK);
	border->can = (struct media_relay){ .suites = UINT32_MAX, .dtls_hash = CTL_HASH_SHA256,
					    .fingerprint_bytes = 32 };
	assert_int_equal(health_create(&border->health), OK);
	assert_int_equal(health_apply(border->health, border->settings), OK);

	struct txn_config txns = { .wheel = &border->wheel,
				   .cache = &border->cache,
				   .hash_key = key,
				   .capacity = config->capacity * 8,
				   .timer_kind = KIND_TXN,
				   .quota_bytes = 96u * 1024 };

	assert_int_equal(txn_table_create(&txns, &border->txns), OK);

	struct calls_config calls = { .wheel = &border->wheel,
				      .cache = &border->cache,
				      .txns = border->txns,
				      .rand = &border->rand,
				      .policy = border->policy,
				      .health = border->health,
				      .relay = &border->can,
				      .hash_key = key,
				      .worker_key = key,
				      .workers = 1,
				      .capacity = config->capacity,
				      .timer_kind = KIND_CALL,
				      .session_mask = rand_u64(&border->rand) };

	assert_int_equal(calls_create(&calls, &border->calls), OK);
	border->idle_bytes = border->cache.used_bytes;
	return border;
}

void border_check_idle(struct border *border)
{
	uint32_t calls;
	uint32_t cps;

	arena_fini(&border->arena);
	assert_int_equal(calls_live(border->calls), 0);
	assert_int_equal(txn_count(border->txns), 0);
	assert_int_equal(border->calls->dialogs.map.count, 0);
	assert_int_equal(border->calls->merges.map.count, border->calls->merges.past.live);
	assert_int_equal(border->wheel.count, 0);
	assert_null(border->answers);
	assert_int_equal(border->relay.count, 0);
	assert_int_equal(border->cache.used_bytes, border->idle_bytes);
	assert_int_equal(border->settings->users, 1);
	for (uint32_t i = 0; i < border->settings->trunk_count; i++) {
		policy_load(border->policy, border->settings->trunks[i].conf->name,
			    border->now_ms, &calls, &cps);
		assert_int_equal(calls, 0);
	}
}

void border_destroy(struct border **at)
{
	struct border *border = *at;

	while (border->answers)
		answer_free(border, border->answers);
	calls_destroy(&border->calls);
	txn_table_destroy(&border->txns);
	policy_destroy(&border->policy);
	health_destroy(&border->health);
	settings_release(&border->settings);
	arena_fini(&border->arena);
	arena_cache_fini(&border->cache);
	free(border);
	*at = NULL;
}

struct calls *border_calls(struct border *border)
{
	return border->calls;
}

struct txn_table *border_txns(struct border *border)
{
	return border->txns;
}

uint32_t border_relay_sessions(const struct border *border)
{
	return border->relay.count;
}

size_t border_call_bytes(const struct border *border, uint32_t slot)
{
	uint32_t cursor = slot - 1;
	const struct call *call = pool_next(&border->calls->pool, &cursor);

	return call ? call->arena.held_bytes : 0;
}

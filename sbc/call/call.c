/* SPDX-License-Identifier: MIT
 * The worker's table of calls, and the doors through which events reach a call. What is always true:
 * a call is found by handle only; what arrives for a call that is gone ends here or in stray.c. */
#include "sbc/call/call_priv.h"

enum err calls_create(const struct calls_config *config, struct calls **ret)
{
	struct calls *calls;
	struct arena own;
	enum err err;

	arena_init(&own, config->cache, sizeof(*calls), SIZE_MAX);
	calls = arena_new(&own, struct calls);
	if (!calls)
		return ERR_NOMEM;
	calls->own = own;
	calls->config = *config;
	err = pool_init(&calls->pool, sizeof(struct call), config->capacity);
	if (err == OK)
		err = dialog_table_init(&calls->dialogs, config->hash_key, 1024);
	if (err == OK)
		err = merges_init(&calls->merges);
	if (err != OK) {
		calls_destroy(&calls);
		return err;
	}
	*ret = calls;
	return OK;
}

void calls_destroy(struct calls **calls)
{
	uint32_t cursor = 0;
	struct call *call;
	struct arena own;

	if (!*calls)
		return;
	own = (*calls)->own;
	while ((call = pool_next(&(*calls)->pool, &cursor)))
		calls_reap(*calls, call->self);
	dialog_table_fini(&(*calls)->dialogs);
	merges_fini(&(*calls)->merges);
	pool_fini(&(*calls)->pool);
	arena_fini(&own);
	*calls = NULL;
}

uint32_t calls_live(const struct calls *calls)
{
	return calls->pool.live - calls->ended;
}

const struct calls_figures *calls_figures(const struct calls *calls)
{
	return &calls->figures;
}

uint32_t calls_worker_of(const struct hash_key *worker_key, uint32_t workers, struct slice call_id)
{
	return workers < 2 ? 0 : (uint32_t)(hash64(worker_key, call_id) % workers);
}

struct call *call_get(const struct calls *calls, struct handle handle)
{
	struct call *call = pool_get(&calls->pool, handle);

	ensure(!call || call->magic == CALL_MAGIC);
	return call;
}

struct call *call_by_session(const struct calls *calls, uint64_t session)
{
	return call_get(calls, handle_from_u64(session ^ calls->config.session_mask));
}

const struct conf_trunk *leg_trunk(const struct call *call, unsigned leg)
{
	return call->settings->trunks[call->legs[leg].trunk].conf;
}

const struct conf_realm *leg_realm(const struct call *call, unsigned leg)
{
	return call->settings->realms[call->legs[leg].realm].conf;
}

void call_timer_start(struct call *call, enum call_timer which, const struct turn *turn,
		      uint64_t after_ms)
{
	struct call_timer_slot *slot = &call->timers[which];

	slot->call = call->self;
	slot->timer.kind = call->calls->config.timer_kind + which;
	wheel_start(call->calls->config.wheel, &slot->timer, turn->now_ms + after_ms);
}

void call_timer_stop(struct call *call, enum call_timer which)
{
	wheel_stop(call->calls->config.wheel, &call->timers[which].timer);
}

void call_relay(struct call *call, const struct turn *turn, enum call_purpose purpose,
		const struct ctl_message *message)
{
	struct effect *effect = effects_add(turn->out, EFFECT_RELAY);

	effect->relay.owner = call->self;
	effect->relay.message = message;
	if (purpose == PURPOSE_NONE)
		return;
	effect->relay.purpose = purpose;
	if (purpose == PURPOSE_RESTORE)
		return;
	/* Numbered, for an answer may come to a question that nobody waits for any more. */
	effect->relay.purpose = (uint32_t)purpose | ++call->question << 8;
	call_timer_start(call, TIMER_RELAY, turn, CALL_RELAY_WAIT_MS);
}

void call_uncount(struct call *call)
{
	for (unsigned leg = 0; leg < 2; leg++) {
		if (call->counted[leg])
			policy_call_end(call->calls->config.policy, leg_trunk(call, leg)->name);
		call->counted[leg] = false;
	}
}

void calls_reap(struct calls *calls, struct handle handle)
{
	struct call *call = call_get(calls, handle);

	if (!call)
		return;
	for (unsigned i = 0; i < CALL_TIMER_COUNT; i++)
		call_timer_stop(call, (enum call_timer)i);
	for (unsigned leg = 0; leg < 2; leg++)
		dialog_unlist(&calls->dialogs, &call->legs[leg].dialog);
	call_uncount(call);
	merge_unlist(call);
	if (call->media)
		media_fini(call->media);
	settings_release(&call->settings);
	arena_fini(&call->arena);
	calls->ended -= call->lingers;
	call->magic = 0;
	pool_give(&calls->pool, handle);
}

/* ---- doors ---- */

static void on_exchange_txn(struct call *call, const struct turn *turn,
			    const struct effect *effect, uint16_t code)
{
	bool initial = call->state < CALL_ANSWERED;
	bool response = effect->kind == EFFECT_TXN_RESPONSE;

	if (!handle_eq(call->exchange.client_txn, effect->txn.txn)) {
		if (response && effect->txn.msg->status / 100 == 2)
			stray_2xx(call, turn, effect);
	} else if (response && initial) {
		call_on_invite_response(call, turn, effect->txn.msg);
	} else if (response) {
		call_on_reinvite_response(call, turn, effect);
	} else if (initial) {
		call_attempt_failed(call, turn, code, code == 503 ? "transport_error" : "timeout");
	} else if (call->exchange.state == EXCHANGE_SENT ||
		   call->exchange.state == EXCHANGE_CANCELLED) {
		/* A transport error is like a 503 (8.1.3.1): only silence ends the dialog. */
		call_exchange_failed(call, turn, code == 503 ? 500 : 408);
	}
}

void calls_on_txn(struct calls *calls, const struct turn *turn, const struct effect *effect)
{
	const struct txn_user *user = &effect->txn.user;
	struct call *call = call_get(calls, user->owner);
	enum call_txn_purpose purpose = (enum call_txn_purpose)(user->purpose & 0xff);
	uint16_t code = effect->kind == EFFECT_TXN_ERROR ? 503 : 408;

	if (effect->kind == EFFECT_TXN_ACK_TIMEOUT)
		return; /* nobody is owed anything more */
	if (purpose == TXN_FOR_BYE) {
		const struct sip_msg *msg =
			effect->kind == EFFECT_TXN_RESPONSE ? effect->txn.msg : NULL;
		bool last = !msg || msg->status >= 200;

		if (call && last &&
		    !(msg && call_bye_again(call, turn, user->purpose >> 8, msg)))
			call_bye_done(call, turn, user->purpose >> 8);
		return;
	}
	if (purpose == TXN_FOR_INVITE && call && call->state < CALL_ENDING) {
		on_exchange_txn(call, turn, effect, code);
		return;
	}
	/* The 2xx again, because its ACK was lost while the call ended. */
	if (purpose == TXN_FOR_INVITE && call && effect->kind == EFFECT_TXN_RESPONSE &&
	    effect->txn.msg->status / 100 == 2) {
		stray_2xx(call, turn, effect);
		return;
	}
	if (purpose == TXN_FOR_PROBE) {
		if (call && call->state == CALL_ANSWERED)
			call_on_probe(call, turn, user->purpose >> 8,
				      effect->kind == EFFECT_TXN_RESPONSE ?
					      effect->txn.msg->status :
					      code);
		return;
	}
	if (purpose == TXN_FOR_DIGIT) {
		const struct sip_msg *msg =
			effect->kind == EFFECT_TXN_RESPONSE ? effect->txn.msg : NULL;

		if (call && call->state == CALL_ANSWERED)
			call_on_dialled(call, turn, user->purpose >> 8, msg,
					msg ? msg->status : code);
		return;
	}
	if (purpose == TXN_FOR_INSIDE && call && call->state < CALL_ENDING) {
		if (effect->kind == EFFECT_TXN_RESPONSE)
			call_on_inside_response(call, turn, user->purpose >> 8, effect->txn.msg);
		else
			call_inside_failed(call, turn, user->purpose >> 8, code == 503 ? 500 : 480);
		return;
	}
	if (effect->kind == EFFECT_TXN_RESPONSE && purpose != TXN_FOR_NOTHING &&
	    purpose != TXN_FOR_INSIDE)
		stray_on_response(calls, turn, effect);
}

/* No ports. A re-INVITE that has not gone on yet is refused and the session stays as it is;
 * otherwise there is nothing to go on with. */
static void relay_failed(struct call *call, const struct turn *turn, uint16_t reoffer_code,
			 const char *cause)
{
	if (call->state == CALL_ANSWERED && call->exchange.state == EXCHANGE_PORTS) {
		call_exchange_failed(call, turn, reoffer_code);
		return;
	}
	call_terminate(call, turn, 2, 503, SLICE_NONE);
	call_end(call, turn, "sbc", 503, "failed", cause);
}

void calls_on_timer(struct calls *calls, const struct turn *turn, struct timer *timer)
{
	struct call_timer_slot *slot = container_of(timer, struct call_timer_slot, timer);
	struct call *call = call_get(calls, slot->call);

	ensure(call);
	switch ((enum call_timer)(timer->kind - calls->config.timer_kind)) {
	case TIMER_NO_RESPONSE:
		call_silent(call, turn);
		break;
	case TIMER_RING:
		if (call->state == CALL_ANSWERED) {
			call_exchange_timeout(call, turn);
			break;
		}
		call_abandon_invite(call, turn, SLICE_NONE);
		call_attempt_failed(call, turn, 480, "ring_timeout");
		break;
	case TIMER_TRYING:
		call_reply_code(call, turn, call->exchange.from, call->exchange.server_txn, 100);
		break;
	case TIMER_PROVISIONAL:
		txn_resend(calls->config.txns, call->exchange.server_txn, turn->out);
		call_timer_start(call, TIMER_PROVISIONAL, turn, CALL_PROVISIONAL_MS);
		break;
	case TIMER_RESEND_2XX:
		call_resend_2xx(call, turn);
		break;
	case TIMER_RELAY:
		call->question++; /* its answer is too late now */
		if (call->state == CALL_ENDING)
			call_record(call, turn, NULL);
		else
			relay_failed(call, turn, 503, "relay_silent");
		break;
	case TIMER_PROBE:
		call_probe_again(call, turn);
		break;
	case CALL_TIMER_COUNT:
		break;
	}
}

static void relay_refused(struct call *call, const struct turn *turn,
			  const struct ctl_message *message)
{
	bool exhausted = message && message->type == CTL_failure &&
			 message->failure.err == ERR_EXHAUSTED;
	const char *cause = !message ? "relay_down" : exhausted ? "no_ports" : "relay_refused";

	relay_failed(call, turn, exhausted ? 488 : 500, cause);
}

/* Another has the ports now, or they are gone with the realm: nobody would hear anybody. A line that
 * broke again is told of by itself, and the call is named as missing once more. */
static void on_restored(struct call *call, const struct turn *turn,
			const struct ctl_message *message)
{
	if (call->state >= CALL_ENDING || !message || message->type == CTL_session_ports)
		return;
	call_terminate(call, turn, 2, 503, call_reason_make(turn, "Q.850", 41));
	call_end(call, turn, "sbc", 503, call->answered_ms ? "answered" : "failed", "ports_lost");
}

void calls_on_relay(struct calls *calls, const struct turn *turn, struct handle owner,
		    uint32_t purpose, const struct ctl_message *message)
{
	struct call *call = call_get(calls, owner);

	if (call && purpose == PURPOSE_RESTORE) {
		on_restored(call, turn, message);
		return;
	}
	if (!call || purpose == PURPOSE_NONE || purpose >> 8 != (call->question & 0xffffff))
		return;
	purpose &= 0xff;
	call_timer_stop(call, TIMER_RELAY);
	if (purpose == PURPOSE_CLOSE) {
		bool stats = message && message->type == CTL_session_stats;

		call_record(call, turn, stats ? &message->session_stats : NULL);
		return;
	}
	if (call->state >= CALL_ENDING)
		return;
	if (!message || message->type != CTL_session_ports ||
	    media_on_ports(call->media, &message->session_ports) != OK) {
		relay_refused(call, turn, message);
		return;
	}
	switch ((enum call_purpose)purpose) {
	case PURPOSE_OFFER:
	case PURPOSE_AGAIN:
		call_offer_ready(call, turn);
		break;
	case PURPOSE_LATE_OFFER:
		call_late_offer_ready(call, turn);
		break;
	case PURPOSE_REOFFER:
		call_reoffer_ready(call, turn);
		break;
	case PURPOSE_NONE:
	case PURPOSE_CLOSE:
	case PURPOSE_RESTORE:
		break;
	}
}

void calls_on_session_missing(struct calls *calls, const struct turn *turn, uint64_t session)
{
	struct call *call = call_by_session(calls, session);

	if (!call || !call->media || call->state >= CALL_ENDING)
		return;
	struct ctl_message *message = media_restore(call->media, turn->arena);

	if (message)
		call_relay(call, turn, PURPOSE_RESTORE, message);
}

uint32_t calls_sessions(const struct calls *calls, uint32_t *cursor, uint64_t *ret_sessions,
			uint32_t room)
{
	uint32_t count = 0;
	struct call *call;

	while (count < room && (call = pool_next(&calls->pool, cursor)))
		if (call->media && call->state < CALL_ENDED && media_has_session(call->media))
			ret_sessions[count++] = media_session(call->media);
	return count;
}

enum err calls_hangup(struct calls *calls, const struct turn *turn, struct slice id)
{
	uint32_t cursor = 0;
	struct call *call;

	while ((call = pool_next(&calls->pool, &cursor))) {
		if (call->state >= CALL_ENDING || !slice_eq(call->id, id))
			continue;
		call_terminate(call, turn, 2, 480, call_reason_make(turn, "Q.850", 16));
		call_end(call, turn, "admin", call->state == CALL_ANSWERED ? 200 : 480,
			 call->answered_ms ? "answered" : "failed", "hung_up_by_operator");
		return OK;
	}
	return ERR_NOENT;
}

bool calls_hangup_some(struct calls *calls, const struct turn *turn, uint32_t *cursor,
		       uint32_t limit)
{
	struct call *call;

	while (limit > 0 && (call = pool_next(&calls->pool, cursor))) {
		if (call->state >= CALL_ENDING)
			continue;
		limit--;
		call_terminate(call, turn, 2, 503, call_reason_make(turn, "Q.850", 41));
		call_end(call, turn, "sbc", 503, call->answered_ms ? "answered" : "failed",
			 "shutdown");
	}
	return limit == 0;
}

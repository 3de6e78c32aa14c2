/* SPDX-License-Identifier: MIT
 * What the operator sees of a call, alive or over: one schema (lib/ctl's call_info) for both. */
#include "sbc/call/call_priv.h"

static uint8_t shown_state(const struct call *call)
{
	static const uint8_t states[] = {
		[CALL_ROUTING] = CTL_CALL_ROUTING,   [CALL_CALLING] = CTL_CALL_ROUTING,
		[CALL_PROCEEDING] = CTL_CALL_RINGING, [CALL_ANSWERED] = CTL_CALL_ANSWERED,
		[CALL_ENDING] = CTL_CALL_ENDING,     [CALL_ENDED] = CTL_CALL_ENDED,
	};

	if (call->state == CALL_PROCEEDING && !call->rang_ms)
		return CTL_CALL_ROUTING;
	return states[call->state];
}

static void leg_info(const struct call *call, unsigned leg, struct arena *arena,
		     struct ctl_leg_info *ret)
{
	const struct leg *on = &call->legs[leg];
	struct text text;

	*ret = (struct ctl_leg_info){
		.trunk = leg_trunk(call, leg)->name,
		.realm = leg_realm(call, leg)->name,
		.call_id = on->dialog.call_id,
		.transport = sip_transport_text((enum sip_transport)on->dialog.flow.transport),
	};
	if (on->dialog.flow.remote.ip.family != IP_NONE) {
		text_init_arena(&text, arena, ENDPOINT_TEXT_BYTES);
		endpoint_write(&text, &on->dialog.flow.remote);
		ret->remote = text_done(&text);
	}
	if (leg == 1)
		ret->gateway = leg_trunk(call, 1)->gateways[on->gateway].uri;
}

static void attempt_info(const struct call *call, const struct attempt *attempt,
			 struct ctl_attempt_info *ret)
{
	const struct conf_trunk *trunk = call->settings->trunks[attempt->trunk].conf;

	*ret = (struct ctl_attempt_info){
		.trunk = trunk->name,
		.gateway = trunk->gateways[attempt->gateway].uri,
		.sip_code = attempt->sip_code,
		.reason = slice_text(attempt->reason),
		.started_unix_ms = attempt->started_unix_ms,
		.duration_ms = attempt->duration_ms,
	};
}

static void add_times(const struct call *call, struct ctl_call_info *ret)
{
	ret->started_unix_ms = call->started_unix_ms;
	ret->answered_unix_ms = call->answered_unix_ms;
	ret->ended_unix_ms = call->ended_unix_ms;
	if (call->rang_ms)
		ret->ring_ms = (uint32_t)(call->rang_ms - call->started_ms);
	if (call->answered_ms && call->ended_ms)
		ret->duration_ms = call->ended_ms - call->answered_ms;
}

void call_info(const struct call *call, struct arena *arena, struct ctl_call_info *ret)
{
	*ret = (struct ctl_call_info){
		.id = call->id,
		.state = shown_state(call),
		.calling = call->calling,
		.called = call->called,
		.result = slice_text(call->result),
		.sip_code = call->final_code,
		.ended_by = slice_text(call->ended_by),
		.cause = slice_text(call->cause),
		.config_version = call->settings->version,
	};
	add_times(call, ret);
	if (call->target_next > 0) {
		ret->called_out = call->targets[call->target_next - 1].called_out;
		ret->route = call->targets[call->target_next - 1].route_name;
	}
	ret->legs_count = call->attempt_count > 0 ? 2 : 1;
	ret->legs = arena_array(arena, ret->legs_count, sizeof(*ret->legs));
	ret->attempts = arena_array(arena, call->attempt_count, sizeof(*ret->attempts));
	if (!ret->legs || (!ret->attempts && call->attempt_count > 0)) {
		ret->legs_count = 0;
		return;
	}
	for (unsigned leg = 0; leg < ret->legs_count; leg++)
		leg_info(call, leg, arena, &ret->legs[leg]);
	for (uint32_t i = 0; i < call->attempt_count; i++)
		attempt_info(call, &call->attempts[i], &ret->attempts[i]);
	ret->attempts_count = call->attempt_count;
	if (call->media) { /* also when the session was closed: these are its last words */
		ret->session = media_session(call->media);
		(void)!media_describe(call->media, arena, &ret->media, &ret->media_count);
	}
}

/* The call is over and the last figures are here (or will not come). */
void call_record(struct call *call, const struct turn *turn, const struct ctl_session_stats *stats)
{
	struct ctl_call_info *info = arena_new(turn->arena, struct ctl_call_info);

	call_timer_stop(call, TIMER_RELAY);
	if (call->state == CALL_ENDED)
		return;
	call->state = CALL_ENDED;
	if (info) {
		call_info(call, turn->arena, info);
		if (stats)
			media_add_stats(info->media, info->media_count, stats);
		effects_add(turn->out, EFFECT_RECORD)->record = info;
	}
	call_uncount(call);
	call->lingers = call->legs[0].bye_out || call->legs[1].bye_out;
	call->calls->ended += call->lingers;
	if (!call->lingers)
		effects_add(turn->out, EFFECT_REAP)->reap = call->self;
}

enum err calls_page(const struct calls *calls, struct arena *arena, uint64_t *cursor,
		    uint32_t limit, struct ctl_call_info **ret_infos, uint32_t *ret_count)
{
	struct ctl_call_info *infos = arena_array(arena, limit, sizeof(*infos));
	uint32_t slot = (uint32_t)*cursor;
	uint32_t count = 0;
	struct call *call = NULL;

	if (!infos)
		return ERR_NOMEM;
	while (count < limit && (call = pool_next(&calls->pool, &slot)))
		if (call->state < CALL_ENDED)
			call_info(call, arena, &infos[count++]);
	*cursor = call ? slot : 0;
	*ret_infos = infos;
	*ret_count = count;
	return arena->exhausted ? ERR_NOMEM : OK;
}

enum err calls_show(const struct calls *calls, struct arena *arena, struct slice id,
		    struct ctl_call_info *ret)
{
	uint32_t slot = 0;
	struct call *call;

	while ((call = pool_next(&calls->pool, &slot))) {
		if (call->state < CALL_ENDED && slice_eq(call->id, id)) {
			call_info(call, arena, ret);
			return OK;
		}
	}
	return ERR_NOENT;
}

/* SPDX-License-Identifier: MIT
 * Gateways, as calls and probes of them see them: how we and a gateway name each other, whether it is
 * worth a try, and what a try showed. */
#include "sbc/call/call_priv.h"

static bool listener_fits(const struct conf_listener *listener, const struct flow *flow)
{
	if ((unsigned)listener->transport != flow->transport)
		return false;
	if (flow->local.ip.family != IP_NONE)
		return listener->port == flow->local.port &&
		       (ip_eq(&listener->address, &flow->local.ip) ||
			ip_unspecified(&listener->address));
	return listener->address.family == flow->remote.ip.family;
}

enum err call_self_find(const struct conf_realm *realm, struct arena *arena, struct flow *flow,
			struct dialog_self *ret)
{
	struct text text;

	for (size_t i = 0; i < realm->listener_count; i++) {
		const struct conf_listener *listener = &realm->listeners[i];

		if (!listener_fits(listener, flow))
			continue;
		if (flow->local.ip.family == IP_NONE)
			flow->local = (struct endpoint){ listener->address, listener->port };
		ret->port = listener->port;
		ret->transport = flow->transport;
		ret->host = listener->advertise;
		if (ret->host.len > 0)
			return OK;
		text_init_arena(&text, arena, 48);
		ip_write_reference(&text, &listener->address);
		ret->host = text_done(&text);
		return text.err;
	}
	return ERR_NOENT;
}

void call_gateway_uri_write(struct text *text, const struct conf_gateway *gateway,
			    struct slice user, bool with_transport)
{
	text_slice(text, gateway->sips ? SLICE("sips:") : SLICE("sip:"));
	if (user.len > 0) {
		sip_write_user(text, user);
		text_char(text, '@');
	}
	if (gateway->host_is_ip)
		ip_write_reference(text, &gateway->ip);
	else
		text_slice(text, gateway->host);
	if (gateway->port != 0) {
		text_char(text, ':');
		text_u64(text, gateway->port);
	}
	if (with_transport && gateway->transport == CONF_TCP)
		text_lit(text, ";transport=tcp");
}

/* ---- is it worth a try? ---- */

static bool target_open(const struct call *call, const struct turn *turn,
			const struct route_target *target)
{
	struct health *health = call->calls->config.health;
	const struct conf_trunk *trunk = call->settings->trunks[target->trunk].conf;

	return !health || health_allows(health, trunk, &trunk->gateways[target->gateway],
					turn->now_ms);
}

uint32_t call_open_targets(struct call *call, const struct turn *turn,
			   struct route_target *targets, uint32_t count)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < count; i++)
		if (target_open(call, turn, &targets[i]))
			targets[open++] = targets[i];
	call->last_resort = open == 0;
	return call->last_resort ? count : open;
}

bool call_target_admitted(struct call *call, const struct turn *turn,
			  const struct route_target *target)
{
	struct health *health = call->calls->config.health;
	const struct conf_trunk *trunk = call->settings->trunks[target->trunk].conf;
	bool nothing_else = call->attempt_count == 0 && call->target_next == call->target_count;

	return !health || call->last_resort || nothing_else ||
	       health_admit(health, trunk, &trunk->gateways[target->gateway], turn->now_ms);
}

/* ---- what was seen ---- */

static void saw(struct call *call, const struct turn *turn, enum health_event event, uint16_t code,
		uint32_t retry_after_s)
{
	struct effect *effect = effects_add(turn->out, EFFECT_EVIDENCE);

	effect->evidence.trunk = leg_trunk(call, 1);
	effect->evidence.gateway = &leg_trunk(call, 1)->gateways[call->legs[1].gateway];
	effect->evidence.event = (uint8_t)event;
	effect->evidence.code = code;
	effect->evidence.retry_after_s = retry_after_s;
}

/* An attempt's first response is enough to know that somebody is there; a 503 that names a time is
 * for all calls (RFC 3261 21.5.4), one that names none is for this one. */
void call_saw_response(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	uint32_t retry_after_s;

	if (msg->status == 503 && sip_retry_after(msg, &retry_after_s))
		saw(call, turn, HEALTH_REFUSED, 503, retry_after_s);
	else if (call->state == CALL_CALLING)
		saw(call, turn, HEALTH_ANSWERED, msg->status, 0);
}

void call_saw_failure(struct call *call, const struct turn *turn, const char *reason)
{
	static const struct slice silence[] = { SLICE_INIT("no_response"), SLICE_INIT("timeout"),
						SLICE_INIT("transport_error"),
						SLICE_INIT("unresolvable") };

	for (size_t i = 0; i < array_size(silence); i++)
		if (slice_eq(slice_text(reason), silence[i]))
			saw(call, turn, HEALTH_MISSED, 0, 0);
}

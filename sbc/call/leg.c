/* SPDX-License-Identifier: MIT
 * Where a leg stands: how its peer sees us, where its requests go, and what of it the other leg must
 * not see. */
#include "sbc/call/call_priv.h"

enum err leg_find_self(struct call *call, unsigned leg, struct flow *flow)
{
	return call_self_find(leg_realm(call, leg), &call->arena, flow, &call->legs[leg].self);
}

/* The address that a URI names, if it is one. */
static bool uri_endpoint(struct slice uri_text, struct endpoint *ret, bool *ret_lr)
{
	struct sip_uri uri;
	struct slice value;

	if (sip_uri_parse(uri_text, &uri) != OK || uri.ip.family == IP_NONE)
		return false;
	*ret = (struct endpoint){ uri.ip, uri.port };
	if (ret->port == 0)
		ret->port = uri.scheme == SIP_SCHEME_SIPS ? 5061 : 5060;
	*ret_lr = sip_param_find(uri.params, SLICE("lr"), &value);
	return true;
}

void leg_find_next_hop(struct call *call, unsigned leg)
{
	struct dialog *dialog = &call->legs[leg].dialog;
	struct slice uri = dialog->remote_target;
	struct sip_address route;
	struct endpoint to;
	bool lr;

	/* Behind a NAT the flow is the only way that is known to work. On a stream the open
	 * connection comes first anyway; this is where a new one would go. */
	if (leg_trunk(call, leg)->nat)
		return;
	if (dialog->route_count > 0) {
		if (sip_address_parse(dialog->routes[0], &route) != OK)
			return;
		uri = route.uri_text;
	}
	if (!uri_endpoint(uri, &to, &lr) || to.ip.family != dialog->flow.local.ip.family ||
	    ip_unspecified(&to.ip) || ip_multicast(&to.ip))
		return;
	/* Only where this trunk may be: a Contact must not aim us at anything else. */
	if (ip_eq(&to.ip, &dialog->flow.remote.ip) ||
	    settings_trunk_by_source(call->settings, call->legs[leg].realm, &to.ip) ==
		    call->legs[leg].trunk)
		dialog->flow.remote = to;
}

void leg_learn_allow(struct leg *leg, const struct sip_msg *msg)
{
	if (sip_value(msg, SIP_HDR_ALLOW).p)
		leg->no_update = !sip_has_token(msg, SIP_HDR_ALLOW, SLICE("UPDATE"));
}

/* ---- secrets ---- */

static bool is_ip(struct slice text, const struct ip_addr *ip)
{
	struct ip_addr named;

	return text.len > 0 && char_is(text.p[text.len - 1], CC_HEX) &&
	       ip_parse(text, &named) == OK && ip_eq(&named, ip);
}

/* What the peer of `leg` sees anyway is no secret to it. */
static bool shown_on(const struct call *call, unsigned leg, struct slice text)
{
	const struct leg *on = &call->legs[leg];

	if (slice_eq(text, on->self.host) || is_ip(text, &on->dialog.flow.remote.ip))
		return true;
	return leg == 1 &&
	       slice_eq(text, leg_trunk(call, 1)->gateways[on->gateway].host);
}

static void add_secret(struct call *call, unsigned leg, struct slice text)
{
	if (!shown_on(call, !leg, text))
		leak_add(&call->legs[leg].secrets, text);
}

static void add_party_host(struct call *call, unsigned leg, struct slice party)
{
	struct sip_address address;

	if (sip_address_parse(party, &address) == OK &&
	    !slice_eq_nocase(address.uri.host, SLICE("anonymous.invalid")))
		add_secret(call, leg, address.uri.host);
}

/* A target's room is written again by the next one, so its host is kept apart. A set that is full, or
 * has it already, takes no memory: a call does not grow by what its peers move to. */
void call_add_target_secret(struct call *call, unsigned leg)
{
	struct leak_set *set = &call->legs[leg].secrets;
	struct sip_uri uri;
	struct slice host;

	if (sip_uri_parse(call->legs[leg].dialog.remote_target, &uri) != OK ||
	    leak_has(set, uri.host) || shown_on(call, !leg, uri.host) ||
	    arena_keep(&call->arena, uri.host, &host) != OK)
		return;
	leak_add(set, host);
}

static void collect(struct call *call, unsigned leg)
{
	struct leg *on = &call->legs[leg];
	struct text ip;

	on->secrets = (struct leak_set){ 0 };
	add_secret(call, leg, on->dialog.call_id);
	add_secret(call, leg, on->dialog.local_tag);
	add_secret(call, leg, on->dialog.remote_tag);
	text_init_arena(&ip, &call->arena, 48);
	ip_write(&ip, &on->dialog.flow.remote.ip);
	add_secret(call, leg, text_done(&ip));
	add_secret(call, leg, on->self.host);
	if (leg == 0) {
		add_party_host(call, leg, on->dialog.remote);
		call_add_target_secret(call, leg);
	}
}

/* Once both legs are known, and again for each new target. */
void call_collect_secrets(struct call *call)
{
	collect(call, 0);
	collect(call, 1);
}

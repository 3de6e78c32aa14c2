/* SPDX-License-Identifier: MIT
 * ICE of a side: what control told, what checks found, and what becomes of the flow's target. */
#include "media-relay/session/channel.h"

#include "lib/base/ensure.h"
#include "media-relay/session/session_priv.h"

static const struct endpoint nowhere = { .ip = { .family = IP_NONE } };

bool channel_has_ice(const struct side *side)
{
	return side->channel && side->channel->has_ice;
}

/* ---- what control tells ---- */

const char *channel_check(const struct ctl_stream_security *security)
{
	if (security->ice_count > 1)
		return "ice: at most one";
	return security->ice_count > 0 ? ice_setup_check(&security->ice[0]) : NULL;
}

enum err session_prepare_channel(struct sessions *sessions, struct side *side,
				 const struct ctl_stream_set *set)
{
	struct handle handle;

	if (set->security_count == 0 || set->security->ice_count == 0 || side->channel)
		return OK;
	side->channel = pool_take(&sessions->channel_pool, &handle);
	if (!side->channel)
		return ERR_NOMEM;
	side->channel->handle = handle;
	return OK;
}

void channel_destroy(struct sessions *sessions, struct side *side)
{
	struct channel *channel = side->channel;

	if (!channel)
		return;
	side->channel = NULL;
	ice_clear(&channel->ice);
	pool_give(&sessions->channel_pool, channel->handle);
}

static void aim_all(struct side *side)
{
	for (unsigned i = 0; i < COMPONENTS; i++)
		channel_aim(&side->flows[i]);
}

/* Back to what was told. */
static void channel_leave(struct sessions *sessions, struct side *side)
{
	if (!side->channel)
		return;
	channel_destroy(sessions, side);
	for (unsigned i = 0; i < COMPONENTS; i++)
		latch_reset(&side->flows[i]);
}

void session_set_channel(struct sessions *sessions, struct side *side,
			 const struct ctl_stream_set *set)
{
	const struct ctl_stream_security *security = set->security_count > 0 ? set->security : NULL;

	if (!security || security->ice_count == 0) {
		channel_leave(sessions, side);
		return;
	}
	if (set->flags & CTL_STREAM_RESET)
		ice_clear(&side->channel->ice);
	side->channel->has_ice = true;
	ice_set(&side->channel->ice, &security->ice[0]);
	aim_all(side);
}

/* ---- the flow's two policies ---- */

bool channel_hears(const struct flow *flow, const struct endpoint *source)
{
	return ice_path_is(&flow->side->channel->ice, flow->component, source);
}

void channel_aim(struct flow *flow)
{
	const struct endpoint *selected;

	if (!channel_has_ice(flow->side))
		return;
	selected = ice_selected(&flow->side->channel->ice, flow->component);
	flow->latch = (struct latch){ .locked = selected != NULL,
				      .source = selected ? *selected : nowhere };
	flow->target = selected ? *selected : nowhere;
}

/* ---- datagrams ---- */

static enum packet_verdict on_stun(struct sessions *sessions, struct packet *packet)
{
	struct flow *flow = packet->flow;
	struct ice_datagram in = { .bytes = packet->bytes,
				   .len = packet->len,
				   .component = flow->component,
				   .source = packet->source,
				   .now_ms = packet->now_ms };
	struct ice_reply reply;

	if (!channel_has_ice(flow->side))
		return PACKET_DROP_STUN; /* outside of ICE nobody is told where he comes from */
	packet->check = ice_receive(&flow->side->channel->ice, &in, &reply);
	if (packet->check != ICE_ANSWERED && packet->check != ICE_REFUSED)
		return PACKET_DROP_STUN;
	if (reply.len > 0)
		sessions->send(sessions->send_owner, flow, &packet->source, reply.bytes, reply.len);
	if (reply.selected)
		channel_aim(flow);
	if (reply.connected && flow->component == COMPONENT_RTP)
		session_note(sessions, flow->side, CTL_MEDIA_ICE_CONNECTED, &packet->source);
	if (reply.selected || reply.connected)
		session_arm(sessions, flow->side->stream->session);
	return PACKET_CONSUMED;
}

enum packet_verdict session_signal(struct sessions *sessions, struct packet *packet)
{
	enum packet_verdict verdict = on_stun(sessions, packet);

	if (verdict != PACKET_CONSUMED)
		packet->flow->side->counters.packets_dropped++;
	return verdict;
}

/* ---- time ---- */

uint64_t channel_due_ms(const struct side *side)
{
	uint64_t due_ms = UINT64_MAX;

	for (unsigned i = 0; channel_has_ice(side) && i < COMPONENTS; i++) {
		uint64_t it_ms = ice_consent_due_ms(&side->channel->ice, i, side->last_packet_ms);

		due_ms = it_ms < due_ms ? it_ms : due_ms;
	}
	return due_ms;
}

void channel_tick(struct sessions *sessions, struct side *side, uint64_t now_ms)
{
	struct ice *ice = channel_has_ice(side) ? &side->channel->ice : NULL;

	for (unsigned i = 0; ice && i < COMPONENTS; i++) {
		struct flow *flow = &side->flows[i];

		if (ice_consent_due_ms(ice, i, side->last_packet_ms) > now_ms)
			continue;
		if (i == COMPONENT_RTP)
			session_note(sessions, side, CTL_MEDIA_ICE_LOST, &flow->target);
		ice_consent_end(ice, i);
		channel_aim(flow);
	}
}

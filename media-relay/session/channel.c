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

bool channel_has_dtls(const struct side *side)
{
	return side->channel && side->channel->has_dtls;
}

/* ---- what control tells ---- */

const char *channel_check(const struct ctl_stream_security *security)
{
	const char *wrong = NULL;

	if (security->ice_count > 1 || security->dtls_count > 1)
		return "security: at most one ICE, and one DTLS";
	if (security->dtls_count > 0 &&
	    (security->receive_count != security->send_count ||
	     security->receive_rtcp_count != security->send_rtcp_count))
		return "security: the keys of a DTLS association are told both, or neither";
	if (security->ice_count > 0)
		wrong = ice_setup_check(&security->ice[0]);
	if (!wrong && security->dtls_count > 0)
		wrong = dtls_setup_check(&security->dtls[0]);
	return wrong;
}

static const struct ctl_stream_security *channel_told(const struct ctl_stream_set *set)
{
	const struct ctl_stream_security *security = set->security_count > 0 ? set->security : NULL;

	return security && (security->ice_count > 0 || security->dtls_count > 0) ? security : NULL;
}

enum err session_prepare_channel(struct sessions *sessions, struct side *side,
				 const struct ctl_stream_set *set)
{
	struct handle handle;

	if (!channel_told(set) || side->channel)
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
	handshake_clear(channel);
	ice_clear(&channel->ice);
	pool_give(&sessions->channel_pool, channel->handle);
}

static void flows_reset(struct side *side)
{
	for (unsigned i = 0; i < COMPONENTS; i++)
		latch_reset(&side->flows[i]);
}

static void set_ice(struct side *side, const struct ctl_stream_security *security, bool reset)
{
	struct channel *channel = side->channel;

	if (reset || security->ice_count == 0)
		ice_clear(&channel->ice);
	if (security->ice_count > 0) {
		channel->has_ice = true;
		ice_set(&channel->ice, &security->ice[0]);
		for (unsigned i = 0; i < COMPONENTS; i++)
			channel_aim(&side->flows[i]);
	} else if (channel->has_ice) {
		channel->has_ice = false;
		flows_reset(side); /* back to what was told */
	}
}

/* Bits: 1 << enum component. */
static unsigned told_done(const struct ctl_stream_security *security)
{
	return (security->send_count > 0 ? 1u << COMPONENT_RTP : 0) |
	       (security->send_rtcp_count > 0 ? 1u << COMPONENT_RTCP : 0);
}

void session_set_channel(struct sessions *sessions, struct side *side,
			 const struct ctl_stream_set *set, uint64_t now_ms)
{
	const struct ctl_stream_security *security = channel_told(set);
	bool reset = (set->flags & CTL_STREAM_RESET) != 0;
	bool had_ice = channel_has_ice(side);

	if (!security) {
		channel_destroy(sessions, side);
		if (had_ice)
			flows_reset(side);
	} else {
		set_ice(side, security, reset);
		handshake_set(side->channel, security->dtls_count > 0 ? security->dtls : NULL,
			      reset, told_done(security));
	}
	for (unsigned i = 0; i < COMPONENTS; i++) {
		handshake_start(sessions, &side->flows[i], now_ms);
		early_answered(sessions, &side->flows[i], now_ms);
	}
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

void channel_recall(struct flow *flow, const struct endpoint *source, uint64_t now_ms)
{
	ice_recall(&flow->side->channel->ice, flow->component, source, now_ms);
	channel_aim(flow);
}

/* ---- datagrams ---- */

static void on_path(struct sessions *sessions, struct packet *packet, const struct ice_reply *reply)
{
	struct flow *flow = packet->flow;

	if (reply->connected && flow->component == COMPONENT_RTP)
		session_note(sessions, flow, CTL_MEDIA_ICE_CONNECTED, 0, &packet->source, NULL);
	if (reply->selected) {
		channel_aim(flow);
		handshake_start(sessions, flow, packet->now_ms);
	}
	session_arm(sessions, flow->side->stream->session);
}

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
	if (reply.selected || reply.connected)
		on_path(sessions, packet, &reply);
	return PACKET_CONSUMED;
}

enum packet_verdict session_signal(struct sessions *sessions, struct packet *packet)
{
	enum packet_verdict verdict = packet->kind == RTP_STUN ?
					      on_stun(sessions, packet) :
					      handshake_receive(sessions, packet);

	if (verdict != PACKET_CONSUMED)
		packet->flow->side->counters.packets_dropped++;
	return verdict;
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t consent_due_ms(const struct side *side, unsigned component)
{
	return channel_has_ice(side) ?
		       ice_consent_due_ms(&side->channel->ice, component, side->last_packet_ms) :
		       UINT64_MAX;
}

uint64_t channel_due_ms(const struct side *side, uint64_t now_ms)
{
	uint64_t due_ms = UINT64_MAX;

	for (unsigned i = 0; side->channel && i < COMPONENTS; i++) {
		due_ms = sooner(due_ms, consent_due_ms(side, i));
		due_ms = sooner(due_ms, handshake_due_ms(&side->flows[i], now_ms));
	}
	return due_ms;
}

void channel_tick(struct sessions *sessions, struct side *side, uint64_t now_ms)
{
	for (unsigned i = 0; side->channel && i < COMPONENTS; i++) {
		struct flow *flow = &side->flows[i];

		handshake_tick(sessions, flow, now_ms);
		if (consent_due_ms(side, i) > now_ms)
			continue;
		if (i == COMPONENT_RTP)
			session_note(sessions, flow, CTL_MEDIA_ICE_LOST, 0, &flow->target, NULL);
		ice_consent_end(&side->channel->ice, i);
		channel_aim(flow);
	}
}

/* SPDX-License-Identifier: MIT
 * A side as a plain record, and back. A record may be a second older than what it is of: what it
 * says of the peer is still right, what passed meanwhile is not known. */
#include "media-relay/session/session_priv.h"

#include "media-relay/session/channel.h"
#include "media-relay/session/digits_priv.h"

#define COUNT_MAX (UINT64_C(1) << 56) /* octets of one stream: years at any speed */
#define SHIFT_MAX (1 << 30)           /* room for what digits still add */

void side_remember(const struct side *side, struct side_memory *ret)
{
	*ret = (struct side_memory){ .session = side->stream->session->id,
				     .stream = side->stream->number,
				     .side = side->number,
				     .local = side->flows[COMPONENT_RTP].local,
				     .counters = side->counters,
				     .source = side->source };
	/* What passes until the next look is not known: it is neither expected nor lost. */
	rtp_source_suspend(&ret->source);
	if (digits_shifted(side)) {
		ret->woven_ssrc = side->digits->weave.ssrc;
		ret->woven_shift = side->digits->weave.shift;
	}
	for (unsigned i = 0; i < COMPONENTS; i++) {
		const struct flow *flow = &side->flows[i];

		ret->told[i] = flow->remote;
		if (flow->latch.locked)
			ret->learned[i] = flow->latch.source;
	}
}

/* It would be heard alone, and sent to: an address that packets come from, in the one form that is
 * compared with theirs. */
static bool source_plausible(const struct endpoint *source, enum ip_family local)
{
	static const uint8_t zero[16];
	size_t len = source->ip.family == IP_V4 ? 4 : 16;

	if (source->ip.family == IP_NONE)
		return true;
	return source->ip.family == local && !ip_unspecified(&source->ip) &&
	       !ip_multicast(&source->ip) &&
	       memcmp(source->ip.bytes + len, zero, sizeof(zero) - len) == 0;
}

static bool counters_plausible(const struct side_counters *counters)
{
	uint64_t each[sizeof(*counters) / sizeof(uint64_t)];

	memcpy(each, counters, sizeof(each));
	for (size_t i = 0; i < array_size(each); i++)
		if (each[i] > COUNT_MAX)
			return false;
	return true;
}

bool side_memory_plausible(const struct side_memory *memory)
{
	const uint8_t family = memory->local.ip.family;

	return memory->stream < SESSION_MAX_STREAMS && memory->side < 2 &&
	       (family == IP_V4 || family == IP_V6) &&
	       source_plausible(&memory->learned[COMPONENT_RTP], family) &&
	       source_plausible(&memory->learned[COMPONENT_RTCP], family) &&
	       counters_plausible(&memory->counters) && rtp_source_plausible(&memory->source) &&
	       memory->woven_shift >= -SHIFT_MAX && memory->woven_shift <= SHIFT_MAX;
}

static bool remember_states(const struct srtp *srtp, struct flow_states *ret)
{
	ret->receive_len = srtp ? (uint16_t)srtp_receive_state(srtp, ret->receive) : 0;
	ret->send_len = srtp ? (uint16_t)srtp_send_state(srtp, ret->send) : 0;
	return ret->receive_len > 0 || ret->send_len > 0;
}

bool side_remember_states(const struct side *side, struct side_states *ret)
{
	bool any = false;

	for (unsigned i = 0; i < COMPONENTS; i++)
		any |= remember_states(side->flows[i].srtp, &ret->flows[i]);
	return any;
}

void side_recall(struct side *side, const struct side_memory *memory, uint64_t now_ms)
{
	for (unsigned i = 0; i < COMPONENTS; i++) {
		struct flow *flow = &side->flows[i];

		if (memory->learned[i].ip.family == IP_NONE ||
		    !endpoint_eq(&memory->told[i], &flow->remote))
			continue;
		if (channel_has_ice(side))
			channel_recall(flow, &memory->learned[i], now_ms);
		else
			latch_lock(flow, &memory->learned[i]);
	}
	side->counters = memory->counters;
	side->source = memory->source;
	if (side->counters.packets_received > 0)
		side->last_packet_ms = now_ms;
}

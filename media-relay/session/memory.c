/* SPDX-License-Identifier: MIT
 * A side as a plain record, and back. A record may be a second older than what it is of: what it
 * says of the peer is still right, what passed meanwhile is not known. */
#include "media-relay/session/session_priv.h"

#include "media-relay/session/channel.h"
#include "media-relay/session/digits_priv.h"

void side_remember(const struct side *side, struct side_memory *ret)
{
	*ret = (struct side_memory){ .session = side->stream->session->id,
				     .stream = side->stream->number,
				     .side = side->number,
				     .local = side->flows[COMPONENT_RTP].local,
				     .counters = side->counters,
				     .source = side->source };
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

bool side_remember_states(const struct side *side, struct side_states *ret)
{
	const struct srtp *srtp = side->flows[COMPONENT_RTP].srtp;

	if (!srtp)
		return false;
	ret->receive_len = (uint16_t)srtp_receive_state(srtp, ret->receive);
	ret->send_len = (uint16_t)srtp_send_state(srtp, ret->send);
	return ret->receive_len > 0 || ret->send_len > 0;
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
	/* What passed since the last look is not known: it is neither expected nor lost. */
	rtp_source_suspend(&side->source);
	if (side->counters.packets_received > 0)
		side->last_packet_ms = now_ms;
}

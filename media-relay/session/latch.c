/* SPDX-License-Identifier: MIT
 * The receive filter and the latch of one flow (threats: RTP bleed and RTP injection).
 * Always true: a locked latch moves only by control; before it is locked, only a source that control
 * named (the told address, or the prefix of a NATed peer) can count towards it. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"
#include "media-relay/session/channel.h"

/* May this source be counted? Only until the latch is locked. */
static bool may_latch(const struct flow *flow, const struct endpoint *source)
{
	if (flow->remote.ip.family != IP_NONE && ip_eq(&flow->remote.ip, &source->ip))
		return true;
	return flow->side->learn_from.ip.family != IP_NONE &&
	       ip_prefix_has(&flow->side->learn_from, &source->ip);
}

/* The candidate of this source, or the weakest one to put it in place of. */
static struct latch_candidate *candidate_for(struct latch *latch, const struct endpoint *source)
{
	struct latch_candidate *weakest = &latch->candidates[0];

	for (unsigned i = 0; i < LATCH_CANDIDATES; i++) {
		struct latch_candidate *it = &latch->candidates[i];

		if (it->packets > 0 && endpoint_eq(&it->source, source))
			return it;
		if (it->packets < weakest->packets)
			weakest = it;
	}
	*weakest = (struct latch_candidate){ .source = *source };
	return weakest;
}

/* True: enough of them came. RTCP has no sequence, so `in_sequence` says what the caller knows. */
static bool candidate_count(struct latch_candidate *candidate, uint32_t ssrc, bool in_sequence,
			    unsigned needed)
{
	if (candidate->packets == 0 || candidate->ssrc != ssrc || !in_sequence)
		candidate->packets = 0;
	candidate->ssrc = ssrc;
	candidate->packets++;
	return candidate->packets >= needed;
}

static bool rtp_counts(struct flow *flow, const struct packet *packet)
{
	struct latch_candidate *candidate = candidate_for(&flow->latch, &packet->source);
	bool in_sequence = candidate->next_sequence == packet->header.sequence;

	candidate->next_sequence = (uint16_t)(packet->header.sequence + 1);
	return candidate_count(candidate, packet->header.ssrc, in_sequence, LATCH_PACKETS);
}

/* RTCP of the SSRC whose RTP is latched, from the same host, needs no further proof. */
static bool rtcp_counts(struct flow *flow, const struct packet *packet)
{
	const struct latch *rtp = &flow->side->flows[COMPONENT_RTP].latch;
	bool known = rtp->locked && ip_eq(&rtp->source.ip, &packet->source.ip) &&
		     flow->side->source.valid && flow->side->source.ssrc == packet->ssrc;

	return candidate_count(candidate_for(&flow->latch, &packet->source), packet->ssrc, true,
			       known ? 1 : LATCH_RTCP_PACKETS);
}

void latch_lock(struct flow *flow, const struct endpoint *source)
{
	flow->latch.locked = true;
	flow->latch.source = *source;
	flow->target = *source;
}

/* A datagram that nothing is read of proves only where it comes from. */
static bool raw_counts(struct flow *flow, const struct packet *packet)
{
	return candidate_count(candidate_for(&flow->latch, &packet->source), 0, true,
			       LATCH_PACKETS);
}

const struct endpoint *latch_source(const struct flow *flow)
{
	return flow->latch.locked ? &flow->latch.source : NULL;
}

bool latch_may_accept(const struct packet *packet)
{
	const struct flow *flow = packet->flow;

	if (channel_has_ice(flow->side))
		return channel_hears(flow, &packet->source);
	return flow->latch.locked ? endpoint_eq(&flow->latch.source, &packet->source)
				  : may_latch(flow, &packet->source);
}

bool latch_accept(struct packet *packet)
{
	struct flow *flow = packet->flow;
	bool enough;

	if (channel_has_ice(flow->side))
		return channel_hears(flow, &packet->source);
	if (flow->latch.locked)
		return endpoint_eq(&flow->latch.source, &packet->source);
	if (!may_latch(flow, &packet->source))
		return false;
	if (packet->kind == RTP_CONTROL && flow->component == COMPONENT_RTP)
		enough = false; /* multiplexed RTCP: heard, but RTP decides */
	else if (packet->kind == RTP_RAW)
		enough = raw_counts(flow, packet);
	else if (packet->kind == RTP_CONTROL)
		enough = rtcp_counts(flow, packet);
	else
		enough = rtp_counts(flow, packet);
	if (enough) {
		latch_lock(flow, &packet->source);
		packet->latched = !endpoint_eq(&flow->remote, &packet->source);
		return true;
	}
	return flow->remote.ip.family != IP_NONE && ip_eq(&flow->remote.ip, &packet->source.ip);
}

void latch_reset(struct flow *flow)
{
	flow->latch = (struct latch){ .locked = false };
	flow->target = flow->remote;
	channel_aim(flow);
}

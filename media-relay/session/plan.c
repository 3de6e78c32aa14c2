/* SPDX-License-Identifier: MIT
 * Which flows need none of the stages any more. A direction goes by itself: where one side is silent,
 * the other's packets need no hands all the same. */
#include "media-relay/session/plan.h"

#include "media-relay/session/digits_priv.h"
#include "media-relay/session/session_priv.h"

static bool has_target(const struct flow *out)
{
	return out->target.ip.family != IP_NONE && out->target.port != 0 &&
	       !ip_unspecified(&out->target.ip);
}

static enum flow_fit flow_fit(const struct flow *flow)
{
	const struct side *side = flow->side;
	const struct flow *out = &side->other->flows[COMPONENT_RTP];

	if (!flow->port || !out->port)
		return FLOW_NO_PORT;
	if (flow->component != COMPONENT_RTP)
		return FLOW_CONTROL;
	if (side->raw)
		return FLOW_RAW;
	if (side->recorded)
		return FLOW_RECORDED;
	if (digits_busy(side))
		return FLOW_DIGITS;
	if (digits_shifted(side))
		return FLOW_SHIFTED;
	if (!side->plain || !side->other->plain)
		return FLOW_SECURED;
	if (!(side->direction & CTL_RECEIVE) || !(side->other->direction & CTL_TRANSMIT))
		return FLOW_HELD;
	if (!flow->latch.locked || !side->source.valid)
		return FLOW_NOT_LATCHED;
	if (side->told || side->told_one_way)
		return FLOW_SILENT;
	if (!has_target(out))
		return FLOW_NO_TARGET;
	return flow->local.ip.family == out->target.ip.family ? FLOW_FITS : FLOW_OTHER_IP;
}

static void plan_add(struct flow_plan *plan, const struct side_payload *told)
{
	bool mapped = (told->out & CTL_PAYLOAD_OUT) != 0;

	/* Not named, so the kernel passes it up. */
	if (event_is_told(told) || event_is_scaled(told))
		return;
	if (plan->payload_count == FLOW_PLAN_PAYLOADS)
		return;
	plan->payloads[plan->payload_count++] = (struct flow_plan_payload){
		.in = told->payload_type,
		.out = mapped ? told->out & 0x7fu : told->payload_type,
		.clock_hz = told->kind == CTL_PAYLOAD_EVENT ? 0 : told->clock_hz,
	};
}

/* The one in use first: it is looked for in this order. Nothing told: only the one in use. */
static bool plan_payloads(struct flow_plan *plan, const struct side *side)
{
	uint8_t used = side->source.payload_type;
	struct side_payload untold =
		side_payload_of(&(struct ctl_relay_payload){
			.payload_type = used, .clock_hz = rtp_static_clock_hz(used) });

	plan->payload_count = 0;
	if (side->payload_count == 0)
		plan_add(plan, &untold);
	for (unsigned i = 0; i < side->payload_count; i++)
		if (side->payloads[i].payload_type == used)
			plan_add(plan, &side->payloads[i]);
	if (plan->payload_count == 0)
		return false;
	for (unsigned i = 0; i < side->payload_count; i++)
		if (side->payloads[i].payload_type != used)
			plan_add(plan, &side->payloads[i]);
	return true;
}

enum flow_fit session_flow_plan(const struct flow *flow, struct flow_plan *ret)
{
	const struct side *side = flow->side;
	const struct flow *out = &side->other->flows[COMPONENT_RTP];
	enum flow_fit fit = flow_fit(flow);
	struct flow_plan plan;

	if (fit != FLOW_FITS)
		return fit;
	if (!plan_payloads(&plan, side))
		return FLOW_UNMAPPED;
	plan.local = flow->local;
	plan.source = flow->latch.source;
	plan.out = out->local;
	plan.target = out->target;
	plan.ssrc = side->source.ssrc;
	plan.police = side->police;
	rtp_source_standing(&side->source, &plan.standing);
	*ret = plan;
	return FLOW_FITS;
}

/* A header is taken to be as short as one can be: only the few streams with more in it show a few
 * octets too many. */
static void take_sender(struct side *side, const struct flow_news *news)
{
	struct rtcp_sender *sent = &side->reports.sent;

	rtcp_sender_of(sent, news->ssrc);
	sent->packets += (uint32_t)news->packets;
	sent->octets += (uint32_t)(news->bytes - RTP_HEADER_BYTES * news->packets);
	if (news->timestamp_us > sent->at_us) {
		sent->timestamp = news->timestamp;
		sent->at_us = news->timestamp_us;
	}
}

bool session_flow_path(const struct flow *flow, struct flow_path *ret)
{
	const struct flow *out = &flow->side->other->flows[COMPONENT_RTP];

	if (!flow->port || !out->port || flow->component != COMPONENT_RTP ||
	    !flow->side->source.valid || !has_target(out))
		return false;
	*ret = (struct flow_path){ .local = flow->local, .out = out->local, .target = out->target };
	return true;
}

static void hot_add(struct flow_hot *hot, unsigned *count, const void *from, const void *to)
{
	hot[(*count)++] = (struct flow_hot){
		.at = from, .bytes = (size_t)((const char *)to - (const char *)from)
	};
}

unsigned session_flow_hot(const struct flow *flow, struct flow_hot ret[FLOW_HOT_MAX])
{
	const struct side *side = flow->side, *other = side->other;
	const struct srtp *receive = flow_srtp(flow);
	const struct srtp *send = flow_srtp(&other->flows[COMPONENT_RTP]);
	unsigned count = 0;
	size_t bytes;

	hot_add(ret, &count, side, &side->flows[COMPONENT_RTCP]);
	hot_add(ret, &count, &side->police, &side->peer);
	hot_add(ret, &count, other, &other->flows[COMPONENT_RTCP]);
	hot_add(ret, &count, &other->counters, &other->source);
	if (receive && (ret[count].at = srtp_hot(receive, true, &bytes)))
		ret[count++].bytes = bytes;
	if (send && (ret[count].at = srtp_hot(send, false, &bytes)))
		ret[count++].bytes = bytes;
	return count;
}

void session_flow_take(struct sessions *sessions, struct flow *flow,
		       const struct flow_news *news)
{
	struct side *side = flow->side;
	struct side *other = side->other;

	side->counters.packets_received += news->packets;
	side->counters.bytes_received += news->bytes;
	side->counters.packets_dropped += news->policed;
	side->source.reordered += news->reordered;
	side->source.duplicated += news->duplicated;
	other->counters.packets_sent += news->packets;
	other->counters.bytes_sent += news->bytes;
	if (news->last_packet_ms > side->last_packet_ms) {
		side->last_packet_ms = news->last_packet_ms;
		if (side->told || side->told_one_way)
			session_note(sessions, flow, CTL_MEDIA_RESUMED, 0, latch_source(flow),
				     NULL);
		side->told = false;
		side->told_one_way = false;
	}
	if (news->packets > 0)
		take_sender(side, news);
	rtp_source_take(&side->source, &news->standing, news->packets);
}

const char *flow_fit_text(enum flow_fit fit)
{
	static const char *const texts[FLOW_FITS_COUNT] = {
		[FLOW_FITS] = "plain and latched",
		[FLOW_NO_PORT] = "a side has no port",
		[FLOW_RAW] = "not RTP",
		[FLOW_CONTROL] = "RTCP is read",
		[FLOW_NOT_LATCHED] = "not latched",
		[FLOW_SILENT] = "silent",
		[FLOW_HELD] = "on hold",
		[FLOW_NO_TARGET] = "the other side has no address",
		[FLOW_SECURED] = "secured",
		[FLOW_RECORDED] = "recorded",
		[FLOW_DIGITS] = "a digit is under way",
		[FLOW_SHIFTED] = "numbers are shifted after digits",
		[FLOW_OTHER_IP] = "the sides are of two IP versions",
		[FLOW_UNMAPPED] = "a payload type that was not told",
	};

	return texts[fit];
}

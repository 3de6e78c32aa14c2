/* SPDX-License-Identifier: MIT
 * Which flows need none of the stages any more. A direction goes by itself: where one side is silent,
 * the other's packets need no hands all the same. */
#include "media-relay/session/plan.h"

#include "media-relay/session/digits_priv.h"
#include "media-relay/session/session_priv.h"

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
	if (out->target.ip.family == IP_NONE || out->target.port == 0 ||
	    ip_unspecified(&out->target.ip))
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

/* SPDX-License-Identifier: MIT
 * RTCP for a peer that speaks and sends none itself (RFC 3550 section 6): the other side gets its sender
 * reports, and a report about what it sends, as if the silent one had made them. What makes it hard is
 * not to lie: nothing is said for a peer whose RTP stopped, so that who listens to RTCP for a sign of
 * life still learns of its death; and nothing once its own RTCP comes.
 *
 * No BYE is ever made: the end of a call is the signalling's to tell, and of what is not ended by it
 * nobody here knows (6.3.7 wants none from who was never heard, either). */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"

#define NEVER UINT64_MAX
#define LONGEST_MS 6156u         /* of rtcp_interval_ms */
#define QUIET_MS (2u * LONGEST_MS) /* whose own RTCP came is not silent sooner */

/* splitmix64. Only the peers' reports are to come apart; nobody gains by guessing. */
static uint32_t interval_ms(const struct side *side, uint64_t now_ms)
{
	uint64_t z = side_name_seed(side) + now_ms * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return rtcp_interval_ms((uint32_t)(z >> 32));
}

/* Could anything be said for this side? Where keys are not known nothing can. */
static bool may_report(const struct side *side)
{
	return !side->raw && !side->other->raw && !side->other->no_reports && !passes_through(side) &&
	       side_way_out(side->other, RTP_CONTROL);
}

uint64_t report_due_ms(struct side *side, uint64_t now_ms)
{
	if (!may_report(side))
		return NEVER;
	if (side->reports.next_ms == 0)
		side->reports.next_ms = now_ms + interval_ms(side, now_ms);
	return side->reports.next_ms;
}

static bool speaks(const struct side *side, uint64_t now_ms)
{
	return side->source.valid && side->last_packet_ms != 0 &&
	       side->last_packet_ms + LONGEST_MS >= now_ms;
}

static bool reports_itself(const struct side *side, uint64_t now_ms)
{
	return side->last_control_ms != 0 && side->last_control_ms + QUIET_MS > now_ms;
}

/* ---- what is said ---- */

/* A.3: of what came from this side since the other one was last told. */
static uint8_t fraction(struct side_reports *reports, uint32_t ssrc, uint32_t expected,
			uint32_t received)
{
	uint32_t gone = expected, came = received;
	int64_t lost;

	if (reports->ssrc == ssrc) {
		gone -= reports->expected;
		came -= reports->received;
	}
	reports->ssrc = ssrc;
	reports->expected = expected;
	reports->received = received;
	lost = (int64_t)gone - came;
	if (gone == 0 || lost <= 0)
		return 0;
	if (lost >= gone)
		return UINT8_MAX;
	return (uint8_t)((lost << 8) / gone);
}

/* About what this side sends, for itself to read. */
static struct rtcp_report report_about(struct side *side, uint64_t now_us)
{
	const struct rtp_source *source = &side->source;
	struct side_reports *reports = &side->reports;
	uint32_t max_sequence = source->cycles + source->max_sequence;
	uint32_t expected = max_sequence - source->base_sequence + 1;
	uint32_t received = (uint32_t)source->received;
	struct rtcp_report report = {
		.ssrc = source->ssrc,
		.fraction = fraction(reports, source->ssrc, expected, received),
		.lost = (int32_t)(expected - received),
		.max_sequence = max_sequence,
		.jitter = source->jitter16 >> 4,
	};

	if (reports->last_sr_us != 0) {
		report.last_sr = reports->last_sr;
		report.delay_since_sr =
			(uint32_t)(((now_us - reports->last_sr_us) << 16) / 1000000u);
	}
	return report;
}

/* This moment by the stream's own clock. */
static uint32_t timestamp_at(const struct side *side, uint64_t now_us)
{
	const struct rtcp_sender *sent = &side->reports.sent;
	uint64_t since_us = now_us > sent->at_us ? now_us - sent->at_us : 0;

	return sent->timestamp + (uint32_t)(since_us * side->source.clock_hz / 1000000u);
}

static bool send_report(struct sessions *sessions, struct side *to, unsigned char *bytes, size_t len)
{
	struct flow *out = side_way_out(to, RTP_CONTROL);

	if (to->secured) {
		struct srtp *srtp = flow_srtp(out);

		if (!srtp || srtp_protect(srtp, true, bytes, len, &len) != SRTP_OK)
			return false;
	}
	sessions->send(sessions->send_owner, out, &out->target, bytes, len);
	to->counters.rtcp_sent++;
	sessions->reports_sent++;
	return true;
}

/* For this side, to the other one. */
static void report_for(struct sessions *sessions, struct side *side, uint64_t now_ms)
{
	struct side *other = side->other;
	const struct rtcp_sender *sent = &side->reports.sent;
	struct rtcp_sender_info sender = {
		.unix_us = sessions->unix_us,
		.rtp_timestamp = timestamp_at(side, sessions->now_us),
		.packets = sent->packets,
		.octets = sent->octets,
	};
	bool sends = sent->at_us != 0 && sent->ssrc == side->source.ssrc;
	struct rtcp_report report;
	struct rtcp_compound compound = { .ssrc = side->source.ssrc,
					  .sender = sends ? &sender : NULL,
					  .seed = side_name_seed(side) };
	unsigned char bytes[RTCP_COMPOUND_BYTES + SRTP_ROOM_BYTES];

	if (speaks(other, now_ms)) {
		report = report_about(other, sessions->now_us);
		compound.report = &report;
	}
	if (send_report(sessions, other, bytes, rtcp_write(&compound, bytes)) && sends)
		rtcp_peer_sent(&other->peer, rtcp_ntp_middle(sender.unix_us), sessions->now_us);
}

void report_tick(struct sessions *sessions, struct side *side, uint64_t now_ms)
{
	struct side_reports *reports = &side->reports;

	if (reports->next_ms == 0 || reports->next_ms > now_ms || !may_report(side))
		return;
	reports->next_ms = now_ms + interval_ms(side, now_ms);
	if (reports_itself(side, now_ms)) {
		reports->next_ms = side->last_control_ms + QUIET_MS;
		return;
	}
	if (!speaks(side, now_ms)) {
		reports->since_ms = 0;
	} else if (reports->since_ms == 0) {
		/* It began since the last look: its own report may be on its way. */
		reports->since_ms = now_ms;
		reports->next_ms += interval_ms(side, reports->next_ms);
	} else {
		report_for(sessions, side, now_ms);
	}
}

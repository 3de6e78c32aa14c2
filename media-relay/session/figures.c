/* SPDX-License-Identifier: MIT
 * What is told of a side: what was counted here, what its peer reported (kept apart, for it is about
 * the other direction and only said), and how it may sound. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"

#define VIDEO_CLOCK_HZ 90000u /* RFC 3551 5 */
#define ASSUMED_ROUND_TRIP_US 10000u /* between us and a peer that sends no RTCP */

void report_read(const struct packet *packet)
{
	struct side *side = packet->flow->side;
	const struct rtp_source *heard = &side->other->source; /* what this peer gets from us */
	const unsigned char *bytes = packet->bytes;
	size_t len = packet->len;
	struct rtcp_report report;
	struct rtcp_part part;
	uint32_t ntp_middle;

	while (rtcp_next(&bytes, &len, &part)) {
		if (rtcp_sender_time(&part, &ntp_middle)) {
			rtcp_peer_sent(&side->other->peer, ntp_middle, packet->arrival_us);
			side->reports.last_sr = ntp_middle;
			side->reports.last_sr_us = packet->arrival_us;
		}
		for (unsigned i = 0; rtcp_report(&part, i, &report); i++)
			if (heard->valid && report.ssrc == heard->ssrc)
				rtcp_peer_report(&side->peer, &report, heard->clock_hz,
						 packet->arrival_us);
	}
}

static enum ctl_codec side_codec(const struct side *side)
{
	uint8_t payload_type = side->source.payload_type;

	for (unsigned i = 0; i < side->payload_count; i++)
		if (side->payloads[i].payload_type == payload_type && side->payloads[i].codec != 0)
			return (enum ctl_codec)side->payloads[i].codec;
	return rtp_static_codec(payload_type);
}

static uint32_t round_trip_us(const struct side *side)
{
	return side->peer.round_trip_us ? side->peer.round_trip_us : ASSUMED_ROUND_TRIP_US;
}

/* Of what this side sends, as the other one may hear it: the loss and jitter up to here, the delay of
 * both ways. 0: nothing to judge. */
static uint16_t side_mos_x100(const struct side *side)
{
	uint64_t expected = rtp_source_expected(&side->source);
	int64_t lost = rtp_source_lost(&side->source);
	uint64_t ways_us = (uint64_t)round_trip_us(side) + round_trip_us(side->other);
	struct rtp_quality quality = {
		.codec = side_codec(side),
		.loss = lost > 0 ? (double)lost / (double)expected : 0,
		.jitter_ms = (double)rtp_source_jitter_us(&side->source) / 1000,
		.delay_ms = (double)ways_us / 2 / 1000,
	};

	if (side->source.clock_hz == VIDEO_CLOCK_HZ)
		return 0; /* G.107 is about speech */
	return expected == 0 ? 0 : rtp_mos_x100(rtp_rating(&quality));
}

void side_stats(const struct side *side, uint64_t now_ms, uint64_t now_unix_ms,
		struct ctl_stream_stats *ret)
{
	const struct flow *rtp = &side->flows[COMPONENT_RTP];
	const struct side_counters *counters = &side->counters;

	*ret = (struct ctl_stream_stats){
		.stream = side->stream->number,
		.side = side->number,
		.local = rtp->local,
		.remote = rtp->remote,
		.packets_received = counters->packets_received,
		.bytes_received = counters->bytes_received,
		.packets_sent = counters->packets_sent,
		.bytes_sent = counters->bytes_sent,
		.rtcp_received = counters->rtcp_received,
		.rtcp_sent = counters->rtcp_sent,
		.packets_dropped = counters->packets_dropped,
		.packets_forged = counters->packets_forged,
		.packets_replayed = counters->packets_replayed,
		.suite = rtp->srtp ? (uint8_t)srtp_suite(rtp->srtp) : CTL_SRTP_NONE,
		.packets_lost = rtp_source_lost(&side->source),
		.packets_expected = rtp_source_expected(&side->source),
		.jitter_us = rtp_source_jitter_us(&side->source),
		.payload_type = side->source.payload_type,
		.ssrc = side->source.ssrc,
		.packets_reordered = side->source.reordered,
		.packets_duplicated = side->source.duplicated,
		.round_trip_us = side->peer.round_trip_us,
		.reported = side->peer.reported,
		.reported_lost = side->peer.reported_lost,
		.reported_jitter_us = side->peer.reported_jitter_us,
		.mos_x100 = side_mos_x100(side),
	};
	if (rtp->latch.locked)
		ret->learned = rtp->latch.source;
	if (side->last_packet_ms != 0)
		ret->last_packet_unix_ms = now_unix_ms - (now_ms - side->last_packet_ms);
}

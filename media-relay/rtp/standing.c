/* SPDX-License-Identifier: MIT
 * Counting that goes on elsewhere and comes back: the sequence and jitter of a source, without what
 * was received. Two who count the same stream at once, each its own packets, add up: the highest
 * sequence number of both, and the sum of what both received. */
#include "media-relay/rtp/rtp.h"

void rtp_source_standing(const struct rtp_source *source, struct rtp_standing *ret)
{
	*ret = (struct rtp_standing){
		.max_sequence = source->cycles + source->max_sequence,
		.payload_type = source->payload_type,
		.clock_hz = source->clock_hz,
		.jitter16 = source->jitter16,
		.window = source->window,
		.window_top = source->window_top,
	};
}

void rtp_source_take(struct rtp_source *source, const struct rtp_standing *standing,
		     uint64_t received)
{
	uint32_t known = source->cycles + source->max_sequence;

	if (received == 0)
		return;
	if ((int32_t)(standing->max_sequence - known) > 0) {
		source->max_sequence = (uint16_t)standing->max_sequence;
		source->cycles = standing->max_sequence - source->max_sequence;
	}
	source->received += received;
	source->payload_type = standing->payload_type;
	source->has_transit = false;
	source->clock_hz = standing->clock_hz;
	source->jitter16 = standing->jitter16;
	source->window = standing->window;
	source->window_top = standing->window_top;
}

/* SPDX-License-Identifier: MIT
 * Loss and jitter by RFC 3550's own arithmetic. One difference from A.1: there is no probation. Who
 * may send is decided before (the latch), so the first packet counts. */
#include "media-relay/rtp/rtp.h"

#include <string.h>

#include "lib/base/ensure.h"

#define SEQUENCE_MOD (UINT32_C(1) << 16)
#define MAX_DROPOUT 3000u  /* A.1 */
#define MAX_MISORDER 100u  /* A.1 */
#define WINDOW_BITS 64
#define CLOCK_MAX_HZ 1000000u /* that control may tell */
#define PACKETS_MAX (UINT64_C(1) << 48) /* of one stream: years at any speed */

static uint64_t current_expected(const struct rtp_source *source)
{
	if (!source->valid)
		return 0;
	return (uint64_t)source->cycles + source->max_sequence - source->base_sequence + 1;
}

/* A.1 init_seq, keeping what was before. */
static void source_restart(struct rtp_source *source, uint32_t ssrc, uint16_t sequence)
{
	source->past_expected += current_expected(source);
	source->past_received += source->received;
	source->valid = true;
	source->ssrc = ssrc;
	source->base_sequence = sequence;
	source->max_sequence = sequence;
	source->bad_sequence = SEQUENCE_MOD + 1;
	source->cycles = 0;
	source->received = 0;
	source->has_transit = false;
	source->window = 1;
	source->window_top = sequence;
}

/* Late and not seen yet: reordered. Seen: a duplicate. Later than the window reaches: reordered, which
 * is the likelier. */
static void source_order(struct rtp_source *source, uint16_t sequence)
{
	int ahead = (int16_t)(sequence - source->window_top);

	if (ahead > 0) {
		source->window = ahead < WINDOW_BITS ? source->window << ahead | 1 : 1;
		source->window_top = sequence;
		return;
	}
	if (-ahead >= WINDOW_BITS) {
		source->reordered++;
	} else if (source->window >> -ahead & 1) {
		source->duplicated++;
	} else {
		source->window |= UINT64_C(1) << -ahead;
		source->reordered++;
	}
}

/* A.1 update_seq. False: a jump that waits to be confirmed by the next packet; not counted. */
static bool source_sequence(struct rtp_source *source, uint16_t sequence)
{
	uint16_t delta = (uint16_t)(sequence - source->max_sequence);

	if (delta < MAX_DROPOUT) {
		if (sequence < source->max_sequence)
			source->cycles += SEQUENCE_MOD;
		source->max_sequence = sequence;
	} else if (delta <= SEQUENCE_MOD - MAX_MISORDER) {
		if (sequence != source->bad_sequence) {
			source->bad_sequence = (sequence + 1u) & (SEQUENCE_MOD - 1);
			return false;
		}
		/* Two in a row: the sender started anew without saying so. */
		source_restart(source, source->ssrc, sequence);
		source->received++;
		return true;
	} /* else: a duplicate, or late */
	source_order(source, sequence);
	source->received++;
	return true;
}

/* A.8. */
static void source_jitter(struct rtp_source *source, uint32_t timestamp, uint64_t arrival_us,
			  uint32_t clock_hz)
{
	uint32_t arrival = (uint32_t)(arrival_us * clock_hz / 1000000u);
	uint32_t transit = arrival - timestamp;
	int32_t d = (int32_t)(transit - source->transit);

	if (source->clock_hz != clock_hz) {
		/* Another clock: what was measured is kept in its unit of time. */
		if (source->clock_hz != 0)
			source->jitter16 = (uint32_t)((uint64_t)source->jitter16 * clock_hz /
						      source->clock_hz);
		source->clock_hz = clock_hz;
		source->has_transit = false;
	}
	source->transit = transit;
	if (!source->has_transit) {
		source->has_transit = true;
		return;
	}
	if (d == INT32_MIN)
		return;
	source->jitter16 += (uint32_t)(d < 0 ? -d : d) - ((source->jitter16 + 8) >> 4);
}

void rtp_source_count(struct rtp_source *source, const struct rtp_header *header,
		      uint64_t arrival_us, uint32_t clock_hz)
{
	bool counted = true;

	if (!source->valid || source->ssrc != header->ssrc) {
		source_restart(source, header->ssrc, header->sequence);
		source->received = 1;
	} else {
		counted = source_sequence(source, header->sequence);
	}
	if (clock_hz == 0)
		return;
	source->payload_type = header->payload_type;
	if (counted)
		source_jitter(source, header->timestamp, arrival_us, clock_hz);
}

void rtp_source_suspend(struct rtp_source *source)
{
	source->past_expected += current_expected(source);
	source->past_received += source->received;
	source->received = 0;
	source->valid = false;
	source->has_transit = false;
}

static bool is_truth(const bool *at)
{
	return *(const unsigned char *)at <= 1;
}

bool rtp_source_plausible(const struct rtp_source *source)
{
	const uint64_t counts[] = { source->received, source->reordered, source->duplicated,
				    source->past_expected, source->past_received };

	for (size_t i = 0; i < array_size(counts); i++)
		if (counts[i] > PACKETS_MAX)
			return false;
	return is_truth(&source->valid) && is_truth(&source->has_transit) &&
	       (source->payload_type < 128 || source->payload_type == RTP_PAYLOAD_TYPE_NONE) &&
	       source->clock_hz <= CLOCK_MAX_HZ && source->cycles % SEQUENCE_MOD == 0 &&
	       source->base_sequence < SEQUENCE_MOD &&
	       source->base_sequence <= (uint64_t)source->cycles + source->max_sequence;
}

uint64_t rtp_source_expected(const struct rtp_source *source)
{
	return source->past_expected + current_expected(source);
}

int64_t rtp_source_lost(const struct rtp_source *source)
{
	return (int64_t)rtp_source_expected(source) -
	       (int64_t)(source->past_received + source->received);
}

uint32_t rtp_source_jitter_us(const struct rtp_source *source)
{
	uint64_t us;

	if (source->clock_hz == 0)
		return 0;
	us = (uint64_t)source->jitter16 * 1000000u / 16u / source->clock_hz;
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

enum ctl_codec rtp_static_codec(uint8_t payload_type)
{
	switch (payload_type) {
	case 0: /* PCMU */
	case 8: /* PCMA */
		return CTL_CODEC_G711;
	case 2: /* reserved since RFC 3551, still used */
		return CTL_CODEC_G726;
	case 3:
		return CTL_CODEC_GSM;
	case 4:
		return CTL_CODEC_G723;
	case 9:
		return CTL_CODEC_G722;
	case 18:
		return CTL_CODEC_G729;
	default:
		return CTL_CODEC_OTHER;
	}
}

uint32_t rtp_static_clock_hz(uint8_t payload_type)
{
	switch (payload_type) {
	case 6: /* DVI4 */
		return 16000;
	case 10: /* L16 */
	case 11:
		return 44100;
	case 14: /* MPA */
	case 25: /* CelB, JPEG, nv, H261, MPV, MP2T, H263 */
	case 26:
	case 28:
	case 31:
	case 32:
	case 33:
	case 34:
		return 90000;
	case 16: /* DVI4 */
		return 11025;
	case 17: /* DVI4 */
		return 22050;
	default:
		return 8000;
	}
}

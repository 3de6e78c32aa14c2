/* SPDX-License-Identifier: MIT
 * Where a direction's digits meet its packets: which go on, under which numbers, and which end here.
 * A direction without digits has no record and costs nothing. */
#include "media-relay/session/digits_priv.h"

#include "media-relay/session/session_priv.h"

#define NEVER UINT64_MAX

/* ---- life ---- */

enum err digits_prepare(struct sessions *sessions, struct side *side)
{
	struct handle handle;

	if (side->digits)
		return OK;
	side->digits = pool_take(&sessions->digits_pool, &handle);
	if (!side->digits)
		return ERR_NOMEM;
	side->digits->handle = handle;
	side->digits->sessions = sessions;
	side->digits->from = side;
	side->digits->timer.kind = SESSION_TIMER_DIGITS;
	return OK;
}

enum err session_prepare_digits(struct sessions *sessions, struct side *side,
				const struct ctl_stream_set *set)
{
	for (uint32_t i = 0; i < set->payloads_count; i++) {
		struct side_payload payload = side_payload_of(&set->payloads[i]);

		if (event_is_told(&payload) || event_is_scaled(&payload))
			return digits_prepare(sessions, side);
	}
	return OK;
}

void digits_destroy(struct sessions *sessions, struct side *side)
{
	if (!side->digits)
		return;
	wheel_stop(&sessions->wheel, &side->digits->timer);
	pool_give(&sessions->digits_pool, side->digits->handle);
	side->digits = NULL;
}

const char *digit_check(const struct ctl_digit_send *told, const struct side *from)
{
	if (told->side > 1)
		return "side: 0 or 1";
	if (told->event >= DIGIT_EVENTS || told->volume > 63)
		return "event is 0 to 16, volume 0 to 63";
	if (told->duration_ms == 0 || told->duration_ms > DIGIT_MAX_MS)
		return "duration_ms is 1 to 6000";
	if (told->payloads_count == 0 || told->payloads_count > DIGIT_CLOCKS)
		return "payloads: one to four";
	for (uint32_t i = 0; i < told->payloads_count; i++)
		if (told->payloads[i].payload_type > 127 || told->payloads[i].clock_hz < 1000 ||
		    told->payloads[i].clock_hz > 1000000)
			return "payload types are 0 to 127, clocks 1 kHz to 1 MHz";
	if (from->raw || passes_through(from))
		return "no event can be put into this stream: it is not RTP, or its keys are not known";
	return NULL;
}

/* ---- time ---- */

void digits_arm(struct digits *digits)
{
	uint64_t due_ms = digits->train.state == TRAIN_IDLE ? NEVER : digits->train.due_ms;

	if (digits->heard.active && digits->heard.until_ms < due_ms)
		due_ms = digits->heard.until_ms;
	if (due_ms == NEVER)
		wheel_stop(&digits->sessions->wheel, &digits->timer);
	else
		wheel_start(&digits->sessions->wheel, &digits->timer, due_ms);
}

void digits_due(struct timer *timer, uint64_t now_ms)
{
	struct digits *digits = container_of(timer, struct digits, timer);

	event_expire(digits, now_ms);
	train_due(digits, now_ms);
	digits_arm(digits);
}

/* ---- packets ---- */

static const struct side_payload *payload_of(const struct packet *packet)
{
	const struct side *side = packet->flow->side;

	for (unsigned i = 0; i < side->payload_count; i++)
		if (side->payloads[i].payload_type == packet->header.payload_type)
			return &side->payloads[i];
	return NULL;
}

/* As long as nothing was shifted the kernel may have forwarded, whose count is the source's. */
void digits_before(const struct packet *packet)
{
	const struct side *side = packet->flow->side;
	struct digits *digits = side->digits;
	bool counted = side->source.valid && side->source.ssrc == packet->ssrc;
	struct weave *weave;

	if (!digits)
		return;
	weave = &digits->weave;
	if (weave->valid && weave->ssrc == packet->ssrc) {
		if (counted && weave->shift == 0 && !train_speaks(digits))
			weave->highest = side->source.max_sequence;
	} else if (!train_speaks(digits)) {
		weave_begin(weave, packet->ssrc,
			    counted ? side->source.max_sequence :
				      (uint16_t)(packet->header.sequence - 1));
	}
}

/* The packet ends here. One of another SSRC during a digit has no part in the numbers. */
static enum packet_verdict swallow(struct digits *digits, const struct packet *packet)
{
	if (digits->weave.ssrc == packet->ssrc)
		weave_swallow(&digits->weave, packet->header.sequence, packet->header.payload_len);
	return PACKET_CONSUMED;
}

static void anchor_set(struct digits *digits, const struct packet *packet, uint32_t clock_hz)
{
	digits->anchor = (struct digit_anchor){ .valid = true,
						.ssrc = packet->ssrc,
						.timestamp = packet->header.timestamp,
						.clock_hz = clock_hz,
						.at_us = packet->arrival_us };
}

enum packet_verdict digits_pass(struct packet *packet)
{
	struct digits *digits = packet->flow->side->digits;
	const struct side_payload *payload;
	uint32_t clock_hz;

	if (!digits)
		return PACKET_FORWARD;
	payload = payload_of(packet);
	clock_hz = payload ? payload->clock_hz : rtp_static_clock_hz(packet->header.payload_type);
	if (payload && event_is_told(payload)) {
		event_hear(digits, packet, clock_hz);
		return swallow(digits, packet);
	}
	if (!payload || payload->kind == CTL_PAYLOAD_MEDIA)
		anchor_set(digits, packet, clock_hz);
	if (train_speaks(digits))
		return swallow(digits, packet);
	if (!weave_pass(&digits->weave, packet->header.sequence, &packet->sequence))
		return PACKET_DROP_LATE;
	if (!payload || payload->kind == CTL_PAYLOAD_MEDIA)
		train_audio(digits, packet->now_ms);
	return PACKET_FORWARD;
}

void digits_rewrite(struct packet *packet)
{
	struct digits *digits = packet->flow->side->digits;
	const struct side_payload *payload;

	if (!digits)
		return;
	packet->bytes[2] = (unsigned char)(packet->sequence >> 8);
	packet->bytes[3] = (unsigned char)packet->sequence;
	payload = payload_of(packet);
	if (payload && event_is_scaled(payload))
		event_scale(digits, packet, payload);
}

/* What this side says of what it sent, and of what it got from the other one. */
void digits_rewrite_control(const struct packet *packet)
{
	const struct side *side = packet->flow->side;
	const struct digits *sent = side->digits;
	const struct digits *got = side->other->digits;

	if (sent && sent->weave.valid)
		rtcp_shift_sent(packet->bytes, packet->len, sent->weave.ssrc, sent->weave.packets,
				sent->weave.octets);
	if (got && got->weave.valid)
		rtcp_shift_highest(packet->bytes, packet->len, got->weave.ssrc, -got->weave.shift);
}

void session_recall_digits(struct sessions *sessions, struct side *side,
			   const struct side_memory *memory)
{
	if (memory->woven_shift == 0 || digits_prepare(sessions, side) != OK)
		return;
	weave_begin(&side->digits->weave, memory->woven_ssrc, memory->source.max_sequence);
	side->digits->weave.shift = memory->woven_shift;
}

bool digits_busy(const struct side *side)
{
	return side->digits && (side->digits->train.state != TRAIN_IDLE ||
				side->digits->heard.active);
}

bool digits_shifted(const struct side *side)
{
	return side->digits && side->digits->weave.valid && side->digits->weave.shift != 0;
}

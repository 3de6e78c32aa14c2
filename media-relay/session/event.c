/* SPDX-License-Identifier: MIT
 * Events that arrive (RFC 4733): told once each however often they are repeated, or put into another
 * clock. An event is known by its timestamp; a long one comes in segments, each of which begins where
 * the one before it ended (2.5.1.3). */
#include "media-relay/session/session_priv.h"

#include "media-relay/session/digits_priv.h"

#define PLACE_MAX_S 2 /* a timestamp that is farther from the audio's has a timebase of its own */

bool event_is_told(const struct side_payload *payload)
{
	return payload->kind == CTL_PAYLOAD_EVENT && payload->out == CTL_PAYLOAD_TELL;
}

bool event_is_scaled(const struct side_payload *payload)
{
	return payload->kind == CTL_PAYLOAD_EVENT && payload->out_clock_hz != 0 &&
	       payload->clock_hz != 0 && payload->out_clock_hz != payload->clock_hz;
}

static uint16_t duration_of(const unsigned char *event)
{
	return (uint16_t)(event[2] << 8 | event[3]);
}

static uint32_t scale(uint32_t units, uint32_t from_hz, uint32_t to_hz)
{
	return (uint32_t)((uint64_t)units * to_hz / from_hz);
}

/* ---- told ---- */

static void tell(struct digits *digits)
{
	const struct flow *rtp = &digits->from->flows[COMPONENT_RTP];
	struct digit_heard *heard = &digits->heard;
	uint64_t units = (uint64_t)heard->before + heard->duration;
	uint64_t ms = units * 1000 / heard->clock_hz;

	heard->active = false;
	heard->known = true;
	heard->told_timestamp = heard->timestamp;
	ms = ms > UINT16_MAX ? UINT16_MAX : ms;
	session_note(digits->sessions, rtp, CTL_MEDIA_DIGIT,
		     CTL_DIGIT_VALUE(heard->event, (uint32_t)ms), latch_source(rtp), NULL);
}

/* The next segment of the event that is heard (2.5.1.3: each but the last is of the longest duration);
 * it may be reported before the last report of the one before it was seen. */
static bool continues(const struct digit_heard *heard, const struct digit_anchor *anchor,
		      const struct packet *packet, uint8_t event)
{
	uint32_t ahead = packet->header.timestamp - heard->timestamp;
	uint32_t in_clock = UINT16_MAX;
	uint32_t in_audio = anchor->clock_hz == 0 ? in_clock :
						    scale(in_clock, heard->clock_hz, anchor->clock_hz);

	return event == heard->event && !packet->header.marker &&
	       (ahead == in_clock || ahead == in_audio);
}

/* A repetition of what was told, or something older. */
static bool is_past(const struct digit_heard *heard, uint32_t ssrc, uint32_t timestamp)
{
	if (heard->ssrc != ssrc)
		return false;
	if (heard->active)
		return (int32_t)(timestamp - heard->timestamp) < 0;
	return heard->known && (int32_t)(timestamp - heard->told_timestamp) <= 0 &&
	       heard->told_timestamp - timestamp < 30 * heard->clock_hz;
}

void event_hear(struct digits *digits, const struct packet *packet, uint32_t clock_hz)
{
	const unsigned char *event = packet->bytes + packet->header.payload_at;
	struct digit_heard *heard = &digits->heard;
	uint32_t timestamp = packet->header.timestamp;

	if (packet->header.payload_len < DIGIT_EVENT_BYTES || event[0] >= DIGIT_EVENTS ||
	    clock_hz == 0 || is_past(heard, packet->ssrc, timestamp))
		return;
	if (heard->active && (heard->ssrc != packet->ssrc || timestamp != heard->timestamp)) {
		if (heard->ssrc == packet->ssrc && continues(heard, &digits->anchor, packet, event[0])) {
			heard->before += UINT16_MAX;
			heard->timestamp = timestamp;
			heard->duration = 0;
		} else {
			tell(digits);
		}
	}
	if (!heard->active)
		*heard = (struct digit_heard){ .active = true, .event = event[0],
					       .timestamp = timestamp, .ssrc = packet->ssrc,
					       .clock_hz = clock_hz };
	if (duration_of(event) > heard->duration)
		heard->duration = duration_of(event);
	heard->until_ms = packet->now_ms + DIGIT_LOST_MS;
	if (event[1] & 0x80u)
		tell(digits);
	digits_arm(digits);
}

void event_expire(struct digits *digits, uint64_t now_ms)
{
	if (digits->heard.active && digits->heard.until_ms <= now_ms)
		tell(digits);
}

/* ---- another clock ---- */

static bool near(const struct digit_anchor *anchor, uint32_t timestamp, uint32_t expected)
{
	int64_t away = (int32_t)(timestamp - expected);

	return (away < 0 ? -away : away) <= (int64_t)PLACE_MAX_S * anchor->clock_hz;
}

/* The event's beginning in the audio's time. Senders that have two clocks write it there, too, or
 * count events by themselves; then it begins where the audio is now. */
static uint32_t place_new(const struct digits *digits, const struct packet *packet,
			  uint32_t clock_hz)
{
	const struct digit_anchor *anchor = &digits->anchor;
	const struct digit_place *place = &digits->place;
	uint32_t timestamp = packet->header.timestamp;
	uint32_t expected;

	if (!anchor->valid || anchor->ssrc != packet->ssrc || anchor->clock_hz == 0)
		return timestamp;
	expected = anchor->timestamp + (uint32_t)((packet->arrival_us - anchor->at_us) *
						  anchor->clock_hz / 1000000u);
	if (near(anchor, timestamp, expected))
		return timestamp;
	/* The next segment of a long event. */
	if (place->valid && place->ssrc == packet->ssrc && !packet->header.marker &&
	    timestamp - place->came == place->duration && place->duration > 0)
		return place->leaves + scale(place->duration, clock_hz, anchor->clock_hz);
	return expected;
}

/* A duration that the other clock cannot say stays at the highest (2.5.1.3). */
void event_scale(struct digits *digits, struct packet *packet,
		 const struct side_payload *payload)
{
	unsigned char *event = packet->bytes + packet->header.payload_at;
	struct digit_place *place = &digits->place;
	uint32_t timestamp = packet->header.timestamp;
	uint32_t duration;

	if (packet->header.payload_len < DIGIT_EVENT_BYTES)
		return;
	if (!place->valid || place->ssrc != packet->ssrc || place->came != timestamp)
		*place = (struct digit_place){ .valid = true, .ssrc = packet->ssrc,
					       .came = timestamp,
					       .leaves = place_new(digits, packet,
								   payload->clock_hz) };
	place->duration = duration_of(event);
	duration = scale(place->duration, payload->clock_hz, payload->out_clock_hz);
	duration = duration > UINT16_MAX ? UINT16_MAX : duration;
	event[2] = (unsigned char)(duration >> 8);
	event[3] = (unsigned char)duration;
	for (unsigned i = 0; i < 4; i++)
		packet->bytes[4 + i] = (unsigned char)(place->leaves >> (24 - 8 * i));
}

/* SPDX-License-Identifier: MIT
 * Events that the relay makes: a train of reports for each digit (RFC 4733 2.5.1), in the numbers and
 * the time of the audio that goes the same way, which is kept back meanwhile (2.5.1.2: the receiver
 * would play both). */
#include "media-relay/session/session_priv.h"

#include "lib/base/octets.h"
#include "media-relay/session/digits_priv.h"

#define NO_MEDIA 128u /* no payload type that media could have: it tells no time */
#define TRAIN_BYTES (RTP_HEADER_BYTES + DIGIT_EVENT_BYTES)

static struct digit *current(struct digits *digits)
{
	return &digits->queue[digits->first];
}

static void wait_from(struct digits *digits, uint64_t now_ms)
{
	digits->train.state = digits->count > 0 ? TRAIN_WAITING : TRAIN_IDLE;
	digits->train.due_ms = now_ms + DIGIT_SILENT_MS;
}

static void next(struct digits *digits, uint64_t pause_until_ms)
{
	digits->first = (uint8_t)((digits->first + 1) % DIGITS_QUEUE);
	digits->count--;
	digits->train.state = TRAIN_PAUSE;
	digits->train.due_ms = pause_until_ms;
}

/* Nobody has spoken in this direction yet: a source of our own, which ends when another one begins.
 * Its numbers need not be secret, only unlikely to be another's. */
static void source_make(struct digits *digits)
{
	const struct side *from = digits->from;
	uint64_t z = (2 * from->stream->session->id + from->number) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	if (from->source.valid)
		weave_begin(&digits->weave, from->source.ssrc, from->source.max_sequence);
	else
		weave_begin(&digits->weave, (uint32_t)(z >> 32), (uint16_t)z);
	if (!digits->anchor.valid)
		digits->anchor = (struct digit_anchor){ .timestamp = (uint32_t)(z >> 16) };
	digits->anchor.ssrc = digits->weave.ssrc;
}

/* Packets went by without a look, or (where numbers are shifted) another source came and was kept back
 * by a digit. */
static bool source_moved(const struct digits *digits)
{
	const struct rtp_source *source = &digits->from->source;
	const struct weave *weave = &digits->weave;

	return !weave->valid ||
	       (source->valid && (weave->shift == 0 || source->ssrc != weave->ssrc));
}

/* The audio's clock, as far as the peer takes events in it. */
static void choose_clock(struct digits *digits)
{
	const struct digit *digit = current(digits);
	struct digit_train *train = &digits->train;

	train->payload_type = digit->clocks[0].payload_type;
	train->clock_hz = digit->clocks[0].clock_hz;
	for (unsigned i = 0; i < digit->clock_count; i++) {
		if (digit->clocks[i].clock_hz != digits->anchor.clock_hz)
			continue;
		train->payload_type = digit->clocks[i].payload_type;
		train->clock_hz = digit->clocks[i].clock_hz;
		return;
	}
}

/* The first report says that a step has passed, so it leaves a step after the last audio, as the next
 * audio would have. */
static void begin(struct digits *digits, uint64_t now_ms)
{
	struct digit_train *train = &digits->train;
	struct digit_anchor *anchor = &digits->anchor;
	uint64_t since_us;

	if (source_moved(digits))
		source_make(digits);
	choose_clock(digits);
	if (anchor->clock_hz == 0)
		anchor->clock_hz = train->clock_hz;
	since_us = anchor->at_us == 0 ? 0 : now_ms * 1000 - anchor->at_us;
	since_us = anchor->at_us > now_ms * 1000 ? 0 : since_us;
	*train = (struct digit_train){
		.state = TRAIN_SENDING,
		.payload_type = train->payload_type,
		.clock_hz = train->clock_hz,
		.marker = true,
		.timestamp = anchor->timestamp +
			     (uint32_t)((since_us + DIGIT_STEP_MS * 1000) * anchor->clock_hz / 1000000u),
		.due_ms = now_ms + DIGIT_STEP_MS,
	};
}

static void report(struct digits *digits, uint16_t duration, bool end, uint64_t now_ms)
{
	const struct digit *digit = current(digits);
	struct digit_train *train = &digits->train;
	unsigned char bytes[TRAIN_BYTES + SRTP_ROOM_BYTES] = { 0x80, train->payload_type };
	struct packet packet = { .flow = &digits->from->flows[COMPONENT_RTP],
				 .out = &digits->from->other->flows[COMPONENT_RTP],
				 .bytes = bytes,
				 .len = TRAIN_BYTES,
				 .kind = RTP_MEDIA,
				 .header = { .payload_type = NO_MEDIA,
					     .payload_len = DIGIT_EVENT_BYTES },
				 .ssrc = digits->weave.ssrc,
				 .now_ms = now_ms };
	uint16_t sequence = weave_insert(&digits->weave, DIGIT_EVENT_BYTES);

	if (train->marker)
		bytes[1] |= 0x80u;
	train->marker = false;
	bytes[2] = (unsigned char)(sequence >> 8);
	bytes[3] = (unsigned char)sequence;
	put_u32(bytes + 4, train->timestamp);
	put_u32(bytes + 8, digits->weave.ssrc);
	bytes[12] = digit->event;
	bytes[13] = (unsigned char)((end ? 0x80u : 0) | (digit->volume & 0x3fu));
	bytes[14] = (unsigned char)(duration >> 8);
	bytes[15] = (unsigned char)duration;
	if (packet_leave(&packet) == PACKET_FORWARD)
		digits->sessions->send(digits->sessions->send_owner, packet.out,
				       &packet.out->target, bytes, packet.len);
}

/* What a duration cannot say is reported as a segment of the event, its last report three times, and
 * the next one begins where it ended (2.5.1.3). */
static void segment(struct digits *digits, uint64_t now_ms)
{
	struct digit_train *train = &digits->train;
	uint32_t clock_hz = digits->anchor.clock_hz;

	for (unsigned i = 0; i < DIGIT_ENDS; i++)
		report(digits, UINT16_MAX, false, now_ms);
	train->before += UINT16_MAX;
	train->timestamp += (uint32_t)((uint64_t)UINT16_MAX * clock_hz / train->clock_hz);
}

static void step(struct digits *digits, uint64_t now_ms)
{
	struct digit_train *train = &digits->train;
	struct side *to = digits->from->other;
	uint32_t units;
	bool end;

	/* On hold, or gone: what waits is of no use later. */
	if (!(to->direction & CTL_TRANSMIT) || !side_way_out(to, RTP_MEDIA)) {
		digits->count = 1;
		next(digits, now_ms);
		return;
	}
	if (train->ends == 0)
		train->steps++;
	end = (uint32_t)train->steps * DIGIT_STEP_MS >= current(digits)->duration_ms;
	units = (uint32_t)((uint64_t)train->steps * DIGIT_STEP_MS * train->clock_hz / 1000);
	if (units - train->before > UINT16_MAX)
		segment(digits, now_ms);
	report(digits, (uint16_t)(units - train->before), end, now_ms);
	train->due_ms += DIGIT_STEP_MS;
	if (end && ++train->ends == DIGIT_ENDS)
		next(digits, train->due_ms + DIGIT_PAUSE_MS - DIGIT_ENDS * DIGIT_STEP_MS);
}

bool train_speaks(const struct digits *digits)
{
	return digits->train.state == TRAIN_SENDING;
}

void train_audio(struct digits *digits, uint64_t now_ms)
{
	if (digits->train.state != TRAIN_WAITING)
		return;
	begin(digits, now_ms);
	digits_arm(digits);
}

void train_due(struct digits *digits, uint64_t now_ms)
{
	struct digit_train *train = &digits->train;

	while (train->state != TRAIN_IDLE && train->due_ms <= now_ms) {
		if (train->state == TRAIN_WAITING)
			begin(digits, train->due_ms);
		else if (train->state == TRAIN_PAUSE)
			wait_from(digits, train->due_ms);
		else
			step(digits, now_ms);
	}
}

enum err session_digit(struct sessions *sessions, struct stream *stream,
		       const struct ctl_digit_send *told, uint64_t now_ms, const char **ret_wrong)
{
	struct side *from = &stream->sides[told->side > 1 ? 0 : 1 - told->side];
	struct digits *digits;
	struct digit *digit;

	*ret_wrong = digit_check(told, from);
	if (*ret_wrong)
		return ERR_UNSUPPORTED;
	if (digits_prepare(sessions, from) != OK)
		return ERR_EXHAUSTED;
	digits = from->digits;
	if (digits->count == DIGITS_QUEUE) {
		*ret_wrong = "too many digits wait already";
		return ERR_EXHAUSTED;
	}
	digit = &digits->queue[(digits->first + digits->count++) % DIGITS_QUEUE];
	*digit = (struct digit){ .event = told->event, .volume = told->volume,
				 .clock_count = (uint8_t)told->payloads_count,
				 .duration_ms = (uint16_t)told->duration_ms };
	for (unsigned i = 0; i < digit->clock_count; i++) {
		digit->clocks[i].payload_type = told->payloads[i].payload_type;
		digit->clocks[i].clock_hz = told->payloads[i].clock_hz;
	}
	if (digits->train.state == TRAIN_IDLE)
		wait_from(digits, now_ms);
	digits_arm(digits);
	return OK;
}

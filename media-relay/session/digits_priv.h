/* SPDX-License-Identifier: MIT
 * Digits of one direction of a stream (RFC 4733): those that arrive as events and are told instead of
 * forwarded, those whose clock is changed, and those that the relay makes itself. What makes it hard
 * is that they share one SSRC with the audio, so numbers have to be taken and given back.
 *
 * Time: an event's timestamp says when it began and lies in the timebase of the SSRC, which is the
 * audio's (RFC 4733 2.1); only durations are in the clock of the event's own payload type. With one
 * clock for both this is what the RFC says. With telephone-event/8000 beside opus/48000 it is what
 * browsers send, and a receiver that takes the timestamp for the event's name and place is served
 * either way. */
#pragma once

#include "media-relay/session/digits.h"

#define DIGITS_QUEUE 16u
#define DIGIT_CLOCKS 4u
#define DIGIT_EVENTS 17u /* 0-9 * # A-D, hook flash */
#define DIGIT_STEP_MS 20u
#define DIGIT_ENDS 3u         /* RFC 4733 2.5.1.4 */
#define DIGIT_PAUSE_MS 60u    /* from a digit's end to the next one's beginning, at least */
#define DIGIT_SILENT_MS 100u  /* so long is waited for audio to begin beside */
#define DIGIT_LOST_MS 200u    /* an event of which nothing comes any more has ended */
#define DIGIT_MAX_MS 6000u
#define DIGIT_EVENT_BYTES 4u

/* What becomes of one SSRC's sequence numbers where packets are taken out and put in. */
struct weave {
	bool valid;
	bool barred;      /* numbers up to `bar` may be in use on the way out: a late packet is dropped */
	uint16_t highest; /* that came */
	uint16_t bar;
	uint32_t ssrc;
	int32_t shift;    /* leaves = came + shift */
	uint32_t packets; /* left more than came, modulo 2^32; of sender reports */
	uint32_t octets;
};

/* Takes up the SSRC, from the highest number that came. */
void weave_begin(struct weave *weave, uint32_t ssrc, uint16_t highest);
/* A packet goes on, with this number (false: it comes too late for any), or ends here. */
bool weave_pass(struct weave *weave, uint16_t sequence, uint16_t *ret_sequence);
void weave_swallow(struct weave *weave, uint16_t sequence, size_t octets);
/* The number of a packet that is put in. */
uint16_t weave_insert(struct weave *weave, size_t octets);

/* The last audio packet that left: where the timebase stands. */
struct digit_anchor {
	bool valid;
	uint32_t ssrc;
	uint32_t timestamp;
	uint32_t clock_hz;
	uint64_t at_us;
};

/* An event that arrives. */
struct digit_heard {
	bool active;
	bool known;          /* told_timestamp is one */
	uint8_t event;
	uint16_t duration;   /* of this segment */
	uint32_t before;     /* of the segments before it */
	uint32_t timestamp;  /* of this segment */
	uint32_t told_timestamp;
	uint32_t ssrc;
	uint32_t clock_hz;
	uint64_t until_ms;
};

/* Where an event whose clock is changed was put in the audio's time. */
struct digit_place {
	bool valid;
	uint16_t duration; /* as it came */
	uint32_t ssrc;
	uint32_t came;
	uint32_t leaves;
};

struct digit {
	uint8_t event;
	uint8_t volume;
	uint8_t clock_count;
	uint16_t duration_ms;
	struct {
		uint8_t payload_type;
		uint32_t clock_hz;
	} clocks[DIGIT_CLOCKS];
};

enum train_state {
	TRAIN_IDLE,
	TRAIN_WAITING, /* for a packet of audio, or for its absence */
	TRAIN_SENDING,
	TRAIN_PAUSE,
};

/* The digit that is being sent: the first of the queue. */
struct digit_train {
	enum train_state state;
	uint8_t payload_type;
	uint8_t ends;       /* end packets that left */
	bool marker;        /* nothing left yet */
	uint16_t steps;     /* that passed */
	uint32_t clock_hz;
	uint32_t timestamp; /* of the segment */
	uint32_t before;    /* in segments before it */
	uint64_t due_ms;
};

struct digits {
	struct handle handle;
	struct sessions *sessions;
	struct side *from;
	struct weave weave;
	struct digit_anchor anchor;
	struct digit_heard heard;
	struct digit_place place;
	struct digit_train train;
	struct digit queue[DIGITS_QUEUE];
	uint8_t first;
	uint8_t count;
	struct timer timer;
};

/* ---- digits.c ---- */
void digits_destroy(struct sessions *sessions, struct side *side);
/* Before a packet is counted: the numbers that went by without a look. */
void digits_before(const struct packet *packet);
/* PACKET_CONSUMED: told, or in the way of a digit; PACKET_DROP_LATE. */
enum packet_verdict digits_pass(struct packet *packet);
/* What changes of an RTP packet, or of reports, on the way out. */
void digits_rewrite(struct packet *packet);
void digits_rewrite_control(const struct packet *packet);
/* The timer of this direction fired. */
void digits_due(struct timer *timer, uint64_t now_ms);
void digits_arm(struct digits *digits);
/* Somebody has to look at each packet now. */
bool digits_busy(const struct side *side);
bool digits_shifted(const struct side *side);

/* ---- event.c: events that arrive ---- */
void event_hear(struct digits *digits, const struct packet *packet, uint32_t clock_hz);
/* Nothing came of it any more. */
void event_expire(struct digits *digits, uint64_t now_ms);
/* Into the other clock, in place. */
void event_scale(struct digits *digits, struct packet *packet,
		 const struct side_payload *payload);
bool event_is_told(const struct side_payload *payload);
bool event_is_scaled(const struct side_payload *payload);

/* ---- train.c: events that are made ---- */
/* Audio leaves: a digit that waits begins behind it. */
void train_audio(struct digits *digits, uint64_t now_ms);
/* Audio is kept back. */
bool train_speaks(const struct digits *digits);
void train_due(struct digits *digits, uint64_t now_ms);

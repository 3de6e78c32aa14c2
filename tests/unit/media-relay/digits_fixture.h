/* SPDX-License-Identifier: MIT
 * A stream whose side 0 speaks, and all RTP that leaves towards side 1, forwarded or made. */
#pragma once

#include "tests/unit/media-relay/session_fixture.h"

#include "media-relay/session/digits_priv.h"
#include "media-relay/session/plan.h"

#define LEFT_MAX 600u

struct left {
	uint8_t payload_type;
	bool marker;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t ssrc;
	size_t len;
	uint64_t at_ms;
	unsigned char event[4]; /* the payload's first bytes */
};

struct line {
	struct fixture *base;
	struct left left[LEFT_MAX];
	unsigned left_count;
	struct srtp_engine engine;
	struct srtp *phone; /* NULL: what leaves is plain */
	uint16_t sequence;  /* of the speaker */
	uint32_t timestamp;
	uint32_t clock_hz;
	uint8_t payload_type;
};

static inline void keep_left(struct line *l, const unsigned char *bytes, size_t len)
{
	struct rtp_header header;
	struct left *left = &l->left[l->left_count++];
	unsigned char plain[512];
	uint32_t ssrc;

	assert_true(l->left_count <= LEFT_MAX && len <= sizeof(plain));
	memcpy(plain, bytes, len);
	if (l->phone)
		assert_int_equal(srtp_unprotect(l->phone, false, plain, len, l->base->now_ms, &len),
				 SRTP_OK);
	assert_int_equal(rtp_classify(plain, len, &header, &ssrc), RTP_MEDIA);
	assert_true(header.payload_len >= 4);
	*left = (struct left){ .payload_type = header.payload_type,
			       .marker = header.marker,
			       .sequence = header.sequence,
			       .timestamp = header.timestamp,
			       .ssrc = header.ssrc,
			       .len = header.payload_len,
			       .at_ms = l->base->now_ms };
	memcpy(left->event, plain + header.payload_at, 4);
}

static inline void on_send(void *owner, struct flow *flow, const struct endpoint *to,
			   const void *bytes, size_t len)
{
	struct line *l = owner;
	struct endpoint want = at("198.51.100.1:5000");

	assert_ptr_equal(flow, &l->base->stream->sides[1].flows[COMPONENT_RTP]);
	assert_true(endpoint_eq(to, &want));
	keep_left(l, bytes, len);
}

static inline int line_setup(void **state)
{
	struct line *l = calloc(1, sizeof(*l));
	void *fixture = NULL;

	if (!l || setup(&fixture) != 0)
		return -1;
	l->base = fixture;
	l->base->stream->sides[0].flows[COMPONENT_RTP].local = at("192.0.2.9:20000");
	l->base->sessions.send = on_send;
	l->base->sessions.send_owner = l;
	l->sequence = 0xfff0; /* both wrap soon */
	l->timestamp = 0xfffff800;
	l->clock_hz = 8000;
	*state = l;
	return 0;
}

static inline int line_teardown(void **state)
{
	struct line *l = *state;
	void *fixture = l->base;

	if (l->phone) {
		srtp_destroy(&l->phone);
		srtp_engine_fini(&l->engine);
	}
	free(l);
	return teardown(&fixture);
}

/* A packet of side 0. */
static inline enum packet_verdict speaks(struct line *l, uint8_t payload_type, bool marker,
					 uint16_t sequence, uint32_t timestamp, const void *payload,
					 size_t len)
{
	unsigned char bytes[512] = { 0x80, (unsigned char)(payload_type | (marker ? 0x80 : 0)),
				     (unsigned char)(sequence >> 8), (unsigned char)sequence,
				     (unsigned char)(timestamp >> 24), (unsigned char)(timestamp >> 16),
				     (unsigned char)(timestamp >> 8), (unsigned char)timestamp,
				     0, 0, 0, 9 };
	struct packet packet = { .flow = &l->base->stream->sides[0].flows[COMPONENT_RTP],
				 .bytes = bytes,
				 .len = RTP_HEADER_BYTES + len,
				 .source = at(ME),
				 .now_ms = l->base->now_ms,
				 .arrival_us = l->base->now_ms * 1000 };
	enum packet_verdict verdict;

	memcpy(bytes + RTP_HEADER_BYTES, payload, len);
	verdict = session_packet(&packet);
	if (verdict == PACKET_FORWARD)
		keep_left(l, bytes, packet.len);
	return verdict;
}

/* One packet of audio, 20 ms; then time passes until the next one is due. */
static inline enum packet_verdict audio(struct line *l)
{
	static const unsigned char silence[160] = { 0xff, 0xff, 0xff, 0xff };
	enum packet_verdict verdict = speaks(l, l->payload_type, false, l->sequence++, l->timestamp,
					     silence, sizeof(silence));
	struct session_event event;

	l->timestamp += l->clock_hz / 50;
	for (unsigned i = 0; i < 20; i++) {
		l->base->now_ms++;
		while (sessions_pop(&l->base->sessions, l->base->now_ms, &event))
			fail();
	}
	return verdict;
}

/* One report of an event by side 0, in the audio's numbers. */
static inline enum packet_verdict event(struct line *l, uint8_t payload_type, uint8_t digit,
					bool end, uint32_t timestamp, uint16_t duration)
{
	const unsigned char payload[4] = { digit, (unsigned char)(10 | (end ? 0x80 : 0)),
					   (unsigned char)(duration >> 8), (unsigned char)duration };

	return speaks(l, payload_type, false, l->sequence++, timestamp, payload, sizeof(payload));
}

static inline uint16_t duration_of(const struct left *left)
{
	return (uint16_t)(left->event[2] << 8 | left->event[3]);
}

/* What left is one row of numbers without a gap. */
static inline void assert_row(const struct line *l)
{
	for (unsigned i = 1; i < l->left_count; i++)
		assert_int_equal((uint16_t)(l->left[i].sequence - l->left[i - 1].sequence), 1);
}

/* SPDX-License-Identifier: MIT
 * A session of one stream in virtual time, and packets that arrive. */
#pragma once

#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "media-relay/session/session.h"
#include "tests/unit/media-relay/told.h"

#define START_MS 1000000u
#define GOOD PACKET_FORWARD
#define BAD PACKET_DROP_SOURCE
#define ME "192.0.2.1:4000"
#define MOVED "192.0.2.1:4444"
#define THIEF "203.0.113.9:4000"
#define NATED "203.0.113.50:61000"

struct fixture {
	struct sessions sessions;
	struct session *session;
	struct stream *stream;
	int port; /* stands for any port of the way in and out */
	uint64_t now_ms;
};

static inline void tell(struct fixture *f, unsigned number, struct ctl_stream_set set)
{
	struct side *side = &f->stream->sides[number];
	struct side_ports ports = { .port = { &f->port, &f->port } };
	bool first = side->flows[COMPONENT_RTP].port == NULL;

	set.side = (uint8_t)number;
	if (set.direction == 0)
		set.direction = CTL_RECEIVE | CTL_TRANSMIT;
	side_set(side, &set, first ? &ports : NULL, f->now_ms);
}

static inline void swallow(void *owner, struct flow *flow, const struct endpoint *to,
			   const void *bytes, size_t len)
{
	(void)owner;
	(void)flow;
	(void)to;
	(void)bytes;
	(void)len;
}

/* Side 0 was told 192.0.2.1:4000, side 1 198.51.100.1:5000. */
static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sessions_init(&f->sessions, 16, START_MS) != OK)
		return -1;
	f->now_ms = START_MS;
	f->sessions.send = swallow;
	f->session = session_create(&f->sessions, 1, 77, START_MS);
	f->stream = stream_create(&f->sessions, f->session, 0);
	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at("192.0.2.1:4000"),
					    .remote_rtcp = at("192.0.2.1:4001") });
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at("198.51.100.1:5000"),
					    .remote_rtcp = at("198.51.100.1:5001") });
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	sessions_fini(&f->sessions);
	free(f);
	return 0;
}

static inline enum packet_verdict arrives(struct fixture *f, unsigned number, const char *source,
				   uint32_t ssrc, uint16_t sequence)
{
	unsigned char bytes[172] = { 0x80, 0, (unsigned char)(sequence >> 8),
				     (unsigned char)sequence };
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTP],
				 .bytes = bytes,
				 .len = sizeof(bytes),
				 .source = at(source),
				 .now_ms = f->now_ms,
				 .arrival_us = f->now_ms * 1000 };

	bytes[8] = (unsigned char)(ssrc >> 24);
	bytes[11] = (unsigned char)ssrc;
	return session_packet(&packet);
}

static inline enum packet_verdict report_arrives(struct fixture *f, unsigned number,
						 enum component component,
						 const char *source, uint8_t ssrc)
{
	unsigned char bytes[8] = { 0x80, 201, 0, 1, 0, 0, 0, ssrc };
	struct packet packet = { .flow = &f->stream->sides[number].flows[component],
				 .bytes = bytes,
				 .len = sizeof(bytes),
				 .source = at(source),
				 .now_ms = f->now_ms };

	return session_packet(&packet);
}

static inline void assert_target(struct fixture *f, unsigned number, enum component component,
			  const char *expected)
{
	struct endpoint target = f->stream->sides[number].flows[component].target;
	struct endpoint want = at(expected);

	assert_true(endpoint_eq(&target, &want));
}

static inline bool pops(struct fixture *f, uint64_t now_ms, struct session_event *ret)
{
	f->now_ms = now_ms;
	return sessions_pop(&f->sessions, now_ms, ret);
}

static inline void limit(struct fixture *f, uint32_t first_ms, uint32_t silence_ms,
			 uint64_t now_ms)
{
	const struct session_limits limits = { .first_ms = first_ms, .silence_ms = silence_ms };

	session_set_limits(&f->sessions, f->session, &limits, now_ms);
}

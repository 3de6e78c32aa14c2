/* SPDX-License-Identifier: MIT
 * What the fixtures of sessions share: addresses, and a side that is told as the worker tells it. */
#pragma once

#include "tests/support/unit.h"

#include "media-relay/session/session.h"

static inline struct endpoint at(const char *text)
{
	struct endpoint endpoint = { .port = 0 };

	if (text)
		assert_int_equal(endpoint_parse(slice_text(text), &endpoint), OK);
	return endpoint;
}

/* port stands for any port of the way in and out; set is of a session of one stream. */
static inline void tell_side(struct sessions *sessions, struct session *session, struct side *side,
			     int *port, struct ctl_stream_set *set, uint64_t now_ms)
{
	struct ctl_session_set all = { .streams = set, .streams_count = 1 };
	struct side_ports ports = { .port = { port, port } };
	bool first = side->flows[COMPONENT_RTP].port == NULL;

	if (set->direction == 0)
		set->direction = CTL_RECEIVE | CTL_TRANSMIT;
	assert_null(session_check(&all));
	assert_int_equal(session_prepare_channel(sessions, side, set), OK);
	assert_int_equal(session_prepare(sessions, side, set), OK);
	side_set(side, set, first ? &ports : NULL, now_ms);
	assert_int_equal(session_secure(side, set, now_ms), OK);
	session_set_channel(sessions, side, set, now_ms);
	session_set_limits(sessions, session, &(struct session_limits){ 0 }, now_ms);
}

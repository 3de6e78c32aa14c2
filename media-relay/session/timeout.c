/* SPDX-License-Identifier: MIT
 * Silence, told once each time, and the end of sessions that nobody owns. A session has one timer,
 * set for the first moment at which something may be due; a packet does not touch it, so when it
 * fires the packets of meanwhile are looked at and it is set again. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"
#include "media-relay/session/channel.h"

#define ORPHAN_SILENCE_MS 10000u
#define AWAY_SILENCE_MS 120000u /* a call on hold outlives a restart of its owner */
#define LEASELESS_MAX_MS (4u * 3600u * 1000u)
#define NEVER UINT64_MAX

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint32_t side_limit_ms(const struct side *side)
{
	const struct session *session = side->stream->session;

	return side->last_packet_ms != 0 ? session->timeout_ms : session->first_timeout_ms;
}

static uint64_t side_due_ms(const struct side *side)
{
	uint32_t limit_ms = side_limit_ms(side);

	if (!side->watched || limit_ms == 0)
		return NEVER;
	return later(side->watch_since_ms, side->last_packet_ms) + limit_ms;
}

static uint64_t lease_due_ms(const struct session *session)
{
	uint64_t last_ms = session->lease_since_ms;

	if (session->lease == LEASE_OWNED)
		return NEVER;
	list_each(node, &session->streams) {
		const struct stream *stream = container_of(node, struct stream, link);

		last_ms = later(last_ms, later(stream->sides[0].last_packet_ms,
					       stream->sides[1].last_packet_ms));
	}
	return sooner(last_ms + (session->lease == LEASE_AWAY ? AWAY_SILENCE_MS : ORPHAN_SILENCE_MS),
		      session->lease_since_ms + LEASELESS_MAX_MS);
}

/* A side that was told is looked at again a limit later: a packet may have come meanwhile. */
static uint64_t side_look_ms(const struct side *side, uint64_t now_ms)
{
	if (side->told && side->watched)
		return now_ms + later(side->stream->session->timeout_ms, 1000);
	return side_due_ms(side);
}

void session_arm(struct sessions *sessions, struct session *session)
{
	uint64_t due_ms = lease_due_ms(session);

	list_each(node, &session->streams) {
		const struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++) {
			due_ms = sooner(due_ms, side_look_ms(&stream->sides[i],
							     sessions->wheel.now_ms));
			due_ms = sooner(due_ms, channel_due_ms(&stream->sides[i],
							       sessions->wheel.now_ms));
		}
	}
	if (due_ms == NEVER)
		wheel_stop(&sessions->wheel, &session->timer);
	else
		wheel_start(&sessions->wheel, &session->timer, due_ms);
}

static void tick_channels(struct sessions *sessions, struct session *session, uint64_t now_ms)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++)
			channel_tick(sessions, &stream->sides[i], now_ms);
	}
}

static struct side *silent_side(struct session *session, uint64_t now_ms)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++)
			if (!stream->sides[i].told && side_due_ms(&stream->sides[i]) <= now_ms)
				return &stream->sides[i];
	}
	return NULL;
}

static bool session_due(struct sessions *sessions, struct session *session, uint64_t now_ms,
			struct session_event *ret)
{
	struct side *side;

	*ret = (struct session_event){ .session = session };
	if (lease_due_ms(session) <= now_ms)
		return true;
	tick_channels(sessions, session, now_ms);
	side = silent_side(session, now_ms);
	if (side) {
		side->told = true;
		ret->side = side;
		ret->kind = side->last_packet_ms != 0 ? CTL_MEDIA_TIMEOUT : CTL_MEDIA_NONE_YET;
	}
	session_arm(sessions, session);
	return side != NULL;
}

bool sessions_pop(struct sessions *sessions, uint64_t now_ms, struct session_event *ret)
{
	struct timer *timer;

	if (session_note_pop(sessions, ret))
		return true;
	while ((timer = wheel_pop(&sessions->wheel, now_ms)))
		if (session_due(sessions, container_of(timer, struct session, timer), now_ms, ret))
			return true;
	return session_note_pop(sessions, ret);
}

/* SPDX-License-Identifier: MIT
 * Silence, told once each time, and the end of sessions that nobody owns. A session has one timer,
 * set for the first moment at which something may be due; a packet does not touch it, so when it
 * fires the packets of meanwhile are looked at (also those that no stage saw) and it is set again. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"
#include "media-relay/session/channel.h"
#include "media-relay/session/digits_priv.h"

#define ORPHAN_SILENCE_MS 10000u
#define AWAY_SILENCE_MS 120000u /* a call on hold outlives a restart of its owner */
#define LEASELESS_MAX_MS (4u * 3600u * 1000u)
#define SPEAKS_MS 2000u /* comfort noise may leave a gap; more is silence */
#define NEVER UINT64_MAX

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t due_after(uint64_t since_ms, uint32_t limit_ms)
{
	return limit_ms == 0 ? NEVER : since_ms + limit_ms;
}

/* Media of this peer in any of the session's streams: one whose camera is off still talks. */
static uint64_t spoke_ms(const struct side *side)
{
	uint64_t last_ms = 0;

	list_each(node, &side->stream->session->streams) {
		const struct stream *stream = container_of(node, struct stream, link);

		last_ms = later(last_ms, stream->sides[side->number].last_packet_ms);
	}
	return last_ms;
}

static uint64_t heard_ms(const struct side *side)
{
	return later(spoke_ms(side), side->last_control_ms);
}

/* On hold one side is silent by right, and a peer that sends music or RTCP is still there. */
static uint64_t side_due_ms(const struct side *side)
{
	const struct session_limits *limits = &side->stream->session->limits;
	uint64_t since_ms = side->watch_since_ms, last_ms = spoke_ms(side);

	if (side->watched)
		return due_after(later(since_ms, last_ms),
				 last_ms != 0 ? limits->silence_ms : limits->first_ms);
	if (side->held)
		return due_after(later(since_ms, later(heard_ms(side), heard_ms(side->other))),
				 limits->hold_ms);
	return NEVER;
}

static uint64_t one_way_due_ms(const struct side *side)
{
	const struct session_limits *limits = &side->stream->session->limits;

	/* Before the answer nobody need speak; the first limit begins with it. */
	if (!side->watched || limits->first_ms + limits->silence_ms == 0)
		return NEVER;
	return due_after(later(side->watch_since_ms, side->last_packet_ms), limits->one_way_ms);
}

static bool speaks(const struct side *side, uint64_t now_ms)
{
	return side->last_packet_ms != 0 && side->last_packet_ms + SPEAKS_MS >= now_ms;
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

/* What was told is looked at again a limit later: a packet may have come meanwhile. A silence beside
 * another silence is looked at again soon: the other side may begin to speak. */
static uint64_t side_look_ms(const struct side *side, uint64_t now_ms)
{
	const struct session_limits *limits = &side->stream->session->limits;
	uint64_t again_ms = now_ms + later(limits->silence_ms, 1000);
	uint64_t due_ms = side->told && (side->watched || side->held) ? again_ms :
									  side_due_ms(side);
	/* Once a packet comes, the other limit holds, which may be the shorter one. */
	uint64_t begun_ms = side->watched && side->last_packet_ms == 0 ?
				    due_after(now_ms, limits->silence_ms) :
				    NEVER;
	uint64_t one_way_ms = side->told_one_way ? again_ms : one_way_due_ms(side);

	if (one_way_ms <= now_ms)
		one_way_ms = now_ms + SPEAKS_MS / 2;
	return sooner(sooner(due_ms, begun_ms), one_way_ms);
}

void session_arm(struct sessions *sessions, struct session *session)
{
	uint64_t due_ms = lease_due_ms(session);

	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++) {
			struct side *side = &stream->sides[i];

			due_ms = sooner(due_ms, side_look_ms(side, sessions->wheel.now_ms));
			due_ms = sooner(due_ms, channel_due_ms(side, sessions->wheel.now_ms));
			due_ms = sooner(due_ms, report_due_ms(side, sessions->wheel.now_ms));
		}
	}
	if (due_ms == NEVER)
		wheel_stop(&sessions->wheel, &session->timer);
	else
		wheel_start(&sessions->wheel, &session->timer, due_ms);
}

static void tick_sides(struct sessions *sessions, struct session *session, uint64_t now_ms)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++) {
			channel_tick(sessions, &stream->sides[i], now_ms);
			report_tick(sessions, &stream->sides[i], now_ms);
		}
	}
}

static bool side_event(struct side *side, uint64_t now_ms, struct session_event *ret)
{
	if (!side->told && side_due_ms(side) <= now_ms) {
		side->told = true;
		ret->kind = side->held	       ? CTL_MEDIA_HOLD_TIMEOUT :
			    spoke_ms(side) != 0 ? CTL_MEDIA_TIMEOUT :
						  CTL_MEDIA_NONE_YET;
	} else if (!side->told_one_way && !side->told && one_way_due_ms(side) <= now_ms &&
		   speaks(side->other, now_ms)) {
		side->told_one_way = true;
		ret->kind = CTL_MEDIA_ONE_WAY;
	} else {
		return false;
	}
	ret->side = side;
	return true;
}

static bool stream_event(struct session *session, uint64_t now_ms, struct session_event *ret)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		if (side_event(&stream->sides[0], now_ms, ret) ||
		    side_event(&stream->sides[1], now_ms, ret))
			return true;
	}
	return false;
}

/* Of packets that no stage saw; time decides nothing without them. */
static void take_figures(struct sessions *sessions, struct session *session)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; sessions->take && i < 2; i++)
			if (stream->sides[i].flows[COMPONENT_RTP].port)
				sessions->take(sessions->send_owner,
					       &stream->sides[i].flows[COMPONENT_RTP]);
	}
}

static bool session_due(struct sessions *sessions, struct session *session, uint64_t now_ms,
			struct session_event *ret)
{
	bool found;

	*ret = (struct session_event){ .session = session };
	take_figures(sessions, session);
	if (lease_due_ms(session) <= now_ms)
		return true;
	tick_sides(sessions, session, now_ms);
	found = stream_event(session, now_ms, ret);
	session_arm(sessions, session);
	return found;
}

bool sessions_pop(struct sessions *sessions, uint64_t now_ms, struct session_event *ret)
{
	struct timer *timer;

	if (session_note_pop(sessions, ret))
		return true;
	while ((timer = wheel_pop(&sessions->wheel, now_ms))) {
		if (timer->kind == SESSION_TIMER_DIGITS)
			digits_due(timer, now_ms);
		else if (session_due(sessions, container_of(timer, struct session, timer), now_ms, ret))
			return true;
	}
	return session_note_pop(sessions, ret);
}

/* SPDX-License-Identifier: MIT
 * Sessions as objects: made, told, ended. Ports are taken and given back by the caller, so that
 * everything here runs in a test without a socket. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"
#include "media-relay/session/channel.h"
#include "media-relay/session/digits_priv.h"

#define CLOCK_MAX_HZ 1000000u
#define PAYLOAD_CLOCK_MAX 0xfffffu /* what a side_payload holds */

_Static_assert(CLOCK_MAX_HZ <= PAYLOAD_CLOCK_MAX, "clocks fit");
_Static_assert(CTL_CODECS <= 16, "codecs fit");

enum err sessions_init(struct sessions *sessions, uint32_t capacity, uint64_t now_ms)
{
	enum err err;

	*sessions = (struct sessions){ .map = { .count = 0 } };
	wheel_init(&sessions->wheel, now_ms);
	err = pool_init(&sessions->session_pool, sizeof(struct session), capacity);
	if (err == OK)
		err = pool_init(&sessions->stream_pool, sizeof(struct stream), 2 * capacity);
	if (err == OK)
		err = pool_init(&sessions->channel_pool, sizeof(struct channel), 4 * capacity);
	if (err == OK)
		err = early_init(sessions);
	if (err == OK)
		err = pool_init(&sessions->digits_pool, sizeof(struct digits), 4 * capacity);
	if (err == OK)
		err = srtp_engine_init(&sessions->srtp, 4 * capacity);
	if (err == OK)
		err = map_init(&sessions->map, 1024);
	return err;
}

/* What of it lies outside of its pool. */
static void stream_forget(struct sessions *sessions, struct stream *stream)
{
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j < COMPONENTS; j++)
			early_forget(&stream->sides[i].flows[j]);
		side_forget_keys(&stream->sides[i]);
		channel_destroy(sessions, &stream->sides[i]);
		digits_destroy(sessions, &stream->sides[i]);
	}
}

void sessions_fini(struct sessions *sessions)
{
	struct stream *stream;
	uint32_t cursor = 0;

	while ((stream = pool_next(&sessions->stream_pool, &cursor)))
		stream_forget(sessions, stream);
	srtp_engine_fini(&sessions->srtp);
	dtls_engine_destroy(&sessions->dtls);
	map_fini(&sessions->map);
	pool_fini(&sessions->early_pool);
	pool_fini(&sessions->digits_pool);
	pool_fini(&sessions->channel_pool);
	pool_fini(&sessions->stream_pool);
	pool_fini(&sessions->session_pool);
}

/* Owners are our own programs and choose ids at random or in a row; neither needs a keyed hash. */
static struct hash128 session_key(uint32_t owner, uint64_t id)
{
	return (struct hash128){ (id ^ id >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 16 ^ id,
				 (uint64_t)owner << 32 ^ id };
}

struct session *session_find(const struct sessions *sessions, uint32_t owner, uint64_t id)
{
	struct map_node *node = map_find(&sessions->map, session_key(owner, id));

	for (; node; node = map_find_next(node)) {
		struct session *session = container_of(node, struct session, node);

		if (session->owner == owner && session->id == id)
			return session;
	}
	return NULL;
}

struct stream *session_stream(const struct session *session, uint8_t number)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		if (stream->number == number)
			return stream;
	}
	return NULL;
}

struct session *session_create(struct sessions *sessions, uint32_t owner, uint64_t id,
			       uint64_t now_ms)
{
	struct handle handle;
	struct session *session = pool_take(&sessions->session_pool, &handle);

	if (!session)
		return NULL;
	session->handle = handle;
	session->owner = owner;
	session->id = id;
	session->lease_since_ms = now_ms;
	list_init(&session->streams);
	map_insert(&sessions->map, &session->node, session_key(owner, id));
	return session;
}

static void side_init(struct stream *stream, uint8_t number)
{
	struct side *side = &stream->sides[number];

	side->stream = stream;
	side->other = &stream->sides[1 - number];
	side->number = number;
	side->source.payload_type = RTP_PAYLOAD_TYPE_NONE;
	for (unsigned i = 0; i < COMPONENTS; i++) {
		side->flows[i].side = side;
		side->flows[i].component = (enum component)i;
	}
}

struct stream *stream_create(struct sessions *sessions, struct session *session, uint8_t number)
{
	struct stream *stream = session_stream(session, number);
	struct handle handle;

	if (stream)
		return stream;
	stream = pool_take(&sessions->stream_pool, &handle);
	if (!stream)
		return NULL;
	stream->handle = handle;
	stream->session = session;
	stream->number = number;
	side_init(stream, 0);
	side_init(stream, 1);
	list_add_tail(&session->streams, &stream->link);
	return stream;
}

void stream_destroy(struct sessions *sessions, struct stream *stream)
{
	stream_forget(sessions, stream);
	list_remove(&stream->link);
	pool_give(&sessions->stream_pool, stream->handle);
}

void session_destroy(struct sessions *sessions, struct session *session)
{
	list_each(node, &session->streams)
		stream_destroy(sessions, container_of(node, struct stream, link));
	wheel_stop(&sessions->wheel, &session->timer);
	map_remove(&sessions->map, &session->node);
	pool_give(&sessions->session_pool, session->handle);
}

/* ---- what control tells ---- */

/* Host bits are taken off: a peer's address with a shorter prefix means its network. */
static struct ip_prefix prefix_of(const struct ip_addr *ip, uint8_t bits)
{
	struct ip_prefix prefix = { *ip, bits };

	for (unsigned bit = bits; bit < 8 * sizeof(ip->bytes); bit++)
		prefix.ip.bytes[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	return prefix;
}

static const char *stream_check(const struct ctl_stream_set *set)
{
	if (set->stream >= SESSION_MAX_STREAMS || set->side > 1)
		return "stream is 0 to 15, side 0 or 1";
	if (set->flags & ~(CTL_STREAM_RESET | CTL_STREAM_REMOVE | CTL_STREAM_RTCP_MUX |
			   CTL_STREAM_PASS_CRYPTO | CTL_STREAM_RAW | CTL_STREAM_FEEDBACK |
			   CTL_STREAM_NO_REPORTS))
		return "an unknown flag";
	if (set->flags & CTL_STREAM_RAW && set->security_count > 0)
		return "what is no RTP has no SRTP and no ICE";
	if (set->security_count > 1)
		return "security: at most one";
	if (set->security_count > 0 && secure_check(set->security))
		return secure_check(set->security);
	if (set->security_count > 0 && channel_check(set->security))
		return channel_check(set->security);
	if (set->want_port % 2 != 0)
		return "want_port is the even port of a pair";
	if (ip_multicast(&set->local))
		return "local is one of the realm's addresses";
	if (set->direction & ~(CTL_RECEIVE | CTL_TRANSMIT))
		return "an unknown direction";
	if (set->learn_bits > (set->learn_from.family == IP_V6 ? 128 : 32))
		return "learn_bits is longer than an address";
	if (ip_multicast(&set->remote_rtp.ip) || ip_multicast(&set->remote_rtcp.ip))
		return "a remote is one host";
	for (uint32_t i = 0; i < set->payloads_count; i++)
		if (set->payloads[i].payload_type > 127 || set->payloads[i].clock_hz > CLOCK_MAX_HZ ||
		    set->payloads[i].out_clock_hz > CLOCK_MAX_HZ ||
		    set->payloads[i].kind > CTL_PAYLOAD_EVENT ||
		    set->payloads[i].codec >= CTL_CODECS)
			return "payload types are 0 to 127, clocks at most 1 MHz, codecs known";
	return NULL;
}

const char *session_check(const struct ctl_session_set *set)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < set->streams_count; i++) {
		const char *wrong = stream_check(&set->streams[i]);
		uint64_t bit;

		if (wrong)
			return wrong;
		bit = UINT64_C(1) << (2 * set->streams[i].stream + set->streams[i].side);
		if (seen & bit)
			return "a side is named twice";
		seen |= bit;
	}
	return NULL;
}

static void flow_set_remote(struct flow *flow, const struct endpoint *remote, bool reset)
{
	if (!reset && endpoint_eq(&flow->remote, remote))
		return;
	flow->remote = *remote;
	latch_reset(flow);
}

struct side_payload side_payload_of(const struct ctl_relay_payload *told)
{
	return (struct side_payload){ .clock_hz = told->clock_hz & PAYLOAD_CLOCK_MAX,
				      .payload_type = told->payload_type,
				      .kind = told->kind & 0xfu,
				      .out_clock_hz = told->out_clock_hz & PAYLOAD_CLOCK_MAX,
				      .out = told->out,
				      .codec = told->codec & 0xfu };
}

static void side_set_payloads(struct side *side, const struct ctl_stream_set *set)
{
	side->payload_count = 0;
	for (uint32_t i = 0; i < set->payloads_count && i < SIDE_MAX_PAYLOADS; i++)
		side->payloads[side->payload_count++] = side_payload_of(&set->payloads[i]);
}

void side_set(struct side *side, const struct ctl_stream_set *set, const struct side_ports *ports,
	      uint64_t now_ms)
{
	bool reset = ports || (set->flags & CTL_STREAM_RESET);
	bool known = set->remote_rtp.ip.family != IP_NONE;
	bool watched = known && (set->direction & CTL_RECEIVE);
	bool held = known && !(set->direction & CTL_RECEIVE);

	if (ports) {
		side->address = ports->address;
		for (unsigned i = 0; i < COMPONENTS; i++) {
			side->flows[i].local = ports->local[i];
			side->flows[i].port = ports->port[i];
		}
	}
	side->raw = (set->flags & CTL_STREAM_RAW) != 0;
	side->feedback = (set->flags & CTL_STREAM_FEEDBACK) != 0;
	side->no_reports = (set->flags & CTL_STREAM_NO_REPORTS) != 0;
	side->rtcp_mux = (set->flags & CTL_STREAM_RTCP_MUX) != 0;
	side->plain = set->security_count == 0 && !(set->flags & CTL_STREAM_PASS_CRYPTO);
	side->direction = set->direction;
	side->learn_from = prefix_of(&set->learn_from, set->learn_bits);
	flow_set_remote(&side->flows[COMPONENT_RTP], &set->remote_rtp, reset);
	flow_set_remote(&side->flows[COMPONENT_RTCP], &set->remote_rtcp, reset);
	side_set_payloads(side, set);
	side->police.bytes_per_s = set->bytes_per_s;
	if (reset)
		side->last_packet_ms = 0;
	if (reset || watched != side->watched || held != side->held) {
		side->watch_since_ms = now_ms;
		side->told = false;
		side->told_one_way = false;
	}
	side->watched = watched;
	side->held = held;
}

void side_clear(struct side *side)
{
	static const struct endpoint nowhere = { .ip = { .family = IP_NONE } };

	for (unsigned i = 0; i < COMPONENTS; i++) {
		side->flows[i].local = nowhere;
		side->flows[i].port = NULL;
		early_forget(&side->flows[i]);
		flow_set_remote(&side->flows[i], &nowhere, true);
	}
	side->watched = false;
	side->held = false;
}

void session_set_limits(struct sessions *sessions, struct session *session,
			const struct session_limits *limits, uint64_t now_ms)
{
	/* "Since the answer": the wait for a first packet begins when a limit is first set. */
	if (session->limits.first_ms == 0 && limits->first_ms != 0) {
		list_each(node, &session->streams) {
			struct stream *stream = container_of(node, struct stream, link);

			for (unsigned i = 0; i < 2; i++)
				if (stream->sides[i].last_packet_ms == 0)
					stream->sides[i].watch_since_ms = now_ms;
		}
	}
	session->limits = *limits;
	session_arm(sessions, session);
}

/* Nobody was there to hear it. */
static void session_untell(struct session *session)
{
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++) {
			stream->sides[i].told = false;
			stream->sides[i].told_one_way = false;
		}
	}
}

void session_set_lease(struct sessions *sessions, struct session *session,
		       enum session_lease lease, uint64_t now_ms)
{
	if (session->lease != lease) {
		session->lease_since_ms = now_ms;
		if (lease == LEASE_OWNED)
			session_untell(session);
	}
	session->lease = lease;
	session_arm(sessions, session);
}

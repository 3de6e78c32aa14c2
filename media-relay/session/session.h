/* SPDX-License-Identifier: MIT
 * Sessions of two-sided streams, and what happens to one packet. Sans-I/O: no socket, no clock, no
 * allocation in the packet path; objects come from pools that grow by blocks when a session is made.
 *
 * A flow is what arrives at one local port: the one record that every way in and out shares. What
 * makes it hard is trust: who may be heard (the receive filter) and where is sent to (the target) are
 * two decisions, and neither may be moved by a stranger. */
#pragma once

#include "lib/base/map.h"
#include "lib/base/pool.h"
#include "lib/base/wheel.h"
#include "lib/ctl/ctl.h"
#include "media-relay/rtp/rtp.h"

#define SESSION_MAX_STREAMS 16u
#define SIDE_MAX_PAYLOADS 16u
#define LATCH_PACKETS 4u      /* RTP in sequence, of one SSRC, from one source */
#define LATCH_RTCP_PACKETS 3u /* RTCP has no sequence; it comes every few seconds */
#define LATCH_CANDIDATES 2u   /* so that one stranger cannot keep the right one from being counted */

enum component { COMPONENT_RTP, COMPONENT_RTCP, COMPONENTS };

struct latch_candidate {
	struct endpoint source;
	uint32_t ssrc;
	uint16_t next_sequence;
	uint8_t packets;
};

struct latch {
	bool locked;
	struct endpoint source; /* once locked */
	struct latch_candidate candidates[LATCH_CANDIDATES];
};

struct flow {
	struct side *side;
	enum component component;
	struct endpoint local;  /* family none: no port */
	void *port;             /* the way in and out's own; this room never looks inside */
	struct endpoint remote; /* as told; family none: not known */
	struct endpoint target; /* where to send now: latched, else as told; family none: nowhere */
	struct latch latch;
};

struct side_counters {
	uint64_t packets_received;
	uint64_t bytes_received;
	uint64_t packets_sent;
	uint64_t bytes_sent;
	uint64_t rtcp_received;
	uint64_t rtcp_sent;
	uint64_t packets_dropped;
};

struct side {
	struct stream *stream;
	struct side *other;
	uint8_t number; /* 0 or 1 */
	bool rtcp_mux;
	uint8_t direction; /* CTL_RECEIVE | CTL_TRANSMIT */
	struct ip_prefix learn_from; /* family none: the told address only */
	struct flow flows[COMPONENTS];
	uint32_t realm; /* the way in and out's number of it */
	struct ctl_relay_payload payloads[SIDE_MAX_PAYLOADS];
	uint8_t payload_count;
	struct side_counters counters;
	struct rtp_source source;
	bool watched;           /* something is expected to arrive: timeouts run */
	bool told;              /* the event for this silence was given */
	uint64_t watch_since_ms;
	uint64_t last_packet_ms; /* accepted RTP; 0: never */
};

struct stream {
	struct list link;
	struct session *session;
	struct handle handle;
	uint8_t number;
	struct side sides[2];
};

/* Whose session it is decides how long it may be silent. */
enum session_lease {
	LEASE_OWNED,  /* for ever: the owner decides */
	LEASE_AWAY,   /* the owner's connection is gone; it may come back and name it */
	LEASE_ORPHAN, /* the owner is back and did not name it */
};

struct session {
	struct map_node node;
	struct handle handle;
	uint32_t owner;
	uint64_t id;
	struct list streams;
	uint32_t first_timeout_ms;
	uint32_t timeout_ms;
	enum session_lease lease;
	uint64_t lease_since_ms;
	struct timer timer;
};

struct sessions {
	struct pool session_pool;
	struct pool stream_pool;
	struct map map;
	struct wheel wheel;
};

must_use enum err sessions_init(struct sessions *sessions, uint32_t capacity, uint64_t now_ms);
void sessions_fini(struct sessions *sessions);

/* ids are the owner's; two owners may use the same. NULL. */
struct session *session_find(const struct sessions *sessions, uint32_t owner, uint64_t id);
struct stream *session_stream(const struct session *session, uint8_t number);

/* ---- control ---- */

/* Ports for one side, taken by the caller. */
struct side_ports {
	uint32_t realm;
	struct endpoint local[COMPONENTS];
	void *port[COMPONENTS];
};

/* Every field of the message that needs no knowledge of realms: ranges, duplicates, prefixes. NULL:
 * fine; else what is wrong (static text). */
const char *session_check(const struct ctl_session_set *set);

/* Makes the session, without streams. NULL: at capacity. */
struct session *session_create(struct sessions *sessions, uint32_t owner, uint64_t id,
			       uint64_t now_ms);
/* The stream, made when it is not there (both sides without ports). NULL: at capacity. */
struct stream *stream_create(struct sessions *sessions, struct session *session, uint8_t number);

/* Puts the told state on a side. ports: new ones for it (the old ones must have been taken off by
 * side_clear), or NULL to keep what it has. A side that is told the same remote as before keeps its
 * latch, unless CTL_STREAM_RESET. */
void side_set(struct side *side, const struct ctl_stream_set *set, const struct side_ports *ports,
	      uint64_t now_ms);
/* Forgets ports, remote, latch; figures stay. The caller gave the ports back before. */
void side_clear(struct side *side);
void session_set_timeouts(struct sessions *sessions, struct session *session,
			  uint32_t first_timeout_ms, uint32_t timeout_ms, uint64_t now_ms);
void session_set_lease(struct sessions *sessions, struct session *session,
		       enum session_lease lease, uint64_t now_ms);
/* The caller took care of the ports. */
void stream_destroy(struct sessions *sessions, struct stream *stream);
void session_destroy(struct sessions *sessions, struct session *session);

/* ---- time ---- */

struct session_event {
	struct session *session;
	struct side *side; /* NULL: the session ended for want of an owner; the caller destroys it */
	enum ctl_media_event_kind kind;
	struct endpoint source;
};

/* Fills *ret with the next event that is due; false: none. Call it until false. */
bool sessions_pop(struct sessions *sessions, uint64_t now_ms, struct session_event *ret);

/* ---- packets ---- */

enum packet_verdict {
	PACKET_FORWARD,
	PACKET_DROP_EMPTY,
	PACKET_DROP_STUN,
	PACKET_DROP_MALFORMED,
	PACKET_DROP_SOURCE,    /* from a stranger, or not trusted yet */
	PACKET_DROP_DIRECTION, /* on hold */
	PACKET_DROP_NO_WAY,    /* the other side has no address or port yet */
	PACKET_VERDICTS,
};

struct packet {
	struct flow *flow; /* where it arrived */
	const unsigned char *bytes;
	size_t len;
	struct endpoint source;
	uint64_t now_ms;
	uint64_t arrival_us;
	enum rtp_kind kind; /* from here on: results */
	struct rtp_header header;
	uint32_t ssrc;
	bool latched;     /* this packet locked the flow's latch on a source that was not told */
	struct flow *out; /* PACKET_FORWARD: send `bytes` from this flow's port to its target */
};

/* Runs the stages on one packet. */
enum packet_verdict session_packet(struct packet *packet);
const char *packet_verdict_name(enum packet_verdict verdict);

/* ---- figures ---- */

/* now_ms and now_unix_ms: the same moment on both clocks. */
void side_stats(const struct side *side, uint64_t now_ms, uint64_t now_unix_ms,
		struct ctl_stream_stats *ret);

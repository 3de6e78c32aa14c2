/* SPDX-License-Identifier: MIT
 * Sessions of two-sided streams, and what happens to one packet. Sans-I/O: no socket, no clock, no
 * allocation in the packet path; objects come from pools that grow by blocks when a session is made.
 * The records themselves are in flow.h. */
#pragma once

#include "media-relay/dtls/dtls.h"
#include "media-relay/ice/ice.h"
#include "media-relay/session/flow.h"

#define SESSION_NOTES 32u
#define SESSION_HANDSHAKE_RESULTS (CTL_SECURITY_PROFILE + 1u) /* 0: secured; else why it failed */

/* A datagram of the session's own (a check's answer, a handshake, a report) leaves by this flow. */
typedef void session_send_fn(void *owner, struct flow *flow, const struct endpoint *to,
			     const void *bytes, size_t len);

/* Brings up to date what is counted elsewhere of a flow of RTP: see session_flow_take. */
typedef void session_take_fn(void *owner, struct flow *flow);

/* An event that waits to be told. */
struct session_note {
	struct handle session;
	uint8_t stream;
	uint8_t side;
	enum component component;
	enum ctl_media_event_kind kind;
	uint32_t value;
	struct endpoint source;
	struct dtls_keys keys;
};

struct sessions {
	struct pool session_pool;
	struct pool stream_pool;
	struct map map;
	struct pool channel_pool;
	struct pool digits_pool;
	struct wheel wheel;
	session_send_fn *send; /* set before the first datagram */
	session_take_fn *take; /* NULL: nothing is counted elsewhere */
	void *send_owner; /* of both */
	uint64_t now_us;  /* set before sessions_pop: this moment on the clock of arrivals … */
	uint64_t unix_us; /* … and of the wall */
	uint64_t reports_sent;
	struct dtls_engine *dtls; /* set before a side with DTLS is told; ends with the sessions */
	uint64_t hellos_asked;    /* for a cookie */
	uint64_t hellos_held;     /* they came before the answer */
	struct list early;
	struct pool early_pool;
	uint64_t handshakes[2][SESSION_HANDSHAKE_RESULTS]; /* ended: by enum ctl_dtls_role, result */
	struct session_note notes[SESSION_NOTES];
	unsigned note_count;
	struct srtp_engine srtp;
};

must_use enum err sessions_init(struct sessions *sessions, uint32_t capacity, uint64_t now_ms);
void sessions_fini(struct sessions *sessions);

/* ids are the owner's; two owners may use the same. NULL. */
struct session *session_find(const struct sessions *sessions, uint32_t owner, uint64_t id);
struct stream *session_stream(const struct session *session, uint8_t number);

/* ---- control ---- */

/* Ports for one side, taken by the caller. */
struct side_ports {
	uint32_t address;
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
/* Memory for what a checked message asks of ICE and DTLS, while nothing is changed yet. */
must_use enum err session_prepare_channel(struct sessions *sessions, struct side *side,
					  const struct ctl_stream_set *set);
/* After session_prepare_channel, side_set and session_secure: puts it in force, and may send. A message
 * without it ends it. */
void session_set_channel(struct sessions *sessions, struct side *side,
			 const struct ctl_stream_set *set, uint64_t now_ms);
/* Memory for the keys that a checked message tells, while nothing is changed yet. ERR_EXHAUSTED. */
must_use enum err session_prepare(struct sessions *sessions, struct side *side,
				  const struct ctl_stream_set *set);
/* After session_prepare: puts them in force, RTCP's own as well. A message without keys makes the side
 * plain. On an error (ERR_NOMEM) the side is secured without a key: nothing passes. */
must_use enum err session_secure(struct side *side, const struct ctl_stream_set *set,
				 uint64_t now_ms);
/* Keys of one component, from DTLS; those of RTP are good for RTCP that has none of its own. The side
 * was told to be secured. NULL: none. ERR_NOMEM, ERR_EXHAUSTED: what was not set is as before. */
must_use enum err flow_set_keys(struct sessions *sessions, struct flow *flow,
				const struct ctl_srtp_crypto *receive,
				const struct ctl_srtp_crypto *send, uint64_t now_ms);
/* Forgets ports, remote, latch; figures stay. The caller gave the ports back before. */
void side_clear(struct side *side);
void session_set_limits(struct sessions *sessions, struct session *session,
			const struct session_limits *limits, uint64_t now_ms);
void session_set_lease(struct sessions *sessions, struct session *session,
		       enum session_lease lease, uint64_t now_ms);
/* The caller took care of the ports. */
void stream_destroy(struct sessions *sessions, struct stream *stream);
void session_destroy(struct sessions *sessions, struct session *session);

/* ---- over a restart of the relay ---- */

void side_remember(const struct side *side, struct side_memory *ret);
/* False: it has no keys. */
bool side_remember_states(const struct side *side, struct side_states *ret);
bool flow_has_news(const struct flow *flow); /* keys, a new SSRC: remember its side at once */
/* Just after a side_set that gave it these ports again. Who was learned is heard at once and nobody
 * else is, unless another address is told now; figures go on from where they were. */
void side_recall(struct side *side, const struct side_memory *memory, uint64_t now_ms);

/* ---- time ---- */

struct session_event {
	struct session *session;
	struct side *side; /* NULL: the session ended for want of an owner; the caller destroys it */
	enum component component; /* of what DTLS did */
	enum ctl_media_event_kind kind;
	uint32_t value; /* as in the message */
	struct endpoint source;
	struct dtls_keys keys; /* of CTL_MEDIA_SECURED; the caller wipes them */
};

/* Fills *ret with the next event that is due; false: none. Call it until false. */
bool sessions_pop(struct sessions *sessions, uint64_t now_ms, struct session_event *ret);

/* ---- packets ---- */

enum packet_verdict {
	PACKET_FORWARD,
	PACKET_SIGNAL,   /* no media: session_signal decides */
	PACKET_CONSUMED, /* it was for us */
	PACKET_DROP_EMPTY,
	PACKET_DROP_STUN,
	PACKET_DROP_DTLS,
	PACKET_DROP_MALFORMED,
	PACKET_DROP_SOURCE,    /* from a stranger, or not trusted yet */
	PACKET_DROP_PLAIN,     /* in clear where SRTP is told; nothing leaves so either */
	PACKET_DROP_AUTH,      /* its tag is wrong */
	PACKET_DROP_REPLAY,    /* SRTP that was seen, or is too old to tell; or would be for the far side */
	PACKET_DROP_KEY_LIMIT, /* the key's life is over, or it had too many SSRCs */
	PACKET_DROP_DIRECTION, /* on hold */
	PACKET_DROP_FEEDBACK,  /* RTCP that the far side's profile has no word for */
	PACKET_DROP_RATE,      /* more than its codecs can send */
	PACKET_DROP_NO_WAY,    /* the other side has no address or port yet */
	PACKET_DROP_LATE,      /* its number may have left with a digit's packet */
	PACKET_VERDICTS,
	PACKET_DROP_FIRST = PACKET_DROP_EMPTY,
};

struct packet {
	struct flow *flow; /* where it arrived */
	unsigned char *bytes; /* decrypted and encrypted where they lie, with SRTP_ROOM_BYTES behind */
	size_t len;           /* as it arrived; then plain; then as it leaves */
	struct endpoint source;
	uint64_t now_ms;
	uint64_t arrival_us;
	unsigned char *plain; /* where the packet is copied once it is decrypted; NULL: nowhere */
	size_t plain_len;     /* of that copy */
	enum rtp_kind kind; /* from here on: results */
	size_t arrived_len; /* as on the wire */
	struct rtp_header header;
	uint32_t ssrc;
	uint16_t sequence;  /* to leave with, where the side has digits */
	bool resumed;     /* this packet ended a silence that was told */
	bool latched;     /* this packet locked the flow's latch on a source that was not told */
	enum ice_verdict check; /* of a STUN packet that session_signal saw on a side with ICE */
	struct flow *out; /* PACKET_FORWARD: send it from this flow's port to its target */
};

/* Runs the stages on one packet. */
enum packet_verdict session_packet(struct packet *packet);
/* A packet may come there at once: its records are asked for from memory. NULL is fine. */
void session_expect(const struct flow *flow);
/* What session_packet left: a check, or DTLS. May send, and note events. PACKET_CONSUMED or a drop. */
enum packet_verdict session_signal(struct sessions *sessions, struct packet *packet);
const char *packet_verdict_name(enum packet_verdict verdict);

/* ---- figures ---- */

/* now_ms and now_unix_ms: the same moment on both clocks. */
void side_stats(const struct side *side, uint64_t now_ms, uint64_t now_unix_ms,
		struct ctl_stream_stats *ret);
/* Of its keys for RTP, what a relay started again must know. In the arena; empty: none, or no room. */
void side_states(const struct side *side, struct arena *arena, struct ctl_stream_stats *ret);

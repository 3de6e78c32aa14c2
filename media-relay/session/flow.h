/* SPDX-License-Identifier: MIT
 * The records of the session room: a session has streams, a stream two sides, a side a flow for RTP
 * and one for RTCP. Others read them; what changes them are the calls of session.h.
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
#include "media-relay/srtp/srtp.h"

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
	union {
		struct endpoint source; /* once locked */
		struct latch_candidate candidates[LATCH_CANDIDATES]; /* before */
	};
};

/* What each packet reads stands first, here and in struct side: with thousands of streams it is not in
 * the processor's caches, and session_expect asks for those lines. */
struct flow {
	struct side *side;
	void *port;        /* the way in and out's own; this room never looks inside */
	struct srtp *srtp; /* keys; RTCP without keys of its own has RTP's */
	enum component component;
	struct endpoint target; /* where to send now: latched, else as told; family none: nowhere */
	struct latch latch;
	struct endpoint local;  /* family none: no port */
	struct endpoint remote; /* as told; family none: not known */
	struct early *early; /* hellos that came before the answer; NULL: none */
};

/* Of ctl_relay_payload, in eight octets: each side has room for many. */
struct side_payload {
	uint32_t clock_hz : 20;
	uint32_t payload_type : 8;
	uint32_t kind : 4; /* enum ctl_payload_kind */
	uint32_t out_clock_hz : 20;
	uint32_t out : 8;
	uint32_t codec : 4; /* enum ctl_codec */
};

/* Reports in place of a peer that speaks and sends none itself. */
struct side_reports {
	struct rtcp_sender sent; /* of this side, as the other one gets it */
	uint64_t next_ms;  /* the next look; 0: not planned yet */
	uint64_t since_ms; /* it speaks, as far as was looked; 0: it does not */
	uint64_t last_sr_us; /* its own last sender report came; 0: none */
	uint32_t last_sr;    /* the middle of its NTP timestamp */
	uint32_t ssrc; /* whom the two below are of */
	uint32_t expected; /* of this side, when the other one was last told */
	uint32_t received;
};

struct side_counters {
	uint64_t packets_received;
	uint64_t bytes_received;
	uint64_t packets_sent;
	uint64_t bytes_sent;
	uint64_t rtcp_received;
	uint64_t rtcp_sent;
	uint64_t packets_dropped;
	uint64_t packets_forged; /* of these: the tag was wrong, or there was none */
	uint64_t packets_replayed;
};

struct side {
	struct stream *stream;
	struct side *other;
	uint8_t number; /* 0 or 1 */
	bool rtcp_mux;
	bool feedback;   /* RFC 4585's messages may be sent there */
	bool no_reports; /* none of our own are wanted there */
	bool raw; /* no RTP: any datagram of the right source passes */
	bool plain; /* RTP without SRTP, DTLS or ICE */
	bool secured; /* told to be SRTP: nothing plain passes, with keys or (as yet) without */
	bool pass;    /* told to leave the keys alone; in force when both sides are */
	bool recorded; /* its session has a recording */
	bool watched;      /* something is expected to arrive: timeouts run */
	bool held;         /* nothing is, by the signalling; the hold's timeout runs */
	bool told;         /* the event for this silence was given */
	bool told_one_way; /* so was that the other side speaks meanwhile */
	uint8_t direction; /* CTL_RECEIVE | CTL_TRANSMIT */
	uint8_t payload_count;
	struct channel *channel; /* ICE; NULL: none */
	struct digits *digits;   /* among what arrives, or put beside it; NULL: none */
	uint64_t last_packet_ms; /* accepted RTP; 0: never */
	struct rtp_police police;
	struct side_counters counters;
	struct rtp_source source;
	struct side_reports reports;
	struct flow flows[COMPONENTS];
	struct side_payload payloads[SIDE_MAX_PAYLOADS];
	struct ip_prefix learn_from; /* family none: the told address only */
	uint32_t address; /* the way in and out's number of the media address of its ports */
	struct rtcp_peer peer; /* what its RTCP says of what it gets from us */
	uint64_t watch_since_ms;
	uint64_t last_control_ms; /* accepted RTCP; 0: never */
	uint32_t memory_slot; /* the worker's own */
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

/* How long what may be silent until it is told; 0: for ever. */
struct session_limits {
	uint32_t first_ms;   /* before the first packet */
	uint32_t silence_ms; /* after it */
	uint32_t hold_ms;    /* on hold, both sides, RTCP too */
	uint32_t one_way_ms; /* a side, while the other one speaks */
};

struct session {
	struct map_node node;
	struct handle handle;
	uint32_t owner;
	uint64_t id;
	struct list streams;
	struct session_limits limits;
	void *recording;       /* the worker's own; NULL: none */
	bool recording_failed; /* the last one could not be written */
	enum session_lease lease;
	uint64_t lease_since_ms;
	struct timer timer;
};

/* What of a side outlives the relay's process: who was learned, and what was counted. What was told
 * is only for comparison, for the owner tells it again; keys are never in it. */
struct side_memory {
	uint64_t session;
	uint8_t stream;
	uint8_t side;
	struct endpoint local; /* of RTP */
	struct endpoint told[COMPONENTS];
	struct endpoint learned[COMPONENTS]; /* family none: nobody */
	struct side_counters counters;
	struct rtp_source source; /* suspended */
	uint32_t woven_ssrc; /* whose numbers are shifted, since digits were taken out or put in */
	int32_t woven_shift; /* 0: nobody's */
};

/* Could side_remember have made it? Of what a former relay left in a file, before anything else is read
 * of it: no field may lead where no packet and no message of control could. */
bool side_memory_plausible(const struct side_memory *memory);

/* Of a flow's keys: roll-over counters, as srtp_crypto.state. */
struct flow_states {
	uint16_t receive_len;
	uint16_t send_len;
	unsigned char receive[SRTP_STATE_MAX_BYTES];
	unsigned char send[SRTP_SEND_STATE_MAX_BYTES];
};

/* The same for a side's SRTP. RTCP without keys of its own has none. */
struct side_states {
	struct flow_states flows[COMPONENTS];
};

/* SPDX-License-Identifier: MIT
 * A flow as data for the ways that bypass the packet stages: may the kernel forward it, with what
 * parameters, and what came of it. Pure; who carries the plan out is not known here.
 *
 * Every stage that looks at more than a packet's header, or changes more than its payload type, has
 * to be reason enough in session_flow_plan() to keep the flow away from the kernel. */
#pragma once

#include "media-relay/session/session.h"

#define FLOW_PLAN_PAYLOADS 8u

enum flow_fit {
	FLOW_FITS,
	FLOW_NO_PORT,
	FLOW_CONTROL,     /* RTCP is read by the relay */
	FLOW_RAW,         /* not RTP */
	FLOW_NOT_LATCHED, /* who sends is not known for certain */
	FLOW_SILENT,      /* that was told: so is its next packet, at once */
	FLOW_HELD,        /* one of the sides may not send or hear */
	FLOW_NO_TARGET,
	FLOW_RECORDED,
	FLOW_SECURED,     /* SRTP, DTLS or ICE on either side */
	FLOW_OTHER_IP,    /* the sides are of two IP versions */
	FLOW_DIGITS,      /* a digit is being heard or sent */
	FLOW_SHIFTED,     /* sequence numbers change, since digits were taken out or put in */
	FLOW_UNMAPPED,    /* a payload type that nobody told of */
	FLOW_FITS_COUNT,
};

struct flow_plan_payload {
	uint8_t in;
	uint8_t out;
	uint32_t clock_hz; /* 0: no jitter */
};

struct flow_plan {
	struct endpoint local;
	struct endpoint source;
	struct endpoint out;
	struct endpoint target;
	uint32_t ssrc;
	struct rtp_police police;
	struct flow_plan_payload payloads[FLOW_PLAN_PAYLOADS];
	unsigned payload_count;
	struct rtp_standing standing; /* where counting goes on */
};

/* *ret is written only when the flow fits. */
enum flow_fit session_flow_plan(const struct flow *flow, struct flow_plan *ret);
/* Why it does not fit; static. */
const char *flow_fit_text(enum flow_fit fit);

/* Where a flow's packets come to and go on to, whatever the stages do with them in between. False:
 * there is no such way now, or no packet passed yet. */
struct flow_path {
	struct endpoint local;
	struct endpoint out;
	struct endpoint target;
};
bool session_flow_path(const struct flow *flow, struct flow_path *ret);

/* What the stages will read and write for a packet of the flow, to be fetched ahead. The number of
 * pieces, at most FLOW_HOT_MAX. */
#define FLOW_HOT_MAX 7u
struct flow_hot {
	const void *at;
	size_t bytes;
};
unsigned session_flow_hot(const struct flow *flow, struct flow_hot ret[FLOW_HOT_MAX]);

/* What was forwarded without the stages since the last time. */
struct flow_news {
	uint64_t packets;
	uint64_t bytes;
	uint32_t policed; /* dropped for their rate */
	uint32_t reordered;
	uint32_t duplicated;
	uint64_t last_packet_ms;
	uint32_t ssrc;
	uint32_t timestamp; /* that a packet of this moment … */
	uint64_t timestamp_us; /* … would have; 0: not known */
	struct rtp_standing standing;
};

/* Counts it as if it had passed the stages. */
void session_flow_take(struct sessions *sessions, struct flow *flow,
		       const struct flow_news *news);

/* SPDX-License-Identifier: MIT
 * Which gateways take calls: what probes and calls saw of each one, and what follows. A gateway is
 * known by its trunk, the trunk's realm and its URI, so what is known of it outlives a snapshot.
 * One table serves all workers: each function may be called from any thread and holds a lock for one
 * look-up and one step of the machine. No clock, no socket: the caller says what it saw and when. */
#pragma once

#include "lib/base/hash.h"
#include "sbc/settings/settings.h"

struct health;

#define HEALTH_MAX_GATEWAYS 65536u
#define HEALTH_BUSY_MIN_S 1u
#define HEALTH_BUSY_MAX_S 60u
#define HEALTH_TRIAL_MS 5000u /* one call at a time, when a Retry-After has run out */

enum health_state {
	HEALTH_UNKNOWN, /* nothing was heard of it */
	HEALTH_UP,
	HEALTH_BUSY,    /* it answers, and asked to be left alone for a time (503) */
	HEALTH_DOWN,    /* it does not answer; only probed gateways get here, for they can come back */
	HEALTH_STATES,
};

enum health_event {
	HEALTH_ANSWERED, /* any response but a HEALTH_REFUSED */
	HEALTH_MISSED,   /* no response, or it could not be sent */
	HEALTH_REFUSED,  /* 503 to a probe, or 503 with Retry-After to a call */
	HEALTH_EVENTS,
};

struct health_evidence {
	enum health_event event;
	uint16_t code;          /* of the response; 0: there was none */
	uint32_t retry_after_s; /* of HEALTH_REFUSED; held between BUSY_MIN and BUSY_MAX */
	uint32_t rtt_us;        /* 0: not measured */
	uint64_t now_ms;        /* monotonic */
	uint64_t now_unix_ms;
};

struct health_view {
	enum health_state state;
	bool missed;              /* the last that was seen is a HEALTH_MISSED */
	uint16_t last_code;       /* 0: none yet */
	uint32_t rtt_us;          /* 0: not measured */
	uint64_t changed_unix_ms; /* when `state` began; 0: at the start */
	uint64_t busy_until_ms;   /* of HEALTH_BUSY */
};

must_use enum err health_create(struct health **ret);
void health_destroy(struct health **health);

/* Gateways of this snapshot come in, others go; those that stay keep what is known. A gateway that is
 * no longer probed and was down is unknown again. ERR_NOMEM: some were not taken in; calls go there
 * as if nothing was known. */
must_use enum err health_apply(struct health *health, const struct settings *settings);

/* True: the state changed, to ret_view->state. ret_view is written either way; a gateway that is not
 * in the table is HEALTH_UNKNOWN. */
bool health_note(struct health *health, const struct conf_trunk *trunk,
		 const struct conf_gateway *gateway, const struct health_evidence *evidence,
		 struct health_view *ret_view);
void health_read(struct health *health, const struct conf_trunk *trunk,
		 const struct conf_gateway *gateway, struct health_view *ret_view);

/* A call may go there. health_admit also takes the place of the one call that may try a busy gateway
 * when its time is over; health_allows only looks. */
bool health_allows(struct health *health, const struct conf_trunk *trunk,
		   const struct conf_gateway *gateway, uint64_t now_ms);
bool health_admit(struct health *health, const struct conf_trunk *trunk,
		  const struct conf_gateway *gateway, uint64_t now_ms);

/* What a gateway is known by. */
struct hash128 health_key(const struct conf_trunk *trunk, const struct conf_gateway *gateway);
const char *health_state_name(enum health_state state); /* "unknown", "up", "busy", "down" */

/* SPDX-License-Identifier: MIT
 * Gateways that are watched, in worker 0's thread: prober.c holds them, probe.c asks one of them.
 * Private to this room. */
#pragma once

#include "sbc/core/core_priv.h"

#define PROBE_TARGETS_MAX 4u
#define PROBE_TIMEOUT_MS 4000u     /* well below timer F (RFC 3261 17.1.2.2) */
#define PROBE_TIMEOUT_MIN_MS 1000u /* for each address of a name */
#define PROBE_SOON_MS 5000u        /* while a gateway is not known to be well */

enum probe_state {
	PROBE_IDLE,      /* the timer runs, where the gateway is probed at all */
	PROBE_RESOLVING, /* its name is looked up */
	PROBE_ASKING,    /* an OPTIONS is out */
};

/* A gateway. The configuration that it points to is worker 0's present one. */
struct probe {
	struct map_node node; /* by health_key */
	struct handle self;
	struct prober *prober;
	uint32_t generation;
	const struct conf_realm *realm;
	const struct conf_trunk *trunk;
	const struct conf_gateway *gateway;
	uint32_t interval_s; /* that the timer was started with; 0: not probed */
	enum probe_state state;
	struct loop_timer timer;
	struct call_destination targets[PROBE_TARGETS_MAX];
	uint32_t target_count;
	uint32_t target_next;
	struct handle txn;
	uint64_t sent_us;
	stats_id up;
	stats_id changes;
};

struct prober {
	struct worker *worker;
	struct pool probes;
	struct map by_key;
	uint32_t generation;
	stats_id rtt_seconds;
};

/* probe.c */
void probe_begin(struct loop *loop, void *probe);
/* What is under way is forgotten. */
void probe_stop(struct probe *probe);

/* prober.c: a round is over; the next one is due in a while. */
void prober_on_outcome(struct probe *probe, const struct health_evidence *evidence);

/* SPDX-License-Identifier: MIT
 * Which way a flow's packets take, and the change from one to the other. The kernel and the stages
 * may both see packets of a flow around a change, each counts its own, and the sum is what passed:
 * what the kernel counted is taken over when somebody asks, and once more some time after the flow left
 * it, when no packet can be on its way there any more. Nothing is done again and again for each flow:
 * what all of them come to is counted apart. */
#pragma once

#include "lib/stats/stats.h"
#include "media-relay/fastpath/fastpath.h"
#include "media-relay/session/plan.h"

struct worker;

/* Of one RTP port; embedded beside it. Zeroed: sockets. */
struct way {
	struct fast_entry entry;
	struct flow *flow;
	const char *why; /* of the way it takes; static */
	struct fast_count taken; /* what the figures hold of the kernel's count */
	uint32_t ssrc; /* what the kernel, or `steady`, goes by */
	uint32_t base_sequence;
	uint32_t steady; /* packets of one SSRC through the stages, since the flow was last looked at */
	enum ctl_way now;
};

struct ways {
	struct fast_lane *lane; /* NULL: there are only sockets */
	bool forwards; /* the kernel does */
	bool rings;
	uint32_t kernel_count;
	struct fast_total taken; /* what the counters hold of the lane's total */
	struct list resting; /* places whose last packets may still be counted */
	struct pool resting_pool;
	struct loop_timer timer;
	uint32_t ring_count;
	stats_id kernel_id;
	stats_id ring_id;
	stats_id ring_lost_id;
};

must_use enum err ways_init(struct worker *worker);
void ways_fini(struct worker *worker);

/* The flow's port is in use, or no more. */
void way_open(struct way *way, struct flow *flow);
void way_close(struct worker *worker, struct way *way);

/* Something changed that decides on the way of what arrives at this side: plan anew. */
void way_review(struct worker *worker, struct way *way);
/* Why packets take the way they take now; static. way may be NULL: there is no port. */
const char *way_reason(const struct worker *worker, const struct way *way);
/* Figures up to now. */
void way_take(struct worker *worker, struct way *way);
void ways_take(struct worker *worker, struct stream *stream);

/* Sends a packet that came by a ring, and that the stages let pass, where it lies. False: not so. */
bool way_send(struct worker *worker, struct fast_packet *ring, const struct packet *packet);

/* Around the stages of a packet that came by a socket or a ring. */
void way_before(struct worker *worker, struct way *way);
void way_after(struct worker *worker, struct way *way, const struct packet *packet);

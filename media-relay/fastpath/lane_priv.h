/* SPDX-License-Identifier: MIT
 * What a lane is made of, for the two files that deal with it: lane.c sets flows, follow.c hears what
 * changes under them. */
#pragma once

#include "lib/base/pool.h"
#include "media-relay/fastpath/fastpath_priv.h"
#include "media-relay/fastpath/rings.h"

struct fast_hop {
	struct map_node node;
	struct handle handle;
	struct list entries; /* and the mark, while they are told */
	uint32_t entry_count;
	uint32_t ifindex;
	struct ip_addr ip;
	uint32_t generation; /* older than the lane's: to be asked for again */
	bool known;
	unsigned char mac[MAC_BYTES];
	struct list telling_link;
	struct fast_entry mark; /* place 0; before it is who was not told yet */
};

struct fast_lane {
	struct fastpath *fastpath;
	unsigned number;
	struct fast_rings *rings; /* NULL: none */
	struct fast_interface interfaces[FAST_INTERFACES_MAX]; /* as this lane knows them now */
	size_t interface_count;
	struct loop *loop;
	fast_again_fn *fn;
	void *owner;
	struct netlink questions;
	struct netlink events;
	struct loop_io watch;
	struct loop_timer warm;
	struct list entries; /* all that are linked to a hop */
	uint32_t entry_count;
	struct loop_timer tell;
	struct list telling;    /* hops that became known, or got lost */
	uint32_t recheck_left;  /* of all entries, from recheck_at_ms on */
	uint64_t recheck_at_ms;
	uint32_t generation;    /* of what is known of neighbours */
	struct map hops;
	struct pool hop_pool;
	uint32_t *places; /* free ones, a stack */
	uint32_t place_count;
};

/* ---- lane.c ---- */

/* NULL: nothing goes there. */
struct fast_hop *fast_hop_find(const struct fast_lane *lane, uint32_t ifindex,
			       const struct ip_addr *ip);

/* ---- follow.c ---- */

must_use enum err fast_follow_start(struct fast_lane *lane);
void fast_follow_stop(struct fast_lane *lane);

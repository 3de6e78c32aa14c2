/* SPDX-License-Identifier: MIT
 * The port pairs of one realm on one worker. A pair is an even RTP port and the odd one above it
 * (RFC 3550 11). Taking and giving are O(1). A pair that was given back rests before it is used
 * again, so that late packets of one call never reach another; while it rests and after, its sockets
 * stay open (up to a bound), so that the next call opens none. */
#pragma once

#include "media-relay/io/io.h"
#include "media-relay/worker/ways.h"

#define PORTS_REST_MS 5000u
#define PORTS_PATIENCE_MS 300u /* in all; several times what a kernel needs */
#define PORTS_ASIDE_MS 30000u /* somebody else has the port: not tried again before */

enum pair_state {
	PAIR_FREE,    /* in `cold`: never used, or rested and without sockets */
	PAIR_RESTING, /* in `resting`, oldest first; may be rested long since */
	PAIR_ASIDE,   /* in `aside`: only who wants just this one gets it */
	PAIR_USED,
};

struct port_pair {
	struct list link;
	struct io_port ports[2];
	struct way way; /* of what arrives at the even port */
	uint16_t number; /* the even port */
	enum pair_state state;
	bool open;
	uint64_t ready_ms; /* resting, aside: from when it may be tried */
};

struct port_pool {
	struct io *io;
	struct ip_addr address;
	uint16_t first; /* even port of pairs[0] */
	uint16_t step;  /* from one pair of this worker to its next */
	uint8_t dscp;
	struct port_pair *pairs;
	uint32_t pair_count;
	struct list cold;
	struct list resting;
	struct list aside;
	uint32_t used;
	uint32_t idle_open;
	uint32_t idle_open_max;
	uint32_t patience_ms; /* that may still be waited for ports of a relay that was killed */
};

struct port_range {
	struct ip_addr address;
	uint16_t port_min;
	uint16_t port_max;
	uint8_t dscp;
	unsigned worker; /* a pair is of worker (even port / 2) % workers */
	unsigned workers;
};

/* idle_open_max: pairs kept open without use. ERR_NOMEM. */
must_use enum err port_pool_init(struct port_pool *pool, struct io *io,
				 const struct port_range *range, uint32_t idle_open_max);
/* Closes everything, used or not. */
void port_pool_fini(struct port_pool *pool);
/* Closes what is not in use; nothing can be taken any more. */
void port_pool_retire(struct port_pool *pool);

/* want: an even port, or 0 for any. ERR_EXHAUSTED: none is left, or the wanted one is in use or not
 * this worker's. -errno: the address cannot be bound. */
must_use enum err port_pool_take(struct port_pool *pool, uint16_t want, uint64_t now_ms,
				 struct port_pair **ret);
/* After use: it rests. */
void port_pool_give(struct port_pool *pool, struct port_pair *pair, uint64_t now_ms);
/* Nobody was told of it: as if it had not been taken. */
void port_pool_untake(struct port_pool *pool, struct port_pair *pair);

/* Only who wants just this one gets it, for PORTS_ASIDE_MS. Not for one in use, or not its own. */
void port_pool_reserve(struct port_pool *pool, uint16_t port, uint64_t now_ms);

/* Does this worker hand out this port? */
bool port_pool_has(const struct port_pool *pool, uint16_t port);

/* SPDX-License-Identifier: MIT
 * AF_XDP as the kernel has it: one area of frames for all interfaces, queues and lanes, four kinds of
 * rings, and a socket for each queue and lane. Who takes frames from rings and puts them there is in
 * rings.c.
 * Always true: a frame is in just one place: among the free ones, in a ring, or in a lane's hands. */
#pragma once

#include <linux/if_xdp.h>
#include <pthread.h>

#include "media-relay/fastpath/fastpath_priv.h"

#define FRAME_BYTES 2048u
#define RING_ENTRIES 2048u /* of each ring: 13 ms of 150,000 packets a second */
#define DONE_ENTRIES 4096u /* of frames that were sent; their sockets share it */
#define FRAMES_PER_QUEUE 4096u /* 8 MiB; fewer where there are many queues, for all of it is locked */
#define FRAMES_LEAST 1024u
#define FRAMES_MAX 131072u
#define QUEUES_MAX 64u /* of one interface */

/* One side of it is ours, the other the kernel's. `mine` is how far we have come; ring_publish tells. */
struct fast_ring {
	uint32_t *producer;
	uint32_t *consumer;
	void *entries;
	uint32_t size;
	uint32_t mine;
	void *map;
	size_t map_bytes;
};

/* Fill and completion ring of one interface's queue; under the umem's lock. */
struct fast_queue {
	size_t interface; /* number in fastpath->interfaces */
	uint32_t number;
	struct fast_ring fill;
	struct fast_ring done;
};

/* One lane's rings of one queue. */
struct fast_socket {
	int fd;
	struct fast_queue *queue;
	struct fast_ring receive;
	struct fast_ring transmit;
};

struct fast_umem {
	unsigned char *area;
	size_t bytes;
	pthread_mutex_t lock;
	bool lock_made;
	uint64_t *free;
	uint32_t free_count;
	uint32_t fill_max; /* frames that wait for packets of one queue */
	struct fast_queue *queues;
	uint32_t queue_count;
	struct fast_socket *sockets; /* of queue q and lane l: number q * lanes + l, as in the map */
	uint32_t socket_count;
};

/* For all queues of the interfaces, in the map that the program redirects to. Needs CAP_NET_RAW, and
 * locked memory (RLIMIT_MEMLOCK or CAP_IPC_LOCK). */
must_use enum err umem_create(struct fastpath *fastpath, const char **ret_why);
void umem_destroy(struct fast_umem **umem);

/* ---- rings ---- */

/* Entries that the kernel has put there and we have not taken yet. */
static inline uint32_t ring_filled(const struct fast_ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - ring->mine;
}

/* Entries that we may put there. */
static inline uint32_t ring_room(const struct fast_ring *ring)
{
	return ring->size - (ring->mine - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE));
}

static inline uint64_t *ring_address(const struct fast_ring *ring, uint32_t at)
{
	return (uint64_t *)ring->entries + (at & (ring->size - 1));
}

static inline struct xdp_desc *ring_packet(const struct fast_ring *ring, uint32_t at)
{
	return (struct xdp_desc *)ring->entries + (at & (ring->size - 1));
}

static inline void ring_produce(struct fast_ring *ring)
{
	__atomic_store_n(ring->producer, ring->mine, __ATOMIC_RELEASE);
}

static inline void ring_consume(struct fast_ring *ring)
{
	__atomic_store_n(ring->consumer, ring->mine, __ATOMIC_RELEASE);
}

/* SPDX-License-Identifier: MIT
 * What the ring's files share: who sits in it, its buffers, and how its completions are told apart. */
#pragma once

#include <assert.h>
#include <liburing.h>

#include "media-relay/io/io_priv.h"

#define BUFFERS 1024u /* a power of two */
#define BUFFER_BYTES 2048u
#define DATAGRAM_BYTES (BUFFER_BYTES - IO_ROOM_BYTES)

enum call { CALL_RECEIVE, CALL_SEND, CALL_CANCEL };

/* What a completion is told by: 4, 12, 16, 20 and 12 bits of 64. */
struct tag {
	uint32_t call; /* enum call */
	uint32_t buffer;
	uint32_t len;
	uint32_t seat;
	uint32_t generation;
};

static_assert(BUFFERS <= 1u << 12 && BUFFER_BYTES < 1u << 16, "tags hold them");

static inline uint64_t tag_put(struct tag tag)
{
	return tag.call | tag.buffer << 4 | (uint64_t)tag.len << 16 | (uint64_t)tag.seat << 32 |
	       (uint64_t)tag.generation << 52;
}

static inline struct tag tag_of(const struct io_uring_cqe *cqe)
{
	uint64_t data = io_uring_cqe_get_data64(cqe);

	return (struct tag){ .call = data & 0xf,
			     .buffer = data >> 4 & 0xfff,
			     .len = data >> 16 & 0xffff,
			     .seat = data >> 32 & 0xfffff,
			     .generation = (uint32_t)(data >> 52) };
}

/* ---- uring_seats.c ---- */

struct seat {
	struct io_port *port; /* NULL: free */
	uint32_t generation;  /* of who sits there, so that nobody is taken for an earlier one */
	uint32_t next, prev;  /* free (a stack) or waiting (a ring) */
	bool waits;
	bool held; /* its socket is in the ring's own table, under the seat's number */
};

/* Zeroed: none. 0 is nobody's, and where the ring of those that wait for a receive begins. */
struct seats {
	struct seat *at;
	uint32_t count;
	uint32_t free;
};

/* Sets port->seat. False: no room. */
bool seats_take(struct seats *seats, struct io_port *port);
/* Clears it. */
void seats_give(struct seats *seats, struct io_port *port);
/* It waits for its receive to begin again; harmless twice. */
void seats_wait(struct seats *seats, uint32_t number);
void seats_wait_over(struct seats *seats, uint32_t number);
/* Who waits longest; 0: nobody. */
static inline uint32_t seats_waiting(const struct seats *seats)
{
	return seats->count ? seats->at[0].next : 0;
}
static inline uint32_t seats_generation(const struct seats *seats, const struct io_port *port)
{
	return seats->at[port->seat].generation;
}
/* NULL: whom it was for has left. */
static inline struct io_port *seats_port(const struct seats *seats, struct tag tag)
{
	const struct seat *seat = &seats->at[tag.seat];

	return seat->generation == tag.generation ? seat->port : NULL;
}
void seats_fini(struct seats *seats);

/* ---- uring_buffers.c ---- */

struct buffers {
	struct io_uring_buf_ring *offers;
	unsigned char *bytes;
	uint16_t begins[BUFFERS]; /* where the datagram begins in each */
	uint32_t lent[BUFFERS]; /* in the order of their sends */
	unsigned lent_count;
	unsigned handed_over; /* of these: the kernel has tried them, or says so in what waits now */
	uint32_t offered;     /* that the kernel has, at most */
};

/* Of group 0 of the ring. What there is after an error is buffers_fini's. */
must_use enum err buffers_init(struct buffers *buffers, struct io_uring *ring);
void buffers_fini(struct buffers *buffers);
static inline unsigned char *buffers_at(const struct buffers *buffers, uint32_t number)
{
	return buffers->bytes + (size_t)number * BUFFER_BYTES;
}
static inline unsigned char *buffers_datagram(const struct buffers *buffers, uint32_t number)
{
	return buffers_at(buffers, number) + buffers->begins[number];
}
/* The kernel may fill it. */
void buffers_offer(struct buffers *buffers, uint32_t number);
static inline void buffers_lend(struct buffers *buffers, uint32_t number)
{
	buffers->lent[buffers->lent_count++] = number;
}
/* Once nothing waits to be looked at. */
void buffers_take_back(struct buffers *buffers);

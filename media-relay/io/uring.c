/* SPDX-License-Identifier: MIT
 * Each socket has one receive that never ends (multishot) and takes buffers from a common heap. What
 * makes it hard is when a buffer may be used again: sends are tried while they are handed over, and those
 * that failed are told behind all that was told before; so once everything told was looked at, buffers of
 * sends that had been handed over are free. A receive that ended, mostly for want of buffers, begins again
 * then, and not while completions are looked at, for there may be more sockets than buffers for ever.
 * Completions wait in the kernel until they are asked for (DEFER_TASKRUN), so nothing interrupts the
 * worker; an eventfd says that there are some, and is silent while they are being handled.
 * lint: owns storage because a ring lives as long as its worker. */
#include "media-relay/io/uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "media-relay/io/io_priv.h"

#define CALLS 1024u       /* receives, sends and cancels that are handed over at once */
#define COMPLETIONS 8192u /* that may wait; more do, but cost more */
#define BUFFERS 1024u     /* a power of two */
#define BUFFER_BYTES 2048u
#define DATAGRAM_BYTES (BUFFER_BYTES - IO_ROOM_BYTES)
#define SEATS_EXPECTED 64u
#define SEATS_MAX (1u << 20)
#define GENERATIONS (1u << 12)
#define ROUNDS 16u /* then it is others' turn */
#define LOOK 64u   /* completions looked at together */
#define NONE UINT32_MAX
#define LINE_BYTES 64u

enum call { CALL_RECEIVE, CALL_SEND, CALL_CANCEL };

/* What a completion is told by: 4, 12, 16, 20 and 12 bits of 64. */
struct tag {
	uint32_t call; /* enum call */
	uint32_t buffer;
	uint32_t len;
	uint32_t seat;
	uint32_t generation;
};

struct seat {
	struct io_port *port; /* NULL: free */
	uint32_t generation;  /* of who sits there, so that nobody is taken for an earlier one */
	uint32_t next, prev;  /* free (a stack) or waiting (a ring) */
	bool waits;
};

struct uring {
	struct io_uring ring;
	struct io *io;
	struct loop_io watch; /* the eventfd */
	struct io_uring_buf_ring *offers;
	unsigned char *buffers;
	uint32_t lent[BUFFERS]; /* in the order of their sends */
	unsigned lent_count;
	unsigned handed_over; /* of these */
	uint32_t current; /* whose datagram is being handled; NONE: none, or it was sent on */
	uint32_t offered;     /* buffers that the kernel has, at most */
	struct seat *seats;   /* 0 is nobody's, and where the ring of those that wait for a receive begins */
	uint32_t seat_count;
	uint32_t seat_free;
	uint64_t now_us;
};

static_assert(BUFFERS <= 1u << 12 && BUFFER_BYTES < 1u << 16, "tags hold them");

static uint64_t tag_put(struct tag tag)
{
	return tag.call | tag.buffer << 4 | (uint64_t)tag.len << 16 | (uint64_t)tag.seat << 32 |
	       (uint64_t)tag.generation << 52;
}

static struct tag tag_of(const struct io_uring_cqe *cqe)
{
	uint64_t data = io_uring_cqe_get_data64(cqe);

	return (struct tag){ .call = data & 0xf,
			     .buffer = data >> 4 & 0xfff,
			     .len = data >> 16 & 0xffff,
			     .seat = data >> 32 & 0xfffff,
			     .generation = (uint32_t)(data >> 52) };
}

static unsigned char *buffer_at(const struct uring *uring, uint32_t buffer)
{
	return uring->buffers + (size_t)buffer * BUFFER_BYTES;
}

/* ---- calls ---- */

static void handed_over(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) == 0)
		uring->handed_over = uring->lent_count;
}

void uring_flush(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) == 0)
		return;
	(void)io_uring_submit(&uring->ring);
	handed_over(uring);
}

/* … and has the kernel finish what waits there. */
static void call_all(struct uring *uring)
{
	(void)io_uring_submit_and_get_events(&uring->ring);
	handed_over(uring);
}

/* NULL: the kernel takes no more. */
static struct io_uring_sqe *call_new(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (sqe)
		return sqe;
	uring_flush(uring);
	return io_uring_get_sqe(&uring->ring);
}

static bool receive(struct uring *uring, const struct io_port *port)
{
	struct io_uring_sqe *sqe = call_new(uring);

	if (!sqe)
		return false;
	/* With the true length of what is too long for a buffer. */
	io_uring_prep_recv_multishot(sqe, port->direct.fd, NULL, 0, MSG_TRUNC);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data64(
		sqe, tag_put((struct tag){ .call = CALL_RECEIVE,
					   .seat = port->seat,
					   .generation = uring->seats[port->seat].generation }));
	return true;
}

bool uring_send(struct uring *uring, const struct io_port *port, const unsigned char *bytes,
		size_t len)
{
	struct io_uring_sqe *sqe;

	if (uring->current == NONE || port->seat == 0 || len > BUFFER_BYTES ||
	    bytes != buffer_at(uring, uring->current))
		return false;
	sqe = call_new(uring);
	if (!sqe)
		return false;
	io_uring_prep_send(sqe, port->direct.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(
		sqe, tag_put((struct tag){ .call = CALL_SEND,
					   .buffer = uring->current,
					   .len = (uint32_t)len,
					   .seat = port->seat,
					   .generation = uring->seats[port->seat].generation }));
	uring->lent[uring->lent_count++] = uring->current;
	uring->current = NONE;
	return true;
}

/* ---- buffers ---- */

static void offer(struct uring *uring, uint32_t buffer)
{
	io_uring_buf_ring_add(uring->offers, buffer_at(uring, buffer), DATAGRAM_BYTES,
			      (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(uring->offers, 1);
	uring->offered++;
}

/* Once nothing waits to be looked at. */
static void take_back(struct uring *uring)
{
	for (unsigned i = 0; i < uring->handed_over; i++)
		offer(uring, uring->lent[i]);
	uring->lent_count -= uring->handed_over;
	memmove(uring->lent, uring->lent + uring->handed_over,
		uring->lent_count * sizeof(*uring->lent));
	uring->handed_over = 0;
}

/* ---- seats ---- */

/* NULL: whom it was for has left. */
static struct io_port *port_of(const struct uring *uring, struct tag tag)
{
	const struct seat *seat = &uring->seats[tag.seat];

	return seat->generation == tag.generation ? seat->port : NULL;
}

static bool seats_grow(struct uring *uring)
{
	uint32_t count = uring->seat_count ? 2 * uring->seat_count : SEATS_EXPECTED;
	struct seat *seats = count > SEATS_MAX ? NULL :
						 realloc(uring->seats, count * sizeof(*seats));

	if (!seats)
		return false;
	memset(seats + uring->seat_count, 0, (count - uring->seat_count) * sizeof(*seats));
	for (uint32_t i = count - 1; i >= uring->seat_count && i > 0; i--) {
		seats[i].next = uring->seat_free;
		uring->seat_free = i;
	}
	uring->seats = seats;
	uring->seat_count = count;
	return true;
}

static void wait_add(struct uring *uring, uint32_t number)
{
	struct seat *seats = uring->seats, *seat = &seats[number];

	if (seat->waits)
		return;
	seat->waits = true;
	seat->prev = seats[0].prev;
	seat->next = 0;
	seats[seat->prev].next = number;
	seats[0].prev = number;
}

static void wait_remove(struct uring *uring, uint32_t number)
{
	struct seat *seats = uring->seats, *seat = &seats[number];

	if (!seat->waits)
		return;
	seat->waits = false;
	seats[seat->prev].next = seat->next;
	seats[seat->next].prev = seat->prev;
}

static void seat_give(struct uring *uring, struct io_port *port)
{
	struct seat *seat = &uring->seats[port->seat];

	wait_remove(uring, port->seat);
	seat->port = NULL;
	seat->generation = (seat->generation + 1) % GENERATIONS;
	seat->next = uring->seat_free;
	uring->seat_free = port->seat;
	port->seat = 0;
}

bool uring_join(struct uring *uring, struct io_port *port)
{
	if (uring->seat_free == 0 && !seats_grow(uring))
		return false;
	port->seat = uring->seat_free;
	uring->seat_free = uring->seats[port->seat].next;
	uring->seats[port->seat].port = port;
	if (!receive(uring, port)) {
		seat_give(uring, port);
		return false;
	}
	uring_flush(uring);
	return true;
}

void uring_leave(struct uring *uring, struct io_port *port)
{
	struct tag tag = { .call = CALL_RECEIVE,
			   .seat = port->seat,
			   .generation = uring->seats[port->seat].generation };
	struct io_uring_sqe *sqe = call_new(uring);

	if (sqe) {
		io_uring_prep_cancel64(sqe, tag_put(tag), 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		io_uring_sqe_set_data64(sqe, tag_put((struct tag){ .call = CALL_CANCEL }));
		call_all(uring); /* the ring holds the socket no longer */
	}
	seat_give(uring, port);
}

/* ---- what the kernel tells ---- */

static void deliver(struct uring *uring, struct io_port *port, uint32_t buffer, size_t len)
{
	struct io_datagram datagram = { .port = port,
					.flow = port->flow,
					.bytes = buffer_at(uring, buffer),
					.len = len,
					.source = port->peer, /* of nobody else is anything in there */
					.arrival_us = uring->now_us };

	if (len > DATAGRAM_BYTES) {
		uring->io->too_long++;
		io_port_alone(port); /* the next one of its kind gets through */
		return;
	}
	uring->io->fn(uring->io->owner, &datagram);
}

/* The receive ended. It begins again, unless this is no error of the network or of want of buffers. */
static void on_end(struct uring *uring, struct tag tag, int result)
{
	struct io_port *port = port_of(uring, tag);

	if (!port)
		return;
	if (result == -EINVAL || result == -EOPNOTSUPP)
		io_port_alone(port);
	else
		wait_add(uring, tag.seat);
}

/* As many as there are buffers for. */
static void receive_again(struct uring *uring)
{
	uint32_t number;

	for (uint32_t i = 0; i < uring->offered && (number = uring->seats[0].next) != 0; i++) {
		if (!receive(uring, uring->seats[number].port))
			return;
		wait_remove(uring, number);
	}
}

static void on_received(struct uring *uring, struct tag tag, int result, uint32_t flags)
{
	struct io_port *port = port_of(uring, tag);

	if (flags & IORING_CQE_F_BUFFER) {
		uint32_t buffer = flags >> IORING_CQE_BUFFER_SHIFT;

		uring->current = buffer;
		uring->offered--;
		if (port && result >= 0)
			deliver(uring, port, buffer, (size_t)result);
		if (uring->current != NONE)
			offer(uring, buffer);
		uring->current = NONE;
	}
	if (!(flags & IORING_CQE_F_MORE))
		on_end(uring, tag, result);
}

static void on_send_failed(struct uring *uring, struct tag tag, int result)
{
	struct io_port *port = port_of(uring, tag);

	/* Refused: said of an earlier datagram (ICMP); this one was not even tried. */
	if (!port || result != -ECONNREFUSED ||
	    !io_port_send_direct(port, buffer_at(uring, tag.buffer), tag.len))
		uring->io->send_failed++;
}

/* What the next ones will touch is asked for while this one is handled. */
static void expect(const struct uring *uring, struct io_uring_cqe *const *next, unsigned count)
{
	const struct io_port *port = count > 0 ? port_of(uring, tag_of(next[0])) : NULL;

	if (port) {
		__builtin_prefetch(buffer_at(uring, next[0]->flags >> IORING_CQE_BUFFER_SHIFT));
		if (uring->io->expect)
			uring->io->expect(port->flow);
	}
	port = count > 1 ? port_of(uring, tag_of(next[1])) : NULL;
	for (size_t at = 0; port && at < sizeof(*port); at += LINE_BYTES)
		__builtin_prefetch((const char *)port + at);
}

static void on_completion(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct tag tag = tag_of(cqe);

	if (tag.call == CALL_RECEIVE)
		on_received(uring, tag, cqe->res, cqe->flags);
	else if (tag.call == CALL_SEND)
		on_send_failed(uring, tag, cqe->res);
}

/* False: there was nothing. */
static bool look(struct uring *uring)
{
	struct io_uring_cqe *batch[LOOK];
	bool any = false;
	unsigned count;

	uring->now_us = io_now_us();
	while ((count = io_uring_peek_batch_cqe(&uring->ring, batch, LOOK)) > 0) {
		expect(uring, batch, count);
		for (unsigned i = 0; i < count; i++) {
			expect(uring, batch + i + 1, count - i - 1);
			on_completion(uring, batch[i]);
		}
		io_uring_cq_advance(&uring->ring, count);
		any = true;
	}
	take_back(uring);
	if (uring->seat_count > 0)
		receive_again(uring);
	return any;
}

static bool more_waits(struct uring *uring)
{
	return io_uring_cq_ready(&uring->ring) > 0 || io_uring_sq_ready(&uring->ring) > 0 ||
	       (__atomic_load_n(uring->ring.sq.kflags, __ATOMIC_SEQ_CST) & IORING_SQ_TASKRUN);
}

static void on_ready(struct loop *loop, void *owner, uint32_t events)
{
	struct uring *uring = owner;

	(void)loop;
	(void)events;
	(void)io_uring_cq_eventfd_toggle(&uring->ring, false);
	for (unsigned round = 0; round < ROUNDS; round++) {
		call_all(uring);
		if (!look(uring) && !more_waits(uring))
			break;
	}
	(void)io_uring_cq_eventfd_toggle(&uring->ring, true);
	__sync_synchronize(); /* first that, then the look at what the kernel says */
	if (more_waits(uring)) /* it came before anybody was told */
		(void)eventfd_write(uring->watch.fd, 1);
}

/* ---- life ---- */

static enum err ring_open(struct uring *uring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	int failed = io_uring_queue_init_params(CALLS, &uring->ring, &params);

	if (failed != 0)
		uring->ring.ring_fd = -1;
	return failed ? (enum err)failed : OK;
}

static enum err buffers_open(struct uring *uring)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int failed;

	uring->buffers = malloc((size_t)BUFFERS * BUFFER_BYTES);
	if (!uring->buffers ||
	    posix_memalign((void **)&uring->offers, page, BUFFERS * sizeof(struct io_uring_buf)) != 0)
		return ERR_NOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)uring->offers;
	failed = io_uring_register_buf_ring(&uring->ring, &reg, 0);
	if (failed != 0)
		return (enum err)failed;
	io_uring_buf_ring_init(uring->offers);
	for (uint32_t i = 0; i < BUFFERS; i++)
		offer(uring, i);
	return OK;
}

static enum err bell_open(struct uring *uring)
{
	int failed;

	uring->watch = (struct loop_io){ .fn = on_ready, .owner = uring };
	uring->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uring->watch.fd < 0)
		return err_from_errno();
	failed = io_uring_register_eventfd(&uring->ring, uring->watch.fd);
	/* It is never read: that it was rung is told by the edge. */
	return failed ? (enum err)failed :
			loop_watch(uring->io->loop, &uring->watch, EPOLLIN | EPOLLET);
}

enum err uring_create(struct io *io, struct uring **ret)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	enum err err;

	if (!uring)
		return ERR_NOMEM;
	uring->io = io;
	uring->current = NONE;
	uring->ring.ring_fd = uring->watch.fd = -1;
	err = ring_open(uring);
	if (err == OK)
		err = buffers_open(uring);
	if (err == OK)
		err = bell_open(uring);
	if (err != OK)
		uring_destroy(&uring);
	else
		*ret = uring;
	return err;
}

void uring_destroy(struct uring **uring)
{
	struct uring *it = *uring;

	if (!it)
		return;
	*uring = NULL;
	if (it->watch.events)
		loop_forget(it->io->loop, &it->watch);
	if (it->ring.ring_fd >= 0)
		io_uring_queue_exit(&it->ring);
	if (it->watch.fd >= 0)
		close(it->watch.fd);
	free(it->offers);
	free(it->buffers);
	free(it->seats);
	free(it);
}

/* SPDX-License-Identifier: MIT
 * Each socket has one receive that never ends (multishot) and takes buffers from a common heap. One that
 * ended, mostly for want of buffers, begins again when everything told was looked at, and not before, for
 * there may be more sockets than buffers for ever. Completions wait in the kernel until they are asked
 * for (DEFER_TASKRUN), so nothing interrupts the worker; an eventfd says that there are some, and is
 * silent while they are being handled.
 * lint: owns storage because a ring lives as long as its worker. */
#include "media-relay/io/uring_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define CALLS 1024u       /* receives, sends and cancels that are handed over at once */
#define COMPLETIONS 8192u /* that may wait; more do, but cost more */
#define HELD_MAX 131072u
#define FEATURE_RW_ATTR (1u << 16) /* IORING_FEAT_RW_ATTR of Linux 6.14 */
#define ROUNDS 16u /* then it is others' turn */
#define LOOK 64u   /* completions looked at together */
#define NONE UINT32_MAX
#define NAME_BYTES 32u /* room for an address; what follows is aligned */
#define ENVELOPE_BYTES (sizeof(struct io_uring_recvmsg_out) + NAME_BYTES)
#define LINE_BYTES 64u

struct uring {
	struct io_uring ring;
	struct io *io;
	struct loop_io watch; /* the eventfd */
	struct buffers buffers;
	struct seats seats;
	struct msghdr envelope; /* what comes to first sockets has: its source before it */
	uint32_t places;  /* for sockets that the ring holds itself */
	bool sends_first; /* the kernel takes an address with a send */
	uint32_t current; /* whose datagram is being handled; NONE: none, or it was sent on */
	uint64_t now_us;
};

/* ---- calls ---- */

static void handed_over(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) == 0)
		uring->buffers.handed_over = uring->buffers.lent_count;
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

bool uring_can_hold(const struct uring *uring)
{
	return uring->places > 0;
}

bool uring_holds(const struct uring *uring, const struct io_port *port)
{
	return port->seat != 0 && uring->seats.at[port->seat].held;
}

/* After it was prepared: the socket that is in the ring, or the first. */
static void set_socket(const struct uring *uring, struct io_uring_sqe *sqe,
		       const struct io_port *port)
{
	bool held = uring_holds(uring, port);

	sqe->fd = held ? (int)port->seat : port->connected ? port->direct.fd : port->watch.fd;
	sqe->flags |= held ? IOSQE_FIXED_FILE : 0;
}

static bool receive(struct uring *uring, const struct io_port *port)
{
	struct io_uring_sqe *sqe = call_new(uring);

	if (!sqe)
		return false;
	if (port->connected) /* with the true length of what is too long for a buffer */
		io_uring_prep_recv_multishot(sqe, -1, NULL, 0, MSG_TRUNC);
	else
		io_uring_prep_recvmsg_multishot(sqe, -1, &uring->envelope, 0);
	set_socket(uring, sqe, port);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data64(
		sqe, tag_put((struct tag){ .call = CALL_RECEIVE,
					   .seat = port->seat,
					   .generation = seats_generation(&uring->seats, port) }));
	return true;
}

bool uring_send(struct uring *uring, const struct io_port *port, const unsigned char *bytes,
		size_t len)
{
	struct io_uring_sqe *sqe;

	if (uring->current == NONE || !(port->connected ? port->seat != 0 : uring->sends_first) ||
	    bytes != buffers_datagram(&uring->buffers, uring->current))
		return false;
	sqe = call_new(uring);
	if (!sqe)
		return false;
	io_uring_prep_send(sqe, -1, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	set_socket(uring, sqe, port);
	if (!port->connected)
		io_uring_prep_send_set_addr(sqe, &port->peer_address.any,
					    (uint16_t)io_address_len(&port->peer_address));
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(
		sqe, tag_put((struct tag){ .call = CALL_SEND,
					   .buffer = uring->current,
					   .len = (uint32_t)len,
					   .seat = port->seat,
					   .generation = seats_generation(&uring->seats, port) }));
	buffers_lend(&uring->buffers, uring->current);
	uring->current = NONE;
	return true;
}

/* ---- ports ---- */

/* In the ring's table a socket costs no look-up for each call, and no descriptor. */
static void hold(struct uring *uring, const struct io_port *port)
{
	int fd = port->connected ? port->direct.fd : port->watch.fd;

	uring->seats.at[port->seat].held =
		port->seat < uring->places &&
		io_uring_register_files_update(&uring->ring, port->seat, &fd, 1) == 1;
}

static void let_go(struct uring *uring, const struct io_port *port)
{
	int none = -1;

	if (uring_holds(uring, port))
		(void)io_uring_register_files_update(&uring->ring, port->seat, &none, 1);
	uring->seats.at[port->seat].held = false;
}

bool uring_join(struct uring *uring, struct io_port *port)
{
	if (!seats_take(&uring->seats, port))
		return false;
	hold(uring, port);
	if (!receive(uring, port)) {
		let_go(uring, port);
		seats_give(&uring->seats, port);
		return false;
	}
	uring_flush(uring);
	return true;
}

void uring_leave(struct uring *uring, struct io_port *port)
{
	struct tag tag = { .call = CALL_RECEIVE,
			   .seat = port->seat,
			   .generation = seats_generation(&uring->seats, port) };
	struct io_uring_sqe *sqe = call_new(uring);

	if (sqe) {
		io_uring_prep_cancel64(sqe, tag_put(tag), 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		io_uring_sqe_set_data64(sqe, tag_put((struct tag){ .call = CALL_CANCEL }));
		call_all(uring); /* the ring waits at the socket no longer */
	}
	let_go(uring, port);
	seats_give(&uring->seats, port);
}

/* ---- what the kernel tells ---- */

/* Of the second socket: of nobody else than the peer is anything in there. False: too long. */
static bool deliver_second(struct uring *uring, struct io_port *port, unsigned char *bytes,
			   size_t len)
{
	struct io_datagram datagram = { .port = port,
					.flow = port->flow,
					.bytes = bytes,
					.len = len,
					.source = port->peer,
					.arrival_us = uring->now_us };

	if (len > DATAGRAM_BYTES)
		return false;
	uring->io->fn(uring->io->owner, &datagram);
	return true;
}

/* Of the first one: the source comes before it. */
static bool deliver_first(struct uring *uring, struct io_port *port, uint32_t buffer, size_t len)
{
	unsigned char *bytes = buffers_at(&uring->buffers, buffer);
	struct io_uring_recvmsg_out *out =
		io_uring_recvmsg_validate(bytes, (int)len, &uring->envelope);
	union io_address from = { .any = { .sa_family = AF_UNSPEC } };

	if (!out || out->flags & MSG_TRUNC)
		return false;
	memcpy(&from, io_uring_recvmsg_name(out),
	       out->namelen < sizeof(from) ? out->namelen : sizeof(from));
	uring->buffers.begins[buffer] = ENVELOPE_BYTES;
	io_port_tell(port, &from, bytes + ENVELOPE_BYTES, len - ENVELOPE_BYTES, uring->now_us);
	return true;
}

static void deliver(struct uring *uring, struct io_port *port, uint32_t buffer, size_t len)
{
	uring->buffers.begins[buffer] = 0;
	if (port->connected ?
		    deliver_second(uring, port, buffers_at(&uring->buffers, buffer), len) :
		    deliver_first(uring, port, buffer, len))
		return;
	uring->io->too_long++;
	io_port_alone(port); /* the next one of its kind gets through */
}

/* The receive ended. It begins again, unless this is no error of the network or of want of buffers. */
static void on_end(struct uring *uring, struct tag tag, int result)
{
	struct io_port *port = seats_port(&uring->seats, tag);

	if (!port)
		return;
	if (result == -EINVAL || result == -EOPNOTSUPP)
		io_port_alone(port);
	else
		seats_wait(&uring->seats, tag.seat);
}

/* As many as there are buffers for. */
static void receive_again(struct uring *uring)
{
	uint32_t number;

	for (uint32_t i = 0;
	     i < uring->buffers.offered && (number = seats_waiting(&uring->seats)) != 0; i++) {
		if (!receive(uring, uring->seats.at[number].port))
			return;
		seats_wait_over(&uring->seats, number);
	}
}

static void on_received(struct uring *uring, struct tag tag, int result, uint32_t flags)
{
	struct io_port *port = seats_port(&uring->seats, tag);

	if (flags & IORING_CQE_F_BUFFER) {
		uint32_t buffer = flags >> IORING_CQE_BUFFER_SHIFT;

		uring->current = buffer;
		uring->buffers.offered--;
		if (port && result >= 0)
			deliver(uring, port, buffer, (size_t)result);
		if (uring->current != NONE)
			buffers_offer(&uring->buffers, buffer);
		uring->current = NONE;
	} else if (port && result == 0) { /* an empty one, without a buffer and the last of this receive */
		(void)deliver_second(uring, port, uring->io->buffer, 0);
	}
	if (!(flags & IORING_CQE_F_MORE))
		on_end(uring, tag, result);
}

static void on_send_failed(struct uring *uring, struct tag tag, int result)
{
	struct io_port *port = seats_port(&uring->seats, tag);
	bool untried = result == -ECONNREFUSED; /* said of an earlier datagram (ICMP) */

	if (port && !port->connected && result == -EINVAL) { /* Linux before 6.1 */
		uring->sends_first = false;
		untried = true;
	}
	if (!port || !untried ||
	    !io_port_send_peer(port, buffers_datagram(&uring->buffers, tag.buffer), tag.len))
		uring->io->send_failed++;
}

/* What the next ones will touch is asked for while this one is handled. */
static void expect(const struct uring *uring, struct io_uring_cqe *const *next, unsigned count)
{
	const struct io_port *port = count > 0 ? seats_port(&uring->seats, tag_of(next[0])) : NULL;

	if (port) {
		__builtin_prefetch(buffers_at(&uring->buffers,
					      next[0]->flags >> IORING_CQE_BUFFER_SHIFT));
		if (uring->io->expect)
			uring->io->expect(port->flow);
	}
	port = count > 1 ? seats_port(&uring->seats, tag_of(next[1])) : NULL;
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
	buffers_take_back(&uring->buffers);
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

/* Before that kernel a file that was taken out lived on until every call of before had ended, and a receive
 * never does. */
static void places_open(struct uring *uring)
{
	struct rlimit files;
	uint32_t count;

	if (!(uring->ring.features & FEATURE_RW_ATTR) || getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	count = files.rlim_cur > HELD_MAX ? HELD_MAX : (uint32_t)files.rlim_cur;
	if (io_uring_register_files_sparse(&uring->ring, count) == 0)
		uring->places = count;
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

enum err uring_create(struct io *io, bool holds, struct uring **ret)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	enum err err;

	if (!uring)
		return ERR_NOMEM;
	uring->io = io;
	uring->current = NONE;
	uring->envelope.msg_namelen = NAME_BYTES;
	uring->sends_first = true;
	uring->ring.ring_fd = uring->watch.fd = -1;
	err = ring_open(uring);
	if (err == OK)
		err = buffers_init(&uring->buffers, &uring->ring);
	if (err == OK)
		err = bell_open(uring);
	if (err == OK && holds)
		places_open(uring);
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
	buffers_fini(&it->buffers);
	seats_fini(&it->seats);
	free(it);
}

/* SPDX-License-Identifier: MIT
 * Sockets by io_uring (Linux 6.1): what came to hundreds of them is received with one system call, and
 * what leaves in answer is sent with another. Where a system call is dear (a virtual machine, a processor
 * with many mitigations) that is half of what a packet costs over sockets.
 *
 * A datagram lies in one of the ring's buffers. When its receiver sends it on from there
 * (uring_send), the buffer is lent until the kernel has taken it.
 *
 * Everything happens in one thread, that of uring_create. */
#pragma once

#include "media-relay/io/io.h"

struct uring;

/* On io's loop. holds: it may hold sockets itself, where the kernel is good at it (Linux 6.14).
 * ERR_UNSUPPORTED, -EPERM, -ENOSYS …: this kernel has none, or not for us. */
must_use enum err uring_create(struct io *io, bool holds, struct uring **ret);
void uring_destroy(struct uring **uring);

/* From now on what comes to the port's second socket comes by the ring, and nothing from before its
 * connection waits in it; or, as long as there is no second one, what comes to the first. Sets port->seat.
 * False: no room, the socket is the caller's as before. */
bool uring_join(struct uring *uring, struct io_port *port);
/* The ring holds that socket itself: its descriptor may be closed. */
bool uring_holds(const struct uring *uring, const struct io_port *port);
/* … and would do so for one that joins. */
bool uring_can_hold(const struct uring *uring);
/* Before that socket is closed. Clears port->seat; what was received by then is lost. */
void uring_leave(struct uring *uring, struct io_port *port);

/* The datagram that is being handled, where it lies, to port->peer with the next call. It is not to be
 * changed any more. False: it is none of that kind, send it otherwise. */
bool uring_send(struct uring *uring, const struct io_port *port, const unsigned char *bytes,
		size_t len);
/* What was given to uring_send before leaves before what is sent otherwise now. */
void uring_flush(struct uring *uring);

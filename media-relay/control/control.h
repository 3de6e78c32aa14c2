/* SPDX-License-Identifier: MIT
 * The relay seen from its control socket: who asked for which session, on which worker it is, and
 * what becomes of it when its owner goes away. An owner is a program on a node (and its worker), not
 * a connection: whoever comes back under the same name finds its sessions again. */
#pragma once

#include "lib/ctl/peer.h"
#include "lib/stats/stats.h"

struct control;
struct memory;
struct fastpath;

struct control_options {
	struct loop *loop;
	struct log *log;
	struct stats *stats;
	const char *path; /* of the socket */
	struct slice node;
	unsigned workers;
	uint32_t capacity;      /* sessions */
	uint32_t certificate_s; /* after so long the relay shows another one */
	uint32_t idle_open_max; /* port pairs of a realm and worker kept open without use */
	struct memory *memory;  /* what outlives the relay; NULL: nothing does */
	bool io_uring; /* sockets may be asked by it */
	struct fastpath *fastpath; /* NULL: there is no way through the kernel */
};

/* The operator asks that no new session is made; asked again, that they are. Once the last one has
 * ended the loop stops. */
void control_drain(struct control *control);

must_use enum err control_create(const struct control_options *options, struct control **ret);
/* Ends the workers too. */
void control_destroy(struct control **control);

/* SPDX-License-Identifier: MIT
 * What server.c and client.c share: a hub owns the buffers and the end-of-turn work of its peers.
 * A peer that is closed inside a handler is only marked; the hub reaps it at the end of the turn. */
#pragma once

#include <sys/un.h>

#include "lib/ctl/peer.h"

#define CTL_BATCH 16u
#define CTL_QUEUE_MAX_BYTES (4u << 20)
#define CTL_HELLO_TEXT_BYTES 128u

enum peer_state {
	PEER_HELLO,   /* waits for the other side's hello */
	PEER_UP,
	PEER_CLOSING, /* reaped at the end of the turn */
	PEER_CLOSED,
};

/* Packets in a row, each behind its u32 length; sent from the front. */
struct outbox {
	struct arena arena;
	char *bytes;
	size_t cap;
	size_t at; /* first byte that is not sent yet */
	size_t len;
};

struct ctl_hub {
	struct loop *loop;
	struct log *log;
	const struct ctl_hello *hello;
	const struct ctl_handlers *handlers;
	void *owner;
	bool server;
	struct arena_cache cache;
	struct arena arena; /* of the message being handled */
	char *inbox;        /* CTL_BATCH buffers */
	struct list peers;
	struct list touched; /* peers with something to send or to be reaped */
	struct loop_hook hook;
	/* Runs only when a send came after this hub's hook of a turn: it makes the next turn come. */
	struct loop_timer again;
	uint64_t malformed;
	void (*reaped)(struct ctl_peer *peer); /* its socket is closed and `down` was called */
};

struct ctl_peer {
	struct list link;
	struct list touched_link;
	struct ctl_hub *hub;
	struct loop_io io;
	enum peer_state state;
	bool was_up;
	struct outbox outbox;
	struct ctl_hello hello; /* theirs; its texts are below */
	char program[CTL_HELLO_TEXT_BYTES];
	char node[CTL_HELLO_TEXT_BYTES];
	void *data;
};

/* hub: zeroed but for loop … server and reaped. */
must_use enum err ctl_hub_start(struct ctl_hub *hub);
/* Sends what still goes, closes every peer without `down`, frees the buffers. */
void ctl_hub_stop(struct ctl_hub *hub);

/* Takes over a connected, non-blocking socket. peer: zeroed, kept by the caller until reaped. */
must_use enum err ctl_peer_start(struct ctl_peer *peer, struct ctl_hub *hub, int fd);
/* Says our hello. */
void ctl_peer_greet(struct ctl_peer *peer);

/* ERR_LIMIT: the path does not fit. */
must_use enum err ctl_unix_address(const char *path, struct sockaddr_un *ret);

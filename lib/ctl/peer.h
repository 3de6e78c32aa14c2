/* SPDX-License-Identifier: MIT
 * Control connections on a loop: a server on a Unix SOCK_SEQPACKET path (mode 0600, peers of our own
 * uid or root only), and a client that connects again by itself. Both answer the hello themselves.
 * What one wake-up sends leaves at its end. A peer that is out of contract is closed and counted. */
#pragma once

#include "lib/ctl/ctl.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"

struct ctl_peer;   /* one connection */
struct ctl_server;
struct ctl_client;

struct ctl_handlers {
	/* The peer said a valid hello (server side: peer is ready; client side: the server answered). */
	void (*up)(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello);
	/* A message; it and its lists live until the handler returns. */
	void (*message)(void *owner, struct ctl_peer *peer, const struct ctl_message *message);
	/* The connection is gone; the peer must not be used any more. Only after up. */
	void (*down)(void *owner, struct ctl_peer *peer);
};

/* A stale socket file is replaced; a live server at the path is ERR_EXISTS. hello: what we say of
 * ourselves; its slices must outlive the server, and the caller may change config_version. */
must_use enum err ctl_server_create(struct loop *loop, struct log *log, const char *path,
				    const struct ctl_hello *hello,
				    const struct ctl_handlers *handlers, void *owner,
				    struct ctl_server **ret);
/* What still goes is sent; no handler runs any more, `down` neither. The same for the client's. */
void ctl_server_destroy(struct ctl_server **server);
/* Peers that were closed for what they sent. */
uint64_t ctl_server_malformed(const struct ctl_server *server);

/* Connects now and, after a loss, every 10 ms growing to 100 ms. */
must_use enum err ctl_client_create(struct loop *loop, struct log *log, const char *path,
				    const struct ctl_hello *hello,
				    const struct ctl_handlers *handlers, void *owner,
				    struct ctl_client **ret);
void ctl_client_destroy(struct ctl_client **client);
/* NULL while not connected or before the hello. */
struct ctl_peer *ctl_client_peer(struct ctl_client *client);

/* Sends; what the socket does not take now is queued up to 4 MiB, beyond that the peer is closed.
 * message->request is the caller's to choose (0: push). ERR_LIMIT: does not encode; ERR_CLOSED. */
must_use enum err ctl_send(struct ctl_peer *peer, const struct ctl_message *message);
/* Shorthand: an answer of type failure. */
void ctl_fail(struct ctl_peer *peer, uint32_t request, enum err err, struct slice pointer,
	      struct slice value, struct slice detail);
void ctl_done(struct ctl_peer *peer, uint32_t request);

/* Closes after the present handler; `down` follows. */
void ctl_peer_close(struct ctl_peer *peer);
/* The same for a peer whose message decodes, but which no right program would send: it is counted
 * and logged as malformed. */
void ctl_peer_refuse(struct ctl_peer *peer, enum err err);

/* The caller's own pointer on a connection. */
void ctl_peer_set_data(struct ctl_peer *peer, void *data);
void *ctl_peer_data(const struct ctl_peer *peer);
const struct ctl_hello *ctl_peer_hello(const struct ctl_peer *peer);

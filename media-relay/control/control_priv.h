/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "lib/base/map.h"
#include "lib/base/pool.h"
#include "media-relay/control/control.h"
#include "media-relay/session/session.h"
#include "media-relay/worker/worker.h"

#define OWNER_TEXT_BYTES 128u
#define MISSING_MAX 8000u /* session_refs in one message */
#define QUERY_MAX 64u
#define WORKERS_MAX 64u

/* An owner of sessions; lives while it is connected or has sessions. */
struct owner {
	struct list link;
	uint32_t number;
	char program[OWNER_TEXT_BYTES];
	char node[OWNER_TEXT_BYTES];
	struct slice program_name;
	struct slice node_name;
	uint32_t worker;
	struct connection *connection; /* NULL: away */
	struct list entries;
	uint32_t entry_count;
	uint64_t round; /* of the last session_sync */
	bool syncing;
	struct arena sync_arena;
	struct ctl_session_ref *missing; /* in sync_arena */
	uint32_t missing_count;
	struct handle handle;
};

/* What a peer's data points at. */
struct connection {
	struct ctl_peer *peer;
	struct owner *owner; /* NULL: a newer connection took its place */
	struct handle handle;
};

/* A session as control knows it. */
struct entry {
	struct map_node node;
	struct list link;
	struct handle handle;
	struct owner *owner;
	uint64_t session;
	unsigned worker;
	uint32_t pending; /* session_sets under way */
	bool live;        /* a worker said so */
	uint64_t round;   /* the session_sync that last named it */
};

/* A request that waits for its worker, or for several. */
struct request {
	struct handle handle;
	struct handle connection;
	struct handle entry;
	uint32_t id; /* the peer's */
	enum ctl_type type;
	unsigned outstanding;
	bool gathers; /* several answers become one */
	enum err err; /* the first failure among several */
	struct arena arena;
	struct ctl_session_stats *found;
	uint32_t found_count;
	uint32_t found_max;
};

struct control {
	struct control_options options;
	struct ctl_hello hello;
	struct ctl_server *server;
	struct loop_hook hook;
	struct worker *workers[WORKERS_MAX];
	uint32_t load[WORKERS_MAX]; /* sessions on each */
	struct arena_cache cache;
	struct pool owner_pool;
	struct pool connection_pool;
	struct pool entry_pool;
	struct pool request_pool;
	struct list owners;
	struct dtls_identity *identity; /* the workers' first */
	struct dtls_identity *today;    /* NULL: that one still */
	struct loop_timer tomorrow;
	uint32_t owner_last;
	struct map entries;
	bool draining; /* no new sessions; those that a former relay had still come back */
	stats_id draining_id;
	stats_id malformed;
};

/* ---- owners.c ---- */
struct owner *owner_of_hello(struct control *control, const struct ctl_hello *hello);
struct owner *owner_find(struct control *control, uint32_t number);
/* Forgets an owner that neither is connected nor has sessions. */
void owner_release(struct control *control, struct owner *owner);
void owner_away(struct control *control, struct owner *owner);
void owner_sync(struct control *control, struct owner *owner, uint32_t request,
		const struct ctl_session_sync *sync);

struct entry *entry_find(struct control *control, const struct owner *owner, uint64_t session);
struct entry *entry_create(struct control *control, struct owner *owner, uint64_t session,
			   unsigned worker);
void entry_destroy(struct control *control, struct entry *entry);

/* ---- requests.c ---- */
void request_digit_send(struct control *control, struct connection *connection,
			const struct ctl_message *message);
void request_session_record(struct control *control, struct connection *connection,
			    const struct ctl_message *message);
/* To every worker, whose answers become one. connection: NULL: nobody is answered. */
void request_to_all(struct control *control, struct connection *connection,
		    const struct ctl_message *message);
void request_session_set(struct control *control, struct connection *connection,
			 const struct ctl_message *message);
void request_session_close(struct control *control, struct connection *connection,
			   const struct ctl_message *message);
void request_session_query(struct control *control, struct connection *connection,
			   const struct ctl_message *message);
void request_answered(struct control *control, const struct worker_reply *reply);

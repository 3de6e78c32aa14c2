/* SPDX-License-Identifier: MIT
 * What the files of this room share. A worker's members are touched by its thread only; the mailbox
 * is the one door between threads. */
#pragma once

#include <pthread.h>

#include "lib/base/map.h"
#include "lib/base/pool.h"
#include "lib/ctl/peer.h"
#include "lib/stats/stats.h"
#include "sbc/call/call.h"
#include "sbc/core/asked.h"
#include "sbc/core/core.h"
#include "sbc/core/dispatch.h"
#include "sbc/core/mailbox.h"
#include "sbc/edge/edge.h"
#include "sbc/journal/journal.h"
#include "sbc/policy/policy.h"
#include "sbc/resolve/resolve.h"
#include "sbc/settings/settings.h"
#include "sbc/txn/txn.h"

#define TURN_FIRST_BYTES (64u * 1024)
#define TURN_QUOTA_BYTES (1024u * 1024)
#define TXN_TIMER_KIND 0u
#define CALL_TIMER_KIND 1u
#define CORE_MAX_WORKERS 64u
#define CORE_MAX_LISTENERS CONF_LISTENERS_MAX
#define CORE_MAX_PEERS 16u
/* What the listeners can send on. */
#define CORE_TRANSPORTS (RESOLVE_BIT(SIP_UDP) | RESOLVE_BIT(SIP_TCP))

struct core;

/* A question to the relay, or a push that needs no answer. */
struct pending {
	struct map_node node;
	struct handle self;
	uint32_t request;
	struct handle owner;
	uint32_t purpose;
};

/* A certificate of the relay's with its key, in DER: it is told them again when it was started anew. */
#define LINK_IDENTITIES 4u
struct link_identity {
	uint16_t certificate_bytes; /* 0: none */
	uint16_t key_bytes;
	char certificate[768];
	char key[256];
};

struct link { /* to the relay, one for each worker */
	struct ctl_client *client;
	struct ctl_hello hello;
	struct media_relay can; /* what it said that it can do */
	struct link_identity identities[LINK_IDENTITIES];
	unsigned identity_next; /* in the place of the oldest */
	struct pool pendings;
	struct map by_request;
	uint32_t next_request;
	bool up;
};

/* figures.c: series that a worker writes */
#define FIGURES_SETUP_BOUNDS 11u
#define FIGURES_EDGE 64u
extern const double figures_setup_bounds[FIGURES_SETUP_BOUNDS];
struct figures {
	stats_id requests[SIP_METHOD_COUNT];
	stats_id responses[7]; /* by class */
	stats_id rejected[8];  /* enum reject_reason */
	stats_id calls_live;
	stats_id transactions;
	stats_id relay_up;
	stats_id connections;
	stats_id malformed;
	stats_id leaks_blocked;
	stats_id one_way;
	stats_id digits[CALL_DIGIT_WAYS];
	stats_id media_timeouts;
	stats_id retransmissions;
	stats_id timeouts;
	stats_id cdrs_written;
	stats_id cdrs_lost;
	stats_id slow_turns;
	stats_id memory;
	stats_id edge[FIGURES_EDGE];
};

struct worker {
	struct core *core;
	uint32_t index;
	struct loop own_loop;
	struct loop *loop; /* own_loop, or the main thread's for worker 0 */
	pthread_t thread;
	bool threaded;
	struct mailbox mailbox;
	struct arena_cache own_cache;
	struct arena_cache *cache;
	struct arena arena; /* the turn's */
	struct effects effects;
	bool in_turn;
	struct wheel wheel; /* transactions and calls */
	struct rand rand;
	struct txn_table *txns;
	struct calls *calls;
	struct policy *policy;
	struct edge *edge;
	struct settings *settings;
	struct journal *journal;
	struct resolver *resolver;
	struct link link;
	struct stats_row *row;
	struct map trunks;      /* figures by trunk */
	struct {
		const char *name; /* a literal */
		stats_id series;
	} results[16]; /* figures by result */
	struct loop_timer tick; /* figures, each second */
};

struct core {
	struct core_config config;
	struct arena arena; /* texts that live as long as the core */
	struct hash_key worker_key;
	struct worker *workers;
	uint32_t worker_count;
	struct stats *stats;
	struct figures figures;
	struct health *health; /* of gateways; shared by the workers */
	struct prober *prober; /* worker 0's */
	struct asked *asked;   /* addresses behind the gateways' names; shared by the workers */
	struct ctl_server *server;
	struct ctl_hello hello;
	uint64_t instance;
	uint64_t config_version;
	bool draining;
	struct {
		struct ctl_peer *peer;
		uint64_t serial;
	} peers[CORE_MAX_PEERS];
	uint64_t peer_serial;
};

/* ---- turn.c ---- */
struct turn turn_begin(struct worker *worker);
struct turn turn_now(struct worker *worker); /* of the turn that is under way */
/* Executes what the rooms want, frees what ended, resets the arena. */
void turn_end(struct worker *worker);
enum edge_filter turn_filter(void *owner, const struct flow *flow);
/* A message of a flow that knows its worker, maybe another one. */
void turn_take(struct worker *worker, const struct flow *flow, struct slice bytes);
void turn_on_message(void *owner, const struct flow *flow, struct slice bytes);
void turn_on_malformed(void *owner, const struct flow *flow, struct slice head, uint16_t status,
		       const char *why);
void turn_on_failed(void *owner, const struct flow *flow, struct handle txn, enum err err);
void turn_on_timers(struct loop *loop, void *owner);

/* ---- worker.c ---- */
must_use enum err worker_init(struct core *core, uint32_t index);
void worker_fini(struct worker *worker);
must_use enum err worker_start(struct worker *worker);
void worker_stop(struct worker *worker);
/* Opens the listeners of these settings and runs on them. On failure the old ones stay.
 * *ret_failed: index over all realms' listeners, in order. */
void worker_post(struct worker *to, struct letter *letter);
/* A message that belongs to another worker. */
void worker_hand_over(struct worker *to, const struct flow *flow, struct slice bytes);
/* Sends over this worker's sockets, or over a connection that another worker owns. */
void worker_send(struct worker *worker, const struct flow *flow, struct slice bytes,
		 struct handle txn);
must_use enum err worker_apply(struct worker *worker, struct settings *settings,
			       size_t *ret_failed);

/* ---- names.c: the resolver ---- */
must_use enum err names_init(struct worker *worker);
/* Resolves a gateway's name; the answer goes to the call. */
void worker_resolve(struct worker *worker, const struct effect *effect);
/* What a name resolved to, and will be let in from. */
struct call_destination worker_destination(struct worker *worker,
					   const struct resolve_target *target);

/* ---- probe.c, prober.c: the gateways' health ---- */
struct prober;
must_use enum err prober_create(struct worker *worker, struct prober **ret);
/* After the worker's transactions: what is under way is not told. */
void prober_destroy(struct prober **prober);
/* A new snapshot is in force in worker 0. */
void prober_apply(struct prober *prober, const struct settings *settings);
/* Hands of dispatch.h: the end of a probe; in any worker, what a call saw. */
void probe_on_txn(void *worker, const struct turn *turn, const struct effect *effect);
void prober_on_evidence(void *worker, const struct turn *turn, const struct effect *effect);

/* ---- link.c: the relay ---- */
must_use enum err link_init(struct worker *worker);
void link_fini(struct worker *worker);
void link_send(struct worker *worker, struct handle owner, uint32_t purpose,
	       struct ctl_message *message);
void link_send_realms(struct worker *worker);

/* ---- control.c: the operator's side ---- */
must_use enum err control_init(struct core *core);
void control_fini(struct core *core);

/* ---- snapshot.c ---- */
/* The stored snapshot, or the file's provisioning when there is none. */
must_use enum err snapshot_load_first(struct core *core, struct conf_provisioning *ret,
				      uint64_t *ret_version);

/* ---- figures.c ---- */
void figures_init(struct core *core);
void figures_tick(struct loop *loop, void *owner);
void figures_record(struct worker *worker, const struct ctl_call_info *info);
void figures_forget_trunks(struct worker *worker);
void figures_reject(struct worker *worker, enum reject_reason reason);

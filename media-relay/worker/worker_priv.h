/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include <pthread.h>

#include "media-relay/io/io.h"
#include "media-relay/session/session.h"
#include "media-relay/worker/memory.h"
#include "media-relay/worker/ports.h"
#include "media-relay/worker/recorder.h"
#include "media-relay/worker/ring.h"
#include "media-relay/worker/ways.h"
#include "media-relay/worker/worker.h"

#define REALM_NAME_BYTES 64u
#define ADDRESS_MAX 256u
#define ADDRESS_SLOTS 512u /* those in force, and old ones that sessions still use */

/* One media address of a realm, with its own range of ports. */
struct address {
	bool named; /* in force; false with a pool: it ends with its last session */
	char name[REALM_NAME_BYTES]; /* the realm's */
	size_t name_len;
	struct ip_addr shown;
	uint16_t port_min;
	uint16_t port_max;
	struct port_pool pool;
	uint64_t unusable_until_ms; /* it could not be bound: the last to be tried before that */
	bool unusable; /* as told in the log and the figures */
	stats_id realm_used_id;
	stats_id used_id;
	stats_id unusable_id;
};

struct worker_stats {
	struct stats_row *row;
	stats_id sessions;
	stats_id packets_in;
	stats_id packets_out;
	stats_id bytes_in;
	stats_id bytes_out;
	stats_id dropped[PACKET_VERDICTS];
	stats_id checks[ICE_VERDICTS];
	stats_id hellos_asked;
	stats_id hellos_held;
	stats_id handshakes[2][SESSION_HANDSHAKE_RESULTS];
	stats_id associations;
	stats_id reports;
	stats_id stray;
	stats_id send_failed;
	stats_id too_long;
	stats_id port_failures;
	stats_id recordings;
	stats_id recorded;
	stats_id unrecorded;
	stats_id recordings_failed;
};

struct worker {
	struct worker_options options;
	struct loop *loop; /* its own, or control's */
	bool threaded;
	struct loop own_loop;
	pthread_t thread;
	struct ring commands;
	struct ring replies;
	bool posted;  /* control's side: wake the thread at the end of the turn */
	bool replied; /* the thread's side: wake control at the end of the turn */
	struct loop_hook hook;
	struct io io;
	struct sessions sessions;
	struct ways ways;
	struct address addresses[ADDRESS_SLOTS];
	uint32_t address_end; /* above the last slot that was ever used */
	struct arena_cache cache;
	struct arena arena; /* of one command */
	struct arena_cache collect_cache; /* control's side, of one reply */
	struct arena collect_arena;
	struct worker_stats stats;
	struct recorder *recorder; /* NULL: nothing was ever recorded */
	uint32_t recording_count;
	struct memory_share memory;
	struct loop_timer memory_timer;
	bool memory_ticks; /* the timer runs: there are sessions */
	uint32_t memory_cursor;
	uint64_t memory_begin_ms;
	uint64_t exhausted_logged_ms;
};

/* ---- execute.c ---- */

/* Carries out a message; the answer lives in worker->arena. */
void worker_execute(struct worker *worker, uint32_t owner, const struct ctl_message *message,
		    struct ctl_message *ret_answer);
struct way *worker_way_of(const struct flow *rtp);
/* What its packets are marked with on the way out. */
uint8_t worker_flow_dscp(const struct worker *worker, const struct flow *flow);
void worker_fail(struct ctl_message *answer, enum err err, const char *detail);
void worker_lease(struct worker *worker, const struct worker_command *command);
/* Something about a stream changed: which way may its packets go now? */
void worker_review(struct worker *worker, const struct stream *stream);
/* Gives the ports back and ends it. */
void worker_end_session(struct worker *worker, struct session *session);

/* ---- realms.c ---- */
void worker_realm_set(struct worker *worker, const struct ctl_realm_set *set,
		      struct ctl_message *ret_answer);
/* After a pair was taken or given back: the gauges, and the end of an old address. */
void worker_address_touch(struct worker *worker, uint32_t number);
void worker_realms_fini(struct worker *worker);

/* ---- choose.c ---- */

/* Where a port pair is wanted. */
struct wish {
	struct slice realm;
	struct ip_addr local; /* as stream_set has it */
	uint16_t port;        /* 0: any */
	uint32_t beside;      /* number of the address to be tried first; ADDRESS_SLOTS: none */
};

bool worker_address_fits(const struct address *address, const struct ip_addr *local);
/* Takes a pair at the least used address of the realm that fits. One that has no port left, or cannot
 * be bound, is passed over. ERR_NOENT: the realm is not there, ERR_UNSUPPORTED: it has no such address;
 * else as port_pool_take, of the last one tried. */
must_use enum err worker_take_pair(struct worker *worker, const struct wish *wish,
				   uint32_t *ret_address, struct port_pair **ret);

/* ---- record.c ---- */
void worker_execute_record(struct worker *worker, uint32_t owner,
			   const struct ctl_session_record *told, struct ctl_message *answer);
/* The session ends. */
void worker_record_stop(struct worker *worker, struct session *session);
/* Around session_packet, for a side that is recorded: room for the packet, or NULL; what became of
 * it. */
unsigned char *worker_record_before(struct worker *worker, struct packet *packet);
void worker_record_after(struct worker *worker, const struct packet *packet,
			 enum packet_verdict verdict, const unsigned char *room);
void worker_record_stats(const struct session *session, struct ctl_session_stats *ret);

/* ---- remember.c ---- */
must_use enum err worker_memory_init(struct worker *worker);
/* Remembers all sides once more. */
void worker_memory_fini(struct worker *worker);
/* There is a session: it is remembered from now on. */
void worker_memory_tick(struct worker *worker);
void worker_remember(struct worker *worker, struct side *side);
/* The side has no ports any more. */
void worker_forget(struct worker *worker, struct side *side);
/* A side that is told gets this port again: the slot with what a former relay knew of it, or 0. Where
 * SRTP went on to is put beside the told keys. Then, after all that was told is in force, the rest. */
uint32_t worker_take_left(struct worker *worker, const struct session *session,
			  const struct ctl_stream_set *told, const struct endpoint *local);
void worker_recall(struct worker *worker, struct side *side, uint32_t slot);

/* ---- packets.c ---- */
void worker_on_datagram(void *owner, const struct io_datagram *datagram);
/* fast_packet_fn */
void worker_on_ring(void *owner, struct fast_packet *ring);
/* session_send_fn */
void worker_send(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		 size_t len);
/* session_take_fn */
void worker_take(void *owner, struct flow *flow);
void worker_on_timers(struct loop *loop, void *owner);
void worker_stats_init(struct worker *worker);
/* What others count, at the end of a turn. */
void worker_stats_copy(struct worker *worker);

/* ---- worker.c ---- */
void worker_reply(struct worker *worker, const struct worker_reply *reply);
/* False: replies wait for control; do nothing that needs one now. */
bool worker_may_reply(const struct worker *worker);

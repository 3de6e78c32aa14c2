/* SPDX-License-Identifier: MIT
 * What the files of this room share: DNS answers as records, the cache of them, and the plan that
 * makes a list of targets out of the cache alone. A plan that misses something has the query sent and
 * is run again, from its beginning, when the answer came: so there is no half-done state to keep. */
#pragma once

#include <ares.h>

#include "lib/base/map.h"
#include "lib/base/pool.h"
#include "sbc/resolve/resolve.h"

#define DNS_NAME_MAX 255u
#define DNS_RECORDS_MAX 64u

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

/* The one that was asked for says which member counts. Names are in lower case, without the last
 * dot; the root is empty. */
struct dns_record {
	struct ip_addr ip;
	uint16_t priority;   /* of NAPTR: order */
	uint16_t weight;     /* of NAPTR: preference */
	uint16_t port;
	struct slice target; /* of NAPTR: replacement */
	struct slice service;
	struct slice flags;
};

struct dns_answer {
	struct dns_record *records;
	size_t count;   /* 0: there are none of this type */
	uint32_t ttl_s; /* without records: of that fact (RFC 2308) */
};

/* A response to a query for `type`. ERR_SYNTAX, ERR_NOMEM; ERR_REFUSED: the server failed (an rcode
 * other than 0 and NXDOMAIN). Records that are broken in themselves are left out. */
must_use enum err dns_parse(struct arena *arena, struct slice bytes, enum dns_type type,
			    struct dns_answer *ret);

/* The order of RFC 2782 for the records of an SRV answer; the same seed gives the same. count: at
 * most DNS_RECORDS_MAX. */
void srv_order(const struct dns_record *records, size_t count, uint64_t seed, uint8_t *ret_order);

struct entry {
	struct map_node node;
	struct list lru;
	struct list waiters; /* jobs */
	struct handle self;
	struct resolver *resolver;
	struct arena arena;
	struct dns_answer answer;
	char name[DNS_NAME_MAX + 1];
	enum dns_type type;
	bool known;          /* answer holds something, however old */
	bool pending;
	uint64_t asked_ms;
	uint64_t ttl_ms;
	uint64_t answered_ms;
	uint64_t expires_ms;
	enum err failure;    /* of the last query; OK: it was answered */
	uint64_t failed_ms;
	uint64_t retry_ms;   /* no new query before */
};

struct job {
	struct list link; /* in an entry's waiters, or ready */
	struct handle self;
	struct resolver *resolver;
	struct resolve_query query;
	char host[DNS_NAME_MAX + 1];
	resolve_fn *fn;
	void *owner;
	uint64_t token;
	uint64_t seed;
	uint64_t started_ms;
	struct loop_timer timer;
	bool impatient;   /* takes expired answers */
	bool out_of_time; /* takes none for an answer */
};

struct dns_socket {
	struct resolver *resolver;
	struct loop_io io;
	bool used;
};

#define SOCKETS_MAX 32

struct resolver {
	struct resolve_config config;
	ares_channel channel;
	bool closing;
	struct dns_socket sockets[SOCKETS_MAX];
	struct loop_timer ares_timer;
	struct arena_cache cache;
	struct pool entries;
	struct pool jobs;
	struct map map;
	struct hash_key hash_key;
	struct list lru; /* oldest first */
	struct list ready;
	struct resolve_counters counters;
};

/* ares.c */
must_use enum err channel_create(struct resolver *resolver);
void channel_destroy(struct resolver *resolver);
/* entry->pending is set; entry_answered or entry_failed may come before this returns. */
void channel_query(struct resolver *resolver, struct entry *entry);

/* cache.c */
enum lookup { LOOKUP_FOUND, LOOKUP_NONE, LOOKUP_FAILED, LOOKUP_WAIT };
/* name: in lower case, at most DNS_NAME_MAX. *ret_entry: valid until the next turn of the loop, or as
 * long as somebody waits for it; NULL with LOOKUP_FAILED when the cache is full. */
enum lookup cache_lookup(struct resolver *resolver, const struct job *job, struct slice name,
			 enum dns_type type, struct entry **ret_entry, bool *ret_stale);
void entry_answered(struct entry *entry, struct slice bytes);
/* From /etc/hosts; count 0: there are none of this type. */
void entry_known_address(struct entry *entry, const struct ip_addr *ips, size_t count);
void entry_failed(struct entry *entry, enum err err);
void cache_clear(struct resolver *resolver);

/* plan.c. ERR_AGAIN: *ret_wait is what is missing. */
enum err plan_run(struct resolver *resolver, const struct job *job, struct resolve_answer *ret,
		  struct entry **ret_wait);

/* resolve.c: runs the jobs that have become ready. */
void resolver_progress(struct resolver *resolver);

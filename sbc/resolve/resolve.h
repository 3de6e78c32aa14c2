/* SPDX-License-Identifier: MIT
 * Where a SIP server is: RFC 3263 (NAPTR, SRV with RFC 2782's weights, A and AAAA), without ever
 * blocking. Answers are cached for their TTL; the same question is asked once however many wait for
 * it; when name servers fail or are slow, expired answers are better than none. Lists are made anew
 * for each resolution, so that weights and addresses share the load, and nobody's failure to reach
 * a target is remembered here. One loop's thread owns a resolver. */
#pragma once

#include "lib/base/rand.h"
#include "lib/loop/loop.h"
#include "sbc/sip/sip.h"

struct resolver;

#define RESOLVE_TARGETS_MAX 16

struct resolve_config {
	struct loop *loop;
	struct rand *rand;
	const char *servers;  /* "127.0.0.53:53,[::1]:5353"; NULL: the system's */
	uint32_t budget_ms;   /* for a whole resolution; 0: 3000 */
	uint32_t patience_ms; /* before an expired answer is taken; 0: 400 */
	uint32_t capacity;    /* of the cache, in answers; 0: 4096; at least 512 */
};

must_use enum err resolver_create(const struct resolve_config *config, struct resolver **ret);
/* Resolutions under way are forgotten: their callbacks do not come. */
void resolver_destroy(struct resolver **resolver);

#define RESOLVE_BIT(transport) (1u << (transport))

struct resolve_query {
	struct slice host;             /* name, IPv4, IPv6 with or without brackets */
	uint16_t port;                 /* 0: not given */
	bool transport_given;
	enum sip_transport transport;  /* in a sips: URI, tcp means tls */
	bool sips;
	uint32_t transports;           /* RESOLVE_BITs of what can be sent on; 0: UDP, TCP, TLS */
	bool ipv4, ipv6;               /* what can be sent on; both false: both */
};

struct resolve_target {
	enum sip_transport transport;
	struct endpoint endpoint;
};

/* In the order in which they are to be tried. */
struct resolve_answer {
	struct resolve_target targets[RESOLVE_TARGETS_MAX];
	size_t count;
	bool stale; /* something in it is older than its TTL */
};

/* err: OK (count > 0); ERR_NOENT (there is no such name or service); of the name servers: -ETIMEDOUT,
 * ERR_REFUSED (they fail or refuse), ERR_SYNTAX. answer: until return. */
typedef void resolve_fn(void *owner, uint64_t token, enum err err,
			const struct resolve_answer *answer);

/* OK: *ret_answer has it, from an address as such or from the cache, and fn is not called. ERR_AGAIN:
 * fn will be called once, from the loop, within the budget. Else it failed at once: ERR_NOENT;
 * ERR_SYNTAX (no host name); ERR_UNSUPPORTED (the transport is not among query->transports);
 * ERR_EXHAUSTED; or a failure that is still remembered. query is not kept. */
must_use enum err resolve(struct resolver *resolver, const struct resolve_query *query,
			  resolve_fn *fn, void *owner, uint64_t token,
			  struct resolve_answer *ret_answer);

struct resolve_counters {
	uint64_t queries;  /* sent to name servers */
	uint64_t failures; /* of those: no usable answer */
	uint64_t hits;     /* answered at once */
	uint64_t stale;    /* answers with something expired in them */
	uint64_t timeouts; /* resolutions that used their budget up */
};
const struct resolve_counters *resolve_counters(const struct resolver *resolver);

/* SPDX-License-Identifier: MIT
 * RFC 3263 4 as a function of the cache: transport, then port, then addresses. */
#include <errno.h>

#include "sbc/resolve/resolve_priv.h"

#define NAPTR_MAX 6 /* records that are followed: a name has one for each transport */

struct plan {
	struct resolver *resolver;
	const struct job *job;
	struct resolve_answer *answer;
	struct entry *wait; /* the first thing missing */
	bool failed;        /* a name server did not answer something */
	enum err failure;
};

static const struct {
	struct slice naptr; /* RFC 3263 4.1 */
	struct slice srv;
} services[] = {
	[SIP_UDP] = { { "SIP+D2U", 7 }, { "_sip._udp.", 10 } },
	[SIP_TCP] = { { "SIP+D2T", 7 }, { "_sip._tcp.", 10 } },
	[SIP_TLS] = { { "SIPS+D2T", 8 }, { "_sips._tcp.", 11 } },
};

static uint16_t default_port(enum sip_transport transport)
{
	switch (transport) {
	case SIP_TLS:
		return 5061;
	case SIP_WS:
		return 80;
	case SIP_WSS:
		return 443;
	case SIP_UDP:
	case SIP_TCP:
	case SIP_TRANSPORT_COUNT:
		break;
	}
	return 5060;
}

static bool usable(const struct plan *plan, enum sip_transport transport)
{
	const struct resolve_query *query = &plan->job->query;

	if (query->sips && transport != SIP_TLS && transport != SIP_WSS)
		return false;
	return (query->transports & RESOLVE_BIT(transport)) != 0;
}

static enum lookup look(struct plan *plan, struct slice name, enum dns_type type,
			struct entry **ret)
{
	enum lookup lookup =
	    cache_lookup(plan->resolver, plan->job, name, type, ret, &plan->answer->stale);

	if (lookup == LOOKUP_WAIT && !plan->wait)
		plan->wait = *ret;
	if (lookup == LOOKUP_FAILED) {
		plan->failed = true;
		plan->failure = !*ret ? ERR_EXHAUSTED
				: (*ret)->failure != OK && !(*ret)->pending
				    ? (*ret)->failure
				    : (enum err)(-ETIMEDOUT);
	}
	return lookup;
}

static bool full(const struct plan *plan)
{
	return plan->answer->count == RESOLVE_TARGETS_MAX;
}

static void add(struct plan *plan, enum sip_transport transport, const struct ip_addr *ip,
		uint16_t port)
{
	if (!full(plan))
		plan->answer->targets[plan->answer->count++] = (struct resolve_target){
			.transport = transport,
			.endpoint = { .ip = *ip, .port = port },
		};
}

/* The addresses of one type, beginning with another one each time. */
static void add_type(struct plan *plan, enum sip_transport transport, struct slice host,
		     uint16_t port, enum dns_type type)
{
	struct entry *entry;

	if (look(plan, host, type, &entry) != LOOKUP_FOUND)
		return;
	for (size_t i = 0; i < entry->answer.count; i++) {
		size_t at = (i + plan->job->seed) % entry->answer.count;

		add(plan, transport, &entry->answer.records[at].ip, port);
	}
}

static void add_host(struct plan *plan, enum sip_transport transport, struct slice host,
		     uint16_t port)
{
	if (plan->job->query.ipv6)
		add_type(plan, transport, host, port, DNS_AAAA);
	if (plan->job->query.ipv4)
		add_type(plan, transport, host, port, DNS_A);
}

/* Only as many hosts are asked for as a list can hold. An empty target says: not here (RFC 2782).
 */
static enum lookup add_srv(struct plan *plan, enum sip_transport transport, struct slice name)
{
	uint8_t order[DNS_RECORDS_MAX];
	struct entry *entry;
	enum lookup lookup = look(plan, name, DNS_SRV, &entry);

	if (lookup != LOOKUP_FOUND)
		return lookup;
	srv_order(entry->answer.records, entry->answer.count, plan->job->seed, order);
	for (size_t i = 0; i < entry->answer.count && i < RESOLVE_TARGETS_MAX && !full(plan); i++) {
		const struct dns_record *record = &entry->answer.records[order[i]];

		if (record->target.len > 0)
			add_host(plan, transport, record->target, record->port);
	}
	return lookup;
}

static enum lookup add_service(struct plan *plan, enum sip_transport transport)
{
	char storage[DNS_NAME_MAX];
	struct text name;

	text_init(&name, storage, sizeof(storage));
	text_slice(&name, services[transport].srv);
	text_slice(&name, plan->job->query.host);
	if (name.err < 0)
		return LOOKUP_NONE;
	return add_srv(plan, transport, text_done(&name));
}

/* 4.2: the port was given, or SRV has it, or it is the default one. */
static void with_transport(struct plan *plan, enum sip_transport transport)
{
	const struct resolve_query *query = &plan->job->query;

	/* that a server did not answer does not mean that there are no SRV records */
	if (query->port == 0 && transport <= SIP_TLS && add_service(plan, transport) != LOOKUP_NONE)
		return;
	add_host(plan, transport, query->host, query->port ? query->port : default_port(transport));
}

/* By order, then preference; a and b are of one array, whose order decides the rest. */
static bool naptr_before(const struct dns_record *a, const struct dns_record *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->weight != b->weight ? a->weight < b->weight : a < b;
}

/* The best record worse than `last` that we can use; NULL: no more. */
static const struct dns_record *next_naptr(const struct plan *plan, const struct entry *entry,
					   const struct dns_record *last,
					   enum sip_transport *ret_transport)
{
	const struct dns_record *best = NULL;

	for (size_t i = 0; i < entry->answer.count; i++) {
		const struct dns_record *record = &entry->answer.records[i];

		if ((last && !naptr_before(last, record)) ||
		    (best && !naptr_before(record, best)) ||
		    !slice_eq_nocase(record->flags, SLICE("s")))
			continue;
		for (enum sip_transport t = SIP_UDP; t <= SIP_TLS; t++) {
			if (!usable(plan, t) ||
			    !slice_eq_nocase(record->service, services[t].naptr))
				continue;
			best = record;
			*ret_transport = t;
		}
	}
	return best;
}

/* 4.1, first way. False: there are no records that we can use. */
static bool with_naptr(struct plan *plan)
{
	const struct dns_record *record = NULL;
	enum sip_transport transport = SIP_UDP;
	struct entry *entry;
	enum lookup lookup = look(plan, plan->job->query.host, DNS_NAPTR, &entry);
	size_t used = 0;

	if (lookup != LOOKUP_FOUND)
		return lookup == LOOKUP_WAIT;
	while (used < NAPTR_MAX && (record = next_naptr(plan, entry, record, &transport))) {
		used++;
		add_srv(plan, transport, record->target);
	}
	return used > 0;
}

/* 4.1, second way: ask for the SRV records of each transport that we can use; none at all: UDP (TLS
 * for sips) at the name's own addresses. */
static void without_naptr(struct plan *plan)
{
	bool any = false;

	for (enum sip_transport t = SIP_UDP; t <= SIP_TLS; t++) {
		if (usable(plan, t) && add_service(plan, t) != LOOKUP_NONE)
			any = true;
	}
	for (enum sip_transport t = SIP_UDP; t <= SIP_TLS && !any; t++) {
		if (!usable(plan, t))
			continue;
		add_host(plan, t, plan->job->query.host, default_port(t));
		any = true;
	}
}

/* The transport that the query names, or implies. SIP_TRANSPORT_COUNT: it is to be found out. */
static enum sip_transport named_transport(const struct resolve_query *query, bool literal)
{
	if (query->transport_given)
		return query->sips && query->transport == SIP_TCP ? SIP_TLS : query->transport;
	if (literal || query->port)
		return query->sips ? SIP_TLS : SIP_UDP;
	return SIP_TRANSPORT_COUNT;
}

enum err plan_run(struct resolver *resolver, const struct job *job, struct resolve_answer *ret,
		  struct entry **ret_wait)
{
	struct plan plan = { .resolver = resolver, .job = job, .answer = ret };
	struct ip_addr ip;
	bool literal = ip_parse_reference(job->query.host, &ip) == OK;
	enum sip_transport transport = named_transport(&job->query, literal);

	*ret = (struct resolve_answer){ 0 };
	if (transport != SIP_TRANSPORT_COUNT && !usable(&plan, transport))
		return ERR_UNSUPPORTED;
	if (literal)
		add(&plan, transport, &ip,
		    job->query.port ? job->query.port : default_port(transport));
	else if (transport != SIP_TRANSPORT_COUNT)
		with_transport(&plan, transport);
	else if (!with_naptr(&plan))
		without_naptr(&plan);
	*ret_wait = plan.wait;
	if (plan.wait)
		return ERR_AGAIN;
	if (ret->count > 0)
		return OK;
	return plan.failed ? plan.failure : ERR_NOENT;
}

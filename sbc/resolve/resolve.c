/* SPDX-License-Identifier: MIT
 * Resolutions under way. lint: owns storage because a resolver is one long-lived object of a
 * worker, with everything else in it in pools and arenas. */
#include <stdlib.h>

#include "sbc/resolve/resolve_priv.h"

#define BUDGET_MS        3000u
#define PATIENCE_MS      400u
#define CAPACITY         4096u
#define CAPACITY_MIN     512u /* what one plan looks at must stay while it runs */
#define JOBS_MAX         65536u
#define CACHE_FREE_BYTES (1u << 20)

static enum err stores_init(struct resolver *resolver)
{
	uint32_t capacity = resolver->config.capacity;
	enum err err = pool_init(&resolver->entries, sizeof(struct entry), capacity);

	if (err == OK)
		err = pool_init(&resolver->jobs, sizeof(struct job), JOBS_MAX);
	if (err == OK)
		err = map_init(&resolver->map, 64);
	return err;
}

static void stores_fini(struct resolver *resolver)
{
	map_fini(&resolver->map);
	pool_fini(&resolver->entries);
	pool_fini(&resolver->jobs);
	arena_cache_fini(&resolver->cache);
}

enum err resolver_create(const struct resolve_config *config, struct resolver **ret)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	enum err err;

	if (!resolver)
		return ERR_NOMEM;
	resolver->config = *config;
	if (!config->budget_ms)
		resolver->config.budget_ms = BUDGET_MS;
	if (!config->patience_ms)
		resolver->config.patience_ms = PATIENCE_MS;
	if (!config->capacity)
		resolver->config.capacity = CAPACITY;
	if (resolver->config.capacity < CAPACITY_MIN)
		resolver->config.capacity = CAPACITY_MIN;
	list_init(&resolver->lru);
	list_init(&resolver->ready);
	arena_cache_init(&resolver->cache, CACHE_FREE_BYTES);
	rand_bytes(config->rand, &resolver->hash_key, sizeof(resolver->hash_key));
	err = stores_init(resolver);
	if (err == OK)
		err = channel_create(resolver);
	if (err < 0) {
		stores_fini(resolver);
		free(resolver);
		return err;
	}
	*ret = resolver;
	return OK;
}

static void job_free(struct job *job)
{
	loop_timer_stop(job->resolver->config.loop, &job->timer);
	list_remove(&job->link);
	pool_give(&job->resolver->jobs, job->self);
}

void resolver_destroy(struct resolver **resolver)
{
	uint32_t cursor = 0;
	struct job *job;

	if (!*resolver)
		return;
	(*resolver)->closing = true;
	channel_destroy(*resolver);
	while ((job = pool_next(&(*resolver)->jobs, &cursor)))
		job_free(job);
	cache_clear(*resolver);
	stores_fini(*resolver);
	free(*resolver);
	*resolver = NULL;
}

static void count_outcome(struct resolver *resolver, const struct job *job, enum err err,
			  const struct resolve_answer *answer)
{
	if (err == OK && answer->stale)
		resolver->counters.stale++;
	if (job->out_of_time)
		resolver->counters.timeouts++;
}

/* Runs the plan; either the job waits, or it is over and its user knows. */
static void job_run(struct job *job)
{
	struct resolver *resolver = job->resolver;
	struct resolve_answer answer;
	struct entry *wait;
	enum err err = plan_run(resolver, job, &answer, &wait);
	resolve_fn *fn = job->fn;
	void *owner = job->owner;
	uint64_t token = job->token;

	list_remove(&job->link);
	if (err == ERR_AGAIN) {
		list_add_tail(&wait->waiters, &job->link);
		return;
	}
	count_outcome(resolver, job, err, &answer);
	job_free(job);
	fn(owner, token, err, &answer);
}

void resolver_progress(struct resolver *resolver)
{
	struct list *node;

	while ((node = list_pop(&resolver->ready)))
		job_run(container_of(node, struct job, link));
}

/* First patience ends, then the budget. */
static void on_job_timer(struct loop *loop, void *owner)
{
	struct job *job = owner;
	struct resolver *resolver = job->resolver;

	if (job->impatient)
		job->out_of_time = true;
	job->impatient = true;
	if (!job->out_of_time)
		loop_timer_start(loop, &job->timer,
				 resolver->config.budget_ms - resolver->config.patience_ms);
	job_run(job);
	resolver_progress(resolver);
}

/* In lower case and without the last dot; an address is left to the plan. */
static enum err host_copy(struct job *job, struct slice host)
{
	struct ip_addr ip;
	bool literal = ip_parse_reference(host, &ip) == OK;

	if (host.len > 0 && host.p[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > DNS_NAME_MAX - 2 || (!literal && !slice_is(host, CC_HOST)))
		return ERR_SYNTAX;
	for (size_t i = 0; i < host.len; i++)
		job->host[i] = ascii_lower(host.p[i]);
	job->query.host = slice_of(job->host, host.len);
	return OK;
}

static enum err job_init(struct resolver *resolver, const struct resolve_query *query,
			 struct job *job)
{
	*job = (struct job){ .resolver = resolver, .query = *query };
	if (!query->transports)
		job->query.transports =
		    RESOLVE_BIT(SIP_UDP) | RESOLVE_BIT(SIP_TCP) | RESOLVE_BIT(SIP_TLS);
	if (!query->ipv4 && !query->ipv6)
		job->query.ipv4 = job->query.ipv6 = true;
	job->started_ms = resolver->config.loop->now_ms;
	job->seed = rand_u64(resolver->config.rand);
	return host_copy(job, query->host);
}

/* `trial` ran into something missing: it becomes a job of its own. */
static enum err job_keep(struct resolver *resolver, const struct job *trial, struct entry *wait)
{
	struct handle self;
	struct job *job = pool_take(&resolver->jobs, &self);

	if (!job)
		return ERR_EXHAUSTED;
	*job = *trial;
	job->self = self;
	job->query.host.p = job->host;
	job->timer = (struct loop_timer){ .fn = on_job_timer, .owner = job };
	list_add_tail(&wait->waiters, &job->link);
	loop_timer_start(resolver->config.loop, &job->timer, resolver->config.patience_ms);
	return ERR_AGAIN;
}

enum err resolve(struct resolver *resolver, const struct resolve_query *query, resolve_fn *fn,
		 void *owner, uint64_t token, struct resolve_answer *ret_answer)
{
	struct entry *wait;
	struct job trial;
	enum err err = job_init(resolver, query, &trial);

	if (err < 0)
		return err;
	trial.fn = fn;
	trial.owner = owner;
	trial.token = token;
	err = plan_run(resolver, &trial, ret_answer, &wait);
	if (err == ERR_AGAIN)
		return job_keep(resolver, &trial, wait);
	resolver->counters.hits++;
	count_outcome(resolver, &trial, err, ret_answer);
	return err;
}

const struct resolve_counters *resolve_counters(const struct resolver *resolver)
{
	return &resolver->counters;
}

/* SPDX-License-Identifier: MIT
 * Answers by name and type. An expired one is kept, for the day on which the name servers are
 * silent (RFC 8767). One that is in use shortly before its end is asked for again ahead of time, so
 * that a name under steady traffic never makes a call wait. */
#include "sbc/resolve/resolve_priv.h"

#define ENTRY_QUOTA_BYTES 16384u
#define STALE_MAX_MS      (24u * 3600 * 1000)
#define RETRY_STALE_MS    30000u /* RFC 8767 5: not before that, while stale answers serve */
#define RETRY_NOTHING_MS  2000u
#define HOSTS_TTL_S       30u
#define EVICT_TRIES       64u

static struct hash128 entry_key(const struct resolver *resolver, struct slice name,
				enum dns_type type)
{
	char bytes[DNS_NAME_MAX + 1];

	bytes[0] = (char)type;
	memcpy(bytes + 1, name.p, name.len);
	return hash128(&resolver->hash_key, slice_of(bytes, name.len + 1));
}

static void entry_free(struct resolver *resolver, struct entry *entry)
{
	list_remove(&entry->lru);
	map_remove(&resolver->map, &entry->node);
	arena_fini(&entry->arena);
	pool_give(&resolver->entries, entry->self);
}

void cache_clear(struct resolver *resolver)
{
	uint32_t cursor = 0;
	struct entry *entry;

	while ((entry = pool_next(&resolver->entries, &cursor)))
		entry_free(resolver, entry);
}

static void evict_one(struct resolver *resolver)
{
	unsigned tries = 0;

	list_each(node, &resolver->lru)
	{
		struct entry *entry = container_of(node, struct entry, lru);

		if (!entry->pending && list_empty(&entry->waiters)) {
			entry_free(resolver, entry);
			return;
		}
		if (++tries == EVICT_TRIES)
			return;
	}
}

static struct entry *entry_new(struct resolver *resolver, struct slice name, enum dns_type type,
			       struct hash128 key)
{
	struct handle self;
	struct entry *entry = pool_take(&resolver->entries, &self);

	if (!entry) {
		evict_one(resolver);
		entry = pool_take(&resolver->entries, &self);
	}
	if (!entry)
		return NULL;
	entry->self = self;
	entry->resolver = resolver;
	entry->type = type;
	memcpy(entry->name, name.p, name.len);
	list_init(&entry->waiters);
	arena_init(&entry->arena, &resolver->cache, 512, ENTRY_QUOTA_BYTES);
	map_insert(&resolver->map, &entry->node, key);
	list_add_tail(&resolver->lru, &entry->lru);
	return entry;
}

static struct entry *entry_find(struct resolver *resolver, struct slice name, enum dns_type type)
{
	struct hash128 key = entry_key(resolver, name, type);
	struct map_node *node = map_find(&resolver->map, key);
	struct entry *entry;

	if (!node)
		return entry_new(resolver, name, type, key);
	entry = container_of(node, struct entry, node);
	list_remove(&entry->lru);
	list_add_tail(&resolver->lru, &entry->lru);
	return entry;
}

static void entry_ask(struct resolver *resolver, struct entry *entry)
{
	if (entry->pending)
		return;
	entry->pending = true;
	entry->asked_ms = resolver->config.loop->now_ms;
	resolver->counters.queries++;
	channel_query(resolver, entry);
}

/* What came after the job began is good for it, even with a TTL of zero. */
static bool entry_fresh(const struct entry *entry, const struct job *job, uint64_t now_ms)
{
	return entry->known &&
	       (entry->expires_ms > now_ms || entry->answered_ms >= job->started_ms);
}

static enum lookup found(const struct entry *entry)
{
	return entry->answer.count > 0 ? LOOKUP_FOUND : LOOKUP_NONE;
}

static bool stale_usable(const struct entry *entry, uint64_t now_ms)
{
	return entry->known && entry->answer.count > 0 && now_ms < entry->expires_ms + STALE_MAX_MS;
}

enum lookup cache_lookup(struct resolver *resolver, const struct job *job, struct slice name,
			 enum dns_type type, struct entry **ret_entry, bool *ret_stale)
{
	uint64_t now_ms = resolver->config.loop->now_ms;
	struct entry *entry = entry_find(resolver, name, type);
	bool failed;
	bool late;

	*ret_entry = entry;
	if (!entry)
		return LOOKUP_FAILED;
	if (entry_fresh(entry, job, now_ms)) {
		if (entry->expires_ms > now_ms && entry->expires_ms - now_ms < entry->ttl_ms / 10)
			entry_ask(resolver, entry);
		return found(entry);
	}
	failed = entry->failure != OK &&
		 (now_ms < entry->retry_ms || entry->failed_ms >= job->started_ms);
	if (!failed)
		entry_ask(resolver, entry);
	if (entry_fresh(entry, job, now_ms)) /* answered at once, from /etc/hosts */
		return found(entry);
	failed = failed || !entry->pending || job->out_of_time;
	/* patience counts from the query: those who come later need not begin it anew */
	late = job->impatient || now_ms - entry->asked_ms >= resolver->config.patience_ms;
	if ((failed || late) && stale_usable(entry, now_ms)) {
		*ret_stale = true;
		return LOOKUP_FOUND;
	}
	return failed ? LOOKUP_FAILED : LOOKUP_WAIT;
}

static void wake_waiters(struct entry *entry)
{
	struct list *node;

	while ((node = list_pop(&entry->waiters)))
		list_add_tail(&entry->resolver->ready, node);
}

static void entry_take(struct entry *entry, struct arena *arena, const struct dns_answer *answer)
{
	arena_fini(&entry->arena);
	entry->arena = *arena;
	entry->answer = *answer;
	entry->known = true;
	entry->pending = false;
	entry->failure = OK;
	entry->ttl_ms = (uint64_t)answer->ttl_s * 1000;
	entry->answered_ms = entry->resolver->config.loop->now_ms;
	entry->expires_ms = entry->answered_ms + entry->ttl_ms;
	wake_waiters(entry);
}

void entry_answered(struct entry *entry, struct slice bytes)
{
	struct dns_answer answer;
	struct arena arena;
	enum err err;

	arena_init(&arena, &entry->resolver->cache, 512, ENTRY_QUOTA_BYTES);
	err = dns_parse(&arena, bytes, entry->type, &answer);
	if (err < 0) {
		arena_fini(&arena);
		entry_failed(entry, err);
		return;
	}
	entry_take(entry, &arena, &answer);
}

void entry_known_address(struct entry *entry, const struct ip_addr *ips, size_t count)
{
	struct dns_answer answer = { .ttl_s = HOSTS_TTL_S, .count = count };
	struct arena arena;

	arena_init(&arena, &entry->resolver->cache, 512, ENTRY_QUOTA_BYTES);
	answer.records = arena_array(&arena, count + 1, sizeof(*answer.records));
	if (!answer.records) {
		arena_fini(&arena);
		entry_failed(entry, ERR_NOMEM);
		return;
	}
	for (size_t i = 0; i < count; i++)
		answer.records[i].ip = ips[i];
	entry_take(entry, &arena, &answer);
}

void entry_failed(struct entry *entry, enum err err)
{
	uint64_t now_ms = entry->resolver->config.loop->now_ms;

	entry->resolver->counters.failures++;
	entry->pending = false;
	entry->failure = err;
	entry->failed_ms = now_ms;
	entry->retry_ms =
	    now_ms + (stale_usable(entry, now_ms) ? RETRY_STALE_MS : RETRY_NOTHING_MS);
	wake_waiters(entry);
}

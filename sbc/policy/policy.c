/* SPDX-License-Identifier: MIT
 * Admission and load. Loads are found by the hash of the trunk's name and stay for the life of the
 * worker: names come from operators only, and a trunk that returns finds its live calls counted. */
#include "sbc/policy/policy.h"

#include "lib/base/ensure.h"
#include "lib/base/map.h"

#define QUOTA_BYTES ((size_t)256 << 20)
#define SECOND_MS   1000u

struct load {
	struct map_node node;
	uint32_t calls;
	/* Token bucket, in thousandths of a call: cps of them come each millisecond. */
	uint64_t tokens_milli;
	uint64_t filled_ms;
	/* Calls begun in this second of the clock and in the one before. */
	uint64_t second;
	uint32_t begun;
	uint32_t begun_before;
};

struct policy {
	struct arena_cache cache;
	struct arena arena; /* holds this struct and all loads */
	struct map loads;
	uint32_t workers;
};

/* Operators choose the names, so the key need not be secret. */
static struct hash128 load_key(struct slice name)
{
	static const struct hash_key key = { 0x7362632d706f6c69, 0x63792d6c6f616473 };

	return hash128(&key, name);
}

enum err policy_create(struct policy **ret)
{
	struct arena_cache cache;
	struct arena arena;
	struct policy *policy;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, QUOTA_BYTES);
	policy = arena_new(&arena, struct policy);
	if (!policy)
		return ERR_NOMEM;
	if (map_init(&policy->loads, 64) != OK) {
		arena_fini(&arena);
		return ERR_NOMEM;
	}
	policy->cache = cache;
	policy->arena = arena;
	policy->arena.cache = &policy->cache;
	policy->workers = 1;
	*ret = policy;
	return OK;
}

void policy_destroy(struct policy **policy)
{
	struct arena_cache cache;
	struct arena arena;

	if (!*policy)
		return;
	map_fini(&(*policy)->loads);
	cache = (*policy)->cache;
	arena = (*policy)->arena;
	arena.cache = &cache;
	arena_fini(&arena);
	arena_cache_fini(&cache);
	*policy = NULL;
}

void policy_share(struct policy *policy, uint32_t workers)
{
	ensure(workers > 0);
	policy->workers = workers;
}

enum policy_answer policy_admit(const struct settings *settings, uint32_t realm,
				const struct ip_addr *source, uint32_t *ret_trunk)
{
	*ret_trunk = settings_trunk_by_source(settings, realm, source);
	if (*ret_trunk != SETTINGS_NONE)
		return POLICY_ALLOW;
	switch (settings_access(settings, realm, source)) {
	case CONF_ACCESS_ALLOW:
		return POLICY_ALLOW;
	case CONF_ACCESS_DROP:
		return POLICY_DROP;
	case CONF_ACCESS_REJECT:
		break;
	}
	return POLICY_REJECT;
}

static struct load *load_find(const struct policy *policy, struct slice name)
{
	struct map_node *node = map_find(&policy->loads, load_key(name));

	return node ? container_of(node, struct load, node) : NULL;
}

/* NULL: out of memory. */
static struct load *load_take(struct policy *policy, struct slice name)
{
	struct load *load = load_find(policy, name);

	if (load)
		return load;
	load = arena_new(&policy->arena, struct load);
	if (!load)
		return NULL;
	load->tokens_milli = UINT32_MAX; /* full, whatever its size */
	map_insert(&policy->loads, &load->node, load_key(name));
	return load;
}

static uint32_t share(const struct policy *policy, uint32_t limit)
{
	return limit / policy->workers + (limit % policy->workers != 0);
}

/* Fills the bucket up to now. False: not one call's worth is in it. */
static bool tokens_there(struct load *load, uint32_t cps, uint64_t now_ms)
{
	uint64_t full = (uint64_t)cps * SECOND_MS;
	uint64_t passed = now_ms > load->filled_ms ? now_ms - load->filled_ms : 0;

	if (cps == 0)
		return true;
	/* A second fills any bucket; more would only overflow the product. */
	load->tokens_milli += (passed < SECOND_MS ? passed : SECOND_MS) * cps;
	if (load->tokens_milli > full)
		load->tokens_milli = full;
	load->filled_ms = now_ms;
	return load->tokens_milli >= SECOND_MS;
}

static void second_turn(struct load *load, uint64_t second)
{
	if (second == load->second)
		return;
	load->begun_before = second == load->second + 1 ? load->begun : 0;
	load->begun = 0;
	load->second = second;
}

uint16_t policy_call_begin(struct policy *policy, const struct conf_trunk *trunk, uint64_t now_ms)
{
	struct load *load = load_take(policy, trunk->name);
	uint32_t cps = share(policy, trunk->limit_cps);

	if (!load)
		return 503;
	if (trunk->limit_calls > 0 && load->calls >= share(policy, trunk->limit_calls))
		return 503;
	if (!tokens_there(load, cps, now_ms))
		return 503;
	if (cps > 0)
		load->tokens_milli -= SECOND_MS;
	load->calls++;
	second_turn(load, now_ms / SECOND_MS);
	load->begun++;
	return 0;
}

void policy_call_end(struct policy *policy, struct slice trunk_name)
{
	struct load *load = load_find(policy, trunk_name);

	ensure(load && load->calls > 0);
	load->calls--;
}

uint32_t policy_retry_after_s(struct rand *rand)
{
	return 1 + rand_below(rand, 10);
}

void policy_load(const struct policy *policy, struct slice trunk_name, uint64_t now_ms,
		 uint32_t *ret_calls, uint32_t *ret_cps)
{
	const struct load *load = load_find(policy, trunk_name);
	uint64_t second = now_ms / SECOND_MS;

	*ret_calls = load ? load->calls : 0;
	*ret_cps = 0;
	if (load && second == load->second)
		*ret_cps = load->begun_before;
	else if (load && second == load->second + 1)
		*ret_cps = load->begun;
}

/* SPDX-License-Identifier: MIT
 * Merged requests (RFC 3261 8.2.2.2): one INVITE that came by several paths is one call. It is known
 * for as long as the first one's transaction may last, also when its call is over: a fork that was
 * slow must not ring anybody anew. Forks to different users are different calls: to whoever sent
 * them, we are the way to each of their targets, and not the one target of all. */
#include "sbc/call/call_priv.h"

#define MERGE_PAST_MAX (1u << 17) /* at 1,000 calls/s 32,000 are remembered */

struct past {
	struct map_node node;
	struct list link; /* in the order of until_ms */
	struct handle self;
	uint64_t until_ms;
};

enum err merges_init(struct merges *merges)
{
	enum err err = pool_init(&merges->past, sizeof(struct past), MERGE_PAST_MAX);

	list_init(&merges->order);
	return err == OK ? map_init(&merges->map, 1024) : err;
}

void merges_fini(struct merges *merges)
{
	map_fini(&merges->map);
	pool_fini(&merges->past);
}

static void past_drop(struct merges *merges, struct past *past)
{
	map_remove(&merges->map, &past->node);
	list_remove(&past->link);
	pool_give(&merges->past, past->self);
}

/* Those whose time is over. Each call adds one at most, so this is a few steps a call. */
static void past_sweep(struct merges *merges, uint64_t now_ms)
{
	list_each (link, &merges->order) {
		struct past *past = container_of(link, struct past, link);

		if (past->until_ms > now_ms)
			break;
		past_drop(merges, past);
	}
}

bool merge_seen(struct merges *merges, struct hash128 key, uint64_t now_ms)
{
	past_sweep(merges, now_ms);
	return map_find(&merges->map, key) != NULL;
}

void merge_list(struct call *call, struct hash128 key)
{
	map_insert(&call->calls->merges.map, &call->merge_node, key);
	call->listed_merge = true;
}

void merge_unlist(struct call *call)
{
	if (call->listed_merge)
		map_remove(&call->calls->merges.map, &call->merge_node);
	call->listed_merge = false;
}

void merge_over(struct call *call, uint64_t now_ms)
{
	struct merges *merges = &call->calls->merges;
	struct hash128 key = call->merge_node.key;
	struct handle self;
	struct past *past;

	if (!call->listed_merge)
		return;
	merge_unlist(call);
	/* Timers H and L began when it was answered. */
	if (call->answered_ms && now_ms - call->answered_ms >= CALL_MERGE_MS)
		return;
	past = pool_take(&merges->past, &self);
	if (!past)
		return; /* such a late fork is a call of its own then */
	past->self = self;
	past->until_ms = now_ms + CALL_MERGE_MS;
	list_add_tail(&merges->order, &past->link);
	map_insert(&merges->map, &past->node, key);
}

/* SPDX-License-Identifier: MIT
 * All gateways' machines, found by the hash of their names. The lock is held for a look-up and a step,
 * a few hundred nanoseconds, once or twice for a call.
 * lint: owns storage because the table belongs to no worker. */
#include "sbc/health/health_priv.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/base/pool.h"

#define EXPECTED_AT_START 64u

struct entry {
	struct map_node node;
	struct handle self;
	uint32_t generation; /* of the snapshot that has it */
	struct health_machine machine;
};

struct health {
	pthread_mutex_t lock;
	struct pool pool;
	struct map map;
	uint32_t generation;
};

enum err health_create(struct health **ret)
{
	struct health *health = calloc(1, sizeof(*health));
	enum err err;

	if (!health)
		return ERR_NOMEM;
	pthread_mutex_init(&health->lock, NULL);
	err = pool_init(&health->pool, sizeof(struct entry), HEALTH_MAX_GATEWAYS);
	if (err == OK)
		err = map_init(&health->map, EXPECTED_AT_START);
	if (err != OK) {
		health_destroy(&health);
		return err;
	}
	*ret = health;
	return OK;
}

void health_destroy(struct health **health)
{
	if (!*health)
		return;
	map_fini(&(*health)->map);
	pool_fini(&(*health)->pool);
	pthread_mutex_destroy(&(*health)->lock);
	free(*health);
	*health = NULL;
}

struct hash128 health_key(const struct conf_trunk *trunk, const struct conf_gateway *gateway)
{
	/* Operators choose the names, so the key need not be secret. */
	static const struct hash_key key = { 0x7362632d6865616c, 0x74682d67617465 };
	struct hash128 hash = hash128(&key, trunk->name);

	/* Each part's hash is the key of the next one's. */
	hash = hash128(&(struct hash_key){ hash.lo, hash.hi }, trunk->realm);
	return hash128(&(struct hash_key){ hash.lo, hash.hi }, gateway->uri);
}

static struct entry *find(const struct health *health, struct hash128 key)
{
	struct map_node *node = map_find(&health->map, key);

	return node ? container_of(node, struct entry, node) : NULL;
}

static enum err take_in(struct health *health, const struct conf_trunk *trunk,
			const struct conf_gateway *gateway)
{
	struct hash128 key = health_key(trunk, gateway);
	struct entry *entry = find(health, key);
	struct handle self;

	if (!entry) {
		entry = pool_take(&health->pool, &self);
		if (!entry)
			return ERR_NOMEM;
		entry->self = self;
		map_insert(&health->map, &entry->node, key);
	}
	entry->generation = health->generation;
	health_machine_set_probed(&entry->machine, trunk->probe_interval_s > 0);
	return OK;
}

static void drop_others(struct health *health)
{
	uint32_t cursor = 0;
	struct entry *entry;

	while ((entry = pool_next(&health->pool, &cursor))) {
		if (entry->generation == health->generation)
			continue;
		map_remove(&health->map, &entry->node);
		pool_give(&health->pool, entry->self);
	}
}

enum err health_apply(struct health *health, const struct settings *settings)
{
	enum err err = OK;

	pthread_mutex_lock(&health->lock);
	health->generation++;
	for (uint32_t i = 0; i < settings->trunk_count && err == OK; i++) {
		const struct conf_trunk *trunk = settings->trunks[i].conf;

		for (size_t j = 0; j < trunk->gateway_count && err == OK; j++)
			err = take_in(health, trunk, &trunk->gateways[j]);
	}
	drop_others(health);
	pthread_mutex_unlock(&health->lock);
	return err;
}

bool health_note(struct health *health, const struct conf_trunk *trunk,
		 const struct conf_gateway *gateway, const struct health_evidence *evidence,
		 struct health_view *ret_view)
{
	struct hash128 key = health_key(trunk, gateway);
	struct entry *entry;
	bool changed = false;

	*ret_view = (struct health_view){ 0 };
	pthread_mutex_lock(&health->lock);
	entry = find(health, key);
	if (entry) {
		changed = health_machine_step(&entry->machine, evidence);
		*ret_view = entry->machine.view;
	}
	pthread_mutex_unlock(&health->lock);
	return changed;
}

void health_read(struct health *health, const struct conf_trunk *trunk,
		 const struct conf_gateway *gateway, struct health_view *ret_view)
{
	struct hash128 key = health_key(trunk, gateway);
	const struct entry *entry;

	pthread_mutex_lock(&health->lock);
	entry = find(health, key);
	*ret_view = entry ? entry->machine.view : (struct health_view){ 0 };
	pthread_mutex_unlock(&health->lock);
}

static bool ask(struct health *health, const struct conf_trunk *trunk,
		const struct conf_gateway *gateway, uint64_t now_ms, bool take)
{
	struct hash128 key = health_key(trunk, gateway);
	struct entry *entry;
	bool allowed;

	pthread_mutex_lock(&health->lock);
	entry = find(health, key);
	allowed = !entry || health_machine_allows(&entry->machine, now_ms);
	if (entry && allowed && take && entry->machine.view.state == HEALTH_BUSY)
		entry->machine.trial_until_ms = now_ms + HEALTH_TRIAL_MS;
	pthread_mutex_unlock(&health->lock);
	return allowed;
}

bool health_allows(struct health *health, const struct conf_trunk *trunk,
		   const struct conf_gateway *gateway, uint64_t now_ms)
{
	return ask(health, trunk, gateway, now_ms, false);
}

bool health_admit(struct health *health, const struct conf_trunk *trunk,
		  const struct conf_gateway *gateway, uint64_t now_ms)
{
	return ask(health, trunk, gateway, now_ms, true);
}

const char *health_state_name(enum health_state state)
{
	static const char *const names[HEALTH_STATES] = {
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_UP] = "up",
		[HEALTH_BUSY] = "busy",
		[HEALTH_DOWN] = "down",
	};

	return names[state];
}

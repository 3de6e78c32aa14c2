/* SPDX-License-Identifier: MIT
 * What building and asking share. */
#pragma once

#include "lib/base/arena.h"
#include "sbc/settings/settings.h"

/* A map from (scope, prefix) to a number, asked by address: one probe for each prefix length that
 * occurs, so its cost hangs on how many lengths there are and not on how many prefixes. */
struct prefix_slot {
	struct ip_prefix prefix; /* family IP_NONE: free */
	uint32_t scope;
	uint32_t value;
};

struct prefix_map {
	struct prefix_slot *slots;
	size_t mask;
	uint64_t lengths_v4;    /* bit n: some prefix has n bits */
	uint64_t lengths_v6[3]; /* 129 of them */
};

/* Room for `count` prefixes. ERR_NOMEM. */
must_use enum err prefix_map_init(struct prefix_map *map, struct arena *arena, size_t count);
/* The same prefix again: the lower value stays. */
void prefix_map_add(struct prefix_map *map, uint32_t scope, const struct ip_prefix *prefix,
		    uint32_t value);
/* This very prefix is in the map. */
bool prefix_map_has(const struct prefix_map *map, uint32_t scope, const struct ip_prefix *prefix);
/* The value of the longest prefix that has ip; SETTINGS_NONE. */
uint32_t prefix_map_longest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip);
/* The lowest value of all prefixes that have ip; SETTINGS_NONE. */
uint32_t prefix_map_lowest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip);

struct named {
	struct slice name;
	uint32_t index;
};

struct settings_memory {
	struct arena_cache cache;
	struct arena arena;
	struct prefix_map sources;   /* scope: realm; value: trunk */
	struct prefix_map access;    /* scope: realm or SETTINGS_NONE; value: index in rules */
	struct prefix_map listeners; /* scope: transport and port; value: realm and listener */
	const struct conf_access_rule **rules; /* by priority, then by name */
	struct named *realm_names;
	struct named *trunk_names;
	uint32_t *route_lists;  /* indexes of routes, by the trunk they ask for; last: for none */
	uint32_t *route_starts; /* where each trunk's list begins, and the end of the last */
	uint64_t match_limits;  /* the one thing that changes; the worker's alone, as `users` is */
};

/* What is being built; the public struct's pointers are to const. */
struct builder {
	struct settings *settings;
	struct settings_memory *memory;
	struct conf_provisioning *conf;
	struct settings_trunk *trunks;
	struct settings_realm *realms;
	struct settings_route *routes;
};

/* Fills b->settings from a copy of conf. After a failure the settings can be destroyed. */
must_use enum err settings_build(struct builder *b, const struct conf_provisioning *conf);

/* names: sorted by named_order. */
int named_order(const void *a, const void *b);
uint32_t named_find(const struct named *names, size_t count, struct slice name);

/* Scope of a listener's address in memory->listeners. */
static inline uint32_t listener_scope(enum conf_transport transport, uint16_t port)
{
	return (uint32_t)transport << 16 | port;
}

/* The list of routes that ask for `trunk`. */
static inline size_t route_list(const struct settings *settings, uint32_t trunk)
{
	return trunk == SETTINGS_NONE ? settings->trunk_count : trunk;
}

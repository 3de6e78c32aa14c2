/* SPDX-License-Identifier: MIT
 * A map from (scope, prefix) to a number, asked by address: one probe for each prefix length that
 * occurs, so its cost hangs on how many lengths there are and not on how many prefixes. */
#pragma once

#include "lib/base/arena.h"
#include "sbc/settings/settings.h"

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
/* The value of the longest prefix that has ip; SETTINGS_NONE. */
uint32_t prefix_map_longest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip);
/* The lowest value of all prefixes that have ip; SETTINGS_NONE. */
uint32_t prefix_map_lowest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip);

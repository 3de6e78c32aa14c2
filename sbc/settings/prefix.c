/* SPDX-License-Identifier: MIT */
#include "sbc/settings/settings_priv.h"

#include <assert.h>

#include "lib/base/ensure.h"

/* Multiplies by an odd number whose bits are mixed, and lets the high bits fall on the low ones. */
static uint64_t mix(uint64_t word)
{
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 32;
}

/* Operators choose the keys, so the hash needs no secret; a stranger's address only probes. It is on
 * the path of every message, hence short. */
static size_t slot_hash(uint32_t scope, const struct ip_prefix *prefix)
{
	uint64_t words[2];

	static_assert(sizeof(words) == sizeof(prefix->ip.bytes), "an address is two words");
	memcpy(words, prefix->ip.bytes, sizeof(words));
	return (size_t)mix(mix(mix((uint64_t)scope << 16 | (uint64_t)prefix->ip.family << 8 |
				   prefix->bits) ^
			       words[0]) ^
			   words[1]);
}

/* The slot of this key, or the free one where it would go. */
static struct prefix_slot *slot_find(const struct prefix_map *map, uint32_t scope,
				     const struct ip_prefix *prefix)
{
	size_t at = slot_hash(scope, prefix) & map->mask;

	for (;;) {
		struct prefix_slot *slot = &map->slots[at];

		if (slot->prefix.ip.family == IP_NONE ||
		    (slot->scope == scope && slot->prefix.bits == prefix->bits &&
		     ip_eq(&slot->prefix.ip, &prefix->ip)))
			return slot;
		at = (at + 1) & map->mask;
	}
}

enum err prefix_map_init(struct prefix_map *map, struct arena *arena, size_t count)
{
	size_t size = 8;

	while (size < count * 2)
		size *= 2;
	*map = (struct prefix_map){ .mask = size - 1 };
	map->slots = arena_array(arena, size, sizeof(*map->slots));
	return map->slots ? OK : ERR_NOMEM;
}

static uint64_t *length_word(struct prefix_map *map, const struct ip_prefix *prefix)
{
	return prefix->ip.family == IP_V4 ? &map->lengths_v4 : &map->lengths_v6[prefix->bits / 64];
}

void prefix_map_add(struct prefix_map *map, uint32_t scope, const struct ip_prefix *prefix,
		    uint32_t value)
{
	struct prefix_slot *slot = slot_find(map, scope, prefix);

	ensure(prefix->ip.family != IP_NONE);
	*length_word(map, prefix) |= UINT64_C(1) << (prefix->bits % 64);
	if (slot->prefix.ip.family == IP_NONE)
		*slot = (struct prefix_slot){ *prefix, scope, value };
	else if (value < slot->value)
		slot->value = value;
}

bool prefix_map_has(const struct prefix_map *map, uint32_t scope, const struct ip_prefix *prefix)
{
	return slot_find(map, scope, prefix)->prefix.ip.family != IP_NONE;
}

static struct ip_prefix prefix_of(const struct ip_addr *ip, unsigned bits)
{
	struct ip_prefix prefix = { .ip = { .family = ip->family }, .bits = (uint8_t)bits };
	unsigned whole = bits / 8;

	memcpy(prefix.ip.bytes, ip->bytes, whole);
	if (bits % 8)
		prefix.ip.bytes[whole] = (uint8_t)(ip->bytes[whole] & (0xff00u >> (bits % 8)));
	return prefix;
}

/* The value under the prefix of this length, or SETTINGS_NONE. */
static uint32_t probe(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip,
		      unsigned bits)
{
	struct ip_prefix prefix = prefix_of(ip, bits);
	const struct prefix_slot *slot = slot_find(map, scope, &prefix);

	return slot->prefix.ip.family == IP_NONE ? SETTINGS_NONE : slot->value;
}

/* Walks the lengths that occur, longest first. `lowest`: all of them; otherwise up to the first
 * hit. */
static uint32_t search(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip,
		       bool lowest)
{
	const uint64_t *words = ip->family == IP_V4 ? &map->lengths_v4 : map->lengths_v6;
	uint32_t best = SETTINGS_NONE;

	for (unsigned w = ip->family == IP_V4 ? 1 : 3; w-- > 0;) {
		for (uint64_t left = words[w]; left;) {
			unsigned bit = 63u - (unsigned)__builtin_clzll(left);
			uint32_t value = probe(map, scope, ip, w * 64 + bit);

			left &= ~(UINT64_C(1) << bit);
			if (value < best)
				best = value;
			if (best != SETTINGS_NONE && !lowest)
				return best;
		}
	}
	return best;
}

uint32_t prefix_map_longest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip)
{
	return search(map, scope, ip, false);
}

uint32_t prefix_map_lowest(const struct prefix_map *map, uint32_t scope, const struct ip_addr *ip)
{
	return search(map, scope, ip, true);
}

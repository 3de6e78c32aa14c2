/* SPDX-License-Identifier: MIT
 * The rules between resources. Lists may be long, so names are sorted once and then searched, and
 * overlaps are found between neighbours (overlap.c).
 * A listener may name a tls_profile that is not there yet (the contract's example does): it stays
 * closed until the profile comes. Every other reference must resolve. */
#include "lib/conf/conf_priv.h"

#include <stdlib.h>

/* One resource under the thing that must not occur twice (or must be found). */
struct entry {
	struct slice name;
	size_t index;
};

struct names {
	struct entry *items;
	size_t count;
};

struct rules {
	struct check *check;
	const struct spot *top;
	const struct conf_provisioning *all;
	struct names realms;
	struct names trunks;
};

static int slice_order(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;
	int order = slice_order(x->name, y->name);

	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static int name_order(const void *name, const void *entry)
{
	return slice_order(*(const struct slice *)name, ((const struct entry *)entry)->name);
}

/* Collects the names of a list (the name is the first member of each kind of resource), sorts them
 * and notes those that occur twice. */
static struct names names_unique(struct rules *rules, const char *list, const void *items,
				 size_t count, size_t size)
{
	struct spot at = { .up = rules->top, .key = list };
	struct names names = { .count = count };

	names.items = arena_array(rules->check->arena, count + 1, sizeof(*names.items));
	if (!names.items)
		return (struct names){ 0 };
	for (size_t i = 0; i < count; i++)
		names.items[i] = (struct entry){
			*(const struct slice *)(const void *)((const char *)items + i * size), i
		};
	qsort(names.items, count, sizeof(*names.items), entry_order);
	for (size_t i = 1; i < count; i++) {
		struct spot item = { .up = &at, .index = names.items[i].index };
		struct spot name = { .up = &item, .key = "name" };

		if (names.items[i].name.len > 0 &&
		    slice_eq(names.items[i].name, names.items[i - 1].name))
			check_fail(rules->check, &name, SLICE("another name"),
				   "already the name of /%s/%zu", list, names.items[i - 1].index);
	}
	return names;
}

#define NAMES_UNIQUE(rules, list, member, member_count)                                            \
	names_unique(rules, list, (rules)->all->member, (rules)->all->member_count,                \
		     sizeof(*(rules)->all->member))

static const struct entry *names_find(const struct names *names, struct slice name)
{
	if (names->count == 0)
		return NULL;
	return bsearch(&name, names->items, names->count, sizeof(*names->items), name_order);
}

/* An empty reference is either not given or already in error. */
static void reference(struct rules *rules, const struct names *names, const char *what,
		      struct slice name, const struct spot *up, const char *key)
{
	struct spot at = { .up = up, .key = key };
	struct slice remedy;

	if (name.len == 0 || names_find(names, name))
		return;
	remedy =
	    arena_printf(rules->check->arena, "the name of a %s that is there, or add it", what);
	check_fail(rules->check, &at, remedy, "there is no such %s", what);
}

static void trunk_references(struct rules *rules)
{
	struct spot list = { .up = rules->top, .key = "trunks" };

	for (size_t i = 0; i < rules->all->trunk_count; i++) {
		struct spot item = { .up = &list, .index = i };

		reference(rules, &rules->realms, "realm", rules->all->trunks[i].realm, &item,
			  "realm");
	}
}

static void target_rules(struct rules *rules, const struct conf_target *target,
			 const struct spot *item)
{
	const struct entry *entry = names_find(&rules->trunks, target->trunk);
	struct spot at = { .up = item, .key = "trunk" };

	reference(rules, &rules->trunks, "trunk", target->trunk, item, "trunk");
	if (entry && target->trunk.len > 0 && rules->all->trunks[entry->index].gateway_count == 0)
		check_fail(rules->check, &at, SLICE("a trunk with gateways"),
			   "this trunk has no gateways, so nothing can be called there");
}

static void route_references(struct rules *rules)
{
	struct spot list = { .up = rules->top, .key = "routes" };

	for (size_t i = 0; i < rules->all->route_count; i++) {
		const struct conf_route *route = &rules->all->routes[i];
		struct spot item = { .up = &list, .index = i };
		struct spot match = { .up = &item, .key = "match" };
		struct spot targets = { .up = &item, .key = "targets" };

		reference(rules, &rules->trunks, "trunk", route->match_trunk, &match, "trunk");
		reference(rules, &rules->realms, "realm", route->match_realm, &match, "realm");
		for (size_t j = 0; j < route->target_count; j++) {
			struct spot at = { .up = &targets, .index = j };

			target_rules(rules, &route->targets[j], &at);
		}
	}
}

static void other_references(struct rules *rules)
{
	struct spot users = { .up = rules->top, .key = "users" };
	struct spot access = { .up = rules->top, .key = "access_rules" };

	for (size_t i = 0; i < rules->all->user_count; i++) {
		struct spot item = { .up = &users, .index = i };

		reference(rules, &rules->realms, "realm", rules->all->users[i].realm, &item,
			  "realm");
	}
	for (size_t i = 0; i < rules->all->access_rule_count; i++) {
		struct spot item = { .up = &access, .index = i };

		reference(rules, &rules->realms, "realm", rules->all->access_rules[i].realm, &item,
			  "realm");
	}
}

/* The realm that goes beyond what the daemons have room for. */
static void limit_rules(const struct rules *rules)
{
	struct spot realms = { .up = rules->top, .key = "realms" };
	size_t listeners = 0, addresses = 0;

	for (size_t i = 0; i < rules->all->realm_count; i++) {
		const struct conf_realm *realm = &rules->all->realms[i];
		struct spot item = { .up = &realms, .index = i };
		struct spot at_listeners = { .up = &item, .key = "listeners" };
		struct spot at_media = { .up = &item, .key = "media" };
		bool fitted = listeners <= CONF_LISTENERS_MAX;

		listeners += realm->listener_count;
		if (fitted && listeners > CONF_LISTENERS_MAX)
			check_fail(rules->check, &at_listeners,
				   SLICE("at most 256 listeners in all realms together"),
				   "with this realm there are %zu listeners", listeners);
		fitted = addresses <= CONF_MEDIA_ADDRESSES_MAX;
		addresses += conf_media_count(realm);
		if (fitted && addresses > CONF_MEDIA_ADDRESSES_MAX)
			check_fail(rules->check, &at_media,
				   SLICE("at most 256 media addresses in all realms together"),
				   "with this realm there are %zu media addresses", addresses);
	}
}

void provisioning_rules(struct check *check, const struct spot *top,
			const struct conf_provisioning *provisioning)
{
	struct rules rules = { .check = check, .top = top, .all = provisioning };

	rules.realms = NAMES_UNIQUE(&rules, "realms", realms, realm_count);
	rules.trunks = NAMES_UNIQUE(&rules, "trunks", trunks, trunk_count);
	NAMES_UNIQUE(&rules, "tls_profiles", tls_profiles, tls_profile_count);
	NAMES_UNIQUE(&rules, "routes", routes, route_count);
	NAMES_UNIQUE(&rules, "users", users, user_count);
	NAMES_UNIQUE(&rules, "access_rules", access_rules, access_rule_count);
	trunk_references(&rules);
	route_references(&rules);
	other_references(&rules);
	limit_rules(&rules);
	overlap_rules(check, top, provisioning);
}

/* SPDX-License-Identifier: MIT
 * From a validated document to settings: names become indexes, expressions code, lists tables. */
#include <stdlib.h>

#include "sbc/settings/settings_priv.h"

static int slice_order(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int named_order(const void *a, const void *b)
{
	return slice_order(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int rule_order(const void *a, const void *b)
{
	const struct conf_access_rule *x = *(const struct conf_access_rule *const *)a;
	const struct conf_access_rule *y = *(const struct conf_access_rule *const *)b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? 1 : -1;
	return slice_order(x->name, y->name);
}

static int route_order(const void *a, const void *b)
{
	const struct conf_route *x = a;
	const struct conf_route *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? 1 : -1;
	return slice_order(x->name, y->name);
}

static int target_order(const void *a, const void *b)
{
	const struct settings_target *x = a;
	const struct settings_target *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

uint32_t named_find(const struct named *names, size_t count, struct slice name)
{
	struct named key = { .name = name };
	const struct named *found = NULL;

	if (count > 0)
		found = bsearch(&key, names, count, sizeof(*names), named_order);
	return found ? found->index : SETTINGS_NONE;
}

/* An empty name is no reference. ERR_NOENT: it refers to nothing. */
static enum err resolve(const struct named *names, size_t count, struct slice name, uint32_t *ret)
{
	*ret = name.len > 0 ? named_find(names, count, name) : SETTINGS_NONE;
	return name.len > 0 && *ret == SETTINGS_NONE ? ERR_NOENT : OK;
}

static enum err build_realms(struct builder *b)
{
	size_t count = b->conf->realm_count;

	b->realms = arena_array(&b->memory->arena, count + 1, sizeof(*b->realms));
	b->memory->realm_names = arena_array(&b->memory->arena, count + 1, sizeof(struct named));
	if (!b->realms || !b->memory->realm_names)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		b->realms[i].conf = &b->conf->realms[i];
		b->memory->realm_names[i] = (struct named){ b->conf->realms[i].name, i };
	}
	qsort(b->memory->realm_names, count, sizeof(struct named), named_order);
	b->settings->realms = b->realms;
	b->settings->realm_count = (uint32_t)count;
	return OK;
}

static enum err build_trunks(struct builder *b)
{
	size_t count = b->conf->trunk_count;
	enum err err = OK;

	b->trunks = arena_array(&b->memory->arena, count + 1, sizeof(*b->trunks));
	b->memory->trunk_names = arena_array(&b->memory->arena, count + 1, sizeof(struct named));
	if (!b->trunks || !b->memory->trunk_names)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count && err == OK; i++) {
		b->trunks[i].conf = &b->conf->trunks[i];
		b->memory->trunk_names[i] = (struct named){ b->conf->trunks[i].name, i };
		err = resolve(b->memory->realm_names, b->conf->realm_count,
			      b->conf->trunks[i].realm, &b->trunks[i].realm);
	}
	qsort(b->memory->trunk_names, count, sizeof(struct named), named_order);
	b->settings->trunks = b->trunks;
	b->settings->trunk_count = (uint32_t)count;
	return err;
}

/* Sources that were given come before those that gateways give, and of those the first trunk's. */
static void add_sources(struct builder *b, bool given)
{
	struct prefix_map *map = &b->memory->sources;

	for (uint32_t i = 0; i < b->conf->trunk_count; i++) {
		const struct conf_trunk *trunk = &b->conf->trunks[i];

		for (size_t j = 0; trunk->sources_given == given && j < trunk->source_count; j++)
			if (!prefix_map_has(map, b->trunks[i].realm, &trunk->sources[j]))
				prefix_map_add(map, b->trunks[i].realm, &trunk->sources[j], i);
	}
}

static enum err build_sources(struct builder *b)
{
	size_t count = 0;
	enum err err;

	for (size_t i = 0; i < b->conf->trunk_count; i++)
		count += b->conf->trunks[i].source_count;
	err = prefix_map_init(&b->memory->sources, &b->memory->arena, count);
	if (err != OK)
		return err;
	add_sources(b, true);
	add_sources(b, false);
	return OK;
}

static enum err build_access(struct builder *b)
{
	struct settings_memory *memory = b->memory;
	size_t count = b->conf->access_rule_count;
	enum err err = prefix_map_init(&memory->access, &memory->arena, count);

	memory->rules = arena_array(&memory->arena, count + 1, sizeof(*memory->rules));
	if (err != OK || !memory->rules)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++)
		memory->rules[i] = &b->conf->access_rules[i];
	qsort(memory->rules, count, sizeof(*memory->rules), rule_order);
	for (uint32_t i = 0; i < count && err == OK; i++) {
		uint32_t realm;

		err = resolve(memory->realm_names, b->conf->realm_count, memory->rules[i]->realm,
			      &realm);
		prefix_map_add(&memory->access, realm, &memory->rules[i]->source, i);
	}
	return err;
}

static struct ip_prefix host_prefix(const struct ip_addr *ip)
{
	return (struct ip_prefix){ *ip, ip->family == IP_V4 ? 32 : 128 };
}

static enum err build_listeners(struct builder *b)
{
	size_t count = 0;
	enum err err;

	for (size_t i = 0; i < b->conf->realm_count; i++)
		count += b->conf->realms[i].listener_count;
	err = prefix_map_init(&b->memory->listeners, &b->memory->arena, count);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < b->conf->realm_count; i++) {
		for (uint32_t j = 0; j < b->conf->realms[i].listener_count; j++) {
			const struct conf_listener *listener = &b->conf->realms[i].listeners[j];
			struct ip_prefix prefix = host_prefix(&listener->address);

			prefix_map_add(&b->memory->listeners,
				       listener_scope(listener->transport, listener->port), &prefix,
				       i << 16 | j);
		}
	}
	return OK;
}

static enum err compile(struct slice pattern, struct pcre2_real_code_8 **ret)
{
	size_t offset;

	return pattern.len > 0 ? conf_regex_compile(pattern, ret, &offset, NULL) : OK;
}

/* *ret_count is how many are compiled, also after a failure, so that they can be freed. */
static enum err build_rewrites(struct arena *arena, const struct conf_rewrite *conf, size_t count,
			       struct settings_rewrite **ret, size_t *ret_count)
{
	enum err err = OK;

	*ret = arena_array(arena, count + 1, sizeof(**ret));
	if (!*ret)
		return ERR_NOMEM;
	for (size_t i = 0; i < count && err == OK; i++) {
		(*ret)[i].replace = conf[i].replace;
		err = compile(conf[i].match, &(*ret)[i].match);
		*ret_count = i + 1;
	}
	return err;
}

static enum err build_targets(struct builder *b, struct settings_route *route)
{
	const struct conf_route *conf = route->conf;
	enum err err = OK;

	route->targets =
	    arena_array(&b->memory->arena, conf->target_count + 1, sizeof(*route->targets));
	if (!route->targets)
		return ERR_NOMEM;
	route->target_count = conf->target_count;
	for (size_t i = 0; i < conf->target_count && err == OK; i++) {
		struct settings_target *target = &route->targets[i];

		target->priority = conf->targets[i].priority;
		target->weight = conf->targets[i].weight;
		err = resolve(b->memory->trunk_names, b->conf->trunk_count, conf->targets[i].trunk,
			      &target->trunk);
	}
	qsort(route->targets, route->target_count, sizeof(*route->targets), target_order);
	return err;
}

static enum err build_route(struct builder *b, const struct conf_route *conf,
			    struct settings_route *route)
{
	struct settings_memory *memory = b->memory;
	enum err err;

	route->conf = conf;
	err = resolve(memory->trunk_names, b->conf->trunk_count, conf->match_trunk,
		      &route->match_trunk);
	if (err == OK)
		err = resolve(memory->realm_names, b->conf->realm_count, conf->match_realm,
			      &route->match_realm);
	if (err == OK)
		err = compile(conf->match_called, &route->match_called);
	if (err == OK)
		err = compile(conf->match_calling, &route->match_calling);
	if (err == OK)
		err =
		    build_rewrites(&memory->arena, conf->rewrite_called, conf->rewrite_called_count,
				   &route->rewrite_called, &route->rewrite_called_count);
	if (err == OK)
		err = build_rewrites(&memory->arena, conf->rewrite_calling,
				     conf->rewrite_calling_count, &route->rewrite_calling,
				     &route->rewrite_calling_count);
	return err == OK ? build_targets(b, route) : err;
}

static enum err build_routes(struct builder *b)
{
	size_t count = b->conf->route_count;
	enum err err = OK;

	b->routes = arena_array(&b->memory->arena, count + 1, sizeof(*b->routes));
	if (!b->routes)
		return ERR_NOMEM;
	if (count > 0)
		qsort(b->conf->routes, count, sizeof(*b->conf->routes), route_order);
	b->settings->routes = b->routes;
	for (size_t i = 0; i < count && err == OK; i++) {
		err = build_route(b, &b->conf->routes[i], &b->routes[i]);
		b->settings->route_count = (uint32_t)i + 1;
	}
	return err;
}

/* A counting sort: routes of one trunk stay in their order. */
static enum err build_route_lists(struct builder *b)
{
	size_t trunks = b->settings->trunk_count;
	uint32_t *starts = arena_array(&b->memory->arena, trunks + 3, sizeof(*starts));
	uint32_t *lists =
	    arena_array(&b->memory->arena, b->settings->route_count + 1, sizeof(*lists));

	if (!starts || !lists)
		return ERR_NOMEM;
	/* starts[n + 2] counts list n, and with the sums starts[n + 1] becomes where it begins;
	 * filling it moves that to where it ends, which is where list n + 1 begins. */
	for (uint32_t i = 0; i < b->settings->route_count; i++)
		starts[route_list(b->settings, b->routes[i].match_trunk) + 2]++;
	for (size_t n = 2; n < trunks + 3; n++)
		starts[n] += starts[n - 1];
	for (uint32_t i = 0; i < b->settings->route_count; i++)
		lists[starts[route_list(b->settings, b->routes[i].match_trunk) + 1]++] = i;
	b->memory->route_starts = starts;
	b->memory->route_lists = lists;
	return OK;
}

enum err settings_build(struct builder *b, const struct conf_provisioning *conf)
{
	enum err err = conf_provisioning_copy(&b->memory->arena, conf, b->conf);

	if (err == OK)
		err = build_realms(b);
	if (err == OK)
		err = build_trunks(b);
	if (err == OK)
		err = build_sources(b);
	if (err == OK)
		err = build_access(b);
	if (err == OK)
		err = build_listeners(b);
	if (err == OK)
		err = build_routes(b);
	return err == OK ? build_route_lists(b) : err;
}

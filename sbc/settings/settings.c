/* SPDX-License-Identifier: MIT
 * Building and freeing. The settings, their arena and its cache all lie in that arena's own chunks.
 */
#include "sbc/settings/settings.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "lib/base/ensure.h"
#include "sbc/settings/settings_priv.h"

#define QUOTA_BYTES ((size_t)1 << 30)

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
	uint64_t match_limits; /* the one thing that changes; the worker's alone, as `users` is */
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

static int slice_order(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int named_order(const void *a, const void *b)
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

static uint32_t named_find(const struct named *names, size_t count, struct slice name)
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

static enum err build_sources(struct builder *b)
{
	size_t count = 0;
	enum err err;

	for (size_t i = 0; i < b->conf->trunk_count; i++)
		count += b->conf->trunks[i].source_count;
	err = prefix_map_init(&b->memory->sources, &b->memory->arena, count);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < b->conf->trunk_count; i++)
		for (size_t j = 0; j < b->conf->trunks[i].source_count; j++)
			prefix_map_add(&b->memory->sources, b->trunks[i].realm,
				       &b->conf->trunks[i].sources[j], i);
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

static uint32_t listener_scope(enum conf_transport transport, uint16_t port)
{
	return (uint32_t)transport << 16 | port;
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

static enum err build(struct builder *b, const struct conf_provisioning *conf)
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
	return err == OK ? build_routes(b) : err;
}

/* The memory's own head is its arena's first allocation. */
static struct settings_memory *memory_create(void)
{
	struct arena_cache cache;
	struct arena arena;
	struct settings_memory *memory;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 16384, QUOTA_BYTES);
	arena.wipe = true; /* it holds the trunks' passwords */
	memory = arena_new(&arena, struct settings_memory);
	if (!memory)
		return NULL;
	memory->cache = cache;
	memory->arena = arena;
	memory->arena.cache = &memory->cache;
	return memory;
}

static void memory_destroy(struct settings_memory *memory)
{
	struct arena_cache cache = memory->cache;
	struct arena arena = memory->arena;

	arena.cache = &cache;
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

static void rewrites_free(struct settings_rewrite *rewrites, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pcre2_code_free(rewrites[i].match);
}

static void settings_destroy(struct settings *settings)
{
	for (uint32_t i = 0; i < settings->route_count; i++) {
		const struct settings_route *route = &settings->routes[i];

		pcre2_code_free(route->match_called);
		pcre2_code_free(route->match_calling);
		rewrites_free(route->rewrite_called, route->rewrite_called_count);
		rewrites_free(route->rewrite_calling, route->rewrite_calling_count);
	}
	memory_destroy(settings->memory);
}

enum err settings_create(const struct conf_provisioning *conf, uint64_t version,
			 struct settings **ret)
{
	struct builder builder = { .memory = memory_create() };
	enum err err;

	if (!builder.memory)
		return ERR_NOMEM;
	builder.settings = arena_new(&builder.memory->arena, struct settings);
	builder.conf = arena_new(&builder.memory->arena, struct conf_provisioning);
	if (!builder.settings || !builder.conf) {
		memory_destroy(builder.memory);
		return ERR_NOMEM;
	}
	*builder.settings = (struct settings){
		.version = version, .users = 1, .conf = builder.conf, .memory = builder.memory
	};
	err = build(&builder, conf);
	if (err == OK)
		*ret = builder.settings;
	else
		settings_destroy(builder.settings);
	return err;
}

struct settings *settings_take(struct settings *settings)
{
	ensure(settings->users > 0);
	settings->users++;
	return settings;
}

void settings_release(struct settings **settings)
{
	ensure((*settings)->users > 0);
	if (--(*settings)->users == 0)
		settings_destroy(*settings);
	*settings = NULL;
}

uint32_t settings_trunk_by_source(const struct settings *settings, uint32_t realm,
				  const struct ip_addr *ip)
{
	return prefix_map_longest(&settings->memory->sources, realm, ip);
}

enum conf_access_action settings_access(const struct settings *settings, uint32_t realm,
					const struct ip_addr *ip)
{
	const struct settings_memory *memory = settings->memory;
	uint32_t here = prefix_map_lowest(&memory->access, realm, ip);
	uint32_t anywhere = prefix_map_lowest(&memory->access, SETTINGS_NONE, ip);
	uint32_t first = here < anywhere ? here : anywhere;

	return first == SETTINGS_NONE ? CONF_ACCESS_REJECT : memory->rules[first]->action;
}

uint32_t settings_realm_by_listener(const struct settings *settings, enum conf_transport transport,
				    const struct endpoint *local, uint32_t *ret_listener)
{
	uint32_t value = prefix_map_longest(&settings->memory->listeners,
					    listener_scope(transport, local->port), &local->ip);

	if (value == SETTINGS_NONE)
		return SETTINGS_NONE;
	if (ret_listener)
		*ret_listener = value & 0xffff;
	return value >> 16;
}

uint32_t settings_realm_by_name(const struct settings *settings, struct slice name)
{
	return named_find(settings->memory->realm_names, settings->realm_count, name);
}

uint32_t settings_trunk_by_name(const struct settings *settings, struct slice name)
{
	return named_find(settings->memory->trunk_names, settings->trunk_count, name);
}

const struct conf_tls_profile *settings_tls_profile(const struct settings *settings,
						    struct slice name)
{
	for (size_t i = 0; i < settings->conf->tls_profile_count; i++)
		if (slice_eq(settings->conf->tls_profiles[i].name, name))
			return &settings->conf->tls_profiles[i];
	return NULL;
}

uint64_t settings_match_limits(const struct settings *settings)
{
	return settings->memory->match_limits;
}

void settings_count_match_limit(const struct settings *settings)
{
	settings->memory->match_limits++;
}

/* SPDX-License-Identifier: MIT
 * The life of settings, and the questions they answer. The settings, their arena and its cache all
 * lie in that arena's own chunks. */
#include "sbc/settings/settings.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/ensure.h"
#include "sbc/settings/settings_priv.h"

#define QUOTA_BYTES ((size_t)1 << 30)

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
	err = settings_build(&builder, conf);
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

const uint32_t *settings_routes_for(const struct settings *settings, uint32_t trunk,
				    size_t *ret_count)
{
	const struct settings_memory *memory = settings->memory;
	size_t list = route_list(settings, trunk);

	*ret_count = memory->route_starts[list + 1] - memory->route_starts[list];
	return memory->route_lists + memory->route_starts[list];
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

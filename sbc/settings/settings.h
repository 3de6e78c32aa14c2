/* SPDX-License-Identifier: MIT
 * What sbcd runs on: one version of the provisioned configuration, resolved (names became indexes),
 * compiled (expressions became code) and immutable. It owns all its memory: every slice reached
 * from it lives as long as it does. What is asked per message (who is this source, which realm is
 * this listener) takes a fixed number of hash probes, however many trunks there are.
 *
 * A worker keeps its own copy: it is built on any thread and handed over whole, and from then on
 * only the worker touches it. So `users` is a plain integer. The worker holds one use of the
 * current settings, and each call one of those it began with; the last one to let go frees. */
#pragma once

#include "lib/conf/conf.h"

#define SETTINGS_NONE UINT32_MAX

struct settings_realm {
	const struct conf_realm *conf;
};

struct settings_trunk {
	const struct conf_trunk *conf; /* gateways are known by their index there */
	uint32_t realm;
};

struct settings_rewrite {
	struct pcre2_real_code_8 *match;
	struct slice replace;
};

struct settings_target {
	uint32_t trunk;
	uint32_t priority;
	uint32_t weight;
};

struct settings_route {
	const struct conf_route *conf;
	uint32_t match_trunk; /* SETTINGS_NONE: any */
	uint32_t match_realm;
	struct pcre2_real_code_8 *match_called; /* NULL: any */
	struct pcre2_real_code_8 *match_calling;
	struct settings_rewrite *rewrite_called;
	struct settings_rewrite *rewrite_calling;
	size_t rewrite_called_count;
	size_t rewrite_calling_count;
	struct settings_target *targets; /* by priority */
	size_t target_count;
};

struct settings_memory; /* private */

struct settings {
	uint64_t version;
	uint32_t users;
	const struct conf_provisioning *conf;
	const struct settings_realm *realms; /* in the document's order */
	const struct settings_trunk *trunks; /* in the document's order */
	const struct settings_route *routes; /* by priority, then by name */
	uint32_t realm_count;
	uint32_t trunk_count;
	uint32_t route_count;
	struct settings_memory *memory;
};

/* Copies, resolves and compiles. conf: validated; may go afterwards. *ret has one user, the caller.
 * ERR_NOMEM; ERR_NOENT or ERR_SYNTAX when conf was not validated. Any thread. */
must_use enum err settings_create(const struct conf_provisioning *conf, uint64_t version,
				  struct settings **ret);

/* One more user. Returns settings. */
struct settings *settings_take(struct settings *settings);
/* One less; the last one frees it (keys are wiped). *settings becomes NULL. */
void settings_release(struct settings **settings);

/* The trunk whose source the address is in this realm, the longest prefix first; or SETTINGS_NONE.
 */
uint32_t settings_trunk_by_source(const struct settings *settings, uint32_t realm,
				  const struct ip_addr *ip);

/* What to do with a source that is no trunk's: the first rule, by priority and then by name, that
 * has this realm (or none) and this address. No such rule: CONF_ACCESS_REJECT. */
enum conf_access_action settings_access(const struct settings *settings, uint32_t realm,
					const struct ip_addr *ip);

/* The routes that ask for this trunk (SETTINGS_NONE: those that ask for none), as indexes of routes
 * in their order. So a call looks at its own trunk's routes, however many the others have. */
const uint32_t *settings_routes_for(const struct settings *settings, uint32_t trunk,
				    size_t *ret_count);

/* The realm that listens there (tcp, tls, ws and wss are told apart), or SETTINGS_NONE.
 * ret_listener (may be NULL): the index in the realm's listeners. */
uint32_t settings_realm_by_listener(const struct settings *settings, enum conf_transport transport,
				    const struct endpoint *local, uint32_t *ret_listener);

/* SETTINGS_NONE: there is none. Logarithmic. */
uint32_t settings_realm_by_name(const struct settings *settings, struct slice name);
uint32_t settings_trunk_by_name(const struct settings *settings, struct slice name);
/* NULL: there is none. Linear: there are few. */
const struct conf_tls_profile *settings_tls_profile(const struct settings *settings,
						    struct slice name);

/* Matches of expressions that met a limit on this version, for the statistics. */
uint64_t settings_match_limits(const struct settings *settings);
void settings_count_match_limit(const struct settings *settings);

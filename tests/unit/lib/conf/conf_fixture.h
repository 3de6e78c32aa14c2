/* SPDX-License-Identifier: MIT
 * Documents that are right, with one hole for what a test wants there, and what reads them. */
#pragma once

#include "tests/support/unit.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "lib/conf/conf.h"

#define REALM_A                                                                                    \
	"{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.1\"}],"        \
	"\"media\":{\"address\":\"10.0.0.1\",\"port_min\":20000,\"port_max\":20999}}"
#define REALM_B                                                                                    \
	"{\"name\":\"b\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"10.0.0.2\"}],"        \
	"\"media\":{\"address\":\"10.0.0.2\",\"port_min\":20000,\"port_max\":20999}}"
#define REALMS     "\"realms\":[" REALM_A "," REALM_B "]"
#define TRUNK_T    "{\"name\":\"t\",\"realm\":\"a\",\"gateways\":[{\"uri\":\"sip:10.0.0.9\"}]}"
#define PROV(text) "{\"provisioning\":{" text "}}"
#define MEDIA(text)                                                                                \
	PROV("\"realms\":[{\"name\":\"a\",\"listeners\":[{\"transport\":\"udp\","                  \
	     "\"address\":\"10.0.0.1\"}],\"media\":{\"address\":\"10.0.0.1\"," text "}}]")
#define TRUNK(text)  PROV(REALMS ",\"trunks\":[{\"name\":\"t\",\"realm\":\"a\"," text "}]")
#define GATEWAY(uri) TRUNK("\"gateways\":[{\"uri\":\"" uri "\"}]")

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct conf conf;
	struct conf_errors errors;
};

static inline int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	arena_cache_init(&fixture->cache, 0);
	arena_init(&fixture->arena, &fixture->cache, 4096, 64 << 20);
	*state = fixture;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	arena_fini(&fixture->arena);
	arena_cache_fini(&fixture->cache);
	free(fixture);
	return 0;
}

static inline enum err parse(struct fixture *fixture, const char *text)
{
	return conf_parse(&fixture->arena, slice_text(text), &fixture->conf, &fixture->errors);
}

static inline void print_errors(struct fixture *fixture)
{
	struct slice text = conf_errors_text(&fixture->arena, &fixture->errors);

	print_message("%.*s", SLICE_ARG(text));
}

static inline bool contains(struct slice s, const char *part)
{
	return slice_find(s, slice_text(part)) < s.len || !part[0];
}

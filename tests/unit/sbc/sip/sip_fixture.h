/* SPDX-License-Identifier: MIT
 * One arena and one message for a test of this room. */
#pragma once

#include "sbc/sip/sip.h"
#include "tests/support/unit.h"

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct sip_msg msg;
	struct sip_verdict verdict;
};

static inline void fixture_init(struct fixture *fixture)
{
	*fixture = (struct fixture){ 0 };
	arena_cache_init(&fixture->cache, 1 << 20);
	arena_init(&fixture->arena, &fixture->cache, 4096, 1 << 20);
}

static inline void fixture_fini(struct fixture *fixture)
{
	arena_fini(&fixture->arena);
	arena_cache_fini(&fixture->cache);
}

static inline enum err fixture_parse(struct fixture *fixture, struct slice bytes)
{
	arena_reset(&fixture->arena);
	return sip_parse(&fixture->arena, bytes, &sip_limits_default, &fixture->msg,
			 &fixture->verdict);
}

/* SPDX-License-Identifier: MIT
 * Where a call goes: the first route that matches, the numbers after its rewriting, and the
 * gateways to try in order. A pure function of the snapshot, the call and a random source. Nothing
 * is compiled here, and no expression runs for long: a match that meets a limit has not matched,
 * and is counted (settings_match_limits). */
#pragma once

#include "lib/base/rand.h"
#include "sbc/settings/settings.h"

#define ROUTE_MAX_TARGETS      32u  /* more are never tried for one call */
#define ROUTE_NUMBER_MAX_BYTES 256u /* of a user part, before and after rewriting */

/* What a match may cost. */
#define ROUTE_MATCH_LIMIT    10000u
#define ROUTE_MATCH_HEAP_KIB 128u

struct route_target {
	uint32_t trunk;   /* index in settings->trunks */
	uint32_t gateway; /* index in that trunk's gateways */
	struct slice
	    called_out; /* rewritten; in `arena`, or `called` itself when nothing changed */
	struct slice calling_out;
	struct slice route_name; /* in the settings */
};

/* Routes are asked in their order; all fields that a route's match gives must hold (the realm is
 * in_trunk's). An expression matches anywhere unless it is anchored. Of the route found, every
 * rewrite rule is applied in order to what the one before left: the first place where its
 * expression matches is replaced; a rule that does not match changes nothing. Targets come by
 * priority, lower first, those of one priority in an order drawn by weight (RFC 2782), and within
 * each the trunk's gateways likewise. in_trunk: SETTINGS_NONE for a call from no trunk: routes that
 * ask for a trunk or a realm are not for it. called, calling: user parts, unescaped. arena:
 * results, and some 30 KiB of scratch when there are expressions. ERR_NOENT: no route matches, or a
 * number is too long before or after rewriting (404). ERR_NOMEM. */
must_use enum err route_select(const struct settings *settings, uint32_t in_trunk,
			       struct slice called, struct slice calling, struct rand *rand,
			       struct arena *arena, struct route_target **ret_targets,
			       uint32_t *ret_count);

/* A final response of this trunk's gateway lets the next target be tried, by the trunk's
 * `failover`. (A transport error or silence always does.) */
bool route_may_fail_over(const struct conf_trunk *trunk, uint16_t status);

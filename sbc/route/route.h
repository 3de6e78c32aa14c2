/* SPDX-License-Identifier: MIT
 * Where a call goes (architect's contract: the call core is written against it). A pure function of
 * the snapshot, the call and a random source. */
#pragma once

#include "lib/base/rand.h"
#include "sbc/settings/settings.h"

struct route_target {
	uint32_t trunk;          /* index in settings->trunks */
	uint32_t gateway;        /* index in that trunk's gateways */
	struct slice called_out; /* rewritten; in `arena` */
	struct slice calling_out;
	struct slice route_name; /* in the settings */
};

/* Targets in the order to try: targets by priority, then by weight (RFC 2782), and within each the
 * trunk's gateways likewise. ERR_NOENT: no route matches (404). ERR_NOMEM. */
must_use enum err route_select(const struct settings *settings, uint32_t in_trunk,
			       struct slice called, struct slice calling, struct rand *rand,
			       struct arena *arena, struct route_target **ret_targets,
			       uint32_t *ret_count);

/* A final response of this trunk's gateway lets the next target be tried. */
bool route_may_fail_over(const struct conf_trunk *trunk, uint16_t status);

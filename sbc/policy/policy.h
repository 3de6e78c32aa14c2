/* SPDX-License-Identifier: MIT
 * Admission (architect's contract: the call core is written against it): who is it, and may he?
 * Sans-I/O; O(1) however many trunks there are. */
#pragma once

#include "sbc/settings/settings.h"

struct policy; /* a worker's load per trunk, by name: it outlives snapshots */

must_use enum err policy_create(struct policy **ret);
void policy_destroy(struct policy **policy);

enum policy_answer { POLICY_ALLOW, POLICY_REJECT /* 403 */, POLICY_DROP /* silence */ };

/* Names the peer of a message that arrived in this realm from this address. *ret_trunk is an index
 * of settings->trunks, or SETTINGS_NONE (then never POLICY_ALLOW unless an access rule says so). */
enum policy_answer policy_admit(const struct settings *settings, uint32_t realm,
				const struct ip_addr *source, uint32_t *ret_trunk);

/* A call begins on this trunk (on either leg): counted against limits.calls and limits.cps.
 * 0: taken, and policy_call_end must follow; else the SIP code to answer (503), nothing counted. */
uint16_t policy_call_begin(struct policy *policy, const struct conf_trunk *trunk, uint64_t now_ms);
void policy_call_end(struct policy *policy, struct slice trunk_name);

/* Figures of a trunk by name: live calls, calls begun in the last full second. */
void policy_load(const struct policy *policy, struct slice trunk_name, uint64_t now_ms,
		 uint32_t *ret_calls, uint32_t *ret_cps);

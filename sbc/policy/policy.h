/* SPDX-License-Identifier: MIT
 * Admission: who is it, may he, and what of him may the other side see? Sans-I/O; O(1) however many
 * trunks there are.
 * Default deny: an address that is no trunk's source is nobody, whatever its message says. */
#pragma once

#include "lib/base/rand.h"
#include "sbc/settings/settings.h"
#include "sbc/sip/sip.h"

struct policy; /* a worker's load per trunk, by name: it outlives snapshots */

/* ERR_NOMEM. */
must_use enum err policy_create(struct policy **ret);
void policy_destroy(struct policy **policy);
/* Limits are shared out evenly: this worker takes 1/workers of each, rounded up. */
void policy_share(struct policy *policy, uint32_t workers);

enum policy_answer { POLICY_ALLOW, POLICY_REJECT /* 403 */, POLICY_DROP /* silence */ };

/* Names the peer of a message that arrived in this realm from this address. *ret_trunk is an index
 * of settings->trunks, or SETTINGS_NONE (then never POLICY_ALLOW unless an access rule says so).
 * Trunks are known before access rules are asked: those are about strangers. */
enum policy_answer policy_admit(const struct settings *settings, uint32_t realm,
				const struct ip_addr *source, uint32_t *ret_trunk);

/* A call begins on this trunk (on either leg): counted against limits.calls and limits.cps. The
 * latter is a token bucket that holds one second's worth.
 * 0: taken, and policy_call_end must follow; else the SIP code to answer (503), nothing counted. */
uint16_t policy_call_begin(struct policy *policy, const struct conf_trunk *trunk, uint64_t now_ms);
void policy_call_end(struct policy *policy, struct slice trunk_name);

/* For the Retry-After of a 503: 1 to 10 s, drawn, so that the refused do not come back together. */
uint32_t policy_retry_after_s(struct rand *rand);

/* Figures of a trunk by name: live calls, calls begun in the last full second. */
void policy_load(const struct policy *policy, struct slice trunk_name, uint64_t now_ms,
		 uint32_t *ret_calls, uint32_t *ret_cps);

/* What of one side's words the other side may see. Every message is written anew; a header that is
 * not named here does not cross. */
struct policy_headers {
	bool identity;  /* both trunks are trusted: P-Asserted-Identity, Privacy and display names
			   cross (RFC 3325 5, 7), hosts in them replaced by our own */
	bool anonymous; /* the caller asked for privacy and the far side is not trusted: From is
			   "Anonymous" <sip:anonymous@anonymous.invalid> (RFC 3323 4.1) */
};

/* privacy: the value of the caller's Privacy header, maybe empty. */
struct policy_headers policy_headers(const struct conf_trunk *from, const struct conf_trunk *to,
				     struct slice privacy);

/* This header may cross with this value. Only values that are themselves harmless (numbers and
 * words of a known set) cross as they are; for identities see policy_headers. */
bool policy_header_crosses(const struct policy_headers *headers, enum sip_header id,
			   struct slice value);

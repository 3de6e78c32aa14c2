/* SPDX-License-Identifier: MIT
 * Addresses that the names of gateways resolved to lately. No trunk lists them among its sources, but
 * what they answer is what we asked for: they are neither strangers nor to be dropped. A table of
 * fixed size, shared by all workers without a lock. */
#pragma once

#include <stdatomic.h>

#include "lib/base/addr.h"
#include "lib/base/hash.h"

#define ASKED_SLOTS	 4096u
#define ASKED_LIFETIME_S (24u * 3600) /* a call may last, and its BYE must find the way in */

struct asked {
	struct hash_key key; /* secret: nobody can choose whom he pushes out */
	/* By set: half of a hash of the address, and the second in which it was noted; 0: empty. */
	_Atomic uint64_t slots[ASKED_SLOTS];
};

/* Zeroed storage with a key will do. Any thread. now_ms: monotonic, the same clock for all. */
void asked_note(struct asked *asked, const struct ip_addr *ip, uint64_t now_ms);
/* It was noted within ASKED_LIFETIME_S, and few others of its set since. */
bool asked_lately(const struct asked *asked, const struct ip_addr *ip, uint64_t now_ms);

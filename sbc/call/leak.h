/* SPDX-License-Identifier: MIT
 * The last look at a message before it leaves: does it show an address, host, Call-ID or tag of the
 * other leg? All needles are sought in one pass that looks at every fourth position only, so that
 * the look costs a fraction of a microsecond. */
#pragma once

#include "lib/base/slice.h"

#define LEAK_MAX 12u
#define LEAK_MIN_BYTES 7u /* a shorter needle would be found by chance; "1.2.3.4" has 7 */

struct leak_set {
	struct slice needles[LEAK_MAX];
	uint32_t count;
	uint8_t first[256]; /* by a window's hash: its number + 1; 0: none */
	uint8_t next[LEAK_MAX * 4];
};

/* needle: lives as long as the set. Shorter than LEAK_MIN_BYTES: not watched. Duplicates and what
 * the set already holds are passed over. */
void leak_add(struct leak_set *set, struct slice needle);

/* Nothing would change if this were added: it is there, too short, or the set is full. */
bool leak_has(const struct leak_set *set, struct slice needle);

/* The first needle that stands in `bytes`, or an empty slice. An address must stand alone: 10.0.0.1
 * is not in 10.0.0.12. */
struct slice leak_find(const struct leak_set *set, struct slice bytes);

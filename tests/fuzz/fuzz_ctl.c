/* SPDX-License-Identifier: MIT
 * Control messages: whatever decodes must encode to the same bytes. */
#include "lib/base/ensure.h"
#include "lib/ctl/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char again[CTL_MAX_BYTES];
	struct arena_cache cache;
	struct arena arena;
	struct ctl_message message;
	size_t len = 0;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 20);
	if (size <= CTL_MAX_BYTES && ctl_decode(&arena, data, size, &message) == OK) {
		ensure(ctl_encode(&message, again, sizeof(again), &len) == OK);
		ensure(len == size && memcmp(again, data, size) == 0);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * An INFO's body as a digit: what is taken is a digit of a length within the bounds, and can be said
 * again. */
#include "lib/base/ensure.h"
#include "sbc/call/dtmf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct slice types[] = { SLICE_INIT("application/dtmf-relay"),
					      SLICE_INIT("application/dtmf") };
	struct arena_cache cache;
	struct arena arena;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 8192);
	for (size_t i = 0; i < array_size(types); i++) {
		struct media_digit digit, again;

		if (dtmf_parse(types[i], slice_of((const char *)data, size), &digit) != OK)
			continue;
		ensure(digit.event <= 16 && digit.duration_ms >= DTMF_MIN_MS &&
		       digit.duration_ms <= DTMF_MAX_MS);
		ensure(dtmf_parse(types[0], dtmf_write(&arena, &digit), &again) == OK);
		ensure(again.event == digit.event && again.duration_ms == digit.duration_ms);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

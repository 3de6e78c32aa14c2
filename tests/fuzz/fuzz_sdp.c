/* SPDX-License-Identifier: MIT
 * Session descriptions: any bytes parse or are refused with a line that is there. */
#include "lib/base/ensure.h"
#include "sbc/sdp/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct arena_cache cache;
	struct arena arena;
	struct sdp sdp;
	unsigned line = 0;
	enum err err;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 20);
	err = sdp_parse(&arena, text, &sdp_limits_default, &sdp, &line);
	ensure(err == OK || err == ERR_SYNTAX || err == ERR_LIMIT);
	ensure(err == OK || (line > 0 && line <= size + 1));
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

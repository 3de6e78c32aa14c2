/* SPDX-License-Identifier: MIT
 * The document: any bytes, with and without comments; what is accepted can be copied and is the
 * same when its seed is read again. */
#include "lib/base/ensure.h"
#include "lib/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct conf_provisioning again;
	struct conf_errors errors;
	struct arena_cache cache;
	struct arena arena;
	struct slice seed;
	struct conf conf;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 16 << 20);
	if (conf_parse(&arena, text, &conf, &errors) == OK) {
		ensure(conf_provisioning_copy(&arena, &conf.provisioning, &again) == OK);
		ensure(conf_seed_text(&arena, text, &seed) == OK);
		ensure(conf_provisioning_parse(&arena, seed, &again, &errors) == OK);
		ensure(again.trunk_count == conf.provisioning.trunk_count);
	} else {
		ensure(errors.total > 0 && conf_errors_text(&arena, &errors).len > 0);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Settings from JSON text, for tests of the rooms above them. */
#pragma once

#include "lib/conf/conf.h"
#include "sbc/settings/settings.h"
#include "tests/support/unit.h"

/* Fails the test, and prints the errors, when the document is not right. */
static inline struct settings *settings_from(const char *provisioning, uint64_t version)
{
	struct conf_provisioning conf;
	struct settings *settings = NULL;
	struct conf_errors errors;
	struct arena_cache cache;
	struct arena arena;
	struct slice text;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 30);
	if (conf_provisioning_parse(&arena, slice_text(provisioning), &conf, &errors) != OK) {
		text = conf_errors_text(&arena, &errors);
		fail_msg("%.*s", SLICE_ARG(text));
	}
	assert_int_equal(settings_create(&conf, version, &settings), OK);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return settings;
}

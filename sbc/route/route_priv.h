/* SPDX-License-Identifier: MIT
 * Matching and rewriting, for route.c. */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "sbc/route/route.h"

/* PCRE2's working memory, taken from the call's arena when the first expression runs. */
struct matcher {
	const struct settings *settings;
	struct arena *arena;
	pcre2_general_context *general;
	pcre2_match_context *context;
	pcre2_match_data *data;
};

/* OK: it matches, and matcher->data says where. ERR_NOENT: it does not, or met a limit. ERR_NOMEM.
 */
must_use enum err matcher_run(struct matcher *matcher, const pcre2_code *code,
			      struct slice subject);

/* Applies the rules in order to *number. ERR_NOENT: it grew too long; ERR_NOMEM. */
must_use enum err matcher_rewrite(struct matcher *matcher, const struct settings_rewrite *rules,
				  size_t count, struct slice *number);

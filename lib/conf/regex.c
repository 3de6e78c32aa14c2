/* SPDX-License-Identifier: MIT
 * Expressions of routes. The limits here bound what compiling costs; those of a match are set where
 * it runs (sbc/route). No JIT: it wants memory that is writable and executable. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/conf/conf_priv.h"

#define NESTED_GROUPS_MAX 32u

static pcre2_compile_context *compile_limits(void)
{
	pcre2_compile_context *limits = pcre2_compile_context_create(NULL);

	if (!limits)
		return NULL;
	pcre2_set_parens_nest_limit(limits, NESTED_GROUPS_MAX);
	pcre2_set_max_pattern_length(limits, CONF_REGEX_MAX_BYTES);
	return limits;
}

enum err conf_regex_compile(struct slice pattern, struct pcre2_real_code_8 **ret,
			    size_t *ret_offset, char why[CONF_REGEX_WHY_BYTES])
{
	uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *limits = compile_limits();
	pcre2_code *code;
	int error = 0;

	if (!limits)
		return ERR_NOMEM;
	code =
	    pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len, options, &error, ret_offset, limits);
	pcre2_compile_context_free(limits);
	if (code) {
		*ret = code;
		return OK;
	}
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return ERR_NOMEM;
	if (why && pcre2_get_error_message(error, (PCRE2_UCHAR *)why, CONF_REGEX_WHY_BYTES) < 0)
		why[0] = 0;
	return ERR_SYNTAX;
}

enum err regex_check(struct slice pattern, uint32_t *ret_groups, size_t *ret_offset,
		     char why[CONF_REGEX_WHY_BYTES])
{
	pcre2_code *code = NULL;
	enum err err = conf_regex_compile(pattern, &code, ret_offset, why);

	if (err != OK)
		return err;
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, ret_groups);
	pcre2_code_free(code);
	return OK;
}

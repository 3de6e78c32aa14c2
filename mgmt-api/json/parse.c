/* SPDX-License-Identifier: MIT
 * Text to document. jansson recurses for each level, so depth is counted first, in one pass that
 * builds nothing: a bomb of brackets costs its own length and no more. */
#include "mgmt-api/json/json.h"

#include <jansson.h>
#include <stdio.h>

/* False: some level is deeper than the limit. Brackets inside strings do not count. */
static bool depth_ok(struct slice text)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > JDOC_MAX_DEPTH)
				return false;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* jansson quotes what stands near the fault, which may be a secret: only its first words are told. */
static void fault_from(struct jdoc_fault *fault, const json_error_t *error)
{
	struct slice text = slice_text(error->text);

	text = slice_head(text, slice_find(text, SLICE(" near ")));
	snprintf(fault->detail, sizeof(fault->detail), "%.*s (line %d, column %d)",
		 SLICE_ARG(slice_head(text, 100)), error->line, error->column);
}

enum err jdoc_parse(struct slice text, struct json_t **ret, struct jdoc_fault *ret_fault)
{
	json_error_t error;
	json_t *value;

	if (!depth_ok(text)) {
		snprintf(ret_fault->detail, sizeof(ret_fault->detail),
			 "more than %u levels of nesting", JDOC_MAX_DEPTH);
		return ERR_LIMIT;
	}
	/* jansson takes a NUL behind a number for the end of the text. */
	if (slice_find_char(text, '\0') < text.len) {
		snprintf(ret_fault->detail, sizeof(ret_fault->detail), "a NUL is no JSON");
		return ERR_SYNTAX;
	}
	value = json_loadb(text.p ? text.p : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
			   &error);
	if (!value) {
		fault_from(ret_fault, &error);
		return json_error_code(&error) == json_error_out_of_memory ? ERR_NOMEM :
									     ERR_SYNTAX;
	}
	*ret = value;
	return OK;
}

void jdoc_free(struct json_t **doc)
{
	json_decref(*doc);
	*doc = NULL;
}

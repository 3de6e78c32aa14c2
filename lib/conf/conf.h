/* SPDX-License-Identifier: MIT
 * The configuration document: JSON text (with // comments) in, a typed tree out, or a list of
 * errors, each with the path, the value and what would be right. The same code serves the file,
 * PUT /api/v1/config and the snapshot that sbcd takes; config/schema.json describes it, and a test
 * holds the two against each other. No names are resolved here. "***", which stands for a stored
 * secret in what REST shows, is refused: mgmt-api puts the secrets back in first. */
#pragma once

#include "lib/base/arena.h"
#include "lib/conf/document.h"

struct json_t;            /* jansson's, for lib/conf and mgmt-api/json only */
struct pcre2_real_code_8; /* pcre2_code of <pcre2.h> with PCRE2_CODE_UNIT_WIDTH 8 */

struct conf_error {
	struct slice pointer; /* JSON pointer: /trunks/0/realm (relative to what was validated) */
	struct slice value;   /* as JSON text, clipped; "***" for secrets; empty: it is missing */
	struct slice detail;  /* what is wrong */
	struct slice remedy;  /* what would be right */
};

struct conf_errors {
	struct conf_error *items; /* at most 32 are kept */
	size_t count;
	size_t total;
};

/* Whole file: text → tree. Everything of *ret lives in the arena. ERR_SYNTAX with *ret_errors
 * filled (a syntax error's pointer is empty, its detail has line and column); ERR_NOMEM. */
must_use enum err conf_parse(struct arena *arena, struct slice text, struct conf *ret,
			     struct conf_errors *ret_errors);
/* Reads the file, then conf_parse. -errno when it cannot be read (and an error that says so). */
must_use enum err conf_load(struct arena *arena, const char *path, struct conf *ret,
			    struct conf_errors *ret_errors);

/* A provisioning document alone (REST body, snapshot): strict JSON, no comments. */
must_use enum err conf_provisioning_parse(struct arena *arena, struct slice text,
					  struct conf_provisioning *ret,
					  struct conf_errors *ret_errors);
/* The same on a parsed value; pointers in errors start at this value. */
must_use enum err conf_provisioning_check(struct arena *arena, struct json_t *provisioning,
					  struct conf_provisioning *ret,
					  struct conf_errors *ret_errors);
/* The "provisioning" value of the file's text as canonical JSON text (seed of an empty store). */
must_use enum err conf_seed_text(struct arena *arena, struct slice text, struct slice *ret);
/* A snapshot file {"version": n, "provisioning": {…}} as mgmt-apid writes it and sbcd reads it. */
must_use enum err conf_snapshot_load(struct arena *arena, const char *path, uint64_t *ret_version,
				     struct conf_provisioning *ret, struct conf_errors *ret_errors);
/* "pointer: detail (value …); remedy" lines for --check and logs, in the arena. */
struct slice conf_errors_text(struct arena *arena, const struct conf_errors *errors);
/* A copy whose lists and texts all live in `arena`. ERR_NOMEM. */
must_use enum err conf_provisioning_copy(struct arena *arena, const struct conf_provisioning *from,
					 struct conf_provisioning *ret);

/* Compiles an expression of a route: bytes (never UTF), no JIT; limits on its size. The validator and
 * sbcd both compile through here, so what was accepted compiles again. Free with pcre2_code_free.
 * ERR_SYNTAX: *ret_offset is where, and `why` (may be NULL) holds PCRE2's sentence. */
#define CONF_REGEX_WHY_BYTES 128
must_use enum err conf_regex_compile(struct slice pattern, struct pcre2_real_code_8 **ret,
				     size_t *ret_offset, char why[CONF_REGEX_WHY_BYTES]);

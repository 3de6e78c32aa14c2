/* SPDX-License-Identifier: MIT
 * Bodies of REST requests: what parses is written and read back to the same value, a document patched
 * with itself stays itself (RFC 7396), and after masking no secret is left to differ. */
#include "lib/base/ensure.h"
#include "mgmt-api/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, struct json_t *doc)
{
	struct json_t *again = NULL;
	struct jdoc_fault fault;
	struct text pointer;
	struct text text;

	text_init_arena(&text, arena, 256);
	text_init_arena(&pointer, arena, 256);
	jdoc_write_canonical(&text, doc);
	ensure(text.err == OK && jdoc_parse(text_done(&text), &again, &fault) == OK);
	ensure(jdoc_equal(doc, again));
	ensure(jdoc_mask(again) == OK);
	ensure(jdoc_unmask(again, doc, &pointer) == OK || pointer.len > 0);
	ensure(jdoc_merge_patch(&again, doc) == OK);
	jdoc_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_t *doc = NULL;
	struct arena_cache cache;
	struct jdoc_fault fault;
	struct arena arena;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 64u << 20);
	if (jdoc_parse(slice_of((const char *)data, size), &doc, &fault) == OK) {
		check(&arena, doc);
		jdoc_free(&doc);
	} else {
		ensure(memchr(fault.detail, '\0', sizeof(fault.detail)) && fault.detail[0]);
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

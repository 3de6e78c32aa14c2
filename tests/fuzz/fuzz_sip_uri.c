/* SPDX-License-Identifier: MIT
 * URIs: one that parses equals itself, its pieces lie inside the text, and the user part that is
 * unescaped and written again names the same user. */
#include "lib/base/ensure.h"
#include "sbc/sip/sip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct slice piece, struct slice text)
{
	return piece.len == 0 || (piece.p >= text.p && piece.p + piece.len <= text.p + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct arena_cache cache;
	struct slice plain;
	struct arena arena;
	struct sip_uri uri;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 1 << 18);
	if (sip_uri_parse(text, &uri) == OK) {
		ensure(uri.scheme == SIP_SCHEME_OTHER || sip_uri_eq(&uri, &uri));
		ensure(inside(uri.user, text) && inside(uri.password, text) &&
		       inside(uri.host, text));
		ensure(inside(uri.params, text) && inside(uri.headers, text));
		if (sip_user_unescape(&arena, uri.user, &plain) == OK)
			ensure(plain.len <= uri.user.len &&
			       (plain.len == 0 || !memchr(plain.p, 0, plain.len)));
	}
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Session descriptions: any bytes parse or are refused with a line that is there; any attribute may be
 * taken for a key. */
#include "lib/base/ensure.h"
#include "sbc/sdp/sdp.h"

static void read_as_key(struct slice value)
{
	struct sdp_fingerprint fingerprint;
	struct sdp_crypto crypto;

	if (sdp_crypto_parse(value, &crypto) == OK)
		ensure(crypto.key_count > 0 && crypto.keys[0].len <= SDP_KEY_MAX);
	if (sdp_fingerprint_parse(value, &fingerprint) == OK)
		ensure(fingerprint.len > 0 && fingerprint.len <= sizeof(fingerprint.bytes));
}

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
	for (size_t i = 0; err == OK && i < sdp.media_count; i++)
		for (size_t at = 0; at < sdp.media[i].attribute_count; at++)
			read_as_key(sdp.media[i].attributes[at].value);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Bodies joined: the first line is a Content-Type, the second a Content-ID's reference, the rest
 * octets. What comes out parses again: the SDP once, as given, and of the rest only types that were
 * named. */
#include "lib/base/ensure.h"
#include "lib/base/hash.h"
#include "sbc/call/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hash_key key = { 1, 2 };
static const struct slice sdp = SLICE_INIT("v=0\r\n");
static struct slice types[] = { SLICE_INIT("application/isup"), SLICE_INIT("text/xml") };
static const struct conf_trunk trunk = { .bodies = types, .body_count = array_size(types) };

static void check(const struct body_out *out)
{
	struct sip_parts parts;
	struct sip_part part;
	size_t sdps = 0;

	ensure(sip_parts_init(out->type, out->octets, &parts) == OK);
	while (sip_parts_next(&parts, &part)) {
		struct slice type = sip_media_type(part.content_type);

		ensure(slice_eq(type, types[0]) || slice_eq(type, types[1]) ||
		       slice_eq(part.body, sdp));
		sdps += slice_eq(type, SLICE("application/sdp"));
	}
	ensure(!parts.rest.p && sdps == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of((const char *)data, size);
	struct body_rules rules = { .from = &trunk, .to = &trunk };
	struct leak_set secrets = { 0 };
	struct arena_cache cache;
	struct body_out out;
	struct body body = { 0 };
	struct arena arena;
	struct rand rand;

	if (!slice_cut_char(&rest, '\n', &body.type) ||
	    !slice_cut_char(&rest, '\n', &body.reference))
		return 0;
	body.octets = rest;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 1 << 20);
	/* From the octets, so that they cannot hold the boundary that will be drawn. */
	rand_init_seed(&rand, hash64(&key, slice_of((const char *)data, size)));
	if (body_join(&rules, &body, sdp, &secrets, &rand, &arena, &out) == OK && out.unread)
		check(&out);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

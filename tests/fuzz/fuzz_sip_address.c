/* SPDX-License-Identifier: MIT
 * Addresses, Vias, CSeq and RAck: an address that parses is written as name-addr and parses again
 * to the same. */
#include "lib/base/ensure.h"
#include "sbc/sip/sip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(struct arena *arena, const struct sip_address *address)
{
	struct sip_address again;
	struct slice plain;
	struct text text;

	if (sip_unquote(arena, address->display, &plain) != OK)
		return;
	text_init_arena(&text, arena, 1024);
	sip_write_quoted(&text, plain);
	text_lit(&text, " <");
	text_slice(&text, address->uri_text);
	text_char(&text, '>');
	if (text.err != OK)
		return;
	ensure(sip_address_parse(text_done(&text), &again) == OK);
	ensure(slice_eq(again.uri_text, address->uri_text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct sip_address address;
	struct arena_cache cache;
	struct sip_cseq cseq;
	struct arena arena;
	struct sip_via via;
	uint32_t rseq;

	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 1024, 1 << 18);
	if (sip_address_parse(text, &address) == OK)
		write_again(&arena, &address);
	if (sip_via_parse(text, &via) == OK)
		ensure(via.host.len > 0 && via.transport_text.len > 0);
	if (sip_cseq_parse(text, &cseq) == OK)
		ensure(cseq.number < UINT32_C(1) << 31);
	(void)!sip_rack_parse(text, &rseq, &cseq);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

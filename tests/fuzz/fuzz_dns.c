/* SPDX-License-Identifier: MIT
 * DNS answers: the first byte chooses the type that was asked for. */
#include "sbc/resolve/resolve_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR };
	uint8_t order[DNS_RECORDS_MAX];
	struct dns_answer answer = { 0 };
	struct arena_cache cache;
	struct arena arena;

	if (size < 1)
		return 0;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 512, 16384);
	if (dns_parse(&arena, slice_of((const char *)data + 1, size - 1), types[data[0] % 4],
		      &answer) == OK)
		srv_order(answer.records, answer.count, data[0], order);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

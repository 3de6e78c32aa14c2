/* SPDX-License-Identifier: MIT
 * The table of flows as the relay writes it, while the program reads it on other processors. A slot is
 * one lane's, so there is one writer. Always true: whoever follows the links finds each flow that stays,
 * for a record keeps its `next` while it rests. */
#include <string.h>

#include "lib/base/ensure.h"
#include "media-relay/fastpath/fastpath_priv.h"

/* All that was written before is there for who reads the link (its address depends on it). */
static void link_set(uint32_t *link, uint32_t place)
{
	__atomic_store_n(link, place, __ATOMIC_RELEASE);
}

/* The link that names this place; 0: the one after the last. NULL: the chain is full. */
static uint32_t *link_of(struct fastpath *fastpath, uint32_t slot, uint32_t place)
{
	uint32_t *link = &fastpath->ports[slot / FAST_ROW_SLOTS].first[slot % FAST_ROW_SLOTS];

	for (unsigned i = 0; i < FAST_CHAIN_MAX; i++) {
		if (*link == place)
			return link;
		link = &fastpath->records[*link].flow.next;
	}
	return NULL;
}

bool fast_table_put(struct fastpath *fastpath, uint32_t slot, uint32_t before, uint32_t place)
{
	uint32_t *link = link_of(fastpath, slot, before);

	if (!link)
		return false;
	fastpath->records[place].flow.next =
		before != 0 ? fastpath->records[before].flow.next : 0;
	link_set(link, place);
	return true;
}

void fast_table_remove(struct fastpath *fastpath, uint32_t slot, uint32_t place)
{
	uint32_t *link = link_of(fastpath, slot, place);

	ensure(link);
	link_set(link, fastpath->records[place].flow.next);
}

/* One store where a word has 64 bits. Where it has not, a packet may leave for neither address: towards a
 * neighbour that is not at the old one any more. */
void fast_table_readdress(struct fastpath *fastpath, uint32_t place, const unsigned char *mac)
{
	volatile uint64_t *word = &fastpath->records[place].flow.onward.word;
	union fast_onward onward = { .word = *word };

	memcpy(onward.to.mac, mac, MAC_BYTES);
	*word = onward.word;
}

/* SPDX-License-Identifier: MIT
 * One lane's way through AF_XDP: packets of its flows come out of rings by the batch, and go into
 * others where they lie. Places are the lane's own, counted from its first. */
#pragma once

#include "media-relay/fastpath/umem.h"

struct fast_rings;

/* first, count: the lane's places. */
must_use enum err rings_create(struct fastpath *fastpath, unsigned lane, struct loop *loop,
			       struct fast_rings **ret);
void rings_destroy(struct fast_rings **rings);
/* From now on packets come. */
must_use enum err rings_start(struct fast_rings *rings, fast_packet_fn *fn, void *owner);

/* Packets that come for the entry's place are its, and what fast_send sends leaves by the interface, to
 * this MAC address. */
void rings_set(struct fast_rings *rings, struct fast_entry *entry, const struct fast_rule *rule,
	       const struct fast_interface *interface, const unsigned char mac[MAC_BYTES]);
void rings_clear(struct fast_rings *rings, uint32_t place);
/* Its neighbour has another MAC address. */
void rings_move(struct fast_rings *rings, uint32_t place, const unsigned char mac[MAC_BYTES]);
/* The next packet is left to the caller's socket, which keeps its neighbour known. False: it has no
 * flow there. */
bool rings_pass_one(struct fast_rings *rings, uint32_t place);

/* Puts the packet's payload, now len bytes, on its way. False: it cannot go to that target from here. */
bool rings_send(struct fast_rings *rings, struct fast_packet *packet,
		const struct endpoint *target, size_t len);
/* Packets that the kernel had for the lane and could not give it, or that were broken. */
uint64_t rings_lost(const struct fast_rings *rings);

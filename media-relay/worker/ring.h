/* SPDX-License-Identifier: MIT
 * A ring of packets from one thread to one other, without locks: the writer moves `tail`, the reader
 * `head`. A packet is contiguous; what does not fit before the end of the storage starts at 0. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct ring {
	char *bytes;
	size_t size; /* a power of two */
	/* A cache line lies between the two: each has another thread that writes it. */
	char apart[64];
	_Atomic size_t head; /* read up to here; never wraps in a lifetime */
	char apart_too[64];
	_Atomic size_t tail;
};

must_use enum err ring_init(struct ring *ring, size_t size);
void ring_fini(struct ring *ring);

/* Writer: room for a packet of len bytes (aligned to 8), or NULL while there is none. Then commit
 * with the length used, at most len. */
char *ring_reserve(struct ring *ring, size_t len);
void ring_commit(struct ring *ring, size_t len);
/* Writer: bytes that surely fit, whatever stands in the way at the end. */
size_t ring_room(const struct ring *ring);

/* Reader: the oldest packet, or NULL. It stays until ring_pop. */
const char *ring_peek(struct ring *ring, size_t *ret_len);
void ring_pop(struct ring *ring);

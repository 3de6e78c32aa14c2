/* SPDX-License-Identifier: MIT
 * Each packet stands behind 8 bytes that hold its length; SKIP there means "go on at 0".
 * lint: owns storage because a ring lives as long as its worker. */
#include "media-relay/worker/ring.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ensure.h"

#define HEAD_BYTES 8u
#define SKIP UINT64_MAX

static size_t slot_bytes(size_t len)
{
	return HEAD_BYTES + ((len + 7) & ~(size_t)7);
}

enum err ring_init(struct ring *ring, size_t size)
{
	ensure((size & (size - 1)) == 0);
	*ring = (struct ring){ .size = size };
	ring->bytes = calloc(1, size);
	return ring->bytes ? OK : ERR_NOMEM;
}

void ring_fini(struct ring *ring)
{
	free(ring->bytes);
	ring->bytes = NULL;
}

size_t ring_room(const struct ring *ring)
{
	size_t used = atomic_load_explicit(&ring->tail, memory_order_relaxed) -
		      atomic_load_explicit(&ring->head, memory_order_acquire);

	size_t half = (ring->size - used) / 2; /* the rest may be lost at the end */

	return half > 2 * HEAD_BYTES ? half - 2 * HEAD_BYTES : 0;
}

char *ring_reserve(struct ring *ring, size_t len)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	size_t at = tail & (ring->size - 1);
	size_t to_end = ring->size - at;
	size_t need = slot_bytes(len);
	uint64_t skip = SKIP;

	if (need > to_end) {
		if (ring->size - (tail - head) < to_end + need)
			return NULL;
		memcpy(ring->bytes + at, &skip, sizeof(skip));
		atomic_store_explicit(&ring->tail, tail + to_end, memory_order_release);
		at = 0;
	} else if (ring->size - (tail - head) < need) {
		return NULL;
	}
	return ring->bytes + at + HEAD_BYTES;
}

void ring_commit(struct ring *ring, size_t len)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t len64 = len;

	memcpy(ring->bytes + (tail & (ring->size - 1)), &len64, sizeof(len64));
	atomic_store_explicit(&ring->tail, tail + slot_bytes(len), memory_order_release);
}

const char *ring_peek(struct ring *ring, size_t *ret_len)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	while (head != atomic_load_explicit(&ring->tail, memory_order_acquire)) {
		size_t at = head & (ring->size - 1);
		uint64_t len;

		memcpy(&len, ring->bytes + at, sizeof(len));
		if (len != SKIP) {
			*ret_len = len;
			return ring->bytes + at + HEAD_BYTES;
		}
		head += ring->size - at;
		atomic_store_explicit(&ring->head, head, memory_order_release);
	}
	return NULL;
}

void ring_pop(struct ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t len;

	memcpy(&len, ring->bytes + (head & (ring->size - 1)), sizeof(len));
	atomic_store_explicit(&ring->head, head + slot_bytes(len), memory_order_release);
}

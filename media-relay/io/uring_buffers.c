/* SPDX-License-Identifier: MIT
 * The ring's buffers: the kernel fills what it was offered, a receiver may lend one to a send, and then it
 * is offered again. What makes it hard is when: sends are tried while they are handed over, and those that
 * failed are told behind all that was told before; so once everything told was looked at, buffers of sends
 * that had been handed over are free.
 * lint: owns storage because a ring lives as long as its worker. */
#include "media-relay/io/uring_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err buffers_init(struct buffers *buffers, struct io_uring *ring)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int failed;

	buffers->bytes = malloc((size_t)BUFFERS * BUFFER_BYTES);
	if (!buffers->bytes || posix_memalign((void **)&buffers->offers, page,
					      BUFFERS * sizeof(struct io_uring_buf)) != 0)
		return ERR_NOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)buffers->offers;
	failed = io_uring_register_buf_ring(ring, &reg, 0);
	if (failed != 0)
		return (enum err)failed;
	io_uring_buf_ring_init(buffers->offers);
	for (uint32_t i = 0; i < BUFFERS; i++)
		buffers_offer(buffers, i);
	return OK;
}

void buffers_fini(struct buffers *buffers)
{
	free(buffers->offers);
	free(buffers->bytes);
	*buffers = (struct buffers){ .bytes = NULL };
}

void buffers_offer(struct buffers *buffers, uint32_t number)
{
	io_uring_buf_ring_add(buffers->offers, buffers_at(buffers, number), DATAGRAM_BYTES,
			      (unsigned short)number, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffers->offers, 1);
	buffers->offered++;
}

void buffers_take_back(struct buffers *buffers)
{
	for (unsigned i = 0; i < buffers->handed_over; i++)
		buffers_offer(buffers, buffers->lent[i]);
	buffers->lent_count -= buffers->handed_over;
	memmove(buffers->lent, buffers->lent + buffers->handed_over,
		buffers->lent_count * sizeof(*buffers->lent));
	buffers->handed_over = 0;
}

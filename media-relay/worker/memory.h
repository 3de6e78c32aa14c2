/* SPDX-License-Identifier: MIT
 * The relay's memory over its own death: a file in run_dir, mapped by all workers, with a slot for each
 * side of each stream. A kill -9 leaves it as it was. The next relay looks there when an owner
 * names a session again with the ports that it had.
 *
 * A slot is written by one worker alone and holds its record twice: the one that is not current is
 * written, then made current, so that whatever ends the process in the middle, one is whole. Blocks
 * are taken from the file system before they are written: a full one means "not remembered". */
#pragma once

#include "media-relay/session/session.h"
#include "media-relay/worker/worker.h"

/* What a former relay left, as its ports fall to this worker. */
struct memory_left {
	uint64_t session;
	uint32_t slot; /* 0: taken up again */
	uint8_t stream;
	uint8_t side;
	struct endpoint local;
};

/* One worker's part. */
struct memory_share {
	struct memory *memory; /* NULL: nothing is remembered */
	uint32_t free_slot;
	struct memory_left *left; /* by session, stream, side */
	uint32_t left_count;
};

/* All shares are made before the first slot is taken. memory: NULL is fine. */
must_use enum err memory_share_init(struct memory_share *share, struct memory *memory,
				    unsigned worker, unsigned workers);
void memory_share_fini(struct memory_share *share);

/* 0: there is none. */
uint32_t memory_take(struct memory_share *share);
/* states: NULL: none. */
void memory_put(struct memory_share *share, uint32_t slot, const struct side_memory *record,
		const struct side_states *states);
void memory_give(struct memory_share *share, uint32_t slot);

/* The slot that a former relay left of this side, which is the caller's from now on. 0: there is
 * none. */
uint32_t memory_take_left(struct memory_share *share, uint64_t session, uint8_t stream, uint8_t side,
			  const struct endpoint *local);
/* What stands in a slot that was taken so; it lives until the next memory_put to it. states: NULL:
 * there are none. */
const struct side_memory *memory_get(const struct memory_share *share, uint32_t slot);
const struct side_states *memory_get_states(const struct memory_share *share, uint32_t slot);
/* Nobody asked for it any more. */
void memory_give_left(struct memory_share *share);

/* SPDX-License-Identifier: MIT
 * The relay's memory over its own death: a file in run_dir, mapped by all workers, with a slot for each
 * side of each stream. A kill -9 leaves it as it was. The next relay looks there when an owner
 * names a session again with the ports that it had.
 *
 * A slot is written by one worker alone. What shall stand there is first written whole at the worker's
 * desk in the same file, then marked, then copied: whatever ends the process in the middle, the next
 * one copies again what is marked. Blocks are taken from the file system before they are written: a
 * full one means "not remembered". */
#pragma once

#include "media-relay/session/session.h"
#include "media-relay/worker/worker.h"

#define MEMORY_WORKERS 64u
#define MEMORY_CLASSES 8u /* sizes of slots */
#define MEMORY_RECORD_MAX 1820u

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
	struct memory_desk *desk;
	uint32_t free_slots[MEMORY_CLASSES];
	struct memory_left *left; /* by session, stream, side */
	uint32_t left_count;
	struct side_memory record; /* the last that memory_get gave */
	struct side_states states;
};

/* All shares are made before the first slot is taken. memory: NULL is fine. */
must_use enum err memory_share_init(struct memory_share *share, struct memory *memory,
				    unsigned worker, unsigned workers);
void memory_share_fini(struct memory_share *share);

/* Writes the record to this slot (0: none yet), or to a larger one that is taken for it while the
 * other is given back. states: NULL: none. Returns where it stands; 0: nowhere. Where there is no
 * room for the states, it stands without them. */
uint32_t memory_put(struct memory_share *share, uint32_t slot, const struct side_memory *record,
		    const struct side_states *states);
void memory_give(struct memory_share *share, uint32_t slot);

/* The slot that a former relay left of this side, which is the caller's from now on. 0: there is
 * none. */
uint32_t memory_take_left(struct memory_share *share, uint64_t session, uint8_t stream, uint8_t side,
			  const struct endpoint *local);
/* What stands in a slot that was taken so; it lives until the next memory_get. ret_states: without
 * octets when there are none. NULL: it cannot be read. */
const struct side_memory *memory_get(struct memory_share *share, uint32_t slot,
				     const struct side_states **ret_states);
/* Nobody asked for it any more. */
void memory_give_left(struct memory_share *share);

/* ---- memory_record.c ---- */

/* states: NULL: none. The octets written. */
size_t memory_record_write(const struct side_memory *record, const struct side_states *states,
			   unsigned char ret[MEMORY_RECORD_MAX]);
/* False: these are none; what is in *ret, *ret_states is worthless then. */
must_use bool memory_record_read(const unsigned char *bytes, size_t len, struct side_memory *ret,
				 struct side_states *ret_states);

/* SPDX-License-Identifier: MIT
 * Always true: a slot that is not empty belongs to a side that lives, or was left by a former relay
 * and stands in one worker's `left`. Slots are handed to workers in chunks, so that they share no more
 * than the count of those.
 * lint: owns storage because the map and the lists of what was left live as long as the relay. */
#include "media-relay/worker/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"

#define MEMORY_MAGIC   UINT64_C(0x796d656d636273)
#define MEMORY_VERSION 2u /* of the records; their size is checked, too */
#define CHUNKS_AT      4096u
#define CHUNK          64u

struct memory_header {
	uint64_t magic; /* stored last */
	uint32_t version;
	uint32_t slot_bytes;
	uint32_t slot_count;
	_Atomic uint32_t used; /* slots ever handed to workers */
};

struct memory_slot {
	_Atomic uint32_t current; /* 0: empty; 1, 2: which record */
	uint32_t next_free;
	bool has_blocks; /* for states; a plain side needs none */
	bool has_states[2];
	struct side_memory records[2];
};

struct memory_chunk {
	struct memory_slot slots[CHUNK];
	struct side_states states[CHUNK][2];
};

struct memory {
	struct memory_header *header; /* the map */
	struct memory_chunk *chunks;
	size_t bytes;
	uint32_t slot_count;
	int fd;
};

/* ---- the file ---- */

static size_t file_bytes(uint32_t slots)
{
	return CHUNKS_AT + (size_t)(slots / CHUNK) * sizeof(struct memory_chunk);
}

/* Blocks are taken before they are written: a full file system is then no SIGBUS. */
static bool take_blocks(const struct memory *memory, const void *at, size_t len)
{
	off_t offset = (const char *)at - (const char *)memory->header;

	return posix_fallocate(memory->fd, offset, (off_t)len) == 0;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	/* Somebody else's, or no plain file: the folder is ours. */
	if (fd < 0 && errno != EMFILE && errno != ENFILE && unlink(path) == 0)
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd;
}

static bool header_valid(const struct memory_header *header, size_t bytes)
{
	return header->magic == MEMORY_MAGIC && header->version == MEMORY_VERSION &&
	       header->slot_bytes == sizeof(struct memory_chunk) / CHUNK &&
	       header->slot_count % CHUNK == 0 && file_bytes(header->slot_count) <= bytes &&
	       header->used <= header->slot_count && header->used % CHUNK == 0;
}

/* How many slots it has already; 0: it is to be made anew. */
static uint32_t slots_there(int fd)
{
	struct memory_header header;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)CHUNKS_AT ||
	    pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    !header_valid(&header, (size_t)st.st_size))
		return 0;
	return header.slot_count;
}

static enum err map_file(struct memory *memory, uint32_t slots)
{
	uint32_t there = slots_there(memory->fd);
	int failed;
	void *map;

	slots = (slots + CHUNK - 1) / CHUNK * CHUNK;
	memory->slot_count = slots > there ? slots : there;
	memory->bytes = file_bytes(memory->slot_count);
	if ((there == 0 && ftruncate(memory->fd, 0) < 0) ||
	    ftruncate(memory->fd, (off_t)memory->bytes) < 0)
		return err_from_errno();
	failed = posix_fallocate(memory->fd, 0, CHUNKS_AT);
	if (failed)
		return (enum err)-failed;
	map = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (map == MAP_FAILED)
		return err_from_errno();
	memory->header = map;
	memory->chunks = (void *)((char *)map + CHUNKS_AT);
	memory->header->version = MEMORY_VERSION;
	memory->header->slot_bytes = sizeof(struct memory_chunk) / CHUNK;
	memory->header->slot_count = memory->slot_count;
	memory->header->magic = MEMORY_MAGIC;
	return OK;
}

enum err memory_open(const char *path, uint32_t slots, struct memory **ret)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	enum err err = OK;

	if (!memory)
		return ERR_NOMEM;
	memory->fd = open_file(path);
	if (memory->fd < 0)
		err = err_from_errno();
	else if (flock(memory->fd, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? ERR_EXISTS : err_from_errno();
	else
		err = map_file(memory, slots);
	if (err != OK) {
		memory_close(&memory);
		return err;
	}
	*ret = memory;
	return OK;
}

void memory_close(struct memory **memory)
{
	struct memory *it = *memory;

	if (!it)
		return;
	*memory = NULL;
	if (it->header)
		munmap(it->header, it->bytes);
	if (it->fd >= 0)
		close(it->fd);
	free(it);
}

/* ---- slots ---- */

static struct memory_chunk *chunk_of(const struct memory *memory, uint32_t slot)
{
	ensure(slot > 0 && slot <= memory->slot_count);
	return &memory->chunks[(slot - 1) / CHUNK];
}

static struct memory_slot *slot_at(const struct memory *memory, uint32_t slot)
{
	return &chunk_of(memory, slot)->slots[(slot - 1) % CHUNK];
}

static struct side_states *states_at(const struct memory *memory, uint32_t slot)
{
	return chunk_of(memory, slot)->states[(slot - 1) % CHUNK];
}

void memory_give(struct memory_share *share, uint32_t slot)
{
	struct memory_slot *it;

	if (slot == 0)
		return;
	it = slot_at(share->memory, slot);
	atomic_store_explicit(&it->current, 0, memory_order_release);
	it->next_free = share->free_slot;
	share->free_slot = slot;
}

static void take_chunk(struct memory_share *share)
{
	struct memory *memory = share->memory;
	uint32_t first = atomic_load(&memory->header->used);
	uint32_t end;

	do {
		end = first + CHUNK;
		if (end > memory->slot_count ||
		    !take_blocks(memory, slot_at(memory, end - CHUNK + 1),
				 CHUNK * sizeof(struct memory_slot)))
			return;
	} while (!atomic_compare_exchange_weak(&memory->header->used, &first, end));
	for (uint32_t slot = end; slot > first; slot--)
		memory_give(share, slot);
}

uint32_t memory_take(struct memory_share *share)
{
	uint32_t slot;

	if (!share->memory)
		return 0;
	if (share->free_slot == 0)
		take_chunk(share);
	slot = share->free_slot;
	if (slot != 0)
		share->free_slot = slot_at(share->memory, slot)->next_free;
	return slot;
}

static bool put_states(struct memory_share *share, uint32_t slot, unsigned which,
		       const struct side_states *states)
{
	struct memory_slot *it = slot_at(share->memory, slot);
	struct side_states *to = states_at(share->memory, slot);

	if (!states)
		return false;
	if (!it->has_blocks)
		it->has_blocks = take_blocks(share->memory, to, 2 * sizeof(*to));
	if (!it->has_blocks)
		return false;
	to[which].receive_len = states->receive_len;
	to[which].send_len = states->send_len;
	memcpy(to[which].receive, states->receive, states->receive_len);
	memcpy(to[which].send, states->send, states->send_len);
	return true;
}

void memory_put(struct memory_share *share, uint32_t slot, const struct side_memory *record,
		const struct side_states *states)
{
	struct memory_slot *it;
	uint32_t next;

	if (slot == 0)
		return;
	it = slot_at(share->memory, slot);
	next = atomic_load_explicit(&it->current, memory_order_relaxed) == 1 ? 2 : 1;
	it->records[next - 1] = *record;
	it->has_states[next - 1] = put_states(share, slot, next - 1, states);
	atomic_store_explicit(&it->current, next, memory_order_release);
}

static const struct side_memory *slot_record(const struct memory *memory, uint32_t slot)
{
	const struct memory_slot *it = slot_at(memory, slot);
	uint32_t current = atomic_load_explicit(&it->current, memory_order_acquire);

	return current == 1 || current == 2 ? &it->records[current - 1] : NULL;
}

const struct side_memory *memory_get(const struct memory_share *share, uint32_t slot)
{
	return slot_record(share->memory, slot);
}

const struct side_states *memory_get_states(const struct memory_share *share, uint32_t slot)
{
	const struct memory_slot *it = slot_at(share->memory, slot);
	uint32_t current = atomic_load_explicit(&it->current, memory_order_acquire);
	const struct side_states *states = &states_at(share->memory, slot)[current - 1];

	if ((current != 1 && current != 2) || !it->has_blocks || !it->has_states[current - 1] ||
	    states->receive_len > sizeof(states->receive) || states->send_len > sizeof(states->send))
		return NULL;
	return states;
}

/* ---- what a former relay left ---- */

static int left_order(const void *a, const void *b)
{
	const struct memory_left *one = a;
	const struct memory_left *two = b;

	if (one->session != two->session)
		return one->session < two->session ? -1 : 1;
	if (one->stream != two->stream)
		return one->stream - two->stream;
	return one->side - two->side;
}

/* An empty slot of a former relay is the first worker's. */
static bool is_mine(const struct side_memory *record, unsigned worker, unsigned workers)
{
	return (record ? worker_of_port(record->local.port, workers) : 0) == worker;
}

static void left_add(struct memory_share *share, uint32_t slot, const struct side_memory *record)
{
	share->left[share->left_count++] = (struct memory_left){ .session = record->session,
								 .slot = slot,
								 .stream = record->stream,
								 .side = record->side,
								 .local = record->local };
}

enum err memory_share_init(struct memory_share *share, struct memory *memory, unsigned worker,
			   unsigned workers)
{
	uint32_t used = memory ? memory->header->used : 0;

	*share = (struct memory_share){ .memory = memory };
	if (used == 0)
		return OK;
	share->left = calloc(used, sizeof(*share->left));
	if (!share->left)
		return ERR_NOMEM;
	for (uint32_t slot = used; slot > 0; slot--) {
		const struct side_memory *record = slot_record(memory, slot);

		if (!is_mine(record, worker, workers))
			continue;
		if (record)
			left_add(share, slot, record);
		else
			memory_give(share, slot);
	}
	qsort(share->left, share->left_count, sizeof(*share->left), left_order);
	return OK;
}

void memory_share_fini(struct memory_share *share)
{
	free(share->left);
	*share = (struct memory_share){ .memory = NULL };
}

uint32_t memory_take_left(struct memory_share *share, uint64_t session, uint8_t stream, uint8_t side,
			  const struct endpoint *local)
{
	struct memory_left wanted = { .session = session, .stream = stream, .side = side };
	struct memory_left *found = NULL;
	uint32_t slot;

	if (share->left_count > 0)
		found = bsearch(&wanted, share->left, share->left_count, sizeof(wanted), left_order);
	if (!found || found->slot == 0)
		return 0;
	slot = found->slot;
	found->slot = 0;
	if (endpoint_eq(&found->local, local))
		return slot;
	memory_give(share, slot); /* the same side, but not where it was */
	return 0;
}

void memory_give_left(struct memory_share *share)
{
	for (uint32_t i = 0; i < share->left_count; i++)
		memory_give(share, share->left[i].slot);
	free(share->left);
	share->left = NULL;
	share->left_count = 0;
}

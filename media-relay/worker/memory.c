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
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"

#define MEMORY_MAGIC   UINT64_C(0x796d656d636273)
#define MEMORY_VERSION 6u /* of the records; the layout is checked, too */
#define DESKS_AT       4096u
#define DESK_BYTES     2048u
#define CHUNKS_AT      (DESKS_AT + MEMORY_WORKERS * DESK_BYTES)
#define CHUNK          256u /* slots of each class in a row: whole pages */
#define RUN            16u  /* slots that are handed to a worker at once */
#define SLOTS_MAX      (UINT32_C(1) << 24) /* more than any relay has */
#define STATES_USUAL   56u  /* of one SSRC each way */
#define CLASS_SHIFT    28u  /* a slot's number: class, and 1 … in it */

/* With what stands before the octets. A plain call by IPv4 fits the first, one with SRTP the third. */
static const uint32_t class_bytes[MEMORY_CLASSES] = { 80, 112, 144, 176, 208, 256, 512, 1824 };

struct memory_header {
	uint64_t magic; /* stored last */
	uint32_t version;
	uint32_t chunk_bytes;
	uint32_t slot_count; /* of each class */
	uint32_t desks; /* workers that ever had one */
	_Atomic uint32_t used[MEMORY_CLASSES]; /* slots ever handed to workers */
};

struct memory_slot {
	uint32_t len; /* 0: empty */
	unsigned char bytes[]; /* of an empty one: the next that is free */
};

/* What a worker is writing to a slot. */
struct memory_desk {
	uint32_t slot; /* where the record goes; 0: nowhere */
	uint32_t gone; /* what becomes empty with that; 0: none */
	uint32_t len;
	unsigned char bytes[MEMORY_RECORD_MAX];
};

struct memory {
	struct memory_header *header; /* the map */
	size_t bytes;
	uint32_t slot_count;
	int fd;
};

/* What stands before it is in the file before what stands behind it: a kill comes between two
 * instructions, so that only the compiler could change their order. */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* ---- the file ---- */

/* What nobody writes to takes no memory: most of each chunk. */
static size_t chunk_bytes(void)
{
	size_t sum = 0;

	for (unsigned i = 0; i < MEMORY_CLASSES; i++)
		sum += CHUNK * class_bytes[i];
	return sum;
}

static size_t file_bytes(uint32_t slots)
{
	return CHUNKS_AT + (size_t)(slots / CHUNK) * chunk_bytes();
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
	bool valid = header->magic == MEMORY_MAGIC && header->version == MEMORY_VERSION &&
		     header->chunk_bytes == chunk_bytes() && header->slot_count % CHUNK == 0 &&
		     header->slot_count <= SLOTS_MAX && header->desks <= MEMORY_WORKERS &&
		     file_bytes(header->slot_count) <= bytes;

	for (unsigned i = 0; i < MEMORY_CLASSES; i++)
		valid = valid && header->used[i] <= header->slot_count && header->used[i] % RUN == 0;
	return valid;
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
	memory->header->version = MEMORY_VERSION;
	memory->header->chunk_bytes = (uint32_t)chunk_bytes();
	memory->header->slot_count = memory->slot_count;
	in_order();
	memory->header->magic = MEMORY_MAGIC;
	return OK;
}

static struct memory_desk *desk_at(const struct memory *memory, unsigned worker)
{
	return (void *)((char *)memory->header + DESKS_AT + worker * DESK_BYTES);
}

/* ---- slots ---- */

static unsigned class_of(uint32_t slot)
{
	return slot >> CLASS_SHIFT;
}

static uint32_t index_of(uint32_t slot)
{
	return (slot & ((UINT32_C(1) << CLASS_SHIFT) - 1)) - 1;
}

static uint32_t slot_of(unsigned class, uint32_t index)
{
	return class << CLASS_SHIFT | (index + 1);
}

static bool slot_valid(const struct memory *memory, uint32_t slot)
{
	return class_of(slot) < MEMORY_CLASSES &&
	       index_of(slot) < memory->header->used[class_of(slot)];
}

static struct memory_slot *slot_place(const struct memory *memory, unsigned class, uint32_t index)
{
	char *at = (char *)memory->header + CHUNKS_AT + index / CHUNK * chunk_bytes();

	for (unsigned i = 0; i < class; i++)
		at += CHUNK * class_bytes[i];
	return (void *)(at + index % CHUNK * class_bytes[class]);
}

static struct memory_slot *slot_at(const struct memory *memory, uint32_t slot)
{
	ensure(slot_valid(memory, slot));
	return slot_place(memory, class_of(slot), index_of(slot));
}

static size_t slot_room(uint32_t slot)
{
	return class_bytes[class_of(slot)] - sizeof(struct memory_slot);
}

void memory_give(struct memory_share *share, uint32_t slot)
{
	struct memory_slot *it;
	uint32_t *first;

	if (slot == 0)
		return;
	it = slot_at(share->memory, slot);
	first = &share->free_slots[class_of(slot)];
	it->len = 0;
	in_order();
	memcpy(it->bytes, first, sizeof(*first));
	*first = slot;
}

static void take_run(struct memory_share *share, unsigned class)
{
	struct memory *memory = share->memory;
	uint32_t first = atomic_load(&memory->header->used[class]);
	uint32_t end;

	do {
		end = first + RUN;
		if (end > memory->slot_count ||
		    !take_blocks(memory, slot_place(memory, class, first),
				 RUN * class_bytes[class]))
			return;
	} while (!atomic_compare_exchange_weak(&memory->header->used[class], &first, end));
	for (uint32_t index = end; index > first; index--)
		memory_give(share, slot_of(class, index - 1));
}

/* One for so many octets; 0: there is none. */
static uint32_t slot_take(struct memory_share *share, size_t len)
{
	unsigned class = 0;
	uint32_t slot;

	while (slot_room(slot_of(class, 0)) < len)
		class++;
	if (share->free_slots[class] == 0)
		take_run(share, class);
	slot = share->free_slots[class];
	if (slot != 0)
		memcpy(&share->free_slots[class], slot_at(share->memory, slot)->bytes, sizeof(slot));
	return slot;
}

/* Once more, it comes to the same. */
static void copy_from_desk(const struct memory *memory, const struct memory_desk *desk)
{
	struct memory_slot *to = slot_at(memory, desk->slot);

	memcpy(to->bytes, desk->bytes, desk->len);
	to->len = desk->len;
	if (desk->gone != 0)
		slot_at(memory, desk->gone)->len = 0;
}

static void write_slot(struct memory_share *share, uint32_t slot, uint32_t gone, size_t len)
{
	struct memory_desk *desk = share->desk;

	desk->gone = gone;
	desk->len = (uint32_t)len;
	in_order();
	desk->slot = slot;
	in_order();
	copy_from_desk(share->memory, desk);
	in_order();
	desk->slot = 0;
}

/* Keys have no SSRC at first: what the first of each will add, so that a call does not move when it
 * begins to speak. */
static size_t room_to_come(const struct side_states *states)
{
	size_t room = 0;

	for (unsigned i = 0; states && i < COMPONENTS; i++) {
		const struct flow_states *it = &states->flows[i];
		size_t len = (size_t)it->receive_len + it->send_len;

		if (len > 0 && len < STATES_USUAL)
			room += STATES_USUAL - len;
	}
	return room;
}

uint32_t memory_put(struct memory_share *share, uint32_t slot, const struct side_memory *record,
		    const struct side_states *states)
{
	uint32_t larger;
	size_t len;

	if (!share->memory)
		return 0;
	len = memory_record_write(record, states, share->desk->bytes);
	if (slot != 0 && len <= slot_room(slot)) {
		write_slot(share, slot, 0, len);
		return slot;
	}
	larger = slot_take(share, len + room_to_come(states));
	if (larger == 0) /* the old one stays, as far as it goes */
		return states ? memory_put(share, slot, record, NULL) : slot;
	write_slot(share, larger, slot, len);
	memory_give(share, slot);
	return larger;
}

/* What a kill interrupted. */
static void finish_desks(const struct memory *memory)
{
	for (unsigned i = 0; i < memory->header->desks; i++) {
		struct memory_desk *desk = desk_at(memory, i);

		if (desk->slot == 0)
			continue;
		if (slot_valid(memory, desk->slot) && desk->len <= slot_room(desk->slot) &&
		    (desk->gone == 0 || slot_valid(memory, desk->gone)))
			copy_from_desk(memory, desk);
		in_order();
		desk->slot = 0;
	}
}

/* False: it is empty, or no relay of ours can have written it. */
static bool read_slot(const struct memory *memory, uint32_t slot, struct side_memory *ret,
		      struct side_states *ret_states)
{
	const struct memory_slot *it = slot_at(memory, slot);

	return it->len > 0 && it->len <= slot_room(slot) &&
	       memory_record_read(it->bytes, it->len, ret, ret_states) &&
	       side_memory_plausible(ret);
}

const struct side_memory *memory_get(struct memory_share *share, uint32_t slot,
				     const struct side_states **ret_states)
{
	if (!read_slot(share->memory, slot, &share->record, &share->states))
		return NULL;
	*ret_states = &share->states;
	return &share->record;
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
	finish_desks(memory);
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

static void left_add(struct memory_share *share, uint32_t slot, const struct side_memory *record)
{
	share->left[share->left_count++] = (struct memory_left){ .session = record->session,
								 .slot = slot,
								 .stream = record->stream,
								 .side = record->side,
								 .local = record->local };
}

/* Its part of what was left: by the port, and of the first worker what is empty or makes no sense. */
static void divide(struct memory_share *share, unsigned class, unsigned worker, unsigned workers)
{
	for (uint32_t index = share->memory->header->used[class]; index > 0; index--) {
		uint32_t slot = slot_of(class, index - 1);
		bool there = read_slot(share->memory, slot, &share->record, &share->states);
		unsigned owner = there ? worker_of_port(share->record.local.port, workers) : 0;

		if (owner != worker)
			continue;
		if (there)
			left_add(share, slot, &share->record);
		else
			memory_give(share, slot);
	}
}

/* Where it writes. False: the file system is full. */
static bool take_desk(struct memory_share *share, unsigned worker)
{
	struct memory_header *header = share->memory->header;

	ensure(worker < MEMORY_WORKERS);
	share->desk = desk_at(share->memory, worker);
	if (!take_blocks(share->memory, share->desk, sizeof(*share->desk)))
		return false;
	if (header->desks <= worker)
		header->desks = worker + 1;
	return true;
}

enum err memory_share_init(struct memory_share *share, struct memory *memory, unsigned worker,
			   unsigned workers)
{
	size_t used = 0;

	*share = (struct memory_share){ .memory = memory };
	if (memory && !take_desk(share, worker))
		share->memory = NULL;
	if (!share->memory)
		return OK;
	for (unsigned i = 0; i < MEMORY_CLASSES; i++)
		used += memory->header->used[i];
	if (used == 0)
		return OK;
	share->left = calloc(used, sizeof(*share->left));
	if (!share->left)
		return ERR_NOMEM;
	for (unsigned i = 0; i < MEMORY_CLASSES; i++)
		divide(share, i, worker, workers);
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

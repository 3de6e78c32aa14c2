/* SPDX-License-Identifier: MIT
 * The reader's side: another process wrote the file, so everything in it is checked or bounded.
 * lint: owns storage because a reader lives from open to close, across turns. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stats/stats_priv.h"

struct stats_reader {
	const struct stats_header *header; /* the map */
	size_t bytes;
	unsigned rows;
	dev_t device;
	ino_t inode;
	char path[]; /* NUL-terminated */
};

static enum err map_check(const struct stats_header *header, size_t bytes)
{
	if (__atomic_load_n(&header->magic, __ATOMIC_ACQUIRE) != STATS_MAGIC ||
	    header->version != STATS_VERSION || header->max_series != STATS_MAX_SERIES)
		return ERR_VERSION;
	if (header->rows == 0 || header->rows > STATS_MAX_ROWS ||
	    bytes != stats_file_bytes(header->rows))
		return ERR_VERSION;
	return OK;
}

static enum err reader_map(struct stats_reader *reader, int fd)
{
	struct stat st;
	enum err err;
	void *map;

	if (fstat(fd, &st) < 0)
		return err_from_errno();
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < STATS_ROWS_AT)
		return ERR_VERSION;
	reader->bytes = (size_t)st.st_size;
	reader->device = st.st_dev;
	reader->inode = st.st_ino;
	map = mmap(NULL, reader->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_from_errno();
	reader->header = map;
	reader->rows = reader->header->rows;
	err = map_check(reader->header, reader->bytes);
	if (err != OK)
		munmap(map, reader->bytes);
	return err;
}

enum err stats_reader_open(const char *path, struct stats_reader **ret)
{
	struct stats_reader *reader;
	enum err err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? ERR_NOENT : err_from_errno();
	reader = calloc(1, sizeof(*reader) + strlen(path) + 1);
	err = reader ? reader_map(reader, fd) : ERR_NOMEM;
	close(fd);
	if (err != OK) {
		free(reader);
		return err;
	}
	memcpy(reader->path, path, strlen(path) + 1);
	*ret = reader;
	return OK;
}

void stats_reader_close(struct stats_reader **reader)
{
	if (!*reader)
		return;
	munmap((void *)(uintptr_t)(*reader)->header, (*reader)->bytes);
	free(*reader);
	*reader = NULL;
}

bool stats_reader_stale(const struct stats_reader *reader)
{
	struct stat st;

	return stat(reader->path, &st) < 0 || st.st_dev != reader->device ||
	       st.st_ino != reader->inode;
}

uint32_t stats_reader_count(const struct stats_reader *reader)
{
	uint32_t count = atomic_load_explicit(&reader->header->series, memory_order_acquire);

	return count < STATS_MAX_SERIES ? count : STATS_MAX_SERIES;
}

static struct slice bounded(const char *p, size_t max)
{
	return slice_of(p, strnlen(p, max));
}

static uint64_t sum_rows(const struct stats_reader *reader, uint32_t id)
{
	const char *at = (const char *)reader->header + STATS_ROWS_AT + id * sizeof(uint64_t);
	uint64_t sum = 0;

	for (unsigned row = 0; row < reader->rows; row++)
		sum += __atomic_load_n((const uint64_t *)(const void *)(at + row * STATS_ROW_BYTES),
				       __ATOMIC_RELAXED);
	return sum;
}

bool stats_reader_next(const struct stats_reader *reader, uint32_t *cursor,
		       struct stats_sample *ret)
{
	const struct stats_entry *table = (const void *)((const char *)reader->header +
							 STATS_TABLE_AT);
	const struct stats_entry *entry;

	if (*cursor >= stats_reader_count(reader))
		return false;
	entry = &table[*cursor];
	*ret = (struct stats_sample){
		.name = bounded(entry->name, sizeof(entry->name)),
		.labels = bounded(entry->labels, sizeof(entry->labels)),
		.help = bounded(entry->help, sizeof(entry->help)),
		.kind = entry->kind <= STATS_HISTOGRAM_SUM ? (enum stats_kind)entry->kind
							   : STATS_COUNTER,
		.value = sum_rows(reader, *cursor),
	};
	++*cursor;
	return true;
}

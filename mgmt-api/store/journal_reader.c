/* SPDX-License-Identifier: MIT
 * Reads one segment of sbcd's CDR journal while sbcd writes it. The length word is loaded first, with
 * acquire: when it is there, the record behind it is whole. What is not in order is never skipped
 * over inside a segment, for nothing after it can be trusted to be a record's start. */
#include "mgmt-api/store/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/ctl/journal_format.h"

static enum err map_segment(int fd, const char **ret_map)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) != 0)
		return err_from_errno();
	if (st.st_size == 0)
		return ERR_AGAIN;
	if (st.st_size != JOURNAL_SEGMENT_BYTES)
		return ERR_SYNTAX;
	map = mmap(NULL, JOURNAL_SEGMENT_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_from_errno();
	*ret_map = map;
	return OK;
}

static enum err check_header(const struct journal_header *header, uint32_t worker,
			     uint64_t first_seq)
{
	static const struct journal_header not_yet;

	if (memcmp(header, &not_yet, sizeof(not_yet)) == 0)
		return ERR_AGAIN;
	if (memcmp(header->magic, JOURNAL_MAGIC, sizeof(header->magic)) != 0 ||
	    header->version != JOURNAL_VERSION || header->worker != worker ||
	    header->first_seq != first_seq)
		return ERR_SYNTAX;
	return OK;
}

enum err journal_segment_open(const char *path, uint32_t worker, uint64_t first_seq,
			      struct journal_segment *ret)
{
	const struct journal_header *header;
	const char *map = NULL;
	enum err err;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return ERR_NOENT;
	if (fd < 0)
		return err_from_errno();
	err = map_segment(fd, &map);
	close(fd);
	if (err != OK)
		return err;
	header = (const void *)map;
	*ret = (struct journal_segment){ .map = map, .worker = worker, .first_seq = first_seq };
	err = check_header(header, worker, first_seq);
	if (err != OK)
		journal_segment_close(ret);
	else
		ret->created_unix_ms = header->created_unix_ms;
	return err;
}

void journal_segment_close(struct journal_segment *segment)
{
	if (segment->map)
		munmap((void *)(uintptr_t)segment->map, JOURNAL_SEGMENT_BYTES);
	segment->map = NULL;
}

enum journal_verdict journal_segment_next(const struct journal_segment *segment, uint64_t *offset,
					  uint64_t *ret_seq, struct slice *ret_record)
{
	const struct journal_record *record;
	struct slice payload;
	uint32_t length;

	if (*offset % 8 != 0 || *offset < sizeof(struct journal_header) ||
	    *offset > JOURNAL_SEGMENT_BYTES - sizeof(*record))
		return JOURNAL_VERDICT_DAMAGED;
	record = (const void *)(segment->map + *offset);
	length = atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&record->length,
				      memory_order_acquire);
	if (length == 0)
		return JOURNAL_VERDICT_END;
	if (length == JOURNAL_FULL)
		return JOURNAL_VERDICT_FULL;
	if (!journal_record_fits((size_t)*offset, length))
		return JOURNAL_VERDICT_DAMAGED;
	payload = slice_of(segment->map + *offset + sizeof(*record), length);
	if (journal_crc(record->seq, payload) != record->crc || record->seq > INT64_MAX)
		return JOURNAL_VERDICT_DAMAGED;
	*offset += journal_record_bytes(length);
	*ret_seq = record->seq;
	*ret_record = payload;
	return JOURNAL_VERDICT_RECORD;
}

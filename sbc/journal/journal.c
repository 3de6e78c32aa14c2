/* SPDX-License-Identifier: MIT
 * What makes it hard: the reader follows along in the same pages, and this process may be killed
 * between any two instructions. So the payload and its head are written first and the length, which
 * makes them a record, last. After a kill the next process finds the end by walking the records.
 * lint: owns storage because a journal lives as long as its worker. */
#include "sbc/journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/ctl/journal_format.h"

#define PAYLOAD_MAX_BYTES 65536u

struct journal {
	struct log *log;
	int dir_fd;
	uint32_t worker;
	uint64_t next_seq;
	char *segment; /* mapped; NULL: none could be made yet */
	size_t at;     /* where the next record goes */
	struct journal_figures figures;
	char payload[PAYLOAD_MAX_BYTES];
};

static struct journal_record *record_at(char *segment, size_t at)
{
	return (struct journal_record *)(void *)(segment + at);
}

/* Finds the end of a segment. ret_full: it ends with the mark. */
static void segment_walk(struct journal *journal, bool *ret_full)
{
	size_t at = sizeof(struct journal_header);

	*ret_full = false;
	while (at + sizeof(struct journal_record) <= JOURNAL_SEGMENT_BYTES) {
		struct journal_record *record = record_at(journal->segment, at);
		uint32_t length = atomic_load_explicit(&record->length, memory_order_acquire);

		if (length == JOURNAL_FULL)
			*ret_full = true;
		if (length == 0 || length == JOURNAL_FULL || !journal_record_fits(at, length))
			break;
		journal->next_seq = record->seq + 1;
		at += journal_record_bytes(length);
	}
	journal->at = at;
}

static void segment_unmap(struct journal *journal)
{
	if (journal->segment)
		munmap(journal->segment, JOURNAL_SEGMENT_BYTES);
	journal->segment = NULL;
}

static enum err segment_map(struct journal *journal, int fd)
{
	void *p = mmap(NULL, JOURNAL_SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_from_errno();
	journal->segment = p;
	return OK;
}

/* A new segment under a temporary name, renamed once its header stands: a reader never sees half a
 * header. */
static enum err segment_new(struct journal *journal, uint64_t now_unix_ms)
{
	struct journal_header header = { .version = JOURNAL_VERSION,
					 .worker = journal->worker,
					 .first_seq = journal->next_seq,
					 .created_unix_ms = now_unix_ms };
	char name[JOURNAL_NAME_BYTES];
	char temporary[JOURNAL_NAME_BYTES + 8];
	enum err err = OK;
	int fd;
	int failed;

	memcpy(header.magic, JOURNAL_MAGIC, sizeof(header.magic));
	snprintf(name, sizeof(name), JOURNAL_NAME_FORMAT, journal->worker,
		 (unsigned long long)journal->next_seq);
	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = openat(journal->dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno();
	failed = posix_fallocate(fd, 0, JOURNAL_SEGMENT_BYTES);
	if (failed)
		err = (enum err)(-failed);
	if (err == OK)
		err = segment_map(journal, fd);
	if (err == OK) {
		memcpy(journal->segment, &header, sizeof(header));
		if (renameat(journal->dir_fd, temporary, journal->dir_fd, name) < 0)
			err = err_from_errno();
	}
	close(fd);
	if (err != OK) {
		unlinkat(journal->dir_fd, temporary, 0);
		segment_unmap(journal);
		return err;
	}
	journal->at = sizeof(header);
	return OK;
}

/* The newest segment of this worker, by its first number. */
static enum err segment_newest(struct journal *journal, char name[JOURNAL_NAME_BYTES])
{
	int fd = openat(journal->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t best = 0;
	bool found = false;

	if (!dir)
		return err_from_errno();
	while ((entry = readdir(dir))) {
		uint32_t worker;
		uint64_t first_seq;

		if (journal_name_parse(entry->d_name, &worker, &first_seq) != OK ||
		    worker != journal->worker || (found && first_seq < best))
			continue;
		found = true;
		best = first_seq;
	}
	closedir(dir);
	if (!found)
		return ERR_NOENT;
	snprintf(name, JOURNAL_NAME_BYTES, JOURNAL_NAME_FORMAT, journal->worker,
		 (unsigned long long)best);
	journal->next_seq = best;
	return OK;
}

static bool header_ok(const struct journal *journal)
{
	struct journal_header header;

	memcpy(&header, journal->segment, sizeof(header));
	return memcmp(header.magic, JOURNAL_MAGIC, sizeof(header.magic)) == 0 &&
	       header.version == JOURNAL_VERSION && header.worker == journal->worker;
}

/* Goes on in the newest segment, or behind it. */
static enum err journal_resume(struct journal *journal)
{
	char name[JOURNAL_NAME_BYTES];
	enum err err = segment_newest(journal, name);
	struct stat st;
	bool full;
	int fd;

	if (err == ERR_NOENT)
		return OK;
	if (err != OK)
		return err;
	fd = openat(journal->dir_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno();
	if (fstat(fd, &st) < 0 || st.st_size != JOURNAL_SEGMENT_BYTES)
		err = ERR_SYNTAX;
	if (err == OK)
		err = segment_map(journal, fd);
	close(fd);
	if (err == OK && !header_ok(journal)) {
		segment_unmap(journal);
		err = ERR_SYNTAX;
	}
	if (err != OK)
		return err;
	segment_walk(journal, &full);
	if (full)
		segment_unmap(journal);
	return OK;
}

enum err journal_open(struct log *log, const char *dir, uint32_t worker, struct journal **ret)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	enum err err;

	if (!journal)
		return ERR_NOMEM;
	journal->log = log;
	journal->worker = worker;
	journal->next_seq = 1;
	journal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = journal->dir_fd < 0 ? err_from_errno() : journal_resume(journal);
	if (err != OK) {
		journal_close(&journal);
		return err;
	}
	*ret = journal;
	return OK;
}

void journal_close(struct journal **journal)
{
	if (!*journal)
		return;
	segment_unmap(*journal);
	if ((*journal)->dir_fd >= 0)
		close((*journal)->dir_fd);
	free(*journal);
	*journal = NULL;
}

static void segment_finish(struct journal *journal)
{
	struct journal_record *mark = record_at(journal->segment, journal->at);

	atomic_store_explicit(&mark->length, JOURNAL_FULL, memory_order_release);
	segment_unmap(journal);
}

enum err journal_append(struct journal *journal, const struct ctl_call_info *info,
			uint64_t now_unix_ms)
{
	struct journal_record *record;
	size_t len;
	enum err err = ctl_call_info_encode(info, journal->payload, sizeof(journal->payload), &len);

	if (err == OK && journal->segment && !journal_record_fits(journal->at, len))
		segment_finish(journal);
	if (err == OK && !journal->segment)
		err = segment_new(journal, now_unix_ms);
	if (err != OK) {
		journal->figures.lost++;
		log_write(journal->log, LOG_LEVEL_ERROR, EVENT_journal_failed,
			  LOG_S("call", info->id), LOG_T("why", err_text(err)),
			  LOG_S("calling", info->calling), LOG_S("called", info->called),
			  LOG_U("duration_ms", info->duration_ms), LOG_U("code", info->sip_code));
		return err;
	}
	record = record_at(journal->segment, journal->at);
	memcpy(record + 1, journal->payload, len);
	record->seq = journal->next_seq;
	record->crc = journal_crc(record->seq, slice_of(journal->payload, len));
	atomic_store_explicit(&record->length, (uint32_t)len, memory_order_release);
	journal->next_seq++;
	journal->at += journal_record_bytes(len);
	journal->figures.written++;
	return OK;
}

const struct journal_figures *journal_figures(const struct journal *journal)
{
	return &journal->figures;
}

/* SPDX-License-Identifier: MIT
 * From sbcd's journal into cdr.db. The position moves in the transaction that inserts the rows, so a
 * kill -9 of either side neither loses a record nor doubles one. A power cut may take back the last
 * records of the journal that were imported already, and sbcd then gives their numbers again: so the
 * segment is read once more from its start after each start of this program, known records are
 * skipped, and a known number with another record opens a new epoch. */
#include "mgmt-api/store/store_priv.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/ctl/journal_format.h"

#define MAX_SEGMENTS 4096u
#define PATH_BYTES 4096

struct segment_name {
	uint32_t worker;
	uint64_t first_seq;
};

struct segment_list {
	struct segment_name *items;
	size_t count;
};

static int by_worker_and_seq(const void *a, const void *b)
{
	const struct segment_name *x = a;
	const struct segment_name *y = b;

	if (x->worker != y->worker)
		return x->worker < y->worker ? -1 : 1;
	if (x->first_seq != y->first_seq)
		return x->first_seq < y->first_seq ? -1 : 1;
	return 0;
}

/* Listed before anything is read: when a later segment is in the list, all that the earlier one will
 * ever hold was written before. */
static void list_segments(struct store *store, struct segment_list *ret)
{
	DIR *dir = opendir(store->journal_dir);
	struct segment_name name;
	struct dirent *entry;

	*ret = (struct segment_list){ 0 };
	if (!dir)
		return;
	ret->items = arena_array(&store->turn, MAX_SEGMENTS, sizeof(*ret->items));
	while (ret->items && ret->count < MAX_SEGMENTS && (entry = readdir(dir)))
		if (journal_name_parse(entry->d_name, &name.worker, &name.first_seq) == OK &&
		    name.worker < STORE_MAX_WORKERS)
			ret->items[ret->count++] = name;
	closedir(dir);
	if (ret->count > 1)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_worker_and_seq);
}

static const char *segment_path(struct store *store, uint32_t worker, uint64_t first_seq,
				char storage[PATH_BYTES])
{
	char name[JOURNAL_NAME_BYTES];

	snprintf(name, sizeof(name), JOURNAL_NAME_FORMAT, worker, (unsigned long long)first_seq);
	snprintf(storage, PATH_BYTES, "%s/%s", store->journal_dir, name);
	return storage;
}

/* One worker's segments in the list, and its position, while it is imported. */
struct importer {
	struct store *store;
	const struct segment_name *names;
	size_t count;
	struct journal_position position;
	unsigned limit;
	unsigned examined; /* records read, known ones too */
	unsigned imported;
	bool moved; /* to another segment */
};

/* The first listed segment above the present one; NULL: none. */
static const struct segment_name *later_segment(const struct importer *importer)
{
	for (size_t i = 0; i < importer->count; i++)
		if (importer->names[i].first_seq > importer->position.segment)
			return &importer->names[i];
	return NULL;
}

static void tell_gap(struct importer *importer, uint64_t found_seq, const char *why)
{
	uint64_t missing = found_seq - importer->position.next_seq;

	importer->store->cdrs_missing += missing;
	log_write(importer->store->log, LOG_LEVEL_ERROR, EVENT_cdr_gap,
		  LOG_U("worker", importer->position.worker),
		  LOG_U("expected", importer->position.next_seq), LOG_U("found", found_seq),
		  LOG_U("missing", missing), LOG_T("why", why));
}

static void start_segment(struct importer *importer, uint64_t first_seq)
{
	importer->position.segment = first_seq;
	importer->position.offset = 0;
	importer->position.created_unix_ms = 0;
	importer->moved = true;
}

static void move_to(struct importer *importer, const struct segment_name *later, const char *why)
{
	if (later->first_seq > importer->position.next_seq)
		tell_gap(importer, later->first_seq, why);
	importer->position.next_seq = later->first_seq;
	start_segment(importer, later->first_seq);
}

/* The numbers began anew: what comes is not what the database knows under these numbers. */
static void new_epoch(struct importer *importer, uint64_t first_seq, const char *why)
{
	log_write(importer->store->log, LOG_LEVEL_ERROR, EVENT_cdr_gap,
		  LOG_U("worker", importer->position.worker),
		  LOG_U("expected", importer->position.next_seq), LOG_U("found", first_seq),
		  LOG_T("why", why));
	importer->position.epoch++;
	importer->position.next_seq = first_seq;
	start_segment(importer, first_seq);
}

static void tell_damaged(struct importer *importer)
{
	const struct journal_position *position = &importer->position;
	struct store *store = importer->store;

	if (store->told[position->worker].segment == position->segment &&
	    store->told[position->worker].offset == position->offset)
		return;
	store->told[position->worker].segment = position->segment;
	store->told[position->worker].offset = position->offset;
	store->journal_damaged++;
	log_write(store->log, LOG_LEVEL_ERROR, EVENT_cdr_gap, LOG_U("worker", position->worker),
		  LOG_U("segment", position->segment), LOG_U("offset", position->offset),
		  LOG_T("why", "the journal is damaged here, or of another version"));
}

/* A damaged segment is kept under another name; the import goes on with the next one, if there is
 * one, and otherwise waits here. */
static bool leave_damaged(struct importer *importer, const struct segment_name *later)
{
	struct store *store = importer->store;
	char from[PATH_BYTES];
	char to[PATH_BYTES + 16];

	tell_damaged(importer);
	if (!later)
		return false;
	segment_path(store, importer->position.worker, importer->position.segment, from);
	snprintf(to, sizeof(to), "%s.damaged", from);
	if (rename(from, to) != 0)
		return false;
	move_to(importer, later, "the segment before is damaged");
	return true;
}

/* ERR_SYNTAX: it was written by a program that knows other fields. */
static enum err take_record(struct importer *importer, uint64_t seq, struct slice record)
{
	struct store *store = importer->store;
	struct ctl_call_info info;
	enum err err;

	err = ctl_call_info_decode(&store->turn, record.p, record.len, &info);
	if (err != OK)
		return err;
	if (seq > importer->position.next_seq)
		tell_gap(importer, seq, "a number is missing inside a segment");
	err = cdr_insert(store, &importer->position, seq, &info, record);
	if (err == ERR_STATE) {
		log_write(store->log, LOG_LEVEL_ERROR, EVENT_cdr_gap,
			  LOG_U("worker", importer->position.worker), LOG_U("found", seq),
			  LOG_T("why", "a number was given twice; both records are kept"));
		importer->position.epoch++;
		err = cdr_insert(store, &importer->position, seq, &info, record);
	}
	if (err != OK && err != ERR_EXISTS)
		return err;
	importer->position.next_seq = seq + 1;
	importer->examined++;
	if (err == OK)
		importer->imported++;
	return OK;
}

/* Reads records until the segment has no more now, or the limit is reached. */
static enum err read_segment(struct importer *importer, const struct journal_segment *segment,
			     enum journal_verdict *ret_verdict)
{
	*ret_verdict = JOURNAL_VERDICT_RECORD;
	while (importer->examined < importer->limit) {
		uint64_t offset = importer->position.offset;
		struct slice record;
		uint64_t seq;
		enum err err;

		*ret_verdict = journal_segment_next(segment, &offset, &seq, &record);
		if (*ret_verdict != JOURNAL_VERDICT_RECORD)
			return OK;
		err = seq < importer->position.next_seq ? ERR_SYNTAX :
							  take_record(importer, seq, record);
		if (err == ERR_SYNTAX) {
			*ret_verdict = JOURNAL_VERDICT_DAMAGED;
			return OK;
		}
		if (err != OK)
			return err;
		importer->position.offset = offset;
	}
	return OK;
}

/* OK with *ret_again: there is another segment to read now. */
static enum err import_segment(struct importer *importer, bool *ret_again)
{
	struct journal_position *position = &importer->position;
	const struct segment_name *later = later_segment(importer);
	struct journal_segment segment;
	enum journal_verdict verdict;
	char path[PATH_BYTES];
	enum err err;

	*ret_again = false;
	err = journal_segment_open(segment_path(importer->store, position->worker,
						position->segment, path),
				   position->worker, position->segment, &segment);
	if (err == ERR_NOENT) {
		if (later)
			move_to(importer, later, "a segment is missing");
		else
			new_epoch(importer, importer->names[0].first_seq, "the journal began anew");
		*ret_again = true;
		return OK;
	}
	if (err == ERR_SYNTAX || (err == ERR_AGAIN && later)) {
		*ret_again = leave_damaged(importer, later);
		return OK;
	}
	if (err != OK)
		return err == ERR_AGAIN ? OK : err;
	if (position->offset == 0) {
		position->offset = sizeof(struct journal_header);
		position->created_unix_ms = segment.created_unix_ms;
	}
	if (position->created_unix_ms != segment.created_unix_ms) {
		new_epoch(importer, importer->names[0].first_seq, "the journal began anew");
		journal_segment_close(&segment);
		*ret_again = true;
		return OK;
	}
	err = read_segment(importer, &segment, &verdict);
	journal_segment_close(&segment);
	if (err != OK || importer->examined >= importer->limit)
		return err;
	if (verdict == JOURNAL_VERDICT_DAMAGED) {
		*ret_again = leave_damaged(importer, later);
	} else if (later) {
		move_to(importer, later, "the segment before ends early");
		*ret_again = true;
	}
	return OK;
}

/* After the position is on the disk, what lies before it is not needed any more. */
static void delete_imported(const struct importer *importer)
{
	struct store *store = importer->store;
	char path[PATH_BYTES];

	if (importer->names[0].first_seq >= importer->position.segment)
		return;
	/* Commits of cdr.db reach the disk only with a checkpoint. */
	if (db_exec(&store->cdr, "PRAGMA wal_checkpoint(FULL)") != OK)
		return;
	for (size_t i = 0; i < importer->count; i++)
		if (importer->names[i].first_seq < importer->position.segment)
			unlink(segment_path(store, importer->position.worker,
					    importer->names[i].first_seq, path));
}

static enum err load_position(struct importer *importer)
{
	uint32_t worker = importer->names[0].worker;
	bool *seen = &importer->store->seen_workers[worker];
	struct journal_position *position = &importer->position;
	enum err err = cdr_position_load(importer->store, worker, position);

	if (err == ERR_NOENT) {
		*position = (struct journal_position){ .worker = worker };
		position->next_seq = importer->names[0].first_seq;
		start_segment(importer, importer->names[0].first_seq);
		err = OK;
	}
	if (err == OK && !*seen && position->offset > 0) {
		position->offset = sizeof(struct journal_header);
		position->next_seq = position->segment;
	}
	if (err == OK)
		*seen = true;
	return err;
}

static enum err import_worker(struct importer *importer)
{
	struct db *db = &importer->store->cdr;
	struct journal_position before;
	bool again = true;
	enum err err = load_position(importer);

	if (err != OK)
		return err;
	before = importer->position;
	err = db_exec(db, "BEGIN IMMEDIATE");
	while (err == OK && again && importer->examined < importer->limit)
		err = import_segment(importer, &again);
	if (err == OK && (importer->moved || before.offset != importer->position.offset ||
			  before.epoch != importer->position.epoch))
		err = cdr_position_save(importer->store, &importer->position);
	err = db_end(db, err);
	if (err == OK)
		delete_imported(importer);
	return err;
}

unsigned store_import(struct store *store, unsigned limit)
{
	struct segment_list list;
	unsigned examined = 0;

	list_segments(store, &list);
	for (size_t i = 0; i < list.count && examined < limit;) {
		struct importer importer = { .store = store, .names = &list.items[i] };

		while (i < list.count && list.items[i].worker == importer.names[0].worker) {
			importer.count++;
			i++;
		}
		importer.limit = limit - examined;
		if (import_worker(&importer) != OK)
			continue;
		examined += importer.examined;
		store->cdrs_imported += importer.imported;
	}
	arena_reset(&store->turn);
	return examined;
}

/* SPDX-License-Identifier: MIT
 * What the files of the store share: a database handle with logging, and the journal's segments. */
#pragma once

#include "mgmt-api/store/store.h"

#include <sqlite3.h>

#define STORE_MAX_WORKERS 256u

struct db {
	sqlite3 *handle;
	struct log *log;
	const char *name; /* "config.db" */
	uint64_t errors;
	bool failing; /* the last write failed */
};

/* Statements of cdr.db that every record needs: compiling them cost more than running them. */
enum cdr_statement { CDR_FIND, CDR_INSERT, CDR_INSERT_KEY, CDR_STATEMENTS };

struct store {
	struct log *log;
	struct db config;
	struct db cdr;
	sqlite3_stmt *cdr_statements[CDR_STATEMENTS]; /* NULL: not needed yet */
	struct arena_cache cache;
	struct arena paths; /* lives as long as the store */
	struct arena turn;  /* of one import */
	const char *journal_dir;
	int lock_fd; /* held while the store is open: one program at a time */
	bool config_quarantined;
	bool cdr_quarantined;
	uint64_t cdrs_imported;
	uint64_t cdrs_missing;
	uint64_t journal_damaged;
	/* Workers whose segment was read again from its start since the program began. */
	bool seen_workers[STORE_MAX_WORKERS];
	/* For each worker the damaged place that was told already: segment and offset. */
	struct {
		uint64_t segment;
		uint64_t offset;
	} told[STORE_MAX_WORKERS];
};

/* ---- db.c ---- */

/* Opens path, sets a damaged file aside, and makes the schema when user_version is 0. */
must_use enum err db_open(struct db *db, struct log *log, const char *path, const char *name,
			  const char *schema, bool durable, uint64_t now_unix_ms,
			  bool *ret_quarantined);
void db_close(struct db *db);
/* An SQLite result as an error, logged and counted when it is one. */
enum err db_result(struct db *db, int result, const char *what);
must_use enum err db_exec(struct db *db, const char *sql);
must_use enum err db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret);
/* The next row: OK; ERR_NOENT: none is left. */
must_use enum err db_step(struct db *db, sqlite3_stmt *statement);
/* Runs a statement that gives no rows, and ends it. */
must_use enum err db_run(struct db *db, sqlite3_stmt *statement);
/* A statement that is used again and again: compiled at the first time, then found in *kept. It is
 * finalized by its owner, before db_close. */
must_use enum err db_kept(struct db *db, const char *sql, sqlite3_stmt **kept);
/* Runs a kept statement that gives no rows, and makes it ready for the next time. */
must_use enum err db_run_kept(struct db *db, sqlite3_stmt *statement);
void db_reset_kept(sqlite3_stmt *statement);
/* Ends a transaction: commits when err is OK, else rolls back; returns what came of it. */
enum err db_end(struct db *db, enum err err);
void db_bind_text(sqlite3_stmt *statement, int index, struct slice text);
void db_bind_u64(sqlite3_stmt *statement, int index, uint64_t value);
struct slice db_column_text(sqlite3_stmt *statement, int column);
uint64_t db_column_u64(sqlite3_stmt *statement, int column);

/* ---- cdr_write.c ---- */
struct journal_position {
	uint32_t worker;
	uint64_t epoch;   /* rises when the numbers began anew (an emptied journal folder) */
	uint64_t segment; /* its first_seq */
	uint64_t created_unix_ms;
	uint64_t offset; /* of the next record; 0: the header was not seen yet */
	uint64_t next_seq;
};

/* ERR_NOENT: never seen this worker. */
must_use enum err cdr_position_load(struct store *store, uint32_t worker,
				    struct journal_position *ret);
/* Finalizes what was kept; before the database is closed. */
void cdr_forget_statements(struct store *store);
must_use enum err cdr_position_save(struct store *store, const struct journal_position *position);
/* One record. ERR_EXISTS: the same record is there; ERR_STATE: another one has this number in this
 * epoch. */
must_use enum err cdr_insert(struct store *store, const struct journal_position *position,
			     uint64_t seq, const struct ctl_call_info *info, struct slice record);

/* ---- journal_reader.c ---- */
struct journal_segment {
	const char *map;
	uint32_t worker;
	uint64_t first_seq;
	uint64_t created_unix_ms;
};

/* ERR_NOENT: no such file; ERR_AGAIN: it is being made; ERR_SYNTAX: it is no segment. */
must_use enum err journal_segment_open(const char *path, uint32_t worker, uint64_t first_seq,
				       struct journal_segment *ret);
void journal_segment_close(struct journal_segment *segment);

enum journal_verdict {
	JOURNAL_VERDICT_RECORD,
	JOURNAL_VERDICT_END,     /* nothing more now */
	JOURNAL_VERDICT_FULL,    /* it goes on in the next segment */
	JOURNAL_VERDICT_DAMAGED, /* no sense can be made of what stands here */
};

/* The record at *offset, which moves behind it; *ret_record points into the map. */
enum journal_verdict journal_segment_next(const struct journal_segment *segment, uint64_t *offset,
					  uint64_t *ret_seq, struct slice *ret_record);

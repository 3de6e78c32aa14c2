/* SPDX-License-Identifier: MIT
 * SQLite handles: settings, the check at the start, and results as errors. */
#include "mgmt-api/store/store_priv.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define CHECK_SECONDS 5
#define CHECK_OPCODES 100000 /* between two looks at the clock */

enum err db_result(struct db *db, int result, const char *what)
{
	if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE)
		return OK;
	db->errors++;
	log_write(db->log, LOG_LEVEL_ERROR, EVENT_store_failed, LOG_T("file", db->name),
		  LOG_T("what", what),
		  LOG_T("detail", db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(result)));
	switch (result & 0xff) {
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_FULL:
		return ERR_EXHAUSTED;
	case SQLITE_CONSTRAINT:
		return ERR_EXISTS;
	default:
		return ERR_STATE;
	}
}

enum err db_exec(struct db *db, const char *sql)
{
	return db_result(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), sql);
}

enum err db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret)
{
	return db_result(db, sqlite3_prepare_v2(db->handle, sql, -1, ret, NULL), sql);
}

enum err db_step(struct db *db, sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	if (result == SQLITE_DONE)
		return ERR_NOENT;
	return db_result(db, result, sqlite3_sql(statement));
}

enum err db_run(struct db *db, sqlite3_stmt *statement)
{
	enum err err = db_result(db, sqlite3_step(statement), sqlite3_sql(statement));

	sqlite3_finalize(statement);
	return err;
}

enum err db_kept(struct db *db, const char *sql, sqlite3_stmt **kept)
{
	if (*kept)
		return OK;
	return db_result(db,
			 sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, kept,
					    NULL),
			 sql);
}

void db_reset_kept(sqlite3_stmt *statement)
{
	sqlite3_reset(statement); /* the step told what it repeats */
	sqlite3_clear_bindings(statement);
}

enum err db_run_kept(struct db *db, sqlite3_stmt *statement)
{
	enum err err = db_result(db, sqlite3_step(statement), sqlite3_sql(statement));

	db_reset_kept(statement);
	return err;
}

enum err db_end(struct db *db, enum err err)
{
	if (err == OK)
		err = db_exec(db, "COMMIT");
	if (err != OK && !sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	db->failing = err != OK;
	return err;
}

void db_bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
	sqlite3_bind_text64(statement, index, text.p ? text.p : "", text.len, SQLITE_STATIC,
			    SQLITE_UTF8);
}

void db_bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
	sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

struct slice db_column_text(sqlite3_stmt *statement, int column)
{
	const void *p = sqlite3_column_blob(statement, column);

	return slice_of(p, (size_t)sqlite3_column_bytes(statement, column));
}

uint64_t db_column_u64(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

static int check_expired(void *deadline)
{
	return time(NULL) > *(const time_t *)deadline;
}

/* False: the file is damaged. A check of a very large file is cut short and passes. */
static bool file_sound(struct db *db)
{
	time_t deadline = time(NULL) + CHECK_SECONDS;
	sqlite3_stmt *statement = NULL;
	bool sound = true;
	int result;

	sqlite3_progress_handler(db->handle, CHECK_OPCODES, check_expired, &deadline);
	result = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		sound = slice_eq(db_column_text(statement, 0), SLICE("ok"));
	else if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
		sound = false;
	sqlite3_finalize(statement);
	sqlite3_progress_handler(db->handle, 0, NULL, NULL);
	return sound;
}

/* The file and its companions get another name, so that nothing of them is lost. */
static enum err set_aside(struct db *db, const char *path, uint64_t now_unix_ms)
{
	static const char *const parts[] = { "", "-wal", "-shm" };
	char from[PATH_BYTES];
	char to[PATH_BYTES];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, parts[i]);
		snprintf(to, sizeof(to), "%s.damaged-%llu%s", path, (unsigned long long)now_unix_ms,
			 parts[i]);
		if (rename(from, to) != 0 && i == 0)
			return err_from_errno();
	}
	snprintf(to, sizeof(to), "%s.damaged-%llu", path, (unsigned long long)now_unix_ms);
	log_write(db->log, LOG_LEVEL_ERROR, EVENT_store_failed, LOG_T("file", db->name),
		  LOG_T("what", "the database is damaged; it was set aside and a new one is made"),
		  LOG_T("kept_as", to));
	return OK;
}

static enum err open_handle(struct db *db, const char *path)
{
	int result = sqlite3_open_v2(path, &db->handle,
				     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
					     SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
				     NULL);

	if (result == SQLITE_OK) {
		sqlite3_extended_result_codes(db->handle, 0);
		sqlite3_busy_timeout(db->handle, 2000);
	}
	return db_result(db, result, "open");
}

static enum err read_user_version(struct db *db, uint64_t *ret)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(db, "PRAGMA user_version", &statement);

	if (err != OK)
		return err;
	err = db_step(db, statement);
	if (err == OK)
		*ret = db_column_u64(statement, 0);
	sqlite3_finalize(statement);
	return err;
}

static enum err make_schema(struct db *db, const char *schema)
{
	uint64_t version = 0;
	enum err err = read_user_version(db, &version);

	if (err != OK || version == 1)
		return err;
	if (version > 1) {
		log_write(db->log, LOG_LEVEL_ERROR, EVENT_store_failed, LOG_T("file", db->name),
			  LOG_T("what", "the database was made by a later version of this program"));
		return ERR_VERSION;
	}
	err = db_exec(db, "BEGIN IMMEDIATE");
	if (err == OK)
		err = db_exec(db, schema);
	if (err == OK)
		err = db_exec(db, "PRAGMA user_version=1; COMMIT");
	return err;
}

static enum err settings(struct db *db, bool durable)
{
	enum err err = db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;"
				   "PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=67108864");

	if (err != OK)
		return err;
	return db_exec(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

enum err db_open(struct db *db, struct log *log, const char *path, const char *name,
		 const char *schema, bool durable, uint64_t now_unix_ms, bool *ret_quarantined)
{
	enum err err;

	*db = (struct db){ .log = log, .name = name };
	*ret_quarantined = false;
	err = open_handle(db, path);
	if (err == OK && !file_sound(db)) {
		db_close(db);
		err = set_aside(db, path, now_unix_ms);
		*ret_quarantined = true;
		if (err == OK)
			err = open_handle(db, path);
	}
	if (err == OK)
		err = settings(db, durable);
	if (err == OK)
		err = make_schema(db, schema);
	if (err == OK && chmod(path, 0600) != 0)
		err = err_from_errno();
	if (err != OK)
		db_close(db);
	return err;
}

void db_close(struct db *db)
{
	sqlite3_close(db->handle);
	db->handle = NULL;
}

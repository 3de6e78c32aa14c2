/* SPDX-License-Identifier: MIT
 * CDRs in: one row with the record as it stood in the journal, and a row for each thing that it can
 * be found by. */
#include "mgmt-api/store/store_priv.h"

enum err cdr_position_load(struct store *store, uint32_t worker, struct journal_position *ret)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(&store->cdr,
				  "SELECT epoch, segment, created_ms, offset, next_seq"
				  " FROM journal_position WHERE worker = ?",
				  &statement);

	if (err != OK)
		return err;
	db_bind_u64(statement, 1, worker);
	err = db_step(&store->cdr, statement);
	if (err == OK)
		*ret = (struct journal_position){
			.worker = worker,
			.epoch = db_column_u64(statement, 0),
			.segment = db_column_u64(statement, 1),
			.created_unix_ms = db_column_u64(statement, 2),
			.offset = db_column_u64(statement, 3),
			.next_seq = db_column_u64(statement, 4),
		};
	sqlite3_finalize(statement);
	return err;
}

enum err cdr_position_save(struct store *store, const struct journal_position *position)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(&store->cdr,
				  "INSERT INTO journal_position(worker, epoch, segment, created_ms,"
				  " offset, next_seq) VALUES(?, ?, ?, ?, ?, ?)"
				  " ON CONFLICT(worker) DO UPDATE SET epoch = excluded.epoch,"
				  " segment = excluded.segment, created_ms = excluded.created_ms,"
				  " offset = excluded.offset, next_seq = excluded.next_seq",
				  &statement);

	if (err != OK)
		return err;
	db_bind_u64(statement, 1, position->worker);
	db_bind_u64(statement, 2, position->epoch);
	db_bind_u64(statement, 3, position->segment);
	db_bind_u64(statement, 4, position->created_unix_ms);
	db_bind_u64(statement, 5, position->offset);
	db_bind_u64(statement, 6, position->next_seq);
	return db_run(&store->cdr, statement);
}

static enum err cdr_statement(struct store *store, enum cdr_statement which, sqlite3_stmt **ret)
{
	static const char *const texts[CDR_STATEMENTS] = {
		[CDR_FIND] = "SELECT record, epoch FROM cdr WHERE worker = ? AND seq = ?",
		[CDR_INSERT] = "INSERT INTO cdr(worker, epoch, seq, started_ms, record)"
			       " VALUES(?, ?, ?, ?, ?)",
		[CDR_INSERT_KEY] = "INSERT OR IGNORE INTO cdr_key(kind, value, started_ms, id)"
				   " VALUES(?, ?, ?, ?)",
	};
	enum err err = db_kept(&store->cdr, texts[which], &store->cdr_statements[which]);

	if (err == OK)
		*ret = store->cdr_statements[which];
	return err;
}

void cdr_forget_statements(struct store *store)
{
	for (unsigned i = 0; i < CDR_STATEMENTS; i++) {
		sqlite3_finalize(store->cdr_statements[i]);
		store->cdr_statements[i] = NULL;
	}
}

static enum err insert_key(struct store *store, const char *kind, struct slice value,
			   uint64_t started_unix_ms, uint64_t id)
{
	sqlite3_stmt *statement;
	enum err err;

	if (value.len == 0)
		return OK;
	err = cdr_statement(store, CDR_INSERT_KEY, &statement);
	if (err != OK)
		return err;
	db_bind_text(statement, 1, slice_text(kind));
	db_bind_text(statement, 2, value);
	db_bind_u64(statement, 3, started_unix_ms);
	db_bind_u64(statement, 4, id);
	return db_run_kept(&store->cdr, statement);
}

static enum err insert_keys(struct store *store, const struct ctl_call_info *info, uint64_t id)
{
	uint64_t started = info->started_unix_ms;
	enum err err = OK;

	for (uint32_t i = 0; i < info->legs_count && err == OK; i++)
		err = insert_key(store, "t", info->legs[i].trunk, started, id);
	if (err == OK)
		err = insert_key(store, "n", info->calling, started, id);
	if (err == OK)
		err = insert_key(store, "n", info->called, started, id);
	if (err == OK)
		err = insert_key(store, "n", info->called_out, started, id);
	if (err == OK)
		err = insert_key(store, "r", info->result, started, id);
	return err;
}

/* OK: the number is free. ERR_EXISTS: the same record has it, in whatever epoch; ERR_STATE: another
 * one has it in this epoch. */
static enum err number_free(struct store *store, const struct journal_position *position,
			    uint64_t seq, struct slice record)
{
	enum err verdict = OK;
	sqlite3_stmt *statement;
	enum err err = cdr_statement(store, CDR_FIND, &statement);

	if (err != OK)
		return err;
	db_bind_u64(statement, 1, position->worker);
	db_bind_u64(statement, 2, seq);
	while (verdict != ERR_EXISTS && (err = db_step(&store->cdr, statement)) == OK) {
		if (slice_eq(db_column_text(statement, 0), record))
			verdict = ERR_EXISTS;
		else if (db_column_u64(statement, 1) == position->epoch)
			verdict = ERR_STATE;
	}
	db_reset_kept(statement);
	return err == OK || err == ERR_NOENT ? verdict : err;
}

enum err cdr_insert(struct store *store, const struct journal_position *position, uint64_t seq,
		    const struct ctl_call_info *info, struct slice record)
{
	sqlite3_stmt *statement;
	enum err err = number_free(store, position, seq, record);

	if (err == OK)
		err = cdr_statement(store, CDR_INSERT, &statement);
	if (err != OK)
		return err;
	db_bind_u64(statement, 1, position->worker);
	db_bind_u64(statement, 2, position->epoch);
	db_bind_u64(statement, 3, seq);
	db_bind_u64(statement, 4, info->started_unix_ms);
	sqlite3_bind_blob64(statement, 5, record.p, record.len, SQLITE_STATIC);
	err = db_run_kept(&store->cdr, statement);
	if (err != OK)
		return err;
	return insert_keys(store, info, (uint64_t)sqlite3_last_insert_rowid(store->cdr.handle));
}

/* SPDX-License-Identifier: MIT
 * Versions of the configuration. One is made in two steps, because between them sbcd is asked: it is
 * pending until sbcd runs on it, and only then current. */
#include "mgmt-api/store/store_priv.h"

static enum err read_text(struct store *store, struct arena *arena, sqlite3_stmt *statement,
			  uint64_t *ret_version, struct slice *ret_text)
{
	enum err err = db_step(&store->config, statement);
	struct slice text;

	if (err == OK)
		err = arena_keep(arena, db_column_text(statement, 1), &text);
	if (err == OK) {
		*ret_version = db_column_u64(statement, 0);
		*ret_text = text;
	}
	sqlite3_finalize(statement);
	return err;
}

enum err store_config_current(struct store *store, struct arena *arena, uint64_t *ret_version,
			      struct slice *ret_text)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(&store->config,
				  "SELECT v.version, v.text FROM current_version c"
				  " JOIN config_version v ON v.version = c.version",
				  &statement);

	if (err != OK)
		return err;
	return read_text(store, arena, statement, ret_version, ret_text);
}

enum err store_config_text(struct store *store, struct arena *arena, uint64_t version,
			   struct slice *ret_text)
{
	sqlite3_stmt *statement;
	uint64_t found;
	enum err err = db_prepare(&store->config,
				  "SELECT version, text FROM config_version"
				  " WHERE version = ? AND pending = 0",
				  &statement);

	if (err != OK)
		return err;
	db_bind_u64(statement, 1, version);
	return read_text(store, arena, statement, &found, ret_text);
}

enum err store_config_begin(struct store *store, const struct store_version *about,
			    struct slice text, uint64_t *ret_version)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(&store->config,
				  "INSERT INTO config_version(version, created_ms, author, note, text,"
				  " pending) VALUES(?, ?, ?, ?, ?, 1)",
				  &statement);

	if (err != OK)
		return err;
	if (about->version != 0)
		db_bind_u64(statement, 1, about->version);
	db_bind_u64(statement, 2, about->created_unix_ms);
	db_bind_text(statement, 3, about->author);
	db_bind_text(statement, 4, about->note);
	db_bind_text(statement, 5, text);
	err = db_run(&store->config, statement);
	store->config.failing = err != OK;
	if (err == OK)
		*ret_version = (uint64_t)sqlite3_last_insert_rowid(store->config.handle);
	return err;
}

static enum err run_with_version(struct db *db, const char *sql, uint64_t version)
{
	sqlite3_stmt *statement;
	enum err err = db_prepare(db, sql, &statement);

	if (err != OK)
		return err;
	db_bind_u64(statement, 1, version);
	return db_run(db, statement);
}

static enum err commit_steps(struct db *db, uint64_t version)
{
	enum err err;

	err = run_with_version(db, "UPDATE config_version SET pending = 0 WHERE version = ?", version);
	if (err == OK)
		err = run_with_version(db,
				       "INSERT INTO current_version(one, version) VALUES(1, ?)"
				       " ON CONFLICT(one) DO UPDATE SET version = excluded.version",
				       version);
	if (err == OK)
		err = run_with_version(db,
				       "DELETE FROM config_version WHERE pending = 0 AND version <="
				       " (SELECT version FROM config_version WHERE pending = 0"
				       "  ORDER BY version DESC LIMIT 1 OFFSET ?)",
				       STORE_KEPT_VERSIONS);
	return err;
}

enum err store_config_commit(struct store *store, uint64_t version)
{
	struct db *db = &store->config;
	enum err err = db_exec(db, "BEGIN IMMEDIATE");

	if (err == OK)
		err = commit_steps(db, version);
	return db_end(db, err);
}

void store_config_drop(struct store *store, uint64_t version)
{
	enum err err = run_with_version(&store->config,
					"DELETE FROM config_version WHERE version = ? AND pending = 1",
					version);

	store->config.failing = err != OK; /* it stays pending, which harms nothing */
}

enum err store_config_list(struct store *store, struct arena *arena, uint64_t before,
			   unsigned limit, struct store_version **ret, size_t *ret_count)
{
	struct store_version *items = arena_array(arena, limit, sizeof(*items));
	sqlite3_stmt *statement;
	size_t count = 0;
	enum err err;

	if (!items)
		return ERR_NOMEM;
	err = db_prepare(&store->config,
			 "SELECT version, created_ms, author, note,"
			 " version = (SELECT version FROM current_version) FROM config_version"
			 " WHERE pending = 0 AND version < ? ORDER BY version DESC LIMIT ?",
			 &statement);
	if (err != OK)
		return err;
	db_bind_u64(statement, 1, before == 0 ? INT64_MAX : before);
	db_bind_u64(statement, 2, limit);
	while (count < limit && (err = db_step(&store->config, statement)) == OK) {
		struct store_version *item = &items[count];

		item->version = db_column_u64(statement, 0);
		item->created_unix_ms = db_column_u64(statement, 1);
		item->current = db_column_u64(statement, 4) != 0;
		err = arena_keep(arena, db_column_text(statement, 2), &item->author);
		if (err == OK)
			err = arena_keep(arena, db_column_text(statement, 3), &item->note);
		if (err != OK)
			break;
		count++;
	}
	sqlite3_finalize(statement);
	if (err != OK && err != ERR_NOENT)
		return err;
	*ret = items;
	*ret_count = count;
	return OK;
}

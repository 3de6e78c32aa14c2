/* SPDX-License-Identifier: MIT
 * Both databases together, and the tokens.
 * lint: owns storage because the store lives as long as the program. */
#include "mgmt-api/store/store_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char config_schema[] =
	"CREATE TABLE token(id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,"
	" created_ms INTEGER NOT NULL);"
	/* AUTOINCREMENT: a number is never used twice, not even that of a dropped version. */
	"CREATE TABLE config_version(version INTEGER PRIMARY KEY AUTOINCREMENT,"
	" created_ms INTEGER NOT NULL, author TEXT NOT NULL, note TEXT NOT NULL,"
	" text TEXT NOT NULL, pending INTEGER NOT NULL);"
	"CREATE TABLE current_version(one INTEGER PRIMARY KEY CHECK (one = 1),"
	" version INTEGER NOT NULL REFERENCES config_version(version));";

static const char cdr_schema[] =
	"CREATE TABLE cdr(id INTEGER PRIMARY KEY, worker INTEGER NOT NULL, epoch INTEGER NOT NULL,"
	" seq INTEGER NOT NULL, started_ms INTEGER NOT NULL, record BLOB NOT NULL,"
	" UNIQUE(worker, seq, epoch));"
	"CREATE INDEX cdr_started ON cdr(started_ms, id);"
	/* What can be searched for: kind is 't' trunk, 'n' number, 'r' result. */
	"CREATE TABLE cdr_key(kind TEXT NOT NULL, value TEXT NOT NULL, started_ms INTEGER NOT NULL,"
	" id INTEGER NOT NULL, PRIMARY KEY(kind, value, started_ms, id)) WITHOUT ROWID;"
	"CREATE TABLE journal_position(worker INTEGER PRIMARY KEY, epoch INTEGER NOT NULL,"
	" segment INTEGER NOT NULL, created_ms INTEGER NOT NULL, offset INTEGER NOT NULL,"
	" next_seq INTEGER NOT NULL);";

/* A second program would take the first one's pending version for a dead one's. */
static enum err take_lock(struct store *store, struct slice state_dir)
{
	struct slice path = arena_printf(&store->paths, "%.*s/mgmt-apid.lock", SLICE_ARG(state_dir));

	store->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return err_from_errno();
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return OK;
	log_write(store->log, LOG_LEVEL_ERROR, EVENT_store_failed, LOG_S("file", path),
		  LOG_T("what", "another mgmt-apid uses this state_dir"));
	return ERR_EXISTS;
}

static enum err open_both(struct store *store, struct slice state_dir, uint64_t now_unix_ms)
{
	struct slice config_path = arena_printf(&store->paths, "%.*s/config.db", SLICE_ARG(state_dir));
	struct slice cdr_path = arena_printf(&store->paths, "%.*s/cdr.db", SLICE_ARG(state_dir));
	struct slice journal = arena_printf(&store->paths, "%.*s/journal", SLICE_ARG(state_dir));
	enum err err;

	if (store->paths.exhausted)
		return ERR_NOMEM;
	store->journal_dir = journal.p;
	err = db_open(&store->config, store->log, config_path.p, "config.db", config_schema, true,
		      now_unix_ms, &store->config_quarantined);
	if (err != OK)
		return err;
	err = db_open(&store->cdr, store->log, cdr_path.p, "cdr.db", cdr_schema, false, now_unix_ms,
		      &store->cdr_quarantined);
	if (err != OK)
		return err;
	/* What nobody answered for when the program ended did not happen. */
	return db_exec(&store->config, "DELETE FROM config_version WHERE pending = 1");
}

enum err store_open(struct log *log, struct slice state_dir, uint64_t now_unix_ms,
		    struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));
	enum err err;

	if (!store)
		return ERR_NOMEM;
	store->log = log;
	store->lock_fd = -1;
	arena_cache_init(&store->cache, 1u << 20);
	arena_init(&store->paths, &store->cache, 1024, 64u << 10);
	arena_init(&store->turn, &store->cache, 64u << 10, 16u << 20);
	err = take_lock(store, state_dir);
	if (err == OK)
		err = open_both(store, state_dir, now_unix_ms);
	if (err != OK) {
		store_close(&store);
		return err;
	}
	*ret = store;
	return OK;
}

void store_close(struct store **store)
{
	struct store *old = *store;

	if (!old)
		return;
	cdr_forget_statements(old);
	db_close(&old->config);
	db_close(&old->cdr);
	if (old->lock_fd >= 0)
		close(old->lock_fd);
	arena_fini(&old->turn);
	arena_fini(&old->paths);
	arena_cache_fini(&old->cache);
	free(old);
	*store = NULL;
}

struct store_health store_health(const struct store *store)
{
	return (struct store_health){
		.ok = !store->config.failing && !store->cdr.failing,
		.errors = store->config.errors + store->cdr.errors,
		.cdrs_imported = store->cdrs_imported,
		.cdrs_missing = store->cdrs_missing,
		.journal_damaged = store->journal_damaged,
		.config_quarantined = store->config_quarantined,
		.cdr_quarantined = store->cdr_quarantined,
	};
}

enum err store_tokens(struct store *store, store_token_fn *fn, void *owner)
{
	sqlite3_stmt *statement;
	enum err err;

	err = db_prepare(&store->config, "SELECT name, hash FROM token ORDER BY id", &statement);
	if (err != OK)
		return err;
	while ((err = db_step(&store->config, statement)) == OK) {
		struct slice hash = db_column_text(statement, 1);

		if (hash.len != STORE_HASH_BYTES)
			continue;
		err = fn(owner, db_column_text(statement, 0), (const unsigned char *)hash.p);
		if (err != OK)
			break;
	}
	sqlite3_finalize(statement);
	return err == ERR_NOENT ? OK : err;
}

enum err store_token_add(struct store *store, struct slice name,
			 const unsigned char hash[STORE_HASH_BYTES], uint64_t now_unix_ms)
{
	sqlite3_stmt *statement;
	enum err err;

	err = db_prepare(&store->config, "INSERT INTO token(name, hash, created_ms) VALUES(?, ?, ?)",
			 &statement);
	if (err != OK)
		return err;
	db_bind_text(statement, 1, name);
	sqlite3_bind_blob(statement, 2, hash, STORE_HASH_BYTES, SQLITE_STATIC);
	db_bind_u64(statement, 3, now_unix_ms);
	err = db_run(&store->config, statement);
	store->config.failing = err != OK;
	return err;
}

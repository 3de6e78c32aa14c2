/* SPDX-License-Identifier: MIT
 * CDRs out, newest first. One index drives a search (the number's, the trunk's, the result's, or
 * time), the other conditions are looked at row by row; after STORE_SCAN_ROWS rows the page ends with
 * a cursor, so that no search holds up the loop. */
#include "mgmt-api/store/store_priv.h"

struct driver {
	const char *kind; /* NULL: by time alone */
	struct slice value;
};

static struct driver choose_driver(const struct store_cdr_filter *filter)
{
	if (filter->number.len > 0 && !filter->number_is_prefix)
		return (struct driver){ "n", filter->number };
	if (filter->trunk.len > 0)
		return (struct driver){ "t", filter->trunk };
	if (filter->result.len > 0)
		return (struct driver){ "r", filter->result };
	return (struct driver){ NULL, SLICE_NONE };
}

static bool number_matches(const struct store_cdr_filter *filter, struct slice number)
{
	if (filter->number_is_prefix)
		return slice_starts(number, filter->number);
	return slice_eq(number, filter->number);
}

static bool trunk_matches(const struct store_cdr_filter *filter, const struct ctl_call_info *call)
{
	for (uint32_t i = 0; i < call->legs_count; i++)
		if (slice_eq(call->legs[i].trunk, filter->trunk))
			return true;
	return false;
}

static bool call_matches(const struct store_cdr_filter *filter, const struct ctl_call_info *call)
{
	if (filter->trunk.len > 0 && !trunk_matches(filter, call))
		return false;
	if (filter->result.len > 0 && !slice_eq(call->result, filter->result))
		return false;
	return filter->number.len == 0 || number_matches(filter, call->calling) ||
	       number_matches(filter, call->called) || number_matches(filter, call->called_out);
}

static enum err prepare(struct store *store, const struct driver *driver,
			const struct store_cdr_filter *filter,
			const struct store_cdr_cursor *cursor, sqlite3_stmt **ret)
{
	static const char by_time[] =
		"SELECT id, started_ms, record FROM cdr"
		" WHERE started_ms >= ?1 AND started_ms < ?2 AND (started_ms, id) < (?3, ?4)"
		" ORDER BY started_ms DESC, id DESC LIMIT ?5";
	static const char by_key[] =
		"SELECT c.id, c.started_ms, c.record FROM cdr_key k JOIN cdr c ON c.id = k.id"
		" WHERE k.kind = ?6 AND k.value = ?7 AND k.started_ms >= ?1 AND k.started_ms < ?2"
		" AND (k.started_ms, k.id) < (?3, ?4)"
		" ORDER BY k.started_ms DESC, k.id DESC LIMIT ?5";
	bool first = cursor->started_unix_ms == 0 && cursor->id == 0;
	enum err err = db_prepare(&store->cdr, driver->kind ? by_key : by_time, ret);

	if (err != OK)
		return err;
	db_bind_u64(*ret, 1, filter->from_unix_ms);
	db_bind_u64(*ret, 2, filter->to_unix_ms == 0 ? INT64_MAX : filter->to_unix_ms);
	db_bind_u64(*ret, 3, first ? INT64_MAX : cursor->started_unix_ms);
	db_bind_u64(*ret, 4, first ? INT64_MAX : cursor->id);
	db_bind_u64(*ret, 5, STORE_SCAN_ROWS);
	if (driver->kind) {
		db_bind_text(*ret, 6, slice_text(driver->kind));
		db_bind_text(*ret, 7, driver->value);
	}
	return OK;
}

/* The row's call, in the arena; ERR_SYNTAX never: it was decoded before it was stored. */
static enum err read_call(struct arena *arena, sqlite3_stmt *statement, struct ctl_call_info *ret)
{
	struct slice record;
	enum err err = arena_keep(arena, db_column_text(statement, 2), &record);

	if (err != OK)
		return err;
	return ctl_call_info_decode(arena, record.p, record.len, ret);
}

static enum err read_rows(struct store *store, struct arena *arena, sqlite3_stmt *statement,
			  const struct store_cdr_filter *filter, unsigned limit,
			  struct store_cdr_page *page)
{
	unsigned scanned = 0;
	enum err err;

	while ((err = db_step(&store->cdr, statement)) == OK) {
		scanned++;
		err = read_call(arena, statement, &page->calls[page->count]);
		if (err != OK)
			return err;
		page->next.id = db_column_u64(statement, 0);
		page->next.started_unix_ms = db_column_u64(statement, 1);
		if (call_matches(filter, &page->calls[page->count]))
			page->count++;
		if (page->count == limit || scanned == STORE_SCAN_ROWS) {
			page->more = true;
			return OK;
		}
	}
	return err == ERR_NOENT ? OK : err;
}

enum err store_cdr_query(struct store *store, struct arena *arena,
			 const struct store_cdr_filter *filter,
			 const struct store_cdr_cursor *cursor, unsigned limit,
			 struct store_cdr_page *ret)
{
	struct driver driver = choose_driver(filter);
	struct store_cdr_page page = { 0 };
	sqlite3_stmt *statement;
	enum err err;

	if (limit == 0 || limit > STORE_MAX_LIMIT)
		limit = STORE_MAX_LIMIT;
	page.calls = arena_array(arena, limit, sizeof(*page.calls));
	if (!page.calls)
		return ERR_NOMEM;
	err = prepare(store, &driver, filter, cursor, &statement);
	if (err != OK)
		return err;
	err = read_rows(store, arena, statement, filter, limit, &page);
	sqlite3_finalize(statement);
	if (err == OK)
		*ret = page;
	return err;
}

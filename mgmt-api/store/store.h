/* SPDX-License-Identifier: MIT
 * What mgmt-apid keeps: tokens and configuration versions in state_dir/config.db (every write reaches
 * the disk), CDRs in state_dir/cdr.db, which it fills from sbcd's journal. The only room that knows
 * SQLite. Everything runs in the caller's thread: each call is one short statement or transaction,
 * lists have a limit, and a CDR search ends after STORE_SCAN_ROWS rows, whatever it looked for.
 * A damaged database is set aside under another name and said so; it is never overwritten. */
#pragma once

#include "lib/ctl/ctl.h"
#include "lib/log/log.h"

#define STORE_MAX_LIMIT 500u
#define STORE_SCAN_ROWS 5000u
#define STORE_KEPT_VERSIONS 200u
#define STORE_HASH_BYTES 32u

struct store;

/* Opens or makes both databases. ERR_EXISTS: another program has it open; -errno,
 * ERR_VERSION (made by a later program), ERR_STATE. */
must_use enum err store_open(struct log *log, struct slice state_dir, uint64_t now_unix_ms,
			     struct store **ret);
void store_close(struct store **store);

/* What became of the last operations; for /ready and the metrics. */
struct store_health {
	bool ok; /* the last write of each database succeeded */
	uint64_t errors;
	uint64_t cdrs_imported;    /* since the start */
	uint64_t cdrs_missing;     /* numbers that the journal skipped, since the start */
	uint64_t journal_damaged;  /* segments that stopped at a damaged record, since the start */
	bool config_quarantined;   /* at this start a damaged config.db was set aside */
	bool cdr_quarantined;
};
struct store_health store_health(const struct store *store);

/* ---- tokens ---- */
typedef enum err store_token_fn(void *owner, struct slice name,
				const unsigned char hash[STORE_HASH_BYTES]);
must_use enum err store_tokens(struct store *store, store_token_fn *fn, void *owner);
must_use enum err store_token_add(struct store *store, struct slice name,
				  const unsigned char hash[STORE_HASH_BYTES], uint64_t now_unix_ms);

/* ---- configuration versions: text is canonical JSON of `provisioning` ---- */
struct store_version {
	uint64_t version;
	uint64_t created_unix_ms;
	struct slice author; /* the token's name */
	struct slice note;   /* what made it: "PUT /trunks/pbx" */
	bool current;
};

/* ERR_NOENT: the store is empty. */
must_use enum err store_config_current(struct store *store, struct arena *arena,
				       uint64_t *ret_version, struct slice *ret_text);
/* A new version with a number that was never used, pending until it is committed or dropped. What
 * was pending when the program ended is dropped at the next start. version: 0, or the number wanted
 * (an empty store that takes over the snapshot on disk). */
must_use enum err store_config_begin(struct store *store, const struct store_version *about,
				     struct slice text, uint64_t *ret_version);
must_use enum err store_config_commit(struct store *store, uint64_t version);
void store_config_drop(struct store *store, uint64_t version);
must_use enum err store_config_text(struct store *store, struct arena *arena, uint64_t version,
				    struct slice *ret_text);
/* Newest first, below `before` (0: from the newest); at most `limit`. In the arena. */
must_use enum err store_config_list(struct store *store, struct arena *arena, uint64_t before,
				    unsigned limit, struct store_version **ret, size_t *ret_count);

/* ---- CDRs ---- */
struct store_cdr_filter {
	uint64_t from_unix_ms; /* started at or after */
	uint64_t to_unix_ms;   /* started before; 0: no end */
	struct slice trunk;    /* of either leg; empty: any */
	struct slice number;   /* calling or called, as it came or as it left */
	bool number_is_prefix;
	struct slice result;
};

/* Where a list goes on; all zero: from the newest. */
struct store_cdr_cursor {
	uint64_t started_unix_ms;
	uint64_t id;
};

struct store_cdr_page {
	struct ctl_call_info *calls; /* newest first */
	size_t count;
	bool more; /* a page may be short, or empty, and yet have a next */
	struct store_cdr_cursor next;
};

must_use enum err store_cdr_query(struct store *store, struct arena *arena,
				  const struct store_cdr_filter *filter,
				  const struct store_cdr_cursor *cursor, unsigned limit,
				  struct store_cdr_page *ret);

/* Takes over what sbcd's journal has got since the last call, at most `limit` records: each exactly
 * once, for rows and position are one transaction. Returns how many were read; `limit`: there may be
 * more. */
unsigned store_import(struct store *store, unsigned limit);

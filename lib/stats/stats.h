/* SPDX-License-Identifier: MIT
 * Counters and gauges in a shared file that others map read-only: a reader never stops a worker, and
 * needs no table to understand the file, for it names its own series.
 *
 * File: run_dir/<program>.stats. A header, then fixed-size series {name, labels, kind, help}, then
 * one row of u64 cells for each worker (cache lines apart). A series is made at start or when a label
 * value first appears; it is never taken away while the process lives. The reader sums the rows.
 * There is room for many, but the file has holes: blocks are taken for some thousand at a time.
 * Only the owner of a row writes it, with relaxed atomic stores: no locks, no read-modify-write. */
#pragma once

#include <stdatomic.h>

#include "lib/base/text.h"

#define STATS_MAX_SERIES 131072u /* a thousand trunks have some eighty thousand */
#define STATS_NAME_BYTES 64u
#define STATS_LABELS_BYTES 128u /* trunk="carrier",direction="in" — escaped as Prometheus wants it */
#define STATS_HELP_BYTES 96u
#define STATS_HISTOGRAM_MAX 24u

enum stats_kind { STATS_COUNTER, STATS_GAUGE, STATS_HISTOGRAM_BUCKET, STATS_HISTOGRAM_SUM };

struct stats;     /* the writing process's map */
struct stats_row; /* a worker's cells */

typedef uint32_t stats_id; /* index of a series; 0 is a series that swallows everything */

/* path: replaced if it is there. rows: workers. ERR_NOMEM, -errno. */
must_use enum err stats_create(const char *path, const char *program, unsigned rows,
			       struct stats **ret);
void stats_destroy(struct stats **stats);
struct stats_row *stats_row(struct stats *stats, unsigned row);

/* The series of this name and labels, made when it is not there. Thread-safe; not for the hot path:
 * look up once, keep the id. The table or the disk full, or a name too long: 0, what happens to it is
 * counted as overflow, and that it could not be made in sbc_stats_refused_total. */
stats_id stats_series(struct stats *stats, enum stats_kind kind, const char *name,
		      const char *labels, const char *help);
/* Appends key="value" to a label list (with a comma when it is not the first), escaped as Prometheus
 * wants it; a byte that is not printable ASCII becomes '_', for one bad byte fails a whole scrape. */
void stats_label(struct text *labels, const char *key, struct slice value);
/* A histogram: cumulative buckets le=bounds[i], then +Inf, then _sum (micro-units), _count derived.
 * Returns the id of the first bucket; the others follow it. bounds ascend; count ≤ STATS_HISTOGRAM_MAX.
 * Their names are name_bucket and name_sum. No room for all of it: 0, and nothing is made. */
stats_id stats_histogram(struct stats *stats, const char *name, const char *labels,
			 const char *help, const double *bounds, unsigned count);

static inline _Atomic uint64_t *stats_cell(struct stats_row *row, stats_id id)
{
	return (_Atomic uint64_t *)(void *)row + id;
}

static inline void stats_add(struct stats_row *row, stats_id id, uint64_t n)
{
	_Atomic uint64_t *cell = stats_cell(row, id);

	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void stats_set(struct stats_row *row, stats_id id, uint64_t value)
{
	atomic_store_explicit(stats_cell(row, id), value, memory_order_relaxed);
}

/* value in the unit of the bounds (seconds, say). */
void stats_observe(struct stats_row *row, stats_id first_bucket, const double *bounds,
		   unsigned count, double value);

/* ---- reading ---- */
struct stats_reader;

struct stats_sample {
	struct slice name;
	struct slice labels;
	struct slice help;
	enum stats_kind kind;
	uint64_t value; /* summed over the rows; gauges too */
};

/* ERR_NOENT: no file; ERR_VERSION: another layout. Re-open after the writer restarted (the file is
 * another inode then): stats_reader_stale tells. */
must_use enum err stats_reader_open(const char *path, struct stats_reader **ret);
void stats_reader_close(struct stats_reader **reader);
/* Series so far. */
uint32_t stats_reader_count(const struct stats_reader *reader);
bool stats_reader_stale(const struct stats_reader *reader);
/* Series in order of making; false at the end. *cursor starts at 0. */
bool stats_reader_next(const struct stats_reader *reader, uint32_t *cursor,
		       struct stats_sample *ret);

/* SPDX-License-Identifier: MIT
 * The writer's side. The file is made whole beside its place and renamed, and its blocks are taken
 * at once: a reader never maps half a file, and a full disk is an error at start, not SIGBUS later.
 * lint: owns storage because the writer's object lives as long as its process. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/base/hash.h"
#include "lib/stats/stats_priv.h"

struct stats {
	struct stats_header *header; /* the map */
	struct stats_entry *entries;
	size_t bytes;
	pthread_mutex_t lock; /* making series */
	uint64_t hashes[STATS_MAX_SERIES];
};

/* Creates, sizes and maps `path`; the descriptor is closed again. */
static enum err map_new(const char *path, size_t bytes, void **ret)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	enum err err = OK;
	int failed;
	void *map;

	if (fd < 0)
		return err_from_errno();
	failed = posix_fallocate(fd, 0, (off_t)bytes);
	map = failed ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (failed)
		err = (enum err)(-failed);
	else if (map == MAP_FAILED)
		err = err_from_errno();
	else
		*ret = map;
	close(fd);
	return err;
}

static enum err map_in_place(const char *path, size_t bytes, void **ret)
{
	char fresh[PATH_MAX];
	enum err err;

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return ERR_LIMIT;
	unlink(fresh);
	err = map_new(fresh, bytes, ret);
	if (err == OK && rename(fresh, path) < 0) {
		err = err_from_errno();
		munmap(*ret, bytes);
	}
	if (err != OK)
		unlink(fresh);
	return err;
}

enum err stats_create(const char *path, const char *program, unsigned rows, struct stats **ret)
{
	struct stats *stats;
	void *map = NULL;
	enum err err;

	ensure(rows > 0 && rows <= STATS_MAX_ROWS);
	stats = calloc(1, sizeof(*stats));
	if (!stats)
		return ERR_NOMEM;
	stats->bytes = stats_file_bytes(rows);
	err = map_in_place(path, stats->bytes, &map);
	if (err != OK) {
		free(stats);
		return err;
	}
	pthread_mutex_init(&stats->lock, NULL);
	stats->header = map;
	stats->entries = (void *)((char *)map + STATS_TABLE_AT);
	stats->header->version = STATS_VERSION;
	stats->header->rows = rows;
	stats->header->max_series = STATS_MAX_SERIES;
	snprintf(stats->header->program, sizeof(stats->header->program), "%s", program);
	stats_series(stats, STATS_COUNTER, "sbc_stats_overflow_total", "",
		     "Events of series for which the table had no room");
	__atomic_store_n(&stats->header->magic, STATS_MAGIC, __ATOMIC_RELEASE);
	*ret = stats;
	return OK;
}

/* The file stays, with its last figures. */
void stats_destroy(struct stats **stats)
{
	if (!*stats)
		return;
	munmap((*stats)->header, (*stats)->bytes);
	pthread_mutex_destroy(&(*stats)->lock);
	free(*stats);
	*stats = NULL;
}

struct stats_row *stats_row(struct stats *stats, unsigned row)
{
	ensure(row < stats->header->rows);
	return (void *)((char *)stats->header + STATS_ROWS_AT + row * STATS_ROW_BYTES);
}

static uint64_t series_hash(const char *name, const char *labels)
{
	/* Names are ours and labels come from the configuration: no secret is needed. */
	static const struct hash_key key = { 1, 2 };
	const struct hash_key second = { hash64(&key, slice_text(name)), 3 };

	return hash64(&second, slice_text(labels));
}

static bool fits(const char *name, const char *labels)
{
	return strlen(name) < STATS_NAME_BYTES && strlen(labels) < STATS_LABELS_BYTES;
}

/* The lock is held. */
static stats_id series_find(const struct stats *stats, const char *name, const char *labels)
{
	uint32_t count = atomic_load_explicit(&stats->header->series, memory_order_relaxed);
	uint64_t hash = series_hash(name, labels);

	for (uint32_t id = 1; id < count; id++)
		if (stats->hashes[id] == hash && strcmp(stats->entries[id].name, name) == 0 &&
		    strcmp(stats->entries[id].labels, labels) == 0)
			return id;
	return 0;
}

/* The lock is held; name and labels fit, and there is room. */
static stats_id series_add(struct stats *stats, enum stats_kind kind, const char *name,
			   const char *labels, const char *help)
{
	stats_id id = atomic_load_explicit(&stats->header->series, memory_order_relaxed);
	struct stats_entry *entry = &stats->entries[id];

	entry->kind = (uint32_t)kind;
	memcpy(entry->name, name, strlen(name) + 1);
	memcpy(entry->labels, labels, strlen(labels) + 1);
	snprintf(entry->help, sizeof(entry->help), "%s", help);
	stats->hashes[id] = series_hash(name, labels);
	atomic_store_explicit(&stats->header->series, id + 1, memory_order_release);
	return id;
}

static bool has_room(const struct stats *stats, unsigned count)
{
	return atomic_load_explicit(&stats->header->series, memory_order_relaxed) + count <=
	       STATS_MAX_SERIES;
}

stats_id stats_series(struct stats *stats, enum stats_kind kind, const char *name,
		      const char *labels, const char *help)
{
	stats_id id;

	if (!fits(name, labels))
		return 0;
	pthread_mutex_lock(&stats->lock);
	id = series_find(stats, name, labels);
	if (id == 0 && has_room(stats, 1))
		id = series_add(stats, kind, name, labels, help);
	pthread_mutex_unlock(&stats->lock);
	return id;
}

void stats_label(struct text *labels, const char *key, struct slice value)
{
	if (labels->len > 0)
		text_char(labels, ',');
	text_slice(labels, slice_text(key));
	text_lit(labels, "=\"");
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '"' || c == '\\')
			text_char(labels, '\\');
		text_char(labels, c >= ' ' && c <= '~' ? c : '_');
	}
	text_char(labels, '"');
}

/* labels + le="bound"; bound NULL: +Inf. False: it does not fit. */
static bool bucket_labels(char storage[STATS_LABELS_BYTES], const char *labels, const double *bound)
{
	const char *comma = *labels ? "," : "";
	int len = bound ? snprintf(storage, STATS_LABELS_BYTES, "%s%sle=\"%.12g\"", labels, comma,
				   *bound)
			: snprintf(storage, STATS_LABELS_BYTES, "%s%sle=\"+Inf\"", labels, comma);

	return len < (int)STATS_LABELS_BYTES;
}

/* The lock is held. All label lists are tried before the first series is made. */
static stats_id histogram_make(struct stats *stats, const char *name, const char *labels,
			       const char *help, const double *bounds, unsigned count)
{
	char le[STATS_HISTOGRAM_MAX + 1][STATS_LABELS_BYTES];
	char bucket[STATS_NAME_BYTES];
	char sum[STATS_NAME_BYTES];
	stats_id first;

	if (snprintf(bucket, sizeof(bucket), "%s_bucket", name) >= (int)sizeof(bucket))
		return 0;
	snprintf(sum, sizeof(sum), "%.*s_sum", (int)(sizeof(sum) - sizeof("_sum")), name);
	for (unsigned i = 0; i <= count; i++)
		if (!bucket_labels(le[i], labels, i < count ? &bounds[i] : NULL))
			return 0;
	first = series_find(stats, bucket, le[0]);
	if (first != 0 || !has_room(stats, count + 2))
		return first;
	first = series_add(stats, STATS_HISTOGRAM_BUCKET, bucket, le[0], help);
	for (unsigned i = 1; i <= count; i++)
		series_add(stats, STATS_HISTOGRAM_BUCKET, bucket, le[i], help);
	series_add(stats, STATS_HISTOGRAM_SUM, sum, labels, help);
	return first;
}

stats_id stats_histogram(struct stats *stats, const char *name, const char *labels,
			 const char *help, const double *bounds, unsigned count)
{
	stats_id first;

	ensure(count <= STATS_HISTOGRAM_MAX);
	pthread_mutex_lock(&stats->lock);
	first = histogram_make(stats, name, labels, help, bounds, count);
	pthread_mutex_unlock(&stats->lock);
	return first;
}

void stats_observe(struct stats_row *row, stats_id first_bucket, const double *bounds,
		   unsigned count, double value)
{
	if (first_bucket == 0) {
		stats_add(row, 0, 1);
		return;
	}
	for (unsigned i = count; i > 0 && value <= bounds[i - 1]; i--)
		stats_add(row, first_bucket + i - 1, 1);
	stats_add(row, first_bucket + count, 1);
	if (value > 0)
		stats_add(row, first_bucket + count + 1, (uint64_t)(value * 1e6 + 0.5));
}

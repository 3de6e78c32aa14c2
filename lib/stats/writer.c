/* SPDX-License-Identifier: MIT
 * The writer's side. The file is made beside its place and renamed, and its blocks are taken before
 * they are written: a reader never maps half a file, and a full disk is an error at start or a refused
 * series later, never SIGBUS.
 * lint: owns storage because the writer's object lives as long as its process. */
#include <errno.h>
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
	int fd;
	pthread_mutex_t lock; /* making series */
	uint32_t room;   /* series that the file has blocks for */
	stats_id *index; /* open addressing, 2 * room of them; 0: free */
	stats_id refused;
};

/* Creates, sizes and maps `path`. It is all holes. */
static enum err map_new(const char *path, size_t bytes, void **ret, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	enum err err;
	void *map;

	if (fd < 0)
		return err_from_errno();
	map = ftruncate(fd, (off_t)bytes) < 0 ?
		      MAP_FAILED :
		      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		err = err_from_errno();
		close(fd);
		return err;
	}
	*ret = map;
	*ret_fd = fd;
	return OK;
}

static enum err map_in_place(const char *path, size_t bytes, void **ret, int *ret_fd)
{
	char fresh[PATH_MAX];
	enum err err;

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return ERR_LIMIT;
	unlink(fresh);
	err = map_new(fresh, bytes, ret, ret_fd);
	if (err == OK && rename(fresh, path) < 0) {
		err = err_from_errno();
		munmap(*ret, bytes);
		close(*ret_fd);
	}
	if (err != OK)
		unlink(fresh);
	return err;
}

static uint64_t series_hash(const char *name, const char *labels)
{
	/* Names are ours and labels come from the configuration: no secret is needed. */
	static const struct hash_key key = { 1, 2 };
	const struct hash_key second = { hash64(&key, slice_text(name)), 3 };

	return hash64(&second, slice_text(labels));
}

/* Where the index has this series, or the free place for it. */
static stats_id *series_place(const struct stats *stats, const char *name, const char *labels)
{
	uint32_t mask = 2 * stats->room - 1;
	uint32_t at = (uint32_t)series_hash(name, labels) & mask;

	while (stats->index[at] != 0) {
		const struct stats_entry *entry = &stats->entries[stats->index[at]];

		if (strcmp(entry->name, name) == 0 && strcmp(entry->labels, labels) == 0)
			break;
		at = (at + 1) & mask;
	}
	return &stats->index[at];
}

static bool take_blocks(const struct stats *stats, size_t at, size_t bytes)
{
	return posix_fallocate(stats->fd, (off_t)at, (off_t)bytes) == 0;
}

/* Blocks for as many series again, and a first step of them. */
static enum err grow(struct stats *stats)
{
	uint32_t from = stats->room, to = from == 0 ? STATS_STEP : 2 * from;
	size_t entry = sizeof(struct stats_entry), cell = sizeof(uint64_t);
	stats_id *index;

	if (to > STATS_MAX_SERIES)
		return ERR_EXHAUSTED;
	if (!take_blocks(stats, STATS_TABLE_AT + from * entry, (to - from) * entry))
		return (enum err)-ENOSPC;
	for (uint32_t row = 0; row < stats->header->rows; row++)
		if (!take_blocks(stats, STATS_ROWS_AT + row * STATS_ROW_BYTES + from * cell,
				 (to - from) * cell))
			return (enum err)-ENOSPC;
	index = calloc(2 * (size_t)to, sizeof(*index));
	if (!index)
		return ERR_NOMEM;
	free(stats->index);
	stats->index = index;
	stats->room = to;
	for (stats_id id = 1; id < atomic_load(&stats->header->series); id++)
		*series_place(stats, stats->entries[id].name, stats->entries[id].labels) = id;
	return OK;
}

static void stats_free(struct stats *stats)
{
	munmap(stats->header, stats->bytes);
	close(stats->fd);
	free(stats->index);
	free(stats);
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
	err = map_in_place(path, stats->bytes, &map, &stats->fd);
	if (err != OK) {
		free(stats);
		return err;
	}
	stats->header = map;
	stats->entries = (void *)((char *)map + STATS_TABLE_AT);
	if (take_blocks(stats, 0, STATS_TABLE_AT)) {
		stats->header->rows = rows;
		err = grow(stats);
	} else {
		err = (enum err)-ENOSPC;
	}
	if (err != OK) {
		unlink(path);
		stats_free(stats);
		return err;
	}
	pthread_mutex_init(&stats->lock, NULL);
	stats->header->version = STATS_VERSION;
	stats->header->max_series = STATS_MAX_SERIES;
	snprintf(stats->header->program, sizeof(stats->header->program), "%s", program);
	stats_series(stats, STATS_COUNTER, "sbc_stats_overflow_total", "",
		     "Events of series for which the table had no room");
	stats->refused = stats_series(stats, STATS_COUNTER, "sbc_stats_refused_total", "",
				      "Series that could not be made, each time they were asked for");
	__atomic_store_n(&stats->header->magic, STATS_MAGIC, __ATOMIC_RELEASE);
	*ret = stats;
	return OK;
}

/* The file stays, with its last figures. */
void stats_destroy(struct stats **stats)
{
	if (!*stats)
		return;
	pthread_mutex_destroy(&(*stats)->lock);
	stats_free(*stats);
	*stats = NULL;
}

struct stats_row *stats_row(struct stats *stats, unsigned row)
{
	ensure(row < stats->header->rows);
	return (void *)((char *)stats->header + STATS_ROWS_AT + row * STATS_ROW_BYTES);
}

static bool fits(const char *name, const char *labels)
{
	return strlen(name) < STATS_NAME_BYTES && strlen(labels) < STATS_LABELS_BYTES;
}

/* The lock is held. */
static stats_id series_find(const struct stats *stats, const char *name, const char *labels)
{
	return *series_place(stats, name, labels);
}

/* The lock is held; name and labels fit, and there is room. The first of all is number 0, where
 * everything without a series of its own goes; it is never looked for. */
static stats_id series_add(struct stats *stats, enum stats_kind kind, const char *name,
			   const char *labels, const char *help)
{
	stats_id id = atomic_load_explicit(&stats->header->series, memory_order_relaxed);
	struct stats_entry *entry = &stats->entries[id];

	*series_place(stats, name, labels) = id;
	entry->kind = (uint32_t)kind;
	memcpy(entry->name, name, strlen(name) + 1);
	memcpy(entry->labels, labels, strlen(labels) + 1);
	snprintf(entry->help, sizeof(entry->help), "%s", help);
	atomic_store_explicit(&stats->header->series, id + 1, memory_order_release);
	return id;
}

/* The lock is held. */
static bool has_room(struct stats *stats, unsigned count)
{
	uint32_t end = atomic_load_explicit(&stats->header->series, memory_order_relaxed) + count;

	while (end > stats->room)
		if (grow(stats) != OK)
			return false;
	return true;
}

/* The lock is held, which makes its holder the only one who writes this cell. */
static stats_id refuse(struct stats *stats)
{
	stats_add(stats_row(stats, 0), stats->refused, 1);
	return 0;
}

stats_id stats_series(struct stats *stats, enum stats_kind kind, const char *name,
		      const char *labels, const char *help)
{
	stats_id id = 0;

	pthread_mutex_lock(&stats->lock);
	if (fits(name, labels)) {
		id = series_find(stats, name, labels);
		if (id == 0 && has_room(stats, 1))
			id = series_add(stats, kind, name, labels, help);
		else if (id == 0)
			refuse(stats);
	} else {
		refuse(stats);
	}
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
		return refuse(stats);
	snprintf(sum, sizeof(sum), "%.*s_sum", (int)(sizeof(sum) - sizeof("_sum")), name);
	for (unsigned i = 0; i <= count; i++)
		if (!bucket_labels(le[i], labels, i < count ? &bounds[i] : NULL))
			return refuse(stats);
	first = series_find(stats, bucket, le[0]);
	if (first != 0)
		return first;
	if (!has_room(stats, count + 2))
		return refuse(stats);
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

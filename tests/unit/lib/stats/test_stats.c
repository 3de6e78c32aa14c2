/* SPDX-License-Identifier: MIT
 * Writer and reader over one file, as two processes have it: separate maps. */
#include "lib/stats/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

struct place {
	char dir[64];
	char path[96];
};

static void place_make(struct place *place)
{
	snprintf(place->dir, sizeof(place->dir), "/tmp/test_stats.XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/x.stats", place->dir);
}

static void place_clear(const struct place *place)
{
	unlink(place->path);
	assert_int_equal(rmdir(place->dir), 0);
}

static bool find(const struct stats_reader *reader, const char *name, const char *labels,
		 struct stats_sample *ret)
{
	uint32_t cursor = 0;

	while (stats_reader_next(reader, &cursor, ret))
		if (slice_eq(ret->name, slice_text(name)) &&
		    slice_eq(ret->labels, slice_text(labels)))
			return true;
	return false;
}

static void sums_over_rows(void **state)
{
	struct stats_sample sample;
	struct stats_reader *reader = NULL;
	struct stats *stats = NULL;
	struct place place;
	stats_id calls;
	stats_id live;

	(void)state;
	place_make(&place);
	assert_int_equal(stats_reader_open(place.path, &reader), ERR_NOENT);
	assert_int_equal(stats_create(place.path, "testd", 3, &stats), OK);
	calls = stats_series(stats, STATS_COUNTER, "sbc_calls_total", "trunk=\"a\"", "Calls");
	assert_int_not_equal(calls, 0);
	assert_int_equal(stats_series(stats, STATS_COUNTER, "sbc_calls_total", "trunk=\"a\"", ""),
			 calls);
	assert_int_not_equal(
		stats_series(stats, STATS_COUNTER, "sbc_calls_total", "trunk=\"b\"", "Calls"),
		calls);
	assert_int_equal(stats_reader_open(place.path, &reader), OK);
	/* A series made after the reader mapped the file is seen too. */
	live = stats_series(stats, STATS_GAUGE, "sbc_live", "", "Live");
	stats_add(stats_row(stats, 0), calls, 5);
	stats_add(stats_row(stats, 2), calls, 7);
	stats_set(stats_row(stats, 1), live, 9);
	stats_set(stats_row(stats, 1), live, 4);
	assert_true(find(reader, "sbc_calls_total", "trunk=\"a\"", &sample));
	assert_int_equal(sample.value, 12);
	assert_int_equal(sample.kind, STATS_COUNTER);
	assert_slice(sample.help, "Calls");
	assert_true(find(reader, "sbc_live", "", &sample));
	assert_int_equal(sample.value, 4);
	assert_int_equal(sample.kind, STATS_GAUGE);
	assert_false(stats_reader_stale(reader));
	stats_destroy(&stats);
	assert_null(stats);
	assert_int_equal(stats_create(place.path, "testd", 1, &stats), OK);
	assert_true(stats_reader_stale(reader));
	stats_destroy(&stats);
	stats_reader_close(&reader);
	place_clear(&place);
}

static void histograms_are_cumulative(void **state)
{
	static const double bounds[] = { 0.005, 0.5, 10 };
	static const struct {
		const char *labels;
		uint64_t want;
	} rows[] = {
		{ "trunk=\"a\",le=\"0.005\"", 1 },
		{ "trunk=\"a\",le=\"0.5\"", 3 },
		{ "trunk=\"a\",le=\"10\"", 3 },
		{ "trunk=\"a\",le=\"+Inf\"", 4 },
	};
	struct stats_sample sample;
	struct stats_reader *reader = NULL;
	struct stats *stats = NULL;
	struct place place;
	stats_id pdd;

	(void)state;
	place_make(&place);
	assert_int_equal(stats_create(place.path, "testd", 1, &stats), OK);
	pdd = stats_histogram(stats, "sbc_pdd_seconds", "trunk=\"a\"", "Delay", bounds, 3);
	assert_int_not_equal(pdd, 0);
	assert_int_equal(
		stats_histogram(stats, "sbc_pdd_seconds", "trunk=\"a\"", "Delay", bounds, 3), pdd);
	stats_observe(stats_row(stats, 0), pdd, bounds, 3, 0.005);
	stats_observe(stats_row(stats, 0), pdd, bounds, 3, 0.0051);
	stats_observe(stats_row(stats, 0), pdd, bounds, 3, 0.5);
	stats_observe(stats_row(stats, 0), pdd, bounds, 3, 11);
	assert_int_equal(stats_reader_open(place.path, &reader), OK);
	for (size_t i = 0; i < array_size(rows); i++) {
		assert_true(find(reader, "sbc_pdd_seconds_bucket", rows[i].labels, &sample));
		assert_int_equal(sample.value, rows[i].want);
		assert_int_equal(sample.kind, STATS_HISTOGRAM_BUCKET);
	}
	assert_true(find(reader, "sbc_pdd_seconds_sum", "trunk=\"a\"", &sample));
	assert_int_equal(sample.value, 11510100);
	stats_reader_close(&reader);
	stats_destroy(&stats);
	place_clear(&place);
}

static void full_table_swallows(void **state)
{
	static const double bounds[] = { 1, 2, 3 };
	struct stats_sample sample;
	struct stats_reader *reader = NULL;
	struct stats *stats = NULL;
	struct place place;
	char labels[STATS_LABELS_BYTES + 8];
	unsigned made = 0;

	(void)state;
	place_make(&place);
	assert_int_equal(stats_create(place.path, "testd", 1, &stats), OK);
	for (unsigned i = 0; i < STATS_MAX_SERIES - 4; i++) {
		snprintf(labels, sizeof(labels), "n=\"%u\"", i);
		made += stats_series(stats, STATS_COUNTER, "sbc_n_total", labels, "") != 0;
	}
	assert_int_equal(made, STATS_MAX_SERIES - 4);
	/* Two are left, a histogram needs five: nothing of it is made. */
	assert_int_equal(stats_histogram(stats, "sbc_h", "", "", bounds, 3), 0);
	assert_int_not_equal(stats_series(stats, STATS_COUNTER, "sbc_x_total", "", ""), 0);
	assert_int_not_equal(stats_series(stats, STATS_COUNTER, "sbc_y_total", "", ""), 0);
	assert_int_equal(stats_series(stats, STATS_COUNTER, "sbc_z_total", "", ""), 0);
	memset(labels, 'x', sizeof(labels));
	labels[STATS_LABELS_BYTES] = 0;
	assert_int_equal(stats_series(stats, STATS_COUNTER, "sbc_long", labels, ""), 0);
	stats_observe(stats_row(stats, 0), 0, bounds, 3, 2.5);
	stats_add(stats_row(stats, 0), 0, 2);
	assert_int_equal(stats_reader_open(place.path, &reader), OK);
	assert_true(find(reader, "sbc_stats_overflow_total", "", &sample));
	assert_int_equal(sample.value, 3);
	assert_true(find(reader, "sbc_stats_refused_total", "", &sample));
	assert_int_equal(sample.value, 3); /* h, z, long */
	assert_true(find(reader, "sbc_n_total", "n=\"0\"", &sample));
	assert_int_equal(sample.value, 0);
	assert_int_equal(stats_reader_count(reader), STATS_MAX_SERIES);
	stats_reader_close(&reader);
	stats_destroy(&stats);
	place_clear(&place);
}

/* The table grows while it is read and written: ids, cells and what is found by name stay. */
static void grows_when_it_is_needed(void **state)
{
	enum { MANY = 20000 };
	struct stats_sample sample;
	struct stats_reader *reader = NULL;
	struct stats *stats = NULL;
	struct place place;
	char labels[STATS_LABELS_BYTES];
	uint32_t cursor = 0, seen = 0;
	struct stat st;
	stats_id ids[MANY];

	(void)state;
	place_make(&place);
	assert_int_equal(stats_create(place.path, "testd", 2, &stats), OK);
	assert_int_equal(stat(place.path, &st), 0);
	assert_in_range(st.st_blocks * 512, 1, 2u << 20); /* of some forty MiB that there is room for */
	assert_int_equal(stats_reader_open(place.path, &reader), OK);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(labels, sizeof(labels), "n=\"%u\"", i);
		ids[i] = stats_series(stats, STATS_COUNTER, "sbc_n_total", labels, "");
		assert_int_not_equal(ids[i], 0);
		stats_add(stats_row(stats, i % 2), ids[i], i);
	}
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(labels, sizeof(labels), "n=\"%u\"", i);
		assert_int_equal(stats_series(stats, STATS_COUNTER, "sbc_n_total", labels, ""), ids[i]);
	}
	while (stats_reader_next(reader, &cursor, &sample))
		if (slice_eq(sample.name, SLICE("sbc_n_total")))
			assert_int_equal(sample.value, seen++);
	assert_int_equal(seen, MANY);
	assert_false(stats_reader_stale(reader));
	stats_reader_close(&reader);
	stats_destroy(&stats);
	place_clear(&place);
}

static void another_layout_is_refused(void **state)
{
	struct stats_reader *reader = NULL;
	struct stats *stats = NULL;
	struct place place;
	FILE *file;

	(void)state;
	place_make(&place);
	file = fopen(place.path, "w");
	assert_non_null(file);
	fputs("not a map", file);
	fclose(file);
	assert_int_equal(stats_reader_open(place.path, &reader), ERR_VERSION);
	assert_int_equal(stats_create(place.path, "testd", 2, &stats), OK);
	stats_destroy(&stats);
	assert_int_equal(truncate(place.path, 3000000), 0);
	assert_int_equal(stats_reader_open(place.path, &reader), ERR_VERSION);
	assert_null(reader);
	assert_int_equal(stats_reader_open(place.dir, &reader), ERR_VERSION);
	place_clear(&place);
}

static void labels_are_escaped(void **state)
{
	char storage[64];
	struct text text;

	(void)state;
	text_init(&text, storage, sizeof(storage));
	stats_label(&text, "a", SLICE("q\"b\\"));
	stats_label(&text, "c", SLICE("x\n\xff"));
	assert_slice(text_done(&text), "a=\"q\\\"b\\\\\",c=\"x__\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_over_rows),
		cmocka_unit_test(histograms_are_cumulative),
		cmocka_unit_test(full_table_swallows),
		cmocka_unit_test(grows_when_it_is_needed),
		cmocka_unit_test(another_layout_is_refused),
		cmocka_unit_test(labels_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Finished calls of a thousand trunks in the shared figures: each has its own histograms, none is
 * refused, and the file takes no more than it needs. */
#include "sbc/core/core_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

#define TRUNKS 1000u

struct place {
	char dir[64];
	char path[96];
	struct core core;
	struct worker worker;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->dir, sizeof(place->dir), "/tmp/test_figures.XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/x.stats", place->dir);
	assert_int_equal(stats_create(place->path, "sbcd", 1, &place->core.stats), OK);
	place->worker.core = &place->core;
	place->worker.row = stats_row(place->core.stats, 0);
	assert_int_equal(map_init(&place->worker.trunks, 16), OK);
	figures_init(&place->core);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	figures_forget_trunks(&place->worker);
	stats_destroy(&place->core.stats);
	unlink(place->path);
	assert_int_equal(rmdir(place->dir), 0);
	free(place);
	return 0;
}

/* A call from trunk `from` to trunk `to`, with a packet in two lost on the way in. */
static void finish(struct worker *worker, unsigned from, unsigned to)
{
	char names[2][32];
	struct ctl_leg_info legs[2];
	struct ctl_media_info media[2];
	struct ctl_call_info info = { .answered_unix_ms = 1, .duration_ms = 4000, .ring_ms = 300,
				      .result = SLICE("answered"), .legs = legs, .legs_count = 2,
				      .media = media, .media_count = 2 };

	for (unsigned i = 0; i < 2; i++) {
		snprintf(names[i], sizeof(names[i]), "trunk-%u", i ? to : from);
		legs[i] = (struct ctl_leg_info){ .trunk = slice_text(names[i]) };
		media[i] = (struct ctl_media_info){ .side = (uint8_t)i, .kind = SLICE("audio"),
						    .packets_received = 100,
						    .packets_lost = i ? 0 : 100, .jitter_us = 15000,
						    .mos_x100 = 420 };
	}
	figures_record(worker, &info);
}

/* Of all series of the name: how many there are, and their sum. */
static uint64_t sum_of(const struct place *place, const char *name, const char *label, unsigned *ret)
{
	struct stats_reader *reader;
	struct stats_sample sample;
	uint32_t cursor = 0;
	uint64_t sum = 0;

	*ret = 0;
	assert_int_equal(stats_reader_open(place->path, &reader), OK);
	while (stats_reader_next(reader, &cursor, &sample))
		if (slice_eq(sample.name, slice_text(name)) &&
		    slice_find(sample.labels, slice_text(label)) < sample.labels.len + (*label == 0)) {
			sum += sample.value;
			++*ret;
		}
	stats_reader_close(&reader);
	return sum;
}

static void a_thousand_trunks(void **state)
{
	static const struct {
		const char *name;
		const char *label;
		unsigned series;
		uint64_t sum;
	} table[] = {
		{ "sbc_call_attempts_total", "", 2 * TRUNKS, 2 * TRUNKS },
		{ "sbc_call_duration_seconds_bucket", "le=\"5\"", 2 * TRUNKS, 2 * TRUNKS },
		{ "sbc_call_post_dial_delay_seconds_bucket", "le=\"0.25\"", 2 * TRUNKS, 0 },
		{ "sbc_call_post_dial_delay_seconds_bucket", "le=\"+Inf\"", 2 * TRUNKS, 2 * TRUNKS },
		{ "sbc_stream_mos_bucket", "le=\"4.03\"", TRUNKS, 0 },
		{ "sbc_stream_mos_bucket", "le=\"4.34\"", TRUNKS, 2 * TRUNKS },
		{ "sbc_stream_jitter_seconds_bucket", "le=\"0.02\"", TRUNKS, 2 * TRUNKS },
		{ "sbc_stream_loss_ratio_bucket", "le=\"0.2\"", TRUNKS, TRUNKS },
		{ "sbc_stream_loss_ratio_bucket", "le=\"+Inf\"", TRUNKS, 2 * TRUNKS },
		{ "sbc_stats_overflow_total", "", 1, 0 },
		{ "sbc_stats_refused_total", "", 1, 0 },
	};
	struct place *place = *state;
	struct stat st;

	for (unsigned i = 0; i < TRUNKS; i++)
		finish(&place->worker, i, (i + 1) % TRUNKS);
	for (size_t i = 0; i < array_size(table); i++) {
		unsigned series;

		assert_int_equal(sum_of(place, table[i].name, table[i].label, &series),
				 table[i].sum);
		assert_int_equal(series, table[i].series);
	}
	assert_int_equal(stat(place->path, &st), 0);
	assert_in_range(st.st_blocks * 512, 1, 48u << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_thousand_trunks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

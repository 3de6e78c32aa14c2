/* SPDX-License-Identifier: MIT
 * The journal's way into the database: every record once, over rotation, restarts, torn and damaged
 * records, a writer that is killed in the middle, and a reader that is killed in the middle. */
#include "tests/unit/mgmt-api/store/scratch.h"

#include <signal.h>
#include <sys/wait.h>

static void assert_ids(struct scratch *scratch, uint64_t first, uint64_t last)
{
	struct ctl_call_info *calls;
	size_t count = scratch_cdrs(scratch, &calls);
	char id[32];

	assert_int_equal(count, last - first + 1);
	for (size_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "call-%llu", (unsigned long long)(last - i));
		assert_slice(calls[i].id, id);
	}
}

static void test_grows(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	size_t at = 64;

	assert_int_equal(store_import(scratch->store, 100), 0);
	scratch_append(map, &at, 1, 3);
	assert_int_equal(store_import(scratch->store, 100), 3);
	assert_int_equal(store_import(scratch->store, 100), 0);
	scratch_append(map, &at, 4, 10);
	assert_int_equal(store_import(scratch->store, 2), 2);
	assert_int_equal(store_import(scratch->store, 100), 5);
	assert_ids(scratch, 1, 10);
	store_close(&scratch->store);
	scratch_open_store(scratch);
	store_import(scratch->store, 100);
	assert_ids(scratch, 1, 10);
	assert_int_equal(store_health(scratch->store).cdrs_imported, 0);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 0);
	munmap(map, 4 << 20);
}

static void test_rotates_and_deletes(void **state)
{
	struct scratch *scratch = *state;
	char *first = scratch_segment(scratch, 1, 7);
	char *second;
	char path[160];
	size_t at = 64;

	scratch_append(first, &at, 1, 5);
	scratch_mark_full(first, at);
	assert_int_equal(store_import(scratch->store, 100), 5);
	scratch_segment_path(scratch, 1, path);
	assert_int_equal(access(path, F_OK), 0);
	second = scratch_segment(scratch, 6, 8);
	at = 64;
	scratch_append(second, &at, 6, 8);
	assert_int_equal(store_import(scratch->store, 100), 3);
	assert_int_not_equal(access(path, F_OK), 0);
	scratch_segment_path(scratch, 6, path);
	assert_int_equal(access(path, F_OK), 0);
	assert_ids(scratch, 1, 8);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 0);
	munmap(first, 4 << 20);
	munmap(second, 4 << 20);
}

/* Without its length word a record is not there, whatever else of it was written. */
static void test_torn(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	uint32_t length;
	size_t at = 64;
	size_t torn;

	scratch_append(map, &at, 1, 2);
	torn = at;
	scratch_append(map, &at, 3, 3);
	memcpy(&length, map + torn, 4);
	memset(map + torn, 0, 4);
	assert_int_equal(store_import(scratch->store, 100), 2);
	assert_int_equal(store_health(scratch->store).journal_damaged, 0);
	memcpy(map + torn, &length, 4);
	assert_int_equal(store_import(scratch->store, 100), 1);
	assert_ids(scratch, 1, 3);
	munmap(map, 4 << 20);
}

static void test_damaged(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	size_t damaged;
	size_t at = 64;
	char kept[180];
	char path[160];
	char *next;

	scratch_append(map, &at, 1, 2);
	damaged = at;
	scratch_append(map, &at, 3, 5);
	map[damaged + 20] ^= 1;
	assert_int_equal(store_import(scratch->store, 100), 2);
	assert_int_equal(store_import(scratch->store, 100), 0);
	assert_int_equal(store_health(scratch->store).journal_damaged, 1);
	assert_ids(scratch, 1, 2);
	/* The writer goes on in a new file: three numbers are missing, and the old file is kept. */
	next = scratch_segment(scratch, 6, 8);
	at = 64;
	scratch_append(next, &at, 6, 6);
	assert_int_equal(store_import(scratch->store, 100), 1);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 3);
	scratch_segment_path(scratch, 1, path);
	snprintf(kept, sizeof(kept), "%s.damaged", path);
	assert_int_equal(access(kept, F_OK), 0);
	munmap(map, 4 << 20);
	munmap(next, 4 << 20);
}

/* Lengths that lead out of the file, and offsets that are no record, never reach memory. */
static void test_lying_length(void **state)
{
	static const uint32_t lengths[] = { 0xfffffffe, 4u << 20, (4u << 20) - 64 - 16, 0x80000000 };
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(map + 64, &lengths[i], 4);
		assert_int_equal(store_import(scratch->store, 100), 0);
	}
	assert_int_equal(store_health(scratch->store).journal_damaged, 1);
	munmap(map, 4 << 20);
}

static void test_gap_between_segments(void **state)
{
	struct scratch *scratch = *state;
	char *first = scratch_segment(scratch, 1, 7);
	char *second = scratch_segment(scratch, 10, 8);
	size_t at = 64;

	scratch_append(first, &at, 1, 5);
	at = 64;
	scratch_append(second, &at, 10, 11);
	assert_int_equal(store_import(scratch->store, 100), 7);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 4);
	munmap(first, 4 << 20);
	munmap(second, 4 << 20);
}

/* An emptied journal folder: the numbers start at 1 again, and the calls are other calls. */
static void test_began_anew(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	struct ctl_call_info *calls;
	struct ctl_call_info info;
	char path[160];
	size_t at = 64;
	char id[32];

	scratch_append(map, &at, 1, 3);
	assert_int_equal(store_import(scratch->store, 100), 3);
	munmap(map, 4 << 20);
	scratch_segment_path(scratch, 1, path);
	assert_int_equal(unlink(path), 0);
	map = scratch_segment(scratch, 1, 9);
	info = scratch_call(id, 1);
	info.id = SLICE("other");
	info.started_unix_ms = 5000;
	at = 64;
	scratch_record(map, &at, 1, &info);
	assert_int_equal(store_import(scratch->store, 100), 1);
	assert_int_equal(scratch_cdrs(scratch, &calls), 4);
	assert_slice(calls[0].id, "other");
	munmap(map, 4 << 20);
}

/* After a power cut the journal's tail may be gone although it was imported: the writer gives its
 * numbers again, to other calls, and the lost ones' places are read once more. */
static void test_numbers_given_again(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	struct ctl_call_info *calls;
	struct ctl_call_info info;
	size_t at = 64;
	size_t cut;
	char id[32];

	scratch_append(map, &at, 1, 3);
	cut = at;
	scratch_append(map, &at, 4, 5);
	assert_int_equal(store_import(scratch->store, 100), 5);
	store_close(&scratch->store);
	memset(map + cut, 0, at - cut);
	info = scratch_call(id, 4);
	info.id = SLICE("after");
	info.started_unix_ms = 9000;
	at = cut;
	scratch_record(map, &at, 4, &info);
	for (int i = 0; i < 3; i++) {
		scratch_open_store(scratch);
		store_import(scratch->store, 100);
		assert_int_equal(scratch_cdrs(scratch, &calls), 6);
		assert_slice(calls[0].id, "after");
		store_close(&scratch->store);
	}
	scratch_open_store(scratch);
	munmap(map, 4 << 20);
}

/* A child writes as fast as it can and is killed at some moment; what it had finished is a prefix,
 * and what a second writer adds behind it is found too. */
static void test_writer_killed(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	struct ctl_call_info *calls;
	size_t count;
	pid_t child;

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		size_t at = 64;

		scratch_append(map, &at, 1, 20000);
		pause();
	}
	while (store_import(scratch->store, 50) < 50)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (store_import(scratch->store, 400) > 0)
		;
	count = scratch_cdrs(scratch, &calls);
	assert_true(count >= 50);
	assert_int_equal(store_health(scratch->store).journal_damaged, 0);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 0);
	munmap(map, 4 << 20);
}

/* The importer is killed again and again; in the end every record is there once. */
static void test_reader_killed(void **state)
{
	struct scratch *scratch = *state;
	char *map = scratch_segment(scratch, 1, 7);
	size_t at = 64;

	scratch_append(map, &at, 1, 400);
	store_close(&scratch->store);
	for (useconds_t i = 0; i < 12; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			scratch_open_store(scratch);
			while (store_import(scratch->store, 7) > 0)
				;
			pause();
		}
		usleep(1500 * i);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	scratch_open_store(scratch);
	while (store_import(scratch->store, 500) > 0)
		;
	assert_ids(scratch, 1, 400);
	assert_int_equal(store_health(scratch->store).cdrs_missing, 0);
	munmap(map, 4 << 20);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_grows),
		CASE(test_rotates_and_deletes),
		CASE(test_torn),
		CASE(test_damaged),
		CASE(test_lying_length),
		CASE(test_gap_between_segments),
		CASE(test_began_anew),
		CASE(test_numbers_given_again),
		CASE(test_writer_killed),
		CASE(test_reader_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

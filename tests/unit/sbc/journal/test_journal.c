/* SPDX-License-Identifier: MIT
 * The journal's writer against the format: what a reader finds that knows only the layout, over full
 * segments, restarts and kills. */
#include "sbc/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dirent.h>

#include "lib/ctl/journal_format.h"
#include "tests/support/unit.h"

struct fixture {
	char dir[64];
	struct log log;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	snprintf(fixture.dir, sizeof(fixture.dir), "/tmp/sbc-journal-XXXXXX");
	assert_non_null(mkdtemp(fixture.dir));
	log_init(&fixture.log, "test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	DIR *dir = opendir(fixture->dir);
	struct dirent *entry;

	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(fixture->dir);
}

static void append(struct journal *journal, unsigned number)
{
	struct ctl_call_info info = { .duration_ms = number,
				      .id = SLICE("0123456789abcdef"),
				      .calling = SLICE("+4930"),
				      .called = SLICE("+4989") };

	assert_int_equal(journal_append(journal, &info, 1000), OK);
}

/* Reads one segment by its layout alone; returns the records, checks their numbers from *seq on. */
static unsigned read_segment(const char *path, uint64_t *seq, bool *ret_full)
{
	int fd = open(path, O_RDONLY);
	char *p = mmap(NULL, JOURNAL_SEGMENT_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	size_t at = sizeof(struct journal_header);
	unsigned count = 0;

	assert_true(p != MAP_FAILED);
	close(fd);
	assert_memory_equal(p, JOURNAL_MAGIC, 8);
	*ret_full = false;
	for (;;) {
		struct journal_record record;

		memcpy(&record, p + at, sizeof(record));
		if (record.length == 0)
			break;
		if (record.length == JOURNAL_FULL) {
			*ret_full = true;
			break;
		}
		assert_int_equal(record.seq, *seq);
		assert_int_equal(record.crc,
				 journal_crc(record.seq, slice_of(p + at + 16, record.length)));
		(*seq)++;
		count++;
		at += journal_record_bytes(record.length);
	}
	munmap(p, JOURNAL_SEGMENT_BYTES);
	return count;
}

/* All segments of worker 0 in order; asserts that the numbers run from 1 without a hole. */
static unsigned read_all(const struct fixture *fixture)
{
	uint64_t seq = 1;
	unsigned count = 0;
	bool full;

	do {
		char path[160];
		char name[JOURNAL_NAME_BYTES];

		snprintf(name, sizeof(name), JOURNAL_NAME_FORMAT, 0u, (unsigned long long)seq);
		snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
		if (access(path, R_OK) != 0)
			break;
		count += read_segment(path, &seq, &full);
	} while (full);
	return count;
}

static void goes_on_over_segments_and_restarts(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal;
	unsigned written = 0;

	for (unsigned restart = 0; restart < 4; restart++) {
		assert_int_equal(journal_open(&fixture->log, fixture->dir, 0, &journal), OK);
		for (unsigned i = 0; i < 12000; i++)
			append(journal, written++);
		assert_int_equal(journal_figures(journal)->written, 12000);
		journal_close(&journal);
		assert_int_equal(read_all(fixture), written);
	}
}

static void survives_kills(void **state)
{
	struct fixture *fixture = *state;
	struct journal *journal;
	unsigned before = 0;

	for (unsigned round = 0; round < 8; round++) {
		pid_t child = fork();

		if (child == 0) {
			if (journal_open(&fixture->log, fixture->dir, 0, &journal) != OK)
				_exit(1);
			for (unsigned i = 0;; i++)
				append(journal, i);
		}
		usleep(3000 + round * 1500);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		assert_int_equal(journal_open(&fixture->log, fixture->dir, 0, &journal), OK);
		append(journal, 0);
		journal_close(&journal);
		assert_true(read_all(fixture) > before);
		before = read_all(fixture);
	}
}

static void a_lost_folder_is_an_error_not_an_end(void **state)
{
	struct fixture *fixture = *state;
	struct ctl_call_info info = { .id = SLICE("x") };
	struct journal *journal;

	assert_int_equal(journal_open(&fixture->log, "/nonexistent/journal", 0, &journal),
			 -ENOENT);
	assert_int_equal(journal_open(&fixture->log, fixture->dir, 0, &journal), OK);
	rmdir(fixture->dir);
	fixture->log.level = LOG_LEVEL_ERROR;
	fixture->log.fd = open("/dev/null", O_WRONLY);
	assert_true(journal_append(journal, &info, 1) < 0);
	assert_int_equal(journal_figures(journal)->lost, 1);
	journal_close(&journal);
	close(fixture->log.fd);
	assert_int_equal(mkdir(fixture->dir, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_on_over_segments_and_restarts, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(survives_kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_folder_is_an_error_not_an_end, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

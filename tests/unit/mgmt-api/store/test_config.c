/* SPDX-License-Identifier: MIT
 * Versions and tokens over restarts, numbers that are never used twice, and a damaged database that
 * is kept under another name. */
#include "tests/unit/mgmt-api/store/scratch.h"

#include <glob.h>

static uint64_t begin(struct scratch *scratch, const char *text)
{
	struct store_version about = { .created_unix_ms = 5, .author = SLICE("admin"),
				       .note = SLICE("PUT /x") };
	uint64_t version = 0;

	assert_int_equal(store_config_begin(scratch->store, &about, slice_text(text), &version), OK);
	return version;
}

static void test_versions(void **state)
{
	struct scratch *scratch = *state;
	struct store_version *items;
	uint64_t version;
	struct slice text;
	size_t count;

	assert_int_equal(store_config_current(scratch->store, &scratch->arena, &version, &text),
			 ERR_NOENT);
	version = begin(scratch, "one");
	assert_int_equal(version, 1);
	assert_int_equal(store_config_commit(scratch->store, version), OK);
	version = begin(scratch, "refused");
	assert_int_equal(version, 2);
	store_config_drop(scratch->store, version);
	version = begin(scratch, "interrupted");
	assert_int_equal(version, 3);
	store_close(&scratch->store);
	scratch_open_store(scratch);
	assert_int_equal(store_config_text(scratch->store, &scratch->arena, 3, &text), ERR_NOENT);
	version = begin(scratch, "four");
	assert_int_equal(version, 4);
	assert_int_equal(store_config_commit(scratch->store, version), OK);
	assert_int_equal(store_config_current(scratch->store, &scratch->arena, &version, &text), OK);
	assert_int_equal(version, 4);
	assert_slice(text, "four");
	assert_int_equal(store_config_list(scratch->store, &scratch->arena, 0, 10, &items, &count), OK);
	assert_int_equal(count, 2);
	assert_int_equal(items[0].version, 4);
	assert_true(items[0].current);
	assert_slice(items[0].author, "admin");
	assert_slice(items[0].note, "PUT /x");
	assert_int_equal(items[1].version, 1);
	assert_false(items[1].current);
	assert_int_equal(store_config_list(scratch->store, &scratch->arena, 4, 10, &items, &count), OK);
	assert_int_equal(count, 1);
}

static void test_old_versions_go(void **state)
{
	struct scratch *scratch = *state;
	struct slice text;

	for (unsigned i = 0; i < STORE_KEPT_VERSIONS + 3; i++)
		assert_int_equal(store_config_commit(scratch->store, begin(scratch, "x")), OK);
	assert_int_equal(store_config_text(scratch->store, &scratch->arena, 3, &text), ERR_NOENT);
	assert_int_equal(store_config_text(scratch->store, &scratch->arena, 4, &text), OK);
}

static enum err count_token(void *owner, struct slice name, const unsigned char *hash)
{
	unsigned *count = owner;

	assert_slice(name, "admin");
	assert_int_equal(hash[31], 9);
	(*count)++;
	return OK;
}

static void test_tokens(void **state)
{
	struct scratch *scratch = *state;
	unsigned char hash[STORE_HASH_BYTES] = { 1, [31] = 9 };
	unsigned count = 0;

	assert_int_equal(store_token_add(scratch->store, SLICE("admin"), hash, 1), OK);
	assert_int_equal(store_token_add(scratch->store, SLICE("admin"), hash, 1), ERR_EXISTS);
	store_close(&scratch->store);
	scratch_open_store(scratch);
	assert_int_equal(store_tokens(scratch->store, count_token, &count), OK);
	assert_int_equal(count, 1);
}

static size_t matches(const struct scratch *scratch, const char *pattern)
{
	char path[128];
	glob_t found;
	size_t count;

	snprintf(path, sizeof(path), "%s/%s", scratch->dir, pattern);
	count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

static void test_damaged_database(void **state)
{
	struct scratch *scratch = *state;
	struct ctl_call_info *calls;
	char garbage[8192];
	char path[128];
	int fd;

	store_close(&scratch->store);
	snprintf(path, sizeof(path), "%s/cdr.db", scratch->dir);
	memset(garbage, 'x', sizeof(garbage));
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
	close(fd);
	scratch_open_store(scratch);
	assert_true(store_health(scratch->store).cdr_quarantined);
	assert_false(store_health(scratch->store).config_quarantined);
	assert_int_equal(matches(scratch, "cdr.db.damaged-*"), 1);
	assert_int_equal(scratch_cdrs(scratch, &calls), 0);
}

static void test_one_at_a_time(void **state)
{
	struct scratch *scratch = *state;
	struct store *second = NULL;

	assert_int_equal(store_open(&scratch->log, slice_text(scratch->dir), 1, &second), ERR_EXISTS);
	assert_null(second);
	store_close(&scratch->store);
	assert_int_equal(store_open(&scratch->log, slice_text(scratch->dir), 1, &second), OK);
	store_close(&second);
	scratch_open_store(scratch);
}

/* Permissions: tokens' hashes, secrets and calls are nobody else's business. */
static void test_modes(void **state)
{
	static const char *const names[] = { "config.db", "cdr.db" };
	struct scratch *scratch = *state;
	char path[128];
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch->dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_versions),
		CASE(test_old_versions_go),
		CASE(test_tokens),
		CASE(test_damaged_database),
		CASE(test_one_at_a_time),
		CASE(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

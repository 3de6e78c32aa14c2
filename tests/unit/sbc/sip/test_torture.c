/* SPDX-License-Identifier: MIT
 * The messages of RFC 4475 and RFC 5118: the given ones against their table of verdicts, our own
 * for the sections that are not given. A message that is good for the parser may still be refused
 * by those above it (416, 420, 483 …), so a table's VALID, SEMANTIC and MAY are all OK here. */
#include "tests/unit/sbc/sip/vectors.h"

/* Columns of a table line, cut at tabs. */
static size_t columns_cut(char *line, char *columns[16])
{
	size_t count = 0;

	line[strcspn(line, "\r\n")] = 0;
	for (char *column = strsep(&line, "\t"); column && count < 16; column = strsep(&line, "\t"))
		columns[count++] = column;
	return count;
}

static size_t column_find(char *const columns[16], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i], name) == 0)
			return i;
	fail_msg("the table has no column %s", name);
	return 0;
}

/* Calls `check` for every line of a table, with its columns by the names given. */
typedef void (*row_check)(struct fixture *fixture, const char *folder, const char *file,
			  const char *values[3]);
static unsigned table_walk(const char *folder, const char *table, const char *const names[3],
			   row_check check)
{
	char path[4096];
	char line[4096];
	char *columns[16];
	size_t index[3] = { 0 };
	unsigned rows = 0;
	size_t count;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, table);
	file = fopen(path, "r");
	if (!file)
		return 0;
	assert_non_null(fgets(line, sizeof(line), file));
	count = columns_cut(line, columns);
	for (size_t i = 0; i < 3; i++)
		index[i] = column_find(columns, count, names[i]);
	while (fgets(line, sizeof(line), file)) {
		const char *values[3];
		struct fixture fixture;

		if (columns_cut(line, columns) != count)
			continue;
		for (size_t i = 0; i < 3; i++)
			values[i] = columns[index[i]];
		fixture_init(&fixture);
		check(&fixture, folder, columns[0], values);
		fixture_fini(&fixture);
		rows++;
	}
	fclose(file);
	return rows;
}

static void message_parse(struct fixture *fixture, const char *folder, const char *file)
{
	char path[4096];
	struct slice bytes;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	bytes = vector_read(path);
	if (!bytes.p)
		fail_msg("%s is absent", path);
	(void)!fixture_parse(fixture, bytes);
	/* only status and drop are looked at from here on */
	vector_free(bytes);
}

/* values: verdict, accepted outcomes, forbidden outcomes */
static void given_check(struct fixture *fixture, const char *folder, const char *file,
			const char *values[3])
{
	char path[4096];
	char status[8];
	bool may_refuse;
	bool may_accept;

	snprintf(path, sizeof(path), "%s%s", file, strchr(file, '.') ? "" : ".dat");
	message_parse(fixture, folder, path);
	print_message("%-28s %-18s status %u%s %s\n", file, values[0], fixture->verdict.status,
		      fixture->verdict.drop ? ", silent" : "", fixture->verdict.why);
	if (strcmp(values[0], "DROP") == 0) {
		assert_true(fixture->verdict.drop);
		return;
	}
	may_accept = strcmp(values[0], "REJECT") != 0;
	may_refuse = strstr(values[0], "REJECT") != NULL;
	if (fixture->verdict.status == 0) {
		assert_true(may_accept);
		return;
	}
	snprintf(status, sizeof(status), "%u", fixture->verdict.status);
	assert_true(may_refuse);
	assert_false(fixture->verdict.drop);
	assert_non_null(strstr(values[1], status));
	assert_null(strstr(values[2], status));
}

static void given_walk(const char *below, const char *table_below, unsigned rows)
{
	static const char *const names[3] = { "verdict", "accepted_outcomes", "forbidden" };
	char folder[2048];
	char table[2048];
	unsigned found;

	snprintf(folder, sizeof(folder), "%s/%s", corpora_folder(), below);
	snprintf(table, sizeof(table), "%sVERDICTS.given.tsv", table_below);
	found = table_walk(folder, table, names, given_check);
	if (found == 0) {
		print_message("skipped: no table at %s/%s\n", folder, table);
		skip();
	}
	assert_true(found >= rows);
}

static void rfc4475_given(void **state)
{
	(void)state;
	given_walk("rfc4475", "", 25);
}

static void rfc5118_given(void **state)
{
	(void)state;
	given_walk("rfc5118/wire-crlf-clfixed", "../", 6);
}

/* values: status, answered, note */
static void own_check(struct fixture *fixture, const char *folder, const char *file,
		      const char *values[3])
{
	char path[256];
	uint16_t status;

	assert_int_equal(parse_u16(slice_text(values[0]), &status), OK);
	snprintf(path, sizeof(path), "%s.dat", file);
	message_parse(fixture, folder, path);
	if (fixture->verdict.status != status)
		print_message("%s: %s: %u %s\n", file, values[2], fixture->verdict.status,
			      fixture->verdict.why);
	assert_int_equal(fixture->verdict.status, status);
	if (fixture->verdict.status != 0)
		assert_int_equal(!fixture->verdict.drop, strcmp(values[1], "yes") == 0);
}

static void rfc_own(void **state)
{
	static const char *const names[3] = { "status", "answered", "note" };

	(void)state;
	assert_int_equal(
	    table_walk(SBC_SOURCE_ROOT "/tests/vectors/sip", "VERDICTS.tsv", names, own_check), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4475_given),
		cmocka_unit_test(rfc5118_given),
		cmocka_unit_test(rfc_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

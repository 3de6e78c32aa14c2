/* SPDX-License-Identifier: MIT
 * The command line that all daemons share, and loading what it names. */
#include "lib/proc/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "tests/support/unit.h"

#define GO_ON (-1)

struct row {
	const char *arguments[4];
	int want; /* exit code, or GO_ON */
	const char *config_path;
	bool check;
};

/* The exit code, or GO_ON. */
static int parse(const struct row *row, struct proc_options *ret)
{
	char *argv[6] = { strdup("testd") };
	int argc = 1;
	int code = GO_ON;

	for (unsigned i = 0; i < 4 && row->arguments[i]; i++)
		argv[argc++] = strdup(row->arguments[i]);
	if (proc_parse_options(argc, argv, "testd", "a test", ret, &code))
		assert_int_equal(code, GO_ON);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return code;
}

static void command_lines(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, GO_ON, "/etc/sbc/sbc.json", false },
		{ { "--check" }, GO_ON, "/etc/sbc/sbc.json", true },
		{ { "--help" }, 0, NULL, false },
		{ { "--version" }, 0, NULL, false },
		{ { "--config" }, 2, NULL, false },
		{ { "--nonsense" }, 2, NULL, false },
		{ { "-x" }, 2, NULL, false },
		{ { "stray" }, 2, NULL, false },
		{ { "--check", "stray" }, 2, NULL, false },
	};
	struct proc_options options = { 0 };

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		assert_int_equal(parse(&rows[i], &options), rows[i].want);
		if (rows[i].want != GO_ON)
			continue;
		assert_string_equal(options.config_path, rows[i].config_path);
		assert_int_equal(options.check, rows[i].check);
	}
}

static void config_paths(void **state)
{
	static char program[] = "testd";
	static char flag[] = "--config";
	static char path[] = "/x/y";
	static char both[] = "--config=/z";
	char *apart[] = { program, flag, path, NULL };
	char *joined[] = { program, both, NULL };
	struct proc_options options = { 0 };
	int code = GO_ON;

	(void)state;
	assert_true(proc_parse_options(3, apart, "testd", "a test", &options, &code));
	assert_string_equal(options.config_path, "/x/y");
	assert_true(proc_parse_options(2, joined, "testd", "a test", &options, &code));
	assert_string_equal(options.config_path, "/z");
}

static void loads_a_document(void **state)
{
	char path[] = "/tmp/test_options.XXXXXX";
	static const char good[] = "{\"state_dir\": \"/s\", \"run_dir\": \"/r\"} // a remark\n";
	static const char bad[] = "{\"state_dir\": 5}";
	struct proc_options options = { .config_path = path };
	struct arena_cache cache;
	struct arena arena;
	struct conf conf;
	int fd = mkstemp(path);

	(void)state;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1 << 22);
	assert_int_equal(write(fd, good, sizeof(good) - 1), sizeof(good) - 1);
	assert_true(proc_load_conf(&arena, &options, &conf));
	assert_slice(conf.run_dir, "/r");
	assert_string_equal(proc_path(&arena, conf.run_dir, "x.stats"), "/r/x.stats");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, bad, sizeof(bad) - 1, 0), sizeof(bad) - 1);
	assert_false(proc_load_conf(&arena, &options, &conf));
	close(fd);
	unlink(path);
	assert_false(proc_load_conf(&arena, &options, &conf));
	arena_fini(&arena);
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(config_paths),
		cmocka_unit_test(loads_a_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

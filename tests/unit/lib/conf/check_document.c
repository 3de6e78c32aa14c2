/* SPDX-License-Identifier: MIT
 * For tests in other languages: validates documents as the daemons do. With arguments, files: prints
 * their errors, exit code 1 if there are any. Without: one provisioning-and-all document on each line
 * of standard input; answers with one line, a JSON list of its errors. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/conf/conf.h"

#define QUOTA_BYTES ((size_t)64 << 20)

static json_t *string_value(struct slice s)
{
	return json_stringn(s.p ? s.p : "", s.len);
}

static void answer(struct arena *arena, struct slice line)
{
	struct conf_errors errors;
	struct conf conf;
	json_t *list = json_array();

	if (conf_parse(arena, line, &conf, &errors) == ERR_NOMEM)
		abort();
	for (size_t i = 0; i < errors.count; i++) {
		const struct conf_error *error = &errors.items[i];
		json_t *item = json_object();

		json_object_set_new(item, "pointer", string_value(error->pointer));
		json_object_set_new(item, "value", string_value(error->value));
		json_object_set_new(item, "detail", string_value(error->detail));
		json_object_set_new(item, "remedy", string_value(error->remedy));
		json_array_append_new(list, item);
	}
	json_dumpf(list, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(list);
}

static int check_file(struct arena *arena, const char *path)
{
	struct conf_errors errors;
	struct slice text;
	struct conf conf;

	if (conf_load(arena, path, &conf, &errors) == OK)
		return 0;
	text = conf_errors_text(arena, &errors);
	printf("%s: %.*s", path, SLICE_ARG(text));
	return 1;
}

int main(int argc, char **argv)
{
	struct arena_cache cache;
	struct arena arena;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int code = 0;

	arena_cache_init(&cache, 1 << 20);
	arena_init(&arena, &cache, 4096, QUOTA_BYTES);
	for (int i = 1; i < argc; i++)
		code |= check_file(&arena, argv[i]);
	while (argc == 1 && (len = getline(&line, &cap, stdin)) > 0) {
		answer(&arena, slice_of(line, (size_t)len));
		arena_reset(&arena);
	}
	free(line);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return code;
}

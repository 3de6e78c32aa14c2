/* SPDX-License-Identifier: MIT
 * Answers for people: tables, indented JSON, and problems. Text from the network may hold terminal
 * control sequences; it is printed without control characters. */
#include "mgmt-api/cli/cli.h"

#include <stdio.h>

#define MAX_COLUMNS 12u
#define CELL_BYTES 512u

/* A cell's text: strings as they are, other values as JSON, nothing as a dash. */
static struct slice cell_text(const struct json_t *value, char storage[CELL_BYTES])
{
	struct text text;

	text_init(&text, storage, CELL_BYTES);
	if (jdoc_text(value).len > 0)
		text_slice(&text, slice_head(jdoc_text(value), CELL_BYTES));
	else if (value)
		jdoc_write(&text, value);
	if (text.err != OK || text.len == 0 || slice_eq(text_done(&text), SLICE("null")))
		return text.err == OK ? SLICE("-") : SLICE("…");
	for (size_t i = 0; i < text.len; i++)
		if (char_is(storage[i], CC_CTL))
			storage[i] = '?';
	return text_done(&text);
}

static void print_row(const struct json_t *item, const struct cli_column *columns, size_t count,
		      const size_t *widths)
{
	char storage[CELL_BYTES];

	for (size_t i = 0; i < count; i++) {
		struct slice cell;

		cell = item ? cell_text(jdoc_at((struct json_t *)(uintptr_t)item,
						slice_text(columns[i].pointer)),
					storage) :
			      slice_text(columns[i].title);
		printf("%.*s", SLICE_ARG(cell));
		if (i + 1 < count)
			printf("%*s", (int)(widths[i] - cell.len + 2), "");
	}
	putchar('\n');
}

static void print_table(const struct json_t *items, const struct cli_column *columns, size_t count)
{
	size_t widths[MAX_COLUMNS];
	char storage[CELL_BYTES];

	for (size_t i = 0; i < count; i++) {
		widths[i] = strlen(columns[i].title);
		for (size_t k = 0; k < jdoc_count(items); k++) {
			struct slice cell = cell_text(jdoc_at(jdoc_item(items, k),
							      slice_text(columns[i].pointer)),
						      storage);

			if (cell.len > widths[i])
				widths[i] = cell.len;
		}
	}
	print_row(NULL, columns, count, widths);
	for (size_t k = 0; k < jdoc_count(items); k++)
		print_row(jdoc_item(items, k), columns, count, widths);
}

static enum cli_exit parse_body(struct slice body, struct json_t **ret)
{
	struct jdoc_fault fault;

	if (jdoc_parse(body, ret, &fault) == OK)
		return CLI_OK;
	fprintf(stderr, "sbcctl: the answer is no JSON: %s\n", fault.detail);
	return CLI_FAILED;
}

enum cli_exit cli_print_list(const struct cli *cli, struct slice body,
			     const struct cli_column *columns, size_t count)
{
	enum cli_exit result;
	struct json_t *doc;

	if (cli->json) {
		printf("%.*s\n", SLICE_ARG(body));
		return CLI_OK;
	}
	result = parse_body(body, &doc);
	if (result != CLI_OK)
		return result;
	print_table(jdoc_member_lit(doc, "items"), columns, count);
	if (jdoc_text(jdoc_member_lit(doc, "next")).len > 0)
		fprintf(stderr, "there are more: --cursor %.*s\n",
			SLICE_ARG(jdoc_text(jdoc_member_lit(doc, "next"))));
	jdoc_free(&doc);
	return CLI_OK;
}

enum cli_exit cli_print_document(struct slice body)
{
	struct arena_cache cache;
	enum cli_exit result;
	struct arena arena;
	struct json_t *doc;
	struct text text;

	result = parse_body(body, &doc);
	if (result != CLI_OK)
		return result;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 256u << 20);
	text_init_arena(&text, &arena, 4096);
	jdoc_write_pretty(&text, doc);
	printf("%.*s\n", SLICE_ARG(text_done(&text)));
	arena_fini(&arena);
	arena_cache_fini(&cache);
	jdoc_free(&doc);
	return CLI_OK;
}

static void print_member(const struct json_t *object, const char *name, const char *before)
{
	char storage[CELL_BYTES];
	const struct json_t *value = jdoc_member_lit(object, name);
	struct slice text = cell_text(value, storage);

	if (value && !slice_eq(text, SLICE("-")))
		fprintf(stderr, "%s%.*s", before, SLICE_ARG(text));
}

void cli_print_problem(const struct cli_answer *answer)
{
	const struct json_t *errors;
	struct jdoc_fault fault;
	struct json_t *doc;

	if (jdoc_parse(answer->body, &doc, &fault) != OK) {
		fprintf(stderr, "sbcctl: status %u\n", answer->status);
		return;
	}
	fprintf(stderr, "sbcctl: status %u", answer->status);
	print_member(doc, "title", ": ");
	print_member(doc, "detail", ": ");
	fputc('\n', stderr);
	errors = jdoc_member_lit(doc, "errors");
	for (size_t i = 0; i < jdoc_count(errors); i++) {
		const struct json_t *error = jdoc_item(errors, i);

		print_member(error, "pointer", "  ");
		print_member(error, "detail", ": ");
		print_member(error, "value", "; value: ");
		print_member(error, "remedy", "; right would be: ");
		fputc('\n', stderr);
	}
	jdoc_free(&doc);
}

/* SPDX-License-Identifier: MIT
 * sbcctl's own options. They stand before or after the subcommand. */
#include <stdio.h>
#include <stdlib.h>

#include "mgmt-api/cli/cli.h"

#define DEFAULT_URL "http://127.0.0.1:8080"
#define DEFAULT_TOKEN_FILE "/var/lib/sbc/api.token"
#define MAX_WORDS 64

static void print_help(void)
{
	printf("sbcctl: the SBC's command line, a client of its REST API\n\n"
	       "usage: sbcctl [--url URL] [--token-file FILE] [--json] COMMAND ...\n\n"
	       "  --url URL          of mgmt-apid (default " DEFAULT_URL "; also SBC_URL)\n"
	       "  --token-file FILE  holds the token (default " DEFAULT_TOKEN_FILE
	       "; also SBC_TOKEN_FILE)\n"
	       "  --json             print what the API answered, for programs\n"
	       "  --help, --version\n\n"
	       "commands:\n");
	cli_print_commands();
	printf("\nexit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 no daemon or no "
	       "token\n");
}

/* The value of `--name value` at *at, which moves; NULL: this is another word, or the value misses. */
static const char *take_value(const char *name, int argc, char **argv, int *at)
{
	if (strcmp(argv[*at], name) != 0 || *at + 1 >= argc)
		return NULL;
	return argv[++*at];
}

int main(int argc, char **argv)
{
	struct cli cli = { .url = getenv("SBC_URL"), .token_file = getenv("SBC_TOKEN_FILE") };
	char *words[MAX_WORDS];
	struct arena_cache cache;
	struct arena arena;
	enum cli_exit result;
	int count = 0;

	for (int i = 1; i < argc && count < MAX_WORDS; i++) {
		const char *value;

		if (strcmp(argv[i], "--help") == 0) {
			print_help();
			return CLI_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("sbcctl %s\n", SBC_VERSION);
			return CLI_OK;
		}
		if ((value = take_value("--url", argc, argv, &i)))
			cli.url = value;
		else if ((value = take_value("--token-file", argc, argv, &i)))
			cli.token_file = value;
		else if (strcmp(argv[i], "--json") == 0)
			cli.json = true;
		else
			words[count++] = argv[i];
	}
	if (!cli.url)
		cli.url = DEFAULT_URL;
	if (!cli.token_file)
		cli.token_file = DEFAULT_TOKEN_FILE;
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 256u << 20);
	cli.arena = &arena;
	result = cli_command(&cli, count, words);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return (int)result;
}

/* SPDX-License-Identifier: MIT
 * sbcctl: the operator's command line, a thin client of the REST API. Data goes to standard output,
 * everything else to standard error. */
#pragma once

#include "lib/base/arena.h"
#include "mgmt-api/json/json.h"

/* Exit codes, also for scripts. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_REFUSED = 4,     /* the request or the document was refused */
	CLI_UNREACHABLE = 5, /* no daemon, or no token to speak to it */
};

struct cli {
	struct arena *arena;
	const char *url;        /* http://host:port */
	const char *token_file;
	bool json;              /* print what the API answered */
};

struct cli_answer {
	unsigned status;   /* HTTP's */
	struct slice body; /* in the arena */
};

/* One HTTP/1.1 request. body: NULL for none. path: percent-encoded, with its query. CLI_UNREACHABLE
 * after it said why. */
enum cli_exit cli_request(const struct cli *cli, const char *method, const char *path,
			  const struct slice *body, struct cli_answer *ret);

/* The same, and an answer that is an error is told and turned into an exit code. */
enum cli_exit cli_call(const struct cli *cli, const char *method, const char *path,
		       const struct slice *body, struct cli_answer *ret);

/* Runs the subcommand that words name. */
enum cli_exit cli_command(struct cli *cli, int count, char **words);
void cli_print_commands(void);

/* ---- print.c ---- */

/* A column of a table: its title and where its value stands (JSON pointer in each item). */
struct cli_column {
	const char *title;
	const char *pointer;
};

/* With --json, the body as it is; else a table of its items. */
enum cli_exit cli_print_list(const struct cli *cli, struct slice body,
			     const struct cli_column *columns, size_t count);
/* Indented JSON, for people and for --json alike. */
enum cli_exit cli_print_document(struct slice body);
/* A problem document as lines on standard error. */
void cli_print_problem(const struct cli_answer *answer);

/* SPDX-License-Identifier: MIT
 * The subcommands: a table of words, and what each asks of the API. */
#include "mgmt-api/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 20)

struct command;
typedef enum cli_exit command_fn(const struct cli *cli, const struct command *command, int count,
				 char **words);

struct command {
	const char *name;
	const char *verb; /* NULL: the command has none, or this is what it does without one */
	int words;        /* that must follow */
	bool options;     /* --name value pairs may follow */
	command_fn *fn;
	const char *path; /* under /api/v1 */
	const char *help;
};

enum cli_exit cli_call(const struct cli *cli, const char *method, const char *path,
		       const struct slice *body, struct cli_answer *ret)
{
	enum cli_exit result = cli_request(cli, method, path, body, ret);

	if (result != CLI_OK || ret->status < 400)
		return result;
	cli_print_problem(ret);
	switch (ret->status) {
	case 401:
	case 429:
	case 503:
	case 504:
		return CLI_UNREACHABLE;
	case 404:
		return CLI_NOT_FOUND;
	default:
		return ret->status < 500 ? CLI_REFUSED : CLI_FAILED;
	}
}

/* /api/v1/<path>/<word>, the word percent-encoded. */
static const char *path_of(const struct cli *cli, const char *path, const char *word)
{
	struct text text;

	text_init_arena(&text, cli->arena, 256);
	text_printf(&text, "/api/v1/%s", path);
	if (word)
		text_char(&text, '/');
	for (; word && *word; word++) {
		if (char_is(*word, CC_ALPHA | CC_DIGIT) || strchr("-._~", *word))
			text_char(&text, *word);
		else
			text_printf(&text, "%%%02X", (unsigned char)*word);
	}
	text_char(&text, '\0');
	return text.p;
}

/* --limit 10 --trunk x becomes ?limit=10&trunk=x. NULL: not such pairs. */
static const char *with_options(const struct cli *cli, const char *path, int count, char **words)
{
	for (int i = 0; i < count; i += 2) {
		const char *value;

		if (strncmp(words[i], "--", 2) != 0 || i + 1 >= count)
			return NULL;
		/* The encoder of path segments does for values too. */
		value = path_of(cli, "", words[i + 1]) + sizeof("/api/v1//") - 1;
		path = arena_printf(cli->arena, "%s%c%s=%s", path, i == 0 ? '?' : '&', words[i] + 2,
				    value).p;
	}
	return path;
}

static enum cli_exit read_file(const struct cli *cli, const char *path, struct slice *ret)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *p = arena_alloc(cli->arena, FILE_MAX_BYTES + 1);
	size_t len = 0;
	ssize_t done = -1;

	while (fd >= 0 && p && len <= FILE_MAX_BYTES &&
	       (done = read(fd, p + len, FILE_MAX_BYTES + 1 - len)) > 0)
		len += (size_t)done;
	if (fd >= 0 && !standard)
		close(fd);
	if (done < 0 || len > FILE_MAX_BYTES) {
		fprintf(stderr, "sbcctl: %s: %s\n", path,
			done < 0 ? strerrordesc_np(errno) : "larger than 1 MiB");
		return CLI_FAILED;
	}
	*ret = slice_of(p, len);
	return CLI_OK;
}

static enum cli_exit print_answer(const struct cli *cli, const struct cli_answer *answer)
{
	if (answer->body.len == 0)
		return CLI_OK;
	if (!cli->json)
		return cli_print_document(answer->body);
	printf("%.*s\n", SLICE_ARG(answer->body));
	return CLI_OK;
}

/* method on path, and on the first word if there is one; prints the answer. */
static enum cli_exit simple(const struct cli *cli, const char *method, const char *path,
			    const struct slice *body)
{
	struct cli_answer answer = { 0 };
	enum cli_exit result = cli_call(cli, method, path, body, &answer);

	return result == CLI_OK ? print_answer(cli, &answer) : result;
}

static enum cli_exit do_show(const struct cli *cli, const struct command *command, int count,
			     char **words)
{
	return simple(cli, "GET", path_of(cli, command->path, count > 0 ? words[0] : NULL), NULL);
}

static enum cli_exit do_delete(const struct cli *cli, const struct command *command, int count,
			       char **words)
{
	(void)count;
	return simple(cli, "DELETE", path_of(cli, command->path, words[0]), NULL);
}

static enum cli_exit do_trunk_status(const struct cli *cli, const struct command *command,
				     int count, char **words)
{
	const char *path = path_of(cli, command->path, words[0]);

	(void)count;
	return simple(cli, "GET", arena_printf(cli->arena, "%s/status", path).p, NULL);
}

static enum cli_exit do_put(const struct cli *cli, const struct command *command, int count,
			    char **words)
{
	struct slice body;
	enum cli_exit result = read_file(cli, words[count - 1], &body);

	if (result != CLI_OK)
		return result;
	return simple(cli, "PUT", path_of(cli, command->path, count > 1 ? words[0] : NULL), &body);
}

static enum cli_exit do_check(const struct cli *cli, const struct command *command, int count,
			      char **words)
{
	struct slice body;
	enum cli_exit result = read_file(cli, words[0], &body);

	(void)command;
	(void)count;
	return result == CLI_OK ? simple(cli, "PUT", "/api/v1/config?dry_run=true", &body) : result;
}

static enum cli_exit do_restore(const struct cli *cli, const struct command *command, int count,
				char **words)
{
	const char *path = path_of(cli, command->path, words[0]);

	(void)count;
	return simple(cli, "POST", arena_printf(cli->arena, "%s/restore", path).p, NULL);
}

static enum cli_exit list(const struct cli *cli, const struct command *command, int count,
			  char **words, const struct cli_column *columns, size_t column_count)
{
	const char *path = with_options(cli, path_of(cli, command->path, NULL), count, words);
	struct cli_answer answer = { 0 };
	enum cli_exit result;

	if (!path) {
		fprintf(stderr, "sbcctl: options are pairs: --name value\n");
		return CLI_USAGE;
	}
	result = cli_call(cli, "GET", path, NULL, &answer);
	if (result != CLI_OK)
		return result;
	return cli_print_list(cli, answer.body, columns, column_count);
}

#define LIST(name, ...)                                                                            \
	static enum cli_exit name(const struct cli *cli, const struct command *command, int count, \
				  char **words)                                                    \
	{                                                                                          \
		static const struct cli_column columns[] = { __VA_ARGS__ };                        \
                                                                                                   \
		return list(cli, command, count, words, columns,                                   \
			    sizeof(columns) / sizeof(columns[0]));                                 \
	}

LIST(list_calls, { "ID", "/id" }, { "STATE", "/state" }, { "CALLING", "/calling" },
     { "CALLED", "/called" }, { "FROM", "/legs/0/trunk" }, { "TO", "/legs/1/trunk" },
     { "STARTED", "/started_at" }, { "ANSWERED", "/answered_at" })
LIST(list_cdrs, { "STARTED", "/started_at" }, { "CALLING", "/calling" }, { "CALLED", "/called" },
     { "FROM", "/legs/0/trunk" }, { "TO", "/legs/1/trunk" }, { "RESULT", "/result" },
     { "CODE", "/sip_code" }, { "MS", "/duration_ms" }, { "ENDED BY", "/ended_by" })
LIST(list_trunks, { "NAME", "/name" }, { "REALM", "/realm" }, { "FIRST GATEWAY", "/gateways/0/uri" })
LIST(list_routes, { "NAME", "/name" }, { "PRIORITY", "/priority" }, { "TRUNK", "/match/trunk" },
     { "CALLED", "/match/called" }, { "FIRST TARGET", "/targets/0/trunk" })
LIST(list_realms, { "NAME", "/name" }, { "FIRST LISTENER", "/listeners/0/address" },
     { "TRANSPORT", "/listeners/0/transport" }, { "PORT", "/listeners/0/port" },
     { "MEDIA", "/media/address" })
LIST(list_versions, { "VERSION", "/version" }, { "CREATED", "/created_at" }, { "AUTHOR", "/author" },
     { "CHANGE", "/note" }, { "CURRENT", "/current" })

#define COLLECTION(name, list_fn, singular)                                                        \
	{ name, "list", 0, true, list_fn, name, "lists them: --limit N --cursor C" },              \
	{ name, NULL, 0, false, list_fn, name, NULL },                                             \
	{ name, "get", 1, false, do_show, name, "NAME: shows one " singular },                     \
	{ name, "put", 2, false, do_put, name, "NAME FILE: makes or replaces one (- is stdin)" },  \
	{ name, "delete", 1, false, do_delete, name, "NAME: deletes one" }

static const struct command commands[] = {
	{ "status", NULL, 0, false, do_show, "stats", "how it goes: readiness, calls, trunks" },
	{ "calls", "list", 0, true, list_calls, "calls", "live calls: --limit N --cursor C" },
	{ "calls", NULL, 0, false, list_calls, "calls", NULL },
	{ "calls", "show", 1, false, do_show, "calls", "ID: one call with its media figures" },
	{ "calls", "hangup", 1, false, do_delete, "calls", "ID: ends a call" },
	{ "cdrs", "list", 0, true, list_cdrs, "cdrs",
	  "finished calls: --from T --to T --trunk N --number N --result R --limit N --cursor C" },
	{ "cdrs", NULL, 0, false, list_cdrs, "cdrs", NULL },
	COLLECTION("trunks", list_trunks, "trunk"),
	{ "trunks", "status", 1, false, do_trunk_status, "trunks", "NAME: its gateways' health" },
	COLLECTION("routes", list_routes, "route"),
	COLLECTION("realms", list_realms, "realm"),
	{ "config", "get", 0, false, do_show, "config", "the whole provisioning document" },
	{ "config", "put", 1, false, do_put, "config", "FILE: replaces it (- is stdin)" },
	{ "config", "check", 1, false, do_check, "config", "FILE: only checks it, and says the changes" },
	{ "config", "versions", 0, true, list_versions, "config/versions", "versions kept" },
	{ "config", "restore", 1, false, do_restore, "config/versions", "N: makes version N current" },
};

void cli_print_commands(void)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].help)
			printf("  %-7s %-9s %s\n", commands[i].name,
			       commands[i].verb ? commands[i].verb : "", commands[i].help);
}

static bool fits(const struct command *command, int count, char **words)
{
	int left = count - 1 - (command->verb != NULL);

	if (strcmp(command->name, words[0]) != 0)
		return false;
	if (command->verb && (count < 2 || strcmp(command->verb, words[1]) != 0))
		return false;
	return left == command->words || (command->options && left > 0);
}

enum cli_exit cli_command(struct cli *cli, int count, char **words)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];
		int skip = 1 + (command->verb != NULL);

		if (count > 0 && fits(command, count, words))
			return command->fn(cli, command, count - skip, words + skip);
	}
	fprintf(stderr, "sbcctl: unknown command, or words are missing; see sbcctl --help\n");
	return CLI_USAGE;
}

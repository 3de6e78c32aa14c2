/* SPDX-License-Identifier: MIT
 * The command line that all daemons share, and the document it names. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/proc/proc.h"

#define DEFAULT_CONFIG "/etc/sbc/sbc.json"

static void print_help(const char *program, const char *purpose)
{
	printf("%s: %s\n\n"
	       "usage: %s [--config FILE] [--check]\n\n"
	       "  --config FILE  the configuration document (default " DEFAULT_CONFIG ")\n"
	       "  --check        only check the document: exit code 0 when it is right, 1 when not\n"
	       "  --help         print this\n"
	       "  --version      print the version\n\n"
	       "Runs in the foreground, logs to standard error, stops on SIGTERM with exit code 0.\n",
	       program, purpose, program);
}

static bool usage_error(const char *program, int *ret_exit_code)
{
	fprintf(stderr, "usage: %s [--config FILE] [--check] [--help] [--version]\n", program);
	*ret_exit_code = 2;
	return false;
}

bool proc_parse_options(int argc, char **argv, const char *program, const char *purpose,
			struct proc_options *ret, int *ret_exit_code)
{
	enum { CONFIG = 1, CHECK, HELP, VERSION };
	static const struct option table[] = {
		{ "config", required_argument, NULL, CONFIG },
		{ "check", no_argument, NULL, CHECK },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },
		{ 0 },
	};
	struct proc_options options = { .config_path = DEFAULT_CONFIG };
	int choice;

	optind = 0; /* glibc: begin anew, should the caller have parsed before */
	while ((choice = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (choice) {
		case CONFIG:
			options.config_path = optarg;
			break;
		case CHECK:
			options.check = true;
			break;
		case HELP:
			print_help(program, purpose);
			*ret_exit_code = 0;
			return false;
		case VERSION:
			printf("%s %s\n", program, SBC_VERSION);
			*ret_exit_code = 0;
			return false;
		default:
			return usage_error(program, ret_exit_code);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'\n", program, argv[optind]);
		return usage_error(program, ret_exit_code);
	}
	*ret = options;
	return true;
}

bool proc_load_conf(struct arena *arena, const struct proc_options *options, struct conf *ret)
{
	struct conf_errors errors = { 0 };
	enum err err = conf_load(arena, options->config_path, ret, &errors);
	struct slice text;

	if (err == OK)
		return true;
	text = conf_errors_text(arena, &errors);
	fprintf(stderr, "%s: the configuration is not usable: %s\n%.*s", options->config_path,
		err_text(err), SLICE_ARG(text));
	if (text.len > 0 && text.p[text.len - 1] != '\n')
		fputc('\n', stderr);
	return false;
}

const char *proc_path(struct arena *arena, struct slice dir, const char *name)
{
	size_t size = dir.len + 1 + strlen(name) + 1;
	char *path = arena_alloc(arena, size);

	if (path)
		snprintf(path, size, "%.*s/%s", SLICE_ARG(dir), name);
	return path;
}

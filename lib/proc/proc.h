/* SPDX-License-Identifier: MIT
 * What every daemon does at its start, in one order: parse the command line, load the document, make
 * folders, open what needs rights, drop them, tell systemd. */
#pragma once

#include "lib/conf/conf.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"

struct proc_options {
	const char *config_path; /* default /etc/sbc/sbc.json */
	bool check;
};

/* NAME --config FILE, --check, --help, --version. Prints help or version itself. Returns true to go
 * on; false: exit with *ret_exit_code (0 for help and version, 2 for a usage error). */
bool proc_parse_options(int argc, char **argv, const char *program, const char *purpose,
			struct proc_options *ret, int *ret_exit_code);

/* Loads the document; prints every error to standard error. False: exit code 1. With --check the
 * caller then prints "configuration ok" and exits 0. */
bool proc_load_conf(struct arena *arena, const struct proc_options *options, struct conf *ret);

/* state_dir and run_dir, with parents, mode 0750/0700 as asked; owned by `user` when root. */
must_use enum err proc_make_dir(struct log *log, struct slice path, unsigned mode,
				struct slice user);

/* RLIMIT_NOFILE up to the hard limit (raised when root), no core dumps (PR_SET_DUMPABLE 0,
 * RLIMIT_CORE 0), umask 0077, SIGPIPE ignored. */
void proc_limits(struct log *log);

/* When root and `user` is not empty: groups, gid, uid, no way back; always PR_SET_NO_NEW_PRIVS.
 * keep_bind: CAP_NET_BIND_SERVICE stays, for listeners that REST adds later. */
must_use enum err proc_drop_privileges(struct log *log, struct slice user, bool keep_bind);

/* SIGTERM and SIGINT stop the loop (signalfd); SIGHUP is ignored, and SIGUSR1 where nobody asked for
 * it. Call before threads are made, so that they inherit the mask. */
must_use enum err proc_watch_signals(struct loop *loop, struct log *log);
/* SIGUSR1: the operator asks for no new work, or takes that back. fn NULL: nobody any more. */
void proc_on_drain(struct loop *loop, loop_hook_fn *fn, void *owner);

/* sd_notify: "READY=1", "STOPPING=1", "WATCHDOG=1" … No-op without NOTIFY_SOCKET. */
void proc_notify(const char *state);

/* Pets systemd's watchdog from this loop at half its interval, if there is one. */
void proc_watchdog(struct loop *loop);

/* "dir/name" NUL-terminated in the arena. */
const char *proc_path(struct arena *arena, struct slice dir, const char *name);

/* What a daemon's own start is given; all of it lives until it returns. */
struct proc_start {
	struct arena *arena;
	const struct proc_options *options;
	const struct conf *conf;
	struct log *log;
};

struct proc_program {
	const char *name;
	const char *purpose; /* one line for --help */
	int niceness;        /* above 0: the others come first when processors are short */
	/* Limits are raised, core dumps off. Returns the exit code. */
	int (*run)(const struct proc_start *start);
};

/* main() of every daemon: command line, document, --check, log, limits, then its own start. */
int proc_main(int argc, char **argv, const struct proc_program *program);
/* Logs why it cannot go on; returns exit code 1. */
int proc_complain(struct log *log, const char *what, enum err err);
/* Says that it is ready, runs the loop until SIGTERM, says that it stops. */
void proc_serve(struct loop *loop, struct log *log, unsigned workers);

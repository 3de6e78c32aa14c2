/* SPDX-License-Identifier: MIT
 * Folders, privileges, signals and the service manager's socket. What cannot be undone runs in a
 * child; what needs root is skipped without it. */
#include "lib/proc/proc.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"

static struct log quiet_log(void)
{
	return (struct log){ .level = LOG_LEVEL_ERROR, .program = "testd", .fd = -1 };
}

static void makes_folders(void **state)
{
	struct log log = quiet_log();
	char dir[] = "/tmp/test_proc.XXXXXX";
	char path[128];
	struct stat st;
	mode_t before = umask(0077);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b", dir);
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0750, SLICE("")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	/* The second time changes nothing. */
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0700, SLICE("")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(proc_make_dir(&log, SLICE("/dev/null"), 0700, SLICE("")), -ENOTDIR);
	assert_int_equal(proc_make_dir(&log, SLICE("/dev/null/x"), 0700, SLICE("")), -ENOTDIR);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	rmdir(path);
	assert_int_equal(rmdir(dir), 0);
	umask(before);
}

/* Only what root gives to a user: a new folder, or an empty one of its own. */
static void gives_folders_away(void **state)
{
	struct log log = quiet_log();
	char dir[] = "/tmp/test_proc.XXXXXX";
	char path[128];
	char child[160];
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/new", dir);
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0750, SLICE("nobody")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_not_equal(st.st_uid, 0);
	rmdir(path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(child, sizeof(child), "%s/child", path);
	assert_int_equal(mkdir(child, 0700), 0);
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0750, SLICE("nobody")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	rmdir(child);
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0750, SLICE("nobody")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_not_equal(st.st_uid, 0);
	assert_int_equal(proc_make_dir(&log, slice_text(path), 0750, SLICE("no-such-user")),
			 ERR_NOENT);
	rmdir(path);
	assert_int_equal(rmdir(dir), 0);
}

static int in_child(int (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int bind_low_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(79),
				  .sin_addr.s_addr = htonl(0x7f00004fu) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int done = bind(fd, (const struct sockaddr *)&in, sizeof(in));

	close(fd);
	return done;
}

/* 0, or the number of the first expectation that failed. */
static int drop(bool keep_bind)
{
	struct log log = quiet_log();
	gid_t groups[4];

	proc_limits(&log);
	if (proc_drop_privileges(&log, SLICE("nobody"), keep_bind) != OK)
		return 1;
	if (geteuid() == 0 || getuid() == 0 || getegid() == 0 || getgroups(4, groups) != 0)
		return 2;
	if (setuid(0) == 0 || seteuid(0) == 0)
		return 3;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 4;
	return bind_low_port() == 0 ? 0 : 100;
}

static int drop_all(void)
{
	return drop(false);
}

static int drop_but_bind(void)
{
	return drop(true);
}

static void drops_privileges(void **state)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	int start = 0;

	(void)state;
	if (file) {
		if (fscanf(file, "%d", &start) != 1)
			start = 0;
		fclose(file);
	}
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop_but_bind), 0);
	assert_int_equal(in_child(drop_all), start > 79 ? 100 : 0);
}

static int unknown_user(void)
{
	struct log log = quiet_log();

	return proc_drop_privileges(&log, SLICE("no-such-user"), false) == ERR_NOENT ? 0 : 1;
}

static void unknown_user_is_an_error(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(unknown_user), 0);
}

static int stops_on(int number)
{
	struct log log = quiet_log();
	struct loop loop;

	if (loop_init(&loop) != OK || proc_watch_signals(&loop, &log) != OK)
		return 1;
	raise(SIGHUP);
	loop_turn(&loop, 0);
	if (loop.stop)
		return 2;
	raise(number);
	loop_run(&loop);
	loop_fini(&loop);
	return 0;
}

static int stops_on_term(void)
{
	return stops_on(SIGTERM);
}

static int stops_on_int(void)
{
	return stops_on(SIGINT);
}

static void signals_stop_the_loop(void **state)
{
	(void)state;
	assert_int_equal(in_child(stops_on_term), 0);
	assert_int_equal(in_child(stops_on_int), 0);
}

static void notifies(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	char got[64];
	ssize_t len;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int name_len = snprintf(name, sizeof(name), "@sbc-test-notify-%d", (int)getpid());

	(void)state;
	memcpy(address.sun_path + 1, name + 1, (size_t)name_len - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					  (size_t)name_len)),
			 0);
	unsetenv("NOTIFY_SOCKET");
	proc_notify("READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
	setenv("NOTIFY_SOCKET", name, 1);
	proc_notify("READY=1");
	len = recv(fd, got, sizeof(got), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(got, "READY=1", 7);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

static void watchdog_takes_half(void **state)
{
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop), OK);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "nonsense", 1);
	proc_watchdog(&loop);
	assert_int_equal(loop.wheel.count, 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	proc_watchdog(&loop);
	assert_int_equal(loop.wheel.count, 0);
	unsetenv("WATCHDOG_PID");
	proc_watchdog(&loop);
	assert_int_equal(loop.wheel.count, 1);
	assert_int_equal(loop.watchdog_timer.timer.due_ms - loop.now_ms, 15000);
	unsetenv("WATCHDOG_USEC");
	loop_fini(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_folders),
		cmocka_unit_test(gives_folders_away),
		cmocka_unit_test(drops_privileges),
		cmocka_unit_test(unknown_user_is_an_error),
		cmocka_unit_test(signals_stop_the_loop),
		cmocka_unit_test(notifies),
		cmocka_unit_test(watchdog_takes_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

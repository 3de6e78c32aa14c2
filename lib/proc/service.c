/* SPDX-License-Identifier: MIT
 * What the service manager and the terminal tell us, and what we tell them (sd_notify(3)'s protocol:
 * a datagram to the socket that NOTIFY_SOCKET names). */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/proc/proc.h"

static void on_signal(struct loop *loop, void *owner, uint32_t events)
{
	struct log *log = owner;
	struct signalfd_siginfo info;

	(void)events;
	if (read(loop->signal_io.fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1) {
		if (loop->drain_fn)
			loop->drain_fn(loop, loop->drain_owner);
		return;
	}
	log_write(log, LOG_LEVEL_INFO, EVENT_stopping, LOG_T("why", "signal"),
		  LOG_U("signal", info.ssi_signo));
	proc_notify("STOPPING=1");
	loop_stop(loop);
}

enum err proc_watch_signals(struct loop *loop, struct log *log)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	signal(SIGHUP, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_from_errno();
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_from_errno();
	loop->signal_io = (struct loop_io){ .fd = fd, .fn = on_signal, .owner = log };
	return loop_watch(loop, &loop->signal_io, EPOLLIN);
}

void proc_on_drain(struct loop *loop, loop_hook_fn *fn, void *owner)
{
	loop->drain_fn = fn;
	loop->drain_owner = owner;
}

void proc_notify(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;
	ssize_t sent;
	int fd;

	if (len < 2 || len >= sizeof(address.sun_path) || (name[0] != '/' && name[0] != '@'))
		return;
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = 0; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)sent; /* a manager that does not listen is no reason to stop */
	close(fd);
}

static void on_watchdog(struct loop *loop, void *owner)
{
	(void)owner;
	proc_notify("WATCHDOG=1");
	loop_timer_start(loop, &loop->watchdog_timer, loop->watchdog_timer.timer.kind);
}

void proc_watchdog(struct loop *loop)
{
	const char *text = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t interval_us;
	uint64_t owner_pid;

	if (!text || parse_u64(slice_text(text), &interval_us) != OK || interval_us < 2000)
		return;
	if (pid && (parse_u64(slice_text(pid), &owner_pid) != OK || owner_pid != (uint64_t)getpid()))
		return;
	loop->watchdog_timer.fn = on_watchdog;
	if (interval_us / 2000 < UINT32_MAX)
		loop->watchdog_timer.timer.kind = (uint32_t)(interval_us / 2000);
	else
		loop->watchdog_timer.timer.kind = UINT32_MAX;
	loop_timer_start(loop, &loop->watchdog_timer, loop->watchdog_timer.timer.kind);
}

/* SPDX-License-Identifier: MIT
 * Folders, limits and the way from root to an ordinary user. Capabilities are set by the system
 * calls themselves; what is given up is checked to be gone. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/proc/proc.h"

#define WANTED_FILES 1048576u

static enum err find_user(struct slice user, uid_t *ret_uid, gid_t *ret_gid)
{
	char name[64];
	const struct passwd *entry;

	if (user.len >= sizeof(name))
		return ERR_LIMIT;
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(user));
	entry = getpwnam(name);
	if (!entry)
		return ERR_NOENT;
	*ret_uid = entry->pw_uid;
	*ret_gid = entry->pw_gid;
	return OK;
}

/* ---- folders ---- */

/* The folder and its parents; *ret_made: the last one was not there. The modes are set in a second
 * step, whatever the umask says: parents must let the user through that we become. */
static enum err make_path(char *path, unsigned mode, bool *ret_made)
{
	for (char *at = path + 1;; at++) {
		bool last = *at == 0;

		if (!last && *at != '/')
			continue;
		*at = 0;
		*ret_made = mkdir(path, 0700) == 0;
		if (!*ret_made && errno != EEXIST)
			return err_from_errno();
		if (*ret_made && chmod(path, last ? (mode_t)mode : 0755) < 0)
			return err_from_errno();
		if (last)
			return OK;
		*at = '/';
	}
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	unsigned count = 0;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	while (readdir(dir))
		count++;
	closedir(dir);
	return count <= 2; /* . and .. */
}

/* One that was there before is given away only when nothing can be meant by it yet: it is root's,
 * empty and not sticky. So "state_dir": "/" or "/tmp" does no harm. */
static enum err give_dir(struct log *log, const char *path, bool made, uid_t uid, gid_t gid)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = OK;
	struct stat st;

	if (fd < 0)
		return err_from_errno();
	if (fstat(fd, &st) < 0) {
		err = err_from_errno();
	} else if (made || (st.st_uid == 0 && !(st.st_mode & S_ISVTX) && is_empty(fd))) {
		if (fchown(fd, uid, gid) < 0)
			err = err_from_errno();
	} else if (st.st_uid != uid) {
		log_write(log, LOG_LEVEL_WARNING, EVENT_privileges, LOG_T("folder", path),
			  LOG_T("why", "owned by another user"), LOG_U("owner_uid", st.st_uid));
	}
	close(fd);
	return err;
}

enum err proc_make_dir(struct log *log, struct slice path, unsigned mode, struct slice user)
{
	char name[PATH_MAX];
	bool made = false;
	enum err err;
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (path.len == 0 || path.len >= sizeof(name))
		return ERR_LIMIT;
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(path));
	err = make_path(name, mode, &made);
	if (err == OK && (stat(name, &st) < 0 || !S_ISDIR(st.st_mode)))
		err = (enum err)(-ENOTDIR);
	if (err == OK && geteuid() == 0 && user.len > 0) {
		err = find_user(user, &uid, &gid);
		if (err == OK)
			err = give_dir(log, name, made, uid, gid);
	}
	if (err != OK)
		log_write(log, LOG_LEVEL_ERROR, EVENT_failed, LOG_S("folder", path),
			  LOG_T("why", err_text(err)));
	return err;
}

/* ---- limits ---- */

void proc_limits(struct log *log)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		struct rlimit more = { WANTED_FILES, WANTED_FILES };

		files.rlim_cur = files.rlim_max;
		/* Only root may raise the hard limit; else we take all there is. */
		if ((files.rlim_max < WANTED_FILES && setrlimit(RLIMIT_NOFILE, &more) == 0) ||
		    setrlimit(RLIMIT_NOFILE, &files) == 0)
			getrlimit(RLIMIT_NOFILE, &files);
		log_write(log, LOG_LEVEL_DEBUG, EVENT_privileges, LOG_U("files", files.rlim_cur));
	}
	/* Keys and passwords live in this process. */
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_write(log, LOG_LEVEL_WARNING, EVENT_privileges,
			  LOG_T("why", "core dumps could not be switched off"));
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- privileges ---- */

static enum err set_capabilities(uint64_t wanted)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return err_from_errno();
	/* Where there is nothing to give up, the service's filter may know nothing of capset either. */
	if (data[0].permitted == 0 && data[1].permitted == 0)
		return OK;
	for (unsigned i = 0; i < 2; i++) {
		/* In a container we may never have had it. */
		data[i].permitted &= (uint32_t)(wanted >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? err_from_errno() : OK;
}

static enum err become(uid_t uid, gid_t gid, bool keep_bind)
{
	enum err err;

	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		if (!keep_bind || capability != CAP_NET_BIND_SERVICE)
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	/* Without this, leaving uid 0 clears the permitted set before we can choose from it. */
	if (prctl(PR_SET_KEEPCAPS, keep_bind, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_from_errno();
	err = set_capabilities(keep_bind ? UINT64_C(1) << CAP_NET_BIND_SERVICE : 0);
	if (err != OK)
		return err;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	/* A changed uid makes the kernel reset this one by its own rule. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return setuid(0) == 0 || setgid(0) == 0 ? ERR_STATE : OK;
}

enum err proc_drop_privileges(struct log *log, struct slice user, bool keep_bind)
{
	enum err err = OK;
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() == 0 && user.len > 0) {
		err = find_user(user, &uid, &gid);
		if (err == OK && uid != 0)
			err = become(uid, gid, keep_bind);
	} else if (geteuid() != 0) {
		/* What a service manager granted to an ordinary user was for the start. */
		err = set_capabilities(keep_bind ? UINT64_C(1) << CAP_NET_BIND_SERVICE : 0);
	}
	if (err == OK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = err_from_errno();
	if (err != OK)
		log_write(log, LOG_LEVEL_ERROR, EVENT_privileges, LOG_S("user", user),
			  LOG_T("why", err_text(err)));
	else
		log_write(log, geteuid() == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			  EVENT_privileges, LOG_U("uid", geteuid()), LOG_U("gid", getegid()),
			  LOG_T("why", geteuid() == 0 ? "still root: no user is configured"
						      : "no way back to root"));
	return err;
}

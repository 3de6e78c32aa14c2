/* SPDX-License-Identifier: MIT
 * The listening side. The socket's file is made with mode 0600 from the first moment, and every
 * peer's credentials are checked besides.
 * lint: owns storage because the server itself lives as long as its owner wants. */
#include "lib/ctl/peer_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"

#define SERVER_MAX_PEERS 256u
#define SERVER_BACKLOG 64
#define PAUSE_MS 100u /* when there is no descriptor for a peer that waits */

struct ctl_server {
	struct ctl_hub hub;
	struct loop_io io;
	struct loop_timer pause;
	struct pool peers;
	struct sockaddr_un address;
	dev_t device; /* of the socket's file, so that only our own is taken away */
	ino_t inode;
};

/* In the pool; the handle gives the slot back. */
struct server_peer {
	struct ctl_peer peer;
	struct handle handle;
};

static void on_reaped(struct ctl_peer *peer)
{
	struct ctl_server *server = container_of(peer->hub, struct ctl_server, hub);
	struct server_peer *slot = container_of(peer, struct server_peer, peer);

	pool_give(&server->peers, slot->handle);
}

static bool peer_is_ours(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

/* Takes over fd. */
static void server_take(struct ctl_server *server, int fd)
{
	struct handle handle;
	struct server_peer *slot;

	if (!peer_is_ours(fd)) {
		log_write(server->hub.log, LOG_LEVEL_WARNING, EVENT_ctl_closed,
			  LOG_T("why", "the peer runs as another user"));
		close(fd);
		return;
	}
	slot = pool_take(&server->peers, &handle);
	if (!slot) {
		close(fd);
		return;
	}
	slot->handle = handle;
	if (ctl_peer_start(&slot->peer, &server->hub, fd) != OK) {
		close(fd);
		pool_give(&server->peers, handle);
	}
}

static void on_pause_end(struct loop *loop, void *owner)
{
	struct ctl_server *server = owner;

	if (loop_watch(loop, &server->io, EPOLLIN) != OK)
		loop_timer_start(loop, &server->pause, PAUSE_MS);
}

static void on_accept(struct loop *loop, void *owner, uint32_t events)
{
	struct ctl_server *server = owner;
	int fd = accept4(server->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		server_take(server, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
		 loop_watch(loop, &server->io, 0) == OK)
		/* The peer that waits would wake us for ever. */
		loop_timer_start(loop, &server->pause, PAUSE_MS);
}

/* Removes a socket's file that nobody listens on. ERR_EXISTS: somebody does, or it is another kind
 * of file. */
static enum err remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, done;
	int error;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? OK : err_from_errno();
	if (!S_ISSOCK(st.st_mode))
		return ERR_EXISTS;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_from_errno();
	done = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	error = errno;
	close(fd);
	if (done == 0 || error != ECONNREFUSED)
		return ERR_EXISTS;
	return unlink(address->sun_path) == 0 || errno == ENOENT ? OK : err_from_errno();
}

static enum err server_listen(struct ctl_server *server)
{
	const struct sockaddr *sa = (const struct sockaddr *)&server->address;
	struct stat st;

	server->io.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->io.fd < 0)
		return err_from_errno();
	/* bind() makes the file with the mode of the socket, less the umask. */
	if (fchmod(server->io.fd, 0600) < 0 ||
	    bind(server->io.fd, sa, sizeof(server->address)) < 0)
		return err_from_errno();
	if (lstat(server->address.sun_path, &st) == 0) {
		server->device = st.st_dev;
		server->inode = st.st_ino;
	}
	if (chmod(server->address.sun_path, 0600) < 0 || listen(server->io.fd, SERVER_BACKLOG) < 0)
		return err_from_errno();
	return loop_watch(server->hub.loop, &server->io, EPOLLIN);
}

enum err ctl_server_create(struct loop *loop, struct log *log, const char *path,
			   const struct ctl_hello *hello, const struct ctl_handlers *handlers,
			   void *owner, struct ctl_server **ret)
{
	struct ctl_server *server = calloc(1, sizeof(*server));
	enum err err;

	if (!server)
		return ERR_NOMEM;
	server->hub = (struct ctl_hub){ .loop = loop,
					.log = log,
					.hello = hello,
					.handlers = handlers,
					.owner = owner,
					.server = true,
					.reaped = on_reaped };
	server->io = (struct loop_io){ .fd = -1, .fn = on_accept, .owner = server };
	server->pause = (struct loop_timer){ .fn = on_pause_end, .owner = server };
	err = ctl_hub_start(&server->hub);
	if (err != OK) {
		free(server);
		return err;
	}
	err = pool_init(&server->peers, sizeof(struct server_peer), SERVER_MAX_PEERS);
	if (err == OK)
		err = ctl_unix_address(path, &server->address);
	if (err == OK)
		err = remove_stale(&server->address);
	if (err == OK)
		err = server_listen(server);
	if (err != OK) {
		ctl_server_destroy(&server);
		return err;
	}
	*ret = server;
	return OK;
}

void ctl_server_destroy(struct ctl_server **server)
{
	struct ctl_server *it = *server;
	struct stat st;

	if (!it)
		return;
	*server = NULL;
	loop_timer_stop(it->hub.loop, &it->pause);
	ctl_hub_stop(&it->hub);
	if (it->io.fd >= 0) {
		loop_forget(it->hub.loop, &it->io);
		close(it->io.fd);
	}
	if (it->inode != 0 && lstat(it->address.sun_path, &st) == 0 && st.st_dev == it->device &&
	    st.st_ino == it->inode)
		unlink(it->address.sun_path);
	pool_fini(&it->peers);
	free(it);
}

uint64_t ctl_server_malformed(const struct ctl_server *server)
{
	return server->hub.malformed;
}

/* SPDX-License-Identifier: MIT
 * libmicrohttpd without threads: its epoll descriptor is watched by our loop, and at the end of
 * every turn it runs until it has nothing more to do, which also picks up connections that were
 * resumed in the turn.
 * lint: owns storage because the server lives as long as the program. */
#include "mgmt-api/http/http_priv.h"

#include <stdlib.h>
#include <unistd.h>

#define LISTEN_BACKLOG 128
/* Rounds in one turn: other watchers of the loop must have their turn too. */
#define MAX_ROUNDS 16

static void pump(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;

	for (int i = 0; i < MAX_ROUNDS && wait_ms == 0; i++) {
		MHD_run(server->daemon);
		if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES)
			wait_ms = 60000;
	}
	loop_timer_start(server->loop, &server->timer, wait_ms == 0 ? 1 : (uint64_t)wait_ms);
}

static void on_ready(struct loop *loop, void *owner, uint32_t events)
{
	/* The hook at the end of this turn runs MHD. */
	(void)loop;
	(void)owner;
	(void)events;
}

static void on_timer(struct loop *loop, void *owner)
{
	(void)loop;
	(void)owner;
}

static void on_turn_end(struct loop *loop, void *owner)
{
	struct http_server *server = owner;

	(void)loop;
	if (!server->stopping)
		pump(server);
}

static enum err open_listener(const struct endpoint *listen_on, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(listen_on, &address);
	enum err err;
	int one = 1;
	int fd;

	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno();
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		err = err_from_errno();
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return OK;
}

static enum err start_daemon(struct http_server *server)
{
	const union MHD_DaemonInfo *info;

	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, http_on_request, server,
		MHD_OPTION_LISTEN_SOCKET, server->listen_fd, /* MHD closes it from here on */
		MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, server,
		MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, server,
		MHD_OPTION_CONNECTION_LIMIT, HTTP_MAX_CONNECTIONS,
		/* So that one who only holds on leaves room for the others. */
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, HTTP_MAX_CONNECTIONS / 2,
		MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_END);
	if (!server->daemon)
		return ERR_NOMEM;
	server->listen_fd = -1;
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return ERR_UNSUPPORTED;
	server->io = (struct loop_io){ .fd = info->epoll_fd, .fn = on_ready, .owner = server };
	return loop_watch(server->loop, &server->io, EPOLLIN);
}

enum err http_server_create(struct loop *loop, struct log *log, const struct endpoint *listen_on,
			    const struct http_handlers *handlers, void *owner,
			    struct http_server **ret)
{
	struct http_server *server = calloc(1, sizeof(*server));
	enum err err;

	if (!server)
		return ERR_NOMEM;
	server->loop = loop;
	server->log = log;
	server->handlers = handlers;
	server->owner = owner;
	server->listen_fd = -1;
	server->timer = (struct loop_timer){ .fn = on_timer, .owner = server };
	arena_cache_init(&server->cache, 4u << 20);
	err = pool_init(&server->exchanges, sizeof(struct http_exchange), HTTP_MAX_CONNECTIONS);
	if (err == OK)
		err = http_patience_init(server);
	if (err == OK)
		err = open_listener(listen_on, &server->listen_fd);
	if (err == OK)
		err = start_daemon(server);
	if (err != OK) {
		http_server_destroy(&server);
		return err;
	}
	loop_hook_add(loop, &server->hook, on_turn_end, server);
	*ret = server;
	return OK;
}

void http_server_destroy(struct http_server **server)
{
	struct http_server *old = *server;

	if (!old)
		return;
	if (old->daemon)
		pump(old);
	old->stopping = true;
	loop_timer_stop(old->loop, &old->timer);
	list_remove(&old->hook.link);
	if (old->io.fn)
		loop_forget(old->loop, &old->io);
	if (old->daemon)
		MHD_stop_daemon(old->daemon);
	if (old->listen_fd >= 0)
		close(old->listen_fd);
	pool_fini(&old->patiences);
	pool_fini(&old->exchanges);
	arena_cache_fini(&old->cache);
	free(old);
	*server = NULL;
}

unsigned http_connections(const struct http_server *server)
{
	const union MHD_DaemonInfo *info;

	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info ? info->num_connections : 0;
}

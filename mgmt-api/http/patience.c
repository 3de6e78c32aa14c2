/* SPDX-License-Identifier: MIT
 * How long a connection may take for the head of a request. MHD's own timer starts anew with every
 * octet, so that whoever sends one now and then would hold on for ever. */
#include "mgmt-api/http/http_priv.h"

#include <sys/socket.h>

/* As long as an idle connection may stay: it runs from the end of the request before. */
#define HEAD_MS (HTTP_IDLE_S * 1000u)

struct http_patience {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct handle handle;
	struct loop_timer timer;
};

static void on_impatient(struct loop *loop, void *owner)
{
	struct http_patience *patience = owner;
	const union MHD_ConnectionInfo *info;

	(void)loop;
	info = MHD_get_connection_info(patience->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR); /* MHD notices, and closes it */
}

static struct http_patience *patience_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

void http_patience_stop(struct MHD_Connection *connection)
{
	struct http_patience *patience = patience_of(connection);

	if (patience)
		loop_timer_stop(patience->server->loop, &patience->timer);
}

void http_patience_start(struct MHD_Connection *connection)
{
	struct http_patience *patience = patience_of(connection);

	if (patience)
		loop_timer_start(patience->server->loop, &patience->timer, HEAD_MS);
}

enum err http_patience_init(struct http_server *server)
{
	return pool_init(&server->patiences, sizeof(struct http_patience), HTTP_MAX_CONNECTIONS);
}

void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
			enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;
	struct http_patience *patience = *context;
	struct handle handle;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!patience)
			return;
		loop_timer_stop(server->loop, &patience->timer);
		pool_give(&server->patiences, patience->handle);
		*context = NULL;
		return;
	}
	patience = pool_take(&server->patiences, &handle);
	if (!patience)
		return;
	patience->server = server;
	patience->connection = connection;
	patience->handle = handle;
	patience->timer = (struct loop_timer){ .fn = on_impatient, .owner = patience };
	loop_timer_start(server->loop, &patience->timer, HEAD_MS);
	*context = patience;
}

/* SPDX-License-Identifier: MIT
 * The connecting side: one peer that comes back by itself. A Unix socket connects at once or not at
 * all, so there is no half-way state but the wait for the server's hello.
 * lint: owns storage because the client itself lives as long as its owner wants. */
#include "lib/ctl/peer_priv.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ensure.h"

/* A failed connect to a Unix socket costs some microseconds, and media waits for this one. */
#define RETRY_FIRST_MS 10u
#define RETRY_MAX_MS 100u
#define HELLO_WAIT_MS 2000u

struct ctl_client {
	struct ctl_hub hub;
	struct ctl_peer peer;
	struct sockaddr_un address;
	struct loop_timer timer; /* to connect again, or to give up on a server without a hello */
	uint32_t retry_ms;
};

static void client_retry_later(struct ctl_client *client)
{
	loop_timer_start(client->hub.loop, &client->timer, client->retry_ms);
	client->retry_ms *= 2;
	if (client->retry_ms > RETRY_MAX_MS)
		client->retry_ms = RETRY_MAX_MS;
}

static int client_socket(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void client_connect(struct ctl_client *client)
{
	int fd = client_socket(&client->address);

	if (fd < 0) {
		client_retry_later(client);
		return;
	}
	client->peer = (struct ctl_peer){ .data = NULL };
	if (ctl_peer_start(&client->peer, &client->hub, fd) != OK) {
		close(fd);
		client->peer.state = PEER_CLOSED;
		client_retry_later(client);
		return;
	}
	ctl_peer_greet(&client->peer);
	loop_timer_start(client->hub.loop, &client->timer, HELLO_WAIT_MS);
}

static void on_timer(struct loop *loop, void *owner)
{
	struct ctl_client *client = owner;

	(void)loop;
	if (client->peer.state == PEER_CLOSED)
		client_connect(client);
	else if (client->peer.state == PEER_HELLO)
		ctl_peer_close(&client->peer);
}

static void on_reaped(struct ctl_peer *peer)
{
	struct ctl_client *client = container_of(peer->hub, struct ctl_client, hub);

	if (peer->was_up)
		client->retry_ms = RETRY_FIRST_MS;
	client_retry_later(client);
}

enum err ctl_client_create(struct loop *loop, struct log *log, const char *path,
			   const struct ctl_hello *hello, const struct ctl_handlers *handlers,
			   void *owner, struct ctl_client **ret)
{
	struct ctl_client *client = calloc(1, sizeof(*client));
	enum err err;

	if (!client)
		return ERR_NOMEM;
	client->hub = (struct ctl_hub){ .loop = loop,
					.log = log,
					.hello = hello,
					.handlers = handlers,
					.owner = owner,
					.reaped = on_reaped };
	client->timer = (struct loop_timer){ .fn = on_timer, .owner = client };
	client->peer.state = PEER_CLOSED;
	client->retry_ms = RETRY_FIRST_MS;
	err = ctl_unix_address(path, &client->address);
	if (err == OK)
		err = ctl_hub_start(&client->hub);
	if (err != OK) {
		free(client);
		return err;
	}
	*ret = client;
	client_connect(client);
	return OK;
}

void ctl_client_destroy(struct ctl_client **client)
{
	struct ctl_client *it = *client;

	if (!it)
		return;
	*client = NULL;
	ctl_hub_stop(&it->hub);
	loop_timer_stop(it->hub.loop, &it->timer);
	free(it);
}

struct ctl_peer *ctl_client_peer(struct ctl_client *client)
{
	return client->peer.state == PEER_UP ? &client->peer : NULL;
}

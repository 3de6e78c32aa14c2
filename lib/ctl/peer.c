/* SPDX-License-Identifier: MIT
 * One control connection: receive in batches, hello, hand up; encode straight into the outbox, send
 * in one batch at the end of the turn. Nothing is allocated per message in a steady state.
 * What makes it hard: a handler may close any peer, so closing is a mark and reaping comes later.
 * lint: owns storage because the buffers of a receive batch live as long as the hub. */
#include "lib/ctl/peer_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ensure.h"

#define OUTBOX_FIRST_BYTES (128u << 10)
#define MESSAGE_ARENA_MAX_BYTES (4u << 20)
#define CACHE_KEEP_BYTES (256u << 10)

static void peer_touch(struct ctl_peer *peer)
{
	struct ctl_hub *hub = peer->hub;

	if (list_linked(&peer->touched_link))
		return;
	list_add_tail(&hub->touched, &peer->touched_link);
	loop_timer_start(hub->loop, &hub->again, 0);
}

void ctl_peer_close(struct ctl_peer *peer)
{
	if (peer->state >= PEER_CLOSING)
		return;
	peer->state = PEER_CLOSING;
	peer_touch(peer);
}

void ctl_peer_refuse(struct ctl_peer *peer, enum err err)
{
	if (peer->state >= PEER_CLOSING)
		return;
	peer->hub->malformed++;
	log_write(peer->hub->log, LOG_LEVEL_WARNING, EVENT_ctl_malformed,
		  LOG_S("peer_program", peer->hello.program), LOG_T("why", err_text(err)));
	ctl_peer_close(peer);
}

/* ---- outbox ---- */

/* Room for `more` bytes behind len: first by moving up, then by a larger buffer. */
static bool outbox_room(struct outbox *outbox, size_t more)
{
	struct arena bigger;
	size_t held = outbox->len - outbox->at;
	size_t cap = outbox->cap ? outbox->cap : OUTBOX_FIRST_BYTES;
	char *bytes;

	if (outbox->cap - outbox->len >= more)
		return true;
	if (outbox->cap >= held + more) {
		memmove(outbox->bytes, outbox->bytes + outbox->at, held);
	} else {
		while (cap < held + more)
			cap *= 2;
		if (cap > CTL_QUEUE_MAX_BYTES)
			return false;
		arena_init(&bigger, outbox->arena.cache, cap, 2 * (size_t)CTL_QUEUE_MAX_BYTES);
		bytes = arena_alloc(&bigger, cap);
		if (!bytes)
			return false;
		if (held > 0)
			memcpy(bytes, outbox->bytes + outbox->at, held);
		arena_fini(&outbox->arena);
		outbox->arena = bigger;
		outbox->bytes = bytes;
		outbox->cap = cap;
	}
	outbox->at = 0;
	outbox->len = held;
	return true;
}

static enum err outbox_put(struct outbox *outbox, const struct ctl_message *message)
{
	size_t cap = outbox->cap - outbox->len;
	uint32_t len32;
	size_t len = 0;
	enum err err = ERR_LIMIT;

	/* Nearly always there is room at once; the second try has room for any message. */
	for (int try = 0; try < 2 && err == ERR_LIMIT; try++) {
		if (cap > sizeof(len32))
			err = ctl_encode(message, outbox->bytes + outbox->len + sizeof(len32),
					 cap - sizeof(len32) < CTL_MAX_BYTES ? cap - sizeof(len32)
									     : CTL_MAX_BYTES,
					 &len);
		if (err != ERR_LIMIT || try == 1)
			break;
		if (!outbox_room(outbox, sizeof(len32) + CTL_MAX_BYTES))
			return ERR_NOMEM;
		cap = outbox->cap - outbox->len;
	}
	if (err != OK)
		return err;
	len32 = (uint32_t)len;
	memcpy(outbox->bytes + outbox->len, &len32, sizeof(len32));
	outbox->len += sizeof(len32) + len;
	return OK;
}

/* Points iovecs at the first packets; returns how many. */
static unsigned outbox_peek(const struct outbox *outbox, struct mmsghdr *headers,
			    struct iovec *vectors)
{
	size_t at = outbox->at;
	unsigned count = 0;

	while (at < outbox->len && count < CTL_BATCH) {
		uint32_t len;

		memcpy(&len, outbox->bytes + at, sizeof(len));
		vectors[count] = (struct iovec){ outbox->bytes + at + sizeof(len), len };
		headers[count] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &vectors[count], .msg_iovlen = 1 },
		};
		at += sizeof(len) + len;
		count++;
	}
	return count;
}

/* OK: all gone. ERR_AGAIN: the socket takes no more now. */
static enum err outbox_flush(struct outbox *outbox, int fd)
{
	struct mmsghdr headers[CTL_BATCH];
	struct iovec vectors[CTL_BATCH];

	while (outbox->at < outbox->len) {
		unsigned count = outbox_peek(outbox, headers, vectors);
		int sent = sendmmsg(fd, headers, count, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN || errno == ENOBUFS ? ERR_AGAIN : err_from_errno();
		for (int i = 0; i < sent; i++)
			outbox->at += sizeof(uint32_t) + vectors[i].iov_len;
	}
	outbox->at = 0;
	outbox->len = 0;
	return OK;
}

/* ---- sending ---- */

/* Also for a peer that still waits for the hello. */
static enum err peer_put(struct ctl_peer *peer, const struct ctl_message *message)
{
	enum err err = outbox_put(&peer->outbox, message);

	if (err == ERR_NOMEM) {
		/* It does not read: better without it than to grow for ever. */
		ctl_peer_close(peer);
		return ERR_CLOSED;
	}
	if (err == OK)
		peer_touch(peer);
	return err;
}

enum err ctl_send(struct ctl_peer *peer, const struct ctl_message *message)
{
	if (peer->state != PEER_UP)
		return ERR_CLOSED;
	return peer_put(peer, message);
}

void ctl_fail(struct ctl_peer *peer, uint32_t request, enum err err, struct slice pointer,
	      struct slice value, struct slice detail)
{
	struct ctl_message message = {
		.type = CTL_failure,
		.request = request,
		.failure = { .err = err, .pointer = pointer, .value = value, .detail = detail },
	};

	if (ctl_send(peer, &message) != OK)
		ctl_peer_close(peer); /* an answer is owed; without it the peer would wait for ever */
}

void ctl_done(struct ctl_peer *peer, uint32_t request)
{
	struct ctl_message message = { .type = CTL_done, .request = request };

	if (ctl_send(peer, &message) != OK)
		ctl_peer_close(peer);
}

void ctl_peer_greet(struct ctl_peer *peer)
{
	struct ctl_message message = { .type = CTL_hello, .hello = *peer->hub->hello };

	if (peer_put(peer, &message) != OK)
		ctl_peer_close(peer);
}

static void peer_flush(struct ctl_peer *peer)
{
	enum err err = outbox_flush(&peer->outbox, peer->io.fd);
	uint32_t events = EPOLLIN | (err == ERR_AGAIN ? EPOLLOUT : 0u);

	if (peer->state == PEER_CLOSING)
		return; /* what went, went */
	if ((err != OK && err != ERR_AGAIN) || loop_watch(peer->hub->loop, &peer->io, events) != OK)
		ctl_peer_close(peer);
}

/* ---- receiving ---- */

static bool keep_text(struct slice text, char storage[CTL_HELLO_TEXT_BYTES], struct slice *ret)
{
	if (text.len > CTL_HELLO_TEXT_BYTES)
		return false;
	if (text.len > 0)
		memcpy(storage, text.p, text.len);
	*ret = slice_of(storage, text.len);
	return true;
}

static void peer_hello(struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct ctl_hub *hub = peer->hub;

	if (hello->version != CTL_VERSION) {
		ctl_peer_refuse(peer, ERR_VERSION);
		return;
	}
	peer->hello = *hello;
	if (!keep_text(hello->program, peer->program, &peer->hello.program) ||
	    !keep_text(hello->node, peer->node, &peer->hello.node)) {
		peer->hello.program = peer->hello.node = SLICE_NONE;
		ctl_peer_refuse(peer, ERR_LIMIT);
		return;
	}
	if (hub->server)
		ctl_peer_greet(peer);
	if (peer->state != PEER_HELLO)
		return;
	peer->state = PEER_UP;
	peer->was_up = true;
	log_write(hub->log, LOG_LEVEL_INFO, EVENT_ctl_connected,
		  LOG_S("peer_program", peer->hello.program), LOG_S("node", peer->hello.node),
		  LOG_U("worker", peer->hello.worker));
	if (hub->handlers->up)
		hub->handlers->up(hub->owner, peer, &peer->hello);
}

static void peer_packet(struct ctl_peer *peer, const char *bytes, size_t len)
{
	struct ctl_hub *hub = peer->hub;
	struct ctl_message message;
	enum err err;

	arena_reset(&hub->arena);
	err = ctl_decode(&hub->arena, bytes, len, &message);
	if (err == OK && (message.type == CTL_hello) != (peer->state == PEER_HELLO))
		err = ERR_STATE;
	if (err != OK)
		ctl_peer_refuse(peer, err);
	else if (message.type == CTL_hello)
		peer_hello(peer, &message.hello);
	else
		hub->handlers->message(hub->owner, peer, &message);
}

/* One batch; what is left makes the socket ready again at once. */
static void peer_receive(struct ctl_peer *peer)
{
	struct mmsghdr headers[CTL_BATCH];
	struct iovec vectors[CTL_BATCH];
	int count;

	for (unsigned i = 0; i < CTL_BATCH; i++) {
		vectors[i] = (struct iovec){ peer->hub->inbox + i * CTL_MAX_BYTES, CTL_MAX_BYTES };
		headers[i] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &vectors[i], .msg_iovlen = 1 },
		};
	}
	count = recvmmsg(peer->io.fd, headers, CTL_BATCH, MSG_DONTWAIT, NULL);
	if (count < 0) {
		if (errno != EAGAIN && errno != EINTR)
			ctl_peer_close(peer);
		return;
	}
	for (int i = 0; i < count && peer->state < PEER_CLOSING; i++) {
		if (headers[i].msg_len == 0)
			ctl_peer_close(peer); /* end of the connection */
		else if (headers[i].msg_hdr.msg_flags & MSG_TRUNC)
			ctl_peer_refuse(peer, ERR_LIMIT);
		else
			peer_packet(peer, vectors[i].iov_base, headers[i].msg_len);
	}
}

static void on_peer_io(struct loop *loop, void *owner, uint32_t events)
{
	struct ctl_peer *peer = owner;

	(void)loop;
	if (peer->state >= PEER_CLOSING)
		return;
	/* First read: a peer that says something and leaves at once is heard. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		peer_receive(peer);
	if (events & EPOLLOUT)
		peer_touch(peer);
}

/* ---- the hub ---- */

static void peer_shut(struct ctl_peer *peer)
{
	loop_forget(peer->hub->loop, &peer->io);
	close(peer->io.fd);
	peer->io.fd = -1;
	peer->state = PEER_CLOSED;
	list_remove(&peer->link);
	list_remove(&peer->touched_link);
	arena_fini(&peer->outbox.arena);
}

static void peer_reap(struct ctl_peer *peer)
{
	struct ctl_hub *hub = peer->hub;

	peer_shut(peer);
	log_write(hub->log, LOG_LEVEL_INFO, EVENT_ctl_closed,
		  LOG_S("peer_program", peer->hello.program), LOG_U("worker", peer->hello.worker));
	if (peer->was_up && hub->handlers->down)
		hub->handlers->down(hub->owner, peer);
	hub->reaped(peer);
}

static void on_turn_end(struct loop *loop, void *owner)
{
	struct ctl_hub *hub = owner;
	struct list *node;

	while ((node = list_pop(&hub->touched))) {
		struct ctl_peer *peer = container_of(node, struct ctl_peer, touched_link);

		peer_flush(peer);
		if (peer->state == PEER_CLOSING)
			peer_reap(peer);
	}
	loop_timer_stop(loop, &hub->again);
}

static void on_again(struct loop *loop, void *owner)
{
	(void)loop;
	(void)owner; /* it only made this turn come; the hook does the work */
}

enum err ctl_hub_start(struct ctl_hub *hub)
{
	list_init(&hub->peers);
	list_init(&hub->touched);
	arena_cache_init(&hub->cache, CACHE_KEEP_BYTES);
	arena_init(&hub->arena, &hub->cache, 4096, MESSAGE_ARENA_MAX_BYTES);
	hub->again = (struct loop_timer){ .fn = on_again, .owner = hub };
	hub->inbox = calloc(CTL_BATCH, CTL_MAX_BYTES);
	if (!hub->inbox)
		return ERR_NOMEM;
	loop_hook_add(hub->loop, &hub->hook, on_turn_end, hub);
	return OK;
}

void ctl_hub_stop(struct ctl_hub *hub)
{
	list_each(node, &hub->peers) {
		struct ctl_peer *peer = container_of(node, struct ctl_peer, link);

		(void)outbox_flush(&peer->outbox, peer->io.fd);
		peer_shut(peer);
		hub->reaped(peer);
	}
	list_remove(&hub->hook.link);
	loop_timer_stop(hub->loop, &hub->again);
	arena_fini(&hub->arena);
	arena_cache_fini(&hub->cache);
	free(hub->inbox);
}

enum err ctl_peer_start(struct ctl_peer *peer, struct ctl_hub *hub, int fd)
{
	enum err err;

	peer->hub = hub;
	peer->state = PEER_HELLO;
	peer->io = (struct loop_io){ .fd = fd, .fn = on_peer_io, .owner = peer };
	arena_init(&peer->outbox.arena, &hub->cache, 0, 0);
	err = loop_watch(hub->loop, &peer->io, EPOLLIN);
	if (err != OK)
		return err;
	list_add_tail(&hub->peers, &peer->link);
	return OK;
}

void ctl_peer_set_data(struct ctl_peer *peer, void *data)
{
	peer->data = data;
}

void *ctl_peer_data(const struct ctl_peer *peer)
{
	return peer->data;
}

const struct ctl_hello *ctl_peer_hello(const struct ctl_peer *peer)
{
	return &peer->hello;
}

enum err ctl_unix_address(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(ret->sun_path))
		return ERR_LIMIT;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, len + 1);
	return OK;
}

/* SPDX-License-Identifier: MIT
 * Questions to sbcd and the relay: each has a number and a time limit, and ends exactly once, with an
 * answer or without one. */
#include "mgmt-api/api/api_priv.h"

#include "lib/base/ensure.h"

static void ask_end(struct ask *ask, const struct ctl_message *answer)
{
	list_remove(&ask->link);
	loop_timer_stop(ask->upstream->api->loop, &ask->timer);
	ask->fn(ask->owner, answer);
}

static void on_timeout(struct loop *loop, void *owner)
{
	struct ask *ask = owner;

	(void)loop;
	ask_end(ask, NULL);
}

static void on_up(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct upstream *upstream = owner;

	(void)peer;
	if (upstream->changed)
		upstream->changed(upstream, hello);
}

static void on_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct upstream *upstream = owner;

	(void)peer;
	if (message->request == 0)
		return; /* a push that we did not ask for */
	list_each(node, &upstream->asks) {
		struct ask *ask = container_of(node, struct ask, link);

		if (ask->request == message->request) {
			ask_end(ask, message);
			return;
		}
	}
}

static void on_down(void *owner, struct ctl_peer *peer)
{
	struct upstream *upstream = owner;
	struct list old;
	struct list *node;

	(void)peer;
	/* What an owner asks anew while it is told goes to the new list, and finds nobody. */
	list_init(&old);
	while ((node = list_pop(&upstream->asks)))
		list_add_tail(&old, node);
	while ((node = list_pop(&old)))
		ask_end(container_of(node, struct ask, link), NULL);
	if (upstream->changed)
		upstream->changed(upstream, NULL);
}

enum err upstream_start(struct upstream *upstream, struct api *api, const char *name,
			const char *path, const struct ctl_hello *hello)
{
	static const struct ctl_handlers handlers = { on_up, on_message, on_down };

	upstream->api = api;
	upstream->name = name;
	list_init(&upstream->asks);
	return ctl_client_create(api->loop, api->log, path, hello, &handlers, upstream,
				 &upstream->client);
}

void upstream_stop(struct upstream *upstream)
{
	struct list *node;

	upstream->changed = NULL;
	if (upstream->client)
		ctl_client_destroy(&upstream->client);
	while (upstream->asks.next && (node = list_pop(&upstream->asks)))
		ask_end(container_of(node, struct ask, link), NULL);
}

bool upstream_up(const struct upstream *upstream)
{
	return upstream->client && ctl_client_peer(upstream->client);
}

bool upstream_ask(struct upstream *upstream, struct ask *ask, struct ctl_message *question,
		  uint64_t wait_ms, ask_fn *fn, void *owner)
{
	struct ctl_peer *peer = upstream->client ? ctl_client_peer(upstream->client) : NULL;

	if (!peer)
		return false;
	if (++upstream->next_request == 0)
		upstream->next_request = 1;
	question->request = upstream->next_request;
	if (ctl_send(peer, question) != OK)
		return false;
	*ask = (struct ask){ .upstream = upstream, .request = question->request, .fn = fn,
			     .owner = owner, .timer = { .fn = on_timeout, .owner = ask } };
	list_add_tail(&upstream->asks, &ask->link);
	loop_timer_start(upstream->api->loop, &ask->timer, wait_ms);
	return true;
}

void upstream_reset(struct upstream *upstream)
{
	struct ctl_peer *peer = ctl_client_peer(upstream->client);

	if (peer)
		ctl_peer_close(peer);
}

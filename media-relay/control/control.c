/* SPDX-License-Identifier: MIT
 * The control socket's handlers, and the workers' replies. Every field of a message is checked where
 * it is used; a message that no right program sends is answered with a failure, and its peer closed.
 * lint: owns storage because control lives as long as the relay. */
#include "media-relay/control/control.h"

#include <stdlib.h>

#include "lib/base/ensure.h"
#include "lib/base/rand.h"
#include "media-relay/control/control_priv.h"
#include "media-relay/fastpath/fastpath.h"
#include "media-relay/srtp/srtp.h"

#define CONNECTIONS_MAX 1024u
#define OWNERS_MAX 4096u
#define REQUESTS_MAX 65536u

/* ---- peers ---- */

static const struct dtls_identity *shown(const struct control *control)
{
	return control->today ? control->today : control->identity;
}

/* What this relay can do; sbcd writes its SDP by it. */
static void send_info(const struct control *control, struct ctl_peer *peer)
{
	const struct fastpath *fastpath = control->options.fastpath;
	unsigned kernel = fastpath && fastpath_forwards(fastpath) ? 1u << CTL_WAY_KERNEL : 0;
	unsigned rings = fastpath && fastpath_has_rings(fastpath) ? 1u << CTL_WAY_XSK : 0;
	struct ctl_message message = {
		.type = CTL_relay_info,
		.relay_info = { .ways = (uint8_t)(1u << CTL_WAY_SOCKET | kernel | rings),
				.srtp_suites = srtp_suites(),
				.dtls_hash = CTL_HASH_SHA256,
				.dtls_fingerprint = dtls_identity_fingerprint(shown(control)) },
	};

	(void)!ctl_send(peer, &message); /* a peer that is lost is told of by itself */
}

/* What only this relay knows goes to who has its calls' keys, too, and to nobody else. */
static void send_identity(struct control *control, struct connection *connection)
{
	struct ctl_message message = { .type = CTL_relay_identity };
	struct arena arena;

	if (!slice_eq(connection->owner->program_name, SLICE("sbcd")))
		return;
	arena_init(&arena, &control->cache, 4096, 1u << 16);
	arena.wipe = true;
	if (dtls_identity_write(shown(control), &arena, &message.relay_identity.certificate,
				&message.relay_identity.key) == OK)
		(void)!ctl_send(connection->peer, &message);
	arena_fini(&arena);
}

static void on_up(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct control *control = owner;
	struct handle handle;
	struct connection *connection = pool_take(&control->connection_pool, &handle);
	struct owner *who = connection ? owner_of_hello(control, hello) : NULL;

	if (!who) {
		if (connection)
			pool_give(&control->connection_pool, handle);
		ctl_peer_close(peer);
		return;
	}
	/* The same program again, before its old connection was seen to end. */
	if (who->connection) {
		ctl_peer_close(who->connection->peer);
		who->connection->owner = NULL;
	}
	*connection = (struct connection){ .peer = peer, .owner = who, .handle = handle };
	who->connection = connection;
	ctl_peer_set_data(peer, connection);
	send_info(control, peer);
	send_identity(control, connection);
}

static void on_down(void *owner, struct ctl_peer *peer)
{
	struct control *control = owner;
	struct connection *connection = ctl_peer_data(peer);
	struct owner *who;

	if (!connection)
		return;
	who = connection->owner;
	if (who) {
		who->connection = NULL;
		owner_away(control, who);
	}
	pool_give(&control->connection_pool, connection->handle);
}

static void out_of_contract(struct connection *connection, const struct ctl_message *message)
{
	ctl_fail(connection->peer, message->request, ERR_SYNTAX, SLICE_NONE, SLICE_NONE,
		 SLICE("not a message for a relay"));
	ctl_peer_refuse(connection->peer, ERR_SYNTAX);
}

static void on_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct control *control = owner;
	struct connection *connection = ctl_peer_data(peer);

	if (!connection || !connection->owner)
		return; /* a newer connection took its place; it is about to be closed */
	if (message->type == CTL_session_set)
		request_session_set(control, connection, message);
	else if (message->type == CTL_session_close)
		request_session_close(control, connection, message);
	else if (message->type == CTL_realm_set)
		request_to_all(control, connection, message);
	else if (message->type == CTL_relay_identity && !message->relay_identity.today &&
		 slice_eq(connection->owner->program_name, SLICE("sbcd")))
		request_to_all(control, connection, message);
	else if (message->type == CTL_session_query &&
		 message->session_query.sessions_count <= QUERY_MAX)
		request_session_query(control, connection, message);
	else if (message->type == CTL_session_record)
		request_session_record(control, connection, message);
	else if (message->type == CTL_digit_send)
		request_digit_send(control, connection, message);
	else if (message->type == CTL_session_sync)
		owner_sync(control, connection->owner, message->request, &message->session_sync);
	else
		out_of_contract(connection, message);
}

/* ---- a new certificate ---- */

static void show_identity(struct control *control, struct dtls_identity *identity)
{
	struct ctl_message message = { .type = CTL_relay_identity,
				       .relay_identity = { .today = 1 } };
	struct arena arena;

	arena_init(&arena, &control->cache, 4096, 1u << 16);
	arena.wipe = true;
	if (dtls_identity_write(identity, &arena, &message.relay_identity.certificate,
				&message.relay_identity.key) == OK)
		request_to_all(control, NULL, &message);
	arena_fini(&arena);
	dtls_identity_destroy(&control->today);
	control->today = identity;
	list_each(node, &control->owners) {
		struct owner *owner = container_of(node, struct owner, link);

		if (!owner->connection)
			continue;
		send_info(control, owner->connection->peer);
		send_identity(control, owner->connection);
	}
}

/* Whoever is told of it from now on is shown it; associations and offers of before keep theirs. */
static void on_tomorrow(struct loop *loop, void *owner)
{
	struct control *control = owner;
	struct dtls_identity *identity;

	if (dtls_identity_create(&identity) == OK) {
		show_identity(control, identity);
		log_write(control->options.log, LOG_LEVEL_INFO, EVENT_certificate_changed,
			  LOG_U("after_s", control->options.certificate_s));
	}
	loop_timer_start(loop, &control->tomorrow, 1000ull * control->options.certificate_s);
}

/* ---- workers ---- */

static void on_event(struct control *control, const struct worker_reply *reply)
{
	struct owner *owner = owner_find(control, reply->owner);

	if (owner && owner->connection &&
	    ctl_send(owner->connection->peer, reply->message) != OK)
		ctl_peer_close(owner->connection->peer);
}

static void on_ended(struct control *control, const struct worker_reply *reply)
{
	struct owner *owner = owner_find(control, reply->owner);
	struct entry *entry = owner ? entry_find(control, owner, reply->session) : NULL;

	if (!entry)
		return;
	entry->live = false;
	if (entry->pending == 0)
		entry_destroy(control, entry);
}

static void on_reply(void *owner, const struct worker_reply *reply)
{
	struct control *control = owner;

	switch (reply->kind) {
	case WORKER_ANSWER:
		request_answered(control, reply);
		break;
	case WORKER_EVENT:
		on_event(control, reply);
		break;
	case WORKER_ENDED:
		on_ended(control, reply);
		break;
	}
}

static void on_wake(struct loop *loop, void *owner)
{
	struct control *control = owner;

	(void)loop;
	for (unsigned i = 0; i < control->options.workers; i++)
		worker_collect(control->workers[i]);
}

static void on_turn_end(struct loop *loop, void *owner)
{
	struct control *control = owner;

	for (unsigned i = 0; i < control->options.workers; i++)
		worker_flush(control->workers[i]);
	stats_set(stats_row(control->options.stats, 0), control->malformed,
		  ctl_server_malformed(control->server));
	if (control->draining && control->entries.count == 0) {
		log_write(control->options.log, LOG_LEVEL_INFO, EVENT_stopping,
			  LOG_T("why", "drained"));
		loop_stop(loop);
	}
}

void control_drain(struct control *control)
{
	control->draining = !control->draining;
	stats_set(stats_row(control->options.stats, 0), control->draining_id, control->draining);
	log_write(control->options.log, LOG_LEVEL_WARNING, EVENT_draining,
		  LOG_T("sessions", control->draining ? "no_new" : "new_again"),
		  LOG_U("live", control->entries.count));
}

/* ---- life ---- */

static enum err create_workers(struct control *control)
{
	struct worker_options options = { .loop = control->options.loop,
					  .log = control->options.log,
					  .stats = control->options.stats,
					  .count = control->options.workers,
					  .capacity = control->options.capacity,
					  .idle_open_max = control->options.idle_open_max,
					  .identity = control->identity,
					  .memory = control->options.memory,
					  .fastpath = control->options.fastpath,
					  .io_uring = control->options.io_uring,
					  .fn = on_reply,
					  .owner = control };
	enum err err = OK;

	for (unsigned i = 0; i < control->options.workers && err == OK; i++) {
		options.number = i;
		err = worker_create(&options, &control->workers[i]);
	}
	return err;
}

static enum err create_pools(struct control *control)
{
	enum err err = pool_init(&control->owner_pool, sizeof(struct owner), OWNERS_MAX);

	if (err == OK)
		err = pool_init(&control->connection_pool, sizeof(struct connection),
				CONNECTIONS_MAX);
	if (err == OK)
		err = pool_init(&control->entry_pool, sizeof(struct entry),
				control->options.capacity);
	if (err == OK)
		err = pool_init(&control->request_pool, sizeof(struct request), REQUESTS_MAX);
	if (err == OK)
		err = map_init(&control->entries, 1024);
	return err;
}

static enum err create_server(struct control *control)
{
	static const struct ctl_handlers handlers = { on_up, on_message, on_down };
	struct rand rand;

	rand_init(&rand);
	control->hello = (struct ctl_hello){ .version = CTL_VERSION,
					     .program = SLICE("media-relayd"),
					     .node = control->options.node,
					     .instance = rand_u64(&rand) };
	return ctl_server_create(control->options.loop, control->options.log,
				 control->options.path, &control->hello, &handlers, control,
				 &control->server);
}

enum err control_create(const struct control_options *options, struct control **ret)
{
	struct control *control;
	enum err err;

	if (options->workers < 1 || options->workers > WORKERS_MAX)
		return ERR_LIMIT;
	control = calloc(1, sizeof(*control));
	if (!control)
		return ERR_NOMEM;
	control->options = *options;
	list_init(&control->owners);
	arena_cache_init(&control->cache, 256u << 10);
	control->malformed = stats_series(options->stats, STATS_COUNTER,
					  "sbc_relay_ctl_malformed_total", "",
					  "control peers closed for what they sent");
	control->draining_id = stats_series(options->stats, STATS_GAUGE, "sbc_relay_draining", "",
					    "1: the relay takes no new sessions");
	loop_set_wake(options->loop, on_wake, control);
	err = create_pools(control);
	if (err == OK)
		err = dtls_identity_create(&control->identity);
	if (err == OK)
		err = create_workers(control);
	if (err == OK)
		err = create_server(control);
	if (err != OK) {
		control_destroy(&control);
		return err;
	}
	loop_hook_add(options->loop, &control->hook, on_turn_end, control);
	control->tomorrow = (struct loop_timer){ .fn = on_tomorrow, .owner = control };
	loop_timer_start(options->loop, &control->tomorrow, 1000ull * options->certificate_s);
	*ret = control;
	return OK;
}

void control_destroy(struct control **control)
{
	struct control *it = *control;

	if (!it)
		return;
	*control = NULL;
	ctl_server_destroy(&it->server);
	for (unsigned i = 0; i < it->options.workers; i++)
		worker_destroy(&it->workers[i]);
	loop_timer_stop(it->options.loop, &it->tomorrow);
	dtls_identity_destroy(&it->today);
	dtls_identity_destroy(&it->identity);
	list_remove(&it->hook.link);
	loop_set_wake(it->options.loop, NULL, NULL);
	list_each(node, &it->owners)
		arena_fini(&container_of(node, struct owner, link)->sync_arena);
	for (uint32_t cursor = 0;;) {
		struct request *request = pool_next(&it->request_pool, &cursor);

		if (!request)
			break;
		arena_fini(&request->arena);
	}
	arena_cache_fini(&it->cache);
	map_fini(&it->entries);
	pool_fini(&it->request_pool);
	pool_fini(&it->entry_pool);
	pool_fini(&it->connection_pool);
	pool_fini(&it->owner_pool);
	free(it);
}

/* SPDX-License-Identifier: MIT
 * A worker's line to the relay. Questions are pipelined; each answer finds its call by request id.
 * When the line breaks every open question is answered "gone"; when it is back the relay is told the
 * realms and which sessions live, and says which of them it has lost. */
#include "sbc/core/core_priv.h"

#include "lib/proc/proc.h"

#define SYNC_PAGE 512u

static struct hash128 request_key(uint32_t request)
{
	return (struct hash128){ request, 1 };
}

static struct pending *pending_find(struct link *link, uint32_t request)
{
	struct map_node *node = map_find(&link->by_request, request_key(request));

	return node ? container_of(node, struct pending, node) : NULL;
}

static void pending_done(struct link *link, struct pending *pending)
{
	map_remove(&link->by_request, &pending->node);
	pool_give(&link->pendings, pending->self);
}

void link_send(struct worker *worker, struct handle owner, uint32_t purpose,
	       struct ctl_message *message)
{
	struct link *link = &worker->link;
	struct ctl_peer *peer = ctl_client_peer(link->client);
	struct handle handle;
	struct pending *pending;
	struct turn turn = turn_now(worker);

	if (peer && purpose == CALL_RELAY_NO_ANSWER) {
		message->request = 0;
		(void)!ctl_send(peer, message); /* a lost line is told of by itself */
		return;
	}
	pending = peer ? pool_take(&link->pendings, &handle) : NULL;
	if (pending) {
		if (++link->next_request == 0)
			link->next_request = 1;
		*pending = (struct pending){ .self = handle,
					     .request = link->next_request,
					     .owner = owner,
					     .purpose = purpose };
		map_insert(&link->by_request, &pending->node, request_key(pending->request));
		message->request = pending->request;
		if (ctl_send(peer, message) == OK)
			return;
		pending_done(link, pending);
	}
	calls_on_relay(worker->calls, &turn, owner, purpose, NULL);
}

static struct ctl_relay_realm address_told(const struct conf_realm *realm,
					   const struct conf_media *media)
{
	struct ctl_relay_realm told = { .name = realm->name,
					.address = media->address,
					.port_min = media->port_min,
					.port_max = media->port_max,
					.dscp = 46 };

	if (media->advertise.len > 0)
		(void)!ip_parse(media->advertise, &told.shown);
	return told;
}

void link_send_realms(struct worker *worker)
{
	struct ctl_peer *peer = ctl_client_peer(worker->link.client);
	const struct settings *settings = worker->settings;
	struct ctl_message message = { .type = CTL_realm_set };
	struct ctl_relay_realm *realms;
	size_t count = 0;

	if (!peer)
		return;
	for (uint32_t i = 0; i < settings->realm_count; i++)
		count += conf_media_count(settings->realms[i].conf);
	realms = arena_array(&worker->arena, count + 1, sizeof(*realms));
	if (!realms)
		return;
	message.realm_set.realms = realms;
	for (uint32_t i = 0; i < settings->realm_count; i++) {
		const struct conf_realm *realm = settings->realms[i].conf;

		for (size_t at = 0; at < conf_media_count(realm); at++)
			realms[message.realm_set.realms_count++] =
				address_told(realm, conf_media_at(realm, at));
	}
	(void)!ctl_send(peer, &message);
}

static void send_sync(struct worker *worker, struct ctl_peer *peer)
{
	uint64_t sessions[SYNC_PAGE];
	struct ctl_session_ref refs[SYNC_PAGE];
	uint32_t cursor = 0;
	uint32_t count;

	do {
		struct ctl_message message = { .type = CTL_session_sync };

		count = calls_sessions(worker->calls, &cursor, sessions, SYNC_PAGE);
		for (uint32_t i = 0; i < count; i++)
			refs[i].session = sessions[i];
		message.session_sync.last = count < SYNC_PAGE;
		message.session_sync.sessions = refs;
		message.session_sync.sessions_count = count;
		(void)!ctl_send(peer, &message);
	} while (count == SYNC_PAGE);
}

/* ---- the relay's certificates ---- */

static struct slice certificate_of(const struct link_identity *it)
{
	return slice_of(it->certificate, it->certificate_bytes);
}

/* A relay that was started anew shows another one, but peers of before may come with the old one's
 * fingerprint: before it hears of their calls. */
static void send_identities(const struct link *link, struct ctl_peer *peer)
{
	for (unsigned i = 0; i < LINK_IDENTITIES; i++) {
		const struct link_identity *it = &link->identities[i];
		struct ctl_message message = {
			.type = CTL_relay_identity,
			.relay_identity = { .certificate = certificate_of(it),
					    .key = slice_of(it->key, it->key_bytes) },
		};

		if (it->certificate_bytes > 0)
			(void)!ctl_send(peer, &message);
	}
}

static void on_identity(struct link *link, const struct ctl_relay_identity *told)
{
	struct link_identity *it = &link->identities[link->identity_next % LINK_IDENTITIES];

	if (told->certificate.len == 0 || told->certificate.len > sizeof(it->certificate) ||
	    told->key.len == 0 || told->key.len > sizeof(it->key))
		return;
	for (unsigned i = 0; i < LINK_IDENTITIES; i++)
		if (slice_eq(certificate_of(&link->identities[i]), told->certificate))
			return;
	link->identity_next++;
	it->certificate_bytes = (uint16_t)told->certificate.len;
	it->key_bytes = (uint16_t)told->key.len;
	memcpy(it->certificate, told->certificate.p, told->certificate.len);
	memcpy(it->key, told->key.p, told->key.len);
}

/* ---- the line ---- */

static void on_up(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct worker *worker = owner;

	worker->link.up = true;
	log_write(worker->core->config.log, LOG_LEVEL_INFO, EVENT_relay_up,
		  LOG_U("worker", worker->index), LOG_S("peer_program", hello->program));
	link_send_realms(worker);
	send_identities(&worker->link, peer);
	send_sync(worker, peer);
	arena_reset(&worker->arena);
}

/* A relay that lost all of them names thousands: each is told in a turn of its own, for one turn has
 * no memory for so many commands. */
static void on_missing(struct worker *worker, const struct ctl_session_missing *missing)
{
	for (uint32_t i = 0; i < missing->sessions_count; i++) {
		struct turn turn = turn_begin(worker);

		calls_on_session_missing(worker->calls, &turn, missing->sessions[i].session);
		turn_end(worker);
	}
}

/* What was agreed stays; the next SDP says what the relay is now. */
static void on_info(struct link *link, const struct ctl_relay_info *info)
{
	struct media_relay can = { .suites = info->srtp_suites };

	if (info->dtls_fingerprint.len > 0 &&
	    info->dtls_fingerprint.len <= sizeof(can.fingerprint) &&
	    info->dtls_hash <= CTL_HASH_SHA512) {
		can.dtls_hash = info->dtls_hash;
		can.fingerprint_bytes = (uint8_t)info->dtls_fingerprint.len;
		memcpy(can.fingerprint, info->dtls_fingerprint.p, info->dtls_fingerprint.len);
	}
	link->can = can;
}

static void on_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct worker *worker = owner;
	struct pending *pending =
		message->request ? pending_find(&worker->link, message->request) : NULL;
	struct turn turn;

	(void)peer;
	if (message->type == CTL_session_missing) {
		on_missing(worker, &message->session_missing);
		return;
	}
	if (message->type == CTL_relay_info) {
		on_info(&worker->link, &message->relay_info);
		return;
	}
	if (message->type == CTL_relay_identity) {
		on_identity(&worker->link, &message->relay_identity);
		return;
	}
	turn = turn_begin(worker);
	if (pending) {
		struct handle call = pending->owner;
		uint32_t purpose = pending->purpose;

		pending_done(&worker->link, pending);
		calls_on_relay(worker->calls, &turn, call, purpose, message);
	} else if (message->type == CTL_media_event &&
		   message->media_event.kind == CTL_MEDIA_SECURITY_FAILED) {
		calls_on_insecure(worker->calls, &turn, &message->media_event);
	} else if (message->type == CTL_media_event) {
		calls_on_media_event(worker->calls, &turn, &message->media_event);
	} else if (message->type == CTL_failure) {
		log_write(worker->core->config.log, LOG_LEVEL_ERROR, EVENT_config_note,
			  LOG_T("from", "relay"), LOG_S("detail", message->failure.detail));
	}
	turn_end(worker);
}

static void on_down(void *owner, struct ctl_peer *peer)
{
	struct worker *worker = owner;
	struct link *link = &worker->link;
	uint32_t cursor = 0;
	struct pending *pending;

	(void)peer;
	link->up = false;
	log_write(worker->core->config.log, LOG_LEVEL_WARNING, EVENT_relay_down,
		  LOG_U("worker", worker->index), LOG_U("questions", link->pendings.live));
	while ((pending = pool_next(&link->pendings, &cursor))) {
		struct turn turn = turn_begin(worker);
		struct handle call = pending->owner;
		uint32_t purpose = pending->purpose;

		pending_done(link, pending);
		calls_on_relay(worker->calls, &turn, call, purpose, NULL);
		turn_end(worker);
	}
}

enum err link_init(struct worker *worker)
{
	static const struct ctl_handlers handlers = { .up = on_up,
						      .message = on_message,
						      .down = on_down };
	struct link *link = &worker->link;
	struct core *core = worker->core;
	const char *path =
		proc_path(&core->arena, core->config.conf->run_dir, "media-relayd.sock");
	enum err err;

	link->hello = core->hello;
	link->hello.worker = worker->index;
	err = pool_init(&link->pendings, sizeof(struct pending),
			core->config.conf->max_calls * 2 + 1024);
	if (err == OK)
		err = map_init(&link->by_request, 1024);
	if (err != OK || !path)
		return err != OK ? err : ERR_NOMEM;
	return ctl_client_create(worker->loop, core->config.log, path, &link->hello, &handlers,
				 worker, &link->client);
}

void link_fini(struct worker *worker)
{
	struct link *link = &worker->link;

	ctl_client_destroy(&link->client);
	explicit_bzero(link->identities, sizeof(link->identities));
	map_fini(&link->by_request);
	pool_fini(&link->pendings);
}

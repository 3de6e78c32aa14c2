/* SPDX-License-Identifier: MIT
 * Owners and their sessions. A connection that is lost leaves the sessions flowing; the owner that
 * comes back names what it knows, and what it does not name is left to end with its media. */
#include "media-relay/control/control_priv.h"

#include "lib/base/ensure.h"

struct owner *owner_find(struct control *control, uint32_t number)
{
	list_each(node, &control->owners) {
		struct owner *owner = container_of(node, struct owner, link);

		if (owner->number == number)
			return owner;
	}
	return NULL;
}

static struct slice keep(char storage[OWNER_TEXT_BYTES], struct slice text)
{
	size_t len = text.len < OWNER_TEXT_BYTES ? text.len : OWNER_TEXT_BYTES;

	if (len > 0)
		memcpy(storage, text.p, len);
	return slice_of(storage, len);
}

static bool owner_is(const struct owner *owner, const struct ctl_hello *hello)
{
	return owner->worker == hello->worker &&
	       slice_eq(owner->program_name, slice_head(hello->program, OWNER_TEXT_BYTES)) &&
	       slice_eq(owner->node_name, slice_head(hello->node, OWNER_TEXT_BYTES));
}

struct owner *owner_of_hello(struct control *control, const struct ctl_hello *hello)
{
	struct handle handle;
	struct owner *owner;

	list_each(node, &control->owners) {
		owner = container_of(node, struct owner, link);
		if (owner_is(owner, hello))
			return owner;
	}
	owner = pool_take(&control->owner_pool, &handle);
	if (!owner)
		return NULL;
	owner->handle = handle;
	owner->number = ++control->owner_last;
	owner->program_name = keep(owner->program, hello->program);
	owner->node_name = keep(owner->node, hello->node);
	owner->worker = hello->worker;
	list_init(&owner->entries);
	arena_init(&owner->sync_arena, &control->cache, 0, 1 << 20);
	list_add_tail(&control->owners, &owner->link);
	return owner;
}

void owner_release(struct control *control, struct owner *owner)
{
	if (owner->connection || owner->entry_count > 0)
		return;
	arena_fini(&owner->sync_arena);
	list_remove(&owner->link);
	pool_give(&control->owner_pool, owner->handle);
}

/* ---- entries ---- */

static struct hash128 entry_key(const struct owner *owner, uint64_t session)
{
	return (struct hash128){ session * UINT64_C(0x9e3779b97f4a7c15) >> 16 ^ session,
				 (uint64_t)owner->number << 32 ^ session };
}

struct entry *entry_find(struct control *control, const struct owner *owner, uint64_t session)
{
	struct map_node *node = map_find(&control->entries, entry_key(owner, session));

	for (; node; node = map_find_next(node)) {
		struct entry *entry = container_of(node, struct entry, node);

		if (entry->owner == owner && entry->session == session)
			return entry;
	}
	return NULL;
}

struct entry *entry_create(struct control *control, struct owner *owner, uint64_t session,
			   unsigned worker)
{
	struct handle handle;
	struct entry *entry = pool_take(&control->entry_pool, &handle);

	if (!entry)
		return NULL;
	entry->handle = handle;
	entry->owner = owner;
	entry->session = session;
	entry->worker = worker;
	control->load[worker]++;
	owner->entry_count++;
	list_add_tail(&owner->entries, &entry->link);
	map_insert(&control->entries, &entry->node, entry_key(owner, session));
	return entry;
}

void entry_destroy(struct control *control, struct entry *entry)
{
	struct owner *owner = entry->owner;

	control->load[entry->worker]--;
	owner->entry_count--;
	list_remove(&entry->link);
	map_remove(&control->entries, &entry->node);
	pool_give(&control->entry_pool, entry->handle);
	owner_release(control, owner);
}

/* ---- coming and going ---- */

/* Leases have room of their own in the ring; a worker that does not even take these is stuck. What
 * was not said is said by the owner's next session_sync. */
static void post_lease(struct control *control, unsigned worker,
		       const struct worker_command *command)
{
	if (worker_post(control->workers[worker], command) != OK)
		log_write(control->options.log, LOG_LEVEL_ERROR, EVENT_session_orphaned,
			  LOG_U("worker", worker), LOG_T("why", "it takes no commands"));
}

void owner_away(struct control *control, struct owner *owner)
{
	struct worker_command command = { .verb = WORKER_LEASE_OWNER,
					  .owner = owner->number,
					  .lease = LEASE_AWAY };

	owner->syncing = false;
	arena_fini(&owner->sync_arena);
	if (owner->entry_count > 0)
		log_write(control->options.log, LOG_LEVEL_INFO, EVENT_session_orphaned,
			  LOG_S("peer_program", owner->program_name), LOG_U("worker", owner->worker),
			  LOG_U("sessions", owner->entry_count), LOG_T("why", "away"));
	for (unsigned i = 0; i < control->options.workers; i++)
		post_lease(control, i, &command);
	owner_release(control, owner);
}

static void lease_entry(struct control *control, const struct entry *entry,
			enum session_lease lease)
{
	struct worker_command command = { .verb = WORKER_LEASE,
					  .owner = entry->owner->number,
					  .session = entry->session,
					  .lease = (uint8_t)lease };

	post_lease(control, entry->worker, &command);
}

static void send_missing(struct owner *owner, uint32_t request)
{
	struct ctl_message message = {
		.type = CTL_session_missing,
		.request = request,
		.session_missing = { .sessions = owner->missing,
				     .sessions_count = owner->missing_count },
	};

	owner->missing_count = 0;
	if (ctl_send(owner->connection->peer, &message) != OK)
		ctl_peer_close(owner->connection->peer);
}

static bool sync_begin(struct owner *owner)
{
	if (owner->syncing)
		return true;
	owner->missing = arena_array(&owner->sync_arena, MISSING_MAX, sizeof(*owner->missing));
	if (!owner->missing)
		return false;
	owner->syncing = true;
	owner->missing_count = 0;
	owner->round++;
	return true;
}

static void sync_one(struct control *control, struct owner *owner, uint64_t session)
{
	struct entry *entry = entry_find(control, owner, session);

	if (entry) {
		entry->round = owner->round;
		lease_entry(control, entry, LEASE_OWNED);
		return;
	}
	owner->missing[owner->missing_count++].session = session;
	if (owner->missing_count == MISSING_MAX)
		send_missing(owner, 0);
}

static void sync_end(struct control *control, struct owner *owner, uint32_t request)
{
	uint32_t orphans = 0;

	send_missing(owner, request);
	owner->syncing = false;
	arena_fini(&owner->sync_arena);
	list_each(node, &owner->entries) {
		struct entry *entry = container_of(node, struct entry, link);

		if (entry->round == owner->round)
			continue;
		lease_entry(control, entry, LEASE_ORPHAN);
		orphans++;
	}
	if (orphans > 0)
		log_write(control->options.log, LOG_LEVEL_WARNING, EVENT_session_orphaned,
			  LOG_S("peer_program", owner->program_name), LOG_U("worker", owner->worker),
			  LOG_U("sessions", orphans), LOG_T("why", "not_named"));
}

void owner_sync(struct control *control, struct owner *owner, uint32_t request,
		const struct ctl_session_sync *sync)
{
	if (!sync_begin(owner)) {
		ctl_fail(owner->connection->peer, request, ERR_NOMEM, SLICE_NONE, SLICE_NONE,
			 SLICE_NONE);
		return;
	}
	for (uint32_t i = 0; i < sync->sessions_count; i++)
		sync_one(control, owner, sync->sessions[i].session);
	if (sync->last)
		sync_end(control, owner, request);
}

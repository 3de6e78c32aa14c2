/* SPDX-License-Identifier: MIT
 * The control socket: questions of mgmt-apid about calls, trunks, readiness, and its commands. */
#include "sbc/core/question.h"

#include <stdlib.h>

#include "lib/proc/proc.h"

#define PAGE_MAX_CALLS 40u
#define TRUNK_PAGE_MAX 500u
#define CURSOR(worker, slot) ((uint64_t)(worker) << 48 | (slot))
#define CURSOR_WORKER(cursor) ((uint32_t)((cursor) >> 48))
#define CURSOR_SLOT(cursor) ((cursor) & ((UINT64_C(1) << 48) - 1))

/* ---- peers: an answer may come home after its peer has left ---- */

bool control_peer_lives(const struct core *core, const struct ctl_peer *peer, uint64_t serial)
{
	for (size_t i = 0; i < CORE_MAX_PEERS; i++)
		if (core->peers[i].peer == peer && core->peers[i].serial == serial)
			return true;
	return false;
}

uint64_t control_peer_serial(const struct core *core, const struct ctl_peer *peer)
{
	for (size_t i = 0; i < CORE_MAX_PEERS; i++)
		if (core->peers[i].peer == peer)
			return core->peers[i].serial;
	return 0;
}

static void on_up(void *owner, struct ctl_peer *peer, const struct ctl_hello *hello)
{
	struct core *core = owner;

	log_write(core->config.log, LOG_LEVEL_INFO, EVENT_ctl_connected,
		  LOG_S("peer_program", hello->program));
	for (size_t i = 0; i < CORE_MAX_PEERS; i++) {
		if (core->peers[i].peer)
			continue;
		core->peers[i].peer = peer;
		core->peers[i].serial = ++core->peer_serial;
		return;
	}
	ctl_peer_close(peer);
}

static void on_down(void *owner, struct ctl_peer *peer)
{
	struct core *core = owner;

	for (size_t i = 0; i < CORE_MAX_PEERS; i++)
		if (core->peers[i].peer == peer)
			core->peers[i].peer = NULL;
}

/* ---- calls ---- */

/* Makes the answer own its bytes: what it points to belongs to calls of this worker's thread.
 * ERR_LIMIT: too much for one message. */
static enum err answer_own(struct question *question)
{
	char *bytes = arena_alloc(&question->arena, CTL_MAX_BYTES);
	size_t len;
	enum err err;

	if (!bytes)
		return ERR_NOMEM;
	err = ctl_encode(&question->answer, bytes, CTL_MAX_BYTES, &len);
	return err == OK ? ctl_decode(&question->arena, bytes, len, &question->answer) : err;
}

static enum err page_fill(struct worker *worker, struct question *question, uint64_t *ret_slot)
{
	struct ctl_calls_page *page = &question->answer.calls_page;
	enum err err;

	*ret_slot = CURSOR_SLOT(question->cursor);
	err = calls_page(worker->calls, &question->arena, ret_slot, question->limit, &page->calls,
			 &page->calls_count);
	return err == OK ? answer_own(question) : err;
}

static bool page_visit(struct worker *worker, struct question *question)
{
	struct ctl_calls_page *page = &question->answer.calls_page;
	bool last_worker = worker->index + 1 == worker->core->worker_count;
	uint64_t slot;

	question->answer.type = CTL_calls_page;
	while (page_fill(worker, question, &slot) == ERR_LIMIT && question->limit > 1)
		question->limit /= 2;
	if (slot) {
		page->next = CURSOR(worker->index, slot);
		return false;
	}
	page->next = last_worker ? 0 : CURSOR(worker->index + 1, 0);
	question->cursor = 0;
	return page->calls_count == 0;
}

static bool show_visit(struct worker *worker, struct question *question)
{
	struct ctl_call_info *info = arena_new(&question->arena, struct ctl_call_info);

	question->answer.type = CTL_calls_page;
	if (!info || calls_show(worker->calls, &question->arena, question->text, info) != OK)
		return true;
	question->answer.calls_page.calls = info;
	question->answer.calls_page.calls_count = 1;
	if (answer_own(question) != OK)
		question->answer.calls_page.calls_count = 0;
	return false;
}

static void on_calls_list(struct core *core, struct ctl_peer *peer,
			  const struct ctl_message *message)
{
	const struct ctl_calls_list *list = &message->calls_list;
	bool one = list->id.len > 0;
	struct question *question =
		question_new(core, peer, message->request, one ? show_visit : page_visit);

	if (!question)
		return;
	question->limit = list->limit > 0 && list->limit < PAGE_MAX_CALLS ? list->limit :
									   PAGE_MAX_CALLS;
	question->cursor = list->cursor;
	question->at = one ? 0 : CURSOR_WORKER(list->cursor);
	if (question->at >= core->worker_count ||
	    arena_keep(&question->arena, list->id, &question->text) != OK)
		question_refuse(question, ERR_SYNTAX, SLICE_NONE, SLICE_NONE,
				SLICE("this cursor was not given out here"));
	else
		question_ask(question);
}

static bool hangup_visit(struct worker *worker, struct question *question)
{
	struct turn turn = turn_begin(worker);
	enum err err = calls_hangup(worker->calls, &turn, question->text);

	turn_end(worker);
	if (err == OK)
		question->answer = (struct ctl_message){ .type = CTL_done,
							 .request = question->answer.request };
	return err != OK;
}

static void on_hangup(struct core *core, struct ctl_peer *peer, const struct ctl_message *message)
{
	struct question *question = question_new(core, peer, message->request, hangup_visit);

	if (!question)
		return;
	question->answer.type = CTL_failure;
	question->answer.failure.err = ERR_NOENT;
	question->answer.failure.detail = SLICE("there is no such call");
	if (arena_keep(&question->arena, message->call_hangup.id, &question->text) == OK)
		question_ask(question);
	else
		question_refuse(question, ERR_NOMEM, SLICE_NONE, SLICE_NONE, SLICE_NONE);
}

/* ---- trunks ---- */

static bool trunk_visit(struct worker *worker, struct question *question)
{
	struct ctl_trunk_page *page = &question->answer.trunk_page;

	for (uint32_t i = 0; i < page->trunks_count; i++) {
		uint32_t calls = 0;
		uint32_t cps = 0;

		policy_load(worker->policy, page->trunks[i].name, worker->loop->now_ms, &calls,
			    &cps);
		page->trunks[i].calls += calls;
		page->trunks[i].cps += cps;
	}
	return true;
}

static enum err gateway_fill(struct health *health, struct arena *arena,
			     const struct conf_trunk *trunk, const struct conf_gateway *gateway,
			     struct ctl_gateway_status *ret)
{
	struct health_view view;

	health_read(health, trunk, gateway, &view);
	ret->state = slice_text(health_state_name(view.state));
	ret->last_code = view.last_code;
	ret->rtt_us = view.rtt_us;
	ret->changed_unix_ms = view.changed_unix_ms;
	return arena_keep(arena, gateway->uri, &ret->uri);
}

static enum err trunk_fill(struct health *health, struct arena *arena,
			   const struct conf_trunk *trunk, struct ctl_trunk_status *ret)
{
	enum err err = arena_keep(arena, trunk->name, &ret->name);

	ret->gateways = arena_array(arena, trunk->gateway_count, sizeof(*ret->gateways));
	if (!ret->gateways)
		return ERR_NOMEM;
	ret->gateways_count = (uint32_t)trunk->gateway_count;
	for (size_t i = 0; i < trunk->gateway_count && err == OK; i++)
		err = gateway_fill(health, arena, trunk, &trunk->gateways[i], &ret->gateways[i]);
	return err;
}

/* At most so many bytes on the wire. The document's limits (64 gateways of 256 bytes) keep one trunk
 * far below a message. */
static size_t trunk_max_bytes(const struct conf_trunk *trunk)
{
	size_t bytes = 64 + trunk->name.len;

	for (size_t i = 0; i < trunk->gateway_count; i++)
		bytes += 64 + trunk->gateways[i].uri.len;
	return bytes;
}

/* From the cursor on, until the page has `limit` trunks or one more might not fit into a message. A
 * new configuration between two pages moves the places: a trunk may then be missing or come twice,
 * which the next look puts right. */
static enum err trunk_page_fill(const struct core *core, const struct ctl_trunk_query *query,
				struct arena *arena, struct ctl_trunk_page *page)
{
	const struct settings *settings = core->workers[0].settings;
	uint32_t limit = query->limit > 0 ? query->limit : TRUNK_PAGE_MAX;
	size_t left = CTL_MAX_BYTES - 64;
	enum err err = OK;

	if (limit > TRUNK_PAGE_MAX)
		limit = TRUNK_PAGE_MAX;
	page->trunks = arena_array(arena, limit, sizeof(*page->trunks));
	if (!page->trunks)
		return ERR_NOMEM;
	for (uint32_t i = query->cursor; err == OK && i < settings->trunk_count; i++) {
		const struct conf_trunk *trunk = settings->trunks[i].conf;
		size_t bytes = trunk_max_bytes(trunk);

		if (query->name.len > 0 && !slice_eq(query->name, trunk->name))
			continue;
		if (page->trunks_count == limit || bytes > left) {
			page->next = i;
			break;
		}
		left -= bytes;
		err = trunk_fill(core->health, arena, trunk, &page->trunks[page->trunks_count++]);
	}
	return err;
}

static void on_trunk_query(struct core *core, struct ctl_peer *peer,
			   const struct ctl_message *message)
{
	struct question *question = question_new(core, peer, message->request, trunk_visit);
	enum err err;

	if (!question)
		return;
	question->answer.type = CTL_trunk_page;
	err = trunk_page_fill(core, &message->trunk_query, &question->arena,
			      &question->answer.trunk_page);
	if (err == OK)
		question_ask(question);
	else
		question_refuse(question, err, SLICE_NONE, SLICE_NONE, SLICE_NONE);
}

/* ---- readiness ---- */

static void on_ready_query(struct core *core, struct ctl_peer *peer,
			   const struct ctl_message *message)
{
	struct ctl_message answer = { .type = CTL_ready_status, .request = message->request };
	struct worker *worker = &core->workers[0];

	answer.ready_status = (struct ctl_ready_status){
		.relay = worker->link.up,
		.ready = worker->link.up && !core->draining,
		.calls = calls_live(worker->calls),
		.config_version = core->config_version,
		.detail = worker->link.up ? SLICE("") : SLICE("media-relayd is not connected"),
	};
	(void)!ctl_send(peer, &answer);
}

static void on_message(void *owner, struct ctl_peer *peer, const struct ctl_message *message)
{
	static const struct {
		enum ctl_type type;
		void (*fn)(struct core *core, struct ctl_peer *peer,
			   const struct ctl_message *message);
	} table[] = {
		{ CTL_calls_list, on_calls_list },   { CTL_call_hangup, on_hangup },
		{ CTL_trunk_query, on_trunk_query }, { CTL_ready_query, on_ready_query },
		{ CTL_config_apply, control_on_config_apply },
	};

	for (size_t i = 0; i < array_size(table); i++) {
		if (table[i].type == message->type) {
			table[i].fn(owner, peer, message);
			return;
		}
	}
	ctl_fail(peer, message->request, ERR_UNSUPPORTED, SLICE_NONE, SLICE_NONE,
		 SLICE("sbcd does not answer this message"));
}

enum err control_init(struct core *core)
{
	static const struct ctl_handlers handlers = { .up = on_up,
						      .message = on_message,
						      .down = on_down };
	const char *path = proc_path(&core->arena, core->config.conf->run_dir, "sbcd.sock");

	if (!path)
		return ERR_NOMEM;
	return ctl_server_create(core->config.loop, core->config.log, path, &core->hello,
				 &handlers, core, &core->server);
}

void control_fini(struct core *core)
{
	if (core->server)
		ctl_server_destroy(&core->server);
}

/* SPDX-License-Identifier: MIT
 * Commands on sessions. A session_set is planned whole (objects, then ports) before anything that
 * flows is touched, so that a refusal changes nothing. */
#include "media-relay/worker/worker_priv.h"

#include <errno.h>

#include "lib/base/ensure.h"
#include "media-relay/session/digits.h"

#define SIDES_MAX (2u * SESSION_MAX_STREAMS)
#define EXHAUSTED_LOG_MS 1000u

void worker_fail(struct ctl_message *answer, enum err err, const char *detail)
{
	answer->type = CTL_failure;
	answer->failure = (struct ctl_failure){ .err = err, .detail = slice_text(detail) };
}

/* ---- ports of a side ---- */

static struct port_pair *pair_of(const struct flow *rtp)
{
	struct io_port *port = rtp->port;

	return container_of(port, struct port_pair, ports[0]);
}

struct way *worker_way_of(const struct flow *rtp)
{
	return &pair_of(rtp)->way;
}

uint8_t worker_flow_dscp(const struct worker *worker, const struct flow *flow)
{
	return worker->addresses[flow->side->other->address].pool.dscp;
}

/* What was told of one side decides on what arrives at either. */
void worker_review(struct worker *worker, const struct stream *stream)
{
	for (unsigned i = 0; i < 2; i++)
		if (stream->sides[i].flows[COMPONENT_RTP].port)
			way_review(worker, worker_way_of(&stream->sides[i].flows[COMPONENT_RTP]));
}

static void side_give_ports(struct worker *worker, struct side *side)
{
	struct address *address = &worker->addresses[side->address];

	if (!side->flows[COMPONENT_RTP].port)
		return;
	worker_forget(worker, side);
	way_close(worker, worker_way_of(&side->flows[COMPONENT_RTP]));
	port_pool_give(&address->pool, pair_of(&side->flows[COMPONENT_RTP]), worker->loop->now_ms);
	side_clear(side);
	worker_address_touch(worker, side->address);
}

static void stream_end(struct worker *worker, struct stream *stream)
{
	side_give_ports(worker, &stream->sides[0]);
	side_give_ports(worker, &stream->sides[1]);
	stream_destroy(&worker->sessions, stream);
}

void worker_end_session(struct worker *worker, struct session *session)
{
	worker_record_stop(worker, session);
	list_each(node, &session->streams)
		stream_end(worker, container_of(node, struct stream, link));
	session_destroy(&worker->sessions, session);
	stats_set(worker->stats.row, worker->stats.sessions, worker->sessions.session_pool.live);
}

/* ---- session_set ---- */

struct plan {
	struct worker *worker;
	const struct ctl_session_set *set;
	struct session *session;
	bool made; /* the session is new */
	struct {
		struct side *side; /* NULL: nothing to do */
		uint32_t address;
		struct port_pair *pair; /* newly taken */
	} steps[SIDES_MAX];
	uint32_t step_count;
	const char *wrong;
};

static bool side_in_realm(const struct worker *worker, const struct side *side, struct slice name)
{
	const struct address *address = &worker->addresses[side->address];

	return side->flows[COMPONENT_RTP].port &&
	       (name.len == 0 || slice_eq(name, slice_of(address->name, address->name_len)));
}

/* A session keeps its ports while its realm has the same name, even when the range was changed or the
 * address taken out. */
static bool keeps_ports(const struct worker *worker, const struct side *side,
			const struct ctl_stream_set *told)
{
	return side_in_realm(worker, side, told->realm) &&
	       worker_address_fits(&worker->addresses[side->address], &told->local);
}

static bool remote_fits(const struct endpoint *remote, uint8_t family)
{
	return remote->ip.family == IP_NONE || remote->ip.family == family;
}

static enum err plan_families(struct plan *plan, const struct ctl_stream_set *told,
			      uint32_t address)
{
	uint8_t ours = plan->worker->addresses[address].pool.address.family;

	if (remote_fits(&told->remote_rtp, ours) && remote_fits(&told->remote_rtcp, ours))
		return OK;
	plan->wrong = "remote: another IP version than the address's";
	return ERR_UNSUPPORTED;
}

/* All streams of a side are best on one address: SDP then has one c= line. */
static uint32_t address_beside(const struct plan *plan, const struct ctl_stream_set *told)
{
	for (uint32_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i].side && plan->steps[i].side->number == told->side)
			return plan->steps[i].address;
	list_each(node, &plan->session->streams) {
		const struct stream *stream = container_of(node, struct stream, link);
		const struct side *side = &stream->sides[told->side];

		if (side_in_realm(plan->worker, side, told->realm))
			return side->address;
	}
	return ADDRESS_SLOTS;
}

static const char *ports_wrong(enum err err)
{
	if (err == ERR_NOENT)
		return "realm: there is none of this name";
	if (err == ERR_UNSUPPORTED)
		return "local: the realm has no such address";
	if (err == ERR_EXHAUSTED)
		return "no port is left in the realm";
	return err_text(err);
}

static enum err plan_ports(struct plan *plan, const struct ctl_stream_set *told,
			   const struct side *side, uint32_t at)
{
	const struct address *had = &plan->worker->addresses[side->address];
	struct wish wish = { .realm = told->realm,
			     .local = told->local,
			     .port = told->want_port,
			     .beside = address_beside(plan, told) };
	enum err err;

	if (wish.realm.len == 0 && side->flows[COMPONENT_RTP].port)
		wish.realm = slice_of(had->name, had->name_len);
	if (wish.local.family == IP_NONE)
		wish.local.family = told->remote_rtp.ip.family;
	err = worker_take_pair(plan->worker, &wish, &plan->steps[at].address,
			       &plan->steps[at].pair);
	if (err == OK)
		return OK;
	plan->wrong = ports_wrong(err);
	if ((int)err != -EMFILE && (int)err != -ENFILE)
		return err;
	plan->wrong = "no file descriptor is left";
	return ERR_EXHAUSTED;
}

static enum err plan_security(struct plan *plan, const struct ctl_stream_set *told,
			      struct side *side)
{
	enum err err = session_prepare_channel(&plan->worker->sessions, side, told);

	if (err == OK)
		err = session_prepare(&plan->worker->sessions, side, told);
	if (err == OK)
		err = session_prepare_digits(&plan->worker->sessions, side, told);
	if (err != OK)
		plan->wrong = "security or digits: out of memory";
	return err;
}

static enum err plan_side(struct plan *plan, const struct ctl_stream_set *told, uint32_t at)
{
	struct stream *stream;
	struct side *side;
	enum err err = OK;

	if (told->flags & CTL_STREAM_REMOVE)
		return OK;
	stream = stream_create(&plan->worker->sessions, plan->session, told->stream);
	if (!stream) {
		plan->wrong = "too many streams";
		return ERR_EXHAUSTED;
	}
	side = &stream->sides[told->side];
	plan->steps[at].address = side->address;
	if (!keeps_ports(plan->worker, side, told))
		err = plan_ports(plan, told, side, at);
	if (err == OK)
		err = plan_families(plan, told, plan->steps[at].address);
	if (err == OK)
		err = plan_security(plan, told, side);
	if (err == OK)
		plan->steps[at].side = side;
	return err;
}

/* Takes back what was planned. */
static void plan_drop(struct plan *plan)
{
	struct worker *worker = plan->worker;

	for (uint32_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i].pair)
			port_pool_untake(&worker->addresses[plan->steps[i].address].pool,
					 plan->steps[i].pair);
	list_each(node, &plan->session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		if (!stream->sides[0].flows[COMPONENT_RTP].port &&
		    !stream->sides[1].flows[COMPONENT_RTP].port)
			stream_destroy(&worker->sessions, stream);
	}
	if (plan->made)
		session_destroy(&worker->sessions, plan->session);
}

static enum err plan_make(struct plan *plan, uint32_t owner)
{
	struct worker *worker = plan->worker;
	enum err err = OK;

	plan->session = session_find(&worker->sessions, owner, plan->set->session);
	if (!plan->session) {
		plan->session = session_create(&worker->sessions, owner, plan->set->session,
					       worker->loop->now_ms);
		plan->made = true;
	}
	if (!plan->session) {
		plan->wrong = "too many sessions";
		return ERR_EXHAUSTED;
	}
	for (uint32_t i = 0; i < plan->set->streams_count && err == OK; i++) {
		plan->step_count = i + 1;
		err = plan_side(plan, &plan->set->streams[i], i);
	}
	if (err != OK)
		plan_drop(plan);
	return err;
}

static void apply_side(struct plan *plan, uint32_t at)
{
	struct worker *worker = plan->worker;
	struct side *side = plan->steps[at].side;
	struct port_pair *pair = plan->steps[at].pair;
	struct side_ports ports = { .address = plan->steps[at].address };
	uint32_t left = 0;

	if (pair) {
		side_give_ports(worker, side);
		way_open(&pair->way, &side->flows[COMPONENT_RTP]);
		if (plan->set->streams[at].want_port != 0)
			left = worker_take_left(worker, plan->session, &plan->set->streams[at],
						&pair->ports[0].local);
		for (unsigned i = 0; i < COMPONENTS; i++) {
			ports.local[i] = pair->ports[i].local;
			ports.port[i] = &pair->ports[i];
			io_port_use(&pair->ports[i], &side->flows[i],
				    worker->addresses[ports.address].pool.dscp);
		}
	} else {
		way_take(worker, worker_way_of(&side->flows[COMPONENT_RTP]));
	}
	side_set(side, &plan->set->streams[at], pair ? &ports : NULL, worker->loop->now_ms);
	if (session_secure(side, &plan->set->streams[at], worker->loop->now_ms) != OK)
		log_write(worker->options.log, LOG_LEVEL_ERROR, EVENT_failed,
			  LOG_U("session", plan->session->id), LOG_U("side", side->number),
			  LOG_T("why", "no memory for keys: nothing passes"));
	session_set_channel(&worker->sessions, side, &plan->set->streams[at], worker->loop->now_ms);
	side->recorded = plan->session->recording != NULL;
	worker_recall(worker, side, left);
	worker_remember(worker, side);
	worker_review(worker, side->stream);
	worker_address_touch(worker, side->address);
}

static void apply(struct plan *plan)
{
	struct worker *worker = plan->worker;

	for (uint32_t i = 0; i < plan->set->streams_count; i++) {
		const struct ctl_stream_set *told = &plan->set->streams[i];
		struct stream *stream = session_stream(plan->session, told->stream);

		if (plan->steps[i].side)
			apply_side(plan, i);
		else if (stream)
			stream_end(worker, stream);
	}
	session_set_lease(&worker->sessions, plan->session, LEASE_OWNED, worker->loop->now_ms);
	session_set_limits(&worker->sessions, plan->session,
			   &(struct session_limits){ .first_ms = plan->set->first_timeout_ms,
						     .silence_ms = plan->set->timeout_ms,
						     .hold_ms = plan->set->hold_timeout_ms,
						     .one_way_ms = plan->set->one_way_ms },
			   worker->loop->now_ms);
}

static uint32_t side_count(const struct session *session)
{
	uint32_t count = 0;

	list_each(node, &session->streams)
		count += 2;
	return count;
}

static bool side_answer(const struct worker *worker, const struct side *side,
			struct ctl_stream_ports *ret)
{
	if (!side->flows[COMPONENT_RTP].port)
		return false;
	*ret = (struct ctl_stream_ports){
		.stream = side->stream->number,
		.side = side->number,
		.local_rtp = side->flows[COMPONENT_RTP].local,
		.local_rtcp = side->flows[side->rtcp_mux ? COMPONENT_RTP : COMPONENT_RTCP].local,
		.shown = worker->addresses[side->address].shown,
	};
	return true;
}

static void answer_ports(struct worker *worker, const struct session *session,
			 struct ctl_message *answer)
{
	struct ctl_stream_ports *streams;
	uint32_t count = 0;

	streams = arena_array(&worker->arena, side_count(session) + 1, sizeof(*streams));
	if (!streams) {
		worker_fail(answer, ERR_NOMEM, "out of memory");
		return;
	}
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		for (unsigned i = 0; i < 2; i++)
			count += side_answer(worker, &stream->sides[i], &streams[count]);
	}
	answer->type = CTL_session_ports;
	answer->session_ports = (struct ctl_session_ports){ .session = session->id,
							    .streams = streams,
							    .streams_count = count };
}

static void log_exhausted(struct worker *worker, const char *why)
{
	uint64_t now_ms = worker->loop->now_ms;

	stats_add(worker->stats.row, worker->stats.port_failures, 1);
	if (worker->exhausted_logged_ms != 0 &&
	    now_ms - worker->exhausted_logged_ms < EXHAUSTED_LOG_MS)
		return;
	worker->exhausted_logged_ms = now_ms;
	log_write(worker->options.log, LOG_LEVEL_WARNING, EVENT_ports_exhausted, LOG_T("why", why));
}

static void execute_set(struct worker *worker, uint32_t owner, const struct ctl_session_set *set,
			struct ctl_message *answer)
{
	struct plan plan = { .worker = worker, .set = set, .wrong = session_check(set) };
	enum err err = plan.wrong ? ERR_SYNTAX : plan_make(&plan, owner);

	if (err == ERR_EXHAUSTED)
		log_exhausted(worker, plan.wrong);
	if (err != OK) {
		worker_fail(answer, err, plan.wrong);
		return;
	}
	apply(&plan);
	answer_ports(worker, plan.session, answer);
	if (plan.made) {
		worker_memory_tick(worker);
		stats_set(worker->stats.row, worker->stats.sessions,
			  worker->sessions.session_pool.live);
		log_write(worker->options.log, LOG_LEVEL_DEBUG, EVENT_session_opened,
			  LOG_U("session", set->session));
	}
}

/* ---- figures ---- */

static struct way *way_of_side(struct side *side)
{
	const struct flow *rtp = &side->flows[COMPONENT_RTP];

	return rtp->port ? worker_way_of(rtp) : NULL;
}

/* What one side sends is what the other is sent: both are brought up to date first. */
static void put_stream(struct worker *worker, struct stream *stream, struct ctl_stream_stats ret[2])
{
	ways_take(worker, stream);
	for (unsigned i = 0; i < 2; i++) {
		const struct way *way = way_of_side(&stream->sides[i]);

		side_stats(&stream->sides[i], worker->loop->now_ms, worker->loop->now_unix_ms,
			   &ret[i]);
		side_states(&stream->sides[i], &worker->arena, &ret[i]);
		ret[i].way = (uint8_t)(way ? way->now : CTL_WAY_SOCKET);
		ret[i].way_reason = slice_text(way_reason(worker, way));
	}
}

static enum err put_stats(struct worker *worker, const struct session *session,
			  struct ctl_session_stats *ret)
{
	struct ctl_stream_stats *streams;
	uint32_t count = 0;

	streams = arena_array(&worker->arena, side_count(session) + 1, sizeof(*streams));
	if (!streams)
		return ERR_NOMEM;
	list_each(node, &session->streams) {
		put_stream(worker, container_of(node, struct stream, link), &streams[count]);
		count += 2;
	}
	*ret = (struct ctl_session_stats){ .session = session->id,
					  .streams = streams,
					  .streams_count = count };
	worker_record_stats(session, ret);
	return OK;
}

static void execute_close(struct worker *worker, uint32_t owner, uint64_t id,
			  struct ctl_message *answer)
{
	struct session *session = session_find(&worker->sessions, owner, id);

	if (!session) {
		worker_fail(answer, ERR_NOENT, "session: there is none of this number");
		return;
	}
	answer->type = CTL_session_stats;
	if (put_stats(worker, session, &answer->session_stats) != OK)
		answer->session_stats.session = id; /* it ends without its figures */
	worker_end_session(worker, session);
	log_write(worker->options.log, LOG_LEVEL_DEBUG, EVENT_session_closed, LOG_U("session", id));
}

static void execute_query(struct worker *worker, uint32_t owner,
			  const struct ctl_session_query *query, struct ctl_message *answer)
{
	struct ctl_session_stats *found;
	uint32_t count = 0;

	found = arena_array(&worker->arena, query->sessions_count + 1, sizeof(*found));
	for (uint32_t i = 0; found && i < query->sessions_count; i++) {
		struct session *session =
			session_find(&worker->sessions, owner, query->sessions[i].session);

		if (session && put_stats(worker, session, &found[count]) != OK)
			found = NULL;
		else if (session)
			count++;
	}
	if (!found) {
		worker_fail(answer, ERR_NOMEM, "too many sessions at once");
		return;
	}
	answer->type = CTL_session_figures;
	answer->session_figures = (struct ctl_session_figures){ .sessions = found,
							      .sessions_count = count };
}

/* ---- digits ---- */

/* What the kernel forwards goes through the stages from now on, so that the digit finds its numbers. */
static void execute_digit(struct worker *worker, uint32_t owner, const struct ctl_digit_send *told,
			  struct ctl_message *answer)
{
	struct session *session = session_find(&worker->sessions, owner, told->session);
	struct stream *stream = session ? session_stream(session, told->stream) : NULL;
	const char *wrong = "session, stream: there is none of this number";
	enum err err = ERR_NOENT;

	if (stream)
		err = session_digit(&worker->sessions, stream, told, worker->loop->now_ms, &wrong);
	if (err != OK) {
		worker_fail(answer, err, wrong ? wrong : err_text(err));
		return;
	}
	worker_review(worker, stream);
	answer->type = CTL_done;
}

/* ---- certificates ---- */

static void execute_identity(struct worker *worker, const struct ctl_relay_identity *told,
			     struct ctl_message *ret_answer)
{
	struct dtls_identity *identity;
	enum err err = dtls_identity_read(told->certificate, told->key, &identity);

	if (err != OK) {
		worker_fail(ret_answer, err, "no certificate with its key");
		return;
	}
	dtls_engine_know(worker->sessions.dtls, identity, told->today);
	ret_answer->type = CTL_done;
}

/* ---- entry ---- */

void worker_execute(struct worker *worker, uint32_t owner, const struct ctl_message *message,
		    struct ctl_message *ret_answer)
{
	memset(ret_answer, 0, sizeof(*ret_answer));
	arena_reset(&worker->arena);
	if (message->type == CTL_realm_set)
		worker_realm_set(worker, &message->realm_set, ret_answer);
	else if (message->type == CTL_session_set)
		execute_set(worker, owner, &message->session_set, ret_answer);
	else if (message->type == CTL_session_close)
		execute_close(worker, owner, message->session_close.session, ret_answer);
	else if (message->type == CTL_relay_identity)
		execute_identity(worker, &message->relay_identity, ret_answer);
	else if (message->type == CTL_session_record)
		worker_execute_record(worker, owner, &message->session_record, ret_answer);
	else if (message->type == CTL_digit_send)
		execute_digit(worker, owner, &message->digit_send, ret_answer);
	else if (message->type == CTL_session_query)
		execute_query(worker, owner, &message->session_query, ret_answer);
	else
		worker_fail(ret_answer, ERR_SYNTAX, "not a message for a relay");
	ret_answer->request = message->request;
}

void worker_lease(struct worker *worker, const struct worker_command *command)
{
	struct sessions *sessions = &worker->sessions;
	enum session_lease lease = (enum session_lease)command->lease;
	uint64_t now_ms = worker->loop->now_ms;
	struct session *session;
	uint32_t cursor = 0;

	if (command->verb == WORKER_LEASE) {
		session = session_find(sessions, command->owner, command->session);
		if (session)
			session_set_lease(sessions, session, lease, now_ms);
		return;
	}
	while ((session = pool_next(&sessions->session_pool, &cursor)))
		if (session->owner == command->owner)
			session_set_lease(sessions, session, lease, now_ms);
}

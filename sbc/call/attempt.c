/* SPDX-License-Identifier: MIT
 * One target after the other, until somebody answers. The callee's leg is made anew for every
 * attempt: another Call-ID, another tag, another dialog, so that nothing of a failed attempt can be
 * mixed into the next. */
#include "sbc/call/call_priv.h"

#define CALL_ID_CHARS 24u

static struct route_target *present_target(struct call *call)
{
	return &call->targets[call->target_next - 1];
}

static void attempt_begin(struct call *call, const struct turn *turn)
{
	const struct route_target *target = present_target(call);

	call->attempts[call->attempt_count++] = (struct attempt){
		.trunk = target->trunk,
		.gateway = target->gateway,
		.reason = "trying",
		.started_ms = turn->now_ms,
		.started_unix_ms = turn->now_unix_ms,
	};
}

static void attempt_done(struct call *call, const struct turn *turn, uint16_t code,
			 const char *reason)
{
	struct attempt *attempt;

	if (call->attempt_count == 0)
		return;
	attempt = &call->attempts[call->attempt_count - 1];
	attempt->sip_code = code;
	attempt->reason = reason;
	attempt->duration_ms = (uint32_t)(turn->now_ms - attempt->started_ms);
}

/* The next untried target, another trunk's limits permitting. False: none left. */
static bool take_target(struct call *call, const struct turn *turn)
{
	struct policy *policy = call->calls->config.policy;

	if (call->counted[1])
		policy_call_end(policy, leg_trunk(call, 1)->name);
	call->counted[1] = false;
	while (call->target_next < call->target_count) {
		struct route_target *target = &call->targets[call->target_next++];

		if (!call_target_admitted(call, turn, target))
			continue;
		call->legs[1].trunk = target->trunk;
		call->legs[1].realm = call->settings->trunks[target->trunk].realm;
		call->legs[1].gateway = target->gateway;
		if (policy_call_begin(policy, leg_trunk(call, 1), turn->now_ms) == 0) {
			call->counted[1] = true;
			return true;
		}
		attempt_begin(call, turn);
		attempt_done(call, turn, 0, "limit");
		call->last_code = 503;
	}
	return false;
}

static void caller_final(struct call *call, const struct turn *turn, const char *cause,
			 const struct sip_msg *msg);

void call_next_target(struct call *call, const struct turn *turn)
{
	struct calls *calls = call->calls;
	const struct conf_gateway *gateway;

	call->state = CALL_ROUTING;
	call->destination_count = 0;
	call->destination_next = 0;
	if (!take_target(call, turn)) {
		caller_final(call, turn, "no_target_left", NULL);
		return;
	}
	gateway = &leg_trunk(call, 1)->gateways[call->legs[1].gateway];
	if (gateway->host_is_ip) {
		struct call_destination only = {
			.transport = (uint8_t)gateway->transport,
			.remote = { gateway->ip, gateway->port },
		};

		if (only.remote.port == 0)
			only.remote.port = gateway->transport == CONF_TLS ? 5061 : 5060;
		calls_on_resolved(calls, turn, call->self, &only, 1);
		return;
	}
	struct effect *effect = effects_add(turn->out, EFFECT_RESOLVE);

	effect->resolve.owner = call->self;
	effect->resolve.host = gateway->host;
	effect->resolve.port = gateway->port;
	effect->resolve.transport = (uint8_t)gateway->transport;
	effect->resolve.transport_given = gateway->transport_given;
	effect->resolve.sips = gateway->sips;
}

/* The present destination: its side of the media first, if that changed, then the INVITE. */
static void try_destination(struct call *call, const struct turn *turn)
{
	struct ctl_message *command = NULL;
	/* The ports were asked for with this target in mind. */
	bool first = call->attempt_count == 0 && call->target_next == call->offer_target + 1;
	const struct call_destination *to = &call->destinations[call->destination_next++];
	const char *barred;
	enum err err;

	attempt_begin(call, turn);
	call_media_side(call, 1, &to->remote.ip, to->transport);
	barred = media_offer_barred(call->media);
	if (barred) {
		call_attempt_failed(call, turn, 488, barred);
		return;
	}
	if (call->exchange.late || (first && media_offer_ported(call->media))) {
		call_offer_ready(call, turn);
		return;
	}
	err = media_offer_again(call->media, turn->arena, &command);
	if (err != OK) { /* refused: this target may use no codec of the offer; the next may */
		call_attempt_failed(call, turn, err == ERR_REFUSED ? 488 : 500,
				    err == ERR_REFUSED ? "no_common_codec" : "no_memory");
		return;
	}
	if (command)
		call_relay(call, turn, PURPOSE_AGAIN, command);
	else
		call_offer_ready(call, turn);
}

void calls_on_resolved(struct calls *calls, const struct turn *turn, struct handle owner,
		       const struct call_destination *found, size_t count)
{
	struct call *call = call_get(calls, owner);

	if (!call || call->state != CALL_ROUTING)
		return;
	if (count > array_size(call->destinations))
		count = array_size(call->destinations);
	if (count == 0) {
		attempt_begin(call, turn);
		call_attempt_failed(call, turn, 503, "unresolvable");
		return;
	}
	memcpy(call->destinations, found, count * sizeof(*found));
	call->destination_count = (uint32_t)count;
	try_destination(call, turn);
}

/* Call-ID of the callee's leg: no host in it, and it belongs to this worker. */
static struct slice mint_call_id(struct call *call)
{
	const struct calls_config *config = &call->calls->config;
	struct text text;

	text_init_arena(&text, &call->arena, CALL_ID_CHARS);
	do {
		text.len = 0;
		rand_text(config->rand, &text, CALL_ID_CHARS);
	} while (text.err == OK &&
		 calls_worker_of(&config->worker_key, config->workers, text_done(&text)) !=
			 config->worker);
	return text_done(&text);
}

/* "Name" <sip:user@us>: the caller as the callee may see him. */
static void write_caller(struct text *text, const struct call *call, struct slice calling)
{
	const struct dialog_self *self = &call->legs[1].self;
	struct policy_headers seen =
		policy_headers(leg_trunk(call, 0), leg_trunk(call, 1), call->privacy);
	bool anonymous = seen.anonymous || slice_eq_nocase(calling, SLICE("anonymous"));

	if (anonymous) { /* RFC 3323 4.1.1.3 */
		text_lit(text, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
		return;
	}
	/* A display name that names a host of the caller's side would not pass the last look. */
	if (call->display.len > 0 && leak_find(&call->legs[0].secrets, call->display).len == 0) {
		sip_write_quoted(text, call->display);
		text_char(text, ' ');
	}
	text_lit(text, "<sip:");
	if (calling.len > 0) {
		sip_write_user(text, calling);
		text_char(text, '@');
	}
	text_slice(text, self->host);
	text_char(text, '>');
}

static enum err callee_dialog(struct call *call, const struct call_destination *to)
{
	const struct route_target *target = present_target(call);
	const struct conf_gateway *gateway = &leg_trunk(call, 1)->gateways[target->gateway];
	struct leg *callee = &call->legs[1];
	struct calls *calls = call->calls;
	struct flow flow = { .transport = to->transport, .listener = FLOW_NO_LISTENER,
			     .remote = to->remote };
	struct text text;
	enum err err;

	dialog_unlist(&calls->dialogs, &callee->dialog);
	callee->dialog = (struct dialog){ .owner = call->self, .leg = 1, .flow = flow };
	callee->ack_cseq = 0;
	err = leg_find_self(call, 1, &callee->dialog.flow);
	if (err != OK)
		return err;
	callee->dialog.call_id = mint_call_id(call);
	text_init_arena(&text, &call->arena, DIALOG_TAG_CHARS + 1);
	rand_text(calls->config.rand, &text, DIALOG_TAG_CHARS);
	callee->dialog.local_tag = text_done(&text);
	call_collect_secrets(call);
	text_init_arena(&text, &call->arena, 128);
	write_caller(&text, call, target->calling_out);
	callee->dialog.local = text_done(&text);
	text_init_arena(&text, &call->arena, 96);
	text_char(&text, '<');
	call_gateway_uri_write(&text, gateway, target->called_out, false);
	text_char(&text, '>');
	callee->dialog.remote = text_done(&text);
	text_init_arena(&text, &call->arena, 96);
	call_gateway_uri_write(&text, gateway, target->called_out, true);
	callee->dialog.remote_target = text_done(&text);
	callee->dialog.target_room = 0;
	if (call->arena.exhausted || text.err != OK)
		return ERR_NOMEM;
	dialog_list(&calls->dialogs, &callee->dialog);
	return OK;
}

static struct slice identity_headers(struct call *call, const struct turn *turn)
{
	struct policy_headers seen =
		policy_headers(leg_trunk(call, 0), leg_trunk(call, 1), call->privacy);
	struct text text;

	if (!seen.identity)
		return SLICE_NONE;
	text_init_arena(&text, turn->arena, 256);
	if (call->identity.len > 0) {
		text_lit(&text, "P-Asserted-Identity: <sip:");
		sip_write_user(&text, call->identity);
		text_char(&text, '@');
		text_slice(&text, call->legs[1].self.host);
		text_lit(&text, ">\r\n");
	}
	if (call->privacy.len > 0) {
		text_lit(&text, "Privacy: ");
		text_slice(&text, call->privacy);
		text_lit(&text, "\r\n");
	}
	return text_done(&text);
}

/* The INVITE to the present destination; credentials: headers that answer a challenge, or empty. */
static void send_invite(struct call *call, const struct turn *turn, struct slice credentials)
{
	struct leg_request invite = { .method = SIP_INVITE,
				      .purpose = TXN_FOR_INVITE,
				      .contact = true,
				      .max_forwards = call->max_forwards - 1 };
	struct slice identity = identity_headers(call, turn);
	struct slice sdp = SLICE_NONE;
	enum err err;

	if (!call->exchange.late)
		sdp = media_offer_out(call->media, turn->arena);
	invite.body = call_join(call, turn, 1, &call->carried, sdp);
	if (invite.body.refused) {
		call_attempt_failed(call, turn, 415, "body_refused");
		return;
	}
	invite.headers = identity;
	if (credentials.len > 0)
		invite.headers = arena_printf(turn->arena, "%.*s%.*s", SLICE_ARG(identity),
					      SLICE_ARG(credentials));
	err = dialog_keep(&call->arena, credentials, &call->legs[1].credentials,
			  &call->legs[1].credentials_room);
	call->state = CALL_CALLING;
	if (err == OK)
		err = call_request(call, turn, 1, &invite, &call->exchange.client_cseq,
				   &call->exchange.client_txn);
	if (err != OK) {
		call_attempt_failed(call, turn, err == ERR_REFUSED ? 500 : 503,
				    err == ERR_REFUSED ? "leak_blocked" : "no_memory");
		return;
	}
	call->patient = false;
	call_timer_start(call, TIMER_NO_RESPONSE, turn, leg_trunk(call, 1)->no_answer_ms);
}

/* Nothing came, and there is somebody else to try. Else the last target gets more time: one lossy path
 * swallows four INVITEs in a row (2 % of calls at 20 % loss), not six. What is known of the gateway is
 * told at once: those who have others to try shall not wait for it. */
void call_silent(struct call *call, const struct turn *turn)
{
	bool last = call->destination_next == call->destination_count &&
		    call->target_next == call->target_count;

	if (last && !call->patient) {
		call->patient = true;
		call_saw_failure(call, turn, "no_response");
		call_timer_start(call, TIMER_NO_RESPONSE, turn,
				 (CALL_LAST_PATIENCE - 1) *
					 (uint64_t)leg_trunk(call, 1)->no_answer_ms);
		return;
	}
	call_abandon_invite(call, turn, SLICE_NONE);
	call_attempt_failed(call, turn, 408, "no_response");
}

void call_offer_ready(struct call *call, const struct turn *turn)
{
	enum err err;

	if (call->attempt_count == 0) { /* the ports came: now the first target */
		call_next_target(call, turn);
		return;
	}
	err = callee_dialog(call, &call->destinations[call->destination_next - 1]);
	if (err != OK) {
		call_attempt_failed(call, turn, 503, err == ERR_NOENT ? "no_listener" : "no_memory");
		return;
	}
	call->challenges = 0;
	send_invite(call, turn, SLICE_NONE);
}

/* What the caller hears when nobody took the call. A failure of a trunk of ours is not his: 503
 * would tell him to leave us alone (RFC 3261 16.7 step 6), a challenge or redirection is not for
 * him. */
static uint16_t caller_code(uint16_t code)
{
	if (code == 0)
		return 480;
	if (code == 401 || code == 407)
		return 403;
	if (code < 400)
		return 480;
	return code == 503 ? 500 : code;
}

static const char *result_of(uint16_t code)
{
	static const struct {
		uint16_t code;
		const char *result;
	} table[] = {
		{ 408, "no_answer" }, { 480, "no_answer" }, { 486, "busy" },
		{ 487, "cancelled" }, { 600, "busy" },
	};

	for (size_t i = 0; i < array_size(table); i++)
		if (table[i].code == code)
			return table[i].result;
	return code >= 500 && code < 600 ? "failed" : "rejected";
}

/* msg: the callee's own refusal, of which a body may go on (an ISUP release); NULL: there is none. */
static void caller_final(struct call *call, const struct turn *turn, const char *cause,
			 const struct sip_msg *msg)
{
	uint16_t peer_code = call->last_code;
	bool local = call->attempt_count > 0 &&
		     call->attempts[call->attempt_count - 1].sip_code == 0;
	/* Nothing could be sent at all: that is ours to say (and at once). */
	uint16_t code = local && peer_code == 503 ? 503 : caller_code(peer_code);
	struct reply reply = {
		.status = code,
		.retry_after_s = code == 503 ? 1 + rand_below(call->calls->config.rand, 10) : 0,
		.accept = code == 415 ? leg_trunk(call, 0) : NULL,
	};

	if (msg) {
		struct body body = body_of(msg);

		reply.body = call_join(call, turn, 0, &body, SLICE_NONE);
	}
	call_reply(call, turn, 0, call->exchange.server_txn, &reply);
	call_end(call, turn, local ? "sbc" : "callee", code, result_of(peer_code), cause);
}

static void attempt_failed(struct call *call, const struct turn *turn, uint16_t code,
			   const char *reason, const struct sip_msg *msg)
{
	bool answered = slice_eq(slice_text(reason), SLICE("answered"));
	bool local = !answered && code != 0 && !slice_eq(slice_text(reason), SLICE("ring_timeout"));
	const struct conf_trunk *trunk = leg_trunk(call, 1);

	if (!call->patient)
		call_saw_failure(call, turn, reason);
	call->patient = false;
	call_timer_stop(call, TIMER_NO_RESPONSE);
	call_timer_stop(call, TIMER_RING);
	call->exchange.client_txn = HANDLE_NONE;
	dialog_unlist(&call->calls->dialogs, &call->legs[1].dialog);
	call->last_code = code;
	attempt_done(call, turn, answered ? code : 0, answered ? "rejected" : reason);
	if (answered ? !route_may_fail_over(trunk, code) : !local) {
		caller_final(call, turn, reason, msg);
		return;
	}
	call->state = CALL_ROUTING;
	if (call->destination_next < call->destination_count)
		try_destination(call, turn);
	else if (call->target_next < call->target_count)
		call_next_target(call, turn);
	else
		caller_final(call, turn, reason, msg);
}

void call_attempt_failed(struct call *call, const struct turn *turn, uint16_t code,
			 const char *reason)
{
	attempt_failed(call, turn, code, reason, NULL);
}

/* ---- the callee's responses ---- */

/* 18x towards the caller, with the answer's SDP when one came (early media). */
static void relay_provisional(struct call *call, const struct turn *turn, uint16_t status,
			      const struct body *body)
{
	struct reply reply = { .status = status, .contact = true };
	struct slice sdp = SLICE_NONE;

	if (!call->exchange.late && media_answered(call->media))
		sdp = media_answer_out(call->media, turn->arena);
	reply.body = call_join(call, turn, 0, body, sdp);
	if (!call->rang_ms)
		call->rang_ms = turn->now_ms;
	call_reply(call, turn, 0, call->exchange.server_txn, &reply);
	call_timer_start(call, TIMER_PROVISIONAL, turn, CALL_PROVISIONAL_MS);
}

/* An answer in a provisional response. False: unusable, and left alone until the 2xx. */
static bool early_answer(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	struct ctl_message *command = NULL;
	struct media_verdict verdict;
	struct slice sdp;

	if (call->exchange.late || msg->body.len == 0 ||
	    sip_body_find(msg, SLICE("application/sdp"), &sdp) != OK)
		return false;
	if (media_answer_in(call->media, sdp, turn->arena, &command, &verdict) != OK)
		return false;
	if (command)
		call_relay(call, turn, PURPOSE_NONE, command);
	return true;
}

static void on_provisional(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	struct dialog *dialog = &call->legs[1].dialog;
	struct body body = { 0 };
	bool fork = dialog->established && msg->to_tag.len > 0 &&
		    !slice_eq(dialog->remote_tag, msg->to_tag);

	if (call->state == CALL_CALLING) {
		call_timer_stop(call, TIMER_NO_RESPONSE);
		call->state = CALL_PROCEEDING;
		call_timer_start(call, TIMER_RING, turn,
				 (uint64_t)leg_trunk(call, 1)->ring_timeout_s * 1000);
	}
	if (msg->status == 100 || msg->status == 199)
		return;
	if (msg->to_tag.len > 0 && !fork &&
	    dialog_establish(dialog, &call->arena, msg) != OK)
		return;
	call_add_target_secret(call, 1);
	leak_add(&call->legs[1].secrets, dialog->remote_tag);
	/* The caller has one tag of ours and so hears one answer; another fork only rings. */
	if (!fork) {
		early_answer(call, turn, msg);
		body = body_of(msg);
	}
	relay_provisional(call, turn, msg->status, &body);
}

void call_on_invite_response(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	call_saw_response(call, turn, msg);
	if (msg->status < 200) {
		on_provisional(call, turn, msg);
	} else if (msg->status < 300) {
		call_timer_stop(call, TIMER_NO_RESPONSE);
		call_timer_stop(call, TIMER_RING);
		attempt_done(call, turn, msg->status, "answered");
		call_on_2xx(call, turn, msg);
	} else {
		struct slice credentials = call_credentials(call, turn, 1, msg, &call->challenges);

		call_timer_stop(call, TIMER_NO_RESPONSE);
		if (credentials.len > 0)
			send_invite(call, turn, credentials);
		else
			attempt_failed(call, turn, msg->status, "answered", msg);
	}
}

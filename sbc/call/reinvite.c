/* SPDX-License-Identifier: MIT
 * Re-INVITE, and UPDATE with an offer: one exchange at a time, whoever begins it (RFC 3261 14,
 * RFC 3311, RFC 6141). What fails leaves the session exactly as it was; only 408 and 481 end it. */
#include "sbc/call/call_priv.h"

/* Another exchange is under way: 491 or 500 (14.2). */
static void refuse_glare(struct call *call, const struct turn *turn, unsigned leg,
			 struct handle txn)
{
	const struct exchange *exchange = &call->exchange;
	bool unanswered = exchange->from == leg && exchange->state != EXCHANGE_ACK &&
			  exchange->state != EXCHANGE_CANCELLED;
	struct reply reply = { .status = 491 };

	if (unanswered) {
		reply.status = 500;
		reply.retry_after_s = 1 + rand_below(call->calls->config.rand, 10);
	}
	call_reply(call, turn, leg, txn, &reply);
}

/* To the other leg; credentials: headers that answer its challenge, or empty. */
static void send_on(struct call *call, const struct turn *turn, struct slice credentials)
{
	struct exchange *exchange = &call->exchange;
	unsigned other = !exchange->from;
	struct leg_request request = { .method = exchange->client_method,
				       .purpose = TXN_FOR_INVITE,
				       .contact = true,
				       .headers = credentials };
	struct slice sdp = SLICE_NONE;
	enum err err = OK;

	if (!exchange->late)
		sdp = media_offer_out(call->media, turn->arena);
	request.body = call_join(call, turn, other, &call->carried, sdp);
	if (request.method == SIP_INVITE) /* for its ACK (22.1) */
		err = dialog_keep(&call->arena, credentials, &call->legs[other].credentials,
				  &call->legs[other].credentials_room);
	exchange->state = EXCHANGE_SENT;
	exchange->provisional = false;
	if (err != OK || call_request(call, turn, other, &request, &exchange->client_cseq,
			 &exchange->client_txn) != OK)
		call_exchange_failed(call, turn, 500);
	else
		call_timer_start(call, TIMER_RING, turn,
				 (uint64_t)leg_trunk(call, 1)->ring_timeout_s * 1000);
}

/* The offer, if there is one. A body of other parts alone makes an INVITE without an offer, but no
 * UPDATE. False: refused. */
static bool take_body(struct call *call, const struct turn *turn, unsigned leg,
		      const struct sip_msg *msg, struct handle txn, struct slice *ret_sdp)
{
	struct body_rules rules = { .from = leg_trunk(call, leg), .to = leg_trunk(call, !leg) };
	struct reply reply = { .accept = rules.from };
	struct body body = body_of(msg);
	enum err err = OK;

	if (msg->body.len == 0)
		return true;
	err = sip_body_find(msg, SLICE("application/sdp"), ret_sdp);
	reply.status = body_verdict(&rules, &body);
	if (err == ERR_NOENT && msg->method == SIP_UPDATE)
		reply.status = 415;
	else if (err != OK && err != ERR_NOENT)
		reply = (struct reply){ .status = 400 };
	if (reply.status == 0)
		return true;
	call_reply(call, turn, leg, txn, &reply);
	return false;
}

void call_on_reinvite(struct call *call, const struct turn *turn, unsigned leg,
		      const struct sip_msg *msg, struct handle txn)
{
	struct leg *on = &call->legs[leg];
	struct ctl_message *command = NULL;
	struct media_verdict verdict = { 0 };
	struct slice sdp = SLICE_NONE;
	struct dialog asked = on->dialog;
	enum err err = OK;

	if (call->exchange.state != EXCHANGE_IDLE || call->state != CALL_ANSWERED) {
		refuse_glare(call, turn, leg, txn);
		return;
	}
	if (!take_body(call, turn, leg, msg, txn, &sdp))
		return;
	/* The new target counts once the exchange succeeds; it is kept beside the old one. */
	on->new_target.len = 0;
	asked.remote_target = on->new_target;
	asked.target_room = on->new_target_room;
	if (sip_value(msg, SIP_HDR_CONTACT).len > 0) {
		err = dialog_refresh(&asked, &call->arena, msg);
		on->new_target = asked.remote_target;
		on->new_target_room = asked.target_room;
	}
	if (err == OK)
		err = call_carry(call, turn, leg, msg);
	if (err == OK && sdp.len > 0)
		err = media_offer_in(call->media, leg, sdp, turn->arena, &command, &verdict);
	if (err != OK) {
		uint16_t status = err == ERR_REFUSED ? verdict.status :
				  err == ERR_NOMEM   ? 500 :
						       400;

		call_reply_code(call, turn, leg, txn, status);
		return;
	}
	call->exchange = (struct exchange){
		.state = EXCHANGE_PORTS,
		.from = (uint8_t)leg,
		.late = sdp.len == 0,
		.method = msg->method,
		.client_method = msg->method == SIP_UPDATE && !call->legs[!leg].no_update ?
					 SIP_UPDATE :
					 SIP_INVITE,
		.server_txn = txn,
		.server_cseq = msg->cseq.number,
	};
	txn_set_user(call->calls->config.txns, txn, (struct txn_user){ .owner = call->self });
	if (msg->method == SIP_INVITE)
		call_timer_start(call, TIMER_TRYING, turn, CALL_TRYING_MS);
	if (command)
		call_relay(call, turn, PURPOSE_REOFFER, command);
	else
		call_reoffer_ready(call, turn);
}

void call_reoffer_ready(struct call *call, const struct turn *turn)
{
	if (call->exchange.state != EXCHANGE_PORTS)
		return;
	send_on(call, turn, SLICE_NONE);
}

/* 12.2.1.2: this leg's peer does not know the dialog, or does not answer at all. */
void call_dialog_lost(struct call *call, const struct turn *turn, unsigned leg, uint16_t code)
{
	call_terminate(call, turn, 2, code, call_reason_make(turn, "SIP", code));
	call_end(call, turn, leg == 0 ? "caller" : "callee", code, "answered", "dialog_lost");
}

/* The exchange is over without success: the old terms hold, and the one who began hears `code`. */
void call_exchange_failed(struct call *call, const struct turn *turn, uint16_t code)
{
	struct exchange *exchange = &call->exchange;
	struct ctl_message *command = NULL;
	bool told = exchange->state == EXCHANGE_CANCELLED;

	if (told && exchange->provisional) { /* it was heard, so the dialog is there */
		exchange->state = EXCHANGE_IDLE;
		return;
	}
	if (media_exchange_open(call->media) &&
	    media_rollback(call->media, turn->arena, &command) == OK && command)
		call_relay(call, turn, PURPOSE_NONE, command);
	call_timer_stop(call, TIMER_RING);
	exchange->state = EXCHANGE_IDLE;
	if (!told)
		call_reply_code(call, turn, exchange->from, exchange->server_txn, code);
	if (code != 408 && code != 481)
		return;
	call_dialog_lost(call, turn, !exchange->from, code);
}

/* The one who began has his answer; what the other leg says is awaited, no longer than 64*T1. */
static void exchange_take_back(struct call *call, const struct turn *turn)
{
	struct exchange *exchange = &call->exchange;

	exchange->state = EXCHANGE_CANCELLED;
	if (exchange->client_method == SIP_INVITE && exchange->provisional)
		cancel_send(call->calls, turn, exchange->client_txn, SLICE_NONE);
	txn_give_up(call->calls->config.txns, exchange->client_txn, turn->now_ms);
}

/* A CANCEL for a re-INVITE: 487 now; what the other leg says to it is awaited. */
void call_exchange_cancelled(struct call *call, const struct turn *turn)
{
	struct exchange *exchange = &call->exchange;
	struct ctl_message *command = NULL;

	if (exchange->state != EXCHANGE_SENT && exchange->state != EXCHANGE_PORTS)
		return;
	call_reply_code(call, turn, exchange->from, exchange->server_txn, 487);
	if (media_exchange_open(call->media) &&
	    media_rollback(call->media, turn->arena, &command) == OK && command)
		call_relay(call, turn, PURPOSE_NONE, command);
	if (exchange->state == EXCHANGE_PORTS) {
		exchange->state = EXCHANGE_IDLE;
		return;
	}
	exchange_take_back(call, turn);
}

void call_exchange_timeout(struct call *call, const struct turn *turn)
{
	struct exchange *exchange = &call->exchange;

	if (exchange->state != EXCHANGE_SENT)
		return;
	call_exchange_failed(call, turn, 480);
	exchange_take_back(call, turn);
}

static uint16_t passed_on(uint16_t code)
{
	if (code < 400 || code == 401 || code == 407)
		return 488; /* a challenge or redirection is not for the other side */
	return code == 503 ? 500 : code;
}

static void commit_target(struct call *call)
{
	struct leg *on = &call->legs[call->exchange.from];

	if (on->new_target.len > 0)
		(void)!dialog_keep(&call->arena, on->new_target, &on->dialog.remote_target,
				   &on->dialog.target_room);
	on->new_target.len = 0;
	leg_find_next_hop(call, call->exchange.from);
}

void call_on_reinvite_response(struct call *call, const struct turn *turn,
			       const struct effect *effect)
{
	struct exchange *exchange = &call->exchange;
	const struct sip_msg *msg = effect->txn.msg;

	if (exchange->state != EXCHANGE_SENT && exchange->state != EXCHANGE_CANCELLED) {
		if (msg->status / 100 == 2)
			stray_2xx(call, turn, effect);
		return;
	}
	if (msg->status >= 200)
		call_timer_stop(call, TIMER_RING);
	if (msg->status < 200) {
		bool first = !exchange->provisional;

		exchange->provisional = true;
		if (first && exchange->state == EXCHANGE_CANCELLED)
			exchange_take_back(call, turn);
	} else if (exchange->state == EXCHANGE_CANCELLED) {
		/* Too late to take back: acknowledged, and the old session kept here. */
		if (msg->status / 100 == 2 && exchange->client_method == SIP_INVITE)
			call_ack(call, turn, !exchange->from, exchange->client_cseq, SLICE_NONE);
		exchange->state = EXCHANGE_IDLE;
	} else if (msg->status < 300) {
		commit_target(call);
		call_on_2xx(call, turn, msg);
	} else {
		struct slice credentials = call_credentials(call, turn, !exchange->from, msg,
							    &exchange->challenges);

		if (credentials.len > 0)
			send_on(call, turn, credentials);
		else
			call_exchange_failed(call, turn, passed_on(msg->status));
	}
}

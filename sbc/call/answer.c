/* SPDX-License-Identifier: MIT
 * From the 2xx to its ACK, for the initial INVITE and for re-INVITEs alike. With the offer in the
 * INVITE, the 2xx is the answer and gets its ACK at once. With a late offer the 2xx is the offer: it
 * goes on to the one who began, and the ACK waits for the answer in his ACK. */
#include "sbc/call/call_priv.h"

static struct leg *other_leg(struct call *call)
{
	return &call->legs[!call->exchange.from];
}

/* The callee's 2xx cannot be used: it is acknowledged and taken back. */
static void answer_unusable(struct call *call, const struct turn *turn, uint16_t code,
			    const char *cause)
{
	unsigned other = !call->exchange.from;

	if (call->legs[call->exchange.from].confirmed) {
		/* A re-INVITE: the call goes on as it was. */
		if (call->exchange.client_method == SIP_INVITE)
			call_ack(call, turn, other, call->exchange.client_cseq, SLICE_NONE);
		call_exchange_failed(call, turn, code == 503 ? 500 : code);
		return;
	}
	call_ack(call, turn, other, call->exchange.client_cseq, SLICE_NONE);
	call_send_bye(call, turn, other, call_reason_make(turn, "Q.850", 88));
	call->legs[other].confirmed = false;
	call_reply_code(call, turn, 0, call->exchange.server_txn, code);
	call_end(call, turn, "sbc", code, "failed", cause);
}

static void call_answered(struct call *call, const struct turn *turn)
{
	if (call->answered_ms)
		return;
	call->answered_ms = turn->now_ms;
	call->answered_unix_ms = turn->now_unix_ms;
	if (!call->rang_ms)
		call->rang_ms = turn->now_ms;
	call->state = CALL_ANSWERED;
	call->final_code = 200;
}

void call_send_2xx(struct call *call, const struct turn *turn, struct slice sdp)
{
	struct exchange *exchange = &call->exchange;
	struct reply reply = { .status = 200, .contact = true, .allow = true };

	reply.body = call_join(call, turn, exchange->from, &call->carried, sdp);
	call_timer_stop(call, TIMER_PROVISIONAL);
	if (!call_reply(call, turn, exchange->from, exchange->server_txn, &reply)) {
		exchange->state = EXCHANGE_IDLE;
		call_terminate(call, turn, 2, 500, SLICE_NONE);
		call_end(call, turn, "sbc", 500, "failed", "leak_blocked");
		return;
	}
	exchange->state = exchange->method == SIP_INVITE ? EXCHANGE_ACK : EXCHANGE_IDLE;
	call->legs[exchange->from].confirmed = true;
	if (exchange->method != SIP_INVITE)
		return;
	/* 13.3.1.4: over every transport, for the hop that needs it may be behind a proxy. */
	exchange->resend_ms = SIP_T1_MS;
	exchange->ack_until_ms = turn->now_ms + CALL_ACK_WAIT_MS;
	call_timer_start(call, TIMER_RESEND_2XX, turn, SIP_T1_MS);
}

/* The new terms hold on both legs; what they have no more leaves the relay. */
static void commit_media(struct call *call, const struct turn *turn)
{
	struct ctl_message *command;

	media_commit(call->media);
	command = media_settle(call->media, turn->arena);
	if (command)
		call_relay(call, turn, PURPOSE_NONE, command);
}

static void on_answer(struct call *call, const struct turn *turn, struct slice sdp)
{
	struct exchange *exchange = &call->exchange;
	struct ctl_message *command = NULL;
	struct media_verdict verdict = { 0 };

	if (sdp.len > 0) {
		enum err err = media_answer_in(call->media, sdp, turn->arena, &command, &verdict);

		if (err != OK) {
			answer_unusable(call, turn, err == ERR_REFUSED ? 502 : 503,
					verdict.why ? verdict.why : "bad_answer");
			return;
		}
		if (command)
			call_relay(call, turn, PURPOSE_NONE, command);
	} else if (!media_answered(call->media)) {
		answer_unusable(call, turn, 502, "no_answer_sdp");
		return;
	}
	if (exchange->client_method == SIP_INVITE)
		call_ack(call, turn, !exchange->from, exchange->client_cseq, SLICE_NONE);
	call_answered(call, turn);
	sdp = media_answer_out(call->media, turn->arena);
	commit_media(call, turn);
	call_send_2xx(call, turn, sdp);
}

static void on_late_offer(struct call *call, const struct turn *turn, struct slice sdp)
{
	struct ctl_message *command = NULL;
	struct media_verdict verdict = { 0 };
	enum err err;

	if (sdp.len == 0) {
		answer_unusable(call, turn, 502, "no_offer_sdp");
		return;
	}
	err = media_offer_in(call->media, !call->exchange.from, sdp, turn->arena, &command,
			     &verdict);
	if (err != OK) {
		answer_unusable(call, turn, err == ERR_REFUSED ? 488 : 503,
				verdict.why ? verdict.why : "bad_offer");
		return;
	}
	call->exchange.state = EXCHANGE_LATE;
	other_leg(call)->ack_owed = true;
	call_answered(call, turn);
	if (command)
		call_relay(call, turn, PURPOSE_LATE_OFFER, command);
	else
		call_late_offer_ready(call, turn);
}

void call_late_offer_ready(struct call *call, const struct turn *turn)
{
	if (call->exchange.state == EXCHANGE_LATE)
		call_send_2xx(call, turn, media_offer_out(call->media, turn->arena));
}

void call_on_2xx(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	struct leg *other = other_leg(call);
	struct slice sdp = SLICE_NONE;
	enum err err = dialog_establish(&other->dialog, &call->arena, msg);

	if (err == OK && msg->body.len > 0)
		err = sip_body_find(msg, SLICE("application/sdp"), &sdp);
	if (err != OK && err != ERR_NOENT) {
		answer_unusable(call, turn, 502, "bad_2xx");
		return;
	}
	other->confirmed = true;
	if (call_carry(call, turn, !call->exchange.from, msg) != OK)
		call->carried = (struct body){ 0 }; /* no memory: the call is worth more */
	leg_learn_allow(other, msg);
	leg_find_next_hop(call, !call->exchange.from);
	leak_add(&other->secrets, other->dialog.remote_tag);
	call_add_target_secret(call, !call->exchange.from);
	if (call->exchange.late)
		on_late_offer(call, turn, sdp);
	else
		on_answer(call, turn, sdp);
}

void call_resend_2xx(struct call *call, const struct turn *turn)
{
	struct exchange *exchange = &call->exchange;
	uint64_t left_ms;

	if (exchange->state != EXCHANGE_ACK)
		return;
	if (turn->now_ms >= exchange->ack_until_ms) {
		/* 13.3.1.4: no ACK ever came; the dialog stands, the session is ended. */
		call_terminate(call, turn, 2, 408, call_reason_make(turn, "SIP", 408));
		call_end(call, turn, "sbc", 408, "failed", "no_ack");
		return;
	}
	txn_resend(call->calls->config.txns, exchange->server_txn, turn->out);
	exchange->resend_ms = exchange->resend_ms * 2 < SIP_T2_MS ? exchange->resend_ms * 2 :
								    SIP_T2_MS;
	left_ms = exchange->ack_until_ms - turn->now_ms;
	call_timer_start(call, TIMER_RESEND_2XX, turn,
			 left_ms < exchange->resend_ms ? left_ms : exchange->resend_ms);
}

/* The answer to a late offer came, or did not. */
static void on_late_answer(struct call *call, const struct turn *turn, const struct sip_msg *msg)
{
	struct ctl_message *command = NULL;
	struct media_verdict verdict = { 0 };
	unsigned other = !call->exchange.from;
	struct slice sdp = SLICE_NONE;
	enum err err = sip_body_find(msg, SLICE("application/sdp"), &sdp);

	if (err == OK)
		err = media_answer_in(call->media, sdp, turn->arena, &command, &verdict);
	if (err != OK) {
		/* No usable answer: the callee gets one that takes nothing, and both hear BYE. */
		call_terminate(call, turn, 2, 488, call_reason_make(turn, "SIP", 488));
		call_end(call, turn, "sbc", 488, "failed", "no_answer_sdp");
		return;
	}
	if (command)
		call_relay(call, turn, PURPOSE_NONE, command);
	call_ack(call, turn, other, call->exchange.client_cseq,
		 media_answer_out(call->media, turn->arena));
	commit_media(call, turn);
}

void call_on_ack(struct call *call, const struct turn *turn, unsigned leg,
		 const struct sip_msg *msg)
{
	struct exchange *exchange = &call->exchange;

	if (exchange->state != EXCHANGE_ACK || exchange->from != leg ||
	    msg->cseq.number != exchange->server_cseq)
		return; /* a repeated ACK */
	call_timer_stop(call, TIMER_RESEND_2XX);
	txn_forget_response(call->calls->config.txns, exchange->server_txn);
	exchange->state = EXCHANGE_IDLE;
	if (call->legs[!leg].ack_owed)
		on_late_answer(call, turn, msg);
}

/* SPDX-License-Identifier: MIT
 * How a call ends: CANCEL, BYE, and what is owed to each leg. A call that is over waits only for the
 * relay's final figures; whatever the peers still send is answered without it. */
#include "sbc/call/call_priv.h"

static bool send_bye(struct call *call, const struct turn *turn, unsigned leg,
		     struct slice headers)
{
	const struct leg *on = &call->legs[leg];
	struct leg_request bye = { .method = SIP_BYE,
				   .purpose = TXN_FOR_BYE | leg << 8,
				   .body = { .type = on->bye_type.text,
					     .octets = on->bye_body.text,
					     .unread = on->bye_body.text.len > 0 },
				   .headers = headers };

	return call_request(call, turn, leg, &bye, NULL, NULL) == OK;
}

bool call_bye_again(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg)
{
	struct leg *on = &call->legs[leg];
	struct slice credentials =
		call_credentials(call, turn, leg, msg, &on->bye_challenges);

	return credentials.len > 0 &&
	       send_bye(call, turn, leg,
			arena_printf(turn->arena, "%.*s%.*s", SLICE_ARG(on->bye_headers.text),
				     SLICE_ARG(credentials)));
}

/* What of a BYE's body may cross is kept for the other leg's own BYE (an ISUP release), for that may
 * be challenged. Returns the headers that belong to it; empty: nothing crosses. */
static struct slice carry_bye(struct call *call, const struct turn *turn, unsigned leg,
			      const struct sip_msg *msg)
{
	struct leg *other = &call->legs[!leg];
	struct body body = body_of(msg);
	struct body_out out = call_join(call, turn, !leg, &body, SLICE_NONE);

	if (!out.unread || !other->confirmed ||
	    dialog_keep(&call->arena, out.type, &other->bye_type.text, &other->bye_type.room) != OK ||
	    dialog_keep(&call->arena, out.octets, &other->bye_body.text, &other->bye_body.room) != OK)
		return SLICE_NONE;
	return out.headers;
}

void call_send_bye(struct call *call, const struct turn *turn, unsigned leg,
		   struct slice headers)
{
	struct leg *on = &call->legs[leg];

	if (on->ack_owed)
		/* A BYE must not overtake the ACK: the 2xx gets one that takes no media. */
		call_ack(call, turn, leg, call->exchange.client_cseq,
			 media_reject_out(call->media, turn->arena));
	if (call_may_be_challenged(call, leg))
		(void)!dialog_keep(&call->arena, headers, &on->bye_headers.text,
				   &on->bye_headers.room);
	on->bye_out = send_bye(call, turn, leg, headers);
}

void call_bye_done(struct call *call, const struct turn *turn, unsigned leg)
{
	call->legs[leg].bye_out = false;
	dialog_unlist(&call->calls->dialogs, &call->legs[leg].dialog);
	if (call->state == CALL_ENDED && !call->legs[!leg].bye_out)
		effects_add(turn->out, EFFECT_REAP)->reap = call->self;
}

/* The INVITE that is out to the callee is given up: stray.c cancels it, or takes back its 2xx. */
void call_abandon_invite(struct call *call, const struct turn *turn, struct slice reason_header)
{
	struct txn_table *txns = call->calls->config.txns;
	struct handle txn = call->exchange.client_txn;
	struct txn_user user = txn_user(txns, txn);

	call_timer_stop(call, TIMER_NO_RESPONSE);
	call_timer_stop(call, TIMER_RING);
	if (!handle_is(txn))
		return;
	call->exchange.client_txn = HANDLE_NONE;
	user.purpose = TXN_FOR_STRAY;
	txn_set_user(txns, txn, user);
	txn_give_up(txns, txn, turn->now_ms);
	if (call->state == CALL_PROCEEDING || call->state == CALL_ANSWERED)
		stray_cancel(call->calls, turn, txn, reason_header);
}

/* What a leg is still owed when the call goes down. */
static void leg_terminate(struct call *call, const struct turn *turn, unsigned leg, uint16_t code,
			  struct slice reason_header)
{
	struct leg *on = &call->legs[leg];

	if (on->confirmed) {
		call_send_bye(call, turn, leg, reason_header);
	} else if (leg == 0 && handle_is(call->exchange.server_txn) &&
		   call->state < CALL_ANSWERED) {
		struct reply reply = { .status = code,
				       .retry_after_s = code == 503 ? 1 + rand_below(call->calls->config.rand, 10) : 0 };

		call_reply(call, turn, 0, call->exchange.server_txn, &reply);
	} else if (leg == 1) {
		call_abandon_invite(call, turn, reason_header);
	}
}

void call_terminate(struct call *call, const struct turn *turn, unsigned except, uint16_t code,
		    struct slice reason_header)
{
	struct exchange *exchange = &call->exchange;

	/* A re-INVITE that nobody will answer now (15.1.2). */
	if (call->state == CALL_ANSWERED && exchange->state != EXCHANGE_IDLE) {
		bool initial = !call->legs[exchange->from].confirmed;

		if (exchange->state != EXCHANGE_ACK && exchange->state != EXCHANGE_CANCELLED)
			call_reply_code(call, turn, exchange->from, exchange->server_txn,
					initial ? code : 487);
	}
	for (unsigned leg = 0; leg < 2; leg++)
		if (leg != except)
			leg_terminate(call, turn, leg, code, reason_header);
}

void call_end(struct call *call, const struct turn *turn, const char *by, uint16_t code,
	      const char *result, const char *cause)
{
	struct ctl_message *close;

	if (call->state >= CALL_ENDING)
		return;
	for (unsigned i = 0; i < CALL_TIMER_COUNT; i++)
		call_timer_stop(call, (enum call_timer)i);
	for (unsigned i = 0; i < CALL_MAX_INSIDE; i++)
		call_inside_failed(call, turn, i, 481);
	txn_give_up(call->calls->config.txns, call->exchange.client_txn, turn->now_ms);
	if (call->legs[!call->exchange.from].confirmed)
		stray_spare(call->calls, call->exchange.client_txn,
			    call->legs[!call->exchange.from].dialog.remote_tag);
	call->state = CALL_ENDING;
	call->ended_ms = turn->now_ms;
	call->ended_unix_ms = turn->now_unix_ms;
	call->ended_by = by;
	call->final_code = code;
	call->result = result;
	call->cause = cause;
	for (unsigned leg = 0; leg < 2; leg++)
		if (!call->legs[leg].bye_out)
			dialog_unlist(&call->calls->dialogs, &call->legs[leg].dialog);
	merge_over(call, turn->now_ms);
	close = call->media && media_has_session(call->media) && turn->relay_up ?
			media_close(call->media, turn->arena) :
			NULL;
	if (close)
		call_relay(call, turn, PURPOSE_CLOSE, close);
	else
		call_record(call, turn, NULL);
}

void calls_on_insecure(struct calls *calls, const struct turn *turn,
		       const struct ctl_media_event *event)
{
	static const char *const causes[] = { [CTL_SECURITY_FINGERPRINT] = "dtls_fingerprint",
					      [CTL_SECURITY_HANDSHAKE] = "dtls_handshake",
					      [CTL_SECURITY_PROFILE] = "dtls_profile" };
	struct call *call = call_by_session(calls, event->session);

	if (!call || call->state != CALL_ANSWERED || event->value >= array_size(causes) ||
	    !causes[event->value])
		return;
	call_terminate(call, turn, 2, 488, call_reason_make(turn, "SIP", 488));
	call_end(call, turn, "sbc", 488, "failed", causes[event->value]);
}

void calls_on_cancel(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		     struct handle invite_txn)
{
	struct call *call = call_get(calls, txn_user(calls->config.txns, invite_txn).owner);

	if (!call || call->state >= CALL_ENDING ||
	    !handle_eq(call->exchange.server_txn, invite_txn))
		return; /* answered already: no effect (9.2) */
	if (call->state == CALL_ANSWERED) {
		/* A re-INVITE is taken back; the call stays. */
		call_exchange_cancelled(call, turn);
		return;
	}
	call_reply_code(call, turn, 0, invite_txn, 487);
	call_abandon_invite(call, turn, call_reason_copy(turn, msg));
	call_end(call, turn, "caller", 487, "cancelled", "caller_cancel");
}

/* BYE from a leg: answered at once, told to the other. */
void call_on_bye(struct call *call, const struct turn *turn, unsigned leg,
		 const struct sip_msg *msg, struct handle txn)
{
	bool early = call->state < CALL_ANSWERED;
	struct slice headers;

	call_reply_code(call, turn, leg, txn, 200);
	if (early && leg == 1) {
		/* A callee must not BYE an early dialog (15); it is taken for a refusal. */
		call_abandon_invite(call, turn, SLICE_NONE);
		call_attempt_failed(call, turn, 480, "answered");
		return;
	}
	if (early)
		call_reply_code(call, turn, 0, call->exchange.server_txn, 487);
	headers = arena_printf(turn->arena, "%.*s%.*s", SLICE_ARG(call_reason_copy(turn, msg)),
			       SLICE_ARG(carry_bye(call, turn, leg, msg)));
	call_terminate(call, turn, leg, 480, headers);
	call_end(call, turn, leg == 0 ? "caller" : "callee", early ? 487 : 200,
		 early ? "cancelled" : "answered", "normal");
}

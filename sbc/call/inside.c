/* SPDX-License-Identifier: MIT
 * Requests inside the dialogs: the door for all of them, and those that only pass through (INFO,
 * OPTIONS), each as a request of our own on the other leg. */
#include "sbc/call/call_priv.h"

#define INSIDE_MAX_KEPT_BYTES 2048u /* of a body; a longer one is not sent again */

static void refuse(struct calls *calls, const struct turn *turn, struct handle txn,
		   uint16_t status)
{
	reply_plain(calls, turn, txn,
		    &(struct reply){ .status = status, .allow = status == 405 || status == 501 },
		    SLICE_NONE);
}

static struct slice info_headers(const struct turn *turn, const struct sip_msg *msg)
{
	struct slice package = sip_value(msg, SIP_HDR_INFO_PACKAGE);

	if (!slice_is(package, CC_TOKEN))
		return SLICE_NONE;
	return arena_printf(turn->arena, "Info-Package: %.*s\r\n", SLICE_ARG(package));
}

/* What a challenge would have us send again. */
static void inside_keep(struct call *call, struct inside *inside,
			const struct leg_request *request)
{
	struct arena *arena = &call->arena;

	inside->challenges = 0;
	inside->max_forwards = request->max_forwards;
	inside->unread = request->body.unread;
	inside->kept = call_may_be_challenged(call, !inside->from) &&
		       request->body.octets.len <= INSIDE_MAX_KEPT_BYTES &&
		       dialog_keep(arena, request->body.type, &inside->content_type.text,
				   &inside->content_type.room) == OK &&
		       dialog_keep(arena, request->headers, &inside->headers.text,
				   &inside->headers.room) == OK &&
		       dialog_keep(arena, request->body.octets, &inside->body.text,
				   &inside->body.room) == OK;
}

/* True: the request was challenged, and is out again. */
static bool inside_again(struct call *call, const struct turn *turn, unsigned slot,
			 const struct sip_msg *msg)
{
	struct inside *inside = &call->inside[slot];
	struct leg_request request = { .method = inside->method,
				       .purpose = TXN_FOR_INSIDE | slot << 8,
				       .body = { .type = inside->content_type.text,
						 .octets = inside->body.text,
						 .unread = inside->unread },
				       .max_forwards = inside->max_forwards };
	struct slice credentials = SLICE_NONE;

	if (inside->kept)
		credentials = call_credentials(call, turn, !inside->from, msg,
					       &inside->challenges);
	if (credentials.len == 0)
		return false;
	request.headers = arena_printf(turn->arena, "%.*s%.*s", SLICE_ARG(inside->headers.text),
				       SLICE_ARG(credentials));
	return call_request(call, turn, !inside->from, &request, NULL, &inside->client_txn) == OK;
}

/* A body of one type passes as it is, without the type's parameters, and is looked at like all that
 * leaves: DTMF, and what applications agreed on. Where the trunks name its type, and in a multipart,
 * what holds for INVITE holds here. 0, or what to answer. */
static uint16_t inside_body(struct call *call, const struct turn *turn, unsigned leg,
			    const struct sip_msg *msg, struct body_out *ret)
{
	struct body body = body_of(msg);
	struct body_out out;

	*ret = (struct body_out){ .type = sip_media_type(body.type), .octets = body.octets };
	if (body.octets.len == 0)
		return 0;
	if (ret->type.len == 0)
		return 400;
	if (slice_starts_nocase(ret->type, SLICE("multipart/"))) {
		*ret = call_join(call, turn, !leg, &body, SLICE_NONE);
		return ret->refused || !ret->unread ? 415 : 0;
	}
	if (slice_eq_nocase(ret->type, SLICE("application/sdp")))
		return 415; /* it would cross unread */
	out = call_join(call, turn, !leg, &body, SLICE_NONE);
	if (out.unread)
		*ret = out;
	return 0;
}

void call_on_inside(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg, struct handle txn)
{
	struct leg_request request = {
		.method = msg->method,
		.max_forwards = msg->max_forwards > 0 ? msg->max_forwards - 1 : SIP_MAX_FORWARDS,
	};
	unsigned slot = 0;
	uint16_t status;

	if (call_dial_in(call, turn, leg, msg, txn))
		return;
	while (slot < CALL_MAX_INSIDE && call->inside[slot].used)
		slot++;
	if (slot == CALL_MAX_INSIDE || !call->legs[!leg].dialog.established) {
		call_reply(call, turn, leg, txn,
			   &(struct reply){ .status = 500, .retry_after_s = 2 });
		return;
	}
	if (msg->max_forwards == 0 || msg->max_forwards == 1) {
		call_reply_code(call, turn, leg, txn, 483);
		return;
	}
	status = inside_body(call, turn, leg, msg, &request.body);
	if (status != 0) {
		call_reply(call, turn, leg, txn,
			   &(struct reply){ .status = status,
					    .accept = status == 415 ? leg_trunk(call, leg) : NULL });
		return;
	}
	request.purpose = TXN_FOR_INSIDE | slot << 8;
	request.headers = arena_printf(turn->arena, "%.*s%.*s", SLICE_ARG(info_headers(turn, msg)),
				       SLICE_ARG(request.body.headers));
	request.body.headers = SLICE_NONE;
	call->inside[slot].used = true;
	call->inside[slot].from = (uint8_t)leg;
	call->inside[slot].method = msg->method;
	call->inside[slot].server_txn = txn;
	inside_keep(call, &call->inside[slot], &request);
	if (call_request(call, turn, !leg, &request, NULL, &call->inside[slot].client_txn) != OK)
		call_inside_failed(call, turn, slot, 500);
}

void call_on_inside_response(struct call *call, const struct turn *turn, unsigned slot,
			     const struct sip_msg *msg)
{
	struct inside *inside = slot < CALL_MAX_INSIDE ? &call->inside[slot] : NULL;
	struct reply reply = { .status = msg->status };

	if (!inside || !inside->used || msg->status < 200 || inside_again(call, turn, slot, msg))
		return;
	if (msg->status == 401 || msg->status == 407 || msg->status / 100 == 3)
		reply.status = 403;
	else if (msg->status == 503) /* it is the peer's, and not the asker's to stay away for */
		reply.status = 500;
	else if (msg->status == 408) /* RFC 4320 4.2: never 408 to a non-INVITE */
		reply.status = 480;
	reply.allow = inside->method == SIP_OPTIONS || reply.status == 405;
	reply.accept = inside->method == SIP_OPTIONS ? leg_trunk(call, inside->from) : NULL;
	inside->used = false;
	call_reply(call, turn, inside->from, inside->server_txn, &reply);
	/* 12.2.1.2, RFC 5057 5.1: the other dialog is gone. (A 408 to an OPTIONS may be a peer that
	 * does not know the method, and is left to the media's timeout.) */
	if (msg->status == 481 && call->state == CALL_ANSWERED)
		call_dialog_lost(call, turn, !inside->from, 481);
}

void call_inside_failed(struct call *call, const struct turn *turn, unsigned slot, uint16_t code)
{
	struct inside *inside = slot < CALL_MAX_INSIDE ? &call->inside[slot] : NULL;

	if (!inside || !inside->used)
		return;
	inside->used = false;
	call_reply_code(call, turn, inside->from, inside->server_txn, code);
}

/* UPDATE without an offer: a target refresh (or a session refresh), answered here. */
static void on_plain_update(struct call *call, const struct turn *turn, unsigned leg,
			    const struct sip_msg *msg, struct handle txn)
{
	struct reply reply = { .status = 200, .contact = true, .allow = true };

	leg_learn_allow(&call->legs[leg], msg);
	if (dialog_refresh(&call->legs[leg].dialog, &call->arena, msg) != OK)
		reply = (struct reply){ .status = 400 };
	else
		leg_find_next_hop(call, leg);
	call_reply(call, turn, leg, txn, &reply);
}

static void on_method(struct call *call, const struct turn *turn, unsigned leg,
		      const struct sip_msg *msg, struct handle txn)
{
	struct sip_cursor cursor = { 0 };
	struct slice option;

	if (sip_next(msg, SIP_HDR_REQUIRE, &cursor, &option) && msg->method != SIP_BYE) {
		call_reply(call, turn, leg, txn,
			   &(struct reply){ .status = 420, .unsupported = option });
		return;
	}
	switch ((int)msg->method) {
	case SIP_INVITE:
		call_on_reinvite(call, turn, leg, msg, txn);
		break;
	case SIP_UPDATE:
		if (msg->body.len > 0)
			call_on_reinvite(call, turn, leg, msg, txn);
		else
			on_plain_update(call, turn, leg, msg, txn);
		break;
	case SIP_BYE:
		call_on_bye(call, turn, leg, msg, txn);
		break;
	case SIP_INFO:
	case SIP_OPTIONS:
		call_on_inside(call, turn, leg, msg, txn);
		break;
	case SIP_PRACK:
		call_reply_code(call, turn, leg, txn, 481); /* RFC 3262 3: nothing to acknowledge */
		break;
	default:
		call_reply(call, turn, leg, txn,
			   &(struct reply){ .status = msg->method == SIP_UNKNOWN_METHOD ? 501 : 405,
					    .allow = true });
		break;
	}
}

static bool from_peer(const struct call *call, const struct dialog *dialog,
		      const struct flow *flow)
{
	const struct leg *leg = &call->legs[dialog->leg];

	return ip_eq(&flow->remote.ip, &dialog->flow.remote.ip) ||
	       settings_trunk_by_source(call->settings, leg->realm, &flow->remote.ip) ==
		       leg->trunk;
}

bool calls_know(const struct calls *calls, const struct sip_msg *msg, const struct flow *flow)
{
	struct dialog *dialog = msg->to_tag.len > 0 ? dialog_find(&calls->dialogs, msg) : NULL;
	struct call *call = dialog ? call_get(calls, dialog->owner) : NULL;

	return call && dialog_from_peer(dialog, msg) && from_peer(call, dialog, flow);
}

void calls_on_request(struct calls *calls, const struct turn *turn, const struct sip_msg *msg,
		      const struct flow *flow, struct handle txn)
{
	struct dialog *dialog = dialog_find(&calls->dialogs, msg);
	struct call *call = dialog ? call_get(calls, dialog->owner) : NULL;

	if (!call || !dialog_from_peer(dialog, msg)) {
		if (msg->method != SIP_ACK)
			refuse(calls, turn, txn, 481);
		return;
	}
	/* Right tags from a wrong place: a stranger who overheard them (or another trunk). */
	if (!from_peer(call, dialog, flow)) {
		if (msg->method != SIP_ACK)
			refuse(calls, turn, txn, 403);
		return;
	}
	if (call->state >= CALL_ENDING) { /* our BYE is on its way: the peer's may cross it */
		if (msg->method != SIP_ACK)
			refuse(calls, turn, txn, msg->method == SIP_BYE ? 200 : 481);
		return;
	}
	if (msg->method == SIP_ACK) {
		call_on_ack(call, turn, dialog->leg, msg);
		return;
	}
	if (msg->cseq.number <= dialog->remote_cseq && dialog->remote_cseq != 0) {
		calls->figures.out_of_order++;
		call_reply_code(call, turn, dialog->leg, txn, 500); /* 12.2.2 */
		return;
	}
	dialog->remote_cseq = msg->cseq.number;
	/* The peer is where it was heard last: a new connection, a NAT that moved it. */
	if (flow->transport != SIP_UDP || leg_trunk(call, dialog->leg)->nat) {
		dialog->flow = *flow;
		leg_find_next_hop(call, dialog->leg);
	}
	on_method(call, turn, dialog->leg, msg, txn);
}

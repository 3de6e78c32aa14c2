/* SPDX-License-Identifier: MIT
 * INVITEs that were given up: after a CANCEL, a failover, the end of their call. No call is needed to
 * clean up behind them: the stored request gives the CANCEL, the 2xx itself gives its ACK and BYE
 * (along its own route set: a BYE past the proxies would never arrive). */
#include "sbc/call/call_priv.h"

#define STRAY_BYTES 2048u

/* The CANCEL of a stored INVITE (9.1): its first line with another method, its top Via with the same
 * branch, From, To, Call-ID, Max-Forwards, Route and CSeq number. */
static void write_cancel(struct text *text, const struct sip_msg *invite, struct slice reason)
{
	static const enum sip_header copied[] = { SIP_HDR_VIA, SIP_HDR_MAX_FORWARDS, SIP_HDR_ROUTE,
						  SIP_HDR_FROM, SIP_HDR_TO, SIP_HDR_CALL_ID };

	text_lit(text, "CANCEL ");
	text_slice(text, invite->uri_text);
	text_lit(text, " SIP/2.0\r\n");
	for (size_t i = 0; i < array_size(copied); i++) {
		for (uint16_t at = invite->first[copied[i]]; at; at = invite->fields[at - 1].next) {
			text_slice(text, invite->fields[at - 1].name);
			text_lit(text, ": ");
			text_slice(text, invite->fields[at - 1].value);
			text_lit(text, "\r\n");
		}
	}
	text_lit(text, "CSeq: ");
	text_u64(text, invite->cseq.number);
	text_lit(text, " CANCEL\r\n");
	text_slice(text, reason);
	sip_write_body(text, SLICE_NONE, SLICE_NONE);
}

void cancel_send(struct calls *calls, const struct turn *turn, struct handle invite_txn,
		 struct slice reason_header)
{
	struct slice bytes = txn_request_bytes(calls->config.txns, invite_txn);
	const struct flow *flow = txn_flow(calls->config.txns, invite_txn);
	struct sip_verdict verdict;
	struct sip_msg invite;
	struct text text;
	struct text sent_by;
	char storage[300];
	struct handle ignored;

	if (bytes.len == 0 || !flow ||
	    sip_parse(turn->arena, bytes, &sip_limits_default, &invite, &verdict) != OK)
		return;
	text_init_arena(&text, turn->arena, STRAY_BYTES);
	write_cancel(&text, &invite, reason_header);
	text_init(&sent_by, storage, sizeof(storage));
	text_slice(&sent_by, invite.via.host);
	if (invite.via.port) {
		text_char(&sent_by, ':');
		text_u64(&sent_by, invite.via.port);
	}
	if (text.err != OK || sent_by.err != OK)
		return;
	struct txn_request cancel = {
		.method = SIP_CANCEL,
		.branch = invite.via.branch,
		.sent_by = text_done(&sent_by),
		.flow = *flow,
		.bytes = text_done(&text),
		.user = { .purpose = TXN_FOR_NOTHING },
	};

	(void)!txn_request(calls->config.txns, &cancel, turn->now_ms, turn->out, &ignored);
}

void stray_cancel(struct calls *calls, const struct turn *turn, struct handle invite_txn,
		  struct slice reason_header)
{
	struct txn_user user = txn_user(calls->config.txns, invite_txn);

	if (user.purpose == TXN_FOR_STRAY_DONE)
		return;
	user.purpose = TXN_FOR_STRAY_DONE;
	txn_set_user(calls->config.txns, invite_txn, user);
	calls->figures.strays++;
	cancel_send(calls, turn, invite_txn, reason_header);
	txn_give_up(calls->config.txns, invite_txn, turn->now_ms);
}

/* A dialog as the 2xx describes it, and who we are in it: only for this turn. */
static enum err stray_dialog(const struct turn *turn, const struct flow *flow,
			     const struct sip_msg *response, struct dialog *ret,
			     struct dialog_self *ret_self)
{
	*ret = (struct dialog){ .flow = *flow,
				.call_id = response->call_id,
				.local_tag = response->from_tag };
	*ret_self = (struct dialog_self){
		.host = response->via.host,
		.port = response->via.port,
		.transport = flow->transport,
	};
	if (ret_self->port == 0)
		ret_self->port = flow->transport == SIP_TLS ? 5061 : 5060;
	ret->local = arena_printf(turn->arena, "<%.*s>", SLICE_ARG(response->from.uri_text));
	ret->remote = arena_printf(turn->arena, "<%.*s>", SLICE_ARG(response->to.uri_text));
	return dialog_establish(ret, turn->arena, response);
}

static struct slice stray_request(struct calls *calls, const struct turn *turn,
				  const struct dialog *dialog, const struct dialog_self *self,
				  enum sip_method method, uint32_t cseq, struct slice *ret_branch)
{
	struct dialog_request request = {
		.method = method, .cseq = cseq, .max_forwards = SIP_MAX_FORWARDS, .self = self
	};
	struct text branch;
	struct text text;

	text_init_arena(&branch, turn->arena, 64);
	txn_branch_write(&branch, calls->config.rand);
	request.branch = text_done(&branch);
	*ret_branch = request.branch;
	text_init_arena(&text, turn->arena, STRAY_BYTES);
	dialog_request_write(&text, dialog, &request);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	return text_done(&text);
}

/* An INVITE's txn_user.leg remembers two dialogs that need no BYE any more, by 16 bits of their tags:
 * the call's own, a fork that had it. A third one gets a BYE with each repeated 2xx, which does no
 * harm. False: it needs none. */
static bool note_fork(const struct calls *calls, struct txn_user *user, struct slice tag)
{
	uint32_t mark = (uint32_t)(hash64(&calls->config.hash_key, tag) & 0xffff) | 1;

	if ((user->leg & 0xffff) == mark || user->leg >> 16 == mark)
		return false;
	if (user->leg >> 16 == 0)
		user->leg = user->leg << 16 | mark;
	return true;
}

void stray_spare(struct calls *calls, struct handle invite_txn, struct slice tag)
{
	struct txn_user user = txn_user(calls->config.txns, invite_txn);

	if (note_fork(calls, &user, tag))
		txn_set_user(calls->config.txns, invite_txn, user);
}

/* A 2xx that nobody wants (13.2.2.4, 9.1): ACK each time it comes, BYE once. */
static void stray_take_back(struct calls *calls, const struct turn *turn,
			    const struct effect *effect)
{
	const struct flow *flow = txn_flow(calls->config.txns, effect->txn.txn);
	const struct sip_msg *response = effect->txn.msg;
	struct txn_user user = effect->txn.user;
	struct dialog_self self;
	struct dialog dialog;
	struct slice branch;
	struct handle ignored;
	struct slice ack;

	if (!flow || stray_dialog(turn, flow, response, &dialog, &self) != OK)
		return;
	ack = stray_request(calls, turn, &dialog, &self, SIP_ACK, response->cseq.number, &branch);
	if (ack.len > 0)
		effects_send(turn->out, flow, ack, HANDLE_NONE);
	if (!note_fork(calls, &user, response->to_tag))
		return;
	calls->figures.strays++;
	txn_set_user(calls->config.txns, effect->txn.txn, user);

	struct txn_request bye = { .method = SIP_BYE,
				   .flow = *flow,
				   .user = { .purpose = TXN_FOR_NOTHING } };
	struct text sent_by;

	bye.bytes = stray_request(calls, turn, &dialog, &self, SIP_BYE, response->cseq.number + 1,
				  &bye.branch);
	text_init_arena(&sent_by, turn->arena, 300);
	dialog_sent_by_write(&sent_by, &self);
	bye.sent_by = text_done(&sent_by);
	if (bye.bytes.len > 0)
		(void)!txn_request(calls->config.txns, &bye, turn->now_ms, turn->out, &ignored);
}

void stray_on_response(struct calls *calls, const struct turn *turn, const struct effect *effect)
{
	uint16_t status = effect->txn.msg->status;

	if (effect->txn.msg->cseq.method != SIP_INVITE)
		return;
	if (status >= 200 && status < 300)
		stray_take_back(calls, turn, effect);
	else if (status < 200)
		stray_cancel(calls, turn, effect->txn.txn, SLICE_NONE);
}

/* Another fork's 2xx, or a repeated one, on an exchange that is through. */
void stray_2xx(struct call *call, const struct turn *turn, const struct effect *effect)
{
	const struct sip_msg *msg = effect->txn.msg;
	unsigned leg = slice_eq(call->legs[0].dialog.call_id, msg->call_id) ? 0 : 1;
	const struct leg *on = &call->legs[leg];

	if (!slice_eq(on->dialog.call_id, msg->call_id))
		return;
	if (!slice_eq(on->dialog.remote_tag, msg->to_tag))
		stray_take_back(call->calls, turn, effect);
	else if (msg->cseq.number > on->ack_cseq && call->state >= CALL_ENDING)
		stray_take_back(call->calls, turn, effect); /* ACK; its BYE is out */
	else
		call_ack_again(call, turn, leg, msg->cseq.number);
}

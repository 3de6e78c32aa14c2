/* SPDX-License-Identifier: MIT
 * Requests: who sent it, is it new, whose is it. An unknown source costs a parse and one stateless
 * answer, never memory that lives past the turn. */
#include "sbc/core/dispatch.h"

#define REPLY_BYTES 1024u

/* The tag of a stateless answer must be the same for a retransmission (RFC 3261 8.2.7), so it is
 * computed from the request. */
static void write_stateless_tag(struct text *text, const struct rooms *rooms,
				const struct sip_msg *msg)
{
	uint64_t tag = hash64_shown(&rooms->tag_key, msg->call_id) ^
		       hash64_shown(&rooms->tag_key, msg->via.branch);

	text_hex(text, &tag, sizeof(tag));
}

static void response_flow(const struct sip_msg *msg, const struct flow *flow, struct flow *ret)
{
	*ret = *flow;
	/* RFC 3261 18.2.2, RFC 3581: to the source; without rport to the port that the Via names. */
	if (flow->transport == SIP_UDP && !msg->via.rport)
		ret->remote.port = msg->via.port ? msg->via.port : 5060;
}

/* The source of a datagram may be forged. Who would make us flood somebody gains nothing by it, for an
 * answer that is a fifth larger than its request is not sent; only requests far shorter than real
 * ones are concerned. */
static bool would_amplify(const struct sip_msg *msg, const struct flow *flow, struct slice answer)
{
	return flow->transport == SIP_UDP && answer.len * 5 > msg->bytes.len * 6;
}

void reply_stateless(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		     const struct flow *flow, uint16_t status, const char *reason)
{
	struct sip_reply_head head;
	struct flow back;
	struct text text;
	struct text tag;

	if (msg->method == SIP_ACK ||
	    sip_reply_keep(turn->arena, msg, &flow->remote, &head) != OK)
		return;
	text_init_arena(&tag, turn->arena, 17);
	write_stateless_tag(&tag, rooms, msg);
	text_init_arena(&text, turn->arena, REPLY_BYTES);
	sip_reply_write(&text, &head, status, slice_text(reason), text_done(&tag), false);
	if (status == 405 || status == 501)
		text_lit(&text, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n");
	if (status == 503) {
		text_lit(&text, "Retry-After: ");
		text_u64(&text, 1 + rand_below(rooms->rand, 10));
		text_lit(&text, "\r\n");
	}
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err != OK || would_amplify(msg, flow, text_done(&text)))
		return;
	response_flow(msg, flow, &back);
	effects_send(turn->out, &back, text_done(&text), HANDLE_NONE);
}

/* Answers on a server transaction, outside any call. */
static void reply_txn(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		      struct handle txn, uint16_t status, bool capabilities)
{
	const struct sip_reply_head *head = txn_reply_head(rooms->txns, txn);
	struct text text;
	struct text tag;

	if (!head)
		return;
	text_init_arena(&tag, turn->arena, 17);
	write_stateless_tag(&tag, rooms, msg);
	text_init_arena(&text, turn->arena, REPLY_BYTES);
	sip_reply_write(&text, head, status, SLICE_NONE, text_done(&tag), false);
	if (capabilities) {
		text_lit(&text, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
				"Accept: application/sdp\r\n");
	}
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err == OK)
		(void)!txn_respond(rooms->txns, txn, status, text_done(&text), turn->now_ms,
				   turn->out);
}

static void on_cancel(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		      struct handle txn, struct handle invite)
{
	reply_txn(rooms, turn, msg, txn, handle_is(invite) ? 200 : 481, false);
	if (handle_is(invite))
		calls_on_cancel(rooms->calls, turn, msg, invite);
}

/* Outside any dialog. */
static void on_new_request(const struct rooms *rooms, const struct turn *turn,
			   const struct sip_msg *msg, const struct flow *flow, struct handle txn,
			   uint32_t trunk)
{
	static const uint16_t answers[SIP_METHOD_COUNT] = {
		[SIP_UNKNOWN_METHOD] = 501, [SIP_OPTIONS] = 200, [SIP_BYE] = 481,
		[SIP_INFO] = 481,	    [SIP_UPDATE] = 481,	 [SIP_PRACK] = 481,
		[SIP_REFER] = 405,	    [SIP_NOTIFY] = 405,	 [SIP_SUBSCRIBE] = 405,
		[SIP_MESSAGE] = 405,	    [SIP_PUBLISH] = 405,
		[SIP_REGISTER] = 403, /* nobody may register here */
	};
	uint16_t status = answers[msg->method];

	if (msg->method == SIP_INVITE && rooms->draining) {
		rooms->hands->rejected(rooms->owner, msg, flow, REJECT_OVERLOAD);
		reply_txn(rooms, turn, msg, txn, 503, false);
		return;
	}
	if (msg->method == SIP_INVITE) {
		calls_on_invite(rooms->calls, turn, msg, flow, txn, rooms->settings, trunk);
		return;
	}
	if (msg->uri.scheme == SIP_SCHEME_OTHER)
		status = 416;
	else if (status == 200 && rooms->draining)
		status = 503; /* peers that probe us move away */
	if (status >= 400)
		rooms->hands->rejected(rooms->owner, msg, flow, REJECT_METHOD);
	reply_txn(rooms, turn, msg, txn, status, status == 200 || status == 405 || status == 501);
}

/* 12.2.2: an INVITE whose To tag was never ours may be accepted as a new one; a tag that we could
 * have made belongs to a call that is over, and ringing somebody anew would be wrong. */
static bool is_new(const struct rooms *rooms, const struct sip_msg *msg, const struct flow *flow)
{
	if (msg->method == SIP_ACK)
		return false;
	if (msg->to_tag.len == 0)
		return true;
	return msg->method == SIP_INVITE && !dialog_tag_ours(msg->to_tag) &&
	       !calls_know(rooms->calls, msg, flow);
}

static void on_admitted(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
			const struct flow *flow, uint32_t trunk)
{
	struct handle invite = HANDLE_NONE;
	struct handle txn = HANDLE_NONE;

	switch (txn_on_request(rooms->txns, msg, flow, turn->now_ms, turn->out, &txn, &invite)) {
	case TXN_ABSORBED:
		return;
	case TXN_FULL:
		rooms->hands->rejected(rooms->owner, msg, flow, REJECT_OVERLOAD);
		reply_stateless(rooms, turn, msg, flow, 503, NULL);
		return;
	case TXN_ACK:
	case TXN_NEW:
		break;
	}
	if (msg->method == SIP_CANCEL)
		on_cancel(rooms, turn, msg, txn, invite);
	else if (trunk != SETTINGS_NONE && is_new(rooms, msg, flow))
		on_new_request(rooms, turn, msg, flow, txn, trunk);
	else
		calls_on_request(rooms->calls, turn, msg, flow, txn);
}

static void dispatch_request(const struct rooms *rooms, const struct turn *turn,
			     const struct sip_msg *msg, const struct flow *flow)
{
	uint32_t trunk = SETTINGS_NONE;
	uint32_t realm = settings_realm_by_listener(rooms->settings,
						    (enum conf_transport)flow->transport,
						    &flow->local, NULL);
	enum policy_answer answer = POLICY_DROP;

	if (realm != SETTINGS_NONE)
		answer = policy_admit(rooms->settings, realm, &flow->remote.ip, &trunk);
	/* An access rule may let an address in, but a call needs a trunk to be somebody's. */
	if ((answer == POLICY_ALLOW && trunk != SETTINGS_NONE) ||
	    calls_know(rooms->calls, msg, flow)) {
		on_admitted(rooms, turn, msg, flow, trunk);
		return;
	}
	if (answer == POLICY_DROP)
		return; /* the edge drops and counts these before they are parsed */
	rooms->hands->rejected(rooms->owner, msg, flow, REJECT_ACL);
	reply_stateless(rooms, turn, msg, flow, 403, NULL);
}

/* Whoever overheard a branch could answer in the callee's place. So the answer must come from the
 * address that was asked, or from another one of the same trunk (a cluster). */
static bool was_asked(const struct rooms *rooms, struct handle txn, const struct flow *flow)
{
	const struct flow *asked = txn_flow(rooms->txns, txn);
	uint32_t realm, trunk;

	if (!asked)
		return false;
	if (ip_eq(&asked->remote.ip, &flow->remote.ip))
		return true;
	realm = settings_realm_by_listener(rooms->settings, (enum conf_transport)flow->transport,
					   &flow->local, NULL);
	if (realm == SETTINGS_NONE)
		return false;
	trunk = settings_trunk_by_source(rooms->settings, realm, &flow->remote.ip);
	return trunk != SETTINGS_NONE &&
	       trunk == settings_trunk_by_source(rooms->settings, realm, &asked->remote.ip);
}

void dispatch_message(const struct rooms *rooms, const struct turn *turn, const struct sip_msg *msg,
		      const struct flow *flow)
{
	struct handle txn;

	if (msg->is_request) {
		dispatch_request(rooms, turn, msg, flow);
		return;
	}
	txn = txn_asked(rooms->txns, msg);
	if (was_asked(rooms, txn, flow)) /* or it came too late (17.1.3) */
		(void)!txn_on_response(rooms->txns, txn, msg, turn->now_ms, turn->out);
}

static void execute(const struct rooms *rooms, const struct turn *turn,
		    const struct effect *effect)
{
	const struct hands *hands = rooms->hands;

	switch (effect->kind) {
	case EFFECT_SEND:
		hands->send(rooms->owner, &effect->send.flow, effect->send.bytes,
			    effect->send.txn);
		break;
	case EFFECT_TXN_RESPONSE:
	case EFFECT_TXN_TIMEOUT:
	case EFFECT_TXN_ERROR:
	case EFFECT_TXN_ACK_TIMEOUT:
		if (effect->txn.user.purpose == TXN_USER_PROBE)
			hands->probe(rooms->owner, turn, effect);
		else
			calls_on_txn(rooms->calls, turn, effect);
		break;
	case EFFECT_RELAY: {
		struct ctl_message message = *effect->relay.message;

		hands->relay(rooms->owner, effect->relay.owner, effect->relay.purpose, &message);
		break;
	}
	case EFFECT_RESOLVE:
		hands->resolve(rooms->owner, effect);
		break;
	case EFFECT_RECORD:
		hands->record(rooms->owner, turn, effect->record);
		break;
	case EFFECT_REAP:
		calls_reap(rooms->calls, effect->reap);
		break;
	case EFFECT_EVIDENCE:
		if (hands->evidence)
			hands->evidence(rooms->owner, turn, effect);
		break;
	}
}

void dispatch_effects(const struct rooms *rooms, const struct turn *turn)
{
	struct effect *effect;

	while ((effect = effects_pop(turn->out)))
		execute(rooms, turn, effect);
}

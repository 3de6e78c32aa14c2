/* SPDX-License-Identifier: MIT
 * Requests: who sent it, is it new, whose is it. An unknown source costs a parse and one stateless
 * answer, never memory that lives past the turn. */
#include "sbc/core/core_priv.h"

#define REPLY_BYTES 1024u

/* The tag of a stateless answer must be the same for a retransmission (RFC 3261 8.2.7), so it is
 * computed from the request. */
static void write_stateless_tag(struct text *text, const struct worker *worker,
				const struct sip_msg *msg)
{
	uint64_t tag = hash64(&worker->core->worker_key, msg->call_id) ^
		       hash64(&worker->core->worker_key, msg->via.branch);

	text_hex(text, &tag, sizeof(tag));
}

static void response_flow(const struct sip_msg *msg, const struct flow *flow, struct flow *ret)
{
	*ret = *flow;
	/* RFC 3261 18.2.2, RFC 3581: to the source; without rport to the port that the Via names. */
	if (flow->transport == SIP_UDP && !msg->via.rport)
		ret->remote.port = msg->via.port ? msg->via.port : 5060;
}

void reply_stateless(struct worker *worker, const struct turn *turn, const struct sip_msg *msg,
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
	write_stateless_tag(&tag, worker, msg);
	text_init_arena(&text, turn->arena, REPLY_BYTES);
	sip_reply_write(&text, &head, status, slice_text(reason), text_done(&tag), false);
	if (status == 405 || status == 501)
		text_lit(&text, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n");
	if (status == 503) {
		text_lit(&text, "Retry-After: ");
		text_u64(&text, 1 + rand_below(&worker->rand, 10));
		text_lit(&text, "\r\n");
	}
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err != OK)
		return;
	response_flow(msg, flow, &back);
	effects_send(turn->out, &back, text_done(&text), HANDLE_NONE);
}

/* Answers on a server transaction, outside any call. */
static void reply_txn(struct worker *worker, const struct turn *turn, const struct sip_msg *msg,
		      struct handle txn, uint16_t status, bool capabilities)
{
	const struct sip_reply_head *head = txn_reply_head(worker->txns, txn);
	struct text text;
	struct text tag;

	if (!head)
		return;
	text_init_arena(&tag, turn->arena, 17);
	write_stateless_tag(&tag, worker, msg);
	text_init_arena(&text, turn->arena, REPLY_BYTES);
	sip_reply_write(&text, head, status, SLICE_NONE, text_done(&tag), false);
	if (capabilities) {
		text_lit(&text, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
				"Accept: application/sdp\r\n");
	}
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err == OK)
		(void)!txn_respond(worker->txns, txn, status, text_done(&text), turn->now_ms,
				   turn->out);
}

static void on_cancel(struct worker *worker, const struct turn *turn, const struct sip_msg *msg,
		      struct handle txn, struct handle invite)
{
	reply_txn(worker, turn, msg, txn, handle_is(invite) ? 200 : 481, false);
	if (handle_is(invite))
		calls_on_cancel(worker->calls, turn, msg, invite);
}

/* Outside any dialog. */
static void on_new_request(struct worker *worker, const struct turn *turn,
			   const struct sip_msg *msg, const struct flow *flow, struct handle txn,
			   uint32_t trunk)
{
	static const uint16_t answers[SIP_METHOD_COUNT] = {
		[SIP_UNKNOWN_METHOD] = 501, [SIP_OPTIONS] = 200, [SIP_BYE] = 481,
		[SIP_INFO] = 481,	    [SIP_UPDATE] = 481,	 [SIP_PRACK] = 481,
		[SIP_REGISTER] = 405,	    [SIP_REFER] = 405,	 [SIP_NOTIFY] = 405,
		[SIP_SUBSCRIBE] = 405,	    [SIP_MESSAGE] = 405, [SIP_PUBLISH] = 405,
	};
	uint16_t status = answers[msg->method];

	if (msg->method == SIP_INVITE && worker->core->draining) {
		figures_reject(worker, REJECT_OVERLOAD);
		reply_txn(worker, turn, msg, txn, 503, false);
		return;
	}
	if (msg->method == SIP_INVITE) {
		calls_on_invite(worker->calls, turn, msg, flow, txn, worker->settings, trunk);
		return;
	}
	if (msg->uri.scheme == SIP_SCHEME_OTHER)
		status = 416;
	else if (status == 200 && worker->core->draining)
		status = 503; /* peers that probe us move away */
	if (status >= 400)
		figures_reject(worker, REJECT_METHOD);
	reply_txn(worker, turn, msg, txn, status, status == 200 || status == 405 || status == 501);
}

static void on_admitted(struct worker *worker, const struct turn *turn, const struct sip_msg *msg,
			const struct flow *flow, uint32_t trunk)
{
	struct handle invite = HANDLE_NONE;
	struct handle txn = HANDLE_NONE;

	switch (txn_on_request(worker->txns, msg, flow, turn->now_ms, turn->out, &txn, &invite)) {
	case TXN_ABSORBED:
		return;
	case TXN_FULL:
		figures_reject(worker, REJECT_OVERLOAD);
		reply_stateless(worker, turn, msg, flow, 503, NULL);
		return;
	case TXN_ACK:
	case TXN_NEW:
		break;
	}
	if (msg->method == SIP_CANCEL)
		on_cancel(worker, turn, msg, txn, invite);
	else if (msg->to_tag.len > 0 || msg->method == SIP_ACK || trunk == SETTINGS_NONE)
		calls_on_request(worker->calls, turn, msg, flow, txn);
	else
		on_new_request(worker, turn, msg, flow, txn, trunk);
}

void dispatch_request(struct worker *worker, const struct turn *turn, const struct sip_msg *msg,
		      const struct flow *flow)
{
	uint32_t trunk = SETTINGS_NONE;
	uint32_t realm = settings_realm_by_listener(worker->settings,
						    (enum conf_transport)flow->transport,
						    &flow->local, NULL);
	enum policy_answer answer = POLICY_DROP;

	if (realm != SETTINGS_NONE)
		answer = policy_admit(worker->settings, realm, &flow->remote.ip, &trunk);
	/* An access rule may let an address in, but a call needs a trunk to be somebody's. */
	if ((answer == POLICY_ALLOW && trunk != SETTINGS_NONE) ||
	    calls_know(worker->calls, msg, flow)) {
		on_admitted(worker, turn, msg, flow, trunk);
		return;
	}
	figures_reject(worker, REJECT_ACL);
	if (answer == POLICY_DROP)
		return;
	log_write(worker->core->config.log, LOG_LEVEL_INFO, EVENT_request_rejected,
		  LOG_E("peer", &flow->remote), LOG_S("method", msg->method_text),
		  LOG_U("status", 403), LOG_T("why", "unknown_source"));
	reply_stateless(worker, turn, msg, flow, 403, NULL);
}

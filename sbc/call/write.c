/* SPDX-License-Identifier: MIT
 * Everything that leaves is written here from the leg's own terms, and looked at once more for traces
 * of the other leg before it goes. */
#include "sbc/call/call_priv.h"

#define MESSAGE_FIRST_BYTES 2048u
#define CALL_MAX_FORWARDS 70

void call_allow_write(struct text *text)
{
	text_lit(text, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n");
}

/* Keys come and go with each exchange, so they are looked for as they stand now. */
static bool shows_keys(struct call *call, const struct turn *turn, unsigned leg,
		       struct slice bytes)
{
	struct slice secrets[4 * LEAK_MAX];
	size_t count = call->media ? media_secrets(call->media, !leg, turn->arena, secrets,
						   array_size(secrets)) :
				     0;

	for (size_t from = 0; from < count; from += LEAK_MAX) {
		struct leak_set set = { 0 };

		for (size_t i = from; i < count && i < from + LEAK_MAX; i++)
			leak_add(&set, secrets[i]);
		if (leak_find(&set, bytes).len > 0)
			return true;
	}
	return false;
}

bool call_clean(struct call *call, const struct turn *turn, unsigned leg, struct slice bytes)
{
	if (leak_find(&call->legs[!leg].secrets, bytes).len == 0 &&
	    !shows_keys(call, turn, leg, bytes))
		return true;
	call->calls->figures.leaks_blocked++;
	return false;
}

static void write_accept(struct text *text, const struct conf_trunk *trunk)
{
	text_lit(text, "Accept: application/sdp");
	if (trunk->body_count > 0)
		text_lit(text, ", multipart/mixed");
	for (size_t i = 0; i < trunk->body_count; i++) {
		text_lit(text, ", ");
		text_slice(text, trunk->bodies[i]);
	}
	text_lit(text, "\r\n");
}

static void write_reply_headers(struct text *text, const struct reply *reply,
				const struct dialog_self *self)
{
	if (reply->contact && self)
		dialog_contact_write(text, self);
	if (reply->allow)
		call_allow_write(text);
	if (reply->accept)
		write_accept(text, reply->accept);
	if (reply->accept_digits)
		text_lit(text, "Accept: application/dtmf-relay, application/dtmf\r\n");
	if (reply->retry_after_s > 0) {
		text_lit(text, "Retry-After: ");
		text_u64(text, reply->retry_after_s);
		text_lit(text, "\r\n");
	}
	if (reply->unsupported.len > 0) {
		text_lit(text, "Unsupported: ");
		text_slice(text, reply->unsupported);
		text_lit(text, "\r\n");
	}
}

/* What was written of a message behind `from`. */
static struct slice written(struct text *text, size_t from)
{
	return slice_skip(text_done(text), from);
}

/* Ends a message, of which the first `own` bytes are what its receiver said itself: a Via of his that
 * names an address which the other leg has, too, betrays nothing. False: it shows something of the
 * other leg. Parts that cross by the operator's wish are not looked at, and what was written around
 * them was looked at when it was. */
static bool seal(struct call *call, const struct turn *turn, unsigned leg, struct text *text,
		 size_t own, const struct body_out *body)
{
	bool clean = true;

	text_slice(text, body->headers);
	if (body->unread)
		clean = call_clean(call, turn, leg, written(text, own));
	sip_write_body(text, body->type, body->octets);
	return body->unread ? clean : call_clean(call, turn, leg, written(text, own));
}

void reply_plain(struct calls *calls, const struct turn *turn, struct handle txn,
		 const struct reply *reply, struct slice to_tag)
{
	const struct sip_reply_head *head = txn_reply_head(calls->config.txns, txn);
	struct text text;

	if (!head)
		return;
	text_init_arena(&text, turn->arena, MESSAGE_FIRST_BYTES);
	sip_reply_write(&text, head, reply->status, SLICE_NONE, to_tag, false);
	write_reply_headers(&text, reply, NULL);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err == OK)
		(void)!txn_respond(calls->config.txns, txn, reply->status, text_done(&text),
				   turn->now_ms, turn->out);
}

/* Nothing but what the request itself said, and a status: there is nothing in it to leak. */
static void reply_bare(struct call *call, const struct turn *turn, unsigned leg, struct handle txn,
		       uint16_t status)
{
	struct txn_table *txns = call->calls->config.txns;
	struct text text;

	text_init_arena(&text, turn->arena, MESSAGE_FIRST_BYTES);
	sip_reply_write(&text, txn_reply_head(txns, txn), status, SLICE_NONE,
			call->legs[leg].dialog.local_tag, false);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text.err == OK)
		(void)!txn_respond(txns, txn, status, text_done(&text), turn->now_ms, turn->out);
	else /* over the quota: the peer asks again, or gives up */
		txn_abandon(txns, txn);
}

bool call_reply(struct call *call, const struct turn *turn, unsigned leg, struct handle txn,
		const struct reply *reply)
{
	struct txn_table *txns = call->calls->config.txns;
	const struct sip_reply_head *head = txn_reply_head(txns, txn);
	struct text text;
	size_t own;
	bool clean;

	if (!head)
		return false;
	if (handle_eq(txn, call->exchange.server_txn))
		call_timer_stop(call, TIMER_TRYING);
	text_init_arena(&text, turn->arena, MESSAGE_FIRST_BYTES);
	sip_reply_write(&text, head, reply->status, SLICE_NONE,
			reply->status == 100 ? SLICE_NONE : call->legs[leg].dialog.local_tag,
			reply->contact);
	own = text.len;
	write_reply_headers(&text, reply, &call->legs[leg].self);
	clean = seal(call, turn, leg, &text, own, &reply->body);
	if (text.err == OK && clean)
		return txn_respond(txns, txn, reply->status, text_done(&text), turn->now_ms,
				   turn->out) == OK;
	if (reply->status >= 200)
		reply_bare(call, turn, leg, txn, reply->status < 300 ? 500 : reply->status);
	return false;
}

void call_reply_code(struct call *call, const struct turn *turn, unsigned leg, struct handle txn,
		     uint16_t status)
{
	call_reply(call, turn, leg, txn, &(struct reply){ .status = status });
}

enum err call_request(struct call *call, const struct turn *turn, unsigned leg,
		      const struct leg_request *request, uint32_t *ret_cseq,
		      struct handle *ret_txn)
{
	struct leg *on = &call->legs[leg];
	struct dialog_request head = {
		.method = request->method,
		.cseq = ++on->dialog.local_cseq,
		.max_forwards = request->max_forwards ? request->max_forwards : CALL_MAX_FORWARDS,
		.self = &on->self,
	};
	struct txn_request txn = {
		.method = request->method,
		.flow = on->dialog.flow,
		.user = { .owner = call->self, .purpose = request->purpose },
	};
	struct handle ignored;
	struct text text;
	char sent_by[300];
	struct text sent_by_text;
	char branch[64];
	struct text branch_text;
	size_t own;
	bool clean;

	text_init(&branch_text, branch, sizeof(branch));
	txn_branch_write(&branch_text, call->calls->config.rand);
	head.branch = text_done(&branch_text);
	text_init_arena(&text, turn->arena, MESSAGE_FIRST_BYTES);
	dialog_request_write(&text, &on->dialog, &head);
	/* Within a dialog its target, route set and parties are the peer's own words. */
	own = on->dialog.remote_tag.len > 0 ? text.len : 0;
	if (request->contact) {
		dialog_contact_write(&text, &on->self);
		call_allow_write(&text);
	}
	text_slice(&text, request->headers);
	clean = seal(call, turn, leg, &text, own, &request->body);
	if (text.err != OK)
		return text.err;
	/* A BYE says nothing that its peer did not say first; a dialog must end whatever the peer
	 * put into its tag. */
	if (!clean && request->method != SIP_BYE)
		return ERR_REFUSED;
	text_init(&sent_by_text, sent_by, sizeof(sent_by));
	dialog_sent_by_write(&sent_by_text, &on->self);
	txn.branch = head.branch;
	txn.sent_by = text_done(&sent_by_text);
	txn.bytes = text_done(&text);
	if (ret_cseq)
		*ret_cseq = head.cseq;
	return txn_request(call->calls->config.txns, &txn, turn->now_ms, turn->out,
			   ret_txn ? ret_txn : &ignored);
}

/* An ACK to a 2xx: its own branch, the INVITE's CSeq number. Empty: it must not leave. */
static struct slice ack_write(struct call *call, const struct turn *turn, unsigned leg,
			      uint32_t cseq, struct slice sdp)
{
	const struct leg *on = &call->legs[leg];
	struct dialog_request head = {
		.method = SIP_ACK,
		.cseq = cseq,
		.max_forwards = CALL_MAX_FORWARDS,
		.self = &on->self,
	};
	struct text text;
	char branch[64];
	struct text branch_text;
	size_t own;

	text_init(&branch_text, branch, sizeof(branch));
	txn_branch_write(&branch_text, call->calls->config.rand);
	head.branch = text_done(&branch_text);
	text_init_arena(&text, turn->arena, MESSAGE_FIRST_BYTES);
	dialog_request_write(&text, &on->dialog, &head);
	own = text.len;
	text_slice(&text, on->credentials);
	sip_write_body(&text, SLICE("application/sdp"), sdp);
	if (text.err != OK || !call_clean(call, turn, leg, written(&text, own)))
		return SLICE_NONE;
	return text_done(&text);
}

/* It has no transaction, and is kept, for every repeated 2xx gets the same bytes (RFC 3261 13.2.2.4). */
void call_ack(struct call *call, const struct turn *turn, unsigned leg, uint32_t cseq,
	      struct slice sdp)
{
	struct leg *on = &call->legs[leg];
	struct slice bytes = ack_write(call, turn, leg, cseq, sdp);

	stray_spare(call->calls, call->exchange.client_txn, on->dialog.remote_tag);
	on->ack_owed = false;
	on->confirmed = true;
	on->ack_cseq = 0;
	if (bytes.len == 0)
		return;
	if (dialog_keep(&call->arena, bytes, &on->ack, &on->ack_room) == OK)
		on->ack_cseq = cseq; /* else it is sent once, and cannot be repeated */
	effects_send(turn->out, &on->dialog.flow, bytes, HANDLE_NONE);
}

void call_ack_again(struct call *call, const struct turn *turn, unsigned leg, uint32_t cseq)
{
	const struct leg *on = &call->legs[leg];
	struct slice bytes = on->ack;

	if (cseq > on->ack_cseq)
		return; /* not yet: its answer is still to come */
	if (cseq < on->ack_cseq)
		bytes = ack_write(call, turn, leg, cseq, SLICE_NONE);
	if (bytes.len > 0)
		effects_send(turn->out, &on->dialog.flow, bytes, HANDLE_NONE);
}

/* Protocol and cause number of the first usable Reason value (RFC 3326); its text stays behind. */
struct slice call_reason_copy(const struct turn *turn, const struct sip_msg *msg)
{
	struct sip_cursor cursor = { 0 };
	struct slice value;

	while (sip_next(msg, SIP_HDR_REASON, &cursor, &value)) {
		struct slice params = value;
		struct slice protocol;
		struct slice cause;
		uint32_t number;

		if (!slice_cut_char(&params, ';', &protocol) ||
		    !sip_param_find(params, SLICE("cause"), &cause) ||
		    parse_u32(cause, &number) != OK || number > 999)
			continue;
		protocol = slice_trim(protocol, CC_LWS);
		if (slice_eq_nocase(protocol, SLICE("Q.850")))
			return call_reason_make(turn, "Q.850", number);
		if (slice_eq_nocase(protocol, SLICE("SIP")))
			return call_reason_make(turn, "SIP", number);
	}
	return SLICE_NONE;
}

struct slice call_reason_make(const struct turn *turn, const char *protocol, unsigned cause)
{
	return arena_printf(turn->arena, "Reason: %s;cause=%u\r\n", protocol, cause);
}

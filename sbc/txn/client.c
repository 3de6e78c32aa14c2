/* SPDX-License-Identifier: MIT
 * The client side: requests are sent and kept for repetition, responses matched by branch, sent-by
 * and method of CSeq (RFC 3261 17.1.3). */
#include "sbc/txn/txn_priv.h"

/* "host", "host:port", "[v6]:port". Ours, so a bad port is no port. */
static struct hash128 request_key(const struct txn_table *table, const struct txn_request *request)
{
	struct slice host = request->sent_by;
	uint16_t port = 0;
	size_t at = host.len;

	while (at > 0 && char_is(host.p[at - 1], CC_DIGIT))
		at--;
	if (at > 0 && host.p[at - 1] == ':' && parse_u16(slice_skip(host, at), &port) == OK)
		host.len = at - 1;
	return txn_client_key(table, request->method, request->branch, host, port);
}

/* Timers A and B, or E and F. */
static void client_start(const struct txn_input *in, struct txn *txn, uint32_t timeout_ms)
{
	bool invite = txn->kind == TXN_ICT;

	txn_start_timer(in, txn, invite ? TIMER_A : TIMER_E);
	txn_start_timer(in, txn, invite ? TIMER_B : TIMER_F);
	if (timeout_ms)
		txn->deadline_due_ms = in->now_ms + timeout_ms;
	txn_arm(in->table, txn);
}

enum err txn_request(struct txn_table *table, const struct txn_request *request, uint64_t now_ms,
		     struct effects *out, struct handle *ret_txn)
{
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out };
	bool invite = request->method == SIP_INVITE;
	struct txn *txn;

	ensure(request->method != SIP_ACK);
	txn = txn_new(table, invite ? TXN_ICT : TXN_NICT, request_key(table, request));
	if (!txn) {
		table->counters.full++;
		return ERR_EXHAUSTED;
	}
	txn->flow = request->flow;
	txn->user = request->user;
	/* An INVITE is needed for its ACK and CANCEL even where it is never repeated. */
	if ((invite || !txn_is_reliable(txn)) && txn_store(table, txn, request->bytes) < 0) {
		txn_free(table, txn);
		return ERR_NOMEM;
	}
	effects_send(out, &txn->flow, request->bytes, txn->self);
	client_start(&in, txn, request->timeout_ms);
	*ret_txn = txn->self;
	return OK;
}

static enum txn_event rx_event(uint16_t status)
{
	if (status < 200)
		return RX_1XX;
	return status < 300 ? RX_2XX : RX_3XX_6XX;
}

/* RFC 3261 8.1.3.3: we send one Via, so a response with more went astray. */
static bool has_one_via(const struct sip_msg *msg)
{
	struct sip_cursor cursor = { 0 };
	struct slice via;

	return sip_next(msg, SIP_HDR_VIA, &cursor, &via) &&
	       !sip_next(msg, SIP_HDR_VIA, &cursor, &via);
}

struct handle txn_asked(const struct txn_table *table, const struct sip_msg *response)
{
	struct hash128 key = txn_client_key(table, response->method, response->via.branch,
					    response->via.host, response->via.port);
	struct map_node *node = map_find(&table->map, key);

	return node ? container_of(node, struct txn, node)->self : HANDLE_NONE;
}

enum err txn_on_response(struct txn_table *table, struct handle handle, const struct sip_msg *msg,
			 uint64_t now_ms, struct effects *out)
{
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out, .msg = msg };
	struct txn *txn = txn_get(table, handle);

	if (!txn || !has_one_via(msg))
		return ERR_NOENT;
	if (txn->status < 200)
		txn->status = msg->status;
	else
		table->counters.received_again++;
	txn_step(&in, txn, rx_event(msg->status));
	return OK;
}

static struct txn *client_get(const struct txn_table *table, struct handle handle)
{
	struct txn *txn = txn_get(table, handle);

	return txn && txn_is_client(txn) ? txn : NULL;
}

struct slice txn_request_bytes(const struct txn_table *table, struct handle handle)
{
	const struct txn *txn = client_get(table, handle);

	return txn && txn->status < 200 ? txn->sent : SLICE_NONE;
}

void txn_give_up(struct txn_table *table, struct handle handle, uint64_t now_ms)
{
	struct txn *txn = client_get(table, handle);

	if (!txn || txn->kind != TXN_ICT || txn->status >= 200)
		return;
	txn->repeat_due_ms = 0;
	txn->deadline = TIMER_B;
	txn->deadline_due_ms = now_ms + TXN_64T1_MS;
	txn_arm(table, txn);
}

void txn_abandon(struct txn_table *table, struct handle handle)
{
	struct txn *txn = txn_get(table, handle);

	if (txn)
		txn_free(table, txn);
}

void txn_branch_write(struct text *text, struct rand *rand)
{
	text_lit(text, "z9hG4bK");
	rand_text(rand, text, 16);
}

/* SPDX-License-Identifier: MIT
 * The server side: requests find their transaction or make one, responses go where RFC 3261 18.2.2
 * and RFC 3581 say. */
#include "sbc/txn/txn_priv.h"

#define HEAD_FIRST_BYTES 1024u /* Via, From, To, Call-ID, CSeq of a usual request */

static struct txn *server_find(const struct txn_table *table, enum sip_method method,
			       const struct sip_msg *msg, const struct flow *flow,
			       struct hash128 *ret_key)
{
	struct map_node *node;

	*ret_key = txn_server_key(table, method, msg, flow);
	node = map_find(&table->map, *ret_key);
	/* The To tag of an ACK is ours; RFC 2543 requests must show the same one (17.2.3). */
	if (node && msg->method != SIP_ACK && !txn_has_cookie(msg)) {
		uint32_t check = txn_tag_check(table, msg->to_tag);

		while (node && container_of(node, struct txn, node)->to_tag_check != check)
			node = map_find_next(node);
	}
	return node ? container_of(node, struct txn, node) : NULL;
}

/* Datagrams go to the source address, and to its port when the client asked for that (RFC 3581 4),
 * else to the port of sent-by. A stream's response goes over its connection; the port of sent-by
 * is for a new one, should that have closed (18.2.2). maddr is not obeyed: it would let a request
 * send our response to a third party. */
static struct flow response_flow(const struct sip_msg *msg, const struct flow *flow)
{
	struct flow to = *flow;
	bool secure = flow->transport == SIP_TLS || flow->transport == SIP_WSS;

	if (flow->transport == SIP_UDP && msg->via.rport)
		return to;
	to.remote.port = msg->via.port ? msg->via.port : secure ? 5061 : 5060;
	return to;
}

static bool head_keep(struct txn_table *table, struct txn *txn, const struct sip_msg *msg,
		      const struct flow *flow)
{
	struct arena arena;
	enum err err = ERR_NOMEM;

	arena_init(&arena, table->config.cache, HEAD_FIRST_BYTES, table->config.quota_bytes);
	txn->head = arena_new(&arena, struct sip_reply_head);
	if (txn->head)
		err = sip_reply_keep(&arena, msg, &flow->remote, txn->head);
	txn->head_chunks = arena.chunks;
	return err == OK;
}

static enum txn_match server_new(struct txn_table *table, const struct sip_msg *msg,
				 const struct flow *flow, struct hash128 key,
				 struct handle *ret_txn)
{
	struct txn *txn = txn_new(table, msg->method == SIP_INVITE ? TXN_IST : TXN_NIST, key);

	if (!txn) {
		table->counters.full++;
		return TXN_FULL;
	}
	txn->flow = response_flow(msg, flow);
	txn->to_tag_check = txn_tag_check(table, msg->to_tag);
	if (!head_keep(table, txn, msg, flow)) {
		txn_free(table, txn);
		table->counters.full++;
		return TXN_FULL;
	}
	*ret_txn = txn->self;
	return TXN_NEW;
}

/* Only in Accepted does an ACK go up: there it is for the 2xx, from a client that used the INVITE's
 * branch for it. */
static enum txn_match server_ack(const struct txn_input *in, const struct flow *flow)
{
	struct hash128 key;
	struct txn *txn = server_find(in->table, SIP_INVITE, in->msg, flow, &key);
	bool accepted = txn && txn->state == IST_ACCEPTED;

	if (!txn)
		return TXN_ACK;
	txn_step(in, txn, RX_ACK);
	return accepted ? TXN_ACK : TXN_ABSORBED;
}

enum txn_match txn_on_request(struct txn_table *table, const struct sip_msg *msg,
			      const struct flow *flow, uint64_t now_ms, struct effects *out,
			      struct handle *ret_txn, struct handle *ret_invite)
{
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out, .msg = msg };
	struct hash128 key;
	struct txn *txn;

	*ret_txn = HANDLE_NONE;
	*ret_invite = HANDLE_NONE;
	if (msg->method == SIP_ACK)
		return server_ack(&in, flow);
	txn = server_find(table, msg->method, msg, flow, &key);
	if (txn) {
		table->counters.received_again++;
		txn_step(&in, txn, RX_REQUEST);
		return TXN_ABSORBED;
	}
	if (msg->method == SIP_CANCEL) {
		struct hash128 invite_key;
		const struct txn *invite = server_find(table, SIP_INVITE, msg, flow, &invite_key);

		if (invite)
			*ret_invite = invite->self;
	}
	return server_new(table, msg, flow, key, ret_txn);
}

static struct txn *server_get(const struct txn_table *table, struct handle handle)
{
	struct txn *txn = txn_get(table, handle);

	return txn && !txn_is_client(txn) ? txn : NULL;
}

const struct sip_reply_head *txn_reply_head(const struct txn_table *table, struct handle handle)
{
	const struct txn *txn = server_get(table, handle);

	return txn ? txn->head : NULL;
}

const struct flow *txn_flow(const struct txn_table *table, struct handle handle)
{
	const struct txn *txn = txn_get(table, handle);

	return txn ? &txn->flow : NULL;
}

enum err txn_respond(struct txn_table *table, struct handle handle, uint16_t status,
		     struct slice bytes, uint64_t now_ms, struct effects *out)
{
	struct txn *txn = server_get(table, handle);
	struct txn_input in = { .table = table, .now_ms = now_ms, .out = out, .bytes = bytes };

	ensure(status >= 100 && status < 700);
	if (!txn)
		return ERR_NOENT;
	if (txn->status >= 200)
		return ERR_STATE;
	txn->status = status;
	if (status >= 200)
		txn_head_drop(table, txn);
	txn_step(&in, txn, txn_tu_event(status));
	return OK;
}

void txn_forget_response(struct txn_table *table, struct handle handle)
{
	struct txn *txn = server_get(table, handle);

	if (txn && txn->status >= 200)
		txn_store_drop(table, txn);
}

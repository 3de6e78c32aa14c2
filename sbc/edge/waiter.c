/* SPDX-License-Identifier: MIT
 * Who waits for bytes on a connection. Written is not arrived: what the kernel took may lie in front of
 * a peer that closed a moment ago. So a message is waited for until the peer's system has acknowledged
 * its last byte, and a request that stood unacknowledged when the peer ended the connection goes out
 * once more over another. That is a retransmission like those of UDP, absorbed by its branch; without
 * it the one copy that a reliable transport is given would be lost, and its transaction would learn so
 * after 32 s. Responses are left out: who lost its connection repeats its request, and nobody makes us
 * connect anywhere by asking and hanging up.
 * lint: owns storage because a request in flight outlives the turn that wrote it. */
#include <errno.h>
#include <stdlib.h>

#include "sbc/edge/edge_priv.h"

static void waiter_free(struct edge *edge, struct waiter *waiter)
{
	free(waiter->request);
	pool_give(&edge->waiters, waiter->self);
}

void waiter_add(struct conn *conn, const struct flow *flow, struct slice bytes, struct handle txn,
		bool again)
{
	struct edge *edge = conn->edge;
	bool keep = !again && !slice_starts(bytes, SLICE("SIP/"));
	struct waiter *waiter;
	struct handle self;

	waiter = keep || handle_is(txn) ? pool_take(&edge->waiters, &self) : NULL;
	if (!waiter)
		return; /* its own timer will tell the transaction */
	*waiter = (struct waiter){ .self = self, .flow = *flow, .txn = txn,
				   .end_byte = conn->stream.queued_bytes };
	waiter->request = keep ? malloc(bytes.len) : NULL;
	if (waiter->request) {
		memcpy(waiter->request, bytes.p, bytes.len);
		waiter->request_len = bytes.len;
	}
	list_add_tail(&conn->waiters, &waiter->link);
}

void waiters_settle(struct conn *conn)
{
	uint64_t taken;

	if (list_empty(&conn->waiters))
		return;
	taken = net_stream_taken(&conn->stream);
	list_each(node, &conn->waiters) {
		struct waiter *waiter = container_of(node, struct waiter, link);

		if (waiter->end_byte > taken)
			break;
		list_remove(&waiter->link);
		waiter_free(conn->edge, waiter);
	}
}

void waiters_fail(struct conn *conn, enum err err)
{
	struct edge *edge = conn->edge;
	bool by_peer = conn->state == CONN_OPEN && (err == ERR_CLOSED || (int)err == -ECONNRESET ||
						    (int)err == -EPIPE);
	struct list *node;

	if (conn->state != CONN_CONNECTING)
		waiters_settle(conn);
	while ((node = list_pop(&conn->waiters))) {
		struct waiter *waiter = container_of(node, struct waiter, link);

		waiter->err = err;
		waiter->again = by_peer && waiter->request;
		edge->counters.send_failed += !waiter->again;
		list_add_tail(&edge->failures, &waiter->link);
	}
}

void waiters_tell(struct edge *edge)
{
	struct list *node;

	while ((node = list_pop(&edge->failures))) {
		struct waiter *waiter = container_of(node, struct waiter, link);

		if (waiter->again) {
			edge->counters.sent_again++;
			conn_send(edge, &waiter->flow,
				  slice_of(waiter->request, waiter->request_len), waiter->txn, true);
		} else if (handle_is(waiter->txn) && edge->events.failed) {
			edge->events.failed(edge->events.owner, &waiter->flow, waiter->txn,
					    waiter->err);
		}
		waiter_free(edge, waiter);
	}
}

void waiters_drop(struct edge *edge)
{
	struct list *node;

	while ((node = list_pop(&edge->failures)))
		waiter_free(edge, container_of(node, struct waiter, link));
}

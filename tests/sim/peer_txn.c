/* SPDX-License-Identifier: MIT
 * The agents' transactions: repetition, absorption, ACKs, by RFC 3261 17 and 13.3.1.4, in as few
 * words as they need. */
#include "tests/sim/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/unit.h"

#define T1_MS   500u
#define T2_MS   4000u
#define LIFE_MS (64 * T1_MS)

uint32_t peer_hash(struct slice s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return h;
}

static uint64_t now(const struct world *world)
{
	return sim_net_now_ms(world->net);
}

static void transmit(struct world *world, const struct flow *flow, const char *bytes, size_t len)
{
	(void)!sim_net_send(world->net, flow, slice_of(bytes, len));
}

static char *copy_of(struct slice s)
{
	char *copy = malloc(s.len + 1);

	assert_non_null(copy);
	memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}

static void arm(struct peer_txn *txn)
{
	uint64_t due = txn->end_ms;

	if (txn->repeat_ms && txn->repeat_ms < due)
		due = txn->repeat_ms;
	wheel_start(&txn->world->wheel, &txn->timer, due);
}

struct peer_txn *peer_find(struct world *world, bool client, struct slice branch,
			   struct slice method)
{
	struct peer_txn *txn = world->txns[peer_hash(branch) % PEER_BUCKETS];

	while (txn && (txn->client != client || !slice_eq(slice_text(txn->branch), branch) ||
		       !slice_eq(slice_text(txn->method), method)))
		txn = txn->next;
	return txn;
}

static struct peer_txn *txn_new(struct party *party, const struct flow *flow, bool client,
				struct slice branch, struct slice method)
{
	struct world *world = party->world;
	struct peer_txn *txn = calloc(1, sizeof(*txn));
	struct peer_txn **bucket = &world->txns[peer_hash(branch) % PEER_BUCKETS];

	assert_non_null(txn);
	txn->world = world;
	txn->party = party;
	txn->flow = *flow;
	txn->client = client;
	txn->timer.kind = PEER_TXN;
	txn->reply.kind = PEER_REPLY;
	raw_copy(txn->branch, sizeof(txn->branch), branch);
	raw_copy(txn->method, sizeof(txn->method), method);
	txn->invite = slice_eq(method, SLICE("INVITE"));
	txn->next = *bucket;
	*bucket = txn;
	world->txn_count++;
	return txn;
}

static void txn_free(struct peer_txn *txn)
{
	struct world *world = txn->world;
	struct peer_txn **at = &world->txns[peer_hash(slice_text(txn->branch)) % PEER_BUCKETS];

	while (*at != txn)
		at = &(*at)->next;
	*at = txn->next;
	if (txn->party->invite == txn)
		txn->party->invite = NULL;
	wheel_stop(&world->wheel, &txn->timer);
	wheel_stop(&world->wheel, &txn->reply);
	free(txn->bytes);
	free(txn->asked);
	free(txn->ack);
	free(txn);
	world->txn_count--;
}

static void set_bytes(struct peer_txn *txn, struct slice bytes)
{
	free(txn->bytes);
	txn->bytes = copy_of(bytes);
	txn->len = bytes.len;
	transmit(txn->world, &txn->flow, txn->bytes, txn->len);
}

static struct flow flow_of(const struct party *party)
{
	bool inside = party->at.ip.bytes[0] == 192;

	return (struct flow){ .transport = SIP_UDP,
			      .local = party->at,
			      .remote = party->world->border_at[!inside] };
}

struct peer_txn *peer_request(struct party *party, const char *method, const char *headers,
			      const char *sdp)
{
	struct flow flow = flow_of(party);
	struct raw_request request = {
		.method = method, .headers = headers, .sdp = sdp, .cseq = ++party->dialog.cseq
	};
	char storage[RAW_BYTES];
	char branch[32];
	struct peer_txn *txn;

	snprintf(branch, sizeof(branch), "z9hG4bKpeer%u", ++party->world->branches);
	request.branch = branch;
	txn = txn_new(party, &flow, true, slice_text(branch), slice_text(method));
	txn->cseq = request.cseq;
	txn->interval_ms = T1_MS;
	txn->repeat_ms = now(party->world) + T1_MS;
	txn->end_ms = now(party->world) + LIFE_MS;
	set_bytes(txn, raw_write_request(storage, &party->dialog, &request));
	arm(txn);
	return txn;
}

/* 9.1: as the INVITE, with another method. */
void peer_cancel(struct peer_txn *invite)
{
	struct raw_dialog dialog = invite->party->dialog;
	struct slice to = raw_tag(slice_of(invite->bytes, invite->len), "To");
	struct raw_request request = { .method = "CANCEL", .cseq = invite->cseq,
				       .branch = invite->branch };
	char storage[RAW_BYTES];
	struct peer_txn *txn;

	invite->cancelled = true;
	if (invite->over)
		return;
	raw_copy(dialog.remote_tag, sizeof(dialog.remote_tag), to);
	raw_copy(dialog.target, sizeof(dialog.target),
		 raw_uri(slice_of(invite->bytes, invite->len)));
	txn = txn_new(invite->party, &invite->flow, true, slice_text(invite->branch),
		      SLICE("CANCEL"));
	txn->interval_ms = T1_MS;
	txn->repeat_ms = now(txn->world) + T1_MS;
	txn->end_ms = now(txn->world) + LIFE_MS;
	set_bytes(txn, raw_write_request(storage, &dialog, &request));
	arm(txn);
	invite->end_ms = now(txn->world) + LIFE_MS;
	arm(invite);
}

static void ack_of_refusal(struct peer_txn *txn, struct slice response)
{
	struct slice invite = slice_of(txn->bytes, txn->len);
	struct slice to = raw_field(response, "To");
	char storage[RAW_BYTES];
	struct raw_dialog dialog = txn->party->dialog;
	struct raw_request request = { .method = "ACK", .cseq = txn->cseq,
				       .branch = txn->branch };
	struct slice ack;

	raw_copy(dialog.remote_tag, sizeof(dialog.remote_tag), raw_tag(response, "To"));
	raw_copy(dialog.target, sizeof(dialog.target), raw_uri(invite));
	(void)to;
	ack = raw_write_request(storage, &dialog, &request);
	transmit(txn->world, &txn->flow, ack.p, ack.len);
}

void peer_ack(struct peer_txn *txn, const char *sdp)
{
	char storage[RAW_BYTES];
	char branch[32];
	struct raw_request request = { .method = "ACK", .cseq = txn->cseq, .sdp = sdp };
	struct slice ack;

	if (!txn->ack) {
		snprintf(branch, sizeof(branch), "z9hG4bKpeer%u", ++txn->world->branches);
		request.branch = branch;
		ack = raw_write_request(storage, &txn->party->dialog, &request);
		txn->ack = copy_of(ack);
		txn->ack_len = ack.len;
	}
	transmit(txn->world, &txn->flow, txn->ack, txn->ack_len);
}

void peer_txn_response(struct peer_txn *txn, struct slice bytes)
{
	unsigned status = raw_status(bytes);

	if (status < 200) {
		if (txn->over)
			return;
		txn->provisional = true;
		if (txn->invite && !txn->cancelled) {
			txn->repeat_ms = 0;
			txn->end_ms = now(txn->world) + 10 * 60 * 1000;
		}
		arm(txn);
		party_response(txn->party, txn, bytes);
		return;
	}
	if (txn->invite && status >= 300)
		ack_of_refusal(txn, bytes);
	if (txn->over && (!txn->invite || status >= 300))
		return;
	txn->repeat_ms = 0;
	if (!txn->over)
		txn->end_ms = now(txn->world) + LIFE_MS;
	txn->over = true;
	txn->status = status;
	arm(txn);
	party_response(txn->party, txn, bytes);
}

struct peer_txn *peer_server(struct party *party, const struct flow *flow, struct slice bytes)
{
	struct flow back = *flow;
	struct peer_txn *txn =
		txn_new(party, &back, false, raw_branch(bytes), raw_method(bytes));

	txn->cseq = raw_cseq(bytes);
	txn->asked = copy_of(bytes);
	txn->asked_len = bytes.len;
	txn->end_ms = now(party->world) + 10 * 60 * 1000;
	arm(txn);
	return txn;
}

void peer_respond(struct peer_txn *txn, unsigned status, const char *tag, const char *headers,
		  const char *sdp)
{
	char storage[RAW_BYTES];

	txn->status = status;
	set_bytes(txn, raw_write_response(storage, slice_of(txn->asked, txn->asked_len), status, tag,
					  status > 100 ? txn->party->dialog.via : NULL, headers,
					  sdp));
	if (status < 200)
		return;
	txn->end_ms = now(txn->world) + LIFE_MS;
	txn->answered_ms = now(txn->world);
	if (txn->invite) {
		txn->interval_ms = T1_MS;
		txn->repeat_ms = now(txn->world) + T1_MS;
	}
	arm(txn);
}

void peer_on_txn_timer(struct peer_txn *txn)
{
	uint64_t at = now(txn->world);

	if (at >= txn->end_ms) {
		struct party *party = txn->party;

		if (txn->client && !txn->over) {
			txn->over = true;
			party_timeout(party, txn);
		} else if (!txn->client && txn->invite && txn->status / 100 == 2 && !txn->acked) {
			party_no_ack(party, txn);
		}
		txn_free(txn);
		return;
	}
	if (txn->repeat_ms && at >= txn->repeat_ms) {
		transmit(txn->world, &txn->flow, txn->bytes, txn->len);
		txn->interval_ms *= 2;
		if (txn->interval_ms > T2_MS && !(txn->client && txn->invite))
			txn->interval_ms = T2_MS;
		txn->repeat_ms = at + txn->interval_ms;
	}
	arm(txn);
}

void peer_free_all(struct world *world)
{
	for (unsigned i = 0; i < PEER_BUCKETS; i++) {
		while (world->txns[i])
			txn_free(world->txns[i]);
	}
	for (unsigned i = 0; i < PEER_BUCKETS; i++) {
		while (world->parties[i]) {
			struct party *party = world->parties[i];

			world->parties[i] = party->next;
			wheel_stop(&world->wheel, &party->act);
			free(party);
		}
	}
}

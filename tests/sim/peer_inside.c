/* SPDX-License-Identifier: MIT
 * Both ends inside the dialog: offers from either, odd requests, hanging up, and what is answered. */
#include "tests/sim/peer_priv.h"

#include <stdio.h>

#include "tests/support/unit.h"

static void start_reinvite(struct party *party)
{
	struct world *world = party->world;
	bool update = peer_chance(world, 30);
	bool late = !update && peer_chance(world, 25);
	char sdp[SDP_BYTES];
	struct peer_txn *txn;

	/* a good agent waits; a bad one does not */
	if (party->offers > 0 && !peer_chance(world, 20))
		return;
	txn = peer_request(party, update ? "UPDATE" : "INVITE", ALLOW,
			   late ? NULL : party_offer(party, sdp));
	txn->late = late;
	txn->never_ack = peer_chance(world, 3);
	party->offers++;
	if (!update && peer_chance(world, 10))
		txn->cancel_wanted = true;
}

void inside_act(struct party *party)
{
	static const char *const odd[] = { "PRACK", "REFER", "NOTIFY", "STRANGE" };
	struct world *world = party->world;

	if (party->actions == 0) {
		/* In every fourth call one end never hangs up, and so must be told. */
		if (party->call % 4 != (party->caller ? 1u : 0u))
			party_hang_up(party);
		return;
	}
	party->actions--;
	switch (peer_between(world, 0, 6)) {
	case 0:
		peer_request(party, "INFO", NULL, NULL);
		break;
	case 1:
		peer_request(party, peer_chance(world, 50) ? "OPTIONS" : "UPDATE", NULL, NULL);
		break;
	case 2:
		peer_request(party, odd[peer_between(world, 0, 3)],
			     peer_chance(world, 50) ? "Require: precondition\r\n" : NULL, NULL);
		break;
	default:
		start_reinvite(party);
		break;
	}
	party_act_after(party, peer_between(world, 1, party->pace_ms));
}

void inside_response(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	unsigned status = raw_status(bytes);
	char sdp[SDP_BYTES];

	if (status < 200) {
		if (txn->cancel_wanted && txn->invite) {
			txn->cancel_wanted = false;
			peer_cancel(txn);
		}
		return;
	}
	if (txn->invite && status < 300 && !txn->never_ack)
		peer_ack(txn, txn->late && !txn->ack ? party_answer(party, raw_body(bytes), sdp) :
						       NULL);
	if (txn->plan++ == 0 && party->offers > 0)
		party->offers--;
	if ((status == 481 || status == 408) && txn->invite)
		party_hang_up(party);
}

/* A re-INVITE or UPDATE with an offer is answered now. */
void party_reply(struct party *party, struct peer_txn *txn)
{
	static const unsigned codes[] = { 488, 491, 500, 481, 408, 603, 503, 401 };
	struct world *world = party->world;
	struct slice body = raw_body(slice_of(txn->asked, txn->asked_len));
	char sdp[SDP_BYTES];

	if (txn->status >= 200)
		return;
	if (party->state == PARTY_OVER)
		peer_respond(txn, 481, NULL, NULL, NULL);
	else if (peer_chance(world, 20))
		peer_respond(txn, codes[peer_between(world, 0, peer_chance(world, 30) ? 7 : 2)],
			     NULL, NULL, NULL);
	else if (peer_chance(world, 2))
		peer_respond(txn, 200, NULL, ALLOW, NULL);
	else
		peer_respond(txn, 200, NULL, ALLOW,
			     body.len > 0 ? party_answer(party, body, sdp) : party_offer(party, sdp));
}

/* A BYE must not come before an ACK that is owed. It may cross the 2xx. */
static void check_not_overtaken(const struct party *party)
{
	struct world *world = party->world;

	for (unsigned i = 0; i < PEER_BUCKETS; i++)
		for (struct peer_txn *at = world->txns[i]; at; at = at->next)
			if (at->party == party && !at->client && at->invite &&
			    at->status / 100 == 2 && !at->acked &&
			    sim_net_now_ms(world->net) > at->answered_ms + 20)
				fail_msg("call %u: BYE before the ACK for\n%s", party->call,
					 at->bytes);
}

static void on_bye(struct party *party, struct peer_txn *txn)
{
	struct world *world = party->world;

	peer_respond(txn, 200, NULL, NULL, NULL);
	/* the other fork's dialog ends; this one goes on */
	if (party->fork_tag[0] && slice_eq(raw_tag(slice_of(txn->asked, txn->asked_len), "To"),
					   slice_text(party->fork_tag))) {
		party->fork_bye = true;
		return;
	}
	if (party->fork_answered && !party->fork_bye) { /* then the other fork has the call */
		raw_copy(party->dialog.local_tag, sizeof(party->dialog.local_tag),
			 slice_text(party->fork_tag));
		party->dialog.cseq += 100;
		party_hang_up(party);
	}
	party->bye_received = true;
	if (world->perfect)
		check_not_overtaken(party);
	party->state = PARTY_OVER;
	wheel_stop(&world->wheel, &party->act);
	for (unsigned i = 0; i < PEER_BUCKETS; i++)
		for (struct peer_txn *at = world->txns[i]; at; at = at->next)
			if (at->party == party && !at->client && at->invite && at->status < 200)
				peer_respond(at, 487, NULL, NULL, NULL);
}

void inside_request(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	struct world *world = party->world;
	bool offer = txn->invite ||
		     (slice_eq(slice_text(txn->method), SLICE("UPDATE")) && raw_body(bytes).len > 0);

	if (slice_eq(slice_text(txn->method), SLICE("BYE"))) {
		on_bye(party, txn);
	} else if (party->state == PARTY_OVER) {
		peer_respond(txn, 481, NULL, NULL, NULL);
	} else if (offer && party->offers > 0 && peer_chance(world, 70)) {
		peer_respond(txn, 491, NULL, NULL, NULL);
	} else if (peer_chance(world, 3)) {
		txn->silent = true;
		if (peer_chance(world, 50) && txn->invite)
			peer_respond(txn, 100, NULL, NULL, NULL);
	} else if (offer) {
		if (txn->invite && peer_chance(world, 60))
			peer_respond(txn, 100, NULL, NULL, NULL);
		wheel_start(&world->wheel, &txn->reply,
			    sim_net_now_ms(world->net) + peer_between(world, 0, 2500));
	} else {
		peer_respond(txn, peer_chance(world, 92) ? 200 : 503, NULL, ALLOW, NULL);
	}
}

void inside_ack(struct party *party, struct slice bytes)
{
	struct world *world = party->world;
	struct peer_txn *found = peer_find(world, false, raw_branch(bytes), SLICE("INVITE"));

	for (unsigned i = 0; !found && i < PEER_BUCKETS; i++)
		for (struct peer_txn *txn = world->txns[i]; txn && !found; txn = txn->next)
			if (txn->party == party && !txn->client && txn->invite &&
			    txn->cseq == raw_cseq(bytes))
				found = txn;
	if (!found)
		return;
	if (party->fork_tag[0] &&
	    slice_eq(raw_tag(bytes, "To"), slice_text(party->fork_tag)))
		return;
	found->acked = true;
	found->repeat_ms = 0;
	if (found->status / 100 == 2 && !party->up_once) {
		party->up_once = true;
		if (party->state == PARTY_UP && !timer_running(&party->act))
			party_act_after(party, peer_between(world, 1, 4000));
	}
}

/* SPDX-License-Identifier: MIT
 * Agents that call: the INVITE, second thoughts at every moment, and the first answer. */
#include "tests/sim/peer_priv.h"

#include <stdio.h>

#include "tests/support/unit.h"

void peer_call(struct world *world, unsigned call, unsigned from, const char *called)
{
	char call_id[64];
	char sdp[SDP_BYTES];
	struct party *party;
	bool late = peer_chance(world, 15);

	snprintf(call_id, sizeof(call_id), "acall-%u-%08x", call, rand_u32(&world->rand));
	party = party_new(world, &world->agents[from], slice_text(call_id));
	party->caller = true;
	party->call = call;
	snprintf(party->dialog.local, sizeof(party->dialog.local), "<sip:9%06u@%s>", call,
		 from == 0 ? "pbx.example" : "carrier.example");
	snprintf(party->dialog.remote, sizeof(party->dialog.remote), "<sip:%s@border.example>",
		 called);
	snprintf(party->dialog.target, sizeof(party->dialog.target), "sip:%s@%s", called,
		 from == 0 ? "192.0.2.2" : "198.51.100.2");
	snprintf(party->dialog.local_tag, sizeof(party->dialog.local_tag), "atag-%u-%u", call,
		 rand_below(&world->rand, 1000));
	party->dialog.cseq = peer_between(world, 0, 5000);
	party->invite = peer_request(party, "INVITE", ALLOW,
				     late ? NULL : party_offer(party, sdp));
	party->invite->late = late;
	party->invite->never_ack = peer_chance(world, 3);
	if (peer_chance(world, 2)) { /* the same request by another path */
		char *copy = party->invite->bytes;
		size_t at = slice_find(slice_text(copy), SLICE("z9hG4bKpeer"));

		copy[at + 9] = 'x';
		(void)!sim_net_send(world->net, &party->invite->flow, slice_text(copy));
		copy[at + 9] = 'e';
	}
	if (peer_chance(world, 20)) {
		party->bye_in_early = peer_chance(world, 25);
		party_act_after(party, peer_between(world, 1, peer_chance(world, 50) ? 200 : 6000));
	}
}

void caller_gives_up(struct party *party)
{
	struct peer_txn *invite = party->invite;

	if (!invite || invite->over)
		return;
	if (party->bye_in_early && party->state == PARTY_EARLY) {
		party->bye_sent = true;
		peer_request(party, "BYE", NULL, NULL);
	} else if (invite->provisional) {
		peer_cancel(invite);
	} else {
		invite->cancel_wanted = true;
	}
}

static void learn_remote(struct party *party, struct slice bytes)
{
	struct slice contact = raw_contact(bytes);

	raw_copy(party->dialog.remote_tag, sizeof(party->dialog.remote_tag), raw_tag(bytes, "To"));
	if (contact.len > 0)
		raw_copy(party->dialog.target, sizeof(party->dialog.target), contact);
}

static void caller_up(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	char sdp[SDP_BYTES];
	bool first = !txn->ack && !txn->never_ack;

	if (!party->up_once) {
		learn_remote(party, bytes);
		party->world->answered++;
	}
	/* one answer for one INVITE, whatever forks */
	assert_true(slice_eq(raw_tag(bytes, "To"), slice_text(party->dialog.remote_tag)));
	party->up_once = true;
	if (!txn->never_ack)
		peer_ack(txn, txn->late && first && !peer_chance(party->world, 5) ?
				      party_answer(party, raw_body(bytes), sdp) :
				      NULL);
	if (party->state == PARTY_OVER || party->state == PARTY_UP)
		return;
	party->state = PARTY_UP;
	if (txn->cancelled)
		party_hang_up(party);
	else if (txn->never_ack) /* until the border has lost its patience */
		party_act_after(party, 60000);
	else
		party_act_after(party, peer_between(party->world, 1, 4000));
}

void caller_response(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	unsigned status = raw_status(bytes);

	if (status < 200) {
		if (status > 100 && party->state == PARTY_TRYING) {
			learn_remote(party, bytes);
			party->state = PARTY_EARLY;
		}
		if (txn->cancel_wanted) {
			txn->cancel_wanted = false;
			peer_cancel(txn);
		}
	} else if (status < 300) {
		caller_up(party, txn, bytes);
	} else if (party->state != PARTY_UP) {
		party->state = PARTY_OVER;
		wheel_stop(&party->world->wheel, &party->act);
	}
}

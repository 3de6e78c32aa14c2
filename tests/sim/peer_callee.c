/* SPDX-License-Identifier: MIT
 * Agents that are called. Every choice is drawn, so that rings, answers, forks, refusals and silence
 * meet the caller's CANCEL and BYE at every moment. */
#include "tests/sim/peer_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/unit.h"

static enum callee_kind kind_draw(struct world *world)
{
	uint32_t dice = rand_below(&world->rand, 100);

	return dice < 56 ? CALLEE_ANSWERS :
	       dice < 74 ? CALLEE_REFUSES :
	       dice < 80 ? CALLEE_IS_SILENT :
	       dice < 85 ? CALLEE_RINGS_ONLY :
	       dice < 89 ? CALLEE_IS_LATE :
	       dice < 95 ? CALLEE_FORKS :
	       dice < 98 ? CALLEE_SAYS_BYE :
			   CALLEE_FORGETS_SDP;
}

void callee_begin(struct world *world, const struct flow *flow, struct slice bytes)
{
	struct party *party = party_new(world, &flow->local, raw_field(bytes, "Call-ID"));
	struct slice from = raw_field(bytes, "From");
	char number[32];
	struct slice uri = raw_uri(bytes);

	uri = slice_of(uri.p + 4, uri.len - 4);
	raw_copy(number, sizeof(number), slice_head(uri, slice_find_char(uri, '@')));
	party->call = (unsigned)strtoul(number + 1, NULL, 10);
	raw_copy(party->dialog.remote_tag, sizeof(party->dialog.remote_tag),
		 raw_tag(bytes, "From"));
	from.len = (size_t)(raw_tag(bytes, "From").p - from.p) - 5;
	raw_copy(party->dialog.remote, sizeof(party->dialog.remote), from);
	raw_copy(party->dialog.local, sizeof(party->dialog.local), raw_field(bytes, "To"));
	raw_copy(party->dialog.target, sizeof(party->dialog.target), raw_contact(bytes));
	snprintf(party->dialog.local_tag, sizeof(party->dialog.local_tag), "btag-%u-%u",
		 party->call, rand_below(&world->rand, 1000));
	snprintf(party->fork_tag, sizeof(party->fork_tag), "btag-%u-fork", party->call);
	party->dialog.cseq = peer_between(world, 0, 500);
	party->kind = kind_draw(world);
	party->ignores_cancel = peer_chance(world, 5);
	party->invite = peer_server(party, flow, bytes);
	party->invite->late = raw_body(bytes).len == 0;
	if (party->kind == CALLEE_IS_SILENT)
		return;
	if (party->kind == CALLEE_IS_LATE)
		party->step = 2;
	party_act_after(party, party->kind == CALLEE_IS_LATE ? peer_between(world, 3900, 15000) :
							 peer_between(world, 0, 300));
}

/* The INVITE once more, with the credentials that were asked for. */
void callee_again(struct party *party, const struct flow *flow, struct slice bytes)
{
	party->state = PARTY_TRYING;
	party->step = 0;
	party->kind = CALLEE_ANSWERS;
	party->bodies[0] = 0;
	party->invite = peer_server(party, flow, bytes);
	party->invite->late = raw_body(bytes).len == 0;
	party_act_after(party, peer_between(party->world, 0, 300));
}

static const char *callee_sdp(struct party *party, char *storage)
{
	struct peer_txn *invite = party->invite;

	if (invite->late)
		return party_offer(party, storage);
	return party_answer(party, raw_body(slice_of(invite->asked, invite->asked_len)), storage);
}

static void callee_final(struct party *party)
{
	static const unsigned codes[] = { 486, 503, 500, 404, 302, 401, 408, 480, 603, 488, 504 };
	struct world *world = party->world;
	char sdp[SDP_BYTES];

	if (party->kind == CALLEE_REFUSES) {
		peer_respond(party->invite, codes[peer_between(world, 0, 10)],
			     party->dialog.local_tag,
			     "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
			     NULL);
		party->state = PARTY_OVER;
		return;
	}
	if (party->kind == CALLEE_FORKS) { /* the one that rang last answers first */
		char first[48];

		raw_copy(first, sizeof(first), slice_text(party->dialog.local_tag));
		raw_copy(party->dialog.local_tag, sizeof(first), slice_text(party->fork_tag));
		raw_copy(party->fork_tag, sizeof(first), slice_text(first));
	}
	/* SDP only in the 183, or nowhere */
	peer_respond(party->invite, 200, party->dialog.local_tag, ALLOW,
		     party->kind == CALLEE_FORGETS_SDP || (party->bodies[0] && peer_chance(world, 50)) ?
			     NULL :
			     callee_sdp(party, sdp));
	party->state = PARTY_UP;
	party->step = 3;
	if (party->kind == CALLEE_FORKS)
		party_act_after(party, peer_between(world, 0, 3000));
}

/* A second 2xx, of the other fork, sent once. */
void callee_fork_answers(struct party *party)
{
	char storage[RAW_BYTES];
	char sdp[SDP_BYTES];
	struct peer_txn *invite = party->invite;
	struct slice bytes;

	if (!invite || party->kind != CALLEE_FORKS)
		return;
	bytes = raw_write_response(storage, slice_of(invite->asked, invite->asked_len), 200,
				   party->fork_tag, party->dialog.via, NULL,
				   callee_sdp(party, sdp));
	party->fork_answered = true;
	(void)!sim_net_send(party->world->net, &invite->flow, bytes);
}

static void callee_rings(struct party *party)
{
	struct world *world = party->world;
	char sdp[SDP_BYTES];
	bool early = !party->invite->late && peer_chance(world, 40);

	if (peer_chance(world, 85) || party->kind != CALLEE_ANSWERS) {
		peer_respond(party->invite, early ? 183 : 180, party->dialog.local_tag, ALLOW,
			     early ? callee_sdp(party, sdp) : NULL);
		party->bodies[0] = early;
		party->state = PARTY_EARLY;
		if (party->kind == CALLEE_FORKS)
			peer_respond(party->invite, 180, party->fork_tag, ALLOW, NULL);
	}
	if (party->kind == CALLEE_RINGS_ONLY)
		return;
	party_act_after(party, peer_between(world, 0, 5000));
}

void callee_act(struct party *party)
{
	switch (party->step++) {
	case 0:
		if (peer_chance(party->world, 70))
			peer_respond(party->invite, 100, NULL, NULL, NULL);
		party_act_after(party, peer_between(party->world, 0, 1500));
		break;
	case 1:
		callee_rings(party);
		break;
	default:
		if (party->kind == CALLEE_SAYS_BYE && party->step == 3) {
			party->bye_sent = true;
			peer_request(party, "BYE", NULL, NULL);
			party_act_after(party, peer_between(party->world, 0, 8000));
			party->kind = CALLEE_ANSWERS;
			party->step = 2;
			return;
		}
		callee_final(party);
		break;
	}
}

void callee_cancelled(struct party *party, struct peer_txn *cancel)
{
	struct peer_txn *invite = peer_find(party->world, false, slice_text(cancel->branch),
					    SLICE("INVITE"));

	peer_respond(cancel, invite ? 200 : 481, party->dialog.local_tag, NULL, NULL);
	if (!invite || invite->status >= 200 || party->ignores_cancel)
		return;
	wheel_stop(&party->world->wheel, &invite->reply);
	peer_respond(invite, 487, party->dialog.local_tag, NULL, NULL);
	if (invite == party->invite) {
		party->state = PARTY_OVER;
		wheel_stop(&party->world->wheel, &party->act);
	}
}

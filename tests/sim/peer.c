/* SPDX-License-Identifier: MIT
 * What the agents do, and when. Every choice is drawn, so that CANCEL, BYE, offers of both sides,
 * answers and failures meet at every moment. */
#include "tests/sim/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/unit.h"

#define ALLOW "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
#define SDP_BYTES 1024u

bool peer_chance(struct world *world, unsigned percent)
{
	return rand_below(&world->rand, 100) < percent;
}

uint32_t peer_between(struct world *world, uint32_t min, uint32_t max)
{
	return min + rand_below(&world->rand, max - min + 1);
}

static void act_after(struct party *party, uint32_t ms)
{
	party->act.kind = PEER_ACT;
	wheel_start(&party->world->wheel, &party->act, sim_net_now_ms(party->world->net) + ms);
}

static struct party *party_find(struct world *world, const struct endpoint *at,
				struct slice call_id)
{
	struct party *party = world->parties[peer_hash(call_id) % PEER_BUCKETS];

	while (party && (!slice_eq(slice_text(party->dialog.call_id), call_id) ||
			 !endpoint_eq(&party->at, at)))
		party = party->next;
	return party;
}

static struct party *party_new(struct world *world, const struct endpoint *at,
			       struct slice call_id)
{
	struct party *party = calloc(1, sizeof(*party));
	struct party **bucket = &world->parties[peer_hash(call_id) % PEER_BUCKETS];
	struct text via;

	assert_non_null(party);
	party->world = world;
	party->at = *at;
	raw_copy(party->dialog.call_id, sizeof(party->dialog.call_id), call_id);
	text_init(&via, party->dialog.via, sizeof(party->dialog.via) - 1);
	endpoint_write(&via, at);
	party->next = *bucket;
	*bucket = party;
	party->actions = peer_between(world, 0, 5);
	party->pace_ms = peer_chance(world, 80) ? 5000 : 90000;
	return party;
}

/* ---- SDP ---- */

static const char *ip_of(const struct party *party, char *storage, size_t size)
{
	struct text text;

	text_init(&text, storage, size - 1);
	ip_write(&text, &party->at.ip);
	storage[text.len] = '\0';
	return storage;
}

static const char *offer_write(struct party *party, char *storage)
{
	static const char *const directions[] = { "sendrecv", "sendrecv", "sendonly", "inactive" };
	struct world *world = party->world;
	char ip[48];

	ip_of(party, ip, sizeof(ip));
	if (peer_chance(world, 1)) {
		snprintf(storage, SDP_BYTES, "v=0\r\nthis is no SDP\r\n");
		return storage;
	}
	snprintf(storage, SDP_BYTES,
		 "v=0\r\no=ua 1%u %u IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
		 "m=audio %u RTP/AVP %s 101\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n%s",
		 party->call, ++party->sdp_version, ip, ip, peer_between(world, 2000, 2999) * 2,
		 peer_chance(world, 85) ? "0 8" : "8",
		 directions[peer_between(world, 0, 3)],
		 peer_chance(world, 15) ? "m=video 9000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" :
					  "");
	return storage;
}

/* As many m-lines as were offered; those with port 0 stay so, a video line is taken or not. */
static const char *answer_write(struct party *party, struct slice offer, char *storage)
{
	struct world *world = party->world;
	size_t len;
	char ip[48];

	ip_of(party, ip, sizeof(ip));
	len = (size_t)snprintf(storage, SDP_BYTES,
			       "v=0\r\no=ua 1%u %u IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n",
			       party->call, ++party->sdp_version, ip, ip);
	if (peer_chance(world, 1))
		return storage; /* no m-line where there must be some */
	for (size_t at = 0; at + 3 < offer.len; at++) {
		bool video;
		bool off;

		if (memcmp(offer.p + at, "\nm=", 3) != 0)
			continue;
		video = offer.p[at + 3] == 'v';
		off = memcmp(offer.p + at + 3, video ? "video 0 " : "audio 0 ", 8) == 0;
		len += (size_t)snprintf(storage + len, SDP_BYTES - len, "m=%s %u RTP/AVP %s\r\n",
					video ? "video" : "audio",
					off || (video && peer_chance(world, 50)) ? 0 : 6000,
					video ? "96\r\na=rtpmap:96 H264/90000" : "0");
	}
	return storage;
}

/* ---- the caller ---- */

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
				     late ? NULL : offer_write(party, sdp));
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
		act_after(party, peer_between(world, 1, peer_chance(world, 50) ? 200 : 6000));
	}
}

static void hang_up(struct party *party)
{
	if (party->state == PARTY_OVER)
		return;
	party->state = PARTY_OVER;
	party->bye_sent = true;
	wheel_stop(&party->world->wheel, &party->act);
	peer_request(party, "BYE", NULL, NULL);
}

static void caller_gives_up(struct party *party)
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
				      answer_write(party, raw_body(bytes), sdp) :
				      NULL);
	if (party->state == PARTY_OVER || party->state == PARTY_UP)
		return;
	party->state = PARTY_UP;
	if (txn->cancelled)
		hang_up(party);
	else if (txn->never_ack) /* until the border has lost its patience */
		act_after(party, 60000);
	else
		act_after(party, peer_between(party->world, 1, 4000));
}

static void initial_response(struct party *party, struct peer_txn *txn, struct slice bytes)
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

/* ---- the callee ---- */

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

static void callee_begin(struct world *world, const struct flow *flow, struct slice bytes)
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
	act_after(party, party->kind == CALLEE_IS_LATE ? peer_between(world, 3900, 15000) :
							 peer_between(world, 0, 300));
}

/* The INVITE once more, with the credentials that were asked for. */
static void callee_again(struct party *party, const struct flow *flow, struct slice bytes)
{
	party->state = PARTY_TRYING;
	party->step = 0;
	party->kind = CALLEE_ANSWERS;
	party->bodies[0] = 0;
	party->invite = peer_server(party, flow, bytes);
	party->invite->late = raw_body(bytes).len == 0;
	act_after(party, peer_between(party->world, 0, 300));
}

static const char *callee_sdp(struct party *party, char *storage)
{
	struct peer_txn *invite = party->invite;

	if (invite->late)
		return offer_write(party, storage);
	return answer_write(party, raw_body(slice_of(invite->asked, invite->asked_len)), storage);
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
		act_after(party, peer_between(world, 0, 3000));
}

/* A second 2xx, of the other fork, sent once. */
static void fork_answers(struct party *party)
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
	act_after(party, peer_between(world, 0, 5000));
}

static void callee_act(struct party *party)
{
	switch (party->step++) {
	case 0:
		if (peer_chance(party->world, 70))
			peer_respond(party->invite, 100, NULL, NULL, NULL);
		act_after(party, peer_between(party->world, 0, 1500));
		break;
	case 1:
		callee_rings(party);
		break;
	default:
		if (party->kind == CALLEE_SAYS_BYE && party->step == 3) {
			party->bye_sent = true;
			peer_request(party, "BYE", NULL, NULL);
			act_after(party, peer_between(party->world, 0, 8000));
			party->kind = CALLEE_ANSWERS;
			party->step = 2;
			return;
		}
		callee_final(party);
		break;
	}
}

static void callee_cancelled(struct party *party, struct peer_txn *cancel)
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

/* ---- both, inside the dialog ---- */

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
			   late ? NULL : offer_write(party, sdp));
	txn->late = late;
	txn->never_ack = peer_chance(world, 3);
	party->offers++;
	if (!update && peer_chance(world, 10))
		txn->cancel_wanted = true;
}

static void in_dialog_act(struct party *party)
{
	static const char *const odd[] = { "PRACK", "REFER", "NOTIFY", "STRANGE" };
	struct world *world = party->world;

	if (party->actions == 0) {
		/* In every fourth call one end never hangs up, and so must be told. */
		if (party->call % 4 != (party->caller ? 1u : 0u))
			hang_up(party);
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
	act_after(party, peer_between(world, 1, party->pace_ms));
}

void party_act(struct party *party)
{
	if (party->state == PARTY_OVER)
		return;
	if (party->caller && !party->up_once) {
		caller_gives_up(party);
	} else if (!party->caller && party->step < 3 && party->invite) {
		callee_act(party);
	} else if (!party->caller && party->step == 3 && party->kind == CALLEE_FORKS) {
		party->step++;
		fork_answers(party);
		act_after(party, peer_between(party->world, 1, 4000));
	} else if (party->up_once) {
		in_dialog_act(party);
	}
}

static void reinvite_response(struct party *party, struct peer_txn *txn, struct slice bytes)
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
		peer_ack(txn, txn->late && !txn->ack ? answer_write(party, raw_body(bytes), sdp) :
						       NULL);
	if (txn->plan++ == 0 && party->offers > 0)
		party->offers--;
	if ((status == 481 || status == 408) && txn->invite)
		hang_up(party);
}

void party_response(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	if (txn == party->invite)
		initial_response(party, txn, bytes);
	else if (txn->invite || slice_eq(slice_text(txn->method), SLICE("UPDATE")))
		reinvite_response(party, txn, bytes);
}

void party_timeout(struct party *party, struct peer_txn *txn)
{
	if (txn == party->invite)
		party->state = PARTY_OVER;
	else if (txn->invite)
		hang_up(party);
}

/* 13.3.1.4. Only where the ACK waits for somebody's answer may it stay away. */
void party_no_ack(struct party *party, struct peer_txn *txn)
{
	if (!txn->late && raw_body(slice_of(txn->asked, txn->asked_len)).len > 0)
		fail_msg("call %u: no ACK for\n%s", party->call, txn->bytes);
	if (party->state == PARTY_UP)
		hang_up(party);
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
			     body.len > 0 ? answer_write(party, body, sdp) : offer_write(party, sdp));
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
		hang_up(party);
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

static void in_dialog_request(struct party *party, struct peer_txn *txn, struct slice bytes)
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

static void on_ack(struct party *party, struct slice bytes)
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
			act_after(party, peer_between(world, 1, 4000));
	}
}

void peer_receive(struct world *world, const struct flow *flow, struct slice bytes)
{
	struct party *party = party_find(world, &flow->local, raw_field(bytes, "Call-ID"));
	bool response = raw_status(bytes) != 0;
	bool ack = slice_eq(raw_method(bytes), SLICE("ACK"));
	struct peer_txn *txn = ack ? NULL :
				     peer_find(world, response, raw_branch(bytes), raw_method(bytes));

	if (response) {
		if (txn)
			peer_txn_response(txn, bytes);
		return;
	}
	if (txn) { /* again: what was said is said again */
		if (txn->len > 0 && !(txn->invite && txn->status / 100 == 2))
			(void)!sim_net_send(world->net, &txn->flow, slice_of(txn->bytes, txn->len));
		return;
	}
	if (!party && slice_eq(raw_method(bytes), SLICE("INVITE")) &&
	    raw_tag(bytes, "To").len == 0) {
		callee_begin(world, flow, bytes);
		return;
	}
	if (!party)
		return;
	if (slice_eq(raw_method(bytes), SLICE("INVITE")) && raw_tag(bytes, "To").len == 0 &&
	    !party->caller) {
		callee_again(party, flow, bytes);
		return;
	}
	if (ack) {
		on_ack(party, bytes);
		return;
	}
	txn = peer_server(party, flow, bytes);
	if (slice_eq(slice_text(txn->method), SLICE("CANCEL")))
		callee_cancelled(party, txn);
	else
		in_dialog_request(party, txn, bytes);
}

void peer_tick(struct world *world, uint64_t now_ms)
{
	struct timer *timer;

	while ((timer = wheel_pop(&world->wheel, now_ms))) {
		if (timer->kind == PEER_TXN) {
			peer_on_txn_timer(container_of(timer, struct peer_txn, timer));
		} else if (timer->kind == PEER_REPLY) {
			struct peer_txn *txn = container_of(timer, struct peer_txn, reply);

			party_reply(txn->party, txn);
		} else {
			party_act(container_of(timer, struct party, act));
		}
	}
}

/* SPDX-License-Identifier: MIT
 * The agents as they are met from outside: messages come in, time passes, and each goes to the end of
 * the dialog that it is for. What they say of media is here, too. */
#include "tests/sim/peer_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/unit.h"

bool peer_chance(struct world *world, unsigned percent)
{
	return rand_below(&world->rand, 100) < percent;
}

uint32_t peer_between(struct world *world, uint32_t min, uint32_t max)
{
	return min + rand_below(&world->rand, max - min + 1);
}

void party_act_after(struct party *party, uint32_t ms)
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

struct party *party_new(struct world *world, const struct endpoint *at,
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

void party_hang_up(struct party *party)
{
	if (party->state == PARTY_OVER)
		return;
	party->state = PARTY_OVER;
	party->bye_sent = true;
	wheel_stop(&party->world->wheel, &party->act);
	peer_request(party, "BYE", NULL, NULL);
}

static const char *ip_of(const struct party *party, char *storage, size_t size)
{
	struct text text;

	text_init(&text, storage, size - 1);
	ip_write(&text, &party->at.ip);
	storage[text.len] = '\0';
	return storage;
}

const char *party_offer(struct party *party, char *storage)
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
const char *party_answer(struct party *party, struct slice offer, char *storage)
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
		callee_fork_answers(party);
		party_act_after(party, peer_between(party->world, 1, 4000));
	} else if (party->up_once) {
		inside_act(party);
	}
}

void party_response(struct party *party, struct peer_txn *txn, struct slice bytes)
{
	if (txn == party->invite)
		caller_response(party, txn, bytes);
	else if (txn->invite || slice_eq(slice_text(txn->method), SLICE("UPDATE")))
		inside_response(party, txn, bytes);
}

void party_timeout(struct party *party, struct peer_txn *txn)
{
	if (txn == party->invite)
		party->state = PARTY_OVER;
	else if (txn->invite)
		party_hang_up(party);
}

/* 13.3.1.4. Only where the ACK waits for somebody's answer may it stay away. */
void party_no_ack(struct party *party, struct peer_txn *txn)
{
	if (!txn->late && raw_body(slice_of(txn->asked, txn->asked_len)).len > 0)
		fail_msg("call %u: no ACK for\n%s", party->call, txn->bytes);
	if (party->state == PARTY_UP)
		party_hang_up(party);
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
		inside_ack(party, bytes);
		return;
	}
	txn = peer_server(party, flow, bytes);
	if (slice_eq(slice_text(txn->method), SLICE("CANCEL")))
		callee_cancelled(party, txn);
	else
		inside_request(party, txn, bytes);
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

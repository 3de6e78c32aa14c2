/* SPDX-License-Identifier: MIT
 * A side with DTLS in virtual time: who may begin a handshake, what it takes to end one, and what it
 * does to keys and latch. Its peer is the room's own client here; others are in the scenarios. */
#include "tests/unit/media-relay/handshake_fixture.h"

/* ---- as server ---- */

static void cookie_then_keys(void **state)
{
	struct fixture *f = *state;
	struct endpoint moved = at(MOVED);

	tell_dtls(f, &(struct told){ PEER });
	assert_int_equal(media(f, 0, PEER), PACKET_DROP_PLAIN);
	assert_int_equal(media(f, 1, FAR), PACKET_DROP_PLAIN);
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, MOVED), PACKET_CONSUMED);
	assert_int_equal(f->sessions.hellos_asked, 1);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
	relay_to_peer(f);
	shake(f, MOVED);
	assert_event(f, CTL_MEDIA_SECURED, 0, MOVED);
	assert_int_equal(dtls_state(f->peer), DTLS_SECURED);
	/* The latch is the peer's, and with keys there is a way. */
	assert_true(endpoint_eq(&f->stream->sides[0].flows[COMPONENT_RTP].target, &moved));
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
	assert_int_equal(media(f, 0, MOVED), PACKET_DROP_AUTH);
	assert_int_equal(media(f, 0, PEER), PACKET_DROP_SOURCE);
	assert_int_equal(f->sessions.handshakes[CTL_DTLS_PASSIVE][0], 1);
	/* A new hello is no new association. */
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, MOVED);
	assert_no_event(f);
	assert_int_not_equal(dtls_state(f->peer), DTLS_SECURED);
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
}

static void strangers_get_nothing(void **state)
{
	struct fixture *f = *state;
	static const unsigned char zrtp[20] = { 0x10 };

	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(arrives(f, 1, FAR, f->from_peer.bytes[0], f->from_peer.len[0]),
			 PACKET_DROP_DTLS); /* a plain side */
	tell_dtls(f, &(struct told){ PEER });
	assert_int_equal(peer_to_relay(f, THIEF), PACKET_DROP_SOURCE);
	peer_begins(f, CTL_DTLS_ACTIVE);
	tell_dtls(f, &(struct told){ .remote = PEER, .unknown = true, .association = 1 });
	assert_int_equal(peer_to_relay(f, PEER), PACKET_CONSUMED); /* held: nobody to compare with yet */
	tell_dtls(f, &(struct told){ .association = 1 });
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, PEER), PACKET_DROP_SOURCE); /* nor an address */
	tell_dtls(f, &(struct told){ .remote = PEER, .association = 1 });
	assert_int_equal(arrives(f, 0, PEER, "\x16\xfe\xfd", 3), PACKET_DROP_DTLS);
	assert_int_equal(arrives(f, 0, PEER, zrtp, sizeof(zrtp)), PACKET_DROP_MALFORMED);
	assert_int_equal(f->from_relay.count, 0);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
}

/* Held until the answer says whose it is: then it is as if it came now. */
static void hello_overtakes_the_answer(void **state)
{
	struct fixture *f = *state;
	struct endpoint peer = at(PEER);

	tell(f, 0, (struct ctl_stream_set){ .flags = 0 }); /* it may become a plain one */
	for (unsigned i = 0; i < 5; i++) {
		peer_begins(f, CTL_DTLS_ACTIVE);
		assert_int_equal(peer_to_relay(f, THIEF), PACKET_CONSUMED);
	}
	assert_int_equal(arrives(f, 0, PEER, "\x16\xfe\xfd", 3), PACKET_DROP_DTLS);
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, PEER), PACKET_CONSUMED);
	assert_int_equal(f->from_relay.count, 0);
	assert_int_equal(f->sessions.early_pool.live, 1);
	tell_dtls(f, &(struct told){ .unknown = true });
	assert_int_equal(f->from_relay.count, 0);
	tell_dtls(f, &(struct told){ PEER });
	assert_int_equal(f->from_relay.count, 1); /* the thief is not asked */
	assert_true(endpoint_eq(&f->sent_to, &peer));
	assert_int_equal(f->sessions.early_pool.live, 0);
	relay_to_peer(f);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
	assert_int_equal(f->sessions.hellos_held, 6);
}

/* A side that becomes plain, that is told too late, or that ends, leaves nothing. */
static void held_hellos_are_let_go(void **state)
{
	struct fixture *f = *state;
	struct side *side = &f->stream->sides[0];

	for (unsigned i = 0; i < 4; i++) {
		tell(f, 0, (struct ctl_stream_set){ .flags = 0 });
		peer_begins(f, CTL_DTLS_ACTIVE);
		assert_int_equal(peer_to_relay(f, PEER), PACKET_CONSUMED);
		assert_non_null(side->flows[COMPONENT_RTP].early);
		if (i == 0)
			tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) });
		if (i == 1)
			tell_dtls(f, &(struct told){ .remote = PEER, .role = CTL_DTLS_ACTIVE });
		if (i == 2)
			f->now_ms += 4000;
		if (i == 2)
			tell_dtls(f, &(struct told){ PEER });
		if (i == 3)
			side_clear(side);
		assert_null(side->flows[COMPONENT_RTP].early);
		assert_int_equal(f->from_relay.count, i == 1); /* its own hello */
		f->from_relay.count = 0;
	}
	assert_true(f->sessions.early_pool.live <= 1);
	tell(f, 0, (struct ctl_stream_set){ .flags = 0 });
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, PEER), PACKET_CONSUMED);
	assert_int_equal(f->sessions.early_pool.live, 1);
}

/* Whoever began first from the told host does not keep the told port out. */
static void told_address_comes_first(void **state)
{
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ PEER });
	peer_begins(f, CTL_DTLS_ACTIVE);
	(void)peer_to_relay(f, MOVED);
	relay_to_peer(f);
	assert_int_equal(peer_to_relay(f, MOVED), PACKET_CONSUMED);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 1);
	f->from_relay.count = 0;
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 1);
}

static void stalled_one_makes_room(void **state)
{
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ PEER });
	peer_begins(f, CTL_DTLS_ACTIVE);
	(void)peer_to_relay(f, PEER);
	relay_to_peer(f);
	(void)peer_to_relay(f, PEER);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 1);
	f->from_relay.count = 0;
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, MOVED), PACKET_DROP_DTLS);
	f->now_ms += 3000;
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, MOVED);
	assert_event(f, CTL_MEDIA_SECURED, 0, MOVED);
}

static void wrong_fingerprint_is_told_once(void **state)
{
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ .remote = PEER, .wrong = true });
	for (unsigned i = 0; i < 20; i++) {
		peer_begins(f, CTL_DTLS_ACTIVE);
		shake(f, PEER);
		if (i == 0)
			assert_event(f, CTL_MEDIA_SECURITY_FAILED, CTL_SECURITY_FINGERPRINT, PEER);
		assert_no_event(f);
		assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
	}
	/* Nor may anybody try for ever. */
	assert_int_equal(f->sessions.handshakes[CTL_DTLS_PASSIVE][CTL_SECURITY_FINGERPRINT], 16);
	assert_int_equal(media(f, 1, FAR), PACKET_DROP_PLAIN);
	tell_dtls(f, &(struct told){ .remote = PEER, .association = 2 });
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 2, PEER);
}

static void timeout_is_told(void **state)
{
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ PEER });
	peer_begins(f, CTL_DTLS_ACTIVE);
	(void)peer_to_relay(f, PEER);
	relay_to_peer(f);
	(void)peer_to_relay(f, PEER);
	f->now_ms += DTLS_HANDSHAKE_MS;
	assert_event(f, CTL_MEDIA_SECURITY_FAILED, CTL_SECURITY_TIMEOUT, PEER);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
}

/* ---- what is told again ---- */

static void told_again_and_anew(void **state)
{
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ PEER });
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
	tell_dtls(f, &(struct told){ PEER });
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 1);
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
	/* Another association: the old keys last until it has its own. */
	tell_dtls(f, &(struct told){ .remote = PEER, .association = 2 });
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
	peer_begins(f, CTL_DTLS_ACTIVE);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 2, PEER);
	/* Reset: nothing of before counts. Plain: nothing is left. */
	tell_dtls(f, &(struct told){ .remote = PEER, .association = 2, .flags = CTL_STREAM_RESET });
	assert_int_equal(media(f, 1, FAR), PACKET_DROP_PLAIN);
	tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) });
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
	assert_int_equal(f->sessions.channel_pool.live, 0);
}

/* A relay that was started again: the keys go on, no handshake is begun, and for another association
 * there is one. */
static void keys_of_a_former_relay(void **state)
{
	struct fixture *f = *state;
	struct dtls_keys keys;

	for (unsigned role = 0; role < 2; role++) {
		struct told told = { .remote = PEER, .role = (enum ctl_dtls_role)role };

		tell_dtls(f, &told);
		peer_begins(f, role == CTL_DTLS_ACTIVE ? CTL_DTLS_PASSIVE : CTL_DTLS_ACTIVE);
		relay_to_peer(f);
		shake(f, PEER);
		assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
		keys = f->keys;
		tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) }); /* forgets all */
		f->from_relay.count = 0;
		told.keys = &keys;
		tell_dtls(f, &told);
		assert_int_equal(f->from_relay.count, 0);
		assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
		assert_int_equal(media(f, 0, PEER), PACKET_DROP_AUTH);
		told.keys = NULL;
		told.association = 7;
		tell_dtls(f, &told);
		peer_begins(f, role == CTL_DTLS_ACTIVE ? CTL_DTLS_PASSIVE : CTL_DTLS_ACTIVE);
		relay_to_peer(f);
		shake(f, PEER);
		assert_event(f, CTL_MEDIA_SECURED, 7, PEER);
		tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) });
		f->from_relay.count = 0;
	}
}

/* Without rtcp-mux RTCP has an association of its own. After a restart the keys of both go on, and where
 * none came of it yet, hands are shaken. */
static void rtcp_shakes_hands_by_itself(void **state)
{
	struct fixture *f = *state;

	for (unsigned role = 0; role < 2; role++) {
		struct told told = { .remote = PEER, .role = (enum ctl_dtls_role)role, .apart = true };
		struct dtls_keys keys[COMPONENTS];

		tell_dtls(f, &told);
		for (unsigned i = 0; i < COMPONENTS; i++) {
			turn_to(f, (enum component)i);
			peer_begins(f, role == CTL_DTLS_ACTIVE ? CTL_DTLS_PASSIVE : CTL_DTLS_ACTIVE);
			relay_to_peer(f);
			shake(f, i == COMPONENT_RTP ? PEER : PEER_RTCP);
			assert_event(f, CTL_MEDIA_SECURED, 0, i == COMPONENT_RTP ? PEER : PEER_RTCP);
			keys[i] = f->keys;
		}
		assert_memory_not_equal(keys[0].send, keys[1].send, keys[0].len);
		for (unsigned known = 0; known < 2; known++) {
			tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) }); /* forgets all */
			told.keys = &keys[COMPONENT_RTP];
			told.keys_rtcp = known ? &keys[COMPONENT_RTCP] : NULL;
			tell_dtls(f, &told);
			assert_int_equal(f->from_other.count, 0);
			assert_int_equal(f->from_relay.count, role == CTL_DTLS_ACTIVE && !known);
			f->from_relay.count = 0;
		}
		tell(f, 0, (struct ctl_stream_set){ .remote_rtp = at(PEER) });
		turn_to(f, COMPONENT_RTP);
	}
}

/* ---- as client ---- */

static void calls_when_the_way_is_known(void **state)
{
	struct fixture *f = *state;
	struct endpoint told = at(PEER);

	tell_dtls(f, &(struct told){ .role = CTL_DTLS_ACTIVE, .unknown = true });
	tell_dtls(f, &(struct told){ .remote = PEER, .role = CTL_DTLS_ACTIVE, .unknown = true });
	assert_int_equal(f->from_relay.count, 0);
	tell_dtls(f, &(struct told){ .remote = PEER, .role = CTL_DTLS_ACTIVE });
	assert_int_equal(f->from_relay.count, 1);
	assert_true(endpoint_eq(&f->sent_to, &told));
	tell_dtls(f, &(struct told){ .remote = PEER, .role = CTL_DTLS_ACTIVE });
	assert_int_equal(f->from_relay.count, 1);
	peer_begins(f, CTL_DTLS_PASSIVE);
	relay_to_peer(f);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
	assert_int_equal(dtls_state(f->peer), DTLS_SECURED);
	assert_int_equal(f->sessions.handshakes[CTL_DTLS_ACTIVE][0], 1);
	assert_int_equal(media(f, 1, FAR), PACKET_FORWARD);
}

/* OpenSSL's timer is the system's clock, so this one waits: a hello that got lost is sent again. */
static void calls_again(void **state)
{
	static const struct timespec nap = { .tv_nsec = 20000000 };
	struct fixture *f = *state;

	tell_dtls(f, &(struct told){ .remote = PEER, .role = CTL_DTLS_ACTIVE });
	assert_int_equal(f->from_relay.count, 1);
	f->from_relay.count = 0;
	for (unsigned i = 0; i < 250 && f->from_relay.count == 0; i++) {
		nanosleep(&nap, NULL);
		f->now_ms += 20;
		assert_no_event(f);
	}
	assert_int_equal(f->from_relay.count, 1);
	peer_begins(f, CTL_DTLS_PASSIVE);
	relay_to_peer(f);
	shake(f, PEER);
	assert_event(f, CTL_MEDIA_SECURED, 0, PEER);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cookie_then_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_get_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(hello_overtakes_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(held_hellos_are_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(told_address_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(stalled_one_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_fingerprint_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(timeout_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(told_again_and_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_a_former_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(rtcp_shakes_hands_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_when_the_way_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

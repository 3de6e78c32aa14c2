/* SPDX-License-Identifier: MIT
 * A side with DTLS in virtual time: who may begin a handshake, what it takes to end one, and what it
 * does to keys and latch. Its peer is the room's own client here; others are in the scenarios. */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/session/session.h"

#define START_MS 1000000u
#define PEER "192.0.2.1:4000"
#define MOVED "192.0.2.1:4444"
#define THIEF "203.0.113.9:4000"
#define FAR "198.51.100.1:5000"
#define QUEUE 16

struct datagrams {
	unsigned char bytes[QUEUE][2048];
	size_t len[QUEUE];
	unsigned count;
};

struct fixture {
	struct sessions sessions;
	struct session *session;
	struct stream *stream;
	int port;
	uint64_t now_ms;
	unsigned char sequence;
	struct datagrams from_relay;
	struct endpoint sent_to;
	struct dtls_keys keys; /* of the last event */
	struct dtls_identity *identity[2]; /* the relay's, the peer's */
	struct dtls_engine *engine;        /* the peer's */
	struct dtls *peer;
	struct datagrams from_peer;
};

static struct endpoint at(const char *text)
{
	struct endpoint endpoint = { .port = 0 };

	if (text)
		assert_int_equal(endpoint_parse(slice_text(text), &endpoint), OK);
	return endpoint;
}

static void put(struct datagrams *to, const void *bytes, size_t len)
{
	assert_true(to->count < QUEUE && len <= sizeof(to->bytes[0]));
	memcpy(to->bytes[to->count], bytes, len);
	to->len[to->count++] = len;
}

static void on_relay_sends(void *owner, struct flow *flow, const struct endpoint *to,
			   const void *bytes, size_t len)
{
	struct fixture *f = owner;

	assert_non_null(flow->port);
	f->sent_to = *to;
	put(&f->from_relay, bytes, len);
}

static void on_peer_sends(void *owner, const unsigned char *bytes, size_t len)
{
	struct fixture *f = owner;

	put(&f->from_peer, bytes, len);
}

static void tell(struct fixture *f, unsigned number, struct ctl_stream_set set)
{
	struct ctl_session_set all = { .streams = &set, .streams_count = 1 };
	struct side *side = &f->stream->sides[number];
	struct side_ports ports = { .port = { &f->port, &f->port } };
	bool first = side->flows[COMPONENT_RTP].port == NULL;

	set.side = (uint8_t)number;
	set.direction = CTL_RECEIVE | CTL_TRANSMIT;
	assert_null(session_check(&all));
	assert_int_equal(session_prepare_channel(&f->sessions, side, &set), OK);
	assert_int_equal(session_prepare(&f->sessions, side, &set), OK);
	side_set(side, &set, first ? &ports : NULL, f->now_ms);
	assert_int_equal(session_secure(side, &set, f->now_ms), OK);
	session_set_channel(&f->sessions, side, &set, f->now_ms);
	session_set_limits(&f->sessions, f->session, &(struct session_limits){ 0 }, f->now_ms);
}

struct told {
	const char *remote;
	enum ctl_dtls_role role;
	uint32_t association;
	uint32_t flags;
	bool unknown; /* no fingerprint yet */
	bool wrong;
	const struct dtls_keys *keys; /* of a former relay's association */
};

static void tell_dtls(struct fixture *f, const struct told *told)
{
	struct slice fingerprint = dtls_identity_fingerprint(f->identity[told->wrong ? 0 : 1]);
	struct ctl_dtls_setup dtls = { .role = (uint8_t)told->role,
				       .hash = CTL_HASH_SHA256,
				       .fingerprint = told->unknown ? SLICE_NONE : fingerprint,
				       .association = told->association };
	struct ctl_srtp_crypto keys[2] = { { .suite = CTL_SRTP_NONE } };
	struct ctl_stream_security security = { .dtls = &dtls, .dtls_count = 1 };

	for (unsigned i = 0; told->keys && i < 2; i++) {
		const unsigned char *key = i == 0 ? told->keys->receive : told->keys->send;

		keys[i].suite = (uint8_t)told->keys->suite;
		keys[i].key = slice_of((const char *)key, told->keys->len);
		security.receive = &keys[0];
		security.send = &keys[1];
		security.receive_count = security.send_count = 1;
	}
	tell(f, 0, (struct ctl_stream_set){ .flags = told->flags | CTL_STREAM_RTCP_MUX,
					    .remote_rtp = at(told->remote),
					    .security = &security,
					    .security_count = 1 });
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || sessions_init(&f->sessions, 16, START_MS) != OK)
		return -1;
	for (unsigned i = 0; i < 2; i++)
		if (dtls_identity_create(&f->identity[i]) != OK)
			return -1;
	if (dtls_engine_create(f->identity[0], 16, &f->sessions.dtls) != OK ||
	    dtls_engine_create(f->identity[1], 16, &f->engine) != OK)
		return -1;
	f->sessions.send = on_relay_sends;
	f->sessions.send_owner = f;
	f->now_ms = START_MS;
	f->session = session_create(&f->sessions, 1, 77, START_MS);
	f->stream = stream_create(&f->sessions, f->session, 0);
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at(FAR) });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	session_destroy(&f->sessions, f->session);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
	sessions_fini(&f->sessions);
	dtls_destroy(&f->peer);
	dtls_engine_destroy(&f->engine);
	dtls_identity_destroy(&f->identity[0]);
	dtls_identity_destroy(&f->identity[1]);
	free(f);
	return 0;
}

static struct dtls_turn peer_turn(struct fixture *f)
{
	return (struct dtls_turn){ f->now_ms, on_peer_sends, f };
}

/* The peer begins, in its role; as client its first hello waits in from_peer. */
static void peer_begins(struct fixture *f, enum ctl_dtls_role role)
{
	struct ctl_dtls_setup dtls = { .role = (uint8_t)role,
				       .hash = CTL_HASH_SHA256,
				       .fingerprint = dtls_identity_fingerprint(f->identity[0]) };
	struct dtls_turn turn = peer_turn(f);

	dtls_destroy(&f->peer);
	f->from_peer.count = 0;
	assert_int_equal(dtls_create(f->engine, &dtls, false, f->now_ms, &f->peer), OK);
	(void)dtls_start(f->peer, &turn);
}

static enum packet_verdict arrives(struct fixture *f, unsigned number, const char *source,
				   const void *bytes, size_t len)
{
	unsigned char storage[2048 + SRTP_ROOM_BYTES];
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTP],
				 .bytes = storage,
				 .len = len,
				 .source = at(source),
				 .now_ms = f->now_ms,
				 .arrival_us = f->now_ms * 1000 };
	enum packet_verdict verdict;

	memcpy(storage, bytes, len);
	verdict = session_packet(&packet);
	return verdict == PACKET_SIGNAL ? session_signal(&f->sessions, &packet) : verdict;
}

static enum packet_verdict media(struct fixture *f, unsigned number, const char *source)
{
	const unsigned char bytes[172] = { 0x80, 0, 0, ++f->sequence };

	return arrives(f, number, source, bytes, sizeof(bytes));
}

/* What the peer sent arrives, as from there. The last verdict. */
static enum packet_verdict peer_to_relay(struct fixture *f, const char *source)
{
	struct datagrams in = f->from_peer;
	enum packet_verdict verdict = PACKET_DROP_DTLS;

	f->from_peer.count = 0;
	for (unsigned i = 0; i < in.count; i++)
		verdict = arrives(f, 0, source, in.bytes[i], in.len[i]);
	return verdict;
}

static void relay_to_peer(struct fixture *f)
{
	struct dtls_turn turn = peer_turn(f);
	struct datagrams in = f->from_relay;

	f->from_relay.count = 0;
	for (unsigned i = 0; i < in.count; i++)
		(void)dtls_receive(f->peer, in.bytes[i], in.len[i], &turn);
}

static void shake(struct fixture *f, const char *source)
{
	for (unsigned i = 0; i < 6; i++) {
		(void)peer_to_relay(f, source);
		relay_to_peer(f);
	}
}

static void assert_event(struct fixture *f, enum ctl_media_event_kind kind, uint32_t value,
			 const char *source)
{
	struct endpoint want = at(source);
	struct session_event event;

	assert_true(sessions_pop(&f->sessions, f->now_ms, &event));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.value, value);
	assert_true(endpoint_eq(&event.source, &want));
	assert_int_equal(event.keys.suite != CTL_SRTP_NONE, kind == CTL_MEDIA_SECURED);
	f->keys = event.keys;
	assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
}

static void assert_no_event(struct fixture *f)
{
	struct session_event event;

	assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
}

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
	assert_int_equal(peer_to_relay(f, PEER), PACKET_DROP_DTLS); /* nobody to compare with yet */
	tell_dtls(f, &(struct told){ .association = 1 });
	peer_begins(f, CTL_DTLS_ACTIVE);
	assert_int_equal(peer_to_relay(f, PEER), PACKET_DROP_SOURCE); /* nor an address */
	tell_dtls(f, &(struct told){ .remote = PEER, .association = 1 });
	assert_int_equal(arrives(f, 0, PEER, "\x16\xfe\xfd", 3), PACKET_DROP_DTLS);
	assert_int_equal(arrives(f, 0, PEER, zrtp, sizeof(zrtp)), PACKET_DROP_MALFORMED);
	assert_int_equal(f->from_relay.count, 0);
	assert_int_equal(dtls_engine_live(f->sessions.dtls), 0);
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
		cmocka_unit_test_setup_teardown(told_address_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(stalled_one_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_fingerprint_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(timeout_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(told_again_and_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_a_former_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_when_the_way_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

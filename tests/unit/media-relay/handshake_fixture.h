/* SPDX-License-Identifier: MIT
 * A side with DTLS in virtual time, and its peer, which is the room's own client or server. */
#pragma once

#include "tests/support/unit.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/session/session.h"
#include "tests/unit/media-relay/told.h"

#define START_MS 1000000u
#define PEER "192.0.2.1:4000"
#define PEER_RTCP "192.0.2.1:4001"
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
	enum component component; /* whose the peer's datagrams are, and the events */
	struct datagrams from_relay; /* of this component … */
	struct datagrams from_other; /* … and of the other one */
	struct endpoint sent_to;
	struct dtls_keys keys; /* of the last event */
	struct dtls_identity *identity[2]; /* the relay's, the peer's */
	struct dtls_engine *engine;        /* the peer's */
	struct dtls *peer;
	struct datagrams from_peer;
};

static inline void put(struct datagrams *to, const void *bytes, size_t len)
{
	assert_true(to->count < QUEUE && len <= sizeof(to->bytes[0]));
	memcpy(to->bytes[to->count], bytes, len);
	to->len[to->count++] = len;
}

static inline void on_relay_sends(void *owner, struct flow *flow, const struct endpoint *to,
			   const void *bytes, size_t len)
{
	struct fixture *f = owner;

	assert_non_null(flow->port);
	f->sent_to = *to;
	put(flow->component == f->component ? &f->from_relay : &f->from_other, bytes, len);
}

static inline void on_peer_sends(void *owner, const unsigned char *bytes, size_t len)
{
	struct fixture *f = owner;

	put(&f->from_peer, bytes, len);
}

static inline void tell(struct fixture *f, unsigned number, struct ctl_stream_set set)
{
	set.side = (uint8_t)number;
	tell_side(&f->sessions, f->session, &f->stream->sides[number], &f->port, &set, f->now_ms);
}

struct told {
	const char *remote;
	enum ctl_dtls_role role;
	uint32_t association;
	uint32_t flags;
	bool unknown; /* no fingerprint yet */
	bool wrong;
	bool apart; /* no rtcp-mux */
	const struct dtls_keys *keys; /* of a former relay's association */
	const struct dtls_keys *keys_rtcp;
};

static inline void crypto_of(const struct dtls_keys *keys, struct ctl_srtp_crypto ret[2])
{
	for (unsigned i = 0; i < 2; i++) {
		const unsigned char *key = i == 0 ? keys->receive : keys->send;

		ret[i] = (struct ctl_srtp_crypto){ .suite = (uint8_t)keys->suite,
						   .key = slice_of((const char *)key, keys->len) };
	}
}

static inline void tell_dtls(struct fixture *f, const struct told *told)
{
	struct slice fingerprint = dtls_identity_fingerprint(f->identity[told->wrong ? 0 : 1]);
	struct ctl_dtls_setup dtls = { .role = (uint8_t)told->role,
				       .hash = CTL_HASH_SHA256,
				       .fingerprint = told->unknown ? SLICE_NONE : fingerprint,
				       .association = told->association };
	struct ctl_srtp_crypto keys[2], keys_rtcp[2];
	struct ctl_stream_security security = { .dtls = &dtls, .dtls_count = 1 };

	if (told->keys) {
		crypto_of(told->keys, keys);
		security.receive = &keys[0];
		security.send = &keys[1];
		security.receive_count = security.send_count = 1;
	}
	if (told->keys_rtcp) {
		crypto_of(told->keys_rtcp, keys_rtcp);
		security.receive_rtcp = &keys_rtcp[0];
		security.send_rtcp = &keys_rtcp[1];
		security.receive_rtcp_count = security.send_rtcp_count = 1;
	}
	tell(f, 0, (struct ctl_stream_set){ .flags = told->flags |
						     (told->apart ? 0 : CTL_STREAM_RTCP_MUX),
					    .remote_rtp = at(told->remote),
					    .remote_rtcp = told->apart ? at(PEER_RTCP) : at(NULL),
					    .security = &security,
					    .security_count = 1 });
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline struct dtls_turn peer_turn(struct fixture *f)
{
	return (struct dtls_turn){ f->now_ms, on_peer_sends, f };
}

/* The peer begins, in its role; as client its first hello waits in from_peer. */
static inline void peer_begins(struct fixture *f, enum ctl_dtls_role role)
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

/* From now on it is about this component. */
static inline void turn_to(struct fixture *f, enum component component)
{
	struct datagrams other = f->from_other;

	if (f->component == component)
		return;
	f->component = component;
	f->from_other = f->from_relay;
	f->from_relay = other;
}

static inline enum packet_verdict arrives(struct fixture *f, unsigned number, const char *source,
				   const void *bytes, size_t len)
{
	unsigned char storage[2048 + SRTP_ROOM_BYTES];
	struct packet packet = { .flow = &f->stream->sides[number].flows[f->component],
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

static inline enum packet_verdict media(struct fixture *f, unsigned number, const char *source)
{
	const unsigned char bytes[172] = { 0x80, 0, 0, ++f->sequence };

	return arrives(f, number, source, bytes, sizeof(bytes));
}

/* What the peer sent arrives, as from there. The last verdict. */
static inline enum packet_verdict peer_to_relay(struct fixture *f, const char *source)
{
	struct datagrams in = f->from_peer;
	enum packet_verdict verdict = PACKET_DROP_DTLS;

	f->from_peer.count = 0;
	for (unsigned i = 0; i < in.count; i++)
		verdict = arrives(f, 0, source, in.bytes[i], in.len[i]);
	return verdict;
}

static inline void relay_to_peer(struct fixture *f)
{
	struct dtls_turn turn = peer_turn(f);
	struct datagrams in = f->from_relay;

	f->from_relay.count = 0;
	for (unsigned i = 0; i < in.count; i++)
		(void)dtls_receive(f->peer, in.bytes[i], in.len[i], &turn);
}

static inline void shake(struct fixture *f, const char *source)
{
	for (unsigned i = 0; i < 6; i++) {
		(void)peer_to_relay(f, source);
		relay_to_peer(f);
	}
}

static inline void assert_event(struct fixture *f, enum ctl_media_event_kind kind, uint32_t value,
			 const char *source)
{
	struct endpoint want = at(source);
	struct session_event event;

	assert_true(sessions_pop(&f->sessions, f->now_ms, &event));
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.component, f->component);
	assert_int_equal(event.value, value);
	assert_true(endpoint_eq(&event.source, &want));
	assert_int_equal(event.keys.suite != CTL_SRTP_NONE, kind == CTL_MEDIA_SECURED);
	f->keys = event.keys;
	assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
}

static inline void assert_no_event(struct fixture *f)
{
	struct session_event event;

	assert_false(sessions_pop(&f->sessions, f->now_ms, &event));
}


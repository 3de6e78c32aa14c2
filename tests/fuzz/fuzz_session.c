/* SPDX-License-Identifier: MIT
 * One datagram at sides of every kind, from the peer's address: plain, SDES, DTLS before and after its
 * answer, ICE with DTLS, and a stream that is not RTP. What tells RTP, RTCP, STUN and DTLS apart is
 * under test with all that comes behind it: only plain and raw sides let anything through, and an
 * answer to nobody in particular is never longer than what asked for it. */
#include "lib/base/ensure.h"
#include "media-relay/session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { PLAIN, SDES, DTLS_UNANSWERED, DTLS, ICE, RAW, KINDS };

static const struct endpoint peer = { { IP_V4, { 192, 0, 2, 1 } }, 5000 };
static size_t answered; /* bytes of the first datagram that was sent */

static void on_send(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		    size_t len)
{
	(void)owner;
	(void)bytes;
	ensure(flow->port && endpoint_eq(to, &peer) && len > 0);
	if (answered == 0)
		answered = len;
}

static void tell(struct sessions *sessions, struct side *side, enum kind kind)
{
	static const char key[30], print[DTLS_FINGERPRINT_BYTES];
	static int port;
	struct ctl_srtp_crypto crypto = { .suite = CTL_SRTP_AES_CM_128_HMAC_SHA1_80,
					  .key = { key, sizeof(key) } };
	struct ctl_dtls_setup dtls = { .hash = CTL_HASH_SHA256 };
	struct ctl_ice_setup ice = { .local_ufrag = SLICE_INIT("evtj"),
				     .local_password = SLICE_INIT("VOkJxbRl1RmTxUk/WvJxBt") };
	struct ctl_stream_security security = { .receive = &crypto, .send = &crypto, .dtls = &dtls,
						.ice = &ice, .ice_count = kind == ICE };
	struct ctl_stream_set set = { .remote_rtp = peer, .direction = CTL_RECEIVE | CTL_TRANSMIT,
				      .flags = kind == RAW ? CTL_STREAM_RAW : CTL_STREAM_RTCP_MUX,
				      .security = &security,
				      .security_count = kind != PLAIN && kind != RAW };
	struct ctl_session_set all = { .streams = &set, .streams_count = 1 };
	const struct side_ports ports = { .port = { &port, &port } };

	security.receive_count = security.send_count = kind == SDES;
	security.dtls_count = kind == DTLS_UNANSWERED || kind == DTLS || kind == ICE;
	if (kind != DTLS_UNANSWERED)
		dtls.fingerprint = slice_of(print, sizeof(print));
	ensure(!session_check(&all) && session_prepare_channel(sessions, side, &set) == OK &&
	       session_prepare(sessions, side, &set) == OK);
	side_set(side, &set, &ports, 1);
	ensure(session_secure(side, &set, 1) == OK);
	session_set_channel(sessions, side, &set, 1);
}

static void arrive(struct sessions *sessions, enum kind kind, const uint8_t *data, size_t size)
{
	static unsigned char bytes[2048 + SRTP_ROOM_BYTES];
	struct session *session = session_create(sessions, 1, 1, 1);
	struct stream *stream = stream_create(sessions, session, 0);
	struct packet packet = { .bytes = bytes, .len = size < 2048 ? size : 2048, .source = peer,
				 .now_ms = 2, .arrival_us = 2000 };
	enum packet_verdict verdict;

	tell(sessions, &stream->sides[0], kind);
	tell(sessions, &stream->sides[1], kind == RAW ? RAW : PLAIN);
	for (unsigned component = 0; component < COMPONENTS; component++) {
		answered = 0;
		memcpy(bytes, data, packet.len);
		packet.flow = &stream->sides[0].flows[component];
		verdict = session_packet(&packet);
		ensure(verdict != PACKET_FORWARD || ((kind == PLAIN || kind == RAW) && packet.out));
		if (verdict == PACKET_SIGNAL)
			(void)session_signal(sessions, &packet);
		/* Behind ICE a proven peer's hello is answered with more: here nobody is proven. */
		ensure(answered <= size);
		packet.len = size < 2048 ? size : 2048;
	}
	session_destroy(sessions, session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dtls_identity *identity;
	static struct sessions sessions;

	if (!identity)
		ensure(sessions_init(&sessions, 4, 1) == OK && dtls_identity_create(&identity) == OK &&
		       dtls_engine_create(identity, 8, &sessions.dtls) == OK);
	sessions.send = on_send;
	for (unsigned kind = 0; kind < KINDS; kind++)
		arrive(&sessions, (enum kind)kind, data, size);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * DTLS of a side, an association for each component (one with rtcp-mux): who may begin one, where its
 * datagrams go, and what its end means for keys and latch.
 * Always true: a source that is not allowed to send media cannot begin a handshake either, and one
 * that proved neither its address (ICE, cookie) leaves no state. */
#include "media-relay/session/channel.h"

#include "lib/base/ensure.h"
#include "media-relay/session/session_priv.h"

#define ATTEMPTS_MAX 16u   /* for one association that control told */
#define STALLED_MS 3000u   /* a handshake that another source may take the place of */

static struct channel_end *end_of(const struct flow *flow)
{
	return &flow->side->channel->ends[flow->component];
}

/* ---- what control tells ---- */

static void end_clear(struct channel_end *end)
{
	dtls_destroy(&end->dtls);
	*end = (struct channel_end){ .dtls = NULL };
}

void handshake_clear(struct channel *channel)
{
	for (unsigned i = 0; i < COMPONENTS; i++)
		end_clear(&channel->ends[i]);
	channel->has_dtls = false;
}

/* RFC 8842 5: another association, role or certificate. A fingerprint that was not known yet is
 * none of these. */
static bool is_another(const struct channel *channel, const struct ctl_dtls_setup *setup)
{
	const struct ctl_dtls_setup *old = &channel->setup;

	return !channel->has_dtls || old->association != setup->association ||
	       old->role != setup->role ||
	       (old->fingerprint.len > 0 && (old->hash != setup->hash ||
					     !slice_eq(old->fingerprint, setup->fingerprint)));
}

void handshake_set(struct channel *channel, const struct ctl_dtls_setup *setup, bool reset,
		   unsigned done)
{
	bool fresh = !channel->has_dtls;

	if (!setup || reset || is_another(channel, setup))
		handshake_clear(channel);
	if (!setup)
		return;
	ensure(setup->fingerprint.len <= sizeof(channel->fingerprint));
	channel->has_dtls = true;
	channel->setup = *setup;
	channel->setup.fingerprint = slice_of((const char *)channel->fingerprint,
					      setup->fingerprint.len);
	if (setup->fingerprint.len > 0)
		memcpy(channel->fingerprint, setup->fingerprint.p, setup->fingerprint.len);
	ensure(setup->shown.len <= sizeof(channel->shown));
	channel->setup.shown = slice_of((const char *)channel->shown, setup->shown.len);
	if (setup->shown.len > 0)
		memcpy(channel->shown, setup->shown.p, setup->shown.len);
	for (unsigned i = 0; fresh && i < COMPONENTS; i++)
		channel->ends[i].attempts = done >> i & 1;
}

/* ---- a turn of OpenSSL ---- */

struct way {
	struct sessions *sessions;
	struct flow *flow;
};

static void on_send(void *owner, const unsigned char *bytes, size_t len)
{
	const struct way *way = owner;

	way->sessions->send(way->sessions->send_owner, way->flow, &end_of(way->flow)->peer, bytes,
			    len);
}

static void count(struct sessions *sessions, const struct channel *channel, unsigned result)
{
	sessions->handshakes[channel->setup.role][result]++;
}

static void failed(struct sessions *sessions, struct flow *flow, enum ctl_security_failure failure)
{
	struct channel *channel = flow->side->channel;
	struct channel_end *end = end_of(flow);

	count(sessions, channel, failure);
	dtls_destroy(&end->dtls);
	if (end->failure_told)
		return;
	end->failure_told = true;
	session_note(sessions, flow, CTL_MEDIA_SECURITY_FAILED, failure, &end->peer, NULL);
}

static struct ctl_srtp_crypto crypto_of(const struct dtls_keys *keys, const unsigned char *key)
{
	return (struct ctl_srtp_crypto){ .suite = (uint8_t)keys->suite,
					 .key = slice_of((const char *)key, keys->len) };
}

/* The peer is who the signalling named, so its address needs no further proof. */
static void secured(struct sessions *sessions, struct flow *flow, uint64_t now_ms)
{
	struct channel_end *end = end_of(flow);
	struct ctl_srtp_crypto receive, send;
	struct dtls_keys keys;
	enum err err;

	ensure(dtls_take_keys(end->dtls, &keys));
	receive = crypto_of(&keys, keys.receive);
	send = crypto_of(&keys, keys.send);
	err = flow_set_keys(sessions, flow, &receive, &send, now_ms);
	if (err == OK)
		session_note(sessions, flow, CTL_MEDIA_SECURED,
			     flow->side->channel->setup.association, &end->peer, &keys);
	explicit_bzero(&keys, sizeof(keys));
	if (err != OK) {
		failed(sessions, flow, CTL_SECURITY_HANDSHAKE);
		return;
	}
	count(sessions, flow->side->channel, 0);
	if (!channel_has_ice(flow->side))
		latch_lock(flow, &end->peer);
}

static void settle(struct sessions *sessions, struct flow *flow, enum dtls_state before,
		   uint64_t now_ms)
{
	struct channel_end *end = end_of(flow);
	enum dtls_state state = dtls_state(end->dtls);

	if (state != before && state == DTLS_SECURED)
		secured(sessions, flow, now_ms);
	else if (state != before && state == DTLS_FAILED)
		failed(sessions, flow, dtls_failure(end->dtls));
	session_arm(sessions, flow->side->stream->session);
}

typedef enum dtls_state turn_fn(struct dtls *dtls, const struct dtls_turn *turn);

static void run(struct sessions *sessions, struct flow *flow, turn_fn *fn, uint64_t now_ms)
{
	struct way way = { sessions, flow };
	struct dtls_turn turn = { now_ms, on_send, &way };
	struct dtls *dtls = end_of(flow)->dtls;
	enum dtls_state before = dtls_state(dtls);

	(void)fn(dtls, &turn);
	settle(sessions, flow, before, now_ms);
}

static bool begin(struct sessions *sessions, struct flow *flow, const struct endpoint *peer,
		  bool proven, uint64_t now_ms)
{
	struct channel_end *end = end_of(flow);

	if (end->attempts == ATTEMPTS_MAX ||
	    dtls_create(sessions->dtls, &flow->side->channel->setup, proven, now_ms, &end->dtls) !=
		    OK)
		return false;
	end->attempts++;
	end->peer = *peer;
	end->began_ms = now_ms;
	end->heard = false;
	return true;
}

/* ---- as client ---- */

void handshake_start(struct sessions *sessions, struct flow *flow, uint64_t now_ms)
{
	const struct side *side = flow->side;

	if (!channel_has_dtls(side) || side->channel->setup.role != CTL_DTLS_ACTIVE || !flow->port ||
	    (side->rtcp_mux && flow->component == COMPONENT_RTCP) ||
	    flow->target.ip.family == IP_NONE || flow->target.port == 0 ||
	    ip_unspecified(&flow->target.ip) || end_of(flow)->attempts > 0)
		return;
	if (begin(sessions, flow, &flow->target, false, now_ms))
		run(sessions, flow, dtls_start, now_ms);
}

/* ---- datagrams ---- */

/* A source without ICE is asked for a cookie before anything is made for it. */
static enum packet_verdict ask(struct sessions *sessions, struct packet *packet, bool *ret_proven)
{
	unsigned char reply[DTLS_HELLO_VERIFY_MAX_BYTES];
	size_t len;

	*ret_proven = false;
	switch (dtls_hello_check(sessions->dtls, packet->bytes, packet->len, &packet->source,
				 packet->now_ms, reply, &len)) {
	case DTLS_HELLO_PROVEN:
		*ret_proven = true;
		return PACKET_CONSUMED;
	case DTLS_HELLO_ASK:
		sessions->hellos_asked++;
		sessions->send(sessions->send_owner, packet->flow, &packet->source, reply, len);
		return PACKET_CONSUMED;
	case DTLS_HELLO_OTHER:
		break;
	}
	return PACKET_DROP_DTLS;
}

/* Whose handshake stands still makes room, and so does a wrong one for the told address. */
static bool may_replace(const struct packet *packet, const struct channel_end *end)
{
	return dtls_state(end->dtls) == DTLS_HANDSHAKE &&
	       (endpoint_eq(&packet->flow->remote, &packet->source) ||
		packet->now_ms - end->began_ms >= STALLED_MS);
}

/* A hello at a server that has no association with its source. */
static enum packet_verdict admit(struct sessions *sessions, struct packet *packet)
{
	struct channel_end *end = end_of(packet->flow);
	bool ice = channel_has_ice(packet->flow->side);
	bool proven = false;

	if (packet->flow->side->channel->setup.role != CTL_DTLS_PASSIVE ||
	    (end->dtls && !may_replace(packet, end)))
		return PACKET_DROP_DTLS;
	if (ice && !dtls_hello_is(packet->bytes, packet->len))
		return PACKET_DROP_DTLS;
	if (!ice) {
		enum packet_verdict verdict = ask(sessions, packet, &proven);

		if (!proven)
			return verdict;
	}
	dtls_destroy(&end->dtls);
	return begin(sessions, packet->flow, &packet->source, proven, packet->now_ms) ?
		       PACKET_CONSUMED :
		       PACKET_DROP_DTLS;
}

/* Does the association there is belong to this source? ICE's peer may send from any of its paths; a
 * server's first answer may come from behind a NAT. */
static bool is_peer(const struct packet *packet, struct channel_end *end)
{
	if (!end->dtls)
		return false;
	if (channel_has_ice(packet->flow->side) ||
	    (!end->heard && packet->flow->side->channel->setup.role == CTL_DTLS_ACTIVE))
		end->peer = packet->source;
	return endpoint_eq(&end->peer, &packet->source);
}

enum packet_verdict handshake_receive(struct sessions *sessions, struct packet *packet)
{
	struct flow *flow = packet->flow;
	struct way way = { sessions, flow };
	struct dtls_turn turn = { packet->now_ms, on_send, &way };
	enum packet_verdict verdict = PACKET_CONSUMED;
	enum dtls_state before;
	struct channel_end *end;

	if (!channel_has_dtls(flow->side) || flow->side->channel->setup.fingerprint.len == 0)
		return early_hold(sessions, packet) ? PACKET_CONSUMED : PACKET_DROP_DTLS;
	if (!latch_may_accept(packet))
		return PACKET_DROP_SOURCE;
	end = end_of(flow);
	if (!is_peer(packet, end))
		verdict = admit(sessions, packet);
	if (verdict != PACKET_CONSUMED || !end->dtls ||
	    !endpoint_eq(&end->peer, &packet->source))
		return verdict;
	end->heard = true;
	before = dtls_state(end->dtls);
	(void)dtls_receive(end->dtls, packet->bytes, packet->len, &turn);
	settle(sessions, flow, before, packet->now_ms);
	return PACKET_CONSUMED;
}

/* ---- time ---- */

uint64_t handshake_due_ms(const struct flow *flow, uint64_t now_ms)
{
	const struct channel_end *end = end_of(flow);

	return end->dtls ? dtls_due_ms(end->dtls, now_ms) : UINT64_MAX;
}

void handshake_tick(struct sessions *sessions, struct flow *flow, uint64_t now_ms)
{
	if (handshake_due_ms(flow, now_ms) <= now_ms)
		run(sessions, flow, dtls_tick, now_ms);
}

/* SPDX-License-Identifier: MIT
 * Hellos that overtake the answer. A peer that answers "active" begins at once (RFC 5763 section 5),
 * and what it sends may be here before the signalling has said who it is and what its certificate is.
 * They are held, so that the peer need not wait for its retransmission, and looked at when the answer
 * is told.
 * Always true: what is held is bounded, for a side and for all of them, nothing is answered meanwhile,
 * and in the end the side's policy decides, as if it came then. */
#include "media-relay/session/channel.h"

#include "lib/base/ensure.h"
#include "media-relay/session/session_priv.h"

#define HELD_DATAGRAMS 2u /* a post-quantum hello has two */
#define HELD_DATAGRAM_MAX_BYTES 1472u
#define HELD_MS 4000u
#define HELD_MAX 512u /* sides at once */

struct early {
	struct list link; /* in the order in which they began */
	struct handle handle;
	struct flow *flow; /* NULL: it is gone, or was answered */
	uint64_t began_ms;
	unsigned next;
	struct {
		struct endpoint source;
		size_t len; /* 0: none */
		unsigned char bytes[HELD_DATAGRAM_MAX_BYTES];
	} datagrams[HELD_DATAGRAMS];
};

enum err early_init(struct sessions *sessions)
{
	list_init(&sessions->early);
	return pool_init(&sessions->early_pool, sizeof(struct early), HELD_MAX);
}

void early_forget(struct flow *flow)
{
	if (flow->early)
		flow->early->flow = NULL;
	flow->early = NULL;
}

static void give(struct sessions *sessions, struct early *early)
{
	if (early->flow)
		early->flow->early = NULL;
	list_remove(&early->link);
	pool_give(&sessions->early_pool, early->handle);
}

/* All of them live equally long, so the old ones are in front. */
static void sweep(struct sessions *sessions, uint64_t now_ms)
{
	list_each(node, &sessions->early) {
		struct early *early = container_of(node, struct early, link);

		if (early->flow && now_ms - early->began_ms < HELD_MS)
			return;
		give(sessions, early);
	}
}

static struct early *make(struct sessions *sessions, struct flow *flow, uint64_t now_ms)
{
	struct handle handle;
	struct early *early = pool_take(&sessions->early_pool, &handle);

	if (!early)
		return NULL;
	early->handle = handle;
	early->flow = flow;
	early->began_ms = now_ms;
	flow->early = early;
	list_add_tail(&sessions->early, &early->link);
	return early;
}

/* Only while the side has not answered: afterwards it is known whether hands are shaken here. */
static bool may_hold(const struct flow *flow)
{
	const struct side *side = flow->side;

	return channel_has_dtls(side) ? side->channel->setup.fingerprint.len == 0 :
					flow->remote.ip.family == IP_NONE && !side->secured;
}

bool early_hold(struct sessions *sessions, const struct packet *packet)
{
	struct flow *flow = packet->flow;
	struct early *early;
	unsigned at;

	if (!may_hold(flow) || packet->len > HELD_DATAGRAM_MAX_BYTES ||
	    !dtls_hello_is(packet->bytes, packet->len))
		return false;
	sweep(sessions, packet->now_ms);
	early = flow->early ? flow->early : make(sessions, flow, packet->now_ms);
	if (!early)
		return false;
	/* The newest stay, so that what was sprayed before does not keep the peer's out. */
	at = early->next++ % HELD_DATAGRAMS;
	early->datagrams[at].source = packet->source;
	early->datagrams[at].len = packet->len;
	memcpy(early->datagrams[at].bytes, packet->bytes, packet->len);
	sessions->hellos_held++;
	return true;
}

static void arrive(struct sessions *sessions, struct flow *flow, struct early *early, unsigned at,
		   uint64_t now_ms)
{
	struct packet packet = { .flow = flow,
				 .bytes = early->datagrams[at].bytes,
				 .len = early->datagrams[at].len,
				 .source = early->datagrams[at].source,
				 .now_ms = now_ms,
				 .arrival_us = now_ms * 1000,
				 .kind = RTP_DTLS };

	if (packet.len > 0)
		(void)session_signal(sessions, &packet);
}

void early_answered(struct sessions *sessions, struct flow *flow, uint64_t now_ms)
{
	struct early *early = flow->early;
	bool server;

	if (!early || may_hold(flow))
		return;
	early_forget(flow);
	server = channel_has_dtls(flow->side) &&
		 flow->side->channel->setup.role == CTL_DTLS_PASSIVE;
	for (unsigned i = 0; server && now_ms - early->began_ms < HELD_MS && i < HELD_DATAGRAMS; i++)
		arrive(sessions, flow, early, (early->next + i) % HELD_DATAGRAMS, now_ms);
	sweep(sessions, now_ms);
}


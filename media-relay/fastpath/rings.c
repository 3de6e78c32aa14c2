/* SPDX-License-Identifier: MIT
 * A packet is received, handled and sent in one frame; the kernel copies it in and out (copy mode works
 * with every driver). Frames go round in batches, so that the lock that lanes share, and the system
 * call that sends, are paid once for many packets.
 * lint: owns storage because a lane's rings live as long as its worker. */
#include "media-relay/fastpath/rings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/ensure.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define BATCH 64u
#define KICKS 8u /* one sends 32 */
#define TICK_MS 100u
#define NS_PER_US 1000u
#define LINE_BYTES 64u
/* Packets ahead: far enough for memory to come, near enough to be there still. */
#define FETCH_FRAME 6u
#define FETCH_FLOW 4u
#define FETCH_HOT 2u

struct ring_flow {
	struct fast_entry *entry; /* NULL: none */
	struct endpoint local;
	struct endpoint target;
	struct ring_socket *out;
	unsigned char mac_from[MAC_BYTES];
	bool pass_one;
	struct fast_head head;
	struct fast_hot hot[FAST_HOT_MAX];
};

struct ring_socket {
	struct loop_io watch;
	struct fast_rings *rings;
	struct fast_socket *socket;
	bool unsent; /* something is in its transmit ring */
};

struct fast_rings {
	struct fastpath *fastpath;
	struct fast_umem *umem;
	struct loop *loop;
	fast_packet_fn *fn;
	void *owner;
	struct ring_socket *sockets; /* one for each queue */
	struct ring_socket *out[FAST_INTERFACES_MAX]; /* what leaves by an interface leaves by this */
	struct ring_flow *flows;
	uint32_t first_place;
	uint32_t place_count;
	uint64_t done[BATCH]; /* frames of this batch that nobody needs any more */
	unsigned done_count;
	uint64_t broken;
	struct loop_timer tick;
};

static struct ring_flow *flow_at(const struct fast_rings *rings, uint32_t place)
{
	uint32_t at = place - rings->first_place;

	return at < rings->place_count ? &rings->flows[at] : NULL;
}

/* ---- frames ---- */

/* Under the lock. */
static void collect_sent(struct fast_umem *umem, struct fast_queue *queue)
{
	struct fast_ring *ring = &queue->done;
	uint32_t count = ring_filled(ring);

	for (uint32_t i = 0; i < count; i++)
		umem->free[umem->free_count++] =
			*ring_address(ring, ring->mine + i) / FRAME_BYTES * FRAME_BYTES;
	ring->mine += count;
	ring_consume(ring);
}

/* Under the lock. */
static void fill(struct fast_umem *umem, struct fast_queue *queue)
{
	struct fast_ring *ring = &queue->fill;
	uint32_t waiting = ring->size - ring_room(ring);
	uint32_t room = waiting < umem->fill_max ? umem->fill_max - waiting : 0;

	if (umem->free_count < room)
		for (uint32_t i = 0; i < umem->queue_count; i++)
			collect_sent(umem, &umem->queues[i]);
	for (; room > 0 && umem->free_count > 0; room--)
		*ring_address(ring, ring->mine++) = umem->free[--umem->free_count];
	ring_produce(ring);
}

/* One kick sends 32 packets; a socket that cannot send more now says so and is tried again later. */
static void kick(struct ring_socket *it)
{
	struct fast_ring *ring = &it->socket->transmit;

	ring_produce(ring);
	for (unsigned i = 0; i < KICKS; i++)
		if (sendto(it->socket->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			break;
	it->unsent = ring_room(ring) < ring->size;
}

/* After a batch: what it sends leaves, and the queue it came from gets frames again. */
static void settle(struct fast_rings *rings, struct fast_queue *queue)
{
	struct fast_umem *umem = rings->umem;

	for (size_t i = 0; i < rings->fastpath->interface_count; i++)
		if (rings->out[i]->unsent)
			kick(rings->out[i]);
	pthread_mutex_lock(&umem->lock);
	for (unsigned i = 0; i < rings->done_count; i++)
		umem->free[umem->free_count++] = rings->done[i];
	rings->done_count = 0;
	for (size_t i = 0; i < rings->fastpath->interface_count; i++)
		collect_sent(umem, rings->out[i]->socket->queue);
	fill(umem, queue);
	pthread_mutex_unlock(&umem->lock);
}

/* Whatever was full then may have room now; without packets nobody else would look. */
static void on_tick(struct loop *loop, void *owner)
{
	struct fast_rings *rings = owner;

	for (uint32_t i = 0; i < rings->umem->queue_count; i++)
		settle(rings, &rings->umem->queues[i]);
	loop_timer_start(loop, &rings->tick, TICK_MS);
}

/* ---- in ---- */

static bool packet_of(struct fast_rings *rings, unsigned char *frame, size_t len,
		      struct fast_packet *ret)
{
	struct fast_datagram datagram;
	const struct ring_flow *flow;

	if (!fast_frame_cut(frame, len, &datagram)) {
		rings->broken++;
		return false;
	}
	flow = flow_at(rings, datagram.place);
	/* A frame may wait longer than its flow lives. */
	if (!flow || !flow->entry || !endpoint_eq(&flow->local, &datagram.local))
		return false;
	ret->entry = flow->entry;
	ret->bytes = datagram.bytes;
	ret->len = datagram.len;
	ret->source = datagram.source;
	ret->arrival_us = datagram.arrival_ns / NS_PER_US;
	ret->place = datagram.place;
	return true;
}

static void take(struct fast_rings *rings, const struct xdp_desc *desc)
{
	struct fast_packet packet = { .sent = false };

	if (packet_of(rings, rings->umem->area + desc->addr, desc->len, &packet))
		rings->fn(rings->owner, &packet);
	if (!packet.sent)
		rings->done[rings->done_count++] = desc->addr / FRAME_BYTES * FRAME_BYTES;
}

/* With thousands of flows a packet's records are in no cache near by. Its frame says whose it is, and
 * what belongs to that is asked for while the packets before it are handled. */
static void fetch(const struct fast_rings *rings, const struct fast_ring *ring, uint32_t at,
		  uint32_t end)
{
	const unsigned char *area = rings->umem->area;
	const struct ring_flow *flow;
	struct fast_tag tag;

	if (end - at > FETCH_FRAME)
		__builtin_prefetch(area + ring_packet(ring, at + FETCH_FRAME)->addr);
	if (end - at > FETCH_FLOW) {
		memcpy(&tag, area + ring_packet(ring, at + FETCH_FLOW)->addr, sizeof(tag));
		flow = flow_at(rings, tag.place);
		for (size_t i = 0; flow && i < sizeof(*flow); i += LINE_BYTES)
			__builtin_prefetch((const char *)flow + i);
	}
	if (end - at > FETCH_HOT) {
		memcpy(&tag, area + ring_packet(ring, at + FETCH_HOT)->addr, sizeof(tag));
		flow = flow_at(rings, tag.place);
		for (unsigned i = 0; flow && i < FAST_HOT_MAX && flow->hot[i].bytes > 0; i++)
			for (size_t k = 0; k < flow->hot[i].bytes; k += LINE_BYTES)
				__builtin_prefetch((const char *)flow->hot[i].at + k, 1);
	}
}

static void on_readable(struct loop *loop, void *owner, uint32_t events)
{
	struct ring_socket *it = owner;
	struct fast_rings *rings = it->rings;
	struct fast_ring *ring = &it->socket->receive;
	uint32_t count = ring_filled(ring);

	(void)loop;
	(void)events;
	if (count > BATCH)
		count = BATCH;
	for (uint32_t i = 0; i < count; i++) {
		fetch(rings, ring, ring->mine + i, ring->mine + count);
		take(rings, ring_packet(ring, ring->mine + i));
	}
	ring->mine += count;
	ring_consume(ring);
	settle(rings, it->socket->queue);
}

/* ---- out ---- */

bool rings_send(struct fast_rings *rings, struct fast_packet *packet,
		const struct endpoint *target, size_t len)
{
	struct ring_flow *flow = flow_at(rings, packet->place);
	struct fast_ring *ring;
	unsigned char *frame;

	if (!flow || flow->entry != packet->entry || !endpoint_eq(&flow->target, target) ||
	    len > flow->head.max_bytes)
		return false;
	if (flow->pass_one) {
		flow->pass_one = false;
		return false;
	}
	ring = &flow->out->socket->transmit;
	if (ring_room(ring) == 0)
		return false;
	frame = fast_head_put(&flow->head, packet->bytes, len);
	*ring_packet(ring, ring->mine++) =
		(struct xdp_desc){ .addr = (uint64_t)(frame - rings->umem->area),
				   .len = (uint32_t)(flow->head.len + len) };
	flow->out->unsent = true;
	packet->sent = true;
	return true;
}

/* ---- flows ---- */

void rings_set(struct fast_rings *rings, struct fast_entry *entry, const struct fast_rule *rule,
	       const struct fast_interface *interface, const unsigned char mac[MAC_BYTES])
{
	struct ring_flow *flow = flow_at(rings, entry->place);
	size_t number = 0;

	while (number + 1 < rings->fastpath->interface_count &&
	       rings->fastpath->interfaces[number].ifindex != interface->ifindex)
		number++;
	ensure(flow);
	flow->entry = entry;
	flow->local = rule->local;
	flow->target = rule->target;
	flow->out = rings->out[number];
	flow->pass_one = false;
	memcpy(flow->mac_from, interface->mac, MAC_BYTES);
	memcpy(flow->hot, rule->hot, sizeof(flow->hot));
	fast_head_fill(rule, mac, interface->mac, interface->mtu, &flow->head);
}

void rings_clear(struct fast_rings *rings, uint32_t place)
{
	struct ring_flow *flow = flow_at(rings, place);

	if (flow)
		flow->entry = NULL;
}

void rings_move(struct fast_rings *rings, uint32_t place, const unsigned char mac[MAC_BYTES])
{
	struct ring_flow *flow = flow_at(rings, place);

	if (flow && flow->entry)
		fast_head_move(&flow->head, mac, flow->mac_from);
}

bool rings_pass_one(struct fast_rings *rings, uint32_t place)
{
	struct ring_flow *flow = flow_at(rings, place);

	if (!flow || !flow->entry)
		return false;
	flow->pass_one = true;
	return true;
}

uint64_t rings_lost(const struct fast_rings *rings)
{
	uint64_t lost = rings->broken;

	for (uint32_t i = 0; i < rings->umem->queue_count; i++) {
		struct xdp_statistics figures = { .rx_dropped = 0 };
		socklen_t len = sizeof(figures);

		if (getsockopt(rings->sockets[i].socket->fd, SOL_XDP, XDP_STATISTICS, &figures,
			       &len) == 0)
			lost += figures.rx_dropped + figures.rx_ring_full;
	}
	return lost;
}

/* ---- life ---- */

static void sockets_lay_out(struct fast_rings *rings, unsigned lane)
{
	const struct fastpath *fastpath = rings->fastpath;
	uint32_t counts[FAST_INTERFACES_MAX] = { 0 };

	for (uint32_t i = 0; i < rings->umem->queue_count; i++) {
		struct ring_socket *it = &rings->sockets[i];
		size_t interface = rings->umem->queues[i].interface;

		it->rings = rings;
		it->socket = &rings->umem->sockets[i * fastpath->lanes + lane];
		it->watch = (struct loop_io){ .fd = it->socket->fd, .fn = on_readable, .owner = it };
		/* Lanes send by different queues, as far as there are any. */
		if (counts[interface]++ <= lane)
			rings->out[interface] = it;
	}
}

enum err rings_create(struct fastpath *fastpath, unsigned lane, struct loop *loop,
		      struct fast_rings **ret)
{
	uint32_t share = fastpath->capacity / fastpath->lanes;
	struct fast_rings *rings = calloc(1, sizeof(*rings));

	if (!rings)
		return ERR_NOMEM;
	rings->fastpath = fastpath;
	rings->umem = fastpath->umem;
	rings->loop = loop;
	rings->first_place = lane * share;
	rings->place_count = share;
	rings->tick = (struct loop_timer){ .fn = on_tick, .owner = rings };
	rings->flows = calloc(share, sizeof(*rings->flows));
	rings->sockets = calloc(rings->umem->queue_count, sizeof(*rings->sockets));
	if (!rings->flows || !rings->sockets) {
		rings_destroy(&rings);
		return ERR_NOMEM;
	}
	sockets_lay_out(rings, lane);
	*ret = rings;
	return OK;
}

enum err rings_start(struct fast_rings *rings, fast_packet_fn *fn, void *owner)
{
	enum err err = OK;

	rings->fn = fn;
	rings->owner = owner;
	for (uint32_t i = 0; err == OK && i < rings->umem->queue_count; i++)
		err = loop_watch(rings->loop, &rings->sockets[i].watch, EPOLLIN);
	on_tick(rings->loop, rings); /* the first frames */
	return err;
}

void rings_destroy(struct fast_rings **rings)
{
	struct fast_rings *it = *rings;

	if (!it)
		return;
	*rings = NULL;
	loop_timer_stop(it->loop, &it->tick);
	for (uint32_t i = 0; it->sockets && i < it->umem->queue_count; i++)
		if (it->sockets[i].watch.events)
			loop_forget(it->loop, &it->sockets[i].watch);
	free(it->sockets);
	free(it->flows);
	free(it);
}

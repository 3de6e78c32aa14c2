/* SPDX-License-Identifier: MIT
 * What changes under a worker's flows. A neighbour that moved to another MAC address is written into its
 * flows at once. One that is lost takes them out, so that the sockets ask for it anew, and a change of
 * routes has every flow looked at again: both a few flows at a time, for there may be ten thousand and
 * each costs a question to the kernel.
 * Always true: what was heard last is what all flows have been told once nothing is left to tell. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "media-relay/fastpath/lane_priv.h"

#define RECHECK_AFTER_MS 200u /* a router's table changes in bursts */
#define TELL_EVERY_MS 1u
#define TELL_BATCH 8u /* some 80 µs */
#define WARM_EVERY_MS 15000u

/* ---- telling the owner ---- */

static void tell_soon(struct fast_lane *lane, uint64_t after_ms)
{
	uint64_t at_ms = lane->loop->now_ms + after_ms;

	if (!timer_running(&lane->tell.timer) || lane->tell.timer.due_ms > at_ms)
		loop_timer_start(lane->loop, &lane->tell, after_ms);
}

/* The next one before the mark; NULL: they were all told. */
static struct fast_entry *hop_next(struct fast_hop *hop)
{
	struct list *node = hop->entries.next;

	if (node == &hop->mark.link) {
		list_remove(&hop->mark.link);
		list_remove(&hop->telling_link);
		return NULL;
	}
	list_remove(node);
	list_add_tail(&hop->entries, node);
	return container_of(node, struct fast_entry, link);
}

static struct fast_entry *recheck_next(struct fast_lane *lane)
{
	struct list *node = list_pop(&lane->entries);

	lane->recheck_left--;
	if (!node) {
		lane->recheck_left = 0;
		return NULL;
	}
	list_add_tail(&lane->entries, node);
	return container_of(node, struct fast_entry, all_link);
}

static bool recheck_is_due(const struct fast_lane *lane)
{
	return lane->recheck_left > 0 && lane->recheck_at_ms <= lane->loop->now_ms;
}

/* The owner may take any entry out while it is told of one. */
static void on_tell(struct loop *loop, void *owner)
{
	struct fast_lane *lane = owner;
	struct fast_entry *entry;

	for (unsigned i = 0; i < TELL_BATCH; i++) {
		if (!list_empty(&lane->telling))
			entry = hop_next(container_of(lane->telling.next, struct fast_hop,
						      telling_link));
		else if (recheck_is_due(lane))
			entry = recheck_next(lane);
		else
			break;
		if (entry)
			lane->fn(lane->owner, entry);
	}
	if (!list_empty(&lane->telling) || recheck_is_due(lane))
		tell_soon(lane, TELL_EVERY_MS);
	else if (lane->recheck_left > 0)
		tell_soon(lane, lane->recheck_at_ms - loop->now_ms);
}

static void hop_tell(struct fast_lane *lane, struct fast_hop *hop)
{
	if (!list_linked(&hop->telling_link))
		list_add_tail(&lane->telling, &hop->telling_link);
	list_remove(&hop->mark.link);
	list_add_tail(&hop->entries, &hop->mark.link);
	tell_soon(lane, 0);
}

/* One that waits already is not put off, or a table that never rests would not be looked at. */
static void recheck_all(struct fast_lane *lane)
{
	if (lane->recheck_left == 0)
		lane->recheck_at_ms = lane->loop->now_ms + RECHECK_AFTER_MS;
	lane->recheck_left = lane->entry_count;
	if (lane->recheck_left > 0)
		tell_soon(lane, RECHECK_AFTER_MS);
}

/* ---- what the kernel says ---- */

static void hop_move(struct fast_lane *lane, const struct fast_hop *hop)
{
	list_each(node, &hop->entries) {
		const struct fast_entry *entry = container_of(node, struct fast_entry, link);

		if (entry->place == 0)
			continue;
		fast_table_readdress(lane->fastpath, entry->place, hop->mac);
		if (lane->rings)
			rings_move(lane->rings, entry->place, hop->mac);
	}
}

static void on_neighbour(struct fast_lane *lane, const struct nlmsghdr *head)
{
	unsigned char mac[MAC_BYTES] = { 0 };
	struct fast_hop *hop;
	struct ip_addr ip;
	uint32_t ifindex;
	bool known, was;

	if (netlink_neighbour_event(head, &ifindex, &ip, mac, &known) != OK)
		return;
	hop = fast_hop_find(lane, ifindex, &ip);
	if (!hop)
		return;
	was = hop->known;
	hop->known = known;
	if (known && was && memcmp(hop->mac, mac, MAC_BYTES) != 0) {
		memcpy(hop->mac, mac, MAC_BYTES);
		hop_move(lane, hop);
	} else if (known != was) {
		memcpy(hop->mac, mac, MAC_BYTES);
		hop_tell(lane, hop);
	}
}

/* Much is said of a device that changes no packet's way. */
static void on_link(struct fast_lane *lane, const struct nlmsghdr *head)
{
	for (size_t i = 0; i < lane->interface_count; i++) {
		struct fast_interface *interface = &lane->interfaces[i];
		struct netlink_link link;
		uint16_t mtu;

		if (netlink_link_event(head, interface->ifindex, &link) != OK)
			continue;
		mtu = link.mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)link.mtu;
		if (mtu == interface->mtu && link.is_up == interface->is_up &&
		    memcmp(link.mac, interface->mac, MAC_BYTES) == 0)
			continue;
		memcpy(interface->mac, link.mac, MAC_BYTES);
		interface->mtu = mtu;
		interface->is_up = link.is_up;
		recheck_all(lane);
	}
}

static void on_event(struct fast_lane *lane, const struct nlmsghdr *head)
{
	switch (head->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(lane, head);
		break;
	case RTM_NEWLINK:
		on_link(lane, head);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		recheck_all(lane);
		break;
	default:
		break;
	}
}

static void on_readable(struct loop *loop, void *owner, uint32_t events)
{
	struct fast_lane *lane = owner;
	const struct nlmsghdr *head = NULL;
	size_t left;
	_Alignas(struct nlmsghdr) char buffer[NETLINK_BUFFER_BYTES];
	struct sockaddr_nl from;
	socklen_t from_len = sizeof(from);
	ssize_t len = recvfrom(lane->events.fd, buffer, sizeof(buffer), 0,
			       (struct sockaddr *)&from, &from_len);

	(void)loop;
	(void)events;
	if (len < 0 && errno == ENOBUFS) { /* events were lost: all that is known may be old */
		lane->generation++;
		recheck_all(lane);
	}
	if (len < 0 || from.nl_pid != 0) /* not the kernel */
		return;
	left = (size_t)len;
	while ((head = netlink_next(buffer, head, &left)))
		on_event(lane, head);
}

/* ---- neighbours that are not to be forgotten ---- */

/* Packets that never meet the network stack confirm no neighbour, and an entry that nobody confirms is
 * dropped in the end. So now and then one packet towards each takes the slow way. */
static void hop_warm(struct fast_lane *lane, const struct fast_hop *hop)
{
	list_each(node, &hop->entries) {
		const struct fast_entry *entry = container_of(node, struct fast_entry, link);
		struct fast_record *record;

		if (entry->place == 0)
			continue;
		if (lane->rings && rings_pass_one(lane->rings, entry->place))
			return;
		record = &lane->fastpath->records[entry->place];
		record->flow.turn = (record->count.flags & FAST_TURN) ^ FAST_TURN;
		return;
	}
}

static void on_warm(struct loop *loop, void *owner)
{
	struct fast_lane *lane = owner;
	struct map_node *node = NULL;
	size_t cursor = 0;

	while ((node = map_walk(&lane->hops, &cursor, node)))
		hop_warm(lane, container_of(node, struct fast_hop, node));
	loop_timer_start(loop, &lane->warm, WARM_EVERY_MS);
}

/* ---- life ---- */

enum err fast_follow_start(struct fast_lane *lane)
{
	enum err err = netlink_open(&lane->events, NETLINK_ROUTE,
				    RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE |
					    RTMGRP_IPV6_ROUTE);

	if (err != OK)
		return err;
	lane->tell = (struct loop_timer){ .fn = on_tell, .owner = lane };
	lane->warm = (struct loop_timer){ .fn = on_warm, .owner = lane };
	lane->watch = (struct loop_io){ .fd = lane->events.fd, .fn = on_readable, .owner = lane };
	loop_timer_start(lane->loop, &lane->warm, WARM_EVERY_MS);
	return loop_watch(lane->loop, &lane->watch, EPOLLIN);
}

void fast_follow_stop(struct fast_lane *lane)
{
	loop_timer_stop(lane->loop, &lane->tell);
	loop_timer_stop(lane->loop, &lane->warm);
	if (lane->watch.events)
		loop_forget(lane->loop, &lane->watch);
	if (lane->events.fd >= 0)
		netlink_close(&lane->events);
}

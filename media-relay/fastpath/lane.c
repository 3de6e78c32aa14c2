/* SPDX-License-Identifier: MIT
 * A worker's flows in the kernel, ordered by the neighbour they go to next. The kernel is asked for
 * route and neighbour when a flow is set; after that its events are listened to. A neighbour that
 * moved to another MAC address is written into its flows at once; one that is lost takes them out, so
 * that the sockets ask for it anew.
 * lint: owns storage because a lane lives as long as its worker. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/base/pool.h"
#include "media-relay/fastpath/fastpath_priv.h"

#define HOPS_EXPECTED 64u
#define HOPS_MAX 65536u
#define RECHECK_AFTER_MS 200u /* a router's table changes in bursts */
#define RECHECK_EVERY_MS 10u
#define RECHECK_BATCH 128u
#define WARM_EVERY_MS 15000u

struct fast_hop {
	struct map_node node;
	struct handle handle;
	struct list entries;
	uint32_t ifindex;
	struct ip_addr ip;
	bool known;
	unsigned char mac[MAC_BYTES];
};

struct fast_lane {
	struct fastpath *fastpath;
	struct fast_interface interfaces[FAST_INTERFACES_MAX]; /* as this lane knows them now */
	size_t interface_count;
	struct loop *loop;
	fast_again_fn *fn;
	void *owner;
	struct netlink questions;
	struct netlink events;
	struct loop_io watch;
	struct loop_timer recheck;
	struct loop_timer warm;
	struct list entries; /* all that are linked to a hop */
	uint32_t entry_count;
	uint32_t recheck_left;
	struct map hops;
	struct pool hop_pool;
	uint32_t *places; /* free ones, a stack */
	uint32_t place_count;
};

/* ---- places ---- */

static uint32_t place_take(struct fast_lane *lane)
{
	return lane->place_count > 0 ? lane->places[--lane->place_count] : 0;
}

void fast_place_give(struct fast_lane *lane, uint32_t place)
{
	lane->places[lane->place_count++] = place;
}

const struct fast_count *fast_place_count(const struct fast_lane *lane, uint32_t place)
{
	return &lane->fastpath->counts[place];
}

/* ---- next hops ---- */

static struct hash128 hop_key(uint32_t ifindex, const struct ip_addr *ip)
{
	struct hash128 key;

	/* Neighbours of our own network, answered for by its own kernel: no keyed hash is needed. */
	memcpy(&key, ip->bytes, sizeof(key));
	key.lo = (key.lo ^ key.hi ^ ifindex) * UINT64_C(0x9e3779b97f4a7c15);
	return key;
}

static struct fast_hop *hop_find(const struct fast_lane *lane, uint32_t ifindex,
				 const struct ip_addr *ip)
{
	struct map_node *node = map_find(&lane->hops, hop_key(ifindex, ip));

	for (; node; node = map_find_next(node)) {
		struct fast_hop *hop = container_of(node, struct fast_hop, node);

		if (hop->ifindex == ifindex && ip_eq(&hop->ip, ip))
			return hop;
	}
	return NULL;
}

static struct fast_hop *hop_of(struct fast_lane *lane, const struct netlink_route *route)
{
	struct fast_hop *hop = hop_find(lane, route->ifindex, &route->next);
	struct handle handle;

	if (hop)
		return hop;
	hop = pool_take(&lane->hop_pool, &handle);
	if (!hop)
		return NULL;
	hop->handle = handle;
	hop->ifindex = route->ifindex;
	hop->ip = route->next;
	list_init(&hop->entries);
	hop->known = netlink_neighbour(&lane->questions, hop->ifindex, &hop->ip, hop->mac) == OK;
	map_insert(&lane->hops, &hop->node, hop_key(hop->ifindex, &hop->ip));
	return hop;
}

static void entry_link(struct fast_lane *lane, struct fast_entry *entry, struct fast_hop *hop)
{
	struct fast_hop *before = entry->hop;

	if (before == hop)
		return;
	list_remove(&entry->link);
	entry->hop = hop;
	if (hop)
		list_add_tail(&hop->entries, &entry->link);
	if (!before) {
		list_add_tail(&lane->entries, &entry->all_link);
		lane->entry_count++;
	} else if (!hop) {
		list_remove(&entry->all_link);
		lane->entry_count--;
	}
	if (before && list_empty(&before->entries)) {
		map_remove(&lane->hops, &before->node);
		pool_give(&lane->hop_pool, before->handle);
	}
}

/* ---- entries ---- */

static const struct fast_interface *interface_of(const struct fast_lane *lane, uint32_t ifindex)
{
	for (size_t i = 0; i < lane->interface_count; i++)
		if (lane->interfaces[i].ifindex == ifindex)
			return &lane->interfaces[i];
	return NULL;
}

/* Which way, and is it known? */
static const struct fast_interface *entry_route(struct fast_lane *lane, struct fast_entry *entry,
						const struct fast_rule *rule, const char **ret_why)
{
	const struct fast_interface *interface;
	struct netlink_route route;
	struct fast_hop *hop;

	*ret_why = "no route to another host";
	if (netlink_route(&lane->questions, &rule->out.ip, &rule->target.ip, &route) != OK)
		return NULL;
	*ret_why = "the way out is by an interface without the program";
	interface = interface_of(lane, route.ifindex);
	if (!interface)
		return NULL;
	hop = hop_of(lane, &route);
	*ret_why = "too many neighbours";
	if (!hop)
		return NULL;
	entry_link(lane, entry, hop);
	*ret_why = "the neighbour's MAC address is not known yet";
	return hop->known ? interface : NULL;
}

static bool entry_write(struct fast_lane *lane, struct fast_entry *entry,
			const struct fast_flow *flow)
{
	entry->installed =
		bpf_map_update_elem(lane->fastpath->flows_fd, &entry->key, flow, BPF_ANY) == 0;
	return entry->installed;
}

/* Counting goes on where it stood; a flow that is there already counts on by itself. */
static bool entry_place(struct fast_lane *lane, struct fast_entry *entry,
			const struct fast_count *standing)
{
	if (entry->place != 0)
		return true;
	entry->place = place_take(lane);
	if (entry->place == 0)
		return false;
	lane->fastpath->counts[entry->place] = *standing;
	return true;
}

bool fast_entry_set(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		    const char **ret_why)
{
	const struct fast_interface *interface = entry_route(lane, entry, rule, ret_why);
	struct fast_flow flow;

	if (!interface)
		return false;
	*ret_why = "no place for more flows";
	if (!entry_place(lane, entry, &rule->standing))
		return false;
	fast_flow_fill(rule, &entry->key, &flow);
	flow.count = entry->place;
	flow.out_ifindex = interface->ifindex;
	flow.max_bytes = interface->mtu;
	memcpy(flow.mac_to, entry->hop->mac, MAC_BYTES);
	memcpy(flow.mac_from, interface->mac, MAC_BYTES);
	*ret_why = "the kernel did not take the flow";
	return entry_write(lane, entry, &flow);
}

uint32_t fast_entry_clear(struct fast_lane *lane, struct fast_entry *entry)
{
	uint32_t place = entry->place;

	if (entry->installed)
		(void)bpf_map_delete_elem(lane->fastpath->flows_fd, &entry->key);
	entry->installed = false;
	entry->place = 0;
	return place;
}

void fast_entry_forget(struct fast_lane *lane, struct fast_entry *entry)
{
	ensure(!entry->installed && entry->place == 0);
	entry_link(lane, entry, NULL);
}

/* ---- events ---- */

static void hop_move(struct fast_lane *lane, struct fast_hop *hop)
{
	list_each(node, &hop->entries) {
		struct fast_entry *entry = container_of(node, struct fast_entry, link);
		struct fast_flow flow;

		if (!entry->installed || bpf_map_lookup_elem(lane->fastpath->flows_fd, &entry->key,
							     &flow) != 0)
			continue;
		memcpy(flow.mac_to, hop->mac, MAC_BYTES);
		(void)entry_write(lane, entry, &flow);
	}
}

/* The owner may take entries out while they are told, so they go round past a mark. */
static void hop_tell(struct fast_lane *lane, struct fast_hop *hop)
{
	struct fast_entry mark = { .installed = false };
	struct list *node;

	entry_link(lane, &mark, hop);
	while ((node = hop->entries.next) != &mark.link) {
		list_remove(node);
		list_add_tail(&hop->entries, node);
		lane->fn(lane->owner, container_of(node, struct fast_entry, link));
	}
	entry_link(lane, &mark, NULL);
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
	hop = hop_find(lane, ifindex, &ip);
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

/* Routes, addresses or devices changed: every flow may go another way now. They are asked about a
 * few at a time, so that no turn gets long. */
static void on_recheck(struct loop *loop, void *owner)
{
	struct fast_lane *lane = owner;
	unsigned now = lane->recheck_left < RECHECK_BATCH ? lane->recheck_left : RECHECK_BATCH;

	lane->recheck_left -= now;
	for (unsigned i = 0; i < now && !list_empty(&lane->entries); i++) {
		struct list *node = list_pop(&lane->entries);

		list_add_tail(&lane->entries, node);
		lane->fn(lane->owner, container_of(node, struct fast_entry, all_link));
	}
	if (lane->recheck_left > 0)
		loop_timer_start(loop, &lane->recheck, RECHECK_EVERY_MS);
}

static void recheck_all(struct fast_lane *lane)
{
	lane->recheck_left = lane->entry_count;
	loop_timer_start(lane->loop, &lane->recheck, RECHECK_AFTER_MS);
}

static void on_link(struct fast_lane *lane, const struct nlmsghdr *head)
{
	for (size_t i = 0; i < lane->interface_count; i++) {
		struct fast_interface *interface = &lane->interfaces[i];
		uint32_t mtu;

		if (netlink_link_event(head, interface->ifindex, interface->mac, &mtu) != OK)
			continue;
		interface->mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
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

/* Events were lost: all that is known may be old. */
static void on_overflow(struct fast_lane *lane)
{
	size_t cursor = 0;
	struct map_node *node = NULL;

	while ((node = map_walk(&lane->hops, &cursor, node))) {
		struct fast_hop *hop = container_of(node, struct fast_hop, node);

		hop->known = netlink_neighbour(&lane->questions, hop->ifindex, &hop->ip,
					       hop->mac) == OK;
	}
	recheck_all(lane);
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
	if (len < 0) {
		if (errno == ENOBUFS)
			on_overflow(lane);
		return;
	}
	if (from.nl_pid != 0) /* not the kernel */
		return;
	left = (size_t)len;
	while ((head = netlink_next(buffer, head, &left)))
		on_event(lane, head);
}

/* Packets that never meet the network stack confirm no neighbour, and an entry that nobody confirms is
 * dropped in the end. So now and then one packet towards each takes the slow way. */
static void hop_warm(struct fast_lane *lane, const struct fast_hop *hop)
{
	list_each(node, &hop->entries) {
		const struct fast_entry *entry = container_of(node, struct fast_entry, link);

		if (!entry->installed)
			continue;
		lane->fastpath->counts[entry->place].flags |= FAST_PASS_ONE;
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

static enum err lane_init(struct fast_lane *lane, unsigned number)
{
	uint32_t share = lane->fastpath->capacity / lane->fastpath->lanes;
	enum err err;

	lane->places = calloc(share, sizeof(*lane->places));
	if (!lane->places)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < share; i++)
		if (number * share + i != 0) /* 0 is no place */
			fast_place_give(lane, number * share + i);
	err = map_init(&lane->hops, HOPS_EXPECTED);
	if (err == OK)
		err = pool_init(&lane->hop_pool, sizeof(struct fast_hop), HOPS_MAX);
	if (err == OK)
		err = netlink_open(&lane->questions, NETLINK_ROUTE, 0);
	if (err == OK)
		err = netlink_open(&lane->events, NETLINK_ROUTE,
				   RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE |
					   RTMGRP_IPV6_ROUTE);
	if (err != OK)
		return err;
	lane->watch = (struct loop_io){ .fd = lane->events.fd, .fn = on_readable, .owner = lane };
	loop_timer_start(lane->loop, &lane->warm, WARM_EVERY_MS);
	return loop_watch(lane->loop, &lane->watch, EPOLLIN);
}

enum err fast_lane_create(struct fastpath *fastpath, unsigned number, struct loop *loop,
			  fast_again_fn *fn, void *owner, struct fast_lane **ret)
{
	struct fast_lane *lane = calloc(1, sizeof(*lane));
	enum err err;

	if (!lane)
		return ERR_NOMEM;
	lane->fastpath = fastpath;
	memcpy(lane->interfaces, fastpath->interfaces, sizeof(lane->interfaces));
	lane->interface_count = fastpath->interface_count;
	lane->loop = loop;
	lane->fn = fn;
	lane->owner = owner;
	lane->questions.fd = lane->events.fd = -1;
	lane->recheck = (struct loop_timer){ .fn = on_recheck, .owner = lane };
	lane->warm = (struct loop_timer){ .fn = on_warm, .owner = lane };
	list_init(&lane->entries);
	err = lane_init(lane, number);
	if (err != OK)
		fast_lane_destroy(&lane);
	else
		*ret = lane;
	return err;
}

/* Entries stay in the kernel: they end with it, and their owners with the worker. */
void fast_lane_destroy(struct fast_lane **lane)
{
	struct fast_lane *it = *lane;

	if (!it)
		return;
	*lane = NULL;
	loop_timer_stop(it->loop, &it->recheck);
	loop_timer_stop(it->loop, &it->warm);
	if (it->watch.events)
		loop_forget(it->loop, &it->watch);
	if (it->questions.fd >= 0)
		netlink_close(&it->questions);
	if (it->events.fd >= 0)
		netlink_close(&it->events);
	map_fini(&it->hops);
	pool_fini(&it->hop_pool);
	free(it->places);
	free(it);
}

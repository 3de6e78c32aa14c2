/* SPDX-License-Identifier: MIT
 * A worker's flows in the kernel, ordered by the neighbour they go to next. The kernel is asked for
 * route and neighbour when a flow is set; what changes afterwards is followed (follow.c).
 * lint: owns storage because a lane lives as long as its worker. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/ensure.h"
#include "media-relay/fastpath/lane_priv.h"

#define HOPS_EXPECTED 64u
#define HOPS_MAX 65536u

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
	return &lane->fastpath->records[place].count;
}

struct fast_total fast_lane_total(const struct fast_lane *lane)
{
	struct fast_total sum = { .packets = 0 };

	for (uint32_t i = 0; i < lane->fastpath->processors; i++) {
		const volatile struct fast_total *total =
			&lane->fastpath->totals[i * FAST_LANES_MAX + lane->number];

		sum.packets += total->packets;
		sum.bytes += total->bytes;
		sum.policed += total->policed;
	}
	return sum;
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

struct fast_hop *fast_hop_find(const struct fast_lane *lane, uint32_t ifindex,
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

static struct fast_hop *hop_create(struct fast_lane *lane, const struct netlink_route *route)
{
	struct handle handle;
	struct fast_hop *hop = pool_take(&lane->hop_pool, &handle);

	if (!hop)
		return NULL;
	hop->handle = handle;
	hop->ifindex = route->ifindex;
	hop->ip = route->next;
	hop->generation = lane->generation - 1; /* not asked for yet */
	list_init(&hop->entries);
	map_insert(&lane->hops, &hop->node, hop_key(hop->ifindex, &hop->ip));
	return hop;
}

static void hop_destroy(struct fast_lane *lane, struct fast_hop *hop)
{
	list_remove(&hop->telling_link);
	map_remove(&lane->hops, &hop->node);
	pool_give(&lane->hop_pool, hop->handle);
}

static struct fast_hop *hop_of(struct fast_lane *lane, const struct netlink_route *route)
{
	struct fast_hop *hop = fast_hop_find(lane, route->ifindex, &route->next);

	if (!hop)
		hop = hop_create(lane, route);
	if (!hop || hop->generation == lane->generation)
		return hop;
	hop->known = netlink_neighbour(&lane->questions, hop->ifindex, &hop->ip, hop->mac) == OK;
	hop->generation = lane->generation;
	return hop;
}

static void entry_link(struct fast_lane *lane, struct fast_entry *entry, struct fast_hop *hop)
{
	struct fast_hop *before = entry->hop;

	if (before == hop)
		return;
	list_remove(&entry->link);
	entry->hop = hop;
	if (hop) {
		list_add_tail(&hop->entries, &entry->link);
		hop->entry_count++;
	}
	if (!before) {
		list_add_tail(&lane->entries, &entry->all_link);
		lane->entry_count++;
	} else if (!hop) {
		list_remove(&entry->all_link);
		lane->entry_count--;
	}
	if (before && --before->entry_count == 0)
		hop_destroy(lane, before);
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

static void record_fill(const struct fast_lane *lane, const struct fast_rule *rule,
			const struct fast_interface *interface, const struct fast_hop *hop,
			struct fast_record *ret)
{
	fast_record_fill(rule, ret);
	ret->flow.lane = (uint8_t)lane->number;
	ret->flow.interface = (uint8_t)(interface - lane->interfaces);
	ret->flow.onward.to.max_bytes = interface->mtu;
	memcpy(ret->flow.onward.to.mac, hop->mac, MAC_BYTES);
	memcpy(ret->flow.mac_from, interface->mac, MAC_BYTES);
}

/* Counting goes on where it stands now. True: that is all there is to change. */
static bool record_go_on(const struct fast_record *there, struct fast_record *record)
{
	record->count = *(const volatile struct fast_count *)&there->count;
	record->flow.next = there->flow.next;
	record->flow.turn = there->flow.turn;
	return memcmp(&there->flow, &record->flow, sizeof(there->flow)) == 0 &&
	       memcmp(&there->six, &record->six, sizeof(there->six)) == 0 &&
	       memcmp(there->others, record->others, sizeof(there->others)) == 0;
}

static bool entry_put(struct fast_lane *lane, struct fast_entry *entry,
		      const struct fast_record *record, const char **ret_why)
{
	uint32_t place = place_take(lane);

	*ret_why = "no place for more flows";
	if (place == 0)
		return false;
	*ret_why = "too many media addresses have this port";
	lane->fastpath->records[place] = *record;
	if (!fast_table_put(lane->fastpath, entry->slot, entry->place, place)) {
		fast_place_give(lane, place);
		return false;
	}
	entry->place = place;
	return true;
}

bool fast_entry_set(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		    struct fast_left *ret_left, const char **ret_why)
{
	const struct fast_interface *interface = entry_route(lane, entry, rule, ret_why);
	uint32_t before = entry->place, slot = fast_slot(&rule->local);
	struct fast_record record;

	ret_left->place = 0;
	if (!interface)
		return false;
	ensure(before == 0 || entry->slot == slot);
	entry->slot = slot;
	record_fill(lane, rule, interface, entry->hop, &record);
	if (before != 0 && record_go_on(&lane->fastpath->records[before], &record))
		return true;
	if (!entry_put(lane, entry, &record, ret_why))
		return false;
	*ret_left = (struct fast_left){ .place = before, .count = record.count };
	return true;
}

bool fast_entry_ring(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		     const char **ret_why)
{
	const struct fast_interface *interface = entry_route(lane, entry, rule, ret_why);
	struct fast_record record;

	if (!interface)
		return false;
	entry->slot = fast_slot(&rule->local);
	if (entry->place == 0) {
		record_fill(lane, rule, interface, entry->hop, &record);
		record.flow.flags |= FAST_RING;
		if (!entry_put(lane, entry, &record, ret_why))
			return false;
	}
	rings_set(lane->rings, entry, rule, interface, entry->hop->mac);
	return true;
}

uint32_t fast_entry_clear(struct fast_lane *lane, struct fast_entry *entry)
{
	uint32_t place = entry->place;

	if (place != 0)
		fast_table_remove(lane->fastpath, entry->slot, place);
	if (lane->rings)
		rings_clear(lane->rings, place);
	entry->place = 0;
	return place;
}

void fast_entry_forget(struct fast_lane *lane, struct fast_entry *entry)
{
	ensure(entry->place == 0);
	entry_link(lane, entry, NULL);
}

/* ---- rings ---- */

enum err fast_lane_listen(struct fast_lane *lane, fast_packet_fn *fn)
{
	return lane->rings ? rings_start(lane->rings, fn, lane->owner) : ERR_UNSUPPORTED;
}

bool fast_send(struct fast_lane *lane, struct fast_packet *packet, const struct endpoint *target,
	       size_t len)
{
	return rings_send(lane->rings, packet, target, len);
}

uint64_t fast_lane_lost(const struct fast_lane *lane)
{
	return lane->rings ? rings_lost(lane->rings) : 0;
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
	if (err == OK && lane->fastpath->umem)
		err = rings_create(lane->fastpath, number, lane->loop, &lane->rings);
	return err == OK ? fast_follow_start(lane) : err;
}

enum err fast_lane_create(struct fastpath *fastpath, unsigned number, struct loop *loop,
			  fast_again_fn *fn, void *owner, struct fast_lane **ret)
{
	struct fast_lane *lane = calloc(1, sizeof(*lane));
	enum err err;

	if (!lane)
		return ERR_NOMEM;
	lane->fastpath = fastpath;
	lane->number = number;
	memcpy(lane->interfaces, fastpath->interfaces, sizeof(lane->interfaces));
	lane->interface_count = fastpath->interface_count;
	lane->loop = loop;
	lane->fn = fn;
	lane->owner = owner;
	lane->questions.fd = lane->events.fd = -1;
	list_init(&lane->entries);
	list_init(&lane->telling);
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
	rings_destroy(&it->rings);
	fast_follow_stop(it);
	if (it->questions.fd >= 0)
		netlink_close(&it->questions);
	map_fini(&it->hops);
	pool_fini(&it->hop_pool);
	free(it->places);
	free(it);
}

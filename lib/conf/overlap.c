/* SPDX-License-Identifier: MIT
 * What two resources may not share: a listener's socket, media ports of an address, the source
 * addresses that tell the trunks of a realm apart. */
#include "lib/conf/conf_priv.h"

#include <stdlib.h>

struct socket_entry {
	bool stream; /* tcp, tls, ws and wss are one space of ports */
	struct ip_addr ip;
	uint16_t port;
	size_t realm;
	size_t listener;
};

struct source_entry {
	struct slice realm;
	struct ip_prefix prefix;
	size_t trunk;
	size_t source;
};

static int order(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int ip_order(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family != b->family ? order(a->family, b->family)
				      : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int socket_same(const struct socket_entry *a, const struct socket_entry *b)
{
	int by = order(a->stream, b->stream);

	if (by == 0)
		by = ip_order(&a->ip, &b->ip);
	return by != 0 ? by : order(a->port, b->port);
}

static int socket_order(const void *a, const void *b)
{
	const struct socket_entry *x = a;
	const struct socket_entry *y = b;
	int by = socket_same(x, y);

	if (by == 0)
		by = order(x->realm, y->realm);
	return by != 0 ? by : order(x->listener, y->listener);
}

static struct socket_entry *sockets_sorted(struct check *check, const struct conf_provisioning *all,
					   size_t *ret_count)
{
	struct socket_entry *entries;
	size_t count = 0;

	for (size_t i = 0; i < all->realm_count; i++)
		count += all->realms[i].listener_count;
	entries = arena_array(check->arena, count + 1, sizeof(*entries));
	if (!entries)
		return NULL;
	count = 0;
	for (size_t i = 0; i < all->realm_count; i++) {
		for (size_t j = 0; j < all->realms[i].listener_count; j++) {
			const struct conf_listener *listener = &all->realms[i].listeners[j];

			if (listener->address.family != IP_NONE)
				entries[count++] =
				    (struct socket_entry){ listener->transport != CONF_UDP,
							   listener->address, listener->port, i,
							   j };
		}
	}
	qsort(entries, count, sizeof(*entries), socket_order);
	*ret_count = count;
	return entries;
}

static void listener_overlaps(struct check *check, const struct spot *top,
			      const struct conf_provisioning *all)
{
	struct spot realms = { .up = top, .key = "realms" };
	size_t count = 0;
	struct socket_entry *entries = sockets_sorted(check, all, &count);

	for (size_t i = 1; entries && i < count; i++) {
		const struct socket_entry *first = &entries[i - 1];
		struct spot realm = { .up = &realms, .index = entries[i].realm };
		struct spot listeners = { .up = &realm, .key = "listeners" };
		struct spot at = { .up = &listeners, .index = entries[i].listener };

		if (socket_same(first, &entries[i]) == 0)
			check_fail(
			    check, &at,
			    SLICE("another address or port (tcp, tls, ws and wss share theirs)"),
			    "the same socket as /realms/%zu/listeners/%zu", first->realm,
			    first->listener);
	}
}

struct range_entry {
	const struct conf_media *media;
	size_t realm;
	size_t at; /* as conf_media_at has it */
};

static int range_order(const void *a, const void *b)
{
	const struct range_entry *x = a;
	const struct range_entry *y = b;
	int by = ip_order(&x->media->address, &y->media->address);

	if (by == 0)
		by = order(x->media->port_min, y->media->port_min);
	if (by == 0)
		by = order(x->realm, y->realm);
	return by != 0 ? by : order(x->at, y->at);
}

static struct range_entry *ranges_sorted(struct check *check, const struct conf_provisioning *all,
					 size_t *ret_count)
{
	struct range_entry *entries;
	size_t count = 0;

	for (size_t i = 0; i < all->realm_count; i++)
		count += conf_media_count(&all->realms[i]);
	entries = arena_array(check->arena, count + 1, sizeof(*entries));
	if (!entries)
		return NULL;
	*ret_count = 0;
	for (size_t i = 0; i < all->realm_count; i++) {
		for (size_t at = 0; at < conf_media_count(&all->realms[i]); at++) {
			const struct conf_media *media = conf_media_at(&all->realms[i], at);

			if (media->address.family != IP_NONE)
				entries[(*ret_count)++] = (struct range_entry){ media, i, at };
		}
	}
	qsort(entries, *ret_count, sizeof(*entries), range_order);
	return entries;
}

static void range_fail(struct check *check, const struct spot *top, const struct range_entry *entry,
		       struct slice other)
{
	struct spot realms = { .up = top, .key = "realms" };
	struct spot realm = { .up = &realms, .index = entry->realm };
	struct spot media = { .up = &realm, .key = "media" };
	struct spot more = { .up = &media, .key = "more_addresses" };
	struct spot item = { .up = &more, .index = entry->at - 1 };
	struct spot at = { .up = entry->at == 0 ? &media : &item, .key = "port_min" };

	check_fail(check, &at, SLICE("ranges that do not meet, or another address"),
		   "the ports meet those of realm %.*s on this address", SLICE_ARG(other));
}

static void media_overlaps(struct check *check, const struct spot *top,
			   const struct conf_provisioning *all)
{
	size_t count = 0;
	struct range_entry *entries = ranges_sorted(check, all, &count);
	const struct range_entry *widest = NULL; /* of this address, the one that reaches furthest */

	for (size_t i = 0; entries && i < count; i++) {
		const struct range_entry *entry = &entries[i];
		bool same = widest && ip_eq(&widest->media->address, &entry->media->address);

		if (same && entry->media->port_min <= widest->media->port_max)
			range_fail(check, top, entry, all->realms[widest->realm].name);
		if (!same || entry->media->port_max > widest->media->port_max)
			widest = entry;
	}
}

static int source_same(const struct source_entry *a, const struct source_entry *b)
{
	int by = order(a->realm.len, b->realm.len);

	if (by == 0 && a->realm.len > 0)
		by = memcmp(a->realm.p, b->realm.p, a->realm.len);
	if (by == 0)
		by = ip_order(&a->prefix.ip, &b->prefix.ip);
	return by != 0 ? by : order(a->prefix.bits, b->prefix.bits);
}

static int source_order(const void *a, const void *b)
{
	const struct source_entry *x = a;
	const struct source_entry *y = b;
	int by = source_same(x, y);

	if (by == 0)
		by = order(x->trunk, y->trunk);
	return by != 0 ? by : order(x->source, y->source);
}

/* Those that were given. Two carriers may well share a gateway's address (on different ports) when
 * nobody calls from it: what is only taken from gateways goes to the first of them. */
static struct source_entry *sources_sorted(struct check *check, const struct conf_provisioning *all,
					   size_t *ret_count)
{
	struct source_entry *entries;
	size_t count = 0;

	for (size_t i = 0; i < all->trunk_count; i++)
		count += all->trunks[i].source_count;
	entries = arena_array(check->arena, count + 1, sizeof(*entries));
	if (!entries)
		return NULL;
	count = 0;
	for (size_t i = 0; i < all->trunk_count; i++) {
		const struct conf_trunk *trunk = &all->trunks[i];

		for (size_t j = 0; trunk->sources_given && j < trunk->source_count; j++)
			if (trunk->sources[j].ip.family != IP_NONE)
				entries[count++] =
				    (struct source_entry){ trunk->realm, trunk->sources[j], i, j };
	}
	qsort(entries, count, sizeof(*entries), source_order);
	*ret_count = count;
	return entries;
}

/* A longer prefix inside a shorter one is fine (the longest wins); the same one twice is not,
 * unless it is the same trunk. Only sources that were given count (see sources_sorted). */
static void source_overlaps(struct check *check, const struct spot *top,
			    const struct conf_provisioning *all)
{
	struct spot trunks = { .up = top, .key = "trunks" };
	size_t count = 0;
	struct source_entry *entries = sources_sorted(check, all, &count);

	for (size_t i = 1; entries && i < count; i++) {
		const struct source_entry *first = &entries[i - 1];
		struct spot item = { .up = &trunks, .index = entries[i].trunk };
		struct spot sources = { .up = &item, .key = "sources" };
		struct spot at = { .up = &sources, .index = entries[i].source };

		if (first->trunk != entries[i].trunk && source_same(first, &entries[i]) == 0)
			check_fail(check, &at,
				   SLICE("sources that tell the trunks of a realm apart"),
				   "the same source as trunk %.*s, in the same realm",
				   SLICE_ARG(all->trunks[first->trunk].name));
	}
}

void overlap_rules(struct check *check, const struct spot *top,
		   const struct conf_provisioning *provisioning)
{
	listener_overlaps(check, top, provisioning);
	media_overlaps(check, top, provisioning);
	source_overlaps(check, top, provisioning);
}

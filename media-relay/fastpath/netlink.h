/* SPDX-License-Identifier: MIT
 * The few questions to rtnetlink that this room has: which way to an address, under which MAC, what a
 * device can do. One question at a time; the kernel answers before the send returns. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "lib/base/addr.h"

#define MAC_BYTES 6u
#define NETLINK_BUFFER_BYTES 16384u

struct netlink {
	int fd;
	uint32_t sequence;
};

struct netlink_route {
	uint32_t ifindex;
	struct ip_addr next; /* the gateway, or the target itself */
};

struct netlink_link {
	unsigned char mac[MAC_BYTES];
	uint32_t mtu;
	bool is_up; /* and its other end is */
};

/* protocol: NETLINK_ROUTE or NETLINK_GENERIC; groups: RTMGRP_* to be told of. */
must_use enum err netlink_open(struct netlink *netlink, int protocol, uint32_t groups);
void netlink_close(struct netlink *netlink);

/* ERR_UNSUPPORTED: not a unicast route to another host; ERR_NOENT: no route. */
must_use enum err netlink_route(struct netlink *netlink, const struct ip_addr *from,
				const struct ip_addr *to, struct netlink_route *ret);
/* ERR_NOENT: not known (yet). */
must_use enum err netlink_neighbour(struct netlink *netlink, uint32_t ifindex,
				    const struct ip_addr *ip, unsigned char ret_mac[MAC_BYTES]);
/* Bits of NETDEV_XDP_ACT_* (Linux 6.3). ERR_UNSUPPORTED: the kernel cannot say. */
must_use enum err netlink_xdp_features(uint32_t ifindex, uint64_t *ret);

#define XDP_FEATURE_REDIRECT_TARGET 4u /* NETDEV_XDP_ACT_NDO_XMIT */

/* The message behind this one among *len bytes, or NULL; *len is what is left from there on. The first:
 * head NULL. */
const struct nlmsghdr *netlink_next(const void *bytes, const struct nlmsghdr *head, size_t *len);

/* A neighbour event; *ret_known: it has a MAC that can be used. ERR_UNSUPPORTED: about something
 * else. */
must_use enum err netlink_neighbour_event(const struct nlmsghdr *head, uint32_t *ret_ifindex,
					  struct ip_addr *ret_ip, unsigned char ret_mac[MAC_BYTES],
					  bool *ret_known);

/* A device event about ifindex. ERR_UNSUPPORTED: about something else. */
must_use enum err netlink_link_event(const struct nlmsghdr *head, uint32_t ifindex,
				     struct netlink_link *ret);

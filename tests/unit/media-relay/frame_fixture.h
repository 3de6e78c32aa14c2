/* SPDX-License-Identifier: MIT
 * Ethernet frames with a datagram in them, built by the book from nothing, octet by octet, with
 * checksums summed over all of it: what the tests of the fast path hold its frames against. */
#pragma once

#include "tests/support/unit.h"

#include "media-relay/fastpath/fastpath_priv.h"

#define FRAME_MAX 2048u
#define PAYLOAD_MAX 1472u

/* One packet as text book says. */
struct shape {
	struct endpoint from, to;
	uint8_t traffic_class, hop_limit;
	uint16_t id;			/* of IPv4 */
	unsigned char mac_to, mac_from; /* 02:00:00:00:00:xx */
	unsigned char payload[PAYLOAD_MAX];
	size_t len; /* of the payload */
	bool no_checksum;
};

struct frame {
	unsigned char bytes[FRAME_MAX];
	size_t len;
	size_t udp_at, payload_at;
};

static inline struct endpoint at(const char *ip, uint16_t port)
{
	struct endpoint endpoint = { .port = port };

	assert_int_equal(ip_parse(slice_text(ip), &endpoint.ip), OK);
	return endpoint;
}

static inline void put16(unsigned char *bytes, unsigned value)
{
	bytes[0] = (unsigned char)(value >> 8);
	bytes[1] = (unsigned char)value;
}

/* RFC 1071, over bytes in their order on the wire. */
static inline uint32_t sum16(uint32_t sum, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static inline uint16_t finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Returns the header's length; *ret_pseudo: what the addresses and the length add to UDP's sum. */
static inline size_t build_ip(const struct shape *shape, unsigned char *ip, size_t udp_len,
			      uint32_t *ret_pseudo)
{
	size_t size = 16, addresses = 8, head = 40;

	if (shape->from.ip.family == IP_V4) {
		size = 4;
		addresses = 12;
		head = 20;
		ip[0] = 0x45;
		ip[1] = shape->traffic_class;
		put16(ip + 2, (unsigned)(20 + udp_len));
		put16(ip + 4, shape->id);
		put16(ip + 6, 0x4000);
		ip[8] = shape->hop_limit;
		ip[9] = 17;
	} else {
		ip[0] = (unsigned char)(0x60 | shape->traffic_class >> 4);
		ip[1] = (unsigned char)(shape->traffic_class << 4);
		put16(ip + 4, (unsigned)udp_len);
		ip[6] = 17;
		ip[7] = shape->hop_limit;
	}
	memcpy(ip + addresses, shape->from.ip.bytes, size);
	memcpy(ip + addresses + size, shape->to.ip.bytes, size);
	if (head == 20)
		put16(ip + 10, finish(sum16(0, ip, 20)));
	*ret_pseudo = sum16((uint32_t)(17 + udp_len), ip + addresses, 2 * size);
	return head;
}

static inline void build(const struct shape *shape, struct frame *frame)
{
	unsigned char *eth = frame->bytes, *udp;
	size_t udp_len = 8 + shape->len;
	uint32_t sum;

	memset(frame, 0, sizeof(*frame));
	eth[0] = eth[6] = 2;
	eth[5] = shape->mac_to;
	eth[11] = shape->mac_from;
	put16(eth + 12, shape->from.ip.family == IP_V4 ? 0x0800 : 0x86dd);
	udp = eth + 14 + build_ip(shape, eth + 14, udp_len, &sum);
	put16(udp, shape->from.port);
	put16(udp + 2, shape->to.port);
	put16(udp + 4, (unsigned)udp_len);
	memcpy(udp + 8, shape->payload, shape->len);
	sum = sum16(sum, udp, udp_len);
	if (!shape->no_checksum)
		put16(udp + 6, finish(sum) ? finish(sum) : 0xffff);
	frame->udp_at = (size_t)(udp - eth);
	frame->payload_at = frame->udp_at + 8;
	frame->len = frame->payload_at + shape->len;
}

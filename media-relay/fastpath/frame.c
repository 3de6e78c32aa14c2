/* SPDX-License-Identifier: MIT
 * Ethernet frames of rings: headers off on the way in, headers before the payload on the way out. Pure.
 * A payload never moves, so that it can be decrypted and encrypted where it lies, and the two sides
 * may be of two IP versions. */
#include <arpa/inet.h>
#include <string.h>

#include "lib/base/octets.h"
#include "media-relay/fastpath/fastpath_priv.h"

#define ETHERNET_BYTES 14u
#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define UDP_BYTES 8u
#define TYPE_AT 12u
#define TYPE_IP4 0x0800u
#define TYPE_IP6 0x86ddu
#define PROTOCOL_UDP 17u
#define DONT_FRAGMENT 0x4000u /* as the kernel's sockets do it; so no identification (RFC 6864 4.1) */
#define HOP_LIMIT 64u

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffu) + (sum >> 16 & 0xffffu) + (sum >> 32);
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 1071 2: in any order and any width. */
static uint64_t sum_of(const unsigned char *at, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, at, len);
	return sum + word;
}

/* ---- in ---- */

/* RFC 768, RFC 8200 8.1. A neighbour on the same machine leaves the sum to a device that never sees
 * the packet: then the field holds the addresses' part alone, not inverted. */
static bool checksum_holds(const unsigned char *addresses, size_t addresses_len,
			   const unsigned char *udp, size_t udp_len)
{
	uint64_t pseudo = sum_of(addresses, addresses_len) + htons(PROTOCOL_UDP) +
			  htons((uint16_t)udp_len);
	uint16_t field;

	memcpy(&field, udp + 6, sizeof(field));
	if (field == 0)
		return addresses_len == 8;
	return fold(pseudo + sum_of(udp, udp_len)) == 0xffff || field == fold(pseudo);
}

/* The program looked already, but what it saw was not ours yet. */
static const unsigned char *cut_ip(const unsigned char *ip, size_t len, unsigned type,
				   struct fast_datagram *ret)
{
	size_t size = type == TYPE_IP4 ? 4 : 16;
	size_t addresses_at = type == TYPE_IP4 ? 12 : 8;
	size_t head = type == TYPE_IP4 ? IP4_BYTES : IP6_BYTES;
	size_t total;

	if ((type != TYPE_IP4 && type != TYPE_IP6) || len < head + UDP_BYTES)
		return NULL;
	total = type == TYPE_IP4 ? get_u16(ip + 2) : IP6_BYTES + get_u16(ip + 4);
	if (total > len || total < head + UDP_BYTES || get_u16(ip + head + 4) != total - head ||
	    !checksum_holds(ip + addresses_at, 2 * size, ip + head, total - head))
		return NULL;
	ret->source = (struct endpoint){ .ip.family = size == 4 ? IP_V4 : IP_V6 };
	ret->local = ret->source;
	memcpy(ret->source.ip.bytes, ip + addresses_at, size);
	memcpy(ret->local.ip.bytes, ip + addresses_at + size, size);
	ret->len = total - head - UDP_BYTES;
	return ip + head;
}

bool fast_frame_cut(unsigned char *frame, size_t len, struct fast_datagram *ret)
{
	const unsigned char *udp;
	struct fast_tag tag;

	if (len < ETHERNET_BYTES)
		return false;
	udp = cut_ip(frame + ETHERNET_BYTES, len - ETHERNET_BYTES, get_u16(frame + TYPE_AT), ret);
	if (!udp)
		return false;
	memcpy(&tag, frame, sizeof(tag));
	ret->place = tag.place;
	ret->arrival_ns = (uint64_t)tag.arrival_high << 32 | tag.arrival_low;
	ret->source.port = get_u16(udp);
	ret->local.port = get_u16(udp + 2);
	ret->bytes = frame + (udp - frame) + UDP_BYTES;
	return true;
}

/* ---- out ---- */

static void fill_ip4(struct fast_head *head, unsigned char *ip, const struct fast_rule *rule)
{
	ip[0] = 0x45;
	ip[1] = (unsigned char)(rule->dscp << 2);
	put_u16(ip + 6, DONT_FRAGMENT);
	ip[8] = HOP_LIMIT;
	ip[9] = PROTOCOL_UDP;
	memcpy(ip + 12, rule->out.ip.bytes, 4);
	memcpy(ip + 16, rule->target.ip.bytes, 4);
	head->ip_sum = (uint32_t)fold(sum_of(ip, IP4_BYTES));
	head->udp_sum = fold(sum_of(ip + 12, 8));
}

static void fill_ip6(struct fast_head *head, unsigned char *ip, const struct fast_rule *rule)
{
	ip[0] = (unsigned char)(0x60u | rule->dscp >> 2);
	ip[1] = (unsigned char)(rule->dscp << 6);
	ip[6] = PROTOCOL_UDP;
	ip[7] = HOP_LIMIT;
	memcpy(ip + 8, rule->out.ip.bytes, 16);
	memcpy(ip + 24, rule->target.ip.bytes, 16);
	head->udp_sum = fold(sum_of(ip + 8, 32));
}

void fast_head_fill(const struct fast_rule *rule, const unsigned char mac_to[MAC_BYTES],
		    const unsigned char mac_from[MAC_BYTES], uint16_t mtu, struct fast_head *ret)
{
	bool four = rule->target.ip.family == IP_V4;
	size_t ip_bytes = four ? IP4_BYTES : IP6_BYTES;
	unsigned char *udp;

	*ret = (struct fast_head){ .len = (uint8_t)(ETHERNET_BYTES + ip_bytes + UDP_BYTES),
				   .four = four };
	ret->max_bytes = (uint16_t)(mtu > ip_bytes + UDP_BYTES ? mtu - ip_bytes - UDP_BYTES : 0);
	fast_head_move(ret, mac_to, mac_from);
	put_u16(ret->bytes + TYPE_AT, four ? TYPE_IP4 : TYPE_IP6);
	(four ? fill_ip4 : fill_ip6)(ret, ret->bytes + ETHERNET_BYTES, rule);
	udp = ret->bytes + ETHERNET_BYTES + ip_bytes;
	put_u16(udp, rule->out.port);
	put_u16(udp + 2, rule->target.port);
	ret->udp_sum = fold((uint64_t)ret->udp_sum + htons(PROTOCOL_UDP) + sum_of(udp, 4));
}

void fast_head_move(struct fast_head *head, const unsigned char mac_to[MAC_BYTES],
		    const unsigned char mac_from[MAC_BYTES])
{
	memcpy(head->bytes, mac_to, MAC_BYTES);
	memcpy(head->bytes + MAC_BYTES, mac_from, MAC_BYTES);
}

unsigned char *fast_head_put(const struct fast_head *head, unsigned char *payload, size_t len)
{
	unsigned char *frame = payload - head->len, *ip = frame + ETHERNET_BYTES;
	unsigned char *udp = payload - UDP_BYTES;
	uint16_t udp_len_be = htons((uint16_t)(UDP_BYTES + len)), sum;

	memcpy(frame, head->bytes, head->len);
	if (head->four) {
		put_u16(ip + 2, IP4_BYTES + UDP_BYTES + len);
		sum = (uint16_t)~fold((uint64_t)head->ip_sum +
				      htons((uint16_t)(IP4_BYTES + UDP_BYTES + len)));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		put_u16(ip + 4, UDP_BYTES + len);
	}
	memcpy(udp + 4, &udp_len_be, sizeof(udp_len_be));
	/* The length stands in the pseudo header and in the header. */
	sum = (uint16_t)~fold((uint64_t)head->udp_sum + 2u * udp_len_be + sum_of(payload, len));
	if (sum == 0)
		sum = 0xffff;
	memcpy(udp + 6, &sum, sizeof(sum));
	return frame;
}

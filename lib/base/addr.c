/* SPDX-License-Identifier: MIT */
#include "lib/base/addr.h"

#include <arpa/inet.h>
#include <string.h>

/* Written out because it is on the path of every message, several times. */
bool ipv4_parse(struct slice text, struct ip_addr *ret)
{
	struct ip_addr ip = { .family = IP_V4 };
	const char *p = text.p;
	const char *end = p + text.len;

	for (unsigned part = 0; part < 4; part++) {
		const char *start;
		unsigned value;

		if (part > 0 && (p == end || *p++ != '.'))
			return false;
		start = p;
		for (value = 0; p < end && (unsigned)(*p - '0') < 10 && value < 100; p++)
			value = value * 10 + (unsigned)(*p - '0');
		if (p == start || value > 255 || (*start == '0' && p - start > 1))
			return false;
		ip.bytes[part] = (uint8_t)value;
	}
	if (p != end)
		return false;
	*ret = ip;
	return true;
}

enum err ip_parse(struct slice text, struct ip_addr *ret)
{
	char copy[INET6_ADDRSTRLEN + 1];
	struct ip_addr ip = { 0 };

	if (ipv4_parse(text, ret))
		return OK;
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.p, 0, text.len))
		return ERR_SYNTAX;
	memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET6, copy, ip.bytes) != 1)
		return ERR_SYNTAX;
	ip.family = IP_V6;
	*ret = ip;
	return OK;
}

enum err ip_parse_reference(struct slice text, struct ip_addr *ret)
{
	struct ip_addr ip;
	enum err err;

	if (text.len < 2 || text.p[0] != '[' || text.p[text.len - 1] != ']')
		return ip_parse(text, ret);
	err = ip_parse(slice_of(text.p + 1, text.len - 2), &ip);
	if (err == OK && ip.family != IP_V6)
		err = ERR_SYNTAX;
	if (err == OK)
		*ret = ip;
	return err;
}

static unsigned ip_bits(const struct ip_addr *ip)
{
	return ip->family == IP_V4 ? 32 : 128;
}

/* The first `bits` bits of a and b are the same. */
static bool bits_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	return memcmp(a, b, bits / 8) == 0 &&
	       (rest == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

static struct ip_addr ip_masked(struct ip_addr ip, unsigned bits)
{
	for (unsigned i = 0; i < sizeof(ip.bytes); i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			ip.bytes[i] = (uint8_t)(ip.bytes[i] & (0xff00u >> keep));
	}
	return ip;
}

enum err ip_prefix_parse(struct slice text, struct ip_prefix *ret)
{
	struct ip_prefix prefix;
	struct ip_addr masked;
	struct slice address = text;
	uint32_t bits;
	enum err err;
	bool has_bits = slice_cut_char(&text, '/', &address);

	err = ip_parse(address, &prefix.ip);
	if (err != OK)
		return err;
	bits = ip_bits(&prefix.ip);
	if (has_bits) {
		if (parse_u32(text, &bits) != OK || bits > ip_bits(&prefix.ip))
			return ERR_SYNTAX;
	}
	masked = ip_masked(prefix.ip, bits);
	if (!ip_eq(&masked, &prefix.ip))
		return ERR_SYNTAX;
	prefix.bits = (uint8_t)bits;
	*ret = prefix;
	return OK;
}

enum err endpoint_parse(struct slice text, struct endpoint *ret)
{
	struct endpoint endpoint;
	size_t colon = text.len;
	enum err err;

	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return ERR_SYNTAX;
	err = parse_u16(slice_skip(text, colon), &endpoint.port);
	if (err != OK)
		return err;
	text = slice_head(text, colon - 1);
	if (slice_find_char(text, ':') < text.len && text.p[0] != '[')
		return ERR_SYNTAX;
	err = ip_parse_reference(text, &endpoint.ip);
	if (err == OK)
		*ret = endpoint;
	return err;
}

static void ipv4_write(struct text *text, const uint8_t bytes[4])
{
	char quad[16];
	size_t len = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned octet = bytes[i];

		if (i > 0)
			quad[len++] = '.';
		if (octet >= 100)
			quad[len++] = (char)('0' + octet / 100);
		if (octet >= 10)
			quad[len++] = (char)('0' + octet / 10 % 10);
		quad[len++] = (char)('0' + octet % 10);
	}
	text_bytes(text, quad, len);
}

void ip_write(struct text *text, const struct ip_addr *ip)
{
	char storage[INET6_ADDRSTRLEN];

	if (ip->family == IP_V4) {
		ipv4_write(text, ip->bytes);
	} else if (ip->family == IP_V6) {
		inet_ntop(AF_INET6, ip->bytes, storage, sizeof(storage));
		text_slice(text, slice_text(storage));
	} else {
		text_lit(text, "none");
	}
}

void ip_write_reference(struct text *text, const struct ip_addr *ip)
{
	if (ip->family == IP_V6)
		text_char(text, '[');
	ip_write(text, ip);
	if (ip->family == IP_V6)
		text_char(text, ']');
}

void endpoint_write(struct text *text, const struct endpoint *endpoint)
{
	ip_write_reference(text, &endpoint->ip);
	text_char(text, ':');
	text_u64(text, endpoint->port);
}

void ip_prefix_write(struct text *text, const struct ip_prefix *prefix)
{
	ip_write(text, &prefix->ip);
	text_char(text, '/');
	text_u64(text, prefix->bits);
}

const char *endpoint_text(const struct endpoint *endpoint, char storage[ENDPOINT_TEXT_BYTES])
{
	struct text text;

	text_init(&text, storage, ENDPOINT_TEXT_BYTES - 1);
	endpoint_write(&text, endpoint);
	storage[text.len] = 0;
	return storage;
}

bool ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_eq(&a->ip, &b->ip);
}

bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *ip)
{
	return prefix->ip.family == ip->family && bits_eq(prefix->ip.bytes, ip->bytes, prefix->bits);
}

bool ip_unspecified(const struct ip_addr *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, sizeof(zero)) == 0;
}

bool ip_multicast(const struct ip_addr *ip)
{
	return ip->family == IP_V4 ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

bool ip_loopback(const struct ip_addr *ip)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return ip->family == IP_V4 ? ip->bytes[0] == 127 : memcmp(ip->bytes, loopback6, 16) == 0;
}

enum err endpoint_from_sockaddr(const struct sockaddr_storage *sa, struct endpoint *ret)
{
	struct endpoint endpoint = { 0 };

	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		endpoint.ip.family = IP_V4;
		memcpy(endpoint.ip.bytes, &in->sin_addr, 4);
		endpoint.port = ntohs(in->sin_port);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		endpoint.port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			endpoint.ip.family = IP_V4;
			memcpy(endpoint.ip.bytes, &in6->sin6_addr.s6_addr[12], 4);
		} else {
			endpoint.ip.family = IP_V6;
			memcpy(endpoint.ip.bytes, &in6->sin6_addr, 16);
		}
	} else {
		return ERR_UNSUPPORTED;
	}
	*ret = endpoint;
	return OK;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret)
{
	if (endpoint->ip.family == IP_V6) {
		struct sockaddr_in6 *in6 = (void *)ret;

		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					      .sin6_port = htons(endpoint->port) };
		memcpy(&in6->sin6_addr, endpoint->ip.bytes, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (void *)ret;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(endpoint->port) };
	memcpy(&in->sin_addr, endpoint->ip.bytes, 4);
	return sizeof(*in);
}

/* SPDX-License-Identifier: MIT
 * IP addresses, endpoints and prefixes as values. Port in host order; the bytes of an address in
 * network order. No sockets here (lib/net), no names (resolve). */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/base/text.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
	uint8_t family;    /* enum ip_family */
	uint8_t bytes[16]; /* 4 used for IPv4, the rest zero */
};

struct endpoint {
	struct ip_addr ip;
	uint16_t port;
};

struct ip_prefix {
	struct ip_addr ip; /* host bits zero */
	uint8_t bits;
};

/* Four decimal parts up to 255 without leading zeros; false: it is something else. */
bool ipv4_parse(struct slice text, struct ip_addr *ret);
/* Dotted quad (four decimal parts, no leading zeros), or IPv6 without brackets. ERR_SYNTAX. */
must_use enum err ip_parse(struct slice text, struct ip_addr *ret);
/* Also accepts [IPv6]. */
must_use enum err ip_parse_reference(struct slice text, struct ip_addr *ret);
/* "10.0.0.0/8", or a bare address (all bits). Host bits set: ERR_SYNTAX. */
must_use enum err ip_prefix_parse(struct slice text, struct ip_prefix *ret);
/* "1.2.3.4:5060", "[::1]:5060". */
must_use enum err endpoint_parse(struct slice text, struct endpoint *ret);

void ip_write(struct text *text, const struct ip_addr *ip);           /* 1.2.3.4, ::1 */
void ip_write_reference(struct text *text, const struct ip_addr *ip); /* 1.2.3.4, [::1] */
void endpoint_write(struct text *text, const struct endpoint *endpoint);
void ip_prefix_write(struct text *text, const struct ip_prefix *prefix);

/* Text in caller's storage, NUL-terminated; returns it. For logs. */
#define ENDPOINT_TEXT_BYTES 64
const char *endpoint_text(const struct endpoint *endpoint, char storage[ENDPOINT_TEXT_BYTES]);

bool ip_eq(const struct ip_addr *a, const struct ip_addr *b);
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);
bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *ip);
/* 0.0.0.0 or :: (RFC 2543 hold, unspecified). */
bool ip_unspecified(const struct ip_addr *ip);
bool ip_multicast(const struct ip_addr *ip);
bool ip_loopback(const struct ip_addr *ip);

/* IPv4-mapped IPv6 comes back as IPv4. ERR_UNSUPPORTED: another family. */
must_use enum err endpoint_from_sockaddr(const struct sockaddr_storage *sa, struct endpoint *ret);
socklen_t endpoint_to_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret);

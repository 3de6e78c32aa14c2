/* SPDX-License-Identifier: MIT
 * host and port (RFC 3261 25.1). A name whose last label starts with a digit is taken as a name,
 * although the grammar wants a letter there: machines are called so, and it does no harm. */
#include "sbc/sip/sip_priv.h"

/* RFC 3261's grammar derived "2001:db8:::192.0.2.1" where two colons are meant; RFC 5118 4.10 asks
 * to accept the three. Only before an IPv4 part, since nowhere else did the grammar allow them. */
static bool three_colons_parse(struct slice address, struct ip_addr *ret)
{
	size_t at = slice_find(address, SLICE(":::"));
	struct slice tail = slice_skip(address, at + 3);
	struct ip_addr v4;
	char copy[INET6_ADDRSTRLEN];

	if (at == address.len || address.len > sizeof(copy) || !ipv4_parse(tail, &v4))
		return false;
	memcpy(copy, address.p, at + 2);
	memcpy(copy + at + 2, tail.p, tail.len);
	return ip_parse(slice_of(copy, address.len - 1), ret) == OK;
}

static enum err reference_take(struct slice *in, struct slice *ret_host, struct ip_addr *ret_ip)
{
	size_t close = slice_find_char(*in, ']');
	struct slice inside = slice_of(in->p + 1, close - 1);

	if (close == in->len || close == 0)
		return ERR_SYNTAX;
	if ((ip_parse(inside, ret_ip) != OK || ret_ip->family != IP_V6) &&
	    !three_colons_parse(inside, ret_ip))
		return ERR_SYNTAX;
	*ret_host = slice_head(*in, close + 1);
	*in = slice_skip(*in, close + 1);
	return OK;
}

enum err sip_host_take(struct slice *in, struct slice *ret_host, struct ip_addr *ret_ip)
{
	struct slice host;

	if (in->len > 0 && in->p[0] == '[')
		return reference_take(in, ret_host, ret_ip);
	host = sip_take(in, CC_HOST);
	if (host.len == 0)
		return ERR_SYNTAX;
	if (!char_is(host.p[0], CC_DIGIT) || !ipv4_parse(host, ret_ip))
		*ret_ip = (struct ip_addr){ 0 };
	*ret_host = host;
	return OK;
}

enum err sip_port_take(struct slice *in, uint16_t *ret)
{
	struct slice digits = sip_take(in, CC_DIGIT);
	enum err err = parse_u16(digits, ret);

	return err == OK && *ret == 0 ? ERR_SYNTAX : err;
}

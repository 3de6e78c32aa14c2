/* SPDX-License-Identifier: MIT
 * A gateway's URI: sip: or sips:, a host, maybe a port and ;transport=. Less than SIP's grammar on
 * purpose (lib may not look at sbc/sip): what a gateway cannot use is an error here. */
#include "lib/conf/conf_priv.h"

#define HOST_MAX_BYTES  253u /* RFC 1035 2.3.4, without the root's dot */
#define LABEL_MAX_BYTES 63u

static bool label_valid(struct slice label)
{
	return label.len > 0 && label.len <= LABEL_MAX_BYTES && label.p[0] != '-' &&
	       label.p[label.len - 1] != '-';
}

/* Letters, digits, - and _ (which the field uses); a last label of digits is a broken IPv4. */
static bool host_name_valid(struct slice host)
{
	struct slice label = host;

	if (host.len > HOST_MAX_BYTES || !slice_is(host, CC_HOST))
		return false;
	while (slice_cut_char(&host, '.', &label))
		if (!label_valid(label))
			return false;
	return label_valid(host) && !slice_is(host, CC_DIGIT);
}

bool host_valid(struct slice host)
{
	struct ip_addr ip;

	return ip_parse_reference(host, &ip) == OK || host_name_valid(host);
}

/* Takes the host from the front of *in. */
static const char *take_host(struct slice *in, struct conf_gateway *gateway)
{
	size_t len = 0;

	if (in->len > 0 && in->p[0] == '[') {
		struct slice inner = slice_skip(*in, 1);

		len = slice_find_char(inner, ']');
		if (len == inner.len || ip_parse(slice_head(inner, len), &gateway->ip) != OK ||
		    gateway->ip.family != IP_V6)
			return "there is no IPv6 address in the brackets";
		gateway->host = slice_head(inner, len);
		gateway->host_is_ip = true;
		*in = slice_skip(inner, len + 1);
		return NULL;
	}
	while (len < in->len && in->p[len] != ':' && in->p[len] != ';')
		len++;
	gateway->host = slice_head(*in, len);
	gateway->host_is_ip = ip_parse(gateway->host, &gateway->ip) == OK;
	*in = slice_skip(*in, len);
	if (!gateway->host_is_ip && !host_name_valid(gateway->host))
		return "the host is neither a name nor an IP address";
	return NULL;
}

static const char *take_port(struct slice *in, struct conf_gateway *gateway)
{
	size_t end = slice_find_char(*in, ';');

	if (in->len == 0 || in->p[0] != ':')
		return NULL;
	if (parse_u16(slice_of(in->p + 1, end - 1), &gateway->port) != OK || gateway->port == 0)
		return "the port is not a number from 1 to 65535";
	*in = slice_skip(*in, end);
	return NULL;
}

static const char *take_transport(struct slice in, struct conf_gateway *gateway)
{
	static const char *const words[] = { "udp", "tcp", "tls", "ws", "wss" };
	struct slice prefix = SLICE(";transport=");

	if (in.len == 0)
		return NULL;
	if (!slice_starts(in, prefix))
		return "something other than ;transport= follows the host";
	in = slice_skip(in, prefix.len);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!slice_eq(in, slice_text(words[i])))
			continue;
		gateway->transport = (enum conf_transport)i;
		gateway->transport_given = true;
		return NULL;
	}
	return "the transport is unknown";
}

/* sips asks for TLS below whatever transport is named (RFC 3261 26.2.2). */
static const char *apply_sips(struct conf_gateway *gateway)
{
	if (!gateway->sips)
		return NULL;
	if (gateway->transport_given && gateway->transport == CONF_UDP)
		return "sips cannot go over udp";
	gateway->transport =
	    gateway->transport == CONF_WS || gateway->transport == CONF_WSS ? CONF_WSS : CONF_TLS;
	return NULL;
}

const char *gateway_uri_parse(struct slice uri, struct conf_gateway *ret)
{
	struct conf_gateway gateway = *ret;
	struct slice in = uri;
	const char *wrong;

	gateway.uri = uri;
	if (slice_starts(in, SLICE("sips:")))
		gateway.sips = true;
	else if (!slice_starts(in, SLICE("sip:")))
		return "it does not begin with sip: or sips:";
	in = slice_skip(in, gateway.sips ? 5 : 4);
	if (slice_find_char(in, '@') < in.len)
		return "a gateway has no user part";
	wrong = take_host(&in, &gateway);
	if (!wrong)
		wrong = take_port(&in, &gateway);
	if (!wrong)
		wrong = take_transport(in, &gateway);
	if (!wrong)
		wrong = apply_sips(&gateway);
	if (!wrong)
		*ret = gateway;
	return wrong;
}

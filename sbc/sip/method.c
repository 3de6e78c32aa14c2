/* SPDX-License-Identifier: MIT
 * Names of methods, transports and statuses. Methods are case-sensitive (RFC 3261 7.1), transports
 * are not (7.3.1). */
#include "sbc/sip/sip_priv.h"

static const struct slice method_names[SIP_METHOD_COUNT] = {
	[SIP_UNKNOWN_METHOD] = { "", 0 },
	[SIP_INVITE] = { "INVITE", 6 },
	[SIP_ACK] = { "ACK", 3 },
	[SIP_CANCEL] = { "CANCEL", 6 },
	[SIP_BYE] = { "BYE", 3 },
	[SIP_OPTIONS] = { "OPTIONS", 7 },
	[SIP_REGISTER] = { "REGISTER", 8 },
	[SIP_INFO] = { "INFO", 4 },
	[SIP_UPDATE] = { "UPDATE", 6 },
	[SIP_PRACK] = { "PRACK", 5 },
	[SIP_REFER] = { "REFER", 5 },
	[SIP_NOTIFY] = { "NOTIFY", 6 },
	[SIP_SUBSCRIBE] = { "SUBSCRIBE", 9 },
	[SIP_MESSAGE] = { "MESSAGE", 7 },
	[SIP_PUBLISH] = { "PUBLISH", 7 },
};

static const struct slice transport_names[SIP_TRANSPORT_COUNT] = {
	[SIP_UDP] = { "UDP", 3 }, [SIP_TCP] = { "TCP", 3 }, [SIP_TLS] = { "TLS", 3 },
	[SIP_WS] = { "WS", 2 },   [SIP_WSS] = { "WSS", 3 },
};

struct slice sip_method_text(enum sip_method method)
{
	return method < SIP_METHOD_COUNT ? method_names[method] : SLICE_NONE;
}

enum sip_method sip_method_find(struct slice text)
{
	for (unsigned method = SIP_UNKNOWN_METHOD + 1; method < SIP_METHOD_COUNT; method++)
		if (slice_eq(method_names[method], text))
			return (enum sip_method)method;
	return SIP_UNKNOWN_METHOD;
}

struct slice sip_transport_text(enum sip_transport transport)
{
	return transport < SIP_TRANSPORT_COUNT ? transport_names[transport] : SLICE_NONE;
}

enum sip_transport sip_transport_find(struct slice text)
{
	for (unsigned transport = 0; transport < SIP_TRANSPORT_COUNT; transport++)
		if (slice_eq_nocase(transport_names[transport], text))
			return (enum sip_transport)transport;
	return SIP_TRANSPORT_COUNT;
}

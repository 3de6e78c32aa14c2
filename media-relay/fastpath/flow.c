/* SPDX-License-Identifier: MIT
 * A rule as the program wants it. All that never changes while the flow lives is worked out here, so
 * that a packet costs the kernel one addition per checksum (RFC 1624). */
#include "media-relay/fastpath/fastpath.h"

#include <arpa/inet.h>
#include <string.h>

#define HOP_LIMIT 64u
#define NS_PER_S_KIB (UINT64_C(1000000000) * 1024u)

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t fast_sum(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		uint16_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return fold(sum);
}

uint16_t fast_delta(uint16_t from, uint16_t to)
{
	return fold((uint32_t)(uint16_t)~from + to);
}

static uint16_t sum_ips(const struct ip_addr *a, const struct ip_addr *b)
{
	return fold((uint32_t)fast_sum(a->bytes, sizeof(a->bytes)) +
		    fast_sum(b->bytes, sizeof(b->bytes)));
}

static uint32_t ns_per_kib(uint32_t bytes_per_s)
{
	uint64_t ns = bytes_per_s ? NS_PER_S_KIB / bytes_per_s : 0;

	return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

/* A clock of a megahertz or more, which no codec has, is one without jitter. */
static struct fast_payload with_ticks(struct fast_payload payload)
{
	uint64_t ticks = ((uint64_t)payload.clock_hz << 32) * 128u / (UINT64_C(1000000000) / 8u);

	if (ticks > UINT32_MAX)
		payload.clock_hz = 0;
	payload.ticks = (uint32_t)ticks;
	return payload;
}

void fast_flow_fill(const struct fast_rule *rule, struct fast_key *ret_key,
		    struct fast_flow *ret_flow)
{
	uint16_t local_be = htons(rule->local.port);
	struct fast_flow *flow = ret_flow;

	*ret_key = (struct fast_key){ .port_be = local_be, .family = rule->local.ip.family };
	memcpy(ret_key->ip, rule->local.ip.bytes, sizeof(ret_key->ip));
	*flow = (struct fast_flow){
		.source_port_be = htons(rule->source.port),
		.out_port_be = htons(rule->out.port),
		.target_port_be = htons(rule->target.port),
		.ssrc_be = htonl(rule->ssrc),
		.traffic_class = (uint8_t)(rule->dscp << 2),
		.hop_limit = HOP_LIMIT,
		.ns_per_kib = ns_per_kib(rule->bytes_per_s),
	};
	memcpy(&flow->source4_be, rule->source.ip.bytes, sizeof(flow->source4_be));
	memcpy(&flow->out4_be, rule->out.ip.bytes, sizeof(flow->out4_be));
	memcpy(&flow->target4_be, rule->target.ip.bytes, sizeof(flow->target4_be));
	memcpy(flow->source6, rule->source.ip.bytes, sizeof(flow->source6));
	memcpy(flow->out6, rule->out.ip.bytes, sizeof(flow->out6));
	memcpy(flow->target6, rule->target.ip.bytes, sizeof(flow->target6));
	flow->address_delta = fast_delta(sum_ips(&rule->source.ip, &rule->local.ip),
					 sum_ips(&rule->out.ip, &rule->target.ip));
	flow->port_delta = fold((uint32_t)fast_delta(flow->source_port_be, flow->out_port_be) +
				fast_delta(local_be, flow->target_port_be));
	for (unsigned i = 0; i < FAST_PAYLOADS; i++)
		flow->payloads[i] = i < rule->payload_count ?
					    with_ticks(rule->payloads[i]) :
					    (struct fast_payload){ .in = FAST_PAYLOAD_NONE };
}

/* SPDX-License-Identifier: MIT
 * A rule as the program wants it. All that never changes while the flow lives is worked out here, so
 * that a packet costs the kernel one addition per checksum (RFC 1624). */
#include "media-relay/fastpath/fastpath.h"

#include <arpa/inet.h>
#include <string.h>

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

uint32_t fast_ticks(uint32_t clock_hz)
{
	uint64_t ticks = ((uint64_t)clock_hz << 32) * 128u / (UINT64_C(1000000000) / 8u);

	return ticks > UINT32_MAX ? 0 : (uint32_t)ticks;
}

/* A tick is a quarter of a hertz: the nearest whole number is the clock. */
uint32_t fast_clock_hz(uint32_t ticks)
{
	return (uint32_t)(((uint64_t)ticks * (UINT64_C(1000000000) / 1024u) + (UINT64_C(1) << 31)) >>
			  32);
}

/* As relay.bpf.c reckons the transit time, the other way round. */
bool fast_count_timestamp(const struct fast_count *count, uint64_t at_ns, uint32_t *ret)
{
	if (!(count->flags & FAST_HAS_TRANSIT) || count->ticks == 0)
		return false;
	*ret = (uint32_t)(((at_ns >> 10) * count->ticks) >> 32) - count->transit;
	return true;
}

uint32_t fast_slot(const struct endpoint *local)
{
	uint32_t words[4];

	memcpy(words, local->ip.bytes, sizeof(words));
	return fast_bank(words) << 16 | local->port;
}

static struct fast_payload payload_of(const struct fast_rule *rule, unsigned i)
{
	if (i >= rule->payload_count)
		return (struct fast_payload){ .in = FAST_PAYLOAD_NONE };
	return (struct fast_payload){ .in = rule->payloads[i].in,
				      .out = rule->payloads[i].out,
				      .ticks = fast_ticks(rule->payloads[i].clock_hz) };
}

static void fill_flow(const struct fast_rule *rule, struct fast_flow *flow)
{
	uint16_t local_be = htons(rule->local.port);
	struct fast_payload first = payload_of(rule, 0);

	*flow = (struct fast_flow){
		.source_port_be = htons(rule->source.port),
		.out_port_be = htons(rule->out.port),
		.target_port_be = htons(rule->target.port),
		.ssrc_be = htonl(rule->ssrc),
		.traffic_class = (uint8_t)(rule->dscp << 2),
		.ns_per_kib = ns_per_kib(rule->bytes_per_s),
		.flags = rule->local.ip.family == IP_V6 ? FAST_IP6 : 0,
		.in = first.in,
		.out = first.out,
		.ticks = first.ticks,
	};
	memcpy(&flow->source4_be, rule->source.ip.bytes, sizeof(flow->source4_be));
	memcpy(&flow->local4_be, rule->local.ip.bytes, sizeof(flow->local4_be));
	memcpy(&flow->out4_be, rule->out.ip.bytes, sizeof(flow->out4_be));
	memcpy(&flow->target4_be, rule->target.ip.bytes, sizeof(flow->target4_be));
	flow->address_delta = fast_delta(sum_ips(&rule->source.ip, &rule->local.ip),
					 sum_ips(&rule->out.ip, &rule->target.ip));
	flow->port_delta = fold((uint32_t)fast_delta(flow->source_port_be, flow->out_port_be) +
				fast_delta(local_be, flow->target_port_be));
}

void fast_record_fill(const struct fast_rule *rule, struct fast_record *ret)
{
	memset(ret, 0, sizeof(*ret));
	fill_flow(rule, &ret->flow);
	ret->count = rule->standing;
	memcpy(ret->six.source, rule->source.ip.bytes, sizeof(ret->six.source));
	memcpy(ret->six.local, rule->local.ip.bytes, sizeof(ret->six.local));
	memcpy(ret->six.out, rule->out.ip.bytes, sizeof(ret->six.out));
	memcpy(ret->six.target, rule->target.ip.bytes, sizeof(ret->six.target));
	for (unsigned i = 0; i < FAST_PAYLOADS; i++)
		ret->others[i] = payload_of(rule, i + 1);
}

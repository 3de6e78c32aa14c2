// SPDX-License-Identifier: MIT
/* Forwards plain RTP of known flows: as XDP, or behind tc's ingress hook where there is no XDP. What
 * it does not know for certain it leaves alone, and the packet takes its ordinary way to the relay's
 * socket: another source or SSRC, STUN, DTLS, RTCP, a payload type without a rule, a jump in the
 * sequence, padding, IP options, fragments, VLAN tags, anything too long for the way out.
 * Always true: a packet is changed only after the last check, so what is passed up is untouched. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include "media-relay/fastpath/abi.h"

#define inlined static __attribute__((always_inline)) inline

#define RTP_BYTES 12
#define RTP_VERSION_BITS 0xc0
#define RTP_VERSION_2 0x80
#define RTP_PADDING 0x20
#define RTP_EXTENSION 0x10
#define RTCP_TYPE_FIRST 192 /* RFC 5761 4 */
#define RTCP_TYPE_LAST 223
#define MAX_DROPOUT 3000 /* RFC 3550 A.1 */
#define MAX_MISORDER 100
#define WINDOW_BITS 64
#define BURST (1000000000u >> 10) /* rtp/police.c: a second at once, */
#define HEADERS_BYTES 40u         /* and this beside the payload */
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* the relay says how many */
	__type(key, struct fast_key);
	__type(value, struct fast_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct fast_count);
} counts SEC(".maps");

struct frame {
	struct ethhdr *eth;
	struct iphdr *ip4; /* one of the two; asked by pointer, which the verifier follows */
	struct ipv6hdr *ip6;
	struct udphdr *udp;
	unsigned char *rtp;
	void *end;
	uint32_t ip_bytes;
	uint32_t rtp_bytes;
	int drop; /* known, and too much of it */
	struct fast_key key;
};

inlined int find_udp4(struct frame *frame)
{
	struct iphdr *ip = (void *)(frame->eth + 1);

	if ((void *)(ip + 1) > frame->end || ip->ihl != 5 || ip->version != 4 ||
	    ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(IP_FRAGMENT)))
		return 0;
	frame->ip4 = ip;
	frame->ip_bytes = bpf_ntohs(ip->tot_len);
	frame->udp = (void *)(ip + 1);
	frame->rtp_bytes = frame->ip_bytes - sizeof(*ip) - sizeof(struct udphdr);
	frame->key.family = 4;
	__builtin_memcpy(frame->key.ip, &ip->daddr, 4);
	return 1;
}

inlined int find_udp6(struct frame *frame)
{
	struct ipv6hdr *ip = (void *)(frame->eth + 1);

	if ((void *)(ip + 1) > frame->end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return 0;
	frame->ip6 = ip;
	frame->ip_bytes = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	frame->udp = (void *)(ip + 1);
	frame->rtp_bytes = frame->ip_bytes - sizeof(*ip) - sizeof(struct udphdr);
	frame->key.family = 6;
	__builtin_memcpy(frame->key.ip, &ip->daddr, 16);
	return 1;
}

/* UDP, whole and in one piece. */
inlined int find_udp(void *data, void *end, struct frame *frame)
{
	int found = 0;

	frame->eth = data;
	frame->end = end;
	if ((void *)(frame->eth + 1) > end)
		return 0;
	if (frame->eth->h_proto == bpf_htons(ETH_P_IP))
		found = find_udp4(frame);
	else if (frame->eth->h_proto == bpf_htons(ETH_P_IPV6))
		found = find_udp6(frame);
	if (!found || (void *)(frame->udp + 1) + RTP_BYTES > end)
		return 0;
	frame->rtp = (void *)(frame->udp + 1);
	frame->key.port_be = frame->udp->dest;
	/* The frame may end in Ethernet's padding, but never before the packet does. */
	return frame->rtp_bytes >= RTP_BYTES && frame->rtp_bytes <= 0xffff &&
	       bpf_ntohs(frame->udp->len) == frame->rtp_bytes + sizeof(struct udphdr);
}

inlined int is_source(const struct frame *frame, const struct fast_flow *flow)
{
	const uint32_t *known = (const uint32_t *)flow->source6;

	if (frame->udp->source != flow->source_port_be)
		return 0;
	if (frame->ip4)
		return frame->ip4->saddr == flow->source4_be;
	return frame->ip6 && frame->ip6->saddr.in6_u.u6_addr32[0] == known[0] &&
	       frame->ip6->saddr.in6_u.u6_addr32[1] == known[1] &&
	       frame->ip6->saddr.in6_u.u6_addr32[2] == known[2] &&
	       frame->ip6->saddr.in6_u.u6_addr32[3] == known[3];
}

/* RFC 3550 5.1 and 5.3.1: is it whole? */
inlined int is_rtp(const struct frame *frame)
{
	const unsigned char *rtp = frame->rtp;
	uint32_t at = RTP_BYTES + 4u * (rtp[0] & 0x0f);

	if ((rtp[0] & (RTP_VERSION_BITS | RTP_PADDING)) != RTP_VERSION_2 ||
	    (rtp[1] >= RTCP_TYPE_FIRST && rtp[1] <= RTCP_TYPE_LAST))
		return 0;
	if (rtp[0] & RTP_EXTENSION) {
		const unsigned char *extension = rtp + at;

		if ((void *)(extension + 4) > frame->end)
			return 0;
		at += 4 + 4u * ((uint32_t)extension[2] << 8 | extension[3]);
	}
	return at <= frame->rtp_bytes;
}

inlined const struct fast_payload *payload_of(const struct fast_flow *flow, uint8_t type)
{
#pragma unroll
	for (unsigned i = 0; i < FAST_PAYLOADS; i++) {
		const struct fast_payload *payload = &flow->payloads[i];

		if (payload->in == type)
			return payload;
		if (payload->in == FAST_PAYLOAD_NONE)
			return 0;
	}
	return 0;
}

/* A.1: neither ahead nor late by little. */
inlined int is_jump(const struct fast_count *count, uint16_t sequence)
{
	uint16_t delta = sequence - (uint16_t)count->max_sequence;

	return delta >= MAX_DROPOUT && delta <= 0x10000 - MAX_MISORDER;
}

/* Came later than a later one, or came again? */
inlined void count_order(struct fast_count *count, uint16_t sequence)
{
	int ahead = (int16_t)(sequence - count->window_top);
	uint64_t bit;

	if (ahead > 0) {
		count->window = ahead < WINDOW_BITS ? count->window << ahead | 1 : 1;
		count->window_top = sequence;
		return;
	}
	if (-ahead >= WINDOW_BITS) {
		count->reordered++;
		return;
	}
	bit = 1ull << -ahead;
	if (count->window & bit)
		count->duplicated++;
	else
		count->reordered++;
	count->window |= bit;
}

inlined void count_sequence(struct fast_count *count, uint16_t sequence)
{
	uint16_t delta = sequence - (uint16_t)count->max_sequence;

	if (delta < MAX_DROPOUT)
		count->max_sequence += delta;
	count_order(count, sequence);
}

/* False: more than the rate allows. What is far from now is left over from long ago. */
inlined int police(struct fast_count *count, const struct fast_flow *flow, uint32_t bytes,
		   uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> 10), busy = count->busy_until - now;
	uint64_t more = ((uint64_t)(bytes + HEADERS_BYTES) * flow->ns_per_kib) >> 20;

	if (flow->ns_per_kib == 0)
		return 1;
	if (busy > BURST)
		busy = 0;
	if (busy + more > BURST)
		return 0;
	count->busy_until = now + busy + (uint32_t)more;
	return 1;
}

/* A.8. Of the product's bits only those are looked at that an overflow does not reach. */
inlined void count_jitter(struct fast_count *count, uint32_t timestamp, uint64_t now_ns,
			  const struct fast_payload *payload)
{
	uint32_t transit = (uint32_t)(((now_ns >> 10) * payload->ticks) >> 32) - timestamp;
	uint32_t clock_hz = payload->clock_hz;
	int32_t d = (int32_t)(transit - count->transit);

	if (count->clock_hz != clock_hz) {
		if (count->clock_hz != 0)
			count->jitter16 = (uint64_t)count->jitter16 * clock_hz / count->clock_hz;
		count->clock_hz = clock_hz;
		count->flags &= ~FAST_HAS_TRANSIT;
	}
	count->transit = transit;
	if (!(count->flags & FAST_HAS_TRANSIT)) {
		count->flags |= FAST_HAS_TRANSIT;
		return;
	}
	count->jitter16 += (uint32_t)(d < 0 ? -d : d) - ((count->jitter16 + 8) >> 4);
}

/* False: not for us; nothing was counted. */
inlined int count_packet(struct frame *frame, const struct fast_flow *flow,
			 const struct fast_payload *payload, struct fast_count *count)
{
	uint16_t sequence = bpf_ntohs(*(uint16_t *)(frame->rtp + 2));
	uint64_t now_ns = bpf_ktime_get_ns();

	if (count->flags & FAST_PASS_ONE) {
		count->flags &= ~FAST_PASS_ONE;
		return 0;
	}
	if (is_jump(count, sequence))
		return 0;
	if (!police(count, flow, frame->rtp_bytes, now_ns)) {
		count->policed++;
		frame->drop = 1;
		return 0;
	}
	count_sequence(count, sequence);
	/* One flow's packets come on one processor, save in the moment when its interrupt moves. */
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, frame->rtp_bytes);
	count->last_ns = now_ns;
	if (payload->clock_hz != 0) {
		count->payload_type = payload->in;
		count_jitter(count, bpf_ntohl(*(uint32_t *)(frame->rtp + 4)), now_ns, payload);
	}
	return 1;
}

inlined uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

inlined void rewrite_ip4(struct iphdr *ip, const struct fast_flow *flow)
{
	const uint16_t *words = (const uint16_t *)ip;
	uint32_t sum = 0;

	ip->saddr = flow->out4_be;
	ip->daddr = flow->target4_be;
	ip->tos = flow->traffic_class;
	ip->ttl = flow->hop_limit;
	ip->check = 0;
#pragma unroll
	for (unsigned i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	ip->check = ~fold(sum);
}

inlined void rewrite_ip6(struct ipv6hdr *ip, const struct fast_flow *flow)
{
	/* Version, traffic class, flow label: RFC 6437 leaves the label of a new flow at 0. */
	*(uint32_t *)ip = bpf_htonl(6u << 28 | (uint32_t)flow->traffic_class << 20);
	ip->hop_limit = flow->hop_limit;
	__builtin_memcpy(&ip->saddr, flow->out6, 16);
	__builtin_memcpy(&ip->daddr, flow->target6, 16);
}

/* Returns what the payload type adds to the UDP checksum. */
inlined uint32_t rewrite(const struct frame *frame, const struct fast_flow *flow,
			 const struct fast_payload *payload)
{
	uint16_t *head = (uint16_t *)frame->rtp;
	uint32_t delta = (uint16_t)~*head;

	if (frame->ip4)
		rewrite_ip4(frame->ip4, flow);
	else if (frame->ip6)
		rewrite_ip6(frame->ip6, flow);
	frame->udp->source = flow->out_port_be;
	frame->udp->dest = flow->target_port_be;
	frame->rtp[1] = (frame->rtp[1] & 0x80) | payload->out;
	__builtin_memcpy(frame->eth->h_dest, flow->mac_to, 6);
	__builtin_memcpy(frame->eth->h_source, flow->mac_from, 6);
	return delta + *head;
}

/* All that stands before the first change. NULL: up. */
inlined const struct fast_flow *admit(void *data, void *end, struct frame *frame,
				      const struct fast_payload **ret_payload)
{
	const struct fast_flow *flow;
	struct fast_count *count;
	uint32_t place;

	if (!find_udp(data, end, frame))
		return 0;
	flow = bpf_map_lookup_elem(&flows, &frame->key);
	if (!flow || !is_source(frame, flow) || !is_rtp(frame) ||
	    *(uint32_t *)(frame->rtp + 8) != flow->ssrc_be || frame->ip_bytes > flow->max_bytes)
		return 0;
	*ret_payload = payload_of(flow, frame->rtp[1] & 0x7f);
	place = flow->count;
	count = bpf_map_lookup_elem(&counts, &place);
	if (!*ret_payload || !count || !count_packet(frame, flow, *ret_payload, count))
		return 0;
	return flow;
}

SEC("xdp")
int relay_xdp(struct xdp_md *context)
{
	struct frame frame = { 0 };
	const struct fast_payload *payload = 0;
	const struct fast_flow *flow =
		admit((void *)(long)context->data, (void *)(long)context->data_end, &frame, &payload);
	uint32_t delta;

	if (!flow || !payload)
		return frame.drop ? XDP_DROP : XDP_PASS;
	delta = rewrite(&frame, flow, payload);
	if (frame.udp->check) { /* RFC 768: 0 is none */
		delta += (uint16_t)~frame.udp->check + flow->address_delta + flow->port_delta;
		frame.udp->check = ~fold(delta);
		if (!frame.udp->check)
			frame.udp->check = 0xffff;
	}
	return (int)bpf_redirect(flow->out_ifindex, 0);
}

/* A checksum may be left for the device to finish here, and only the helper knows: then the field
 * holds the addresses' part alone. */
SEC("tc")
int relay_tc(struct __sk_buff *context)
{
	struct frame frame = { 0 };
	const struct fast_payload *payload = 0;
	const struct fast_flow *flow =
		admit((void *)(long)context->data, (void *)(long)context->data_end, &frame, &payload);
	uint32_t at, delta;

	if (!flow || !payload)
		return frame.drop ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	at = (uint32_t)((long)&frame.udp->check - (long)context->data);
	delta = rewrite(&frame, flow, payload);
	bpf_l4_csum_replace(context, at, 0, flow->address_delta,
			    BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	bpf_l4_csum_replace(context, at, 0, fold(delta + flow->port_delta), BPF_F_MARK_MANGLED_0);
	return (int)bpf_redirect(flow->out_ifindex, 0);
}

/* The kernel's own words for what this file is: some helpers are open to them only. */
char relay_license[] SEC("license") = "Dual MIT/GPL";

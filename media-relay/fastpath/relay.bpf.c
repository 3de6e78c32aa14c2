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

/* The sizes of the arrays are the relay's to say. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FAST_SLOTS / FAST_ROW_SLOTS);
	__type(key, uint32_t);
	__type(value, struct fast_row);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct fast_record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct fast_total);
} totals SEC(".maps");

/* Ways out, for XDP and for tc. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} ifindexes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, FAST_RINGS_MAX);
	__type(key, uint32_t);
	__type(value, uint32_t);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, uint32_t); /* ifindex */
	__type(value, struct fast_ring_base);
} bases SEC(".maps");

struct frame {
	struct ethhdr *eth;
	struct iphdr *ip4; /* one of the two; asked by pointer, which the verifier follows */
	struct ipv6hdr *ip6;
	struct udphdr *udp;
	unsigned char *rtp;
	void *end;
	uint32_t ip_bytes;
	uint32_t rtp_bytes;
	uint32_t place; /* of its record */
};

enum verdict { UP, FORWARD, DROP };

/* ---- UDP, whole and in one piece ---- */

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
	return 1;
}

inlined int find_udp(void *data, void *end, struct frame *frame)
{
	int found = 0;

	frame->eth = data;
	frame->end = end;
	frame->ip4 = 0;
	frame->ip6 = 0;
	if ((void *)(frame->eth + 1) > end)
		return 0;
	if (frame->eth->h_proto == bpf_htons(ETH_P_IP))
		found = find_udp4(frame);
	else if (frame->eth->h_proto == bpf_htons(ETH_P_IPV6))
		found = find_udp6(frame);
	if (!found || (void *)(frame->udp + 1) + RTP_BYTES > end)
		return 0;
	frame->rtp = (void *)(frame->udp + 1);
	/* The frame may end in Ethernet's padding, but never before the packet does. */
	return frame->rtp_bytes >= RTP_BYTES && frame->rtp_bytes <= 0xffff &&
	       bpf_ntohs(frame->udp->len) == frame->rtp_bytes + sizeof(struct udphdr);
}

/* ---- whose it is ---- */

inlined uint32_t slot_of(const struct frame *frame)
{
	uint32_t words[4] = { 0, 0, 0, 0 };

	if (frame->ip4)
		words[0] = frame->ip4->daddr;
	else if (frame->ip6)
		__builtin_memcpy(words, &frame->ip6->daddr, sizeof(words));
	return fast_bank(words) << 16 | bpf_ntohs(frame->udp->dest);
}

inlined int same6(const struct in6_addr *a, const uint32_t b[4])
{
	const uint32_t *words = a->in6_u.u6_addr32;

	return words[0] == b[0] && words[1] == b[1] && words[2] == b[2] && words[3] == b[3];
}

/* The port is the slot's. */
inlined int is_local(const struct frame *frame, const struct fast_record *record)
{
	if (frame->ip4)
		return !(record->flow.flags & FAST_IP6) &&
		       frame->ip4->daddr == record->flow.local4_be;
	return frame->ip6 && (record->flow.flags & FAST_IP6) &&
	       same6(&frame->ip6->daddr, record->six.local);
}

inlined struct fast_record *find_record(struct frame *frame)
{
	uint32_t slot = slot_of(frame), number = slot / FAST_ROW_SLOTS, place;
	const struct fast_row *row = bpf_map_lookup_elem(&ports, &number);

	if (!row)
		return 0;
	place = *(const volatile uint32_t *)&row->first[slot % FAST_ROW_SLOTS];
	for (unsigned i = 0; i < FAST_CHAIN_MAX; i++) {
		struct fast_record *record;

		if (place == 0)
			return 0;
		record = bpf_map_lookup_elem(&records, &place);
		frame->place = place;
		if (!record || is_local(frame, record))
			return record;
		place = *(const volatile uint32_t *)&record->flow.next;
	}
	return 0;
}

inlined int is_source(const struct frame *frame, const struct fast_record *record)
{
	if (frame->udp->source != record->flow.source_port_be)
		return 0;
	if (frame->ip4)
		return frame->ip4->saddr == record->flow.source4_be;
	return frame->ip6 && same6(&frame->ip6->saddr, record->six.source);
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

/* False: a payload type without a rule. */
inlined int find_payload(const struct fast_record *record, uint8_t type,
			 struct fast_payload *ret)
{
	if (record->flow.in == type) {
		ret->in = type;
		ret->out = record->flow.out;
		ret->ticks = record->flow.ticks;
		return 1;
	}
#pragma unroll
	for (unsigned i = 0; i < FAST_PAYLOADS; i++) {
		if (record->others[i].in == type) {
			*ret = record->others[i];
			return 1;
		}
		if (record->others[i].in == FAST_PAYLOAD_NONE)
			return 0;
	}
	return 0;
}

/* ---- what is counted ---- */

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
inlined int police(struct fast_count *count, uint32_t ns_per_kib, uint32_t bytes, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> 10), busy = count->busy_until - now;
	uint64_t more = ((uint64_t)(bytes + HEADERS_BYTES) * ns_per_kib) >> 20;

	if (busy > BURST)
		busy = 0;
	if (busy + more > BURST)
		return 0;
	count->busy_until = now + busy + (uint32_t)more;
	return 1;
}

/* A.8. Of the product's bits only those are looked at that an overflow does not reach. */
inlined void count_jitter(struct fast_count *count, uint32_t timestamp, uint64_t now_ns,
			  uint32_t ticks)
{
	uint32_t transit = (uint32_t)(((now_ns >> 10) * ticks) >> 32) - timestamp;
	int32_t d = (int32_t)(transit - count->transit);

	if (count->ticks != ticks) {
		if (count->ticks != 0)
			count->jitter16 = (uint64_t)count->jitter16 * ticks / count->ticks;
		count->ticks = ticks;
		count->flags &= ~FAST_HAS_TRANSIT;
	}
	count->transit = transit;
	if (!(count->flags & FAST_HAS_TRANSIT)) {
		count->flags |= FAST_HAS_TRANSIT;
		return;
	}
	count->jitter16 += (uint32_t)(d < 0 ? -d : d) - ((count->jitter16 + 8) >> 4);
}

/* Nobody else writes here: no two packets are on one processor at once. */
inlined void count_total(uint32_t lane, uint32_t bytes, int policed)
{
	uint32_t place = bpf_get_smp_processor_id() * FAST_LANES_MAX + lane;
	struct fast_total *total = bpf_map_lookup_elem(&totals, &place);

	if (!total)
		return;
	if (policed) {
		total->policed++;
		return;
	}
	total->packets++;
	total->bytes += bytes;
}

/* It is this one's turn to take the slow way? */
inlined int is_turn(const struct fast_flow *flow, struct fast_count *count)
{
	uint8_t turn = *(const volatile uint8_t *)&flow->turn;

	if (turn == (count->flags & FAST_TURN))
		return 0;
	count->flags ^= FAST_TURN;
	return 1;
}

/* UP: not for us; nothing was counted. Nothing here is atomic: a flow's packets come on one processor,
 * save in the moment when its interrupt moves. */
inlined enum verdict count_packet(const struct frame *frame, const struct fast_flow *flow,
				  const struct fast_payload *payload, struct fast_count *count)
{
	uint16_t sequence = bpf_ntohs(*(uint16_t *)(frame->rtp + 2));
	uint64_t now_ns;

	if (is_jump(count, sequence) || is_turn(flow, count))
		return UP;
	now_ns = bpf_ktime_get_ns();
	if (flow->ns_per_kib != 0 && !police(count, flow->ns_per_kib, frame->rtp_bytes, now_ns)) {
		count->policed++;
		count_total(flow->lane, frame->rtp_bytes, 1);
		return DROP;
	}
	count_sequence(count, sequence);
	count->packets++;
	count->bytes += frame->rtp_bytes;
	count->last = (uint32_t)(now_ns / FAST_TICK_NS);
	if (payload->ticks != 0) {
		count->payload_type = payload->in;
		count_jitter(count, bpf_ntohl(*(uint32_t *)(frame->rtp + 4)), now_ns,
			     payload->ticks);
	}
	count_total(flow->lane, frame->rtp_bytes, 0);
	return FORWARD;
}

/* All that stands before the first change. */
inlined enum verdict admit(const struct frame *frame, struct fast_record *record,
			   struct fast_payload *ret_payload)
{
	const struct fast_flow *flow = &record->flow;

	if (!is_source(frame, record) || *(uint32_t *)(frame->rtp + 8) != flow->ssrc_be ||
	    !is_rtp(frame) || frame->ip_bytes > flow->onward.to.max_bytes ||
	    !find_payload(record, frame->rtp[1] & 0x7f, ret_payload))
		return UP;
	return count_packet(frame, flow, ret_payload, &record->count);
}

/* ---- what is changed ---- */

inlined uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

inlined void rewrite_ip4(struct iphdr *ip, const struct fast_flow *flow)
{
	const uint32_t *words = (const uint32_t *)ip;
	uint64_t sum = 0;

	ip->saddr = flow->out4_be;
	ip->daddr = flow->target4_be;
	ip->tos = flow->traffic_class;
	ip->ttl = FAST_HOP_LIMIT;
	ip->check = 0;
#pragma unroll
	for (unsigned i = 0; i < sizeof(*ip) / 4; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	ip->check = ~fold((uint32_t)sum);
}

inlined void rewrite_ip6(struct ipv6hdr *ip, const struct fast_record *record)
{
	/* Version, traffic class, flow label: RFC 6437 leaves the label of a new flow at 0. */
	*(uint32_t *)ip = bpf_htonl(6u << 28 | (uint32_t)record->flow.traffic_class << 20);
	ip->hop_limit = FAST_HOP_LIMIT;
	__builtin_memcpy(&ip->saddr, record->six.out, 16);
	__builtin_memcpy(&ip->daddr, record->six.target, 16);
}

/* The word is read once: its MAC address is the old one or the new one. */
inlined void rewrite_eth(struct ethhdr *eth, const struct fast_flow *flow)
{
	union fast_onward onward = { .word = *(const volatile uint64_t *)&flow->onward.word };
	const uint16_t *to = (const uint16_t *)onward.to.mac, *from = (const uint16_t *)flow->mac_from;
	uint16_t *at = (uint16_t *)eth;

	at[0] = to[0];
	at[1] = to[1];
	at[2] = to[2];
	at[3] = from[0];
	at[4] = from[1];
	at[5] = from[2];
}

/* Returns what the payload type adds to the UDP checksum. */
inlined uint32_t rewrite(const struct frame *frame, const struct fast_record *record,
			 const struct fast_payload *payload)
{
	uint16_t *head = (uint16_t *)frame->rtp;
	uint32_t delta = (uint16_t)~*head;

	if (frame->ip4)
		rewrite_ip4(frame->ip4, &record->flow);
	else if (frame->ip6)
		rewrite_ip6(frame->ip6, record);
	frame->udp->source = record->flow.out_port_be;
	frame->udp->dest = record->flow.target_port_be;
	frame->rtp[1] = (frame->rtp[1] & 0x80) | payload->out;
	rewrite_eth(frame->eth, &record->flow);
	return delta + *head;
}

/* ---- hooks ---- */

/* To the ring of this lane for this queue. Where there is none the packet goes up, to the socket. */
inlined int to_ring(const struct xdp_md *context, const struct frame *frame,
		    const struct fast_flow *flow)
{
	uint32_t ifindex = context->ingress_ifindex, queue = context->rx_queue_index;
	const struct fast_ring_base *base = bpf_map_lookup_elem(&bases, &ifindex);
	struct fast_tag *tag = (struct fast_tag *)frame->eth;
	uint64_t now_ns;
	int action;

	if (!base || queue >= base->queues || frame->ip_bytes > FAST_RING_MAX_BYTES)
		return XDP_PASS;
	action = (int)bpf_redirect_map(&rings, base->first + queue * base->lanes + flow->lane,
				       XDP_PASS);
	if (action != XDP_REDIRECT)
		return XDP_PASS;
	now_ns = bpf_ktime_get_ns();
	tag->place = frame->place;
	tag->arrival_high = now_ns >> 32;
	tag->arrival_low = (uint32_t)now_ns;
	return XDP_REDIRECT;
}

SEC("xdp")
int relay_xdp(struct xdp_md *context)
{
	struct fast_payload payload;
	struct fast_record *record;
	enum verdict verdict;
	struct frame frame;
	uint32_t delta;

	if (!find_udp((void *)(long)context->data, (void *)(long)context->data_end, &frame))
		return XDP_PASS;
	record = find_record(&frame);
	if (!record)
		return XDP_PASS;
	if (record->flow.flags & FAST_RING)
		return to_ring(context, &frame, &record->flow);
	verdict = admit(&frame, record, &payload);
	if (verdict != FORWARD)
		return verdict == DROP ? XDP_DROP : XDP_PASS;
	delta = rewrite(&frame, record, &payload);
	if (frame.udp->check) { /* RFC 768: 0 is none */
		delta += (uint16_t)~frame.udp->check + record->flow.address_delta +
			 record->flow.port_delta;
		frame.udp->check = ~fold(delta);
		if (!frame.udp->check)
			frame.udp->check = 0xffff;
	}
	return (int)bpf_redirect_map(&devices, record->flow.interface, XDP_DROP);
}

/* Beside tc's hook, or where nothing is to be forwarded. */
SEC("xdp")
int relay_rings(struct xdp_md *context)
{
	const struct fast_record *record;
	struct frame frame;

	if (!find_udp((void *)(long)context->data, (void *)(long)context->data_end, &frame))
		return XDP_PASS;
	record = find_record(&frame);
	if (!record || !(record->flow.flags & FAST_RING))
		return XDP_PASS;
	return to_ring(context, &frame, &record->flow);
}

/* A checksum may be left for the device to finish here, and only the helper knows: then the field
 * holds the addresses' part alone. */
SEC("tc")
int relay_tc(struct __sk_buff *context)
{
	struct fast_payload payload;
	struct fast_record *record;
	enum verdict verdict;
	struct frame frame;
	uint32_t at, delta, way;
	const uint32_t *ifindex;

	if (!find_udp((void *)(long)context->data, (void *)(long)context->data_end, &frame))
		return TC_ACT_UNSPEC;
	record = find_record(&frame);
	if (!record || (record->flow.flags & FAST_RING))
		return TC_ACT_UNSPEC;
	verdict = admit(&frame, record, &payload);
	if (verdict != FORWARD)
		return verdict == DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	at = (uint32_t)((long)&frame.udp->check - (long)context->data);
	delta = rewrite(&frame, record, &payload);
	bpf_l4_csum_replace(context, at, 0, record->flow.address_delta,
			    BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	bpf_l4_csum_replace(context, at, 0, fold(delta + record->flow.port_delta),
			    BPF_F_MARK_MANGLED_0);
	way = record->flow.interface;
	ifindex = bpf_map_lookup_elem(&ifindexes, &way);
	return ifindex ? (int)bpf_redirect(*ifindex, 0) : TC_ACT_SHOT;
}

/* The kernel's own words for what this file is: some helpers are open to them only. */
char relay_license[] SEC("license") = "Dual MIT/GPL";

// SPDX-License-Identifier: MIT
/* Load and sink for measurements of relays: makes RTP frames of many streams in turn, in clumps, and
 * counts what comes back. In the kernel because nothing else sends as fast as a relay forwards there. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/perf/rtpload.h"

#define SPIN_MAX (1 << 22)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOAD_STREAMS_MAX);
	__type(key, uint32_t);
	__type(value, struct load_stream);
} streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct load_state);
} states SEC(".maps");

/* By the port that a packet comes to: the one it has to come from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint32_t);
} expected SEC(".maps");

static long is_due(uint32_t turn, void *until)
{
	(void)turn;
	return bpf_ktime_get_ns() >= *(uint64_t *)until;
}

static void wait_for_clump(struct load_state *state)
{
	uint64_t now = bpf_ktime_get_ns();

	if (state->next_ns == 0)
		state->next_ns = now;
	if (state->next_ns > now) {
		uint64_t until = state->next_ns;

		bpf_loop(SPIN_MAX, is_due, &until, 0);
	} else if (now - state->next_ns > 1000000) {
		state->late++;
		state->next_ns = now;
	}
	state->next_ns += state->interval_ns;
}

SEC("xdp")
int load(struct xdp_md *context)
{
	unsigned char *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	uint32_t zero = 0, number;
	struct load_state *state = bpf_map_lookup_elem(&states, &zero);
	struct load_stream *stream;
	uint32_t sum;

	if (!state || data + LOAD_FRAME_BYTES > end)
		return XDP_DROP;
	if (state->in_clump == 0)
		wait_for_clump(state);
	state->in_clump = state->in_clump + 1 >= state->clump ? 0 : state->in_clump + 1;
	number = state->at;
	state->at = number + 1 >= state->streams ? 0 : number + 1;
	stream = bpf_map_lookup_elem(&streams, &number);
	if (!stream)
		return XDP_DROP;
	stream->sequence++;
	stream->timestamp += 160;
	/* The rest of the packet never changes. */
	sum = stream->sum + stream->sequence + (stream->timestamp >> 16) +
	      (stream->timestamp & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	__builtin_memcpy(data, stream->head, LOAD_HEAD_BYTES);
	*(uint16_t *)(data + 40) = bpf_htons(sum ? sum : 0xffff);
	*(uint16_t *)(data + 44) = bpf_htons(stream->sequence);
	*(uint32_t *)(data + 46) = bpf_htonl(stream->timestamp);
	state->sent++;
	return (int)bpf_redirect(state->ifindex, 0);
}

SEC("xdp")
int sink(struct xdp_md *context)
{
	unsigned char *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	uint32_t zero = 0, port, *from;
	struct load_state *state = bpf_map_lookup_elem(&states, &zero);

	if (!state || data + 42 > end || data[12] != 8 || data[13] != 0 || data[23] != 17)
		return XDP_PASS;
	port = (uint32_t)data[36] << 8 | data[37];
	from = bpf_map_lookup_elem(&expected, &port);
	if (from && *from == ((uint32_t)data[34] << 8 | data[35]) && data + LOAD_FRAME_BYTES == end)
		state->good++;
	else
		state->bad++;
	return XDP_DROP;
}

char load_license[] SEC("license") = "Dual MIT/GPL";

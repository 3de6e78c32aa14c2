// SPDX-License-Identifier: MIT
/* Load and sink for measurements of relays: makes RTP frames of many streams in turn, in clumps,
 * and compares every byte of what comes back. In the kernel because nothing else sends as fast as a
 * relay forwards there. Where delays are measured nothing waits in here: sender and sink share a
 * processor, and the sink must come in when a packet does. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/perf/rtpload.h"

#define SPIN_MAX (1 << 22)
#define PAIRS    (LOAD_PAYLOAD_BYTES / 16)

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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, struct load_expected);
} expected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct load_sealed);
} sealed SEC(".maps");

/* How many packets took so many microseconds; the last: longer ones too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOAD_DELAYS);
	__type(key, uint32_t);
	__type(value, uint64_t);
} delays SEC(".maps");

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

/* As many telephones do it: the gaps are even from 0 to twice their mean. */
static int may_send_one(struct load_state *state)
{
	uint64_t now = bpf_ktime_get_ns();

	if (state->next_ns == 0)
		state->next_ns = now;
	if (state->sent >= state->limit || now < state->next_ns)
		return 0;
	if (now - state->next_ns > 1000000) {
		state->late++;
		state->next_ns = now;
	}
	state->next_ns += (state->interval_ns * (bpf_get_prandom_u32() & 2047)) >> 10;
	return 1;
}

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The compiler would go byte by byte, for it does not know how packets are aligned. */
static void copy_words(unsigned char *to, const unsigned char *from, unsigned bytes)
{
	for (unsigned n = 0; n < bytes; n += 8)
		*(uint64_t *)(to + n) = *(const uint64_t *)(from + n);
}

static void put_payload(unsigned char *to, const struct load_stream *stream)
{
#pragma unroll
	for (unsigned n = 0; n < PAIRS; n++) {
		uint64_t word = load_word(stream->ssrc, stream->sequence, n);

		((uint64_t *)to)[2 * n] = word;
		((uint64_t *)to)[2 * n + 1] = ~word;
	}
}

static int send_plain(struct xdp_md *context, const struct load_stream *stream, uint32_t number,
		      const struct load_state *state)
{
	unsigned char *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	uint32_t timestamp = load_timestamp(number, stream->sequence), sum;

	if (data + LOAD_FRAME_BYTES > end)
		return XDP_DROP;
	sum = ~fold(stream->sum + stream->sequence + (timestamp >> 16) + (timestamp & 0xffff)) &
	      0xffff;
	copy_words(data, stream->head, 48);
	*(uint32_t *)(data + 48) = *(const uint32_t *)(stream->head + 48);
	*(uint16_t *)(data + 52) = *(const uint16_t *)(stream->head + 52);
	*(uint16_t *)(data + 40) = bpf_htons(sum ? sum : 0xffff);
	*(uint16_t *)(data + 44) = bpf_htons(stream->sequence);
	*(uint32_t *)(data + 46) = bpf_htonl(timestamp);
	put_payload(data + LOAD_HEAD_BYTES, stream);
	return (int)bpf_redirect(state->ifindex, 0);
}

/* The head was made for this length; its sum is that of pseudo header and UDP. */
static int send_sealed(struct xdp_md *context, const struct load_stream *stream,
		       const struct load_state *state)
{
	uint32_t at = load_sealed_at(state, stream->sealed, stream->sequence, 0), sum;
	const struct load_sealed *packet = bpf_map_lookup_elem(&sealed, &at);
	unsigned char *data, *end;

	if (!packet || packet->bytes <= LOAD_RTP_BYTES ||
	    bpf_xdp_adjust_tail(context, packet->bytes - (int)LOAD_RTP_BYTES))
		return XDP_DROP;
	data = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	if (data + LOAD_RTP_AT + 176 > end)
		return XDP_DROP;
	sum = ~fold(stream->sum + packet->sum) & 0xffff;
	copy_words(data, stream->head, 40);
	*(uint16_t *)(data + 40) = bpf_htons(sum ? sum : 0xffff);
	copy_words(data + LOAD_RTP_AT, packet->rtp, 176);
#pragma unroll
	for (unsigned n = 176; n < LOAD_SEALED_MAX; n += 2)
		if (data + LOAD_RTP_AT + n + 2 <= end)
			*(uint16_t *)(data + LOAD_RTP_AT + n) = *(uint16_t *)(packet->rtp + n);
	return (int)bpf_redirect(state->ifindex, 0);
}

SEC("xdp")
int load(struct xdp_md *context)
{
	uint32_t zero = 0, number;
	struct load_state *state = bpf_map_lookup_elem(&states, &zero);
	struct load_stream *stream;
	int verdict;

	if (!state)
		return XDP_DROP;
	if (state->delays) {
		if (!may_send_one(state))
			return XDP_DROP;
	} else {
		if (state->in_clump == 0)
			wait_for_clump(state);
		state->in_clump = state->in_clump + 1 >= state->clump ? 0 : state->in_clump + 1;
	}
	number = state->at;
	state->at = number + 1 >= state->streams ? 0 : number + 1;
	stream = bpf_map_lookup_elem(&streams, &number);
	if (!stream)
		return XDP_DROP;
	stream->sequence++;
	if (state->delays)
		stream->sent_ns = bpf_ktime_get_ns();
	verdict = stream->sealed ? send_sealed(context, stream, state)
				 : send_plain(context, stream, number, state);
	if (verdict == XDP_REDIRECT)
		state->sent++;
	return verdict;
}

static uint32_t sum_of(const unsigned char *at, unsigned words)
{
	uint32_t sum = 0;

	for (unsigned n = 0; n < words; n++)
		sum += (uint32_t)at[2 * n] << 8 | at[2 * n + 1];
	return sum;
}

/* Without a checksum (RFC 768: zero) it is taken as it is. `body`: the sum of what follows UDP. */
static int sums_match(const unsigned char *ip, uint32_t body)
{
	uint32_t udp_bytes = (uint32_t)ip[24] << 8 | ip[25];

	if (fold(sum_of(ip, 10)) != 0xffff)
		return 0;
	return (ip[26] == 0 && ip[27] == 0) ||
	       fold(17 + udp_bytes + sum_of(ip + 12, 4) + sum_of(ip + 20, 4) + body) == 0xffff;
}

static int is_plain_as_sent(const unsigned char *data, const unsigned char *end,
			    const struct load_stream *sender, uint32_t number)
{
	const unsigned char *rtp = data + LOAD_RTP_AT;
	uint16_t sequence;
	uint64_t wrong = 0;

	if (data + LOAD_FRAME_BYTES > end)
		return 0;
	/* The verifier learns nothing from !=, which the compiler would make of both. */
	barrier_var(end);
	if (data + LOAD_FRAME_BYTES != end)
		return 0;
	sequence = bpf_ntohs(*(const uint16_t *)(rtp + 2));
	if (rtp[0] != 0x80 || rtp[1] != 0 ||
	    bpf_ntohl(*(const uint32_t *)(rtp + 4)) != load_timestamp(number, sequence) ||
	    bpf_ntohl(*(const uint32_t *)(rtp + 8)) != sender->ssrc)
		return 0;
#pragma unroll
	for (unsigned n = 0; n < PAIRS; n++) {
		const uint64_t *pair = (const uint64_t *)(rtp + LOAD_RTP_HEADER_BYTES) + 2 * n;
		uint64_t word = load_word(sender->ssrc, sequence, n);

		wrong |= (pair[0] ^ word) | (pair[1] ^ ~word);
	}
	return wrong == 0 && sums_match(data + 14, sum_of(rtp, 6));
}

static int is_sealed_as_due(const unsigned char *data, const unsigned char *end, uint32_t place,
			    const struct load_state *state)
{
	const unsigned char *rtp = data + LOAD_RTP_AT;
	const struct load_sealed *packet;
	uint64_t wrong = 0;
	uint32_t at;

	if (rtp + 176 > end)
		return 0;
	at = load_sealed_at(state, place, bpf_ntohs(*(const uint16_t *)(rtp + 2)), 1);
	packet = bpf_map_lookup_elem(&sealed, &at);
	if (!packet || end - rtp != packet->bytes)
		return 0;
#pragma unroll
	for (unsigned n = 0; n < 176 / 4; n++)
		wrong |= ((const uint32_t *)rtp)[n] ^ ((const uint32_t *)packet->rtp)[n];
#pragma unroll
	for (unsigned n = 176; n < LOAD_SEALED_MAX; n += 2)
		if (rtp + n + 2 <= end)
			wrong |=
			    *(const uint16_t *)(rtp + n) ^ *(const uint16_t *)(packet->rtp + n);
	return wrong == 0 && sums_match(data + 14, packet->sum);
}

static void note_delay(const struct load_stream *sender, uint16_t sequence)
{
	uint64_t now = bpf_ktime_get_ns(), us = (now - sender->sent_ns) / 1000, *count;
	uint32_t at = us < LOAD_DELAYS ? us : LOAD_DELAYS - 1;

	if (sender->sequence != sequence)
		at = LOAD_DELAYS - 1; /* the next one has been sent already */
	count = bpf_map_lookup_elem(&delays, &at);
	if (count)
		*count += 1;
}

SEC("xdp")
int sink(struct xdp_md *context)
{
	unsigned char *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	uint32_t zero = 0, port, number;
	struct load_state *state = bpf_map_lookup_elem(&states, &zero);
	struct load_expected *due;
	struct load_stream *sender;
	uint16_t sequence;
	int good;

	if (!state || data + LOAD_HEAD_BYTES > end || data[12] != 8 || data[13] != 0 ||
	    data[23] != 17)
		return XDP_PASS;
	port = (uint32_t)data[36] << 8 | data[37];
	due = bpf_map_lookup_elem(&expected, &port);
	if (!due || due->sender == 0)
		return XDP_PASS;
	number = due->sender - 1;
	sender = bpf_map_lookup_elem(&streams, &number);
	if (!sender || due->from_port != ((uint32_t)data[34] << 8 | data[35])) {
		state->wrong++;
		return XDP_DROP;
	}
	sequence = bpf_ntohs(*(uint16_t *)(data + LOAD_RTP_AT + 2));
	good = due->sealed ? is_sealed_as_due(data, end, due->sealed, state)
			   : is_plain_as_sent(data, end, sender, number);
	if (!good) {
		state->wrong++;
		return XDP_DROP;
	}
	state->good++;
	if ((int16_t)(sequence - sender->arrived) <= 0)
		state->disordered++;
	else
		sender->arrived = sequence;
	if (state->delays)
		note_delay(sender, sequence);
	return XDP_DROP;
}

char load_license[] SEC("license") = "Dual MIT/GPL";

/* SPDX-License-Identifier: MIT
 * Records of sides and the states of their keys, as a relay may have them. */
#pragma once

#include "tests/support/unit.h"

#include "media-relay/worker/memory.h"

static inline struct flow_states flow_states(uint16_t receive_len, uint16_t send_len,
					     unsigned char more)
{
	struct flow_states states = { .receive_len = receive_len, .send_len = send_len };

	for (unsigned i = 0; i < sizeof(states.receive); i++)
		states.receive[i] = (unsigned char)(more + i);
	for (unsigned i = 0; i < sizeof(states.send); i++)
		states.send[i] = (unsigned char)(0x80 ^ (more + i));
	return states;
}

static inline struct side_states some_states(uint16_t receive_len, uint16_t send_len)
{
	return (struct side_states){ .flows = { flow_states(receive_len, send_len, 0) } };
}

/* RTCP has keys of its own. */
static inline struct side_states both_states(uint16_t receive_len, uint16_t send_len,
				      uint16_t receive_rtcp_len, uint16_t send_rtcp_len)
{
	return (struct side_states){ .flows = { flow_states(receive_len, send_len, 0),
						flow_states(receive_rtcp_len, send_rtcp_len, 7) } };
}

static inline void assert_same_states(const struct side_states *found,
				      const struct side_states *wanted)
{
	for (unsigned i = 0; i < COMPONENTS; i++) {
		const struct flow_states *got = &found->flows[i], *want = &wanted->flows[i];

		assert_int_equal(got->receive_len, want->receive_len);
		assert_memory_equal(got->receive, want->receive, want->receive_len);
		assert_int_equal(got->send_len, want->send_len);
		assert_memory_equal(got->send, want->send, want->send_len);
	}
}

/* All that a record has, as large as it may be, or of IPv6, or as small. */
static inline struct side_memory whole_record(unsigned kind)
{
	struct endpoint v4 = { { IP_V4, { 192, 0, 2, 7 } }, 4000 };
	struct endpoint v6 = { { IP_V6, { 0x20, 1, 0xd, 0xb8, [15] = 9 } }, 65535 };
	struct endpoint none = { .ip = { .family = IP_NONE } };
	struct side_memory one = { .session = UINT64_MAX - kind, .stream = 15, .side = 1 };

	memset(&one.counters, kind % 2 ? 0xff : 0, sizeof(one.counters));
	one.counters.bytes_received = 0x123456789a + kind;
	one.counters.packets_replayed = 127 + kind % 2;
	one.source = (struct rtp_source){ .payload_type = 96, .max_sequence = 0xfedc,
					  .ssrc = 0xdeadbeef, .reordered = kind, .duplicated = 128,
					  .clock_hz = 48000, .jitter16 = UINT32_MAX,
					  .past_expected = UINT64_MAX, .past_received = 1u << 21 };
	one.woven_ssrc = kind % 3 ? 0xcafe : 0;
	one.woven_shift = kind % 3 ? -3 : 0;
	one.local = kind & 1 ? v6 : v4;
	one.told[0] = kind & 2 ? v6 : v4;
	one.told[1] = kind & 4 ? none : one.told[0];
	one.told[1].port = kind & 4 ? 0 : 4001;
	one.learned[0] = kind & 8 ? v4 : none;
	one.learned[1] = kind & 16 ? v6 : one.learned[0];
	return one;
}

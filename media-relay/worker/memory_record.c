/* SPDX-License-Identifier: MIT
 * A side's record as the octets that lie in the relay's memory. There are thousands, so they are short:
 * numbers take as many octets as they need, and an address that was just given is not given again. */
#include "media-relay/worker/memory.h"

#include <string.h>

#include "lib/base/ensure.h"
#include "lib/base/wire.h"

#define NUMBER_BYTES 10u /* at most */
#define MORE 0x80u       /* octets of the number follow */
#define SECOND_SIDE 0x80u
/* In the place of an address's family: the address before it. */
#define AS_BEFORE 1u

#define COUNTERS(side_counters)                                                                    \
	{                                                                                          \
		&(side_counters)->packets_received, &(side_counters)->bytes_received,              \
			&(side_counters)->packets_sent, &(side_counters)->bytes_sent,              \
			&(side_counters)->rtcp_received, &(side_counters)->rtcp_sent,              \
			&(side_counters)->packets_dropped, &(side_counters)->packets_forged,       \
			&(side_counters)->packets_replayed                                         \
	}
#define COUNTER_COUNT (sizeof(struct side_counters) / sizeof(uint64_t))

/* ---- writing: there is room for all ---- */

static unsigned char *put_bytes(unsigned char *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static unsigned char *put_number(unsigned char *at, uint64_t number)
{
	for (; number >= MORE; number >>= 7)
		*at++ = (unsigned char)(number | MORE);
	*at++ = (unsigned char)number;
	return at;
}

static size_t ip_bytes(unsigned family)
{
	if (family == IP_V4)
		return 4;
	return family == IP_V6 ? 16 : 0;
}

/* *last: the address that was given last. */
static unsigned char *put_endpoint(unsigned char *at, const struct endpoint *endpoint,
				   const struct ip_addr **last)
{
	size_t len = ip_bytes(endpoint->ip.family);

	if (len > 0 && *last && ip_eq(*last, &endpoint->ip)) {
		*at++ = AS_BEFORE;
	} else {
		*at++ = len > 0 ? endpoint->ip.family : IP_NONE;
		at = put_bytes(at, endpoint->ip.bytes, len);
	}
	if (len == 0)
		return at;
	*last = &endpoint->ip;
	return put_bytes(at, &endpoint->port, sizeof(endpoint->port));
}

static unsigned char *put_places(unsigned char *at, const struct side_memory *record)
{
	const struct ip_addr *last = NULL;

	at = put_endpoint(at, &record->local, &last);
	for (unsigned i = 0; i < COMPONENTS; i++) {
		at = put_endpoint(at, &record->told[i], &last);
		at = put_endpoint(at, &record->learned[i], &last);
	}
	return at;
}

static unsigned char *put_source(unsigned char *at, const struct rtp_source *source)
{
	*at++ = source->payload_type;
	at = put_bytes(at, &source->max_sequence, sizeof(source->max_sequence));
	at = put_bytes(at, &source->ssrc, sizeof(source->ssrc));
	at = put_number(at, source->reordered);
	at = put_number(at, source->duplicated);
	at = put_number(at, source->clock_hz);
	at = put_number(at, source->jitter16);
	at = put_number(at, source->past_expected);
	return put_number(at, source->past_received);
}

static unsigned char *put_state(unsigned char *at, const unsigned char *state, size_t len)
{
	at = put_number(at, len);
	return put_bytes(at, state, len);
}

static unsigned char *put_states(unsigned char *at, const struct flow_states *states)
{
	at = put_state(at, states->receive, states->receive_len);
	return put_state(at, states->send, states->send_len);
}

/* RTCP's last, for most have none. */
static unsigned states_there(const struct side_states *states)
{
	const struct flow_states *rtcp = states ? &states->flows[COMPONENT_RTCP] : NULL;

	if (!states)
		return 0;
	return rtcp->receive_len > 0 || rtcp->send_len > 0 ? COMPONENTS : COMPONENT_RTCP;
}

size_t memory_record_write(const struct side_memory *record, const struct side_states *states,
			   unsigned char ret[MEMORY_RECORD_MAX])
{
	const uint64_t *const counters[COUNTER_COUNT] = COUNTERS(&record->counters);
	unsigned char *at = ret;

	at = put_bytes(at, &record->session, sizeof(record->session));
	*at++ = (unsigned char)(record->stream | (record->side ? SECOND_SIDE : 0));
	at = put_places(at, record);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		at = put_number(at, *counters[i]);
	at = put_source(at, &record->source);
	at = put_number(at, (uint32_t)record->woven_shift);
	if (record->woven_shift != 0)
		at = put_bytes(at, &record->woven_ssrc, sizeof(record->woven_ssrc));
	for (unsigned i = 0; i < states_there(states); i++)
		at = put_states(at, &states->flows[i]);
	ensure(at <= ret + MEMORY_RECORD_MAX);
	return (size_t)(at - ret);
}

/* ---- reading: a former relay wrote them, so nothing is believed ---- */

static void get_bytes(struct wire_reader *reader, void *ret, size_t len)
{
	struct slice bytes = wire_get_bytes(reader, len);

	if (bytes.len == len && len > 0)
		memcpy(ret, bytes.p, len);
}

static uint64_t get_number(struct wire_reader *reader)
{
	uint64_t number = 0;
	uint8_t octet = MORE;

	for (unsigned i = 0; i < NUMBER_BYTES && (octet & MORE); i++) {
		octet = wire_get_u8(reader);
		number |= (uint64_t)(octet & ~MORE) << 7 * i;
	}
	if (octet & MORE)
		reader->err = ERR_SYNTAX;
	return number;
}

static struct endpoint get_endpoint(struct wire_reader *reader, struct ip_addr *last)
{
	struct endpoint endpoint = { .ip = { .family = IP_NONE } };
	uint8_t family = wire_get_u8(reader);

	if (family == AS_BEFORE) {
		endpoint.ip = *last;
	} else {
		endpoint.ip.family = family;
		get_bytes(reader, endpoint.ip.bytes, ip_bytes(family));
	}
	if (ip_bytes(endpoint.ip.family) == 0) {
		if (family != IP_NONE)
			reader->err = ERR_SYNTAX;
		return endpoint;
	}
	*last = endpoint.ip;
	get_bytes(reader, &endpoint.port, sizeof(endpoint.port));
	return endpoint;
}

static void get_places(struct wire_reader *reader, struct side_memory *ret)
{
	struct ip_addr last = { .family = IP_NONE };

	ret->local = get_endpoint(reader, &last);
	for (unsigned i = 0; i < COMPONENTS; i++) {
		ret->told[i] = get_endpoint(reader, &last);
		ret->learned[i] = get_endpoint(reader, &last);
	}
}

static void get_source(struct wire_reader *reader, struct rtp_source *ret)
{
	ret->payload_type = wire_get_u8(reader);
	get_bytes(reader, &ret->max_sequence, sizeof(ret->max_sequence));
	get_bytes(reader, &ret->ssrc, sizeof(ret->ssrc));
	ret->reordered = get_number(reader);
	ret->duplicated = get_number(reader);
	ret->clock_hz = (uint32_t)get_number(reader);
	ret->jitter16 = (uint32_t)get_number(reader);
	ret->past_expected = get_number(reader);
	ret->past_received = get_number(reader);
}

static uint16_t get_state(struct wire_reader *reader, unsigned char *ret, size_t room)
{
	uint64_t len = get_number(reader);

	if (len > room)
		reader->err = ERR_SYNTAX;
	if (reader->err != OK)
		return 0;
	get_bytes(reader, ret, len);
	return (uint16_t)len;
}

static void get_states(struct wire_reader *reader, struct flow_states *ret)
{
	ret->receive_len = 0;
	ret->send_len = 0;
	if (reader->err != OK || wire_left(reader) == 0)
		return;
	ret->receive_len = get_state(reader, ret->receive, sizeof(ret->receive));
	ret->send_len = get_state(reader, ret->send, sizeof(ret->send));
}

bool memory_record_read(const unsigned char *bytes, size_t len, struct side_memory *ret,
			struct side_states *ret_states)
{
	uint64_t *const counters[COUNTER_COUNT] = COUNTERS(&ret->counters);
	struct wire_reader reader;
	uint8_t number;

	*ret = (struct side_memory){ .session = 0 };
	wire_reader_init(&reader, bytes, len);
	get_bytes(&reader, &ret->session, sizeof(ret->session));
	number = wire_get_u8(&reader);
	ret->stream = (uint8_t)(number & ~SECOND_SIDE);
	ret->side = (number & SECOND_SIDE) != 0;
	get_places(&reader, ret);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		*counters[i] = get_number(&reader);
	get_source(&reader, &ret->source);
	ret->woven_shift = (int32_t)get_number(&reader);
	if (ret->woven_shift != 0)
		get_bytes(&reader, &ret->woven_ssrc, sizeof(ret->woven_ssrc));
	for (unsigned i = 0; i < COMPONENTS; i++)
		get_states(&reader, &ret_states->flows[i]);
	return reader.err == OK && wire_left(&reader) == 0;
}

/* SPDX-License-Identifier: MIT
 * What outlives a relay: where each SSRC was under which key. It is written and read by this file
 * alone; in between it lies with whoever told the key. It may be some seconds old when it comes
 * back: RTP's sequence numbers go on by themselves, but the SRTCP index is our own, so it jumps. */
#include "media-relay/srtp/srtp_priv.h"

#include <assert.h>

#include "lib/base/wire.h"

#define CONTROL_JUMP 65536u
#define HEAD_BYTES   (8u + 4u + 1u)
#define ENTRY_BYTES  (4u + 1u + 6u + 4u)
#define KEY_BYTES    (HEAD_BYTES + SRTP_SOURCES * ENTRY_BYTES) /* at most */

static_assert(SRTP_RECEIVE_KEYS * KEY_BYTES <= SRTP_STATE_MAX_BYTES &&
		      KEY_BYTES <= SRTP_SEND_STATE_MAX_BYTES,
	      "whatever is remembered fits");

struct entry {
	uint32_t ssrc;
	uint8_t started; /* bit 0: RTP, bit 1: RTCP */
	uint64_t index;
	uint32_t control_index;
};

static void put_entry(struct wire_writer *writer, const struct entry *entry)
{
	wire_put_u32(writer, entry->ssrc);
	wire_put_u8(writer, entry->started);
	wire_put_u32(writer, (uint32_t)(entry->index >> 16));
	wire_put_u16(writer, (uint16_t)entry->index);
	wire_put_u32(writer, entry->control_index);
}

static struct entry of_retired(const struct srtp_retired *retired)
{
	return (struct entry){
		.ssrc = retired->ssrc,
		.started = (uint8_t)(retired->started[0] | retired->started[1] << 1),
		.index = (uint64_t)retired->roll_over << 16 | retired->sequence,
		.control_index = retired->control_index,
	};
}

static struct entry of_source(const struct srtp_source *source)
{
	return (struct entry){
		.ssrc = source->ssrc,
		.started = (uint8_t)((source->windows[0].seen[0] & 1) |
				     (source->windows[1].seen[0] & 1) << 1),
		.index = source->windows[0].highest,
		.control_index = (uint32_t)source->windows[1].highest,
	};
}

static void put_source(struct wire_writer *writer, const struct srtp_source *source)
{
	struct entry entry = of_source(source);

	if (source->used)
		put_entry(writer, &entry);
}

static void put_more(struct wire_writer *writer, const struct srtp_more *more)
{
	for (unsigned i = 0; i < more->retired_count; i++) {
		struct entry entry = of_retired(&more->retired[i]);

		put_entry(writer, &entry);
	}
	for (unsigned i = SRTP_ACTIVE - 1; i-- > 0;)
		put_source(writer, &more->active[i]);
}

static uint8_t count_sources(const struct srtp_sources *sources)
{
	unsigned count = sources->latest.used;

	if (sources->more) {
		count += sources->more->retired_count;
		for (unsigned i = 0; i < SRTP_ACTIVE - 1; i++)
			count += sources->more->active[i].used;
	}
	return (uint8_t)count;
}

/* The oldest first, so that taking them one after the other gives the same order. */
void srtp_state_put(struct wire_writer *writer, const struct srtp_key *key)
{
	wire_put_u64(writer, key->check);
	wire_put_u32(writer, key->control_next);
	wire_put_u8(writer, count_sources(&key->sources));
	if (key->sources.more)
		put_more(writer, key->sources.more);
	put_source(writer, &key->sources.latest);
}

static struct entry get_entry(struct wire_reader *reader)
{
	struct entry entry;

	entry.ssrc = wire_get_u32(reader);
	entry.started = wire_get_u8(reader);
	entry.index = (uint64_t)wire_get_u32(reader) << 16;
	entry.index |= wire_get_u16(reader);
	entry.control_index = wire_get_u32(reader) & SRTCP_INDEX_MAX;
	return entry;
}

static void take_entry(struct srtp_engine *engine, struct srtp_key *key, const struct entry *entry)
{
	struct srtp_source *source = srtp_sources_take(engine, &key->sources, entry->ssrc, true);

	if (entry->started & 1)
		srtp_window_close(&source->windows[0], entry->index);
	if (entry->started & 2)
		srtp_window_close(&source->windows[1], entry->control_index);
}

void srtp_state_take(struct srtp_engine *engine, struct srtp_key *key, struct slice state,
		     bool sends)
{
	struct wire_reader reader;

	wire_reader_init(&reader, state.p, state.len);
	while (reader.err == OK && wire_left(&reader) > 0) {
		bool mine = wire_get_u64(&reader) == key->check;
		uint32_t next = wire_get_u32(&reader);
		uint8_t count = wire_get_u8(&reader);

		if (mine && sends && reader.err == OK)
			key->control_next = next < SRTCP_INDEX_MAX - CONTROL_JUMP ?
						    next + CONTROL_JUMP :
						    SRTCP_INDEX_MAX + 1;
		for (unsigned i = 0; i < count && reader.err == OK; i++) {
			struct entry entry = get_entry(&reader);

			if (mine && reader.err == OK)
				take_entry(engine, key, &entry);
		}
	}
}

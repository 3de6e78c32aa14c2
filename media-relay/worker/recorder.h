/* SPDX-License-Identifier: MIT
 * Packets of recorded sessions on their way to pcap files. A worker only copies them into a ring; a
 * thread of the recorder's own writes them, so no packet waits for a disk. A packet that finds no room
 * is dropped and counted; a file that cannot be written ends its recording, never the call.
 *
 * Files are libpcap savefiles of raw IP: addresses and ports are those that the packet had on the wire,
 * and IP and UDP headers are made anew around it. Private to this room. */
#pragma once

#include "lib/base/addr.h"
#include "media-relay/worker/ring.h"

#define RECORDINGS_MAX 256u
/* A disk with less than this left belongs to the CDRs. */
#define RECORDER_SPARE_BYTES (UINT64_C(64) << 20)

struct recorder; /* the ring and the thread; one for each worker */

/* One recorded session; the worker's side of it. */
struct recording {
	uint32_t number;
	uint32_t generation;
	bool decrypted;
	uint64_t packets;
	uint64_t dropped;
};

/* One packet, before it is written. */
struct recorded {
	struct endpoint from;
	struct endpoint to;
	uint64_t arrival_us; /* monotonic */
};

/* An absolute path without detours ("..", "//"), without control characters, to a file that is called
 * like one of ours: letters, digits, '-', '_' and '.', which is not the first, and ".pcap". */
bool recorder_path_good(struct slice path);

/* spare_bytes: that must stay free where files are. */
must_use enum err recorder_create(uint64_t spare_bytes, struct recorder **ret);
/* Writes what is in the ring, closes all files. */
void recorder_destroy(struct recorder **recorder);

/* Makes the file (0600). NULL with *ret_err: ERR_EXHAUSTED, ERR_EXISTS, -ENOSPC, -EACCES … */
struct recording *recorder_begin(struct recorder *recorder, const char *path, bool decrypted,
				 enum err *ret_err);
/* All that was committed before is still written. */
void recorder_end(struct recorder *recorder, struct recording **recording);

/* Room for a packet of up to len bytes; NULL: there is none, and it was counted. */
unsigned char *recorder_reserve(struct recorder *recorder, struct recording *recording, size_t len);
/* The bytes are there. Without it the room is given back by the next reserve. */
void recorder_commit(struct recorder *recorder, struct recording *recording,
		     const struct recorded *packet, size_t len);
/* Its file could not be written any more. */
bool recorder_failed(const struct recorder *recorder, const struct recording *recording);

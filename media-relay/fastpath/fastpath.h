/* SPDX-License-Identifier: MIT
 * The way through the kernel: an eBPF program on the media interfaces forwards the packets of flows
 * that it was told of, and counts them (relay.bpf.c). Here it is loaded, told, asked and kept fresh:
 * which neighbour a packet goes to next, and under which MAC address, comes from rtnetlink.
 *
 * Rights are needed to make it (CAP_BPF, CAP_NET_ADMIN, and CAP_PERFMON for some drivers' checks), none
 * afterwards. Nothing is pinned: when the relay's process ends, in whatever way, the program is gone
 * from the interfaces and packets go to sockets again. What RTP is, is not known to this room. */
#pragma once

#include "lib/base/addr.h"
#include "lib/base/map.h"
#include "lib/log/log.h"
#include "lib/loop/loop.h"
#include "media-relay/fastpath/abi.h"

struct fastpath; /* programs, maps, interfaces; shared by all workers */
struct fast_lane; /* a worker's part of it; nothing of it is shared */

enum fast_mode {
	FAST_AUTO,
	FAST_NATIVE,  /* XDP in the driver */
	FAST_TC,      /* tc's ingress hook (tcx, Linux 6.6) */
	FAST_GENERIC, /* XDP on ordinary socket buffers */
	FAST_OFF,
};

/* Rings: AF_XDP, for what the relay must handle itself. */
enum fast_ring_mode {
	FAST_RINGS_AUTO, /* where XDP forwards */
	FAST_RINGS_ON,   /* also where tc forwards, or nothing does */
	FAST_RINGS_OFF,
};

#define FAST_INTERFACES_MAX 16u
#define FAST_ROOM_BYTES 64u /* behind each packet of a ring, for what its receiver adds */

struct fastpath_options {
	struct log *log;
	enum fast_mode mode;
	enum fast_ring_mode rings;
	const struct slice *interfaces; /* names; none: those that hold one of the addresses */
	size_t interface_count;
	const struct ip_addr *addresses;
	size_t address_count;
	uint32_t capacity; /* flows */
	unsigned lanes;
};

/* Loads and attaches, or says in the log why not. ERR_UNSUPPORTED, -EPERM …: there is no way through
 * the kernel, and the relay does without. */
must_use enum err fastpath_create(const struct fastpath_options *options, struct fastpath **ret);
void fastpath_destroy(struct fastpath **fastpath);
/* Does the kernel forward? Are there rings? */
bool fastpath_forwards(const struct fastpath *fastpath);
bool fastpath_has_rings(const struct fastpath *fastpath);

/* ---- flows ---- */

/* A piece of memory that a packet's receiver will read; it is only fetched ahead, so it may be gone. */
struct fast_hot {
	const void *at;
	size_t bytes;
};

#define FAST_HOT_MAX 8u

/* What the kernel is to do, as data; sources and targets are of one IP version. */
struct fast_rule {
	struct endpoint local;  /* where packets arrive */
	struct endpoint source; /* from whom */
	struct endpoint out;    /* they leave from here … */
	struct endpoint target; /* … to there */
	uint32_t ssrc;
	uint8_t dscp;
	uint32_t bytes_per_s; /* more is dropped; 0: any */
	struct fast_rule_payload {
		uint8_t in;
		uint8_t out;
		uint32_t clock_hz; /* 0: no jitter; so is a megahertz or more, which no codec has */
	} payloads[FAST_PAYLOADS];
	unsigned payload_count;
	struct fast_count standing; /* where counting begins */
	struct fast_hot hot[FAST_HOT_MAX]; /* of a ring's packets; bytes 0: no more */
};

/* A record that nobody finds any more, and its count when the next one took over. */
struct fast_left {
	uint32_t place; /* 0: none */
	struct fast_count count;
};

/* A flow in the kernel; embedded in its owner, which must not move it. Zeroed: not there. */
struct fast_entry {
	struct list link; /* of its next hop */
	struct list all_link;
	struct fast_hop *hop;
	uint32_t slot;
	uint32_t place; /* 0: not in the kernel */
};

/* Look at this entry again: its neighbour is known now, or it is not any more. An entry that stays
 * linked to its hop is told again. */
typedef void fast_again_fn(void *owner, struct fast_entry *entry);

must_use enum err fast_lane_create(struct fastpath *fastpath, unsigned number, struct loop *loop,
				   fast_again_fn *fn, void *owner, struct fast_lane **ret);
void fast_lane_destroy(struct fast_lane **lane);

/* Into the kernel, or changed there: then counting goes on where it stood, in another place, and
 * *ret_left is the one before, which rests as after fast_entry_clear. A packet finds the old flow or the
 * new one. False: not now, *ret_why says why (static text), what is there stays; when it waits for a
 * neighbour, the owner is called when there is news. */
bool fast_entry_set(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		    struct fast_left *ret_left, const char **ret_why);
/* Out of the kernel; its place rests until fast_place_give. Returns it; 0: it had none. A packet that
 * is being forwarded right now may still be counted there for some microseconds. The owner is called
 * on news all the same, until it forgets the entry. */
must_use uint32_t fast_entry_clear(struct fast_lane *lane, struct fast_entry *entry);
void fast_entry_forget(struct fast_lane *lane, struct fast_entry *entry);
void fast_place_give(struct fast_lane *lane, uint32_t place);
/* Mapped memory that the kernel writes: read it as it is. */
const struct fast_count *fast_place_count(const struct fast_lane *lane, uint32_t place);
/* What all flows of this lane ever came to. */
struct fast_total fast_lane_total(const struct fast_lane *lane);

/* ---- rings ---- */

/* A packet in a frame; the frame goes on with fast_send, or ends with the callback. */
struct fast_packet {
	struct fast_entry *entry;
	unsigned char *bytes; /* UDP payload, FAST_ROOM_BYTES behind it */
	size_t len;
	struct endpoint source; /* whoever it is: nothing was looked at */
	uint64_t arrival_us;    /* monotonic, as the driver's hook saw it */
	uint32_t place;         /* these two are the lane's own */
	bool sent;
};

typedef void fast_packet_fn(void *owner, struct fast_packet *packet);

/* From now on packets of this lane's rings are handed to fn, with the owner of fast_lane_create.
 * ERR_UNSUPPORTED: there are no rings. */
must_use enum err fast_lane_listen(struct fast_lane *lane, fast_packet_fn *fn);
/* Like fast_entry_set, but packets to rule->local come by a ring, and fast_send may send them on to
 * rule->target, of whichever IP version; what else the rule says is not used. It must not be in the
 * kernel now (fast_entry_clear). */
bool fast_entry_ring(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		     const char **ret_why);
/* Sends the packet's payload, which is len bytes now, where it lies. False: send it by a socket. */
bool fast_send(struct fast_lane *lane, struct fast_packet *packet, const struct endpoint *target,
	       size_t len);
/* Packets that the rings had no room for, or that were broken, since the start. */
uint64_t fast_lane_lost(const struct fast_lane *lane);

/* ---- arithmetic, pure ---- */

/* One's complement sum (RFC 1071) of len bytes, an even number, in memory order, folded. */
uint16_t fast_sum(const void *bytes, size_t len);
/* What the UDP checksum's complement gains when `from` becomes `to`. */
uint16_t fast_delta(uint16_t from, uint16_t to);
/* The timestamp that a packet of that moment would have. False: no packet told. */
bool fast_count_timestamp(const struct fast_count *count, uint64_t at_ns, uint32_t *ret);
/* A clock as the program wants it, and back. */
uint32_t fast_ticks(uint32_t clock_hz);
uint32_t fast_clock_hz(uint32_t ticks);
/* Where its place is kept. Slots are of one port, so of one worker. */
uint32_t fast_slot(const struct endpoint *local);
/* The flow as the program wants it, without the way out. */
void fast_record_fill(const struct fast_rule *rule, struct fast_record *ret);

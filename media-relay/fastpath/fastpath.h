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

#define FAST_INTERFACES_MAX 16u

struct fastpath_options {
	struct log *log;
	enum fast_mode mode;
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

/* ---- flows ---- */

/* What the kernel is to do, as data; sources and targets are of one IP version. */
struct fast_rule {
	struct endpoint local;  /* where packets arrive */
	struct endpoint source; /* from whom */
	struct endpoint out;    /* they leave from here … */
	struct endpoint target; /* … to there */
	uint32_t ssrc;
	uint8_t dscp;
	uint32_t bytes_per_s; /* more is dropped; 0: any */
	struct fast_payload payloads[FAST_PAYLOADS];
	unsigned payload_count;
	struct fast_count standing; /* where counting begins */
};

/* A flow in the kernel; embedded in its owner, which must not move it. Zeroed: not there. */
struct fast_entry {
	struct list link; /* of its next hop */
	struct list all_link;
	struct fast_hop *hop;
	struct fast_key key;
	uint32_t place;
	bool installed;
};

/* Look at this entry again: its neighbour is known now, or it is not any more. An entry that stays
 * linked to its hop is told again. */
typedef void fast_again_fn(void *owner, struct fast_entry *entry);

must_use enum err fast_lane_create(struct fastpath *fastpath, unsigned number, struct loop *loop,
				   fast_again_fn *fn, void *owner, struct fast_lane **ret);
void fast_lane_destroy(struct fast_lane **lane);

/* Into the kernel, or changed there. False: not now, *ret_why says why (static text); when it waits
 * for a neighbour, the owner is called when there is news. */
bool fast_entry_set(struct fast_lane *lane, struct fast_entry *entry, const struct fast_rule *rule,
		    const char **ret_why);
/* Out of the kernel; its place rests until fast_place_give. Returns it; 0: it had none. A packet that
 * is being forwarded right now may still be counted there for some microseconds. The owner is called
 * on news all the same, until it forgets the entry. */
must_use uint32_t fast_entry_clear(struct fast_lane *lane, struct fast_entry *entry);
void fast_entry_forget(struct fast_lane *lane, struct fast_entry *entry);
void fast_place_give(struct fast_lane *lane, uint32_t place);
/* Mapped memory that the kernel writes: read it as it is. */
const struct fast_count *fast_place_count(const struct fast_lane *lane, uint32_t place);

/* ---- arithmetic, pure ---- */

/* One's complement sum (RFC 1071) of len bytes, an even number, in memory order, folded. */
uint16_t fast_sum(const void *bytes, size_t len);
/* What the UDP checksum's complement gains when `from` becomes `to`. */
uint16_t fast_delta(uint16_t from, uint16_t to);
/* The flow as the program wants it, without place, interface and MAC addresses. */
void fast_flow_fill(const struct fast_rule *rule, struct fast_key *ret_key,
		    struct fast_flow *ret_flow);

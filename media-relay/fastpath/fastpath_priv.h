/* SPDX-License-Identifier: MIT
 * What the files of this room share. */
#pragma once

#include "media-relay/fastpath/fastpath.h"
#include "media-relay/fastpath/netlink.h"

#define INTERFACE_NAME_BYTES 16u

struct fast_interface {
	char name[INTERFACE_NAME_BYTES];
	uint32_t ifindex;
	unsigned char mac[MAC_BYTES];
	uint16_t mtu;
	bool veth;
	bool is_up; /* as a lane heard it last */
	int link_fd; /* the program is there as long as this is open */
	int ring_link_fd; /* likewise of the one that only fills rings */
};

struct bpf_object;
struct fast_umem;

struct fastpath {
	struct bpf_object *object;
	int rings_fd;
	int bases_fd;
	struct fast_row *ports;      /* mapped, as the next two */
	struct fast_record *records; /* 0 is no place */
	struct fast_total *totals;   /* of each processor, of each lane */
	uint32_t processors;
	uint32_t capacity;
	unsigned lanes;
	enum fast_mode mode; /* what was taken: FAST_NATIVE, FAST_TC, FAST_GENERIC; FAST_OFF: only rings */
	struct fast_umem *umem; /* NULL: there are no rings */
	struct fast_interface interfaces[FAST_INTERFACES_MAX];
	size_t interface_count;
};

/* ---- made from relay.bpf.c ---- */
extern const unsigned char fastpath_object[];
extern const size_t fastpath_object_bytes;

/* ---- fastpath.c ---- */

/* Program and maps of `capacity` flows, attached nowhere. */
must_use enum err fast_load(struct fastpath *fastpath);

/* ---- table.c ---- */

/* The record, filled but for `next`, in the place of `before` (0: none), which then rests. False: too
 * many addresses share the slot. */
bool fast_table_put(struct fastpath *fastpath, uint32_t slot, uint32_t before, uint32_t place);
void fast_table_remove(struct fastpath *fastpath, uint32_t slot, uint32_t place);
/* The next hop's MAC address in a record that can be found. */
void fast_table_readdress(struct fastpath *fastpath, uint32_t place, const unsigned char *mac);

/* ---- frame.c: pure ---- */

struct fast_datagram {
	uint32_t place;
	uint64_t arrival_ns;
	struct endpoint source;
	struct endpoint local;
	unsigned char *bytes; /* in the frame */
	size_t len;
};

/* A tagged frame. False: it is not whole, or its UDP checksum does not hold. */
bool fast_frame_cut(unsigned char *frame, size_t len, struct fast_datagram *ret);

/* What stands before a payload on the way out, but for lengths and sums. */
struct fast_head {
	unsigned char bytes[62];
	uint8_t len; /* Ethernet, IP, UDP */
	bool four;
	uint16_t max_bytes; /* of a payload */
	uint32_t ip_sum;
	uint32_t udp_sum;
};

#define FAST_HEAD_MAX_BYTES 62u

void fast_head_fill(const struct fast_rule *rule, const unsigned char mac_to[MAC_BYTES],
		    const unsigned char mac_from[MAC_BYTES], uint16_t mtu, struct fast_head *ret);
void fast_head_move(struct fast_head *head, const unsigned char mac_to[MAC_BYTES],
		    const unsigned char mac_from[MAC_BYTES]);
/* Writes the headers into the FAST_HEAD_MAX_BYTES before the payload; returns where they begin. */
unsigned char *fast_head_put(const struct fast_head *head, unsigned char *payload, size_t len);

/* ---- attach.c ---- */

/* -1: there is none. */
int fast_program_fd(const struct fastpath *fastpath, enum fast_mode mode);

/* Fills interfaces; none: *ret_why. */
must_use enum err fast_interfaces_find(struct fastpath *fastpath,
				       const struct fastpath_options *options, const char **ret_why);
must_use enum err fast_attach(struct fastpath *fastpath, enum fast_mode wanted,
			      const char **ret_why);
/* The program that only fills rings, where the other one cannot: tc knows none. */
must_use enum err fast_attach_rings(struct fastpath *fastpath, const char **ret_why);
void fast_detach_rings(struct fastpath *fastpath);
void fast_detach(struct fastpath *fastpath);

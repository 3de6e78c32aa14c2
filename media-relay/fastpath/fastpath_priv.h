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
	int link_fd; /* the program is there as long as this is open */
};

struct bpf_object;

struct fastpath {
	struct bpf_object *object;
	int flows_fd;
	struct fast_count *counts; /* mapped */
	uint32_t capacity;
	unsigned lanes;
	enum fast_mode mode; /* what was taken: FAST_NATIVE, FAST_TC, FAST_GENERIC */
	struct fast_interface interfaces[FAST_INTERFACES_MAX];
	size_t interface_count;
};

/* ---- made from relay.bpf.c ---- */
extern const unsigned char fastpath_object[];
extern const size_t fastpath_object_bytes;

/* ---- fastpath.c ---- */

/* Program and maps of `capacity` flows, attached nowhere. */
must_use enum err fast_load(struct fastpath *fastpath);

/* ---- attach.c ---- */

/* -1: there is none. */
int fast_program_fd(const struct fastpath *fastpath, enum fast_mode mode);

/* Fills interfaces; none: *ret_why. */
must_use enum err fast_interfaces_find(struct fastpath *fastpath,
				       const struct fastpath_options *options, const char **ret_why);
must_use enum err fast_attach(struct fastpath *fastpath, enum fast_mode wanted,
			      const char **ret_why);
void fast_detach(struct fastpath *fastpath);

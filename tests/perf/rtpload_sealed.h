/* SPDX-License-Identifier: MIT
 * The packets of SRTP that rtpload sends and expects, made beforehand by libsrtp2: the judge is not
 * the transform that is measured. */
#pragma once

#include "lib/ctl/ctl.h"
#include "tests/perf/rtpload.h"

/* The two keys of an end that speaks SRTP, master key and salt each. */
struct sealed_keys {
	unsigned suite; /* enum ctl_srtp_suite; 0: plain */
	unsigned char sends[CTL_SRTP_KEY_MAX];
	unsigned char hears[CTL_SRTP_KEY_MAX];
};

/* False: no such suite, or a key that is not hex or not as long as the suite's. */
bool sealed_keys_parse(const char *suite, const char *sends, const char *hears,
		       struct sealed_keys *ret);
/* Octets that SRTP adds to a packet. */
unsigned sealed_tag_bytes(unsigned suite);
/* Fills the rounds of one end; `sends` and `hears`: numbers of the streams in either direction. */
void sealed_fill(struct load_sealed *table, const struct load_state *state, uint32_t place,
		 const struct sealed_keys *keys, uint32_t sends, uint32_t hears);
/* The SSRC of a stream. */
uint32_t load_ssrc(uint32_t number);

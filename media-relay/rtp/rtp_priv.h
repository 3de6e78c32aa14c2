/* SPDX-License-Identifier: MIT
 * What the files of this room share: lengths of RTCP's parts. */
#pragma once

#include "lib/base/octets.h"
#include "media-relay/rtp/rtp.h"

#define RTCP_PART_BYTES 4u
#define RTCP_SENDER_BYTES 28u /* header, SSRC, sender info */
#define RTCP_RECEIVER_BYTES 8u
#define RTCP_REPORT_BYTES 24u

/* Letters in place of an SDES item's; a shorter text is the beginning of a longer one. */
void rtcp_letters(unsigned char *text, size_t len, uint64_t seed, uint8_t item);

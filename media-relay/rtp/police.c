/* SPDX-License-Identifier: MIT
 * No stream carries much more than its codecs can send: who floods one port from the right address
 * (threats: stream flood) gets a trickle through and no more. A bucket of one second, kept as the time
 * at which it is empty again (GCRA), so that a packet costs a comparison and an addition. */
#include "media-relay/rtp/rtp.h"

#define BURST_US 1000000u /* what a way may hold back and then deliver at once */
#define HEADERS_BYTES 40u /* beside the payload; tiny packets cost too */

bool rtp_police_accept(struct rtp_police *police, size_t len, uint64_t now_us)
{
	uint64_t busy_us;

	if (police->bytes_per_s == 0)
		return true;
	if (police->busy_until_us < now_us)
		police->busy_until_us = now_us;
	busy_us = (len + HEADERS_BYTES) * UINT64_C(1000000) / police->bytes_per_s;
	if (police->busy_until_us + busy_us > now_us + BURST_US)
		return false;
	police->busy_until_us += busy_us;
	return true;
}

/* SPDX-License-Identifier: MIT
 * Datagrams at a media port: classification and arithmetic, whatever the bytes say. */
#include <string.h>

#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_reports(const uint8_t *bytes, size_t len)
{
	struct rtcp_peer peer = { .reported = false };
	struct rtcp_report report;
	struct rtcp_part part;
	uint32_t ntp_middle;
	size_t whole = 0;
	uint8_t copy[4096];

	for (size_t left = len; rtcp_next(&bytes, &left, &part); whole += part.len) {
		if (rtcp_sender_time(&part, &ntp_middle))
			rtcp_peer_sent(&peer, ntp_middle, 1);
		for (unsigned i = 0; rtcp_report(&part, i, &report); i++)
			rtcp_peer_report(&peer, &report, 8000, 40000000);
	}
	ensure(whole == len); /* rtp_classify said so */
	memcpy(copy, bytes - len, len < sizeof(copy) ? len : sizeof(copy));
	if (len <= sizeof(copy)) {
		rtcp_shift_sent(copy, len, 0, 3, 5);
		rtcp_shift_highest(copy, len, 0, -3);
		rtcp_scrub(copy, len, 7);
		ensure(len == 0 || copy[0] == (bytes - len)[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtp_source source = { .valid = false };
	struct rtp_header header;
	uint32_t ssrc;

	/* A row of datagrams: every start in the input, as a stream of one sender. */
	for (size_t at = 0; at <= size && at < 64; at++) {
		enum rtp_kind kind = rtp_classify(data + at, size - at, &header, &ssrc);

		if (kind == RTP_CONTROL)
			read_reports(data + at, size - at);
		if (kind != RTP_MEDIA)
			continue;
		ensure(header.payload_at + header.payload_len <= size - at);
		header.ssrc &= 1;
		rtp_source_count(&source, &header, header.ssrc * 1000003u + at * 20000u,
				 rtp_static_clock_hz(header.payload_type));
		ensure(rtp_source_lost(&source) <= (int64_t)rtp_source_expected(&source));
		ensure(source.reordered + source.duplicated <= at + 1);
		ensure(rtp_source_plausible(&source)); /* a restarted relay would take it */
	}
	return 0;
}

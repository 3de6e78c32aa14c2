/* SPDX-License-Identifier: MIT
 * Datagrams at a media port: classification and arithmetic, whatever the bytes say. */
#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtp_source source = { .valid = false };
	struct rtp_header header;
	uint32_t ssrc;

	/* A row of datagrams: every start in the input, as a stream of one sender. */
	for (size_t at = 0; at <= size && at < 64; at++) {
		if (rtp_classify(data + at, size - at, &header, &ssrc) != RTP_MEDIA)
			continue;
		ensure(header.payload_at + header.payload_len <= size - at);
		header.ssrc &= 1;
		rtp_source_count(&source, &header, header.ssrc * 1000003u + at * 20000u,
				 rtp_static_clock_hz(header.payload_type));
		ensure(rtp_source_lost(&source) <= (int64_t)rtp_source_expected(&source));
		ensure(rtp_mos_x100(rtp_source_expected(&source), rtp_source_lost(&source),
				    rtp_source_jitter_us(&source)) <= 450);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Any bytes as SRTP and SRTCP under every suite, without and with the same bytes as a state; then sealed
 * and opened again. What is refused must be left as it was. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/ensure.h"
#include "media-relay/rtp/rtp.h"
#include "media-relay/srtp/srtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Anything may come: nothing that has no tag is opened, or touched. */
static void open_bytes(struct srtp *srtp, bool control, const uint8_t *data, size_t size,
		       unsigned char *copy)
{
	size_t len = size;

	memcpy(copy, data, size);
	ensure(srtp_unprotect(srtp, control, copy, size, 0, &len) != SRTP_OK);
	ensure(len == size && memcmp(copy, data, size) == 0);
}

/* What is whole RTP or RTCP comes out as it went in; but a state that is this key's own (the fuzzer finds
 * what tells it) may leave it no index. */
static void seal_and_open(struct srtp *srtp, bool fresh, const uint8_t *data, size_t size,
			  unsigned char *copy)
{
	struct rtp_header header;
	size_t len = size;
	uint32_t ssrc;
	enum rtp_kind kind = rtp_classify(data, size, &header, &ssrc);
	enum srtp_verdict verdict;

	if (kind != RTP_MEDIA && kind != RTP_CONTROL)
		return;
	memcpy(copy, data, size);
	verdict = srtp_protect(srtp, kind == RTP_CONTROL, copy, len, &len);
	if (verdict != SRTP_OK) {
		ensure(!fresh && (verdict == SRTP_EXHAUSTED || verdict == SRTP_REPLAYED));
		ensure(len == size && memcmp(copy, data, size) == 0);
		return;
	}
	ensure(len <= size + SRTP_ROOM_BYTES);
	ensure(srtp_unprotect(srtp, kind == RTP_CONTROL, copy, len, 0, &len) == SRTP_OK);
	ensure(len == size && memcmp(copy, data, size) == 0);
}

static void try_suite(struct srtp_engine *engine, enum ctl_srtp_suite suite, bool fresh,
		      const uint8_t *data, size_t size, unsigned char *copy)
{
	static const char key[46] = "a key that no input knows";
	size_t key_len = srtp_master_key_bytes(suite) + srtp_master_salt_bytes(suite);
	struct ctl_srtp_crypto crypto = { .suite = (uint8_t)suite,
					  .key = slice_of(key, key_len),
					  .mki = slice_of("mki", size % 4),
					  .state = slice_of((const char *)data, fresh ? 0 : size) };
	struct srtp *srtp = srtp_create(engine);

	ensure(srtp && srtp_set_receive(srtp, &crypto, 1, 0) == OK &&
	       srtp_set_send(srtp, &crypto) == OK);
	open_bytes(srtp, false, data, size, copy);
	open_bytes(srtp, true, data, size, copy);
	seal_and_open(srtp, fresh, data, size, copy);
	srtp_destroy(&srtp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size + SRTP_ROOM_BYTES); /* its end is the sanitizer's */
	static struct srtp_engine engine; /* its library takes longer to start than an input to try */

	ensure(copy && (engine.library || srtp_engine_init(&engine, 1) == OK));
	size = size > 65535 ? 65535 : size; /* a datagram */
	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++) {
		try_suite(&engine, (enum ctl_srtp_suite)suite, true, data, size, copy);
		try_suite(&engine, (enum ctl_srtp_suite)suite, false, data, size, copy);
	}
	free(copy);
	return 0;
}

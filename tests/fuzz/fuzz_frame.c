/* SPDX-License-Identifier: MIT
 * Framing: split the input anywhere, the result is the same. The first two bytes choose the pieces;
 * what a stream gives is compared as a hash over all results and message bytes. */
#include "lib/base/ensure.h"
#include "lib/base/hash.h"
#include "sbc/edge/frame.h"

#define MAX_BYTES 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t play(struct slice in, size_t piece)
{
	struct frame frame = { 0 };
	size_t at = 0;
	size_t have = piece < in.len ? piece : in.len;
	struct hash_key sum = { 0 };

	for (;;) {
		struct slice input = slice_of(in.p + at, have - at);
		struct frame_cut cut;
		enum frame_result result = frame_next(&frame, input, MAX_BYTES, &cut);

		ensure(cut.consumed <= input.len && cut.message.len <= MAX_BYTES);
		at += cut.consumed;
		sum.k0 += (uint64_t)result * (result != FRAME_MORE);
		sum.k1 = result == FRAME_MORE ? sum.k1 : hash64(&sum, cut.message);
		if (result == FRAME_BAD)
			return hash64(&sum, slice_text(cut.why));
		if (result == FRAME_MORE && have == in.len)
			return sum.k1;
		if (result == FRAME_MORE)
			have = in.len - have > piece ? have + piece : in.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data + 2, size < 2 ? 0 : size - 2);
	uint64_t whole;

	if (size < 2)
		return 0;
	whole = play(in, SIZE_MAX);
	ensure(play(in, 1) == whole);
	ensure(play(in, (size_t)(data[0] | data[1] << 8) + 1) == whole);
	return 0;
}

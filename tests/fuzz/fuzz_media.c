/* SPDX-License-Identifier: MIT
 * A whole exchange: the input up to a byte 0xff is the offer, the rest (or all of it) the answer. What
 * we write parses again and has as many lines as it must. */
#include "tests/support/fuzz_media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice offer = slice_of((const char *)data, size);
	struct slice answer = offer;
	struct fuzz_media fuzz;

	if (slice_cut_char(&answer, (char)0xff, &offer) && answer.len == 0)
		answer = offer;
	for (unsigned way = 0; way < 3; way++) {
		fuzz_media_init(&fuzz, way > 0, way == 2);
		if (fuzz_media_exchange(&fuzz, 0, offer, answer))
			fuzz_media_exchange(&fuzz, 1, answer, offer);
		fuzz_media_fini(&fuzz);
	}
	return 0;
}

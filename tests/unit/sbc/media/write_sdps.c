/* SPDX-License-Identifier: MIT
 * Carries the offers in the files given to the other side and back, plain and with keys, and writes each SDP of ours to
 * standard output, behind its length on a line. For judge_sdps.py, since we do not judge our own
 * writing. */
#include "tests/support/fuzz_media.h"

#include <stdio.h>

static void put(struct slice sdp)
{
	printf("%zu\n%.*s", sdp.len, SLICE_ARG(sdp));
}

static void carry(struct slice offer, bool secure)
{
	struct fuzz_media fuzz;
	struct slice out;

	fuzz_media_init(&fuzz, secure, false);
	if (media_offer_in(fuzz.media, 0, offer, &fuzz.turn, &fuzz.command, &fuzz.verdict) == OK) {
		fuzz_media_ports(&fuzz);
		out = media_offer_out(fuzz.media, &fuzz.turn);
		put(out);
		if (media_answer_in(fuzz.media, out, &fuzz.turn, &fuzz.command, &fuzz.verdict) == OK)
			put(media_answer_out(fuzz.media, &fuzz.turn));
	}
	fuzz_media_fini(&fuzz);
}

int main(int argc, char **argv)
{
	static char storage[65536];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		struct slice offer;

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		offer = slice_of(storage, fread(storage, 1, sizeof(storage), file));
		carry(offer, false);
		carry(offer, true);
		fclose(file);
	}
	return 0;
}

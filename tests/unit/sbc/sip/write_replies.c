/* SPDX-License-Identifier: MIT
 * Answers the requests in the files given and writes each answer to standard output, behind its
 * status and its length on a line. For judge_replies.py, since we do not judge our own writing. */
#include <stdio.h>

#include "sbc/sip/sip.h"

static int answer(struct arena *arena, struct slice bytes)
{
	static const struct endpoint source = { { IP_V4, { 192, 0, 2, 77 } }, 5099 };
	static char storage[80000];
	struct sip_reply_head head;
	struct sip_verdict verdict;
	struct sip_msg msg;
	struct text text;
	uint16_t status;

	if (sip_parse(arena, bytes, &sip_limits_default, &msg, &verdict) == ERR_NOMEM)
		return 1;
	if (!msg.is_request || verdict.drop)
		return 0;
	if (sip_reply_keep(arena, &msg, &source, &head) != OK)
		return 1;
	status = verdict.status ? verdict.status : 200;
	text_init(&text, storage, sizeof(storage));
	sip_reply_write(&text, &head, status, SLICE_NONE, SLICE("ab12"), true);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	printf("%u %zu\n", status, text_done(&text).len);
	fwrite(storage, 1, text_done(&text).len, stdout);
	return text.err == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
	static char storage[65536];
	int failed = 0;

	for (int i = 1; i < argc && !failed; i++) {
		struct arena_cache cache;
		struct arena arena;
		FILE *file = fopen(argv[i], "rb");
		size_t len;

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		len = fread(storage, 1, sizeof(storage), file);
		fclose(file);
		arena_cache_init(&cache, 0);
		arena_init(&arena, &cache, 4096, 1 << 20);
		failed = answer(&arena, slice_of(storage, len));
		arena_fini(&arena);
		arena_cache_fini(&cache);
	}
	return failed;
}

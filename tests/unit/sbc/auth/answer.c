/* SPDX-License-Identifier: MIT
 * Reads a 401 or 407 on standard input and writes the header fields that answer it, for a test in
 * which another implementation is the judge: answer USER PASSWORD METHOD URI NONCE-COUNT. */
#include <stdio.h>
#include <stdlib.h>

#include "sbc/auth/auth.h"

int main(int argc, char **argv)
{
	static char bytes[65536];
	static char storage[65536];
	struct auth_challenge challenges[AUTH_CHALLENGES_MAX];
	struct auth_answer answer = { .cnonce = { "0a4f113b", 8 } };
	struct sip_verdict verdict;
	struct arena_cache cache;
	struct arena arena;
	struct sip_msg msg;
	struct text text;
	size_t count;

	if (argc != 6)
		return 2;
	answer.username = slice_text(argv[1]);
	answer.password = slice_text(argv[2]);
	answer.method = slice_text(argv[3]);
	answer.uri = slice_text(argv[4]);
	answer.nonce_count = (uint32_t)strtoul(argv[5], NULL, 10);
	arena_cache_init(&cache, 0);
	arena_init(&arena, &cache, 4096, 1u << 20);
	if (sip_parse(&arena, slice_of(bytes, fread(bytes, 1, sizeof(bytes), stdin)),
		      &sip_limits_default, &msg, &verdict) != OK)
		return 1;
	text_init(&text, storage, sizeof(storage));
	count = auth_challenges(&msg, challenges);
	for (size_t i = 0; i < count; i++)
		auth_write(&text, &challenges[i], &answer);
	printf("%.*s", SLICE_ARG(text_done(&text)));
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return count == 0 || text.err < 0;
}

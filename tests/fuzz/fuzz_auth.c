/* SPDX-License-Identifier: MIT
 * Challenges; one that is taken is answered, and the answer is one line. */
#include "lib/base/ensure.h"
#include "sbc/auth/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct auth_answer answer = { { "a", 1 },	   { "b", 1 }, { "INVITE", 6 },
						   { "sip:c", 5 }, 1,	       { "d", 1 } };
	struct auth_challenge challenge;
	static char storage[131072];
	struct text text;

	if (auth_challenge_parse(slice_of((const char *)data, size), &challenge) < 0)
		return 0;
	text_init(&text, storage, sizeof(storage));
	auth_write(&text, &challenge, &answer);
	ensure(text_done(&text).len == 0 || storage[text.len - 1] == '\n');
	return 0;
}

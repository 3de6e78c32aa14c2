/* SPDX-License-Identifier: MIT
 * A carrier that asks who we are. Only the leg that we began answers, only with the credentials of
 * the trunk that it was sent to, only for its realm, and each request twice at most (a stale nonce is
 * the second): nobody else can make us show a digest. Within the dialog each request is challenged
 * anew; no credentials are sent on suspicion. */
#include "sbc/call/call_priv.h"

#include "sbc/auth/auth.h"

#define CHALLENGE_MAX_ANSWERS 2u
#define CNONCE_CHARS 16u

bool call_may_be_challenged(const struct call *call, unsigned leg)
{
	return leg == 1 && leg_trunk(call, 1)->auth_username.len > 0;
}

struct slice call_credentials(struct call *call, const struct turn *turn, unsigned leg,
			      const struct sip_msg *msg, uint8_t *answers)
{
	const struct conf_trunk *trunk = leg_trunk(call, 1);
	struct auth_challenge challenges[AUTH_CHALLENGES_MAX];
	struct auth_answer answer = { .username = trunk->auth_username,
				      .password = trunk->auth_password,
				      .method = sip_method_text(msg->method),
				      .uri = call->legs[1].dialog.remote_target,
				      .nonce_count = 1 };
	struct text text;
	struct text cnonce;
	size_t count;
	size_t used = 0;

	if (!call_may_be_challenged(call, leg) || (msg->status != 401 && msg->status != 407) ||
	    *answers >= CHALLENGE_MAX_ANSWERS)
		return SLICE_NONE;
	count = auth_challenges(msg, challenges);
	text_init_arena(&cnonce, turn->arena, CNONCE_CHARS);
	rand_text(call->calls->config.rand, &cnonce, CNONCE_CHARS);
	answer.cnonce = text_done(&cnonce);
	text_init_arena(&text, turn->arena, 512);
	for (size_t i = 0; i < count; i++) {
		bool ours = trunk->auth_realm.len == 0 ||
			    slice_eq(trunk->auth_realm, challenges[i].realm);

		/* The same credentials again would only be refused again (RFC 7616 3.3). */
		if (!ours || (*answers > 0 && !challenges[i].stale))
			continue;
		auth_write(&text, &challenges[i], &answer);
		used++;
	}
	if (used > 0)
		(*answers)++;
	return used > 0 ? text_done(&text) : SLICE_NONE;
}

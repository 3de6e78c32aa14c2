/* SPDX-License-Identifier: MIT
 * Bodies on their way from one leg to the other. What cannot go on in the turn that brought it
 * (ports are asked for, a name is resolved, a target refuses) is kept in the call, in room that is
 * used again by the next exchange. */
#include "sbc/call/call_priv.h"

/* Nearly all messages: nothing but SDP, or nothing. */
static bool nothing_beside(const struct body *body)
{
	return body->octets.len == 0 ||
	       slice_eq_nocase(sip_media_type(body->type), SLICE("application/sdp"));
}

struct body_out call_join(struct call *call, const struct turn *turn, unsigned leg,
			  const struct body *body, struct slice sdp)
{
	struct body_rules rules = { .from = leg_trunk(call, !leg), .to = leg_trunk(call, leg) };
	struct body_out alone = { .type = SLICE("application/sdp"), .octets = sdp };
	struct body_out out;

	if (nothing_beside(body))
		return alone;
	if (body_join(&rules, body, sdp, &call->legs[!leg].secrets, call->calls->config.rand,
		      turn->arena, &out) != OK)
		return alone;
	/* The last look leaves a body with such parts out, so the SDP gets its own. */
	alone.refused = out.refused;
	return out.unread && !call_clean(call, turn, leg, sdp) ? alone : out;
}

enum err call_carry(struct call *call, const struct turn *turn, unsigned leg,
		    const struct sip_msg *msg)
{
	struct body body = body_of(msg);
	struct slice *const pieces[] = { &body.type, &body.disposition, &body.reference,
					 &body.routing, &body.octets };
	struct text text;
	const char *at;
	enum err err;

	call->carried = (struct body){ 0 };
	if (nothing_beside(&body) || leg_trunk(call, leg)->body_count == 0 ||
	    body.octets.len > BODY_MAX_BYTES)
		return OK;
	text_init_arena(&text, turn->arena, body.octets.len + 512);
	for (size_t i = 0; i < array_size(pieces); i++)
		text_slice(&text, *pieces[i]);
	if (text.err != OK)
		return text.err;
	err = dialog_keep(&call->arena, text_done(&text), &call->carried_room.text,
			  &call->carried_room.room);
	if (err != OK)
		return err;
	at = call->carried_room.text.p;
	for (size_t i = 0; i < array_size(pieces); i++) {
		*pieces[i] = slice_of(at, pieces[i]->len);
		at += pieces[i]->len;
	}
	call->carried = body;
	return OK;
}

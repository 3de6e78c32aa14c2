/* SPDX-License-Identifier: MIT
 * What becomes of a call whose media stays away, by its trunk's policy: BYE, nothing, or an OPTIONS
 * inside the dialog, which a peer that lost the call answers with 481 (RFC 5057 5.1) and a dead one not
 * at all. */
#include "sbc/call/call_priv.h"

#define PROBE_LEAST_MS 10000u /* between two of them */

static void silence_end(struct call *call, const struct turn *turn, unsigned leg)
{
	static const char *const causes[] = {
		[CTL_MEDIA_NONE_YET] = "no_media",
		[CTL_MEDIA_TIMEOUT] = "media_timeout",
		[CTL_MEDIA_HOLD_TIMEOUT] = "hold_timeout",
		[CTL_MEDIA_ONE_WAY] = "one_way_media",
	};
	const char *cause = causes[call->legs[leg].silent];

	/* Q.850 102: recovery on timer expiry (RFC 3326). */
	call_terminate(call, turn, 2, 480, call_reason_make(turn, "Q.850", 102));
	call_end(call, turn, "sbc", 200, "media_timeout", cause);
}

static enum conf_timeout_action action_at(const struct call *call, unsigned leg)
{
	const struct conf_trunk *trunk = leg_trunk(call, leg);

	return call->legs[leg].silent == CTL_MEDIA_ONE_WAY ? trunk->media_one_way_action :
							      trunk->media_timeout_action;
}

static void probe_arm(struct call *call, const struct turn *turn, unsigned leg)
{
	uint64_t after_ms = leg_trunk(call, leg)->media_timeout_s * UINT64_C(1000);

	call_timer_start(call, TIMER_PROBE, turn,
			 after_ms > PROBE_LEAST_MS ? after_ms : PROBE_LEAST_MS);
}

static void probe_send(struct call *call, const struct turn *turn, unsigned leg)
{
	struct leg_request options = { .method = SIP_OPTIONS,
				       .purpose = TXN_FOR_PROBE | leg << 8,
				       .max_forwards = SIP_MAX_FORWARDS };

	if (call->legs[leg].probe_out)
		return;
	if (call_request(call, turn, leg, &options, NULL, NULL) == OK)
		call->legs[leg].probe_out = true;
	else
		probe_arm(call, turn, leg);
}

void call_on_probe(struct call *call, const struct turn *turn, unsigned leg, uint16_t code)
{
	if (code < 200)
		return;
	call->legs[leg].probe_out = false;
	if (!call->legs[leg].silent)
		return; /* it speaks again */
	if (code == 481 || code == 408 || code == 503)
		silence_end(call, turn, leg);
	else
		probe_arm(call, turn, leg); /* whatever it said of OPTIONS, it knows the dialog */
}

void call_probe_again(struct call *call, const struct turn *turn)
{
	for (unsigned leg = 0; leg < 2; leg++)
		if (call->state == CALL_ANSWERED && call->legs[leg].silent &&
		    action_at(call, leg) == CONF_TIMEOUT_PROBE)
			probe_send(call, turn, leg);
}

static void on_silence(struct call *call, const struct turn *turn, unsigned leg, uint8_t kind)
{
	call->legs[leg].silent = kind;
	switch (action_at(call, leg)) {
	case CONF_TIMEOUT_BYE:
		silence_end(call, turn, leg);
		break;
	case CONF_TIMEOUT_IGNORE:
		break;
	case CONF_TIMEOUT_PROBE:
		probe_send(call, turn, leg);
		break;
	}
}

void calls_on_media_event(struct calls *calls, const struct turn *turn,
			  const struct ctl_media_event *event)
{
	struct call *call = call_by_session(calls, event->session);

	if (call && call->media && event->kind == CTL_MEDIA_SECURED)
		media_secured(call->media, event); /* it may come before the answer */
	if (!call || call->state != CALL_ANSWERED || event->side > 1)
		return;
	switch (event->kind) {
	case CTL_MEDIA_NONE_YET:
	case CTL_MEDIA_TIMEOUT:
	case CTL_MEDIA_HOLD_TIMEOUT:
		calls->figures.media_timeouts++;
		on_silence(call, turn, event->side, event->kind);
		break;
	case CTL_MEDIA_RESUMED:
		call->legs[event->side].silent = 0;
		break;
	case CTL_MEDIA_DIGIT:
		call_dial_out(call, turn, event->side, event->value);
		break;
	case CTL_MEDIA_ONE_WAY:
		calls->figures.one_way++;
		/* A camera may be off on one side, and a text that nobody writes is none. */
		if (call->media && media_is_audio(call->media, event->stream))
			on_silence(call, turn, event->side, event->kind);
		break;
	default: /* latching and security are the relay's own business */
		break;
	}
}

/* SPDX-License-Identifier: MIT
 * Digits between a side that speaks INFO and one that speaks RFC 4733, by the trunks' policy. INFO
 * becomes an order to the relay and is answered at once: what waits for a far end's ears is no business
 * of a transaction. What the relay heard becomes INFO, one at a time in each dialog, so that digits
 * arrive in the order in which they were dialled (RFC 6086 5.2 has no order of its own). */
#include "sbc/call/call_priv.h"

#include "sbc/call/dtmf.h"

static enum conf_dtmf policy(const struct call *call, unsigned leg)
{
	return leg_trunk(call, leg)->dtmf;
}

/* A digit that comes by INFO from the other leg goes on as an event. */
static bool hears_events(const struct call *call, unsigned leg)
{
	return policy(call, leg) == CONF_DTMF_RFC4733 ||
	       (policy(call, leg) == CONF_DTMF_PASS && policy(call, !leg) == CONF_DTMF_INFO);
}

/* ---- INFO to events ---- */

bool call_dial_in(struct call *call, const struct turn *turn, unsigned leg,
		  const struct sip_msg *msg, struct handle txn)
{
	struct body body = body_of(msg);
	struct slice type = sip_media_type(body.type);
	struct reply reply = { .status = 200 };
	struct ctl_message *message = NULL;
	struct media_digit digit;
	enum err err;

	if (msg->method != SIP_INFO || !dtmf_is_type(type) || !hears_events(call, !leg))
		return false;
	err = dtmf_parse(type, body.octets, &digit);
	if (err == OK)
		message = media_digit(call->media, !leg, &digit, turn->arena);
	if (err == OK && !message)
		return false; /* no events were agreed: it may be understood as it is */
	if (err != OK) {
		reply.accept_digits = err == ERR_UNSUPPORTED;
		reply.status = err == ERR_UNSUPPORTED ? 415 : 400;
	} else if (!turn->relay_up) {
		reply.status = 500;
		reply.retry_after_s = 2;
	}
	call_reply(call, turn, leg, txn, &reply);
	if (reply.status == 200) {
		call->calls->figures.digits[CALL_DIGIT_INFO]++;
		call_relay(call, turn, PURPOSE_NONE, message);
	}
	return true;
}

/* ---- events to INFO ---- */

/* What is not sent now waits for nobody. */
static void dial_next(struct call *call, const struct turn *turn, unsigned leg,
		      struct slice credentials)
{
	struct dialling *dialling = &call->legs[leg].dialling;
	struct leg_request info = { .method = SIP_INFO,
				    .purpose = TXN_FOR_DIGIT | leg << 8,
				    .headers = credentials,
				    .max_forwards = SIP_MAX_FORWARDS };

	if (dialling->count == 0)
		return;
	info.body.type = SLICE("application/dtmf-relay");
	info.body.octets = dtmf_write(turn->arena, &dialling->queue[dialling->first]);
	dialling->out = info.body.octets.len > 0 &&
			call_request(call, turn, leg, &info, NULL, NULL) == OK;
	if (!dialling->out)
		dialling->count = 0;
}

void call_dial_out(struct call *call, const struct turn *turn, unsigned from, uint32_t value)
{
	struct dialling *dialling = &call->legs[!from].dialling;
	uint32_t ms = value & UINT16_MAX;

	if (policy(call, !from) != CONF_DTMF_INFO || value >> 16 > CALL_DIGIT_LAST ||
	    !call->legs[!from].dialog.established)
		return;
	if (dialling->count == CALL_MAX_DIGITS) {
		call->calls->figures.digits[CALL_DIGIT_DROPPED]++;
		return;
	}
	call->calls->figures.digits[CALL_DIGIT_EVENT]++;
	dialling->queue[(dialling->first + dialling->count++) % CALL_MAX_DIGITS] =
		(struct media_digit){
			.event = (uint8_t)(value >> 16),
			.duration_ms = (uint16_t)(ms < DTMF_MIN_MS ? DTMF_MIN_MS :
						  ms > DTMF_MAX_MS ? DTMF_MAX_MS :
								     ms),
		};
	if (!dialling->out)
		dial_next(call, turn, !from, SLICE_NONE);
}

/* Silence for 64*T1 makes what waits stale; any answer lets the next one go. */
void call_on_dialled(struct call *call, const struct turn *turn, unsigned leg,
		     const struct sip_msg *msg, uint16_t code)
{
	struct dialling *dialling = &call->legs[leg].dialling;
	struct slice credentials;

	if (code < 200 || !dialling->out || dialling->count == 0)
		return;
	credentials = msg ? call_credentials(call, turn, leg, msg, &dialling->challenges) :
			    SLICE_NONE;
	if (credentials.len > 0) {
		dial_next(call, turn, leg, credentials);
		return;
	}
	dialling->out = false;
	dialling->challenges = 0;
	dialling->first = (uint8_t)((dialling->first + 1) % CALL_MAX_DIGITS);
	dialling->count = msg ? (uint8_t)(dialling->count - 1) : 0;
	if (code == 481) /* 12.2.1.2: the dialog is gone */
		call_dialog_lost(call, turn, leg, 481);
	else
		dial_next(call, turn, leg, SLICE_NONE);
}

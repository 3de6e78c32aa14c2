/* SPDX-License-Identifier: MIT
 * One gateway. It takes three misses in a row to lose the calls and two answers in a row to get them
 * back, so that a lost datagram does not move them and a flapping gateway does not keep them moving. */
#include "sbc/health/health_priv.h"

const struct health_step health_steps[HEALTH_STATES][HEALTH_EVENTS] = {
	[HEALTH_UNKNOWN] = {
		[HEALTH_ANSWERED] = { HEALTH_UP, 1 },
		[HEALTH_MISSED] = { HEALTH_DOWN, 3 },
		[HEALTH_REFUSED] = { HEALTH_BUSY, 1 },
	},
	[HEALTH_UP] = {
		[HEALTH_ANSWERED] = { HEALTH_UP, 1 },
		[HEALTH_MISSED] = { HEALTH_DOWN, 3 },
		[HEALTH_REFUSED] = { HEALTH_BUSY, 1 },
	},
	[HEALTH_BUSY] = {
		[HEALTH_ANSWERED] = { HEALTH_UP, 1 },
		[HEALTH_MISSED] = { HEALTH_DOWN, 3 },
		[HEALTH_REFUSED] = { HEALTH_BUSY, 1 },
	},
	[HEALTH_DOWN] = {
		[HEALTH_ANSWERED] = { HEALTH_UP, 2 },
		[HEALTH_MISSED] = { HEALTH_DOWN, 1 },
		[HEALTH_REFUSED] = { HEALTH_BUSY, 1 },
	},
};

static void enter(struct health_machine *machine, enum health_state state, uint64_t now_unix_ms)
{
	machine->view.state = state;
	machine->view.changed_unix_ms = now_unix_ms;
	machine->view.busy_until_ms = 0;
	machine->trial_until_ms = 0;
	machine->run = 0;
}

static uint64_t busy_ms(uint32_t retry_after_s)
{
	if (retry_after_s < HEALTH_BUSY_MIN_S)
		retry_after_s = HEALTH_BUSY_MIN_S;
	if (retry_after_s > HEALTH_BUSY_MAX_S)
		retry_after_s = HEALTH_BUSY_MAX_S;
	return (uint64_t)retry_after_s * 1000;
}

/* Misses of a gateway that nobody probes are forgotten: nothing would bring it back. An answer within
 * the time of a Retry-After takes nothing back: it is to a request from before, or to a probe of one
 * that takes no calls (RFC 3261 21.5.4). */
static bool counts(const struct health_machine *machine, const struct health_evidence *evidence)
{
	if (evidence->event == HEALTH_MISSED)
		return machine->probed;
	return evidence->event == HEALTH_REFUSED || machine->view.state != HEALTH_BUSY ||
	       evidence->now_ms >= machine->view.busy_until_ms;
}

bool health_machine_step(struct health_machine *machine, const struct health_evidence *evidence)
{
	struct health_view *view = &machine->view;
	const struct health_step *step = &health_steps[view->state][evidence->event];
	enum health_state before = view->state;

	if (evidence->code)
		view->last_code = evidence->code;
	if (evidence->rtt_us)
		view->rtt_us = evidence->rtt_us;
	if (!counts(machine, evidence))
		return false;
	machine->run = machine->last == evidence->event ? machine->run + 1 : 1;
	machine->last = evidence->event;
	view->missed = evidence->event == HEALTH_MISSED;
	if (machine->run < step->in_a_row)
		return false;
	if (step->next != before)
		enter(machine, step->next, evidence->now_unix_ms);
	if (evidence->event == HEALTH_REFUSED) {
		view->busy_until_ms = evidence->now_ms + busy_ms(evidence->retry_after_s);
		machine->trial_until_ms = 0;
	}
	return step->next != before;
}

void health_machine_set_probed(struct health_machine *machine, bool probed)
{
	if (machine->probed && !probed && machine->view.state == HEALTH_DOWN)
		*machine = (struct health_machine){ 0 };
	machine->probed = probed;
}

bool health_machine_allows(const struct health_machine *machine, uint64_t now_ms)
{
	if (machine->view.state == HEALTH_BUSY)
		return now_ms >= machine->view.busy_until_ms && now_ms >= machine->trial_until_ms;
	return machine->view.state != HEALTH_DOWN;
}

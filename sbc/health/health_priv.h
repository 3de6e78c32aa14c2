/* SPDX-License-Identifier: MIT
 * The machine of one gateway, for the table and its test. */
#pragma once

#include "sbc/health/health.h"

struct health_machine {
	struct health_view view;
	bool probed;
	enum health_event last; /* of the run */
	uint32_t run;           /* how often `last` was seen in a row */
	uint64_t trial_until_ms;
};

/* What to do about an event: so many in a row lead to the next state. */
struct health_step {
	enum health_state next;
	uint32_t in_a_row;
};
extern const struct health_step health_steps[HEALTH_STATES][HEALTH_EVENTS];

/* True: the state changed. */
bool health_machine_step(struct health_machine *machine, const struct health_evidence *evidence);
/* Probing begins or ends. */
void health_machine_set_probed(struct health_machine *machine, bool probed);
bool health_machine_allows(const struct health_machine *machine, uint64_t now_ms);

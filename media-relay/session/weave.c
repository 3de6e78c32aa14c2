/* SPDX-License-Identifier: MIT
 * Sequence numbers of a direction that packets are taken out of and put into. RFC 3550 7.1 lets a
 * translator do so if it renumbers, so that its receiver sees no loss where there was none.
 * Always true: no number leaves twice, however packets were reordered; a number that leaves is above
 * all that left before the last change of the shift. */
#include "media-relay/session/digits_priv.h"

#define REORDER_MAX 64 /* more backward than this is a sender that starts over; more forward, a jump */

void weave_begin(struct weave *weave, uint32_t ssrc, uint16_t highest)
{
	*weave = (struct weave){ .valid = true, .ssrc = ssrc, .highest = highest };
}

/* How far it is ahead of all before; 0 or less: it is not. Moves on with it. */
static int weave_step(struct weave *weave, uint16_t sequence)
{
	int step = (int16_t)(uint16_t)(sequence - weave->highest);

	if (step < -REORDER_MAX) {
		step = 1;
		weave->barred = false;
	}
	if (step > 0)
		weave->highest = sequence;
	if ((uint16_t)(weave->highest - weave->bar) > REORDER_MAX)
		weave->barred = false;
	return step;
}

bool weave_pass(struct weave *weave, uint16_t sequence, uint16_t *ret_sequence)
{
	int step = weave_step(weave, sequence);

	if (step <= 0 && weave->barred && (int16_t)(uint16_t)(sequence - weave->bar) <= 0)
		return false;
	*ret_sequence = (uint16_t)(sequence + weave->shift);
	return true;
}

static void weave_bar(struct weave *weave)
{
	weave->barred = true;
	weave->bar = weave->highest;
}

/* A loss just before it is hidden with it: nobody can say what was lost. */
void weave_swallow(struct weave *weave, uint16_t sequence, size_t octets)
{
	int step = weave_step(weave, sequence);

	weave->packets--;
	weave->octets -= (uint32_t)octets;
	if (step <= 0)
		return;
	weave->shift -= step > REORDER_MAX ? 1 : step;
	weave_bar(weave);
}

uint16_t weave_insert(struct weave *weave, size_t octets)
{
	weave->shift++;
	weave->packets++;
	weave->octets += (uint32_t)octets;
	weave_bar(weave);
	return (uint16_t)(weave->highest + weave->shift);
}

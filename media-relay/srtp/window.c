/* SPDX-License-Identifier: MIT
 * Indices: guessed from 16 bits, remembered for 128 packets back, and kept for a bounded number of
 * SSRCs. The last few that spoke have their whole window; those before them only where they were. */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

#define WINDOW_PACKETS 128u
#define HALF_ROUND 0x8000u

bool srtp_window_started(const struct srtp_window *window)
{
	return (window->seen[0] & 1) != 0;
}

uint64_t srtp_window_guess(const struct srtp_window *window, uint16_t sequence)
{
	uint64_t roll_over = window->highest >> 16;
	uint16_t last = (uint16_t)window->highest;

	if (!srtp_window_started(window))
		return sequence;
	/* Where nothing is below, a far jump can only lead upwards. */
	if (last < HALF_ROUND && sequence > last + HALF_ROUND && roll_over > 0)
		roll_over--;
	else if (last >= HALF_ROUND && sequence < last - HALF_ROUND)
		roll_over++;
	return roll_over << 16 | sequence;
}

bool srtp_window_fresh(const struct srtp_window *window, uint64_t index)
{
	uint64_t back;

	if (!srtp_window_started(window) || index > window->highest)
		return true;
	back = window->highest - index;
	return back < WINDOW_PACKETS && !(window->seen[back / 64] >> back % 64 & 1);
}

static void shift(uint64_t seen[2], uint64_t by)
{
	if (by >= WINDOW_PACKETS) {
		seen[0] = 0;
		seen[1] = 0;
	} else if (by >= 64) {
		seen[1] = seen[0] << (by - 64);
		seen[0] = 0;
	} else if (by > 0) {
		seen[1] = seen[1] << by | seen[0] >> (64 - by);
		seen[0] <<= by;
	}
}

void srtp_window_mark(struct srtp_window *window, uint64_t index)
{
	uint64_t back;

	if (!srtp_window_started(window) || index > window->highest) {
		shift(window->seen, index - window->highest);
		window->highest = index;
	}
	back = window->highest - index;
	if (back < WINDOW_PACKETS)
		window->seen[back / 64] |= UINT64_C(1) << back % 64;
}

void srtp_window_close(struct srtp_window *window, uint64_t highest)
{
	*window = (struct srtp_window){ .highest = highest, .seen = { UINT64_MAX, UINT64_MAX } };
}

/* ---- SSRCs ---- */

static struct srtp_source *active_find(struct srtp_sources *sources, uint32_t ssrc)
{
	for (unsigned i = 0; i < SRTP_ACTIVE; i++)
		if (sources->active[i].used && sources->active[i].ssrc == ssrc)
			return &sources->active[i];
	return NULL;
}

static unsigned retired_find(const struct srtp_sources *sources, uint32_t ssrc)
{
	unsigned i = 0;

	while (i < sources->retired_count && sources->retired[i].ssrc != ssrc)
		i++;
	return i;
}

static struct srtp_source wake(const struct srtp_retired *retired)
{
	struct srtp_source source = { .ssrc = retired->ssrc, .used = true };

	if (retired->started[0])
		srtp_window_close(&source.windows[0],
				  (uint64_t)retired->roll_over << 16 | retired->sequence);
	if (retired->started[1])
		srtp_window_close(&source.windows[1], retired->control_index);
	return source;
}

struct srtp_window srtp_sources_peek(const struct srtp_sources *sources, uint32_t ssrc,
				     bool control)
{
	unsigned at = retired_find(sources, ssrc);

	for (unsigned i = 0; i < SRTP_ACTIVE; i++)
		if (sources->active[i].used && sources->active[i].ssrc == ssrc)
			return sources->active[i].windows[control];
	if (at < sources->retired_count)
		return wake(&sources->retired[at]).windows[control];
	return (struct srtp_window){ .highest = 0 };
}

static void retired_remove(struct srtp_sources *sources, unsigned at)
{
	sources->retired_count--;
	memmove(&sources->retired[at], &sources->retired[at + 1],
		(sources->retired_count - at) * sizeof(sources->retired[0]));
}

static void retire(struct srtp_sources *sources, const struct srtp_source *source)
{
	sources->retired[sources->retired_count++] = (struct srtp_retired){
		.ssrc = source->ssrc,
		.roll_over = (uint32_t)(source->windows[0].highest >> 16),
		.sequence = (uint16_t)source->windows[0].highest,
		.started = { srtp_window_started(&source->windows[0]),
			     srtp_window_started(&source->windows[1]) },
		.control_index = (uint32_t)source->windows[1].highest,
	};
}

struct srtp_source *srtp_sources_take(struct srtp_sources *sources, uint32_t ssrc, bool forget)
{
	struct srtp_source *found = active_find(sources, ssrc);
	struct srtp_source *last = &sources->active[SRTP_ACTIVE - 1];
	unsigned at = retired_find(sources, ssrc);
	struct srtp_source source = { .ssrc = ssrc, .used = true };

	if (found == sources->active)
		return found;
	if (found) {
		source = *found;
	} else {
		if (at < sources->retired_count) {
			source = wake(&sources->retired[at]);
			retired_remove(sources, at);
		} else if (last->used && sources->retired_count == SRTP_RETIRED) {
			if (!forget)
				return NULL;
			retired_remove(sources, 0);
		}
		if (last->used)
			retire(sources, last);
		found = last;
	}
	memmove(&sources->active[1], &sources->active[0],
		(size_t)(found - sources->active) * sizeof(sources->active[0]));
	sources->active[0] = source;
	return &sources->active[0];
}

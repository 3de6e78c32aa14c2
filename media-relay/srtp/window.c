/* SPDX-License-Identifier: MIT
 * Indices: guessed from 16 bits, remembered for 128 packets back, and kept for a bounded number of
 * SSRCs. The last few that spoke have their whole window; those before them only where they were. */
#include "media-relay/srtp/srtp_priv.h"

#include <string.h>

#include "lib/base/ensure.h"

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

static bool is_of(const struct srtp_source *source, uint32_t ssrc)
{
	return source->used && source->ssrc == ssrc;
}

/* Its place among `active`, or SRTP_ACTIVE - 1. */
static unsigned active_find(const struct srtp_more *more, uint32_t ssrc)
{
	unsigned i = 0;

	while (i < SRTP_ACTIVE - 1 && !is_of(&more->active[i], ssrc))
		i++;
	return i;
}

static unsigned retired_find(const struct srtp_more *more, uint32_t ssrc)
{
	unsigned i = 0;

	while (i < more->retired_count && more->retired[i].ssrc != ssrc)
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

static struct srtp_window more_peek(const struct srtp_more *more, uint32_t ssrc, bool control)
{
	unsigned at = active_find(more, ssrc);

	if (at < SRTP_ACTIVE - 1)
		return more->active[at].windows[control];
	at = retired_find(more, ssrc);
	if (at < more->retired_count)
		return wake(&more->retired[at]).windows[control];
	return (struct srtp_window){ .highest = 0 };
}

struct srtp_window srtp_sources_peek(const struct srtp_sources *sources, uint32_t ssrc,
				     bool control)
{
	if (is_of(&sources->latest, ssrc))
		return sources->latest.windows[control];
	if (sources->more)
		return more_peek(sources->more, ssrc, control);
	return (struct srtp_window){ .highest = 0 };
}

static void retired_remove(struct srtp_more *more, unsigned at)
{
	more->retired_count--;
	memmove(&more->retired[at], &more->retired[at + 1],
		(more->retired_count - at) * sizeof(more->retired[0]));
}

static void retire(struct srtp_more *more, const struct srtp_source *source)
{
	more->retired[more->retired_count++] = (struct srtp_retired){
		.ssrc = source->ssrc,
		.roll_over = (uint32_t)(source->windows[0].highest >> 16),
		.sequence = (uint16_t)source->windows[0].highest,
		.started = { srtp_window_started(&source->windows[0]),
			     srtp_window_started(&source->windows[1]) },
		.control_index = (uint32_t)source->windows[1].highest,
	};
}

/* Takes it out, or begins it; the last place of `active` is free then, or the one it had. False: all
 * are taken. */
static bool more_take(struct srtp_more *more, uint32_t ssrc, bool forget, struct srtp_source *ret,
		      unsigned *ret_free)
{
	unsigned at = active_find(more, ssrc);
	const struct srtp_source *last = &more->active[SRTP_ACTIVE - 2];

	*ret_free = at;
	if (at < SRTP_ACTIVE - 1) {
		*ret = more->active[at];
		return true;
	}
	*ret_free = SRTP_ACTIVE - 2;
	*ret = (struct srtp_source){ .ssrc = ssrc, .used = true };
	at = retired_find(more, ssrc);
	if (at < more->retired_count) {
		*ret = wake(&more->retired[at]);
		retired_remove(more, at);
	} else if (last->used && more->retired_count == SRTP_RETIRED) {
		if (!forget)
			return false;
		retired_remove(more, 0);
	}
	if (last->used)
		retire(more, last);
	return true;
}

static struct srtp_more *more_of(struct srtp_engine *engine, struct srtp_sources *sources)
{
	struct handle handle;

	if (sources->more)
		return sources->more;
	sources->more = pool_take(&engine->more, &handle);
	ensure(sources->more); /* reserved when the key was made */
	sources->more->handle = handle;
	return sources->more;
}

struct srtp_source *srtp_sources_take(struct srtp_engine *engine, struct srtp_sources *sources,
				      uint32_t ssrc, bool forget)
{
	struct srtp_source *latest = &sources->latest;
	struct srtp_source source;
	struct srtp_more *more;
	unsigned at;

	if (is_of(latest, ssrc))
		return latest;
	if (!latest->used) {
		*latest = (struct srtp_source){ .ssrc = ssrc, .used = true };
		return latest;
	}
	more = more_of(engine, sources);
	if (!more_take(more, ssrc, forget, &source, &at))
		return NULL;
	memmove(&more->active[1], &more->active[0], at * sizeof(more->active[0]));
	more->active[0] = *latest;
	*latest = source;
	return latest;
}

enum err srtp_sources_reserve(struct srtp_engine *engine)
{
	return pool_reserve(&engine->more, engine->keys[0].live + engine->keys[1].live);
}

void srtp_sources_clear(struct srtp_engine *engine, struct srtp_sources *sources)
{
	if (sources->more)
		pool_give(&engine->more, sources->more->handle);
	*sources = (struct srtp_sources){ .more = NULL };
}

/* SPDX-License-Identifier: MIT
 * Who sits in the ring: a completion names a seat and who it was given to, so what comes late, for a port
 * that has left, is nobody's. Ports whose receive ended wait in a ring of their own.
 * lint: owns storage because a ring lives as long as its worker. */
#include "media-relay/io/uring_priv.h"

#include <stdlib.h>
#include <string.h>

#define SEATS_EXPECTED 64u
#define SEATS_MAX (1u << 20)
#define GENERATIONS (1u << 12)

static bool grow(struct seats *seats)
{
	uint32_t count = seats->count ? 2 * seats->count : SEATS_EXPECTED;
	struct seat *at = count > SEATS_MAX ? NULL : realloc(seats->at, count * sizeof(*at));

	if (!at)
		return false;
	memset(at + seats->count, 0, (count - seats->count) * sizeof(*at));
	for (uint32_t i = count - 1; i >= seats->count && i > 0; i--) {
		at[i].next = seats->free;
		seats->free = i;
	}
	seats->at = at;
	seats->count = count;
	return true;
}

bool seats_take(struct seats *seats, struct io_port *port)
{
	if (seats->free == 0 && !grow(seats))
		return false;
	port->seat = seats->free;
	seats->free = seats->at[port->seat].next;
	seats->at[port->seat].port = port;
	return true;
}

void seats_give(struct seats *seats, struct io_port *port)
{
	struct seat *seat = &seats->at[port->seat];

	seats_wait_over(seats, port->seat);
	seat->port = NULL;
	seat->generation = (seat->generation + 1) % GENERATIONS;
	seat->next = seats->free;
	seats->free = port->seat;
	port->seat = 0;
}

void seats_wait(struct seats *seats, uint32_t number)
{
	struct seat *at = seats->at, *seat = &at[number];

	if (seat->waits)
		return;
	seat->waits = true;
	seat->prev = at[0].prev;
	seat->next = 0;
	at[seat->prev].next = number;
	at[0].prev = number;
}

void seats_wait_over(struct seats *seats, uint32_t number)
{
	struct seat *at = seats->at, *seat = &at[number];

	if (!seat->waits)
		return;
	seat->waits = false;
	at[seat->prev].next = seat->next;
	at[seat->next].prev = seat->prev;
}

void seats_fini(struct seats *seats)
{
	free(seats->at);
	*seats = (struct seats){ .at = NULL };
}

/* SPDX-License-Identifier: MIT
 * Two sides and what they say, for tests of whole exchanges. */
#pragma once

#include "tests/support/media_world.h"

#define SDP(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define A SDP("10.1.1.1")
#define B SDP("10.2.2.2")
#define PCMU "m=audio 4000 RTP/AVP 0\r\n"
#define TO_B "IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
#define TO_A "IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static inline int setup(void **state)
{
	static struct world world;

	world_init(&world);
	world_sides(&world);
	*state = &world;
	return 0;
}

static inline int teardown(void **state)
{
	world_fini(*state);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

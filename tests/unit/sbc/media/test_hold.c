/* SPDX-License-Identifier: MIT
 * Every form of hold (RFC 3264 8.4, RFC 2543), what goes to the other side, what the answer may say,
 * and what the relay is told. */
#include "tests/support/media_world.h"

#define OPEN(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define OPEN6 "v=0\r\no=- 1 1 IN IP6 ::\r\ns=-\r\nc=IN IP6 ::\r\nt=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"
#define A OPEN("10.1.1.1") AUDIO
#define B OPEN("10.2.2.2") AUDIO
#define ZERO OPEN("0.0.0.0") AUDIO
#define SESSION(direction) OPEN("10.1.1.1") "a=" direction "\r\n" AUDIO
#define RX CTL_RECEIVE
#define TX CTL_TRANSMIT

struct hold {
	const char *offer, *answer;
	const char *onwards, *back; /* directions written */
	uint8_t flags[2];	    /* the relay's, for side 0 (the holder) and 1 */
};

static const struct hold holds[] = {
	{ A "a=sendonly\r\n", B "a=recvonly\r\n", "sendonly", "recvonly", { RX, TX } },
	{ A "a=inactive\r\n", B "a=inactive\r\n", "inactive", "inactive", { 0, 0 } },
	{ A "a=recvonly\r\n", B "a=sendonly\r\n", "recvonly", "sendonly", { TX, RX } },
	{ SESSION("sendonly"), B "a=recvonly\r\n", "sendonly", "recvonly", { RX, TX } },
	{ SESSION("inactive"), B "a=inactive\r\n", "inactive", "inactive", { 0, 0 } },
	/* The line's own attribute beats the session's. */
	{ SESSION("inactive") "a=sendrecv\r\n", B, "sendrecv", "sendrecv", { RX | TX, RX | TX } },
	/* RFC 2543: nothing may be sent there; the holder may still send (music). */
	{ ZERO, B "a=recvonly\r\n", "sendonly", "recvonly", { RX, TX } },
	{ ZERO "a=sendrecv\r\n", B, "sendonly", "recvonly", { RX, TX } },
	{ ZERO "a=sendonly\r\n", B, "sendonly", "recvonly", { RX, TX } },
	{ ZERO "a=inactive\r\n", B, "inactive", "inactive", { 0, 0 } },
	{ ZERO "a=recvonly\r\n", B, "inactive", "inactive", { 0, 0 } },
	{ OPEN6 AUDIO, B, "sendonly", "recvonly", { RX, TX } },
	/* A c= of the line hides the session's. */
	{ OPEN("10.1.1.1") AUDIO "c=IN IP4 0.0.0.0\r\n", B, "sendonly", "recvonly", { RX, TX } },
	{ OPEN("0.0.0.0") AUDIO "c=IN IP4 10.1.1.1\r\n", B, "sendrecv", "sendrecv",
	  { RX | TX, RX | TX } },
	/* Answers that say more than they may are cut down (RFC 3264 6.1). */
	{ A "a=sendonly\r\n", B "a=sendrecv\r\n", "sendonly", "recvonly", { RX, TX } },
	{ A "a=sendonly\r\n", B "a=sendonly\r\n", "sendonly", "inactive", { 0, 0 } },
	{ A "a=inactive\r\n", B, "inactive", "inactive", { 0, 0 } },
	{ A "a=recvonly\r\n", B, "recvonly", "sendonly", { TX, RX } },
	/* The answerer holds at once. */
	{ A, ZERO, "sendrecv", "sendonly", { TX, RX } },
	{ A, B "a=inactive\r\n", "sendrecv", "inactive", { 0, 0 } },
	/* b=AS:0 is no hold. */
	{ OPEN("10.1.1.1") AUDIO "b=AS:0\r\n", B, "sendrecv", "sendrecv", { RX | TX, RX | TX } },
};

/* The one direction attribute of a text. */
static void expect_direction(struct slice sdp, const char *direction)
{
	static const char *const all[] = { "sendrecv", "sendonly", "recvonly", "inactive" };
	char line[32];

	for (size_t i = 0; i < array_size(all); i++) {
		snprintf(line, sizeof(line), "a=%s\r\n", all[i]);
		assert_int_equal(slice_has(sdp, line), strcmp(all[i], direction) == 0);
	}
}

static void play(const struct hold *hold, bool established)
{
	struct world w;
	struct slice sdp;

	world_init(&w);
	world_sides(&w);
	if (established)
		world_exchange(&w, 0, A, B);
	sdp = world_offer(&w, 0, hold->offer);
	expect_direction(sdp, hold->onwards);
	assert_true(slice_has(sdp, "c=IN IP4 198.51.100.1\r\n"));
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 0\r\n"));
	sdp = world_answer(&w, hold->answer);
	expect_direction(sdp, hold->back);
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 0\r\n"));
	for (unsigned side = 0; side < 2; side++) {
		const struct ctl_stream_set *set = world_stream(&w, 0, side);

		assert_int_equal(set->direction, hold->flags[side]);
		/* Never towards 0.0.0.0; where the side had an address it stays, for RTCP. */
		assert_false(set->remote_rtp.ip.family != IP_NONE &&
			     ip_unspecified(&set->remote_rtp.ip));
		if (established)
			assert_int_equal(set->remote_rtp.port, 4000);
	}
	media_commit(w.media);
	/* Resume: no attribute means sendrecv. */
	sdp = world_offer(&w, 0, A);
	expect_direction(sdp, "sendrecv");
	expect_direction(world_answer(&w, B), "sendrecv");
	assert_int_equal(world_stream(&w, 0, 0)->direction, RX | TX);
	assert_int_equal(world_stream(&w, 0, 0)->remote_rtp.port, 4000);
	assert_int_equal(w.ports_given, 2);
	world_fini(&w);
}

static void test_every_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(holds); i++) {
		play(&holds[i], false);
		play(&holds[i], true);
	}
}

/* Both hold; one resumes, the other still holds. */
static void test_both_hold(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_sides(&w);
	world_exchange(&w, 0, A, B);
	world_exchange(&w, 0, A "a=sendonly\r\n", B "a=recvonly\r\n");
	expect_direction(world_offer(&w, 1, B "a=inactive\r\n"), "inactive");
	expect_direction(world_answer(&w, A "a=inactive\r\n"), "inactive");
	media_commit(w.media);
	expect_direction(world_offer(&w, 1, B), "sendrecv");
	expect_direction(world_answer(&w, A "a=sendonly\r\n"), "sendonly");
	assert_int_equal(world_stream(&w, 0, 0)->direction, RX);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form),
		cmocka_unit_test(test_both_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Exchanges between two sides: RFC 3264 section 10's examples carried through, the o= version rule,
 * re-offers, refusals, early answers, failover and rollback. */
#include "tests/support/media_world.h"

#define SDP(address) "v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define A SDP("10.1.1.1")
#define B SDP("10.2.2.2")
#define PCMU "m=audio 4000 RTP/AVP 0\r\n"
#define TO_B "IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
#define TO_A "IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static int setup(void **state)
{
	struct world *w = malloc(sizeof(*w));

	world_init(w);
	world_sides(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

/* RFC 3264 10.1: Alice offers one audio with three codecs and two videos; Bob takes the audio with two
 * codecs and one video, and refuses the other. */
static void test_rfc3264_10_1(void **state)
{
	struct world *w = *state;
	struct slice offer = world_offer(w, 0,
					 "v=0\r\n"
					 "o=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\n"
					 "s=\r\n"
					 "c=IN IP4 10.1.1.1\r\n"
					 "t=0 0\r\n"
					 "m=audio 49170 RTP/AVP 0 8 97\r\n"
					 "a=rtpmap:0 PCMU/8000\r\n"
					 "a=rtpmap:8 PCMA/8000\r\n"
					 "a=rtpmap:97 iLBC/8000\r\n"
					 "m=video 51372 RTP/AVP 31 32\r\n"
					 "a=rtpmap:31 H261/90000\r\n"
					 "a=rtpmap:32 MPV/90000\r\n");
	struct slice answer;

	assert_int_equal(w->command->type, CTL_session_set);
	assert_int_equal(w->command->session_set.streams_count, 4);
	assert_int_equal(w->command->session_set.first_timeout_ms, 0);
	world_expect(offer, 1,
		     TO_B "m=audio 30000 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\n"
			  "a=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\na=sendrecv\r\n"
			  "m=video 30002 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\n"
			  "a=rtpmap:32 MPV/90000\r\na=sendrecv\r\n");
	answer = world_answer(w, "v=0\r\n"
				 "o=bob 2808844564 2808844564 IN IP4 host.biloxi.example.com\r\n"
				 "s=\r\n"
				 "c=IN IP4 10.2.2.2\r\n"
				 "t=0 0\r\n"
				 "m=audio 49174 RTP/AVP 0\r\n"
				 "a=rtpmap:0 PCMU/8000\r\n"
				 "m=video 49170 RTP/AVP 32\r\n"
				 "a=rtpmap:32 MPV/90000\r\n");
	world_expect(answer, 1,
		     TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=video 20002 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\na=sendrecv\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 49174);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.port, 49175);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.port, 49170);
	assert_int_equal(world_stream(w, 0, 0)->direction, CTL_RECEIVE | CTL_TRANSMIT);
	media_commit(w->media);
	assert_false(media_exchange_open(w->media));
	assert_null(media_settle(w->media, &w->turn));
}

static void test_refresh_is_identical(void **state)
{
	struct world *w = *state;
	struct slice first = world_offer(w, 0, A PCMU);
	struct slice answer = world_answer(w, B PCMU);
	struct slice again;

	media_commit(w->media);
	assert_true(slice_eq(media_last_sdp(w->media, 0), answer));
	assert_true(slice_eq(media_last_sdp(w->media, 1), first));
	again = world_offer(w, 0, A PCMU);
	assert_null(w->command);
	assert_true(slice_eq(first, again));
	again = world_answer(w, B PCMU);
	assert_true(slice_eq(answer, again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rfc3264_10_1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refresh_is_identical, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Exchanges between two sides: RFC 3264 section 10's examples carried through, the o= version rule,
 * re-offers, refusals, early answers, failover and rollback. */
#include "tests/unit/sbc/media/exchange.h"

/* RFC 4317 2.1: the answer takes one codec of each line. */
static void test_rfc4317_2_1(void **state)
{
	struct world *w = *state;
	struct slice offer = world_offer(w, 0,
					 "v=0\r\n"
					 "o=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com\r\n"
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
	assert_int_equal(world_stream(w, 1, 0)->remote_rtp.port, 51372);
	assert_int_equal(world_stream(w, 1, 1)->remote_rtp.ip.family, IP_NONE);
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

#define BOB "v=0\r\no=bob 2890844730 2890844731 IN IP4 host.example.com\r\ns=\r\n" \
	    "c=IN IP4 10.2.2.2\r\nt=0 0\r\n"

/* RFC 3264 10.1: the answer refuses one of three lines; later its author moves his audio port and adds
 * a line for events alone. */
static void test_rfc3264_10_1(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_offer(w, 0,
		    "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\ns=\r\n"
		    "c=IN IP4 10.1.1.1\r\nt=0 0\r\n"
		    "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
		    "m=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"
		    "m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n");
	sdp = world_answer(w, BOB "m=audio 49920 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
				  "m=video 0 RTP/AVP 31\r\n"
				  "m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n");
	world_expect(sdp, 1,
		     TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=video 0 RTP/AVP 31\r\n"
			  "m=video 20004 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\na=sendrecv\r\n");
	media_commit(w->media);
	w->command = media_settle(w->media, &w->turn);
	assert_int_equal(w->command->session_set.streams_count, 1);
	assert_int_equal(w->command->session_set.streams[0].flags, CTL_STREAM_REMOVE);
	assert_int_equal(w->command->session_set.streams[0].stream, 1);
	assert_null(media_settle(w->media, &w->turn));

	sdp = world_offer(w, 1,
			  BOB "m=audio 65422 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
			      "m=video 0 RTP/AVP 31\r\n"
			      "m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n"
			      "m=audio 51434 RTP/AVP 110\r\n"
			      "a=rtpmap:110 telephone-event/8000\r\na=recvonly\r\n");
	/* Only the new line needed ports. */
	assert_int_equal(w->command->session_set.streams_count, 2);
	assert_int_equal(world_stream(w, 3, 1)->remote_rtp.port, 51434);
	assert_int_equal(world_stream(w, 3, 1)->direction, CTL_TRANSMIT);
	world_expect(sdp, 2,
		     TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=video 0 RTP/AVP 0\r\n"
			  "m=video 20004 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\na=sendrecv\r\n"
			  "m=audio 20006 RTP/AVP 110\r\na=rtpmap:110 telephone-event/8000\r\n"
			  "a=recvonly\r\n");
	sdp = world_answer(w, A "m=audio 49170 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n"
				"m=video 53000 RTP/AVP 32\r\n"
				"m=audio 53122 RTP/AVP 110\r\n"
				"a=rtpmap:110 telephone-event/8000\r\na=sendonly\r\n");
	world_expect(sdp, 2,
		     TO_B "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=video 0 RTP/AVP 31\r\n"
			  "m=video 30004 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\na=sendrecv\r\n"
			  "m=audio 30006 RTP/AVP 110\r\na=rtpmap:110 telephone-event/8000\r\n"
			  "a=sendonly\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 65422);
	assert_int_equal(world_stream(w, 3, 0)->direction, CTL_RECEIVE);
	assert_int_equal(world_stream(w, 3, 0)->payloads_count, 1);
	assert_int_equal(world_stream(w, 3, 0)->payloads[0].kind, CTL_PAYLOAD_EVENT);
}

/* RFC 3264 10.2: one of N codecs; the exchange narrows it down. */
static void test_rfc3264_10_2(void **state)
{
	struct world *w = *state;

	world_exchange(w, 0,
		       A "m=audio 62986 RTP/AVP 0 4 18\r\na=rtpmap:0 PCMU/8000\r\n"
			 "a=rtpmap:4 G723/8000\r\na=rtpmap:18 G729/8000\r\na=inactive\r\n",
		       B "m=audio 54344 RTP/AVP 0 4\r\na=rtpmap:0 PCMU/8000\r\n"
			 "a=rtpmap:4 G723/8000\r\na=inactive\r\n");
	assert_int_equal(world_stream(w, 0, 0)->direction, 0);
	world_expect(media_last_sdp(w->media, 0), 1,
		     TO_A "m=audio 20000 RTP/AVP 0 4\r\na=rtpmap:0 PCMU/8000\r\n"
			  "a=rtpmap:4 G723/8000\r\na=inactive\r\n");
	world_expect(world_offer(w, 0, A "m=audio 62986 RTP/AVP 4\r\na=rtpmap:4 G723/8000\r\n"
					 "a=sendrecv\r\n"),
		     2, TO_B "m=audio 30000 RTP/AVP 4\r\na=rtpmap:4 G723/8000\r\na=sendrecv\r\n");
	assert_null(w->command);
	world_expect(world_answer(w, B "m=audio 54344 RTP/AVP 4\r\na=rtpmap:4 G723/8000\r\n"
				       "a=sendrecv\r\n"),
		     2, TO_A "m=audio 20000 RTP/AVP 4\r\na=rtpmap:4 G723/8000\r\na=sendrecv\r\n");
	assert_int_equal(world_stream(w, 0, 0)->direction, CTL_RECEIVE | CTL_TRANSMIT);
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

/* The version grows by one exactly when something else differs from what was last sent. */
static void test_version(void **state)
{
	struct world *w = *state;

	world_exchange(w, 0, A PCMU, B PCMU);
	world_exchange(w, 0, A PCMU "a=sendonly\r\n", B PCMU "a=recvonly\r\n");
	assert_true(slice_has(media_last_sdp(w->media, 1), " 2 IN IP4 198.51.100.1\r\n"));
	assert_true(slice_has(media_last_sdp(w->media, 0), " 2 IN IP4 192.0.2.1\r\n"));
	/* Another port at the far side is no news for this one. */
	world_exchange(w, 0, A "m=audio 4444 RTP/AVP 0\r\na=sendonly\r\n", B PCMU "a=recvonly\r\n");
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.port, 4444);
	assert_true(slice_has(media_last_sdp(w->media, 1), " 2 IN IP4 198.51.100.1\r\n"));
	world_exchange(w, 1, B PCMU, A PCMU);
	assert_true(slice_has(media_last_sdp(w->media, 1), " 3 IN IP4 198.51.100.1\r\n"));
	assert_true(slice_has(media_last_sdp(w->media, 0), " 3 IN IP4 192.0.2.1\r\n"));
	assert_int_equal(w->ports_given, 2);
}

static void test_refused_offers(void **state)
{
	static const struct {
		const char *sdp;
		uint16_t status;
		const char *why;
	} cases[] = {
		{ "", 400, "sdp_syntax" },
		{ A "m=audio x RTP/AVP 0\r\n", 400, "sdp_syntax" },
		{ A, 488, "no_media" },
		{ A "m=audio 0 RTP/AVP 0\r\n", 488, "no_media" },
		{ A "m=audio 4000 RTP/SAVP 0\r\n", 488, "srtp_off" },
		{ A "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n", 488, "srtp_off" },
		{ A "m=image 4000 udptl jpeg\r\n", 488, "media_unusable" },
		{ A "m=application 4000 RTP/AVP 0\r\n", 488, "media_unusable" },
		{ SDP("224.2.1.1") PCMU, 488, "media_address" },
		{ "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nt=0 0\r\n" PCMU, 488, "media_address" },
		{ A "m=audio 4000 RTP/AVP 96\r\n", 488, "no_codec" },
		{ A "m=audio 4000 RTP/AVP 96 101\r\na=rtpmap:101 telephone-event/8000\r\n", 488,
		  "no_codec" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		assert_int_equal(media_offer_in(w->media, 0, slice_text(cases[i].sdp), &w->turn,
						&w->command, &w->verdict),
				 ERR_REFUSED);
		assert_int_equal(w->verdict.status, cases[i].status);
		assert_string_equal(w->verdict.why, cases[i].why);
		assert_null(w->command);
		assert_false(media_exchange_open(w->media));
	}
	assert_false(media_has_session(w->media));
	world_exchange(w, 0, A PCMU, B PCMU);
}

static void test_refused_answers(void **state)
{
	static const struct {
		const char *sdp;
		uint16_t status;
		const char *why;
	} cases[] = {
		{ "v=0\r\n", 400, "sdp_syntax" },
		{ B PCMU PCMU, 488, "answer_lines" },
		{ B "m=audio 4000 RTP/AVP 8\r\n", 488, "answer_codec" },
		{ B "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n", 488,
		  "answer_codec" },
		{ B "m=video 4000 RTP/AVP 0\r\n", 488, "answer_codec" },
		{ B "m=audio 4000 RTP/AVPF 0\r\n", 488, "answer_codec" },
	};
	struct world *w = *state;
	struct slice answer;

	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
	answer = world_answer(w, B PCMU);
	for (size_t i = 0; i < array_size(cases); i++) {
		assert_int_equal(media_answer_in(w->media, slice_text(cases[i].sdp), &w->turn,
						 &w->command, &w->verdict),
				 ERR_REFUSED);
		assert_int_equal(w->verdict.status, cases[i].status);
		assert_string_equal(w->verdict.why, cases[i].why);
		assert_null(w->command);
		/* The earlier answer stands. */
		assert_true(slice_eq(media_answer_out(w->media, &w->turn), answer));
	}
}

static void test_states(void **state)
{
	struct world *w = *state;

	assert_int_equal(media_answer_in(w->media, SLICE(B PCMU), &w->turn, &w->command, &w->verdict),
			 ERR_STATE);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), ERR_STATE);
	assert_int_equal(media_offer_out(w->media, &w->turn).len, 0);
	assert_int_equal(media_answer_out(w->media, &w->turn).len, 0);
	assert_int_equal(media_reject_out(w->media, &w->turn).len, 0);
	assert_int_equal(media_last_sdp(w->media, 0).len, 0);
	assert_int_equal(media_offer_in(w->media, 0, SLICE(A PCMU), &w->turn, &w->command,
					&w->verdict),
			 OK);
	/* The relay has not answered yet. */
	assert_int_equal(media_offer_out(w->media, &w->turn).len, 0);
	assert_int_equal(media_answer_in(w->media, SLICE(B PCMU), &w->turn, &w->command, &w->verdict),
			 ERR_STATE);
	assert_int_equal(media_offer_in(w->media, 1, SLICE(B PCMU), &w->turn, &w->command,
					&w->verdict),
			 ERR_STATE);
	assert_true(media_exchange_open(w->media) && !media_answered(w->media));
	assert_int_equal(media_offerer(w->media), 0);
}

/* Every line refused with port 0 is an answer like others. */
static void test_answer_of_zeros(void **state)
{
	struct world *w = *state;

	world_offer(w, 0, A PCMU);
	world_expect(world_answer(w, B "m=audio 0 RTP/AVP 0\r\n"), 1,
		     TO_A "m=audio 0 RTP/AVP 0\r\n");
	media_commit(w->media);
	assert_non_null(media_settle(w->media, &w->turn));
}

/* Unusable lines go on with port 0, in words of ours to the other side and in his own to its author. */
static void test_unusable_lines(void **state)
{
	struct world *w = *state;
	struct slice sdp = world_offer(
		w, 0, A "m=foobar 1000 what/ever x y\r\n" PCMU "m=image 2000 udptl t42\r\n"
			"m=audio 3000 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:k\r\n");

	world_expect(sdp, 1,
		     TO_B "m=application 0 RTP/AVP 0\r\n"
			  "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=image 0 udptl t38\r\nm=audio 0 RTP/SAVP 0\r\n");
	sdp = world_answer(w, B "m=application 0 RTP/AVP 0\r\n" PCMU
				"m=image 0 udptl t38\r\nm=audio 0 RTP/SAVP 0\r\n");
	world_expect(sdp, 1,
		     TO_A "m=foobar 0 what/ever x\r\n"
			  "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
			  "m=image 0 udptl t42\r\nm=audio 0 RTP/SAVP 0\r\n");
}

static void test_late_offer(void **state)
{
	struct world *w = *state;
	struct slice sdp = world_offer(w, 1, B PCMU);

	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 4000);
	world_expect(sdp, 1, TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	assert_int_equal(media_offerer(w->media), 1);
	world_expect(media_reject_out(w->media, &w->turn), 1, TO_B "m=audio 0 RTP/AVP 0\r\n");
	world_expect(world_answer(w, A PCMU), 2,
		     TO_B "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
}

static void test_describe(void **state)
{
	struct world *w = *state;
	struct ctl_stream_stats figures[1] = {
		{ .stream = 0, .side = 1, .packets_received = 9, .packets_lost = -1, .mos_x100 = 420 }
	};
	struct ctl_session_stats stats = { .streams = figures, .streams_count = 1 };
	struct ctl_media_info *infos;
	uint32_t count;

	world_exchange(w, 0, A "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
			       "m=video 6000 RTP/AVP 31\r\n",
		       B "m=audio 5000 RTP/AVP 101 8\r\na=rtpmap:101 telephone-event/8000\r\n"
			 "m=video 0 RTP/AVP 31\r\n");
	assert_int_equal(media_describe(w->media, &w->turn, &infos, &count), OK);
	assert_int_equal(count, 2);
	assert_slice(infos[0].kind, "audio");
	assert_slice(infos[1].codec, "PCMA");
	assert_int_equal(infos[0].remote.port, 4000);
	assert_int_equal(infos[1].remote.port, 5000);
	assert_int_equal(infos[0].local.port, 20000);
	assert_int_equal(infos[1].local.port, 30000);
	media_add_stats(infos, count, &stats);
	assert_int_equal(infos[0].packets_received, 0);
	assert_int_equal(infos[1].packets_received, 9);
	assert_int_equal(infos[1].packets_lost, -1);
	assert_int_equal(infos[1].mos_x100, 420);
}

static void test_shown_address(void **state)
{
	struct world *w = *state;

	w->shown[1] = world_ip("2001:db8::9");
	world_expect(world_offer(w, 0, A PCMU), 1,
		     "IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\n"
		     "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rfc4317_2_1),
		T(test_rfc3264_10_1),
		T(test_rfc3264_10_2),
		T(test_refresh_is_identical),
		T(test_version),
		T(test_refused_offers),
		T(test_refused_answers),
		T(test_states),
		T(test_answer_of_zeros),
		T(test_unusable_lines),
		T(test_late_offer),
		T(test_describe),
		T(test_shown_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

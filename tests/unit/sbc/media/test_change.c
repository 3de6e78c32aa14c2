/* SPDX-License-Identifier: MIT
 * What changes after the first exchange: another target, refused offers, lines that go and come back,
 * a relay that lost all. */
#include "tests/unit/sbc/media/exchange.h"

/* Slots keep their place even when a re-offer forgets them; its author gets as many as it had. */
static void test_forgotten_lines(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_exchange(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\n", B PCMU "m=video 0 RTP/AVP 31\r\n");
	sdp = world_offer(w, 0, A PCMU);
	world_expect(sdp, 2, TO_B "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
				  "m=video 0 RTP/AVP 0\r\n");
	sdp = world_answer(w, B PCMU "m=video 0 RTP/AVP 31\r\n");
	world_expect(sdp, 2, TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	media_commit(w->media);
	/* An answer with too few lines refuses the rest. */
	world_offer(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\n");
	sdp = world_answer(w, B PCMU);
	assert_true(slice_has(sdp, "m=video 0 RTP/AVP 31\r\n"));
}

/* 183, 183 and 200: an equal answer asks nothing of the relay, another one replaces the first. */
static void test_early_answers(void **state)
{
	struct world *w = *state;
	struct slice first, same, other;
	size_t held;

	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 8\r\n");
	first = world_answer(w, B PCMU);
	assert_non_null(w->command);
	same = world_answer(w, B PCMU);
	assert_null(w->command);
	assert_true(slice_eq(first, same));
	/* Ports of the far side alone: the relay hears of it, the offerer does not. */
	same = world_answer(w, B "m=audio 4002 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 4002);
	assert_true(slice_eq(first, same));
	other = world_answer(w, B "m=audio 4002 RTP/AVP 8\r\n");
	world_expect(other, 2, TO_A "m=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n");
	held = w->cache.used_bytes;
	for (unsigned i = 0; i < 1000; i++) {
		world_answer(w, i % 2 ? B PCMU : B "m=audio 4002 RTP/AVP 8\r\n");
		arena_reset(&w->turn);
	}
	assert_true(w->cache.used_bytes <= held);
	media_commit(w->media);
	assert_int_equal(w->ports_given, 2);
}

static void test_long_calls_do_not_grow(void **state)
{
	struct world *w = *state;
	size_t held = 0;

	for (unsigned i = 0; i < 1000; i++) {
		world_exchange(w, i % 2, i % 3 ? A PCMU : A PCMU "a=sendonly\r\n", B PCMU);
		arena_reset(&w->turn);
		if (i == 10)
			held = w->cache.used_bytes;
	}
	assert_true(w->cache.used_bytes <= held);
}

/* The next target of a failover is another side: new o=, the latch forgotten, the offerer's port kept. */
static void test_failover(void **state)
{
	struct world *w = *state;
	struct slice first = world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 8 18\r\n");
	struct slice second;
	struct slice id;

	world_answer(w, B PCMU);
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_false(media_answered(w->media));
	assert_int_equal(w->command->session_set.streams_count, 1);
	assert_int_equal(world_stream(w, 0, 1)->flags, CTL_STREAM_RESET);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 0);
	second = media_offer_out(w->media, &w->turn);
	id = slice_skip(second, 9);
	assert_false(slice_starts(slice_skip(first, 9), slice_take(&id, CC_DIGIT)));
	world_expect(second, 1,
		     TO_B "m=audio 30000 RTP/AVP 0 8 18\r\na=rtpmap:0 PCMU/8000\r\n"
			  "a=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=sendrecv\r\n");
	/* The codecs are those of the offer, not of the first target's answer. */
	world_expect(world_answer(w, B "m=audio 5000 RTP/AVP 18\r\n"), 2,
		     TO_A "m=audio 20000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\na=sendrecv\r\n");
	assert_int_equal(world_stream(w, 0, 1)->flags, 0);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 5000);
}

static void test_failover_to_another_realm(void **state)
{
	struct world *w = *state;
	struct slice codecs[] = { SLICE("PCMA") };

	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 8\r\n");
	w->sides[1].realm = SLICE("third");
	w->sides[1].codecs = codecs;
	w->sides[1].codec_count = 1;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_slice(world_stream(w, 0, 1)->realm, "third");
	assert_int_equal(media_offer_out(w->media, &w->turn).len, 0);
	w->command->session_set.streams += w->command->session_set.streams_count - 1;
	w->command->session_set.streams_count = 1;
	assert_int_equal(world_ports(w), OK);
	world_expect(media_offer_out(w->media, &w->turn), 1,
		     TO_B "m=audio 30002 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n");
	world_expect(world_answer(w, B "m=audio 4000 RTP/AVP 8\r\n"), 1,
		     TO_A "m=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n");
	codecs[0] = SLICE("opus");
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), ERR_REFUSED);
}

/* RFC 3261 14.1: after a refused re-INVITE all is as it was, in the relay too. */
static void test_rollback(void **state)
{
	struct world *w = *state;
	struct slice before;

	world_exchange(w, 0, A PCMU, B PCMU);
	assert_int_equal(arena_keep(&w->turn, media_last_sdp(w->media, 0), &before), OK);
	/* Refused without an answer and without a new port: the relay never heard of it. */
	world_expect(world_offer(w, 0, A "m=audio 4002 RTP/AVP 0\r\na=sendonly\r\n"), 2,
		     TO_B "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\n");
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_null(w->command);
	assert_false(media_exchange_open(w->media));
	assert_true(slice_eq(media_last_sdp(w->media, 0), before));
	/* That side saw version 2, so the old terms come back to it as 3. */
	world_expect(media_last_sdp(w->media, 1), 3,
		     TO_B "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");

	/* With a new line and an answer (in a 183) the relay gets its old state back. */
	world_offer(w, 0, A "m=audio 4002 RTP/AVP 0\r\nm=video 5000 RTP/AVP 31\r\n");
	world_answer(w, B "m=audio 4008 RTP/AVP 0\r\na=sendonly\r\nm=video 5002 RTP/AVP 31\r\n");
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.port, 4002);
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_int_equal(w->command->session_set.streams_count, 3);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.port, 4000);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 4000);
	assert_int_equal(world_stream(w, 0, 0)->direction, CTL_RECEIVE | CTL_TRANSMIT);
	assert_int_equal(world_stream(w, 1, 0)->flags, CTL_STREAM_REMOVE);
}

/* A re-INVITE that is refused before the relay gave ports for its new line: what it gives is not kept. */
static void test_rollback_before_ports(void **state)
{
	struct world *w = *state;
	struct ctl_message *asked;

	world_exchange(w, 0, A PCMU, B PCMU);
	assert_int_equal(media_offer_in(w->media, 0, SLICE(A PCMU "m=video 5000 RTP/AVP 31\r\n"),
					&w->turn, &asked, &w->verdict),
			 OK);
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_int_equal(w->command->session_set.streams_count, 1);
	assert_int_equal(w->command->session_set.streams[0].flags, CTL_STREAM_REMOVE);
	w->command = asked;
	assert_int_equal(world_ports(w), OK);
	assert_true(slice_has(world_offer(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\n"),
			      "m=video 30004 RTP/AVP 31\r\n"));
}

/* While an answer refuses a line that was in use, its stream only falls silent until the commit. */
static void test_removed_line(void **state)
{
	struct world *w = *state;

	world_exchange(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\n", B PCMU "m=video 5000 RTP/AVP 31\r\n");
	world_offer(w, 0, A PCMU "m=video 0 RTP/AVP 31\r\n");
	world_answer(w, B PCMU "m=video 0 RTP/AVP 31\r\n");
	assert_int_equal(world_stream(w, 1, 0)->direction, 0);
	assert_int_equal(world_stream(w, 1, 0)->flags, 0);
	assert_int_equal(world_stream(w, 1, 0)->remote_rtp.port, 5000);
	media_commit(w->media);
	w->command = media_settle(w->media, &w->turn);
	assert_int_equal(w->command->session_set.streams_count, 1);
	assert_int_equal(w->command->session_set.streams[0].flags, CTL_STREAM_REMOVE);
	/* The slot is used again: another stream, other ports. */
	assert_true(slice_has(world_offer(w, 1, B PCMU "m=video 5000 RTP/AVP 31\r\n"),
			      "m=video 20004 RTP/AVP 31\r\n"));
}

/* Without media_settle() a slot that comes back before its removal keeps its ports. */
static void test_line_comes_back(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_exchange(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\n", B PCMU "m=video 5000 RTP/AVP 31\r\n");
	world_exchange(w, 0, A PCMU "m=video 0 RTP/AVP 31\r\n", B PCMU "m=video 0 RTP/AVP 31\r\n");
	sdp = world_offer(w, 0, A PCMU "m=video 5000 RTP/AVP 31\r\nm=video 6000 RTP/AVP 31\r\n");
	assert_int_equal(w->command->session_set.streams_count, 2);
	assert_int_equal(world_stream(w, 2, 0)->flags, 0);
	assert_true(slice_has(sdp, "m=video 30002 RTP/AVP 31\r\n"));
	assert_true(slice_has(sdp, "m=video 30004 RTP/AVP 31\r\n"));
	/* Refused: both are to go. */
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	assert_int_equal(w->command->session_set.streams_count, 2);
	assert_int_equal(w->command->session_set.streams[0].flags, CTL_STREAM_REMOVE);
	assert_int_equal(w->command->session_set.streams[1].flags, CTL_STREAM_REMOVE);
}

/* Every stream may end (RFC 3264 8.2) and one begin again. */
static void test_all_lines_end(void **state)
{
	struct world *w = *state;

	world_exchange(w, 0, A PCMU, B PCMU);
	world_exchange(w, 0, A "m=audio 0 RTP/AVP 0\r\n", B "m=audio 0 RTP/AVP 0\r\n");
	assert_non_null(media_settle(w->media, &w->turn));
	/* With no stream left the address stays what it was. */
	world_expect(world_offer(w, 1, B "m=audio 0 RTP/AVP 8\r\n"), 2,
		     TO_A "m=audio 0 RTP/AVP 0\r\n");
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	world_exchange(w, 0, A PCMU, B PCMU);
	world_expect(media_last_sdp(w->media, 1), 3,
		     "IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
		     "m=audio 30002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
}

static void test_restore(void **state)
{
	struct world *w = *state;

	w->sides[0].first_timeout_ms = 30000;
	w->sides[1].first_timeout_ms = 20000;
	w->sides[1].timeout_ms = 60000;
	world_sides(w);
	world_exchange(w, 0, A PCMU, B PCMU);
	assert_int_equal(w->command->session_set.first_timeout_ms, 20000);
	assert_int_equal(w->command->session_set.timeout_ms, 60000);
	w->command = media_restore(w->media, &w->turn);
	assert_int_equal(w->command->session_set.session, 77);
	assert_int_equal(w->command->session_set.timeout_ms, 60000);
	assert_int_equal(w->command->session_set.streams_count, 2);
	assert_int_equal(world_stream(w, 0, 0)->want_port, 20000);
	assert_int_equal(world_stream(w, 0, 1)->want_port, 30000);
	assert_true(ip_eq(&world_stream(w, 0, 0)->local, &(struct ip_addr){ IP_V4, { 192, 0, 2, 1 } }));
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 4000);
	w->command = media_close(w->media, &w->turn);
	assert_int_equal(w->command->type, CTL_session_close);
	assert_int_equal(w->command->session_close.session, 77);
	assert_false(media_has_session(w->media));
}

static void test_bad_ports(void **state)
{
	struct world *w = *state;
	struct ctl_stream_ports ports[1] = {
		{ .local_rtp = { .ip = world_ip("192.0.2.1"), .port = 20000 } }
	};
	struct ctl_session_ports answer = { .session = 77, .streams = ports, .streams_count = 1 };

	assert_int_equal(media_offer_in(w->media, 0, SLICE(A PCMU), &w->turn, &w->command,
					&w->verdict),
			 OK);
	/* One side only is not enough; the other errors change nothing. */
	assert_int_equal(media_on_ports(w->media, &answer), ERR_STATE);
	ports[0].side = 2;
	assert_int_equal(media_on_ports(w->media, &answer), ERR_SYNTAX);
	ports[0].side = 1;
	ports[0].local_rtp.port = 0;
	assert_int_equal(media_on_ports(w->media, &answer), ERR_SYNTAX);
	answer.session = 78;
	assert_int_equal(media_on_ports(w->media, &answer), ERR_STATE);
	assert_int_equal(world_ports(w), OK);
	assert_true(media_offer_out(w->media, &w->turn).len > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_forgotten_lines),
		T(test_early_answers),
		T(test_long_calls_do_not_grow),
		T(test_failover),
		T(test_failover_to_another_realm),
		T(test_rollback),
		T(test_rollback_before_ports),
		T(test_removed_line),
		T(test_line_comes_back),
		T(test_all_lines_end),
		T(test_restore),
		T(test_bad_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

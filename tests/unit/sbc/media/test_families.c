/* SPDX-License-Identifier: MIT
 * Realms with media addresses of both IP versions: which one a side is shown, and that it stays. */
#include "tests/unit/sbc/media/exchange.h"

#define A6                                                                                         \
	"v=0\r\no=- 1 1 IN IP6 2001:db8:1::1\r\ns=-\r\nc=IN IP6 2001:db8:1::1\r\nt=0 0\r\n"
#define TO_B6 "IN IP6 2001:db8:b::1\r\ns=-\r\nc=IN IP6 2001:db8:b::1\r\nt=0 0\r\n"

static void both(struct world *w, enum ip_family a, enum ip_family b)
{
	w->sides[0].both_families = w->sides[1].both_families = true;
	w->sides[0].family = a;
	w->sides[1].family = b;
	world_sides(w);
}

static const struct ip_addr any_4 = { .family = IP_V4 };
static const struct ip_addr any_6 = { .family = IP_V6 };

/* The peer's own address decides on an offer to it, what it offers on the answer. */
static void test_offer_and_answer(void **state)
{
	static const struct {
		const char *offer;
		enum ip_family peer; /* of the offerer's signalling */
		enum ip_family asked;
	} rows[] = {
		{ A6 PCMU, IP_V4, IP_V6 },
		{ A PCMU, IP_V6, IP_V4 },
		{ A6 PCMU, IP_V6, IP_V6 },
		/* A host's name and the address of "not known yet" say nothing. */
		{ "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 phone.example\r\n" PCMU, IP_V6, IP_V6 },
		{ SDP("0.0.0.0") PCMU, IP_V6, IP_V6 },
		/* The first line that is not refused. */
		{ A "m=video 0 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::4\r\n", IP_V4,
		  IP_V6 },
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct world *w = *state;
		enum ip_family callee = i % 2 ? IP_V4 : IP_V6;
		unsigned line = i == 5;
		struct slice sdp;

		both(w, rows[i].peer, callee);
		sdp = world_offer(w, 0, rows[i].offer);
		assert_true(ip_eq(&world_stream(w, line, 0)->local,
				  rows[i].asked == IP_V6 ? &any_6 : &any_4));
		assert_true(ip_eq(&world_stream(w, line, 1)->local,
				  callee == IP_V6 ? &any_6 : &any_4));
		assert_true(slice_has(sdp, callee == IP_V6 ? "c=IN IP6 2001:db8:b::1\r\n" :
							     "c=IN IP4 198.51.100.1\r\n"));
		teardown(state);
		setup(state);
	}
}

static void test_crossing(void **state)
{
	struct world *w = *state;

	both(w, IP_V4, IP_V6);
	world_expect(world_offer(w, 0, A PCMU), 1,
		     TO_B6 "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	world_expect(world_answer(w, A6 "m=audio 5000 RTP/AVP 0\r\n"), 1,
		     TO_A "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.ip.family, IP_V6);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.ip.family, IP_V4);
	media_commit(w->media);
	/* What was shown once stays, whatever is offered later; there is no way to such an address. */
	world_expect(world_offer(w, 0, A6 PCMU), 1,
		     TO_B6 "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	world_answer(w, A6 "m=audio 5000 RTP/AVP 0\r\n");
	assert_true(ip_eq(&world_stream(w, 0, 0)->local, &any_4));
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.ip.family, IP_NONE);
	media_commit(w->media);
	w->command = media_restore(w->media, &w->turn);
	assert_int_equal(world_stream(w, 0, 1)->want_port, 30000);
	assert_true(ip_eq(&world_stream(w, 0, 1)->local,
			  &(struct ip_addr){ IP_V6, { 0x20, 1, 0x0d, 0xb8, 0, 0x0b, [15] = 1 } }));
}

/* The next target is on the other IP version: its side begins anew, the caller's stays. */
static void test_failover(void **state)
{
	struct world *w = *state;

	both(w, IP_V4, IP_V4);
	world_offer(w, 0, A PCMU);
	assert_true(media_offer_ported(w->media));
	w->sides[1].family = IP_V6;
	media_set_side(w->media, 1, &w->sides[1]);
	assert_false(media_offer_ported(w->media));
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_true(ip_eq(&world_stream(w, 0, 1)->local, &any_6));
	assert_int_equal(world_stream(w, 0, 1)->flags, CTL_STREAM_RESET);
	assert_int_equal(world_ports(w), OK);
	world_expect(media_offer_out(w->media, &w->turn), 1,
		     TO_B6 "m=audio 30002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n");
	/* One of the same version keeps its ports. */
	media_set_side(w->media, 1, &w->sides[1]);
	assert_true(media_offer_ported(w->media));
}

/* A realm that has one version tells the relay nothing. */
static void test_one_family(void **state)
{
	struct world *w = *state;

	w->sides[0].family = w->sides[1].family = IP_V4;
	world_sides(w);
	world_offer(w, 0, A6 PCMU);
	assert_int_equal(world_stream(w, 0, 0)->local.family, IP_NONE);
	assert_int_equal(world_stream(w, 0, 1)->local.family, IP_NONE);
}

/* Two streams of a side that the relay had to put on two addresses: each says its own. */
static void test_two_addresses(void **state)
{
	struct world *w = *state;
	struct ctl_stream_ports ports[4];
	struct ctl_session_ports answer = { .session = 77, .streams = ports, .streams_count = 4 };

	assert_int_equal(media_offer_in(w->media, 0, SLICE(A PCMU "m=video 4002 RTP/AVP 31\r\n"), &w->turn,
					&w->command, &w->verdict), OK);
	for (uint8_t i = 0; i < 4; i++)
		ports[i] = (struct ctl_stream_ports){
			.stream = i / 2,
			.side = i % 2,
			.local_rtp = { { IP_V4, { 10, 0, i / 2, i % 2 } }, 20000 },
			.local_rtcp = { { IP_V4, { 10, 0, i / 2, i % 2 } }, 20001 },
			.shown = { i / 2 == 1 ? IP_V4 : IP_NONE, { 192, 0, 2, 77 } },
		};
	assert_int_equal(media_on_ports(w->media, &answer), OK);
	world_expect(media_offer_out(w->media, &w->turn), 1,
		     "IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
		     "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
		     "m=video 20000 RTP/AVP 31\r\nc=IN IP4 192.0.2.77\r\na=rtpmap:31 H261/90000\r\n"
		     "a=sendrecv\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_offer_and_answer), T(test_crossing),	 T(test_failover),
		T(test_one_family),	  T(test_two_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

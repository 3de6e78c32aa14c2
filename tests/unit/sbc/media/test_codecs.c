/* SPDX-License-Identifier: MIT
 * What may cross of a line: codecs by each side's list, payload types, format parameters, bandwidth,
 * packet times, feedback; and what the relay is told of payload types and addresses. */
#include "tests/support/media_world.h"

#define A "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n"
#define B "v=0\r\no=- 1 1 IN IP4 10.2.2.2\r\ns=-\r\nc=IN IP4 10.2.2.2\r\nt=0 0\r\n"
#define EVENTS "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"

static int setup(void **state)
{
	static struct world world;

	world_init(&world);
	world_sides(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	return 0;
}

static void test_filters(void **state)
{
	struct world *w = *state;
	struct slice caller[] = { SLICE("pcmu"), SLICE("PCMA"), SLICE("opus") };
	struct slice callee[] = { SLICE("PCMA"), SLICE("G729") };
	struct slice sdp;

	w->sides[0].codecs = caller;
	w->sides[0].codec_count = array_size(caller);
	w->sides[1].codecs = callee;
	w->sides[1].codec_count = array_size(callee);
	world_sides(w);
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 18 0 8 13 101\r\n" EVENTS);
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 8 13 101\r\n"));
	assert_false(slice_has(sdp, "PCMU"));
	assert_false(slice_has(sdp, "G729"));
	/* An answer is held to what its side was offered. */
	sdp = world_answer(w, B "m=audio 4000 RTP/AVP 0 8 101\r\n" EVENTS);
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 8 101\r\n"));
	media_commit(w->media);
	assert_int_equal(media_offer_in(w->media, 0, SLICE(A "m=audio 4000 RTP/AVP 0 101\r\n" EVENTS),
					&w->turn, &w->command, &w->verdict),
			 ERR_REFUSED);
	assert_int_equal(w->verdict.status, 488);
	assert_string_equal(w->verdict.why, "no_codec");
	/* A filtered line keeps its place beside one that is fine. */
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 8\r\nm=video 5000 RTP/AVP 31\r\n");
	assert_true(slice_has(sdp, "m=video 0 RTP/AVP 0\r\n"));
}

/* RFC 3264 6.1 allows other numbers in the answer: each side receives with its own. */
static void test_other_numbers(void **state)
{
	struct world *w = *state;
	const struct ctl_stream_set *set;
	struct slice sdp;

	world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 101\r\na=rtpmap:96 opus/48000/2\r\n" EVENTS);
	sdp = world_answer(w, B "m=audio 4000 RTP/AVP 111 100\r\na=rtpmap:111 OPUS/48000/2\r\n"
				"a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\n");
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 111 100\r\n"));
	/* From side 0 come the numbers that side 1 announced, first. */
	set = world_stream(w, 0, 0);
	assert_int_equal(set->payloads_count, 4);
	assert_int_equal(set->payloads[0].payload_type, 111);
	assert_int_equal(set->payloads[0].clock_hz, 48000);
	assert_int_equal(set->payloads[1].payload_type, 100);
	assert_int_equal(set->payloads[1].kind, CTL_PAYLOAD_EVENT);
	assert_int_equal(world_stream(w, 0, 1)->payloads[0].payload_type, 96);
}

/* A number that the offer used for something else cannot be told apart. */
static void test_confusing_numbers(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 101 8\r\na=rtpmap:96 opus/48000/2\r\n" EVENTS);
	sdp = world_answer(w, B "m=audio 4000 RTP/AVP 101 8\r\na=rtpmap:101 opus/48000/2\r\n");
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 8\r\n"));
	/* Channels and clock are part of a codec. */
	assert_int_equal(media_answer_in(w->media,
					 SLICE(B "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000\r\n"),
					 &w->turn, &w->command, &w->verdict),
			 ERR_REFUSED);
	assert_int_equal(media_answer_in(w->media,
					 SLICE(B "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/8000/2\r\n"),
					 &w->turn, &w->command, &w->verdict),
			 ERR_REFUSED);
}

/* RFC 3264 8.3.2: a dynamic number keeps its meaning; a re-offer that breaks it loses that codec, but
 * not the call when there is no other. */
static void test_meaning_is_kept(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	world_exchange(w, 0, A "m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\n",
		       B "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n");
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 AMR/8000\r\n");
	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 0\r\n"));
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	sdp = world_offer(w, 1, B "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\n");
	assert_true(slice_has(sdp, "m=audio 20000 RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\n"));
}

static void test_fmtp(void **state)
{
	static const struct {
		const char *rtpmap, *in, *out; /* out NULL: no fmtp line */
	} cases[] = {
		{ "G729/8000", "annexb=no", "annexb=no" },
		{ "G729/8000", "annexb=secret", NULL },
		{ "iLBC/8000", "mode=30", "mode=30" },
		{ "opus/48000/2", "minptime=10; useinbandfec=1", "minptime=10;useinbandfec=1" },
		{ "opus/48000/2", "secret=1;usedtx=1;x", "usedtx=1" },
		{ "opus/48000/2", "UseInbandFEC = 1", "useinbandfec=1" },
		{ "AMR/8000", "octet-align=1; mode-set=0,2,4,7;;", "octet-align=1;mode-set=0,2,4,7" },
		{ "EVS/16000", "br=5.9-24.4;bw=nb-swb;cmr=-1", "br=5.9-24.4;bw=nb-swb;cmr=-1" },
		{ "H264/90000", "profile-level-id=42e01f;packetization-mode=1;"
				"sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==",
		  "profile-level-id=42e01f;packetization-mode=1;"
		  "sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==" },
		{ "H264/90000", "profile-level-id=10.0.0.1", NULL },
		{ "telephone-event/8000", "0-15,66", "0-15,66" },
		{ "telephone-event/8000", "0-15 secret", NULL },
		{ "red/8000", "0/5", "0/5" },
		{ "speex/8000", "vbr=on;mode=\"1,any\"", "vbr=on" },
		{ "MPEG4-GENERIC/44100", "mode=AAC-hbr;config=1210;sizelength=13",
		  "mode=AAC-hbr;config=1210;sizelength=13" },
		{ "opus/48000/2", "stereo=12345678901", NULL },
		{ "opus/48000/2", "stereo=", NULL },
		{ "opus/48000/2", ";;=;=1;stereo", NULL },
	};
	struct world *w = *state;
	char text[1024];

	for (size_t i = 0; i < array_size(cases); i++) {
		struct slice sdp;
		size_t at;

		snprintf(text, sizeof(text), A "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 %s\r\na=fmtp:96 %s\r\n",
			 cases[i].rtpmap, cases[i].in);
		sdp = world_offer(w, 0, text);
		at = slice_find(sdp, SLICE("a=fmtp:"));
		if (cases[i].out) {
			snprintf(text, sizeof(text), "a=fmtp:96 %s\r\n", cases[i].out);
			assert_true(at < sdp.len);
			if (!slice_starts(slice_skip(sdp, at), slice_text(text)))
				fail_msg("case %zu: %.*s", i, SLICE_ARG(sdp));
		} else if (at < sdp.len) {
			fail_msg("case %zu: %.*s", i, SLICE_ARG(sdp));
		}
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

static void test_line_terms(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	w->sides[1].feedback = true;
	world_sides(w);
	sdp = world_offer(w, 0,
				       "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\n"
				       "b=AS:512\r\nb=X-SECRET:1\r\nt=0 0\r\n"
				       "m=audio 4000/2 RTP/AVPF 0 96\r\nb=TIAS:64000\r\nb=RS:0\r\nb=RR:800\r\n"
				       "b=CT:1\r\na=ptime:20\r\na=maxptime:150\r\na=rtpmap:96 VP8/90000\r\n"
				       "a=rtcp-fb:* nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n"
				       "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:97 nack\r\na=rtcp-fb:96 x\r\n");

	world_expect(sdp, 1,
		     "IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nb=AS:512\r\nt=0 0\r\n"
		     "m=audio 30000 RTP/AVPF 0 96\r\nb=TIAS:64000\r\nb=RS:0\r\nb=RR:800\r\n"
		     "a=rtpmap:0 PCMU/8000\r\na=rtcp-fb:0 nack\r\na=rtpmap:96 VP8/90000\r\n"
		     "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n"
		     "a=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n");
	/* Feedback is answered only where it was offered. */
	sdp = world_answer(w, B "m=audio 4000 RTP/AVPF 0\r\na=rtcp-fb:0 nack\r\na=rtcp-fb:0 ccm fir\r\n"
				"a=ptime:30\r\n");
	world_expect(sdp, 1,
		     "IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
		     "m=audio 20000 RTP/AVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=rtcp-fb:0 nack\r\n"
		     "a=ptime:30\r\na=sendrecv\r\n");
	media_commit(w->media);
	/* RTP/AVP has no feedback. */
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 0\r\na=rtcp-fb:0 nack\r\n");
	assert_false(slice_has(sdp, "rtcp-fb"));
}

/* RFC 3556: no bandwidth for senders and receivers means no RTCP; one of them alone does not. */
static void test_no_reports(void **state)
{
	static const struct {
		const char *session;
		const char *line;
		bool none;
	} cases[] = {
		{ "", "", false },
		{ "", "b=RS:0\r\nb=RR:0\r\n", true },
		{ "", "b=RR:0\r\nb=AS:64\r\nb=RS:0\r\n", true },
		{ "", "b=RS:0\r\n", false },
		{ "", "b=RS:0\r\nb=RR:800\r\n", false },
		{ "b=RS:0\r\nb=RR:0\r\n", "", true },
		{ "b=RS:0\r\nb=RR:0\r\n", "b=RS:800\r\nb=RR:800\r\n", false },
	};
	struct world *w = *state;
	char text[512];

	for (size_t i = 0; i < array_size(cases); i++) {
		snprintf(text, sizeof(text),
			 "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\n%st=0 0\r\n"
			 "m=audio 4000 RTP/AVP 0\r\n%s", cases[i].session, cases[i].line);
		world_offer(w, 0, text);
		world_answer(w, B "m=audio 4000 RTP/AVP 0\r\n");
		assert_int_equal(world_stream(w, 0, 0)->flags,
				 cases[i].none ? CTL_STREAM_NO_REPORTS : 0);
		assert_int_equal(world_stream(w, 0, 1)->flags, 0);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

/* RTCP: a=rtcp with or without an address (RFC 3605), else the next port; multiplexing is not taken. */
static void test_rtcp(void **state)
{
	struct world *w = *state;
	struct slice sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 0\r\na=rtcp:4009\r\na=rtcp-mux\r\n");

	assert_false(slice_has(sdp, "rtcp"));
	assert_int_equal(world_stream(w, 0, 0)->remote_rtcp.port, 4009);
	sdp = world_answer(w, B "m=audio 65535 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.port, 65535);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.ip.family, IP_NONE);
	assert_int_equal(world_stream(w, 0, 0)->flags & CTL_STREAM_RTCP_MUX, 0);
	world_answer(w, B "m=audio 4000 RTP/AVP 0\r\na=rtcp:4007 IN IP4 10.9.9.9\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.port, 4007);
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.ip.bytes[1], 9);
	world_answer(w, B "m=audio 4000 RTP/AVP 0\r\na=rtcp:4007 IN IP4 239.9.9.9\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.ip.bytes[0], 10);
	world_answer(w, B "m=audio 4000 RTP/AVP 0\r\na=rtcp:4007 IN IP6 2001:db8::1\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtcp.ip.bytes[0], 10);
}

/* The relay refuses a command whole for a clock that it does not know, or the other IP version. */
static void test_what_the_relay_takes(void **state)
{
	static const char six[] = "v=0\r\no=- 1 1 IN IP6 ::1\r\nc=IN IP6 2001:db8::1\r\n"
				  "m=audio 4000 RTP/AVP 0\r\n";
	struct world *w = *state;
	struct slice sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 x/1000001\r\n"
					       "a=rtpmap:97 y/1000000\r\n");

	assert_true(slice_has(sdp, "m=audio 30000 RTP/AVP 97\r\n"));
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	/* RFC 5118 4.6: an address that this side's ports cannot reach is not refused; the relay is told
	 * none, and learns from where the signalling came. */
	w->sides[0].family = IP_V4;
	w->sides[1].family = IP_V6;
	w->sides[0].realm = SLICE("new");
	w->sides[1].realm = SLICE("new");
	w->sides[0].signalling_ip = world_ip("203.0.113.9");
	w->sides[1].signalling_ip = world_ip("2001:db8::5");
	world_sides(w);
	world_offer(w, 0, six);
	assert_int_equal(world_stream(w, 0, 0)->remote_rtp.ip.family, IP_NONE);
	assert_int_equal(world_stream(w, 0, 0)->learn_bits, 32);
	assert_int_equal(world_stream(w, 0, 0)->learn_from.bytes[3], 9);
	world_answer(w, B "m=audio 4000 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.ip.family, IP_V4);
	assert_int_equal(world_stream(w, 0, 1)->learn_from.family, IP_NONE);
}

/* Our own RTCP port is named only when it is not the next one. */
static void test_own_rtcp_port(void **state)
{
	struct world *w = *state;
	struct ctl_stream_ports ports[2];
	struct ctl_session_ports answer = { .session = 77, .streams = ports, .streams_count = 2 };

	assert_int_equal(media_offer_in(w->media, 0, SLICE(A "m=audio 4000 RTP/AVP 0\r\n"), &w->turn,
					&w->command, &w->verdict),
			 OK);
	for (uint8_t side = 0; side < 2; side++)
		ports[side] = (struct ctl_stream_ports){
			.side = side,
			.local_rtp = { .ip = world_ip("192.0.2.1"), .port = 20000 },
			.local_rtcp = { .ip = world_ip("192.0.2.1"), .port = 20009 },
		};
	assert_int_equal(media_on_ports(w->media, &answer), OK);
	assert_true(slice_has(media_offer_out(w->media, &w->turn), "a=rtcp:20009\r\n"));
}

/* Where the relay may learn from: nowhere but the SDP's address, or the signalling source of a peer
 * behind a NAT, whose SDP may then even name a host. */
static void test_learning(void **state)
{
	struct world *w = *state;

	w->sides[1].nat = true;
	w->sides[1].signalling_ip = world_ip("203.0.113.9");
	world_sides(w);
	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 0)->learn_from.family, IP_NONE);
	assert_int_equal(world_stream(w, 0, 1)->learn_bits, 32);
	assert_int_equal(world_stream(w, 0, 1)->learn_from.bytes[3], 9);
	world_answer(w, "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 phone.example.com\r\nm=audio 4000 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.ip.family, IP_NONE);
	/* An address of the other family than our port's is no place to send to. */
	world_answer(w, "v=0\r\no=- 1 1 IN IP6 ::1\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n");
	assert_int_equal(world_stream(w, 0, 1)->remote_rtp.ip.family, IP_NONE);
	w->sides[1].signalling_ip = world_ip("2001:db8::5");
	media_set_side(w->media, 1, &w->sides[1]);
	assert_int_equal(media_offer_again(w->media, &w->turn, &w->command), OK);
	assert_int_equal(world_stream(w, 0, 1)->learn_bits, 128);
}

/* Beyond 16 lines every one is refused; 32 are read at all. */
static void test_many_lines(void **state)
{
	struct world *w = *state;
	char storage[4096];
	struct slice sdp;
	struct text text;
	size_t refused = 0;

	text_init(&text, storage, sizeof(storage));
	text_lit(&text, A);
	for (unsigned i = 0; i < 20; i++)
		text_lit(&text, "m=audio 4000 RTP/AVP 0\r\n");
	text_char(&text, 0);
	sdp = world_offer(w, 0, storage);
	assert_int_equal(w->command->session_set.streams_count, 32);
	while (slice_find(sdp, SLICE("m=audio 0 RTP/AVP 0\r\n")) < sdp.len) {
		sdp = slice_skip(sdp, slice_find(sdp, SLICE("m=audio 0 RTP/AVP 0\r\n")) + 1);
		refused++;
	}
	assert_int_equal(refused, 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_filters),	   T(test_other_numbers), T(test_confusing_numbers),
		T(test_meaning_is_kept),   T(test_fmtp),	  T(test_line_terms),
		T(test_rtcp), T(test_no_reports), T(test_own_rtcp_port), T(test_learning),
		T(test_many_lines),	   T(test_what_the_relay_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

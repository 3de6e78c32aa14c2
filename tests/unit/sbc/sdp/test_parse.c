/* SPDX-License-Identifier: MIT
 * The tree that sdp_parse makes, what it refuses and where, and that memory may end anywhere. */
#include "tests/support/unit.h"

#include <stdio.h>

#include "lib/base/ensure.h"
#include "sbc/sdp/sdp.h"

#define OPEN "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
#define HEAD OPEN "s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define AUDIO HEAD "m=audio 4000 RTP/AVP 0\r\n"

struct fixture {
	struct arena_cache cache;
	struct arena arena;
	struct sdp sdp;
	unsigned line;
};

static int setup(void **state)
{
	static struct fixture fixture;

	arena_cache_init(&fixture.cache, 0);
	arena_init(&fixture.arena, &fixture.cache, 4096, 1 << 20);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->arena);
	arena_cache_fini(&f->cache);
	return 0;
}

static enum err parse(struct fixture *f, struct slice text)
{
	return sdp_parse(&f->arena, text, &sdp_limits_default, &f->sdp, &f->line);
}

static void must_parse(struct fixture *f, const char *text)
{
	enum err err = parse(f, slice_text(text));

	if (err != OK)
		fail_msg("line %u of\n%s", f->line, text);
}

/* The session description of RFC 8866 section 5's opening example, retyped with its attributes. */
static void test_whole(void **state)
{
	struct fixture *f = *state;
	const struct sdp_media *media;
	struct slice value;

	must_parse(f, "v=0\r\n"
		      "o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n"
		      "s=Call to John Smith\r\n"
		      "i=SDP Offer #1\r\n"
		      "u=http://www.jdoe.example.com/home.html\r\n"
		      "e=Jane Doe <jane@jdoe.example.com>\r\n"
		      "p=+1 617 555-6011\r\n"
		      "c=IN IP4 198.51.100.1\r\n"
		      "b=CT:2000\r\n"
		      "t=0 0\r\n"
		      "m=audio 49170 RTP/AVP 0\r\n"
		      "m=audio 49180 RTP/AVP 0\r\n"
		      "m=video 51372 RTP/AVP 99\r\n"
		      "c=IN IP6 2001:db8::2\r\n"
		      "b=AS:384\r\n"
		      "a=rtpmap:99 h263-1998/90000\r\n"
		      "a=fmtp:99 CIF=2\r\n"
		      "a=label:7\r\n");
	assert_slice(f->sdp.origin.username, "jdoe");
	assert_true(f->sdp.origin.session_id == 3724394400u);
	assert_true(f->sdp.origin.version == 3724394405u);
	assert_slice(f->sdp.origin.address, "198.51.100.1");
	assert_slice(f->sdp.session_name, "Call to John Smith");
	assert_int_equal(f->sdp.bandwidth_count, 1);
	assert_slice(f->sdp.bandwidths[0].type, "CT");
	assert_int_equal(f->sdp.bandwidths[0].value, 2000);
	assert_int_equal(f->sdp.media_count, 3);
	media = &f->sdp.media[0];
	assert_int_equal(media->kind, SDP_AUDIO);
	assert_int_equal(media->port, 49170);
	assert_int_equal(media->proto, SDP_RTP_AVP);
	assert_int_equal(media->direction, SDP_SENDRECV);
	assert_false(media->direction_given);
	assert_int_equal(media->codec_count, 1);
	assert_slice(media->codecs[0].encoding, "PCMU");
	assert_int_equal(media->codecs[0].clock_hz, 8000);
	assert_false(media->codecs[0].has_rtpmap);
	assert_ptr_equal(sdp_media_connection(&f->sdp, media), &f->sdp.connection);
	media = &f->sdp.media[2];
	assert_int_equal(media->kind, SDP_VIDEO);
	assert_int_equal(sdp_media_connection(&f->sdp, media)->ip.family, IP_V6);
	assert_int_equal(media->bandwidth_count, 1);
	assert_slice(media->codecs[0].encoding, "h263-1998");
	assert_int_equal(media->codecs[0].clock_hz, 90000);
	assert_slice(media->codecs[0].fmtp, "CIF=2");
	assert_int_equal(media->attribute_count, 3);
	assert_true(sdp_attribute_find(media, SLICE("label"), &value));
	assert_slice(value, "7");
	assert_false(sdp_attribute_find(media, SLICE("mid"), &value));
}

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	const struct sdp_media *media;

	must_parse(f, HEAD "a=sendonly\r\n"
			   "m=audio 4000/2 RTP/AVPF 111 0 101 111 300 x\r\n"
			   "a=rtpmap:111 opus/48000/2\r\n"
			   "a=rtpmap:111 other/1\r\n"
			   "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
			   "a=rtpmap:101 \r\n"
			   "a=rtpmap:55 absent/8000\r\n"
			   "a=rtcp:4003 IN IP4 192.0.2.77\r\n"
			   "a=rtcp-mux\r\na=bundle-only\r\na=mid:a0\r\na=ptime:20.5\r\n"
			   "a=maxptime:60\r\n"
			   "m=audio 4004 RTP/AVP 0\r\na=recvonly\r\na=rtcp:53020\r\n");
	media = &f->sdp.media[0];
	assert_int_equal(media->port_count, 2);
	assert_int_equal(media->proto, SDP_RTP_AVPF);
	assert_int_equal(media->direction, SDP_SENDONLY);
	assert_false(media->direction_given);
	assert_int_equal(media->codec_count, 3);
	assert_slice(media->codecs[0].encoding, "opus");
	assert_int_equal(media->codecs[0].channels, 2);
	assert_slice(media->codecs[0].fmtp, "minptime=10;useinbandfec=1");
	assert_int_equal(media->codecs[2].payload_type, 101);
	assert_int_equal(media->codecs[2].encoding.len, 0);
	assert_true(media->rtcp_given && media->rtcp_mux && media->bundle_only);
	assert_int_equal(media->rtcp_port, 4003);
	assert_int_equal(media->rtcp_ip.bytes[3], 77);
	assert_slice(media->mid, "a0");
	assert_int_equal(media->ptime_ms, 20);
	assert_int_equal(media->maxptime_ms, 60);
	media = &f->sdp.media[1];
	assert_int_equal(media->direction, SDP_RECVONLY);
	assert_true(media->direction_given && media->rtcp_given);
	assert_int_equal(media->rtcp_port, 53020);
	assert_int_equal(media->rtcp_ip.family, IP_NONE);
}

/* Attributes of codecs behind a line that has none, after one that has the same number. */
static void test_codecs_of_no_rtp(void **state)
{
	struct fixture *f = *state;

	must_parse(f, HEAD "m=audio 4000 RTP/AVP 0 8 96\r\n"
			   "m=image 4002 udptl 96\r\na=rtpmap:96 opus/48000\r\na=fmtp:96 x=1\r\n"
			   "a=fmtp:96\r\n");
	assert_int_equal(f->sdp.media[1].codec_count, 0);
	assert_int_equal(f->sdp.media[0].codecs[2].encoding.len, 0);
	assert_int_equal(f->sdp.media[0].codecs[2].fmtp.len, 0);
	assert_int_equal(f->sdp.media[1].attribute_count, 3);
}

/* What the field sends and RFC 8866 does not know, or leaves to the reader. */
static void test_lenient(void **state)
{
	static const char *const texts[] = {
		"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n",                /* LF, section 5 */
		"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0",             /* no last line end */
		HEAD "\r\n",                                                  /* doubled line end */
		OPEN "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n",       /* no s=, no t= */
		OPEN "s=\r\na=tool:x\r\nt=0 0\r\nb=AS:1\r\nc=IN IP4 10.0.0.1\r\n", /* any order */
		"v=0\r\no=John Q Doe 1 1 IN IP4 192.0.2.1\r\n",                /* spaces in the name */
		"v=0\r\no=- 18446744073709551615 99999999999999999999 IN IP4 h\r\n",
		AUDIO "a=nonsense here:x\r\na=\r\na=:x\r\n",
		AUDIO "m=application 0 *\r\n",
		HEAD "m=audio 0 RTP/AVP 0\r\nk=clear:x\r\ni=x\r\n",
		OPEN "c=IN IP4 224.2.17.12/127/3\r\n",
		OPEN "c=IN IP4 sip.example.com\r\n",
	};

	for (size_t i = 0; i < array_size(texts); i++)
		must_parse(*state, texts[i]);
}

static void test_numbers_of_origin(void **state)
{
	struct fixture *f = *state;

	must_parse(f, "v=0\r\no=- 8980814922149716336 18446744073709551616 IN IP4 192.0.2.1\r\n");
	assert_true(f->sdp.origin.session_id == UINT64_C(8980814922149716336));
	assert_true(f->sdp.origin.version == UINT64_MAX);
}

/* RFC 4566 5.7 lets c= be a name; unspecified addresses are hold (RFC 2543, RFC 3264 8.4). */
static void test_connections(void **state)
{
	struct fixture *f = *state;

	must_parse(f, OPEN "c=IN IP4 sip.example.com\r\n");
	assert_int_equal(f->sdp.connection.ip.family, IP_NONE);
	assert_slice(f->sdp.connection.host, "sip.example.com");
	must_parse(f, OPEN "c=IN IP4 0.0.0.0\r\n");
	assert_true(ip_unspecified(&f->sdp.connection.ip));
	must_parse(f, OPEN "c=IN IP6 ::\r\n");
	assert_true(ip_unspecified(&f->sdp.connection.ip));
	must_parse(f, OPEN "c=IN IP4 224.2.1.1/127/3\r\nc=IN IP4 192.0.2.1\r\n");
	assert_true(ip_multicast(&f->sdp.connection.ip));
}

static void test_refused(void **state)
{
	static const struct {
		struct slice text;
		unsigned line;
	} cases[] = {
		{ SLICE_INIT(""), 1 },
		{ SLICE_INIT("v=0\r\n"), 2 },
		{ SLICE_INIT("v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n"), 1 },
		{ SLICE_INIT("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n"), 1 },
		{ SLICE_INIT("v=0\r\ns=-\r\n"), 2 },
		{ SLICE_INIT("v=0\r\no=- 1 IN IP4 192.0.2.1\r\n"), 2 },
		{ SLICE_INIT("v=0\r\no=- -1 1 IN IP4 192.0.2.1\r\n"), 2 },
		{ SLICE_INIT(OPEN "\r\ns=-\r\n"), 3 },
		{ SLICE_INIT(OPEN "v=0\r\n"), 3 },
		{ SLICE_INIT(OPEN "x=unknown letter\r\n"), 3 },
		{ SLICE_INIT(OPEN "s-\r\n"), 3 },
		{ SLICE_INIT(OPEN " s=-\r\n"), 3 },
		{ SLICE_INIT(OPEN "c=IN IP4\r\n"), 3 },
		{ SLICE_INIT(OPEN "c=IN IP4 a b\r\n"), 3 },
		{ SLICE_INIT(OPEN "c=IN IP4 <x>\r\n"), 3 },
		{ SLICE_INIT(OPEN "b=AS\r\n"), 3 },
		{ SLICE_INIT(OPEN "b=AS:-1\r\n"), 3 },
		{ SLICE_INIT(OPEN "s=a\0b\r\n"), 3 },
		{ SLICE_INIT(OPEN "s=a\rb=AS:1\r\n"), 3 },
		{ SLICE_INIT(OPEN "s=a\x1b\r\n"), 3 },
		{ SLICE_INIT(OPEN "s=-\r\r\n"), 3 },
		{ SLICE_INIT(HEAD "m=audio RTP/AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio 65536 RTP/AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio -1 RTP/AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio 4000/0 RTP/AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio 4000 RTP/AVP\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio 4000 RTP//AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=au<dio 4000 RTP/AVP 0\r\n"), 6 },
		{ SLICE_INIT(HEAD "m=audio 4000 RTP/AVP 0 <1>\r\n"), 6 },
		{ SLICE_INIT(AUDIO "s=again\r\n"), 7 },
		{ SLICE_INIT(AUDIO "t=0 0\r\n"), 7 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(cases); i++) {
		f->line = 99;
		if (parse(f, cases[i].text) != ERR_SYNTAX || f->line != cases[i].line)
			fail_msg("case %zu: line %u", i, f->line);
	}
}

/* Every byte that is no visible ASCII, TAB or above 0x7f refuses the line it stands in. */
static void test_every_control(void **state)
{
	struct fixture *f = *state;
	char text[] = AUDIO "a=fmtp:0 x?y\r\n";

	for (int byte = 0; byte < 256; byte++) {
		bool bad = (byte < 0x20 && byte != '\t') || byte == 0x7f;
		enum err err;

		text[sizeof(text) - 5] = (char)byte;
		err = parse(f, slice_of(text, sizeof(text) - 1));
		assert_int_equal(err, bad ? ERR_SYNTAX : OK);
	}
}

static void test_limits(void **state)
{
	static const struct sdp_limits tight = {
		.max_bytes = 200, .max_lines = 8, .max_media = 1, .max_codecs = 2
	};
	struct fixture *f = *state;
	char big[300];
	unsigned line;

	memset(big, 'x', sizeof(big));
	assert_int_equal(sdp_parse(&f->arena, slice_of(big, 201), &tight, &f->sdp, &line),
			 ERR_LIMIT);
	assert_int_equal(sdp_parse(&f->arena, SLICE(HEAD "m=a 1 RTP/AVP 0 8\r\n"), &tight, &f->sdp,
				   &line),
			 OK);
	assert_int_equal(sdp_parse(&f->arena, SLICE(HEAD "m=a 1 RTP/AVP 0 8 9\r\n"), &tight,
				   &f->sdp, &line),
			 ERR_LIMIT);
	assert_int_equal(line, 6);
	assert_int_equal(sdp_parse(&f->arena, SLICE(AUDIO "m=a 1 RTP/AVP 0\r\n"), &tight, &f->sdp,
				   &line),
			 ERR_LIMIT);
	assert_int_equal(line, 7);
	assert_int_equal(sdp_parse(&f->arena, SLICE(AUDIO "a=x\r\na=x\r\na=x\r\n"), &tight,
				   &f->sdp, &line),
			 ERR_LIMIT);
	assert_int_equal(line, 9);
}

static void test_memory_ends(void **state)
{
	struct slice text = SLICE(AUDIO "a=rtpmap:0 PCMU/8000\r\nb=AS:64\r\nm=video 1 RTP/AVP 31\r\n");
	struct arena_cache cache;
	unsigned line;
	bool done = false;

	(void)state;
	arena_cache_init(&cache, 0);
	for (size_t quota = 0; !done; quota += 16) {
		struct arena arena;
		struct sdp sdp;
		enum err err;

		arena_init(&arena, &cache, 512, quota);
		err = sdp_parse(&arena, text, &sdp_limits_default, &sdp, &line);
		assert_true(err == OK || err == ERR_NOMEM);
		done = err == OK;
		arena_fini(&arena);
	}
	arena_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_codecs_of_no_rtp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lenient, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_of_origin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_control, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * An SDP with a marked secret in every line and attribute that can carry one: none of it crosses, in
 * either direction, nor an address, a port or a name of its author. */
#include "tests/support/media_world.h"

#define SECRET "s3cr3t"

/* The whole body, with lines of RFC 8866, 8839, 4568, 8122, 5576, 8843, 8830, 5285, 3605, 6064. */
static const char leaky[] =
	"v=0\r\n"
	"o=" SECRET " 4141414141 4242424242 IN IP4 10.77.1.1\r\n"
	"s=" SECRET "\r\n"
	"i=" SECRET "\r\n"
	"u=http://" SECRET ".example.com/\r\n"
	"e=" SECRET "@example.com\r\n"
	"p=+" SECRET "\r\n"
	"c=IN IP4 10.77.1.2\r\n"
	"b=X-" SECRET ":1\r\n"
	"t=4343434343 4343434344\r\n"
	"r=4343434345 1 1\r\n"
	"z=4343434346 1\r\n"
	"k=clear:" SECRET "\r\n"
	"a=tool:" SECRET "\r\n"
	"a=ice-ufrag:" SECRET "\r\n"
	"a=ice-pwd:" SECRET "\r\n"
	"a=group:BUNDLE " SECRET "\r\n"
	"a=msid-semantic: WMS " SECRET "\r\n"
	"a=fingerprint:sha-256 " SECRET "\r\n"
	"a=" SECRET "\r\n"
	"m=audio 41414 RTP/AVPF 0 96 101\r\n"
	"i=" SECRET "\r\n"
	"c=IN IP4 10.77.1.3\r\n"
	"b=" SECRET ":1\r\n"
	"k=clear:" SECRET "\r\n"
	"a=rtcp:41415 IN IP4 10.77.1.4\r\n"
	"a=rtpmap:0 PCMU/8000/" SECRET "\r\n"
	"a=rtpmap:96 opus/48000/2\r\n"
	"a=fmtp:96 " SECRET "=1;useinbandfec=" SECRET ";x=" SECRET "\r\n"
	"a=rtpmap:101 telephone-event/8000\r\n"
	"a=fmtp:101 " SECRET "\r\n"
	"a=rtcp-fb:96 " SECRET "\r\n"
	"a=rtcp-fb:* nack " SECRET "\r\n"
	"a=ptime:20" SECRET "\r\n"
	"a=mid:" SECRET "\r\n"
	"a=candidate:1 1 UDP 1 10.77.1.5 41416 typ host " SECRET "\r\n"
	"a=remote-candidates:1 10.77.1.6 41417\r\n"
	"a=ssrc:4444444444 cname:" SECRET "\r\n"
	"a=ssrc-group:FID 4444444444 " SECRET "\r\n"
	"a=msid:" SECRET " " SECRET "\r\n"
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" SECRET "\r\n"
	"a=crypto:2 AES_CM_128_HMAC_SHA1_80 "
	"inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd -" SECRET "\r\n"
	"a=extmap:1 urn:" SECRET "\r\n"
	"a=label:" SECRET "\r\n"
	"a=content:" SECRET "\r\n"
	"a=lang:" SECRET "\r\n"
	"a=sdplang:" SECRET "\r\n"
	"a=charset:" SECRET "\r\n"
	"a=quality:" SECRET "\r\n"
	"a=setup:" SECRET "\r\n"
	"a=connection:" SECRET "\r\n"
	"a=tls-id:" SECRET "\r\n"
	"a=imageattr:96 " SECRET "\r\n"
	"a=rid:" SECRET " send\r\n"
	"a=simulcast:send " SECRET "\r\n"
	"a=record:" SECRET "\r\n"
	"a=X-nat:" SECRET "\r\n"
	"a=alt:1 1 : " SECRET " 10.77.1.7 41418\r\n"
	"a=sendrecv\r\n"
	"m=" SECRET " 41419 " SECRET "/" SECRET " " SECRET "\r\n"
	"c=IN IP4 " SECRET ".example.com\r\n"
	"a=" SECRET ":" SECRET "\r\n"
	"m=application 41420 TCP/" SECRET " " SECRET "\r\n"
	"m=audio 41421 RTP/SAVP 0 " SECRET "\r\n"
	"m=image 41422 udptl " SECRET "\r\n"
	"m=audio 0 RTP/AVP " SECRET "\r\n";

static void expect_clean(struct slice sdp)
{
	static const char *const marks[] = { SECRET,   "10.77.",  "4141", "4242", "4343",
					     "4444444", "example", "TCP" };

	assert_true(sdp.len > 0);
	for (size_t i = 0; i < array_size(marks); i++)
		if (slice_has(sdp, marks[i]))
			fail_msg("%s in\n%.*s", marks[i], SLICE_ARG(sdp));
}

/* Both sides with feedback; secure: with keys of every kind, which may pass, and ICE, too. */
static void open_sides(struct world *w, bool secure)
{
	world_init(w);
	for (unsigned side = 0; side < 2; side++) {
		if (secure)
			world_secure(w, side, CONF_SRTP_OPTIONAL, CONF_KEYING_SDES);
		w->sides[side].pass = secure;
		w->sides[side].ice = secure ? CONF_ICE_LITE : CONF_ICE_OFF;
		w->sides[side].rtcp_mux = secure ? CONF_RTCP_MUX_OPTIONAL : CONF_RTCP_MUX_OFF;
		w->sides[side].feedback = true;
	}
	world_sides(w);
}

static void offer(bool secure)
{
	struct world w;

	open_sides(&w, secure);
	for (unsigned side = 0; side < 2; side++) {
		expect_clean(world_offer(&w, side, leaky));
		assert_int_equal(media_rollback(w.media, &w.turn, &w.command), OK);
	}
	world_fini(&w);
}

static void test_offer(void **state)
{
	(void)state;
	offer(false);
	offer(true);
}

/* The answer goes to the offerer, who sees words of his own offer only. */
static void answer(bool secure)
{
	static const char offered[] =
		"v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n"
		"m=audio 4000 RTP/AVPF 0 96 101\r\na=rtpmap:96 opus/48000/2\r\n"
		"a=rtpmap:101 telephone-event/8000\r\na=rtcp-fb:* nack\r\n"
		"m=video 5000 RTP/AVP 31\r\nm=video 5002 RTP/AVP 31\r\nm=video 5004 RTP/AVP 31\r\n"
		"m=video 5006 RTP/AVP 31\r\nm=video 5008 RTP/AVP 31\r\n";
	struct world w;

	open_sides(&w, secure);
	world_offer(&w, 0, offered);
	expect_clean(world_answer(&w, leaky));
	media_commit(w.media);
	expect_clean(media_last_sdp(w.media, 0));
	/* Nor does a later offer from the other side show any of it. */
	expect_clean(world_offer(&w, 1, leaky));
	world_fini(&w);
}

static void test_answer(void **state)
{
	(void)state;
	answer(false);
	answer(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * A call that becomes a fax (T.38 annex D) and a voice again: the line as it crosses, what the relay
 * is told, and what stays when a side does not want it. */
#include "tests/support/media_world.h"

#define HEAD(ip, version)                                                                          \
	"v=0\r\no=x 1 " version " IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\n"
#define A(version) HEAD("192.0.2.10", version)
#define B(version) HEAD("198.51.100.20", version)
#define ATTRIBUTES                                                                                 \
	"a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxFillBitRemoval\r\n"                 \
	"a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:1024\r\n"                      \
	"a=T38FaxMaxDatagram:238\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"

static void talk(struct world *w)
{
	world_init(w);
	world_sides(w);
	world_exchange(w, 0, A("1") "m=audio 4000 RTP/AVP 0\r\n", B("1") "m=audio 5000 RTP/AVP 0\r\n");
}

static void a_call_becomes_a_fax(void **state)
{
	const struct ctl_stream_set *told;
	struct ctl_media_info *infos;
	struct slice offer, answer;
	uint32_t count;
	struct world w;

	(void)state;
	talk(&w);
	/* From the callee, with what else it may say, and words in another case. */
	offer = world_offer(&w, 1,
			    B("2") "m=image 5002 UDPTL t38\r\na=t38faxversion:0\r\n"
				   "a=T38MaxBitRate:14400\r\na=T38FaxFillBitRemoval\r\n"
				   "a=T38FaxRateManagement:TransferredTCF\r\na=T38VendorInfo:0 0 0\r\n"
				   "a=T38FaxMaxBuffer:1024\r\na=T38FaxMaxDatagram:238\r\n"
				   "a=T38FaxTranscodingMMR:yes\r\na=T38FaxMaxIFP:x\r\n"
				   "a=T38FaxUdpEC:t38UDPRedundancy\r\na=sendrecv\r\na=mid:fax\r\n");
	assert_null(w.command); /* the ports stay */
	world_expect(offer, 2,
		     "IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
		     "m=image 20000 udptl t38\r\n" ATTRIBUTES);
	answer = world_answer(&w, A("2") "m=image 4002 udptl t38\r\n" ATTRIBUTES);
	world_expect(answer, 2,
		     "IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
		     "m=image 30000 udptl t38\r\n" ATTRIBUTES "a=mid:fax\r\n");
	for (unsigned side = 0; side < 2; side++) {
		told = world_stream(&w, 0, side);
		assert_non_null(told);
		assert_int_equal(told->flags, CTL_STREAM_RAW);
		assert_int_equal(told->remote_rtp.port, side == 0 ? 4002 : 5002);
		assert_int_equal(told->remote_rtcp.ip.family, IP_NONE);
		assert_int_equal(told->payloads_count, 0);
		assert_int_equal(told->direction, CTL_RECEIVE | CTL_TRANSMIT);
		assert_true(told->bytes_per_s > 10000);
	}
	media_commit(w.media);
	assert_int_equal(media_describe(w.media, &w.turn, &infos, &count), OK);
	assert_int_equal(count, 2);
	assert_slice(infos[0].kind, "image");
	assert_slice(infos[0].codec, "t38");
	/* And a voice again. */
	offer = world_offer(&w, 0, A("3") "m=audio 4000 RTP/AVP 0\r\n");
	assert_true(slice_find(offer, SLICE("m=audio 30000 RTP/AVP 0\r\n")) < offer.len);
	world_answer(&w, B("3") "m=audio 5000 RTP/AVP 0\r\n");
	told = world_stream(&w, 0, 0);
	assert_int_equal(told->flags, 0);
	assert_int_equal(told->payloads_count, 1);
	world_fini(&w);
}

static void a_refused_fax_leaves_the_voice(void **state)
{
	struct ctl_message *command;
	struct slice answer;
	struct world w;

	(void)state;
	talk(&w);
	world_offer(&w, 0, A("2") "m=image 4002 udptl t38\r\n" ATTRIBUTES);
	assert_int_equal(media_rollback(w.media, &w.turn, &command), OK); /* 488 */
	assert_null(command);
	/* By port 0: the line in its owner's words. */
	world_offer(&w, 0, A("3") "m=audio 4000 RTP/AVP 0\r\nm=image 4002 udptl t38\r\n" ATTRIBUTES);
	answer = world_answer(&w, B("2") "m=audio 5000 RTP/AVP 0\r\nm=image 0 udptl t38\r\n");
	assert_true(slice_find(answer, SLICE("m=image 0 udptl t38\r\n")) < answer.len);
	assert_true(slice_find(answer, SLICE("m=audio 20000 RTP/AVP 0\r\n")) < answer.len);
	media_commit(w.media);
	world_fini(&w);
}

static void expect_refused(struct world *w, const char *offer, const char *why)
{
	assert_int_equal(media_offer_in(w->media, 0, slice_text(offer), &w->turn, &w->command,
					&w->verdict),
			 ERR_REFUSED);
	assert_int_equal(w->verdict.status, 488);
	assert_string_equal(w->verdict.why, why);
}

static void where_no_fax_may_be(void **state)
{
	static struct slice codecs[] = { SLICE_INIT("PCMU"), SLICE_INIT("T38") };
	struct world w;

	(void)state;
	talk(&w);
	expect_refused(&w, A("2") "m=image 4002 udptl jpeg\r\n", "media_unusable");
	expect_refused(&w, A("2") "m=image 4002 TCP t38\r\n", "media_unusable");
	world_fini(&w);
	world_init(&w);
	w.sides[1].codecs = codecs;
	w.sides[1].codec_count = 1;
	world_sides(&w);
	assert_int_equal(media_offer_in(w.media, 0, SLICE(A("2") "m=image 4002 udptl t38\r\n"), &w.turn,
					&w.command, &w.verdict),
			 ERR_REFUSED);
	w.sides[1].codec_count = 2; /* named: allowed */
	world_sides(&w);
	world_offer(&w, 0, A("2") "m=image 4002 udptl t38\r\n");
	world_fini(&w);
	/* UDPTL cannot be secured. */
	world_init(&w);
	world_secure(&w, 1, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
	world_sides(&w);
	assert_int_equal(media_offer_in(w.media, 0, SLICE(A("2") "m=image 4002 udptl t38\r\n"), &w.turn,
					&w.command, &w.verdict),
			 ERR_REFUSED);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_becomes_a_fax),
		cmocka_unit_test(a_refused_fax_leaves_the_voice),
		cmocka_unit_test(where_no_fax_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

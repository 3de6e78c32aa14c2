/* SPDX-License-Identifier: MIT
 * telephone-event where a trunk's policy sets the sides apart: what each is offered and answered, and
 * what the relay makes of it. */
#include "tests/unit/sbc/media/exchange.h"

#define E8(number) "a=rtpmap:" number " telephone-event/8000\r\na=fmtp:" number " 0-15\r\n"
#define E48(number) "a=rtpmap:" number " telephone-event/48000\r\na=fmtp:" number " 0-15\r\n"
#define OPUS "a=rtpmap:96 opus/48000/2\r\n"

static void policies(struct world *w, enum conf_dtmf a, enum conf_dtmf b)
{
	w->sides[0].dtmf = a;
	w->sides[1].dtmf = b;
	world_sides(w);
}

static const struct ctl_relay_payload *payload(struct world *w, unsigned side, uint8_t number)
{
	const struct ctl_stream_set *set = world_stream(w, 0, side);

	for (uint32_t i = 0; set && i < set->payloads_count; i++)
		if (set->payloads[i].payload_type == number)
			return &set->payloads[i];
	return NULL;
}

static void assert_event(struct world *w, unsigned side, uint8_t number, uint32_t clock_hz, uint8_t out,
			 uint32_t out_clock_hz)
{
	const struct ctl_relay_payload *it = payload(w, side, number);

	assert_non_null(it);
	assert_int_equal(it->kind, CTL_PAYLOAD_EVENT);
	assert_int_equal(it->clock_hz, clock_hz);
	assert_int_equal(it->out, out);
	assert_int_equal(it->out_clock_hz, out_clock_hz);
}

/* A digit for this side goes with these numbers and clocks; 0: none is agreed. */
static void assert_digit(struct world *w, unsigned side, uint8_t number, uint32_t clock_hz)
{
	const struct media_digit digit = { .event = 11, .duration_ms = 160 };
	const struct ctl_message *message = media_digit(w->media, side, &digit, &w->turn);

	if (number == 0) {
		assert_null(message);
		return;
	}
	assert_non_null(message);
	assert_int_equal(message->type, CTL_digit_send);
	assert_int_equal(message->digit_send.session, 77);
	assert_int_equal(message->digit_send.side, side);
	assert_int_equal(message->digit_send.event, 11);
	assert_int_equal(message->digit_send.duration_ms, 160);
	assert_int_equal(message->digit_send.payloads[0].payload_type, number);
	assert_int_equal(message->digit_send.payloads[0].clock_hz, clock_hz);
}

/* A caller with INFO alone, a callee with events alone: they are offered though nobody did. */
static void info_to_events(void **state)
{
	static const char *const offers[] = {
		A "m=audio 4000 RTP/AVP 0\r\n",
		A "m=audio 4000 RTP/AVP 0 101\r\n" E8("101"), /* of which it makes no use */
	};
	struct world *w = *state;
	struct slice sdp;

	for (size_t i = 0; i < array_size(offers); i++) {
		policies(w, CONF_DTMF_INFO, CONF_DTMF_RFC4733);
		sdp = world_offer(w, 0, offers[i]);
		assert_true(slice_has(sdp, i == 0 ? "RTP/AVP 0 101\r\n" : "RTP/AVP 0 100\r\n"));
		assert_true(slice_has(sdp, " telephone-event/8000\r\na=fmtp:"));
		assert_true(slice_has(sdp, " 0-16\r\n"));
		sdp = world_answer(w, B "m=audio 5000 RTP/AVP 0 100\r\n" E8("100"));
		assert_true(slice_has(sdp, "RTP/AVP 0\r\n"));
		assert_false(slice_has(sdp, "telephone-event"));
		if (i == 0) /* the number that we announced; the second time it is the callee's */
			assert_event(w, 1, 101, 8000, CTL_PAYLOAD_TELL, 0);
		assert_event(w, 1, 100, 8000, CTL_PAYLOAD_TELL, 0);
		assert_null(payload(w, 0, 101));
		assert_digit(w, 1, 100, 8000); /* the number that it announced */
		assert_digit(w, 0, 0, 0);
		media_commit(w->media);
		assert_digit(w, 1, 100, 8000);
	}
}

/* The other way: its own events are answered, and the caller hears of none. */
static void events_to_info(void **state)
{
	static const enum conf_dtmf policy[] = { CONF_DTMF_RFC4733, CONF_DTMF_PASS };
	struct world *w = *state;
	struct slice sdp;

	for (size_t i = 0; i < array_size(policy); i++) {
		policies(w, policy[i], CONF_DTMF_INFO);
		sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 8 97\r\n" E8("97"));
		assert_true(slice_has(sdp, "RTP/AVP 0 8\r\n"));
		assert_false(slice_has(sdp, "telephone-event"));
		sdp = world_answer(w, B "m=audio 5000 RTP/AVP 8 97\r\n" E8("97"));
		assert_true(slice_has(sdp, "RTP/AVP 8 97\r\n"));
		assert_true(slice_has(sdp, "a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\n"));
		assert_event(w, 0, 97, 8000, CTL_PAYLOAD_TELL, 0);
		assert_digit(w, 0, 97, 8000);
		assert_digit(w, 1, 0, 0);
		media_commit(w->media);
	}
}

/* telephone-event/8000 here, /48000 there, each with its own number both ways. */
static void two_clocks(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	policies(w, CONF_DTMF_PASS, CONF_DTMF_RFC4733);
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 0 101\r\n" OPUS E8("101"));
	assert_true(slice_has(sdp, "RTP/AVP 96 0 101 102\r\n"));
	assert_true(slice_has(sdp, "a=rtpmap:102 telephone-event/48000\r\n"));
	sdp = world_answer(w, B "m=audio 5000 RTP/AVP 96 99\r\n" OPUS E48("99"));
	assert_true(slice_has(sdp, "RTP/AVP 96 101\r\n"));
	assert_true(slice_has(sdp, "a=rtpmap:101 telephone-event/8000\r\n"));
	assert_false(slice_has(sdp, "telephone-event/48000"));
	assert_event(w, 0, 101, 8000, CTL_PAYLOAD_OUT | 99, 48000);
	assert_event(w, 1, 102, 48000, CTL_PAYLOAD_OUT | 101, 8000);
	assert_int_equal(payload(w, 0, 96)->kind, CTL_PAYLOAD_MEDIA);
	assert_digit(w, 1, 99, 48000);
	assert_digit(w, 0, 101, 8000);
	media_commit(w->media);
	/* Numbers keep their meaning over a re-offer. */
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 101\r\n" OPUS E8("101"));
	assert_true(slice_has(sdp, "RTP/AVP 96 101 99\r\n"));
	world_answer(w, B "m=audio 5000 RTP/AVP 96 101\r\n" OPUS E8("101"));
	assert_event(w, 0, 101, 8000, CTL_PAYLOAD_OUT | 101, 8000);
	media_commit(w->media);
}

/* The side that speaks events offers: the other one, which has none, may dial by INFO all the same. */
static void the_other_way(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	policies(w, CONF_DTMF_PASS, CONF_DTMF_RFC4733);
	sdp = world_offer(w, 1, B "m=audio 5000 RTP/AVP 96 101 102\r\n" OPUS E48("101") E8("102"));
	assert_true(slice_has(sdp, "RTP/AVP 96 101 102\r\n"));
	sdp = world_answer(w, A "m=audio 4000 RTP/AVP 96\r\n" OPUS);
	assert_true(slice_has(sdp, "RTP/AVP 96 101\r\n")); /* of its own, in the audio's clock */
	assert_digit(w, 1, 101, 48000);
	assert_digit(w, 0, 0, 0);
	media_commit(w->media);
	/* Without a common clock, the first. */
	world_offer(w, 1, B "m=audio 5000 RTP/AVP 96 102\r\n" OPUS E8("102"));
	sdp = world_answer(w, A "m=audio 4000 RTP/AVP 96\r\n" OPUS);
	assert_true(slice_has(sdp, "RTP/AVP 96 102\r\n"));
	assert_digit(w, 1, 102, 8000);
	media_commit(w->media);
	/* And none of its own: it cannot be made to hear what it does not know. */
	world_offer(w, 1, B "m=audio 5000 RTP/AVP 96\r\n" OPUS);
	sdp = world_answer(w, A "m=audio 4000 RTP/AVP 96\r\n" OPUS);
	assert_false(slice_has(sdp, "telephone-event"));
	assert_digit(w, 1, 0, 0);
}

/* A number that the answer gives to something else is not believed; neither is a clock of its own. */
static void answers_that_confuse(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	policies(w, CONF_DTMF_INFO, CONF_DTMF_RFC4733);
	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 96\r\n" OPUS);
	sdp = world_answer(w, B "m=audio 5000 RTP/AVP 0 101 105\r\na=rtpmap:101 opus/48000/2\r\n"
				"a=rtpmap:105 telephone-event/16000\r\n");
	assert_true(slice_has(sdp, "RTP/AVP 0\r\n"));
	assert_digit(w, 1, 0, 0);
	assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	policies(w, CONF_DTMF_PASS, CONF_DTMF_RFC4733);
	world_offer(w, 0, A "m=audio 4000 RTP/AVP 96 101\r\n" OPUS E8("101"));
	sdp = world_answer(w, B "m=audio 5000 RTP/AVP 96 101\r\n" OPUS E48("101"));
	assert_false(slice_has(sdp, "telephone-event"));
}

/* What has to be read cannot cross under keys that are left alone. */
static void keys_of_our_own(void **state)
{
	static const char offer[] = A "m=audio 4000 RTP/SAVP 0\r\n"
				      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
				      "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
	struct world *w = *state;

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned side = 0; side < 2; side++) {
			world_secure(w, side, CONF_SRTP_REQUIRED, CONF_KEYING_SDES);
			w->sides[side].pass = true;
		}
		policies(w, i == 0 ? CONF_DTMF_PASS : CONF_DTMF_INFO, CONF_DTMF_PASS);
		assert_int_equal(slice_has(world_offer(w, 0, offer), "inline:AAECAwQF"), i == 0);
		assert_int_equal(media_rollback(w->media, &w->turn, &w->command), OK);
	}
}

/* Both speak INFO, or nothing is said: as ever. */
static void nothing_to_do(void **state)
{
	struct world *w = *state;
	struct slice sdp;

	policies(w, CONF_DTMF_INFO, CONF_DTMF_INFO);
	sdp = world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 101\r\n" E8("101"));
	assert_false(slice_has(sdp, "telephone-event"));
	sdp = world_answer(w, B "m=audio 5000 RTP/AVP 0\r\n");
	assert_digit(w, 0, 0, 0);
	assert_digit(w, 1, 0, 0);
	media_commit(w->media);
	policies(w, CONF_DTMF_PASS, CONF_DTMF_PASS);
	world_offer(w, 0, A "m=audio 4000 RTP/AVP 0 101\r\n" E8("101"));
	sdp = world_answer(w, B "m=audio 5000 RTP/AVP 0 100\r\n" E8("100"));
	assert_true(slice_has(sdp, "RTP/AVP 0 100\r\n"));
	assert_event(w, 0, 100, 8000, 0, 0);
	/* Video and lines of events alone get nothing added. */
	media_commit(w->media);
	policies(w, CONF_DTMF_PASS, CONF_DTMF_RFC4733);
	sdp = world_offer(w, 0, A "m=video 4000 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 101\r\n" E8("101"));
	assert_true(slice_has(sdp, "RTP/AVP 31\r\n"));
	assert_true(slice_has(sdp, "RTP/AVP 101\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(info_to_events), T(events_to_info),	    T(two_clocks),
		T(the_other_way),  T(answers_that_confuse), T(nothing_to_do),
		T(keys_of_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

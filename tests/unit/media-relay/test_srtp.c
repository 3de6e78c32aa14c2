/* SPDX-License-Identifier: MIT
 * What a side remembers: roll-over, replay, SSRCs, keys that follow each other, states. */
#include "tests/unit/media-relay/srtp_fixture.h"

/* ---- indices ---- */

static void indices_are_guessed(void **state)
{
	struct srtp_window window = { .highest = 0 };

	(void)state;
	assert_int_equal(srtp_window_guess(&window, 65000), 65000);
	srtp_window_close(&window, 10);
	assert_int_equal(srtp_window_guess(&window, 65535), 65535); /* nothing is below */
	srtp_window_close(&window, 0x1fff0);
	assert_int_equal(srtp_window_guess(&window, 5), 0x20005);
	assert_int_equal(srtp_window_guess(&window, 0xfff1), 0x1fff1);
	assert_int_equal(srtp_window_guess(&window, 0x7ff0), 0x17ff0);
	assert_int_equal(srtp_window_guess(&window, 0x7fef), 0x27fef);
	srtp_window_close(&window, 0x20005);
	assert_int_equal(srtp_window_guess(&window, 0xfff0), 0x1fff0);
	assert_int_equal(srtp_window_guess(&window, 0x8005), 0x28005);
	assert_int_equal(srtp_window_guess(&window, 0x8006), 0x18006);
}

/* Against a plain array of what was seen. */
static void the_window_remembers_128(void **state)
{
	static bool seen[4096];
	struct srtp_window window = { .highest = 0 };
	uint64_t highest = 0;
	uint32_t noise = 12345;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t index;
		bool fresh;

		noise = noise * 1664525u + 1013904223u;
		index = highest + (noise >> 16) % 200;
		index = index > 150 ? index - 150 : 0;
		if ((noise >> 8) % 50 == 0)
			index += 300;
		if (index >= array_size(seen))
			break;
		fresh = i == 0 || index > highest || (highest - index < 128 && !seen[index]);
		assert_int_equal(srtp_window_fresh(&window, index), fresh);
		if (!fresh)
			continue;
		srtp_window_mark(&window, index);
		seen[index] = true;
		if (index > highest)
			highest = index;
	}
	assert_true(highest > 3000);
}

static void a_roll_over_with_disorder_around_it(void **state)
{
	static const uint16_t order[] = { 65530, 65534, 65533, 1, 65535, 0, 3, 65531, 2, 130 };
	struct fixture *f = *state;
	struct bytes packets[array_size(order)];
	struct bytes old;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	old = sealed(f, 7, 65529);
	for (size_t i = 0; i < array_size(order); i++) /* sent in order, by way of a third window */
		packets[i] = sealed(f, 7, order[i]);
	for (size_t i = 0; i < array_size(order); i++) {
		struct bytes want = rtp(7, order[i]);
		struct bytes got = packets[i];

		assert_int_equal(unprotect(f->b, false, &got), SRTP_OK);
		assert_same(&got, &want);
		assert_int_equal(received(f, &packets[i]), SRTP_REPLAYED);
	}
	assert_int_equal(received(f, &old), SRTP_REPLAYED); /* 137 back: too old to tell */
	assert_int_equal(f->b->receive[0]->sources.latest.windows[0].highest, 0x10082);
}

/* Its first packets were lost, or came before the key did. */
static void a_sender_that_rolled_over_unheard(void **state)
{
	struct fixture *f = *state;

	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++) {
		struct bytes want = rtp(7, 20);
		struct bytes missed;
		struct bytes packet;

		assert_int_equal(srtp_set_receive(f->b, NULL, 0, 0), OK);
		pair(f, (enum ctl_srtp_suite)suite);
		missed = sealed(f, 7, 65530);
		packet = sealed(f, 7, 20);
		assert_int_equal(unprotect(f->b, false, &packet), SRTP_OK);
		assert_same(&packet, &want);
		assert_int_equal(received(f, &missed), SRTP_OK); /* 26 back: it came late */
		packet = sealed(f, 7, 21);
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
}

static void no_index_is_sent_twice(void **state)
{
	struct fixture *f = *state;
	struct bytes packet = rtp(7, 100);
	struct bytes again = rtp(7, 100);

	pair(f, CTL_SRTP_AEAD_AES_128_GCM);
	assert_int_equal(protect(f->a, false, &packet), SRTP_OK);
	again.p[20] ^= 1;
	packet = again;
	assert_int_equal(protect(f->a, false, &packet), SRTP_REPLAYED);
	assert_same(&packet, &again);
}

static void keys_wear_out(void **state)
{
	struct fixture *f = *state;
	struct bytes packet;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	packet = sealed(f, 7, 65535);
	srtp_window_close(&f->a->send->sources.latest.windows[0], SRTP_INDEX_MAX - 1);
	packet = rtp(7, 65535);
	assert_int_equal(protect(f->a, false, &packet), SRTP_OK); /* 2^48 - 1, the last */
	packet = rtp(7, 0);
	assert_int_equal(protect(f->a, false, &packet), SRTP_EXHAUSTED);
	f->a->send->control_next = SRTCP_INDEX_MAX;
	packet = rtcp(7);
	assert_int_equal(protect(f->a, true, &packet), SRTP_OK);
	assert_int_equal(unprotect(f->b, true, &packet), SRTP_OK);
	packet = rtcp(7);
	assert_int_equal(protect(f->a, true, &packet), SRTP_EXHAUSTED);
}

/* ---- forgeries ---- */

/* Every bit of a packet is looked at, and a wrong one moves nothing. */
static void forgeries_move_nothing(void **state)
{
	struct fixture *f = *state;

	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++) {
		struct bytes packet;
		struct srtp_sources before;

		assert_int_equal(srtp_set_receive(f->b, NULL, 0, 0), OK);
		pair(f, (enum ctl_srtp_suite)suite);
		packet = sealed(f, 7, (uint16_t)(1000 + suite));
		before = f->b->receive[0]->sources;
		for (size_t bit = 16; bit < 8 * packet.len; bit++) {
			struct bytes wrong = packet;

			wrong.p[bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_int_equal(received(f, &wrong), SRTP_FORGED);
		}
		assert_memory_equal(&f->b->receive[0]->sources, &before, sizeof(before));
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
}

static void forged_reports_move_nothing(void **state)
{
	struct fixture *f = *state;

	for (unsigned suite = 1; suite < CTL_SRTP_SUITES; suite++) {
		struct bytes packet = rtcp(7);
		struct srtp_sources before;

		assert_int_equal(srtp_set_receive(f->b, NULL, 0, 0), OK);
		pair(f, (enum ctl_srtp_suite)suite);
		assert_int_equal(protect(f->a, true, &packet), SRTP_OK);
		before = f->b->receive[0]->sources;
		for (size_t bit = 16; bit < 8 * packet.len; bit++) {
			struct bytes wrong = packet;
			enum srtp_verdict verdict;

			wrong.p[bit / 8] ^= (unsigned char)(1u << bit % 8);
			verdict = unprotect(f->b, true, &wrong);
			assert_true(verdict == SRTP_FORGED || verdict == SRTP_PLAIN /* E */);
		}
		assert_memory_equal(&f->b->receive[0]->sources, &before, sizeof(before));
		assert_int_equal(unprotect(f->b, true, &packet), SRTP_OK);
	}
}

static void what_cannot_be_srtp(void **state)
{
	struct fixture *f = *state;
	struct bytes packet = rtp(7, 1);

	assert_int_equal(received(f, &packet), SRTP_PLAIN); /* no key */
	assert_int_equal(protect(f->a, false, &packet), SRTP_PLAIN);
	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(received(f, &packet), SRTP_FORGED);
	for (packet.len = 0; packet.len < 12 + 10; packet.len++)
		assert_int_equal(received(f, &packet), SRTP_PLAIN);
	packet = rtp(7, 1);
	packet.p[0] = 0x9f; /* 15 CSRCs and an extension that reaches beyond the end */
	packet.p[12 + 60 + 3] = 0xff;
	assert_int_equal(received(f, &packet), SRTP_PLAIN);
	packet = rtcp(7); /* where the E bit would be is a zero */
	assert_int_equal(unprotect(f->b, true, &packet), SRTP_PLAIN);
}

static void a_stranger_takes_no_place(void **state)
{
	struct fixture *f = *state;
	struct bytes packet;

	pair(f, CTL_SRTP_AEAD_AES_256_GCM);
	for (uint32_t ssrc = 0; ssrc < 1000; ssrc++) {
		packet = rtp(ssrc, 1);
		assert_int_equal(received(f, &packet), SRTP_FORGED);
	}
	assert_false(f->b->receive[0]->sources.latest.used);
}

/* ---- many SSRCs ---- */

static void many_sources(void **state)
{
	struct fixture *f = *state;
	struct bytes first[SRTP_SOURCES];
	struct bytes packet;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t i = 0; i < SRTP_SOURCES; i++) {
		first[i] = sealed(f, 100 + i, 65535);
		assert_int_equal(received(f, &first[i]), SRTP_OK);
		packet = sealed(f, 100 + i, 0); /* each has its own roll-over */
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
	packet = rtp(999, 1);
	assert_int_equal(protect(f->a, false, &packet), SRTP_EXHAUSTED);
	for (uint32_t i = 0; i < SRTP_SOURCES; i++) {
		packet = rtp(100 + i, 0);
		assert_int_equal(protect(f->a, false, &packet), SRTP_REPLAYED);
		assert_int_equal(received(f, &first[i]), SRTP_REPLAYED);
		packet = sealed(f, 100 + i, 1);
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
}

static void one_source_more_than_can_be_remembered(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told = crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	struct srtp *other = srtp_create(&f->engine);
	struct bytes packet;

	assert_non_null(other);
	assert_int_equal(srtp_set_send(other, &told), OK);
	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t i = 0; i < SRTP_SOURCES; i++) {
		packet = sealed(f, 100 + i, 5);
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
	packet = rtp(999, 5);
	assert_int_equal(protect(other, false, &packet), SRTP_OK);
	assert_int_equal(received(f, &packet), SRTP_OK);
	packet = rtp(101, 6); /* the second is still known … */
	assert_int_equal(protect(f->a, false, &packet), SRTP_OK);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(srtp_sources_peek(&f->b->receive[0]->sources, 100, false).highest, 0);
	assert_int_equal(srtp_sources_peek(&f->b->receive[0]->sources, 102, false).highest, 5);
	srtp_destroy(&other);
}

/* Usually there is one SSRC. Room for others is there before they come, and is given back. */
static void one_source_takes_no_more(void **state)
{
	struct fixture *f = *state;
	struct bytes packet;

	pair(f, CTL_SRTP_AEAD_AES_128_GCM);
	for (uint16_t i = 0; i < 100; i++) {
		packet = sealed(f, 100, i);
		assert_int_equal(received(f, &packet), SRTP_OK);
	}
	assert_int_equal(f->engine.more.live, 0);
	assert_non_null(f->engine.more.blocks[0]);
	packet = sealed(f, 101, 1);
	assert_int_equal(f->engine.more.live, 1);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(f->engine.more.live, 2);
	pair(f, CTL_SRTP_AEAD_AES_128_GCM); /* the same keys take it along */
	assert_int_equal(f->engine.more.live, 2);
	assert_int_equal(received(f, &packet), SRTP_REPLAYED);
	packet = sealed(f, 100, 100);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(srtp_set_receive(f->b, NULL, 0, 0), OK);
	assert_int_equal(f->engine.more.live, 1);
}

/* ---- keys that follow each other ---- */

static void the_same_key_again_goes_on(void **state)
{
	struct fixture *f = *state;
	struct bytes first;
	struct bytes packet;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_32);
	first = sealed(f, 7, 65535);
	assert_int_equal(received(f, &first), SRTP_OK);
	packet = sealed(f, 7, 0);
	assert_int_equal(received(f, &packet), SRTP_OK);
	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_32); /* a re-INVITE */
	assert_int_equal(received(f, &packet), SRTP_REPLAYED);
	assert_int_equal(received(f, &first), SRTP_REPLAYED);
	packet = rtp(7, 0);
	assert_int_equal(protect(f->a, false, &packet), SRTP_REPLAYED);
	packet = sealed(f, 7, 1);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(f->engine.keys[0].live, 2);
}

static void a_new_key_overlaps_with_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto next = crypto(f, 1, CTL_SRTP_AEAD_AES_128_GCM);
	struct bytes flying;
	struct bytes late;
	struct bytes packet;

	pair(f, CTL_SRTP_AEAD_AES_128_GCM);
	packet = sealed(f, 7, 10);
	assert_int_equal(received(f, &packet), SRTP_OK);
	flying = sealed(f, 7, 11);
	late = sealed(f, 7, 12);
	assert_int_equal(srtp_set_send(f->a, &next), OK);
	assert_int_equal(srtp_set_receive(f->b, &next, 1, 1000), OK);
	packet = sealed(f, 7, 13);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(received(f, &flying), SRTP_OK);
	assert_int_equal(received(f, &flying), SRTP_REPLAYED);
	packet = late;
	assert_int_equal(srtp_unprotect(f->b, false, packet.p, packet.len, 1000 + SRTP_OVERLAP_MS,
					&packet.len), SRTP_FORGED);
	assert_null(f->b->receive_old->context);
}

/* A re-INVITE that fails takes the old key back: its counters must not begin anew. */
static void a_key_that_comes_back_goes_on(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto next = crypto(f, 1, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	struct bytes seen;
	struct bytes report = rtcp(7);
	struct bytes packet;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(protect(f->a, true, &report), SRTP_OK);
	seen = sealed(f, 7, 10);
	assert_int_equal(received(f, &seen), SRTP_OK);
	assert_int_equal(srtp_set_send(f->a, &next), OK);
	assert_int_equal(srtp_set_receive(f->b, &next, 1, 0), OK);
	packet = sealed(f, 7, 11);
	assert_int_equal(received(f, &packet), SRTP_OK);
	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	assert_int_equal(received(f, &seen), SRTP_REPLAYED);
	packet = rtp(7, 10);
	assert_int_equal(protect(f->a, false, &packet), SRTP_REPLAYED);
	packet = rtcp(7);
	assert_int_equal(protect(f->a, true, &packet), SRTP_OK);
	assert_memory_not_equal(packet.p, report.p, report.len);
	assert_int_equal(f->a->send->control_next, 2);
}

static void two_keys_with_mkis(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told[2] = { crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80),
					   crypto(f, 1, CTL_SRTP_AEAD_AES_128_GCM) };
	struct bytes packet;

	told[0].mki = SLICE("\0\1");
	told[1].mki = SLICE("\0\2");
	assert_int_equal(srtp_set_receive(f->b, told, 2, 0), OK);
	for (unsigned i = 0; i < 6; i++) {
		struct bytes want = rtp(7, (uint16_t)i);

		assert_int_equal(srtp_set_send(f->a, &told[i % 2]), OK);
		packet = sealed(f, 7, (uint16_t)i);
		assert_int_equal(packet.len, 172 + 2 + (i % 2 ? 16 : 10));
		assert_int_equal(unprotect(f->b, false, &packet), SRTP_OK);
		assert_same(&packet, &want);
		assert_int_equal(srtp_suite(f->b), told[i % 2].suite);
		want = packet = rtcp(7);
		assert_int_equal(protect(f->a, true, &packet), SRTP_OK);
		assert_int_equal(unprotect(f->b, true, &packet), SRTP_OK);
		assert_same(&packet, &want);
	}
	told[1].mki = SLICE("\0\3");
	assert_int_equal(srtp_set_send(f->a, &told[1]), OK);
	packet = sealed(f, 7, 50);
	assert_int_equal(received(f, &packet), SRTP_FORGED);
}

static void unencrypted_where_told(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told = crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	struct bytes packet = rtp(7, 1);
	struct bytes plain = packet;

	told.flags = CTL_SRTP_UNENCRYPTED_RTP | CTL_SRTP_UNENCRYPTED_RTCP;
	assert_null(srtp_check(&told));
	assert_int_equal(srtp_set_send(f->a, &told), OK);
	assert_int_equal(srtp_set_receive(f->b, &told, 1, 0), OK);
	assert_int_equal(protect(f->a, false, &packet), SRTP_OK);
	assert_int_equal(packet.len, 182);
	assert_memory_equal(packet.p, plain.p, plain.len);
	assert_int_equal(unprotect(f->b, false, &packet), SRTP_OK);
	packet = plain = rtcp(7);
	assert_int_equal(protect(f->a, true, &packet), SRTP_OK);
	assert_memory_equal(packet.p, plain.p, plain.len);
	assert_int_equal(packet.p[plain.len], 0); /* E is clear */
	assert_int_equal(unprotect(f->b, true, &packet), SRTP_OK);
}

static void what_may_be_told(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told = crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);

	assert_null(srtp_check(&told));
	told.key.len--;
	assert_non_null(srtp_check(&told));
	told = crypto(f, 0, CTL_SRTP_AEAD_AES_128_GCM);
	told.flags = CTL_SRTP_UNENCRYPTED_RTCP;
	assert_non_null(srtp_check(&told));
	told.flags = 0;
	told.mki = SLICE("123456789");
	assert_non_null(srtp_check(&told));
	told.mki.len--;
	assert_null(srtp_check(&told));
	told.suite = CTL_SRTP_SUITES;
	assert_non_null(srtp_check(&told));
	told.suite = CTL_SRTP_NONE;
	assert_non_null(srtp_check(&told));
	told = crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_32);
	told.flags = CTL_SRTP_UNAUTHENTICATED_RTP;
	assert_non_null(srtp_check(&told));
	assert_int_equal(srtp_suites(), 0x1fe);
	assert_string_equal(srtp_suite_name(CTL_SRTP_AEAD_AES_256_GCM), "AEAD_AES_256_GCM");
}

/* ---- a relay that is started again ---- */

static void another_life(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told = crypto(f, 0, CTL_SRTP_AES_256_CM_HMAC_SHA1_80);
	unsigned char receive[SRTP_STATE_MAX_BYTES];
	unsigned char send[SRTP_STATE_MAX_BYTES];
	struct bytes report = rtcp(7);
	struct bytes old;
	struct bytes packet;
	size_t len;

	pair(f, CTL_SRTP_AES_256_CM_HMAC_SHA1_80);
	for (uint32_t i = 0; i < SRTP_SOURCES; i++) {
		old = sealed(f, 100 + i, 65535);
		assert_int_equal(received(f, &old), SRTP_OK);
	}
	old = sealed(f, 107, 3);
	assert_int_equal(received(f, &old), SRTP_OK);
	assert_int_equal(protect(f->a, true, &report), SRTP_OK);
	packet = report;
	assert_int_equal(unprotect(f->b, true, &packet), SRTP_OK);
	len = srtp_send_state(f->a, send);
	assert_true(len > 0);
	told.state = slice_of((const char *)send, len);
	srtp_destroy(&f->a);
	f->a = srtp_create(&f->engine);
	assert_int_equal(srtp_set_send(f->a, &told), OK);
	len = srtp_receive_state(f->b, receive);
	assert_true(len > 0);
	told.state = slice_of((const char *)receive, len);
	srtp_destroy(&f->b);
	f->b = srtp_create(&f->engine);
	assert_int_equal(srtp_set_receive(f->b, &told, 1, 0), OK);

	assert_int_equal(received(f, &old), SRTP_REPLAYED);
	assert_int_equal(unprotect(f->b, true, &report), SRTP_REPLAYED);
	packet = rtp(107, 3);
	assert_int_equal(protect(f->a, false, &packet), SRTP_REPLAYED);
	packet = sealed(f, 107, 4);
	assert_int_equal(received(f, &packet), SRTP_OK);
	assert_int_equal(f->b->receive[0]->sources.latest.windows[0].highest, 0x10004);
	report = rtcp(7);
	assert_int_equal(protect(f->a, true, &report), SRTP_OK);
	assert_int_equal(f->a->send->control_next, 65536 + 2);
	assert_int_equal(unprotect(f->b, true, &report), SRTP_OK);
}

/* What must be written down at once: keys, and each SSRC once in each direction. */
static void news_are_told_once(void **state)
{
	struct fixture *f = *state;

	pair(f, CTL_SRTP_AEAD_AES_128_GCM);
	for (unsigned round = 0; round < 3; round++) {
		assert_true(srtp_take_news(f->a));
		assert_true(srtp_take_news(f->b));
		for (unsigned i = 0; i < 4; i++) {
			struct bytes packet = sealed(f, 7 + round, (uint16_t)(65534 + i));

			assert_int_equal(srtp_take_news(f->a), i == 0);
			assert_int_equal(received(f, &packet), SRTP_OK);
			assert_int_equal(srtp_take_news(f->b), i == 0);
		}
		pair(f, round == 0 ? CTL_SRTP_AES_CM_128_HMAC_SHA1_80 : CTL_SRTP_AEAD_AES_256_GCM);
	}
}

static void the_state_of_another_key_is_none(void **state)
{
	struct fixture *f = *state;
	struct ctl_srtp_crypto told = crypto(f, 1, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	unsigned char bytes[SRTP_STATE_MAX_BYTES];
	size_t len;

	pair(f, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
	(void)sealed(f, 7, 9);
	len = srtp_send_state(f->a, bytes);
	told.state = slice_of((const char *)bytes, len);
	assert_int_equal(srtp_set_send(f->a, &told), OK);
	assert_false(f->a->send->sources.latest.used);
	for (size_t cut = 0; cut < len; cut++) { /* and half a state harms nothing */
		told = crypto(f, 0, CTL_SRTP_AES_CM_128_HMAC_SHA1_80);
		told.state = slice_of((const char *)bytes, cut);
		assert_int_equal(srtp_set_receive(f->b, &told, 1, 0), OK);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(indices_are_guessed),
		TEST(the_window_remembers_128),
		TEST(a_roll_over_with_disorder_around_it),
		TEST(a_sender_that_rolled_over_unheard),
		TEST(no_index_is_sent_twice),
		TEST(keys_wear_out),
		TEST(forgeries_move_nothing),
		TEST(forged_reports_move_nothing),
		TEST(what_cannot_be_srtp),
		TEST(a_stranger_takes_no_place),
		TEST(many_sources),
		TEST(one_source_more_than_can_be_remembered),
		TEST(one_source_takes_no_more),
		TEST(the_same_key_again_goes_on),
		TEST(a_new_key_overlaps_with_the_old_one),
		TEST(a_key_that_comes_back_goes_on),
		TEST(two_keys_with_mkis),
		TEST(unencrypted_where_told),
		TEST(what_may_be_told),
		TEST(another_life),
		TEST(news_are_told_once),
		TEST(the_state_of_another_key_is_none),
	};

	return run_with_libraries(tests, array_size(tests));
}

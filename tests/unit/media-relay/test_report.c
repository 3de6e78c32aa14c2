/* SPDX-License-Identifier: MIT
 * Reports for a peer that sends none, in virtual time: a call of a silent and a talkative reporter,
 * a packet from each side every 20 ms. */
#include "tests/unit/media-relay/session_fixture.h"

#define FAR "198.51.100.1:5000"
#define FAR_CONTROL "198.51.100.1:5001"
#define ME_CONTROL "192.0.2.1:4001"
#define WALL_US UINT64_C(1700000000000000)
#define SENT_MAX 64u
#define MOST_MS 6156u /* between two reports */

struct sent {
	struct flow *flow;
	struct endpoint to;
	size_t len;
	uint64_t at_ms;
	unsigned char bytes[160];
};

static struct {
	struct sent list[SENT_MAX];
	unsigned count;
	unsigned taken; /* figures were asked for */
	uint64_t now_ms;
} out;

static void catch(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		  size_t len)
{
	struct sent *sent = &out.list[out.count++];

	assert_null(owner);
	assert_true(out.count <= SENT_MAX && len <= sizeof(sent->bytes));
	*sent = (struct sent){ .flow = flow, .to = *to, .len = len, .at_ms = out.now_ms };
	memcpy(sent->bytes, bytes, len);
}

static void take(void *owner, struct flow *flow)
{
	assert_null(owner);
	assert_int_equal(flow->component, COMPONENT_RTP);
	out.taken++;
}

static int setup_call(void **state)
{
	struct fixture *f;

	memset(&out, 0, sizeof(out));
	if (setup(state) != 0)
		return -1;
	f = *state;
	f->sessions.send = catch;
	f->sessions.take = take;
	session_set_limits(&f->sessions, f->session, &(struct session_limits){ .first_ms = 0 },
			   f->now_ms);
	return 0;
}

static void tick(struct fixture *f)
{
	struct session_event event;

	out.now_ms = f->now_ms;
	f->sessions.now_us = f->now_ms * 1000;
	f->sessions.unix_us = WALL_US + f->now_ms * 1000;
	while (sessions_pop(&f->sessions, f->now_ms, &event))
		continue;
}

static void media(struct fixture *f, unsigned number, const char *source, uint32_t ssrc, uint32_t n)
{
	unsigned char bytes[172 + SRTP_ROOM_BYTES] = { 0x80, 0, (unsigned char)(n >> 8),
						       (unsigned char)n };
	uint32_t timestamp = 160 * n;
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTP],
				 .bytes = bytes, .len = 172, .source = at(source),
				 .now_ms = f->now_ms, .arrival_us = f->now_ms * 1000 };

	for (unsigned i = 0; i < 4; i++) {
		bytes[4 + i] = (unsigned char)(timestamp >> (24 - 8 * i));
		bytes[8 + i] = (unsigned char)(ssrc >> (24 - 8 * i));
	}
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
}

static void control(struct fixture *f, unsigned number, const char *source, uint32_t ssrc)
{
	unsigned char bytes[64] = { 0x80, 200, 0, 6, 0, 0, 0, (unsigned char)ssrc, 9, 9, 0x12, 0x34,
				    0x56, 0x78, 9, 9 };
	struct packet packet = { .flow = &f->stream->sides[number].flows[COMPONENT_RTCP],
				 .bytes = bytes, .len = 28, .source = at(source),
				 .now_ms = f->now_ms, .arrival_us = f->now_ms * 1000 };

	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
}

/* Side 0 loses one packet in ten; whose bit is not in `speaking` is silent. Side 1 reports by itself. */
static void talk(struct fixture *f, unsigned speaking, uint32_t from_ms, uint32_t to_ms)
{
	for (uint32_t ms = from_ms; ms < to_ms; ms += 20, f->now_ms += 20) {
		uint32_t n = ms / 20;

		if (speaking & 1 && n % 10 != 9)
			media(f, 0, ME, 0x10, n);
		if (speaking & 2)
			media(f, 1, FAR, 0x20, n);
		if (speaking & 4 && ms % 5000 == 0)
			control(f, 1, FAR_CONTROL, 0x20);
		tick(f);
	}
}

static uint32_t word(const struct sent *sent, size_t at_byte)
{
	const unsigned char *p = sent->bytes + at_byte;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* For the silent one alone, after it was silent for two intervals, and then one in each. */
static void for_whom_is_silent(void **state)
{
	struct fixture *f = *state;

	talk(f, 7, 0, 60000);
	assert_in_range(out.count, 8, 28);
	for (unsigned i = 0; i < out.count; i++) {
		const struct sent *it = &out.list[i];
		uint64_t before_ms = i ? out.list[i - 1].at_ms : START_MS + 2052;

		assert_ptr_equal(it->flow, &f->stream->sides[1].flows[COMPONENT_RTCP]);
		assert_true(endpoint_eq(&it->to, &(struct endpoint){ at(FAR_CONTROL).ip, 5001 }));
		assert_int_equal(it->len, 80);
		assert_in_range(it->at_ms - before_ms, 2040, 3 * MOST_MS);
	}
	assert_true(out.taken > 0);
	assert_int_equal(f->sessions.reports_sent, out.count);
	assert_int_equal(f->stream->sides[1].counters.rtcp_sent, out.count);
	assert_int_equal(f->stream->sides[0].counters.rtcp_sent, 12); /* the other one's own */
}

/* Every figure of the last report, from what was sent. */
static void what_is_said(void **state)
{
	struct fixture *f = *state;
	const struct sent *last;
	uint32_t ms, packets;

	talk(f, 7, 0, 30000);
	assert_true(out.count > 1);
	last = &out.list[out.count - 1];
	ms = (uint32_t)(last->at_ms - START_MS);
	packets = ms / 20 + 1 - (ms / 20 + 1) / 10;
	assert_int_equal(word(last, 0), 0x81c8000c);
	assert_int_equal(word(last, 4), 0x10);
	assert_int_equal(word(last, 8), (WALL_US + last->at_ms * 1000) / 1000000 + 2208988800u);
	assert_in_range(word(last, 16), 8 * ms - 160, 8 * ms);
	assert_int_equal(word(last, 20), packets);
	assert_int_equal(word(last, 24), packets * 160);
	assert_int_equal(word(last, 28), 0x20); /* about the other one: all came */
	assert_int_equal(word(last, 32), 0);
	assert_int_equal(word(last, 36), ms / 20);
	assert_int_equal(word(last, 40), 0);
	assert_int_equal(word(last, 44), 0x12345678);
	assert_in_range(word(last, 48), (ms % 5000) * 65536ull / 1000 - 1, (ms % 5000) * 65536ull / 1000);
	assert_int_equal(word(last, 52), 0x81ca0006);
	assert_int_equal(word(last, 56), 0x10);
}

/* Neither reports: each is told of its own loss. */
static void both_are_silent(void **state)
{
	struct fixture *f = *state;
	const struct sent *last = NULL;
	uint32_t n;

	talk(f, 3, 0, 40000);
	for (unsigned i = 0; i < out.count; i++)
		if (out.list[i].flow == &f->stream->sides[0].flows[COMPONENT_RTCP])
			last = &out.list[i];
	assert_non_null(last);
	n = (uint32_t)(last->at_ms - START_MS) / 20 + 1;
	assert_int_equal(word(last, 4), 0x20);
	assert_int_equal(word(last, 28), 0x10);
	assert_in_range(word(last, 32) >> 24, 23, 28); /* a tenth of 256 */
	assert_in_range(word(last, 32) & 0xffffff, n / 10 - 1, n / 10);
	assert_int_equal(word(last, 44), 0); /* no SR came */
	assert_int_equal(word(last, 48), 0);
}

/* From its first own report on, and until it falls silent again. */
static void its_own_takes_over(void **state)
{
	struct fixture *f = *state;
	unsigned before;

	talk(f, 7, 0, 30000);
	before = out.count;
	assert_true(before > 0);
	for (uint32_t ms = 30000; ms < 60000; ms += 5000) {
		control(f, 0, ME_CONTROL, 0x10);
		talk(f, 7, ms, ms + 5000);
	}
	assert_int_equal(out.count, before);
	talk(f, 7, 60000, 90000);
	assert_true(out.count > before);
}

/* The dead do not report, nor whoever never spoke. */
static void not_for_the_dead(void **state)
{
	struct fixture *f = *state;
	unsigned before;

	talk(f, 6, 0, 30000);
	assert_int_equal(out.count, 0);
	talk(f, 7, 30000, 60000);
	talk(f, 6, 60000, 70000);
	before = out.count;
	assert_true(before > 0);
	talk(f, 6, 70000, 100000);
	assert_int_equal(out.count, before);
}

static void where_it_is_not_wanted(void **state)
{
	struct fixture *f = *state;

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at(FAR) }); /* a=rtcp:0 */
	talk(f, 3, 0, 30000);
	assert_true(out.count > 0);
	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at(FAR), .remote_rtcp = at(FAR_CONTROL),
					    .flags = CTL_STREAM_NO_REPORTS }); /* b=RS:0, b=RR:0 */
	talk(f, 3, 30000, 60000);
	for (unsigned i = 0; i < out.count; i++)
		assert_ptr_equal(out.list[i].flow, &f->stream->sides[0].flows[COMPONENT_RTCP]);
}

/* Multiplexed on one side only; the round trip is measured by our own report, too. */
static void one_port(void **state)
{
	struct fixture *f = *state;
	unsigned char answer[] = { 0x81, 201, 0, 7, 0, 0, 0, 0x20, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
				   0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0 };
	struct packet packet = { .flow = &f->stream->sides[1].flows[COMPONENT_RTP],
				 .bytes = answer, .len = sizeof(answer), .source = at(FAR) };

	tell(f, 1, (struct ctl_stream_set){ .remote_rtp = at(FAR), .remote_rtcp = at(FAR),
					    .flags = CTL_STREAM_RTCP_MUX });
	talk(f, 3, 0, 30000);
	for (unsigned i = 0; i < out.count; i++)
		if (out.list[i].flow->side->number == 1) {
			assert_ptr_equal(out.list[i].flow, packet.flow);
			memcpy(answer + 24, out.list[i].bytes + 10, 4);
			packet.arrival_us = out.list[i].at_ms * 1000 + 1090000;
		}
	assert_true(packet.arrival_us != 0);
	packet.now_ms = f->now_ms;
	assert_int_equal(session_packet(&packet), PACKET_FORWARD);
	assert_int_equal(f->stream->sides[1].peer.round_trip_us, 90000);
}

/* With keys it leaves as SRTCP, and opens to the same report; with keys left alone, not at all. */
static void secured(void **state)
{
	static const unsigned char key[30] = { 7 };
	struct fixture *f = *state;
	struct ctl_srtp_crypto crypto = { .suite = CTL_SRTP_AES_CM_128_HMAC_SHA1_80,
					  .key = slice_of((const char *)key, sizeof(key)) };
	struct ctl_stream_security security = { .send = &crypto, .send_count = 1 };
	struct ctl_stream_set set = { .side = 1, .remote_rtp = at(FAR), .remote_rtcp = at(FAR_CONTROL),
				      .security = &security, .security_count = 1 };
	struct srtp_engine engine;
	struct srtp *far;
	size_t len;

	tell(f, 1, set);
	assert_int_equal(session_prepare(&f->sessions, &f->stream->sides[1], &set), OK);
	assert_int_equal(session_secure(&f->stream->sides[1], &set, f->now_ms), OK);
	talk(f, 1, 0, 30000);
	assert_true(out.count > 0);
	assert_int_equal(out.list[0].len, 56 + 4 + 10); /* nobody to report about */
	assert_int_equal(srtp_engine_init(&engine, 4), OK);
	far = srtp_create(&engine);
	assert_non_null(far);
	assert_int_equal(srtp_set_receive(far, &crypto, 1, f->now_ms), OK);
	assert_int_equal(srtp_unprotect(far, true, out.list[0].bytes, out.list[0].len, f->now_ms, &len),
			 SRTP_OK);
	assert_int_equal(len, 56);
	assert_int_equal(word(&out.list[0], 0), 0x80c80006);
	srtp_destroy(&far);
	srtp_engine_fini(&engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(for_whom_is_silent, setup_call, teardown),
		cmocka_unit_test_setup_teardown(what_is_said, setup_call, teardown),
		cmocka_unit_test_setup_teardown(both_are_silent, setup_call, teardown),
		cmocka_unit_test_setup_teardown(its_own_takes_over, setup_call, teardown),
		cmocka_unit_test_setup_teardown(not_for_the_dead, setup_call, teardown),
		cmocka_unit_test_setup_teardown(where_it_is_not_wanted, setup_call, teardown),
		cmocka_unit_test_setup_teardown(one_port, setup_call, teardown),
		cmocka_unit_test_setup_teardown(secured, setup_call, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Nanoseconds per parsed message and per written reply, best of several rounds: printed, never
 * asserted. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sbc/sip/sip.h"

#define ROUNDS 15
#define TIMES  20000

#define HEAD(status)                                                                               \
	status "\r\n"                                                                              \
	       "Via: SIP/2.0/UDP "                                                                 \
	       "192.0.2.101:5060;branch=z9hG4bK-524287-1---6f1c2a3b4c5d6e7f;rport\r\n"
#define DIALOG                                                                                     \
	"From: \"Alice Adams\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"                 \
	"To: \"Bob\" <sip:+4930123456@biloxi.example.com;user=phone>"
#define CALL "\r\nCall-ID: 3848276298220188511@atlanta.example.com\r\n"
#define SDP                                                                                        \
	"v=0\r\no=- 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\n"   \
	"t=0 0\r\nm=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"                       \
	"a=rtpmap:101 telephone-event/8000\r\n"

struct sample {
	const char *name;
	const char *text;
};

static const struct sample samples[] = {
	{ "INVITE",
	  HEAD("INVITE sip:+4930123456@198.51.100.1:5060;user=phone SIP/2.0") "Max-Forwards: "
									      "70\r\n" DIALOG CALL
									      "CSeq: 1 INVITE\r\n"
									      "Contact: "
									      "<sip:alice@192.0.2."
									      "101:5060;transport="
									      "udp>\r\n"
									      "Allow: INVITE, ACK, "
									      "CANCEL, BYE, "
									      "OPTIONS, UPDATE, "
									      "PRACK\r\nSupported: "
									      "100rel, timer\r\n"
									      "User-Agent: "
									      "Phone/"
									      "1.0\r\nContent-Type:"
									      " application/"
									      "sdp\r\nContent-"
									      "Length: "
									      "173\r\n\r\n" SDP },
	{ "200", HEAD("SIP/2.0 200 OK") DIALOG
	  ";tag=314159" CALL "CSeq: 1 INVITE\r\n"
	  "Contact: <sip:bob@198.51.100.2:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\n"
	  "Content-Type: application/sdp\r\nContent-Length: 173\r\n\r\n" SDP },
	{ "ACK",
	  HEAD(
	      "ACK sip:bob@198.51.100.2:5060 SIP/2.0") "Max-Forwards: 70\r\n" DIALOG
						       ";tag=314159" CALL
						       "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n" },
	{ "BYE",
	  HEAD(
	      "BYE sip:bob@198.51.100.2:5060 SIP/2.0") "Max-Forwards: 70\r\n" DIALOG
						       ";tag=314159" CALL
						       "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n" },
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void parse_once(struct arena *arena, struct slice bytes, struct sip_msg *msg)
{
	struct sip_verdict verdict;

	arena_reset(arena);
	if (sip_parse(arena, bytes, &sip_limits_default, msg, &verdict) != OK) {
		fprintf(stderr, "a sample does not parse: %s\n", verdict.why);
		exit(1);
	}
}

static void reply_once(struct arena *arena, const struct sip_msg *msg)
{
	static const struct endpoint source = { { IP_V4, { 192, 0, 2, 101 } }, 5060 };
	struct sip_reply_head head;
	char storage[2048];
	struct text text;

	text_init(&text, storage, sizeof(storage));
	if (sip_reply_keep(arena, msg, &source, &head) != OK)
		exit(1);
	sip_reply_write(&text, &head, 180, SLICE_NONE, SLICE("b7f2a9"), true);
	sip_write_body(&text, SLICE_NONE, SLICE_NONE);
	if (text_done(&text).len == 0)
		exit(1);
}

static void measure(struct arena *arena, const struct sample *sample)
{
	struct slice bytes = slice_text(sample->text);
	double parse_ns = 1e18;
	double both_ns = 1e18;
	struct sip_msg msg;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();
		double middle;
		double end;

		for (int i = 0; i < TIMES; i++)
			parse_once(arena, bytes, &msg);
		middle = now_ns();
		for (int i = 0; i < TIMES; i++) {
			parse_once(arena, bytes, &msg);
			if (msg.is_request)
				reply_once(arena, &msg);
		}
		end = now_ns();
		parse_ns = middle - start < parse_ns ? middle - start : parse_ns;
		both_ns = end - middle < both_ns ? end - middle : both_ns;
	}
	printf("%-8s %5zu bytes %8.0f ns parse %8.0f ns with reply\n", sample->name, bytes.len,
	       parse_ns / TIMES, both_ns / TIMES);
}

int main(void)
{
	struct arena_cache cache;
	struct arena arena;

	arena_cache_init(&cache, 1 << 20);
	arena_init(&arena, &cache, 8192, 1 << 20);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		measure(&arena, &samples[i]);
	arena_fini(&arena);
	arena_cache_fini(&cache);
	return 0;
}

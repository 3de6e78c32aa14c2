/* SPDX-License-Identifier: MIT
 * The four media operations of a plain audio call (offer in and out, answer in and out), and the
 * memory that a call keeps while it is up. Not a test: prints figures. */
#include <stdio.h>
#include <time.h>

#include "lib/base/ensure.h"
#include "sbc/media/media.h"

#define ROUNDS 200000u
#define CALLS 1000u

static const char offer_text[] =
	"v=0\r\no=user1 53655765 2353687637 IN IP4 10.0.0.10\r\ns=-\r\nc=IN IP4 10.0.0.10\r\n"
	"t=0 0\r\nm=audio 6000 RTP/AVP 0 8 18 101\r\na=rtpmap:0 PCMU/8000\r\n"
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
static const char answer_text[] =
	"v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
	"m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

struct bench {
	struct arena_cache cache;
	struct arena turn;
	struct rand rand;
	struct ctl_stream_ports ports[2];
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static struct media *call(struct bench *bench, struct arena *arena)
{
	struct media_side side = { .realm = SLICE("inside") };
	struct ctl_session_ports answer = { .session = 1,
					    .streams = bench->ports,
					    .streams_count = 2 };
	struct media *media = media_create(arena, &bench->cache, 65536, 1, &bench->rand);
	struct ctl_message *command;
	struct media_verdict verdict;

	ensure(media);
	media_set_side(media, 0, &side);
	side.realm = SLICE("outside");
	media_set_side(media, 1, &side);
	ensure(media_offer_in(media, 0, slice_text(offer_text), &bench->turn, &command,
			      &verdict) == OK);
	ensure(media_on_ports(media, &answer) == OK);
	ensure(media_offer_out(media, &bench->turn).len > 0);
	ensure(media_answer_in(media, slice_text(answer_text), &bench->turn, &command, &verdict) ==
	       OK);
	ensure(media_answer_out(media, &bench->turn).len > 0);
	media_commit(media);
	arena_reset(&bench->turn);
	return media;
}

static void measure_time(struct bench *bench)
{
	double begin = now_us();

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct arena arena;

		arena_init(&arena, &bench->cache, 2048, 65536);
		media_fini(call(bench, &arena));
		arena_fini(&arena);
	}
	printf("media: %.2f us for the offer and the answer of a call, both ways\n",
	       (now_us() - begin) / ROUNDS);
}

static void measure_memory(struct bench *bench)
{
	static struct media *media[CALLS];
	struct arena arena;
	size_t before;

	arena_init(&arena, &bench->cache, 65536, 1 << 26);
	before = bench->cache.used_bytes;
	for (unsigned i = 0; i < CALLS; i++)
		media[i] = call(bench, &arena);
	printf("media: %zu bytes for a call that is up\n",
	       (bench->cache.used_bytes - before) / CALLS);
	for (unsigned i = 0; i < CALLS; i++)
		media_fini(media[i]);
	arena_fini(&arena);
}

int main(void)
{
	static struct bench bench;

	arena_cache_init(&bench.cache, 1 << 20);
	arena_init(&bench.turn, &bench.cache, 16384, 1 << 20);
	rand_init_seed(&bench.rand, 1);
	for (uint8_t side = 0; side < 2; side++)
		bench.ports[side] = (struct ctl_stream_ports){
			.side = side,
			.local_rtp = { .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = 20000 },
			.local_rtcp = { .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = 20001 },
		};
	measure_time(&bench);
	measure_memory(&bench);
	arena_fini(&bench.turn);
	arena_cache_fini(&bench.cache);
	return 0;
}

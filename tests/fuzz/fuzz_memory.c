/* SPDX-License-Identifier: MIT
 * The relay's memory as the next relay finds it. A good file, with a plain side, one with keys, one behind
 * ICE and one whose RTCP has keys of its own, is changed by the input from any place on (exclusive or, so
 * that an empty input is the good file and every file can be reached). Whatever it holds: it is refused
 * or taken, and what was taken lives with packets, reports and digits, and is remembered again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "media-relay/session/digits.h"
#include "media-relay/worker/worker_priv.h"

#define SLOTS       64u
#define PLACE_BYTES 3u
#define NOW_MS      1000u

enum kind { PLAIN, SDES, ICE, DTLS, KINDS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct endpoint peer = { { IP_V4, { 192, 0, 2, 1 } }, 5000 };
static const struct endpoint moved = { { IP_V4, { 192, 0, 2, 1 } }, 5500 };

struct world {
	char path[64];
	struct loop loop;
	struct worker worker;
	unsigned sent;       /* digits, reports and answers */
	unsigned char *good; /* the file */
	size_t good_len;
};

static struct world *world;

static void on_send(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		    size_t len)
{
	(void)bytes;
	*(unsigned *)owner += 1;
	ensure(flow->port && to->ip.family == flow->local.ip.family && len > 0);
}

static struct endpoint local_of(enum kind kind)
{
	return (struct endpoint){ { IP_V4, { 198, 51, 100, 9 } }, (uint16_t)(20000 + 4 * kind) };
}

/* As the owner names it again. The far side is plain. */
static struct side *begin(struct worker *worker, enum kind kind, struct session **ret_session)
{
	static const char key[30] = "a key that inputs know", print[DTLS_FINGERPRINT_BYTES];
	static int port;
	uint64_t now_ms = worker->loop->now_ms;
	struct session *session = session_create(&worker->sessions, 1, 1 + kind, now_ms);
	struct stream *stream = stream_create(&worker->sessions, session, 0);
	struct side *side = &stream->sides[0];
	struct ctl_srtp_crypto keys[4] = { { .suite = CTL_SRTP_AES_CM_128_HMAC_SHA1_80,
					     .key = { key, sizeof(key) } } };
	struct ctl_ice_setup ice = { .local_ufrag = SLICE_INIT("evtj"),
				     .local_password = SLICE_INIT("VOkJxbRl1RmTxUk/WvJxBt") };
	struct ctl_dtls_setup dtls = { .hash = CTL_HASH_SHA256,
				       .fingerprint = slice_of(print, sizeof(print)) };
	struct ctl_stream_security security = { .receive = &keys[0],
						.receive_count = 1,
						.send = &keys[1],
						.send_count = 1,
						.receive_rtcp = &keys[2],
						.receive_rtcp_count = kind == DTLS,
						.send_rtcp = &keys[3],
						.send_rtcp_count = kind == DTLS,
						.dtls = &dtls,
						.dtls_count = kind == DTLS,
						.ice = &ice,
						.ice_count = kind == ICE };
	struct ctl_stream_set set = { .remote_rtp = peer,
				      .remote_rtcp = peer,
				      .direction = CTL_RECEIVE | CTL_TRANSMIT,
				      .flags = kind == ICE ? CTL_STREAM_RTCP_MUX : 0,
				      .security = &security,
				      .security_count = kind != PLAIN };
	struct ctl_session_set all = { .streams = &set, .streams_count = 1 };
	struct side_ports ports = { .local = { local_of(kind), local_of(kind) },
				    .port = { &port, &port } };
	uint32_t slot;

	keys[1] = keys[2] = keys[3] = keys[0];
	ensure(!session_check(&all) &&
	       session_prepare_channel(&worker->sessions, side, &set) == OK &&
	       session_prepare(&worker->sessions, side, &set) == OK);
	slot = worker_take_left(worker, session, &set, &ports.local[0]);
	side_set(side, &set, &ports, now_ms);
	ensure(session_secure(side, &set, now_ms) == OK);
	session_set_channel(&worker->sessions, side, &set, now_ms);
	worker_recall(worker, side, slot);
	set.security_count = 0;
	set.flags = 0;
	side_set(side->other, &set, &ports, now_ms);
	*ret_session = session;
	return side;
}

static void arrive(struct worker *worker, struct side *side, enum component component,
		   uint16_t sequence)
{
	unsigned char bytes[64 + SRTP_ROOM_BYTES] = { 0x80, 0, (unsigned char)(sequence >> 8),
						      (unsigned char)sequence, [11] = 7 };
	const struct latch *latch = &side->flows[component].latch;
	struct packet packet = { .flow = &side->flows[component],
				 .bytes = bytes,
				 .len = 40,
				 .source = latch->locked ? latch->source : peer,
				 .now_ms = worker->loop->now_ms,
				 .arrival_us = worker->loop->now_ms * 1000 };

	if (component == COMPONENT_RTCP) {
		packet.len = 32; /* a receiver report with one block, of the other side's source */
		memcpy(bytes, "\x81\xc9\0\7", 4);
	}
	if (session_packet(&packet) == PACKET_FORWARD)
		ensure(packet.out && packet.out->target.ip.family == packet.out->local.ip.family);
}

/* The digit leaves, packet by packet. */
static void run_timers(struct worker *worker, unsigned ms)
{
	struct session_event event;

	for (unsigned i = 0; i < ms / 10; i++) {
		worker->loop->now_ms += 10;
		worker->sessions.now_us = worker->loop->now_ms * 1000;
		while (sessions_pop(&worker->sessions, worker->loop->now_ms, &event))
			;
	}
}

/* What is heard alone must be somebody whom packets can come from. */
static void check_source(const struct endpoint *source, uint8_t family)
{
	ensure(source->ip.family == family && !ip_multicast(&source->ip));
	for (size_t i = family == IP_V4 ? 4 : 16; i < sizeof(source->ip.bytes); i++)
		ensure(source->ip.bytes[i] == 0);
}

static void live(struct worker *worker, struct side *side)
{
	struct ctl_relay_payload payload = { .payload_type = 101, .clock_hz = 8000 };
	struct ctl_digit_send digit = { .event = 5,
					.duration_ms = 100,
					.payloads = &payload,
					.payloads_count = 1 };
	struct ctl_stream_stats stats;
	const char *wrong;

	for (unsigned i = 0; i < COMPONENTS; i++) {
		const struct flow *flow = &side->flows[i];

		if (flow->latch.locked)
			check_source(&flow->latch.source, flow->local.ip.family);
	}
	for (unsigned number = 0; number < 2; number++) {
		digit.side = (uint8_t)number;
		for (uint16_t i = 0; i < 6; i++)
			arrive(worker, &side->stream->sides[number], COMPONENT_RTP,
			       (uint16_t)(i * 0x7f00u));
		arrive(worker, &side->stream->sides[number], COMPONENT_RTCP, 0);
		(void)!session_digit(&worker->sessions, side->stream, &digit, worker->loop->now_ms,
				     &wrong);
		run_timers(worker, 500);
		arrive(worker, &side->stream->sides[number], COMPONENT_RTCP, 0);
		side_stats(&side->stream->sides[number], worker->loop->now_ms, 1, &stats);
		ensure(stats.packets_lost <= (int64_t)stats.packets_expected);
	}
	worker_remember(worker, side);
}

static void begin_relay(struct memory **ret)
{
	ensure(memory_open(world->path, SLOTS, ret) == OK &&
	       memory_share_init(&world->worker.memory, *ret, 0, 1) == OK);
}

static void end_relay(struct memory **memory)
{
	memory_share_fini(&world->worker.memory);
	memory_close(memory);
}

/* What this relay finds in the file; sides: how many of them it knew. */
static unsigned serve(void)
{
	struct worker *worker = &world->worker;
	struct memory *memory = NULL;
	unsigned known = 0;

	begin_relay(&memory);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct session *session;
		struct side *side = begin(worker, (enum kind)kind, &session);

		known += side->memory_slot != 0;
		live(worker, side);
		worker_forget(worker, side);
		session_destroy(&worker->sessions, session);
	}
	memory_give_left(&worker->memory);
	end_relay(&memory);
	return known;
}

/* The file of a relay that was killed while all three spoke. */
static void make_good(void)
{
	struct worker *worker = &world->worker;
	struct memory *memory = NULL;
	struct session *session;
	struct stat st;
	int fd;

	begin_relay(&memory);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct side *side = begin(worker, (enum kind)kind, &session);
		struct side_memory record;
		const struct side_states *before;
		struct side_states states;

		for (uint16_t i = 0; i < 6; i++)
			arrive(worker, &side->stream->sides[kind != PLAIN], COMPONENT_RTP, i);
		arrive(worker, side->other, COMPONENT_RTCP, 0);
		worker_remember(worker, side);
		record = *memory_get(&worker->memory, side->memory_slot, &before);
		record.learned[0] = moved;
		record.woven_ssrc = 7;
		record.woven_shift = -3;
		ensure(memory_put(&worker->memory, side->memory_slot, &record,
				  side_remember_states(side, &states) ? &states : NULL) != 0);
		side->memory_slot = 0;
		session_destroy(&worker->sessions, session);
	}
	end_relay(&memory);
	fd = open(world->path, O_RDONLY | O_CLOEXEC);
	ensure(fd >= 0 && fstat(fd, &st) == 0);
	world->good_len = (size_t)st.st_size;
	world->good = malloc(world->good_len);
	ensure(world->good && read(fd, world->good, world->good_len) == (ssize_t)st.st_size);
	close(fd);
	world->sent = 0;
	ensure(serve() == KINDS && world->sent > KINDS * 2 * 5); /* a digit each way */
}

static void make_world(void)
{
	int fd;

	world = calloc(1, sizeof(*world));
	ensure(world && sessions_init(&world->worker.sessions, 4, NOW_MS) == OK);
	world->worker.sessions.send = on_send;
	world->worker.sessions.send_owner = &world->sent;
	world->worker.loop = &world->loop;
	world->loop.now_ms = NOW_MS;
	/* In memory where that is a folder: a disk takes longer to forget it than all else here. */
	snprintf(world->path, sizeof(world->path), "%s/fuzz_memory.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	fd = mkstemp(world->path);
	ensure(fd >= 0);
	close(fd);
	make_good();
}

static void remove_file(void)
{
	unlink(world->path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t place = 0;
	unsigned char *bytes;
	int fd;

	if (!world) {
		make_world();
		atexit(remove_file);
	}
	bytes = malloc(world->good_len);
	ensure(bytes);
	memcpy(bytes, world->good, world->good_len);
	if (size >= PLACE_BYTES)
		place = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
	for (size_t i = PLACE_BYTES; i < size && place + i - PLACE_BYTES < world->good_len; i++)
		bytes[place + i - PLACE_BYTES] ^= data[i];
	fd = open(world->path, O_WRONLY | O_CLOEXEC);
	ensure(fd >= 0 && write(fd, bytes, world->good_len) == (ssize_t)world->good_len);
	close(fd);
	free(bytes);
	(void)!serve();
	return 0;
}

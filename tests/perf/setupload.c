/* SPDX-License-Identifier: MIT
 * Call set-ups against a relay's control socket, at a steady rate and without waiting for one
 * before the next: offer (both pairs of ports are taken, the caller's address is told), answer (the
 * other side's), 100 ms later the end. The same three steps with media-relayd and, over the ng
 * protocol, with rtpengine. Of what comes back only the head is read, by code of its own.
 *
 *   setupload ctl PATH CALLS RATE
 *   setupload ng PORT CALLS RATE
 *
 * Prints one JSON object: calls that went through, and how long each step took. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/ctl/ctl.h"

#define HOLD_US      100000u
#define SILENCE_US   3000000u /* nothing came for so long: the rest is lost */
#define SOCKET_BYTES (4 << 20)
#define LOAD_IP                                                                                    \
	{                                                                                          \
		IP_V4,                                                                             \
		{                                                                                  \
			10, 9, 0, 1                                                                \
		}                                                                                  \
	}
#define MEDIA_PORT 20000u

enum step { STEP_OFFER, STEP_ANSWER, STEP_END, STEPS };

struct call {
	uint64_t sent_us, ready_us;
	uint32_t took_us[STEPS];
	enum step step;
	bool failed, over;
};

struct setup {
	int fd;
	bool is_ng;
	size_t count, started, ended, over, failed;
	double rate;
	struct call *calls;
	char bytes[CTL_MAX_BYTES];
};

static uint64_t now_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "setupload: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- media-relayd ---- */

static void send_message(struct setup *setup, const struct ctl_message *message)
{
	size_t len;

	ensure(ctl_encode(message, setup->bytes, sizeof(setup->bytes), &len) == OK);
	if (send(setup->fd, setup->bytes, len, 0) < 0)
		die("send");
}

static void ctl_send_step(struct setup *setup, size_t number, enum step step)
{
	struct ctl_relay_payload payloads[2] = {
		{ .payload_type = 0, .clock_hz = 8000, .codec = CTL_CODEC_G711 },
		{ .payload_type = 101, .clock_hz = 8000, .kind = CTL_PAYLOAD_EVENT },
	};
	struct ctl_stream_set sides[2] = {
		{ .side = 0,
		  .realm = SLICE("in"),
		  .direction = CTL_RECEIVE | CTL_TRANSMIT,
		  .remote_rtp = { LOAD_IP, MEDIA_PORT },
		  .remote_rtcp = { LOAD_IP, MEDIA_PORT + 1 },
		  .payloads = payloads,
		  .payloads_count = 2 },
		{ .side = 1,
		  .realm = SLICE("out"),
		  .direction = CTL_RECEIVE | CTL_TRANSMIT,
		  .payloads = payloads,
		  .payloads_count = 2 },
	};
	struct ctl_message message = { .request = (uint32_t)(number * STEPS + step + 1) };

	if (step == STEP_END) {
		message.type = CTL_session_close;
		message.session_close.session = number + 1;
		send_message(setup, &message);
		return;
	}
	if (step == STEP_ANSWER) {
		sides[1].remote_rtp = (struct endpoint){ LOAD_IP, MEDIA_PORT + 2 };
		sides[1].remote_rtcp = (struct endpoint){ LOAD_IP, MEDIA_PORT + 3 };
	}
	message.type = CTL_session_set;
	message.session_set = (struct ctl_session_set){
		.session = number + 1,
		.first_timeout_ms = 60000,
		.timeout_ms = 60000,
		.streams = step == STEP_OFFER ? sides : sides + 1,
		.streams_count = step == STEP_OFFER ? 2 : 1,
	};
	send_message(setup, &message);
}

/* 0: a push. */
static uint32_t ctl_read_answer(const char *bytes, size_t len, bool *ret_good)
{
	const unsigned char *head = (const unsigned char *)bytes;

	if (len < 8)
		return 0;
	*ret_good = (head[0] << 8 | head[1]) != CTL_failure;
	return (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
}

static int ctl_open(struct setup *setup, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ctl_message hello = { .type = CTL_hello,
				     .hello = { .version = CTL_VERSION,
						.program = SLICE("sbcd"),
						.node = SLICE("bench") } };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (strlen(path) >= sizeof(address.sun_path) || fd < 0)
		die(path);
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	setup->fd = fd;
	send_message(setup, &hello);
	for (int n = 0; n < 2; n++) /* its hello, and what it can do */
		if (recv(fd, setup->bytes, sizeof(setup->bytes), 0) <= 0)
			die("hello");
	return fd;
}

/* ---- rtpengine ---- */

static size_t sdp_write(char *to, size_t cap, unsigned port)
{
	return (size_t)snprintf(to, cap,
				"v=0\r\no=- 4711 1 IN IP4 10.9.0.1\r\ns=-\r\nc=IN IP4 10.9.0.1\r\n"
				"t=0 0\r\nm=audio %u RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
				"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
				"a=ptime:20\r\na=sendrecv\r\n",
				port);
}

static void ng_send_step(struct setup *setup, size_t number, enum step step)
{
	static const char *const commands[STEPS] = { "5:offer", "6:answer", "6:delete" };
	uint32_t cookie = (uint32_t)(number * STEPS + step + 1);
	char sdp[1024], name[32];
	unsigned port = MEDIA_PORT + (step == STEP_ANSWER ? 2 : 0);
	size_t sdp_len = sdp_write(sdp, sizeof(sdp), port), len;
	int name_len = snprintf(name, sizeof(name), "set-up-%zu", number);

	len = (size_t)snprintf(setup->bytes, sizeof(setup->bytes), "%u d", cookie);
	if (step != STEP_END)
		len += (size_t)snprintf(setup->bytes + len, sizeof(setup->bytes) - len,
					"3:ICE6:remove");
	len += (size_t)snprintf(setup->bytes + len, sizeof(setup->bytes) - len,
				"7:call-id%d:%s7:command%s8:from-tag1:f", name_len, name,
				commands[step]);
	if (step != STEP_END)
		len += (size_t)snprintf(setup->bytes + len, sizeof(setup->bytes) - len,
					"7:replacel6:origin18:session-connectione3:sdp%zu:%s",
					sdp_len, sdp);
	len += (size_t)snprintf(setup->bytes + len, sizeof(setup->bytes) - len, "%se",
				step == STEP_ANSWER ? "6:to-tag1:t" : "");
	if (send(setup->fd, setup->bytes, len, 0) < 0)
		die("send");
}

static uint32_t ng_read_answer(const char *bytes, bool *ret_good)
{
	*ret_good = strstr(bytes, "6:result2:ok") != NULL;
	return (uint32_t)strtoul(bytes, NULL, 10);
}

static int ng_open(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = SOCKET_BYTES;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(port);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return fd;
}

/* ---- calls ---- */

static void send_step(struct setup *setup, size_t number, enum step step)
{
	struct call *call = &setup->calls[number];

	call->step = step;
	call->sent_us = now_us();
	if (setup->is_ng)
		ng_send_step(setup, number, step);
	else
		ctl_send_step(setup, number, step);
}

static void on_answer(struct setup *setup, uint32_t request, bool good)
{
	size_t number = (request - 1) / STEPS;
	enum step step = (enum step)((request - 1) % STEPS);
	struct call *call;

	if (request == 0 || number >= setup->started)
		return; /* a push */
	call = &setup->calls[number];
	if (call->over || call->step != step)
		return;
	if (!good) {
		call->failed = call->over = true;
		setup->failed++;
		return;
	}
	call->took_us[step] = (uint32_t)(now_us() - call->sent_us);
	if (step == STEP_OFFER) {
		send_step(setup, number, STEP_ANSWER);
	} else if (step == STEP_ANSWER) {
		call->ready_us = now_us();
	} else {
		call->over = true;
		setup->over++;
	}
}

/* Calls end in the order they began; one that is not answered yet lets the later ones wait. */
static void end_due(struct setup *setup, uint64_t now)
{
	for (; setup->ended < setup->started; setup->ended++) {
		struct call *call = &setup->calls[setup->ended];

		if (call->failed)
			continue;
		if (call->ready_us == 0 || now < call->ready_us + HOLD_US)
			return;
		send_step(setup, setup->ended, STEP_END);
	}
}

static bool read_answers(struct setup *setup)
{
	struct pollfd waiting = { .fd = setup->fd, .events = POLLIN };
	bool any = false;
	ssize_t len;

	if (poll(&waiting, 1, 1) < 0)
		die("poll");
	while ((len = recv(setup->fd, setup->bytes, sizeof(setup->bytes) - 1, MSG_DONTWAIT)) > 0) {
		bool good = false;
		uint32_t request;

		setup->bytes[len] = '\0';
		request = setup->is_ng ? ng_read_answer(setup->bytes, &good)
				       : ctl_read_answer(setup->bytes, (size_t)len, &good);
		on_answer(setup, request, good);
		any = true;
	}
	if (len == 0 && !setup->is_ng) {
		errno = ECONNRESET;
		die("the relay went away");
	}
	return any;
}

static double run(struct setup *setup)
{
	uint64_t begin = now_us(), heard = begin, now = begin, last = begin;

	while (setup->over + setup->failed < setup->count && now < heard + SILENCE_US) {
		size_t due = (size_t)((double)(now - begin) * setup->rate / 1e6) + 1;

		for (; setup->started < due && setup->started < setup->count; last = now)
			send_step(setup, setup->started++, STEP_OFFER);
		end_due(setup, now);
		if (read_answers(setup))
			heard = now;
		now = now_us();
	}
	return (double)(last - begin) / 1e6;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static void print_step(const struct setup *setup, const char *name, enum step step, uint32_t *room)
{
	size_t count = 0;

	for (size_t n = 0; n < setup->started; n++)
		if (setup->calls[n].over && !setup->calls[n].failed)
			room[count++] = setup->calls[n].took_us[step];
	qsort(room, count, sizeof(*room), compare);
	printf(", \"%s_us\": {\"p50\": %u, \"p99\": %u}", name, count ? room[count / 2] : 0,
	       count ? room[count * 99 / 100] : 0);
}

int main(int argc, char **argv)
{
	struct setup *setup = calloc(1, sizeof(*setup));
	uint32_t *room;
	double took;

	if (argc != 5 || !setup || (strcmp(argv[1], "ctl") != 0 && strcmp(argv[1], "ng") != 0)) {
		fprintf(stderr, "usage: setupload ctl PATH CALLS RATE | ng PORT CALLS RATE\n");
		return 2;
	}
	setup->is_ng = argv[1][0] == 'n';
	setup->count = strtoul(argv[3], NULL, 10);
	setup->rate = strtod(argv[4], NULL);
	setup->calls = calloc(setup->count + 1, sizeof(*setup->calls));
	room = calloc(setup->count + 1, sizeof(*room));
	if (!setup->calls || !room)
		die("memory");
	setup->fd = setup->is_ng ? ng_open(argv[2]) : ctl_open(setup, argv[2]);
	took = run(setup);
	printf("{\"calls\": %zu, \"over\": %zu, \"refused\": %zu, \"took_s\": %.3f", setup->count,
	       setup->over, setup->failed, took);
	print_step(setup, "offer", STEP_OFFER, room);
	print_step(setup, "answer", STEP_ANSWER, room);
	print_step(setup, "end", STEP_END, room);
	printf("}\n");
	free(setup->calls);
	free(room);
	free(setup);
	return 0;
}

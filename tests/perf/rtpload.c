/* SPDX-License-Identifier: MIT
 * Sends RTP of many streams from an interface, and compares every byte that a relay sends back.
 * Reads streams from standard input, a line each, IPv4 only, the two ends of a call on neighbouring
 * lines; a line with a suite and keys (hex) is an end that speaks SRTP; a line with a full stop
 * ends them:
 *
 *   LOCAL-IP LOCAL-PORT RELAY-IP RELAY-PORT [SUITE SENDS-KEY HEARS-KEY]
 *
 * Says "ready", waits for a line, sends, and prints one JSON object.
 * usage: rtpload OBJECT INTERFACE RELAY-MAC SECONDS PACKETS_PER_SECOND CLUMP FIRST-SEQUENCE. A
 * clump of 0: one by one at random times, and what the relay adds to a packet's way is measured. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/perf/rtpload_sealed.h"
#include "tests/support/reference_srtp.h"

#define UDP_HEADER_BYTES 8u
#define DELAY_BATCH      8u /* looks at the clock before what is due leaves */

struct end {
	struct in_addr from, to;
	unsigned from_port, to_port;
	struct sealed_keys keys;
	uint32_t sealed; /* 1 +; 0: plain */
};

struct load {
	struct bpf_object *object;
	int streams_fd, states_fd, expected_fd, delays_fd;
	struct load_state state;
	struct end *ends;
	unsigned char mac[6], relay_mac[6];
	double seconds, rate, took;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "rtpload: %s: %s\n", what, errno ? strerror(errno) : "not understood");
	exit(1);
}

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static uint32_t sum16(const unsigned char *at, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The payload adds nothing to the sum; a packet of SRTP brings its own. */
static void stream_fill(const struct load *load, struct load_stream *stream, uint32_t number)
{
	const struct end *end = &load->ends[number];
	unsigned char *head = stream->head, *ip = head + 14, *udp = head + 34,
		      *rtp = head + LOAD_RTP_AT;
	unsigned udp_bytes = UDP_HEADER_BYTES + LOAD_RTP_BYTES +
			     (end->sealed ? sealed_tag_bytes(end->keys.suite) : 0);

	memset(stream, 0, sizeof(*stream));
	memcpy(head, load->relay_mac, 6);
	memcpy(head + 6, load->mac, 6);
	put16(head + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 20 + udp_bytes);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, &end->from, 4);
	memcpy(ip + 16, &end->to, 4);
	put16(ip + 10, ~fold(sum16(ip, 20)) & 0xffff);
	put16(udp, end->from_port);
	put16(udp + 2, end->to_port);
	put16(udp + 4, udp_bytes);
	rtp[0] = 0x80;
	put16(rtp + 8, load_ssrc(number) >> 16);
	put16(rtp + 10, load_ssrc(number) & 0xffff);
	stream->sequence = stream->arrived = (uint16_t)(load->state.first - 1);
	stream->ssrc = load_ssrc(number);
	stream->sealed = end->sealed;
	stream->sum = fold(17 + udp_bytes + sum16(ip + 12, 8) + sum16(udp, 8) +
			   (end->sealed ? 0 : sum16(rtp, LOAD_RTP_HEADER_BYTES)));
}

static void end_parse(const char *line, struct end *ret, struct load_state *state)
{
	char from[64], to[64], suite[64], sends[128], hears[128];
	int found = sscanf(line, "%63s %u %63s %u %63s %127s %127s", from, &ret->from_port, to,
			   &ret->to_port, suite, sends, hears);

	errno = 0;
	if ((found != 4 && found != 7) || inet_pton(AF_INET, from, &ret->from) != 1 ||
	    inet_pton(AF_INET, to, &ret->to) != 1 || ret->from_port > 65535 || ret->to_port > 65535)
		die(line);
	if (found == 7 && !sealed_keys_parse(suite, sends, hears, &ret->keys))
		die(line);
	if (found == 7)
		ret->sealed = ++state->sealed_streams;
}

static void read_ends(struct load *load)
{
	char line[512];

	load->ends = calloc(LOAD_STREAMS_MAX, sizeof(*load->ends));
	if (!load->ends)
		die("memory");
	while (fgets(line, sizeof(line), stdin) && line[0] != '.' &&
	       load->state.streams < LOAD_STREAMS_MAX)
		end_parse(line, &load->ends[load->state.streams++], &load->state);
	if (load->state.streams == 0 || load->state.streams % 2 != 0) {
		errno = 0;
		die("not two streams a call");
	}
}

static void find_interface(struct load *load, const char *interface)
{
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		die(interface);
	memcpy(load->mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
	load->state.ifindex = if_nametoindex(interface);
}

static void load_object(struct load *load, const char *path)
{
	struct bpf_map *sealed;
	uint32_t packets = load->state.rounds * load->state.sealed_streams * 2;

	load->object = bpf_object__open_file(path, NULL);
	if (!load->object)
		die(path);
	sealed = bpf_object__find_map_by_name(load->object, "sealed");
	if (bpf_map__set_max_entries(sealed, packets ? packets : 1) ||
	    bpf_object__load(load->object))
		die(path);
	load->streams_fd = bpf_object__find_map_fd_by_name(load->object, "streams");
	load->states_fd = bpf_object__find_map_fd_by_name(load->object, "states");
	load->expected_fd = bpf_object__find_map_fd_by_name(load->object, "expected");
	load->delays_fd = bpf_object__find_map_fd_by_name(load->object, "delays");
}

static void fill_streams(const struct load *load)
{
	for (uint32_t number = 0; number < load->state.streams; number++) {
		const struct end *end = &load->ends[number];
		struct load_expected expected = { .from_port = end->to_port,
						  .sender = 1 + (number ^ 1),
						  .sealed = end->sealed };
		struct load_stream stream;

		stream_fill(load, &stream, number);
		if (bpf_map_update_elem(load->streams_fd, &number, &stream, BPF_ANY) ||
		    bpf_map_update_elem(load->expected_fd, &end->from_port, &expected, BPF_ANY))
			die("map");
	}
}

static void fill_sealed(const struct load *load)
{
	const struct load_state *state = &load->state;
	size_t bytes = sizeof(struct load_sealed) * state->rounds * state->sealed_streams * 2;
	struct load_sealed *table;

	if (bytes == 0)
		return;
	errno = 0;
	if (!reference_load())
		die("libsrtp2");
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_object__find_map_fd_by_name(load->object, "sealed"), 0);
	if (table == MAP_FAILED)
		die("table of packets");
	for (uint32_t number = 0; number < state->streams; number++)
		if (load->ends[number].sealed)
			sealed_fill(table, state, load->ends[number].sealed,
				    &load->ends[number].keys, number, number ^ 1);
	munmap(table, bytes);
}

static int program_fd(const struct load *load, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(load->object, name));
}

/* It is there as long as this process. */
static void attach_sink(const struct load *load)
{
	struct bpf_link_create_opts options = { .sz = sizeof(options),
						.flags = XDP_FLAGS_DRV_MODE };

	if (bpf_link_create(program_fd(load, "sink"), (int)load->state.ifindex, BPF_XDP, &options) <
	    0)
		die("sink");
}

static void on_alarm(int number)
{
	(void)number;
}

/* The program only looks at the clock then, so the sender is stopped from outside. */
static void stop_after(double seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	time_t whole = (time_t)seconds;
	struct itimerval timer = {
		.it_value = { .tv_sec = whole,
			      .tv_usec = (suseconds_t)(1e6 * (seconds - (double)whole)) }
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static double now_s(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Until nothing comes: at once where all are back, longer where some may wait somewhere. */
static void wait_for_the_last(struct load *load)
{
	const struct timespec rest = { .tv_nsec = 200000000 };
	uint64_t seen = UINT64_MAX, came = 0;
	uint32_t zero = 0;

	for (unsigned quiet = 0; quiet < 5 && (seen != came || came < load->state.sent); quiet++) {
		if (seen != came)
			quiet = 0;
		seen = came;
		nanosleep(&rest, NULL);
		if (bpf_map_lookup_elem(load->states_fd, &zero, &load->state))
			die("map");
		came = load->state.good + load->state.wrong;
	}
}

static void send_all(struct load *load)
{
	unsigned char frame[LOAD_FRAME_BYTES] = { 0 };
	struct xdp_md context = { .data_end = sizeof(frame),
				  .ingress_ifindex = load->state.ifindex };
	bool delays = load->state.delays;
	struct bpf_test_run_opts options = { .sz = sizeof(options),
					     .data_in = frame,
					     .data_size_in = sizeof(frame),
					     .ctx_in = &context,
					     .ctx_size_in = sizeof(context),
					     .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
					     .batch_size = delays ? DELAY_BATCH : load->state.clump,
					     .repeat = delays ? INT_MAX : (int)load->state.limit };
	uint32_t zero = 0;
	double begin;

	if (bpf_map_update_elem(load->states_fd, &zero, &load->state, BPF_ANY))
		die("map");
	if (delays)
		stop_after(1.05 * load->seconds + 0.1);
	begin = now_s();
	if (bpf_prog_test_run_opts(program_fd(load, "load"), &options) && errno != EINTR)
		die("load");
	load->took = now_s() - begin;
	wait_for_the_last(load);
}

/* In microseconds: `share` of the packets took at most so long. */
static unsigned delay_of(const struct load *load, double share)
{
	uint64_t count, seen = 0, wanted = (uint64_t)(share * (double)load->state.good);
	uint32_t us;

	for (us = 0; us < LOAD_DELAYS - 1; us++) {
		if (bpf_map_lookup_elem(load->delays_fd, &us, &count))
			die("map");
		seen += count;
		if (seen > wanted)
			break;
	}
	return us;
}

static void print_result(const struct load *load)
{
	const struct load_state *state = &load->state;

	printf("{\"streams\": %u, \"sent\": %llu, \"received\": %llu, \"wrong\": %llu, "
	       "\"disordered\": %llu, \"late\": %llu, \"took_s\": %.3f",
	       state->streams, (unsigned long long)state->sent, (unsigned long long)state->good,
	       (unsigned long long)state->wrong, (unsigned long long)state->disordered,
	       (unsigned long long)state->late, load->took);
	if (state->delays)
		printf(", \"delay_us\": {\"p50\": %u, \"p99\": %u, \"p999\": %u}",
		       delay_of(load, 0.5), delay_of(load, 0.99), delay_of(load, 0.999));
	printf("}\n");
}

static void options_parse(struct load *load, char **argv)
{
	unsigned clump = (unsigned)strtoul(argv[6], NULL, 10);

	load->seconds = strtod(argv[4], NULL);
	load->rate = strtod(argv[5], NULL);
	load->state.clump = clump ? clump : 1;
	load->state.delays = clump == 0;
	load->state.first = (uint16_t)strtoul(argv[7], NULL, 10);
	load->state.interval_ns = (uint64_t)(1e9 * load->state.clump / load->rate);
	load->state.limit = (uint64_t)(load->rate * load->seconds);
}

int main(int argc, char **argv)
{
	struct load load = { .object = NULL };
	char line[16];

	if (argc != 8 || sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &load.relay_mac[0],
				&load.relay_mac[1], &load.relay_mac[2], &load.relay_mac[3],
				&load.relay_mac[4], &load.relay_mac[5]) != 6) {
		fprintf(stderr, "usage: rtpload OBJECT INTERFACE RELAY-MAC SECONDS "
				"PACKETS_PER_SECOND CLUMP FIRST-SEQUENCE <streams\n");
		return 2;
	}
	options_parse(&load, argv);
	find_interface(&load, argv[2]);
	read_ends(&load);
	load.state.rounds = (uint32_t)(load.state.limit / load.state.streams) + 1;
	errno = 0;
	if (load.state.first + load.state.rounds > UINT16_MAX)
		die("sequence numbers would wrap");
	load_object(&load, argv[1]);
	fill_streams(&load);
	fill_sealed(&load);
	attach_sink(&load);
	printf("ready\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin)) {
		send_all(&load);
		print_result(&load);
	}
	bpf_object__close(load.object);
	free(load.ends);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * Sends RTP of many streams from an interface and counts what a relay sends back. Reads streams from
 * standard input, a line each, IPv4 only:
 *
 *   LOCAL-IP LOCAL-PORT RELAY-IP RELAY-PORT
 *
 * usage: rtpload OBJECT INTERFACE RELAY-MAC SECONDS PACKETS_PER_SECOND CLUMP. Prints one JSON object. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/perf/rtpload.h"

#define UDP_BYTES 180u

struct load {
	struct bpf_object *object;
	int streams_fd, states_fd, expected_fd, link_fd;
	struct load_state state;
	unsigned char mac[6], relay_mac[6];
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "rtpload: %s: %s\n", what, strerror(errno));
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

static void stream_fill(const struct load *load, struct load_stream *stream, struct in_addr from,
			unsigned from_port, struct in_addr to, unsigned to_port, uint32_t number)
{
	unsigned char *head = stream->head, *ip = head + 14, *udp = head + 34, *rtp = head + 42;

	memset(stream, 0, sizeof(*stream));
	memcpy(head, load->relay_mac, 6);
	memcpy(head + 6, load->mac, 6);
	put16(head + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 20 + UDP_BYTES);
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, &from, 4);
	memcpy(ip + 16, &to, 4);
	put16(ip + 10, ~fold(sum16(ip, 20)) & 0xffff);
	put16(udp, from_port);
	put16(udp + 2, to_port);
	put16(udp + 4, UDP_BYTES);
	rtp[0] = 0x80;
	put16(rtp + 8, 0x1000 + number / 65536);
	put16(rtp + 10, number % 65536);
	stream->sequence = 1000;
	stream->timestamp = 160 * number;
	stream->sum = fold(17 + UDP_BYTES + sum16(ip + 12, 8) + sum16(udp, 8) + sum16(rtp, 12));
}

/* The frames' payload is as bpf_prog_test_run was given it: zeros. */
static void read_streams(struct load *load)
{
	char from_ip[64], to_ip[64];
	unsigned from_port, to_port;
	uint32_t number = 0;

	while (number < LOAD_STREAMS_MAX &&
	       scanf("%63s %u %63s %u", from_ip, &from_port, to_ip, &to_port) == 4) {
		struct load_stream stream;
		struct in_addr from, to;

		if (inet_pton(AF_INET, from_ip, &from) != 1 || inet_pton(AF_INET, to_ip, &to) != 1)
			die("address");
		stream_fill(load, &stream, from, from_port, to, to_port, number);
		if (bpf_map_update_elem(load->streams_fd, &number, &stream, BPF_ANY) ||
		    bpf_map_update_elem(load->expected_fd, &from_port, &to_port, BPF_ANY))
			die("map");
		number++;
	}
	load->state.streams = number;
}

static int program_fd(const struct load *load, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(load->object, name));
}

static void open_interface(struct load *load, const char *object, const char *interface)
{
	struct bpf_link_create_opts options = { .sz = sizeof(options),
						.flags = XDP_FLAGS_DRV_MODE };
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	load->object = bpf_object__open_file(object, NULL);
	if (!load->object || bpf_object__load(load->object))
		die(object);
	load->streams_fd = bpf_object__find_map_fd_by_name(load->object, "streams");
	load->states_fd = bpf_object__find_map_fd_by_name(load->object, "states");
	load->expected_fd = bpf_object__find_map_fd_by_name(load->object, "expected");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		die(interface);
	memcpy(load->mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
	load->state.ifindex = if_nametoindex(interface);
	load->link_fd = bpf_link_create(program_fd(load, "sink"), (int)load->state.ifindex, BPF_XDP,
					&options);
	if (load->link_fd < 0)
		die("sink");
}

static void run(struct load *load, double seconds, double rate, unsigned clump)
{
	unsigned char frame[LOAD_FRAME_BYTES] = { 0 };
	struct xdp_md context = { .data_end = sizeof(frame), .ingress_ifindex = load->state.ifindex };
	struct bpf_test_run_opts options = { .sz = sizeof(options),
					     .data_in = frame,
					     .data_size_in = sizeof(frame),
					     .ctx_in = &context,
					     .ctx_size_in = sizeof(context),
					     .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
					     .batch_size = clump,
					     .repeat = (int)(rate * seconds) };
	const struct timespec rest = { .tv_nsec = 200000000 };
	uint32_t zero = 0;

	load->state.clump = clump;
	load->state.interval_ns = (uint64_t)(1e9 * clump / rate);
	if (bpf_map_update_elem(load->states_fd, &zero, &load->state, BPF_ANY) ||
	    bpf_prog_test_run_opts(program_fd(load, "load"), &options))
		die("load");
	nanosleep(&rest, NULL);
	if (bpf_map_lookup_elem(load->states_fd, &zero, &load->state))
		die("map");
	printf("{\"streams\": %u, \"sent\": %llu, \"received\": %llu, \"wrong\": %llu, \"late\": %llu}\n",
	       load->state.streams, (unsigned long long)load->state.sent,
	       (unsigned long long)load->state.good, (unsigned long long)load->state.bad,
	       (unsigned long long)load->state.late);
}

int main(int argc, char **argv)
{
	struct load load = { .link_fd = -1 };

	if (argc != 7 || sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &load.relay_mac[0],
				&load.relay_mac[1], &load.relay_mac[2], &load.relay_mac[3],
				&load.relay_mac[4], &load.relay_mac[5]) != 6) {
		fprintf(stderr, "usage: rtpload OBJECT INTERFACE RELAY-MAC SECONDS "
				"PACKETS_PER_SECOND CLUMP <streams\n");
		return 2;
	}
	open_interface(&load, argv[1], argv[2]);
	read_streams(&load);
	if (load.state.streams > 0)
		run(&load, strtod(argv[4], NULL), strtod(argv[5], NULL),
		    (unsigned)strtoul(argv[6], NULL, 10));
	bpf_object__close(load.object);
	return load.state.streams > 0 ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 * RTP for measurements: many streams of 172-byte packets, one every 20 ms each, sent in clumps and
 * received on the sockets they leave from. Reads streams from standard input, a line each:
 *
 *   LOCAL-IP LOCAL-PORT REMOTE-IP REMOTE-PORT
 *
 * usage: mediaload SECONDS PACKETS_PER_SECOND. Prints one JSON object: packets sent and received. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define PACKET_BYTES 172
#define CLUMP_US     1000
#define READ_BATCH   16
#define SOCKET_BYTES (256 << 10)

struct stream {
	int fd;
	uint16_t sequence;
	uint32_t ssrc;
	uint32_t timestamp;
};

static uint64_t now_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}

static void die(const char *what)
{
	fprintf(stderr, "mediaload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_stream(const char *local_ip, unsigned local_port, const char *ip, unsigned port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons((uint16_t)local_port) };
	struct sockaddr_in remote = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = SOCKET_BYTES;

	if (inet_pton(AF_INET, local_ip, &local.sin_addr) != 1 ||
	    inet_pton(AF_INET, ip, &remote.sin_addr) != 1)
		die("address");
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    connect(fd, (struct sockaddr *)&remote, sizeof(remote)) < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return fd;
}

static size_t read_streams(struct stream *streams, size_t limit, int epoll_fd)
{
	char local_ip[64], ip[64];
	unsigned local_port, port;
	size_t count = 0;

	while (count < limit && scanf("%63s %u %63s %u", local_ip, &local_port, ip, &port) == 4) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = count };

		streams[count] = (struct stream){ .fd = open_stream(local_ip, local_port, ip, port),
						  .ssrc = 0x10000000U + (uint32_t)count };
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, streams[count].fd, &event) < 0)
			die("epoll_ctl");
		count++;
	}
	return count;
}

static size_t send_packet(struct stream *stream)
{
	uint8_t packet[PACKET_BYTES] = { 0x80, 0 };
	uint16_t sequence = htons(stream->sequence++);
	uint32_t timestamp = htonl(stream->timestamp += 160), ssrc = htonl(stream->ssrc);

	memcpy(packet + 2, &sequence, 2);
	memcpy(packet + 4, &timestamp, 4);
	memcpy(packet + 8, &ssrc, 4);
	return send(stream->fd, packet, sizeof(packet), 0) == PACKET_BYTES;
}

static size_t read_all(const struct stream *streams, int epoll_fd, int wait_ms)
{
	struct epoll_event events[256];
	uint8_t packet[2048];
	int ready = epoll_wait(epoll_fd, events, 256, wait_ms);
	size_t got = 0;

	for (int n = 0; n < ready; n++)
		for (int k = 0; k < READ_BATCH; k++) {
			if (recv(streams[events[n].data.u64].fd, packet, sizeof(packet), 0) <= 0)
				break;
			got++;
		}
	return got;
}

static void run(struct stream *streams, size_t count, int epoll_fd, double seconds, double rate)
{
	uint64_t begin = now_us(), end = begin + (uint64_t)(seconds * 1e6), now;
	size_t sent = 0, lost = 0, got = 0, next = 0, due;

	while ((now = now_us()) < end) {
		due = (size_t)((double)(now - begin) * rate / 1e6);
		for (; sent + lost < due; next = (next + 1) % count) {
			size_t ok = send_packet(&streams[next]);

			sent += ok;
			lost += !ok;
		}
		got += read_all(streams, epoll_fd, 0);
		if (now_us() - now < CLUMP_US) {
			struct timespec rest = { .tv_nsec = (long)(CLUMP_US - (now_us() - now)) * 1000 };

			nanosleep(&rest, NULL);
		}
	}
	for (int n = 0; n < 30; n++)
		got += read_all(streams, epoll_fd, 10);
	printf("{\"streams\": %zu, \"sent\": %zu, \"not_sent\": %zu, \"received\": %zu, \"seconds\": %.2f}\n",
	       count, sent, lost, got, (double)(end - begin) / 1e6);
}

int main(int argc, char **argv)
{
	struct rlimit files = { .rlim_cur = 65536, .rlim_max = 65536 };
	size_t limit = 30000, count;
	struct stream *streams;
	int epoll_fd = epoll_create1(0);

	if (argc != 3) {
		fprintf(stderr, "usage: mediaload SECONDS PACKETS_PER_SECOND <streams\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	streams = calloc(limit, sizeof(*streams));
	if (!streams)
		die("memory");
	count = read_streams(streams, limit, epoll_fd);
	if (count)
		run(streams, count, epoll_fd, strtod(argv[1], NULL), strtod(argv[2], NULL));
	free(streams);
	return count ? 0 : 1;
}

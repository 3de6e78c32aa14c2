/* SPDX-License-Identifier: MIT
 * The least that a relay over sockets can do, as the limit that the others are held against: a socket
 * for each stream, connected to its peer, and for each packet one receive there and one send by its
 * neighbour's. It knows no calls, learns nothing, counts nothing, looks at no packet.
 *
 *   barerelay LOAD-IP LOAD-PORT RELAY-IP RELAY-PORT COUNT
 *
 * Stream i comes from LOAD-PORT + 2 i to RELAY-PORT + 2 i and goes on as the one of i ^ 1. "ready" is
 * printed when it may come. Until it is killed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/base/slice.h"

#define EVENTS 256
#define RECEIVE_BYTES (1 << 20)

static struct sockaddr_in address(const char *ip, unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	ensure(inet_pton(AF_INET, ip, &sa.sin_addr) == 1);
	return sa;
}

static uint32_t number_of(const char *text)
{
	uint32_t value = 0;

	return parse_u32(slice_text(text), &value) == OK ? value : 0;
}

static int open_stream(char **argv, unsigned number)
{
	struct sockaddr_in peer = address(argv[1], number_of(argv[2]) + 2 * number);
	struct sockaddr_in local = address(argv[3], number_of(argv[4]) + 2 * number);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int bytes = RECEIVE_BYTES;

	ensure(fd >= 0);
	ensure(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
	ensure(bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
	ensure(connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0);
	return fd;
}

static void forward(const int *fds, unsigned number)
{
	char bytes[2048];
	ssize_t len = recv(fds[number], bytes, sizeof(bytes), 0); /* a second one is told of again */

	if (len >= 0)
		(void)!send(fds[number ^ 1], bytes, (size_t)len, 0);
}

int main(int argc, char **argv)
{
	unsigned count = argc == 6 ? number_of(argv[5]) & ~1U : 0;
	int *fds = calloc(count + 1, sizeof(*fds));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct rlimit limit;

	if (count == 0 || !fds || epoll < 0) {
		fprintf(stderr, "usage: barerelay LOAD-IP LOAD-PORT RELAY-IP RELAY-PORT COUNT\n");
		return 2;
	}
	ensure(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	ensure(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		fds[i] = open_stream(argv, i);
		ensure(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) == 0);
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS];
		int ready = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++)
			forward(fds, events[i].data.u32);
	}
}

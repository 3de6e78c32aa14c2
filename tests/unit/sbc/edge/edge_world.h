/* SPDX-License-Identifier: MIT
 * An edge on the loopback and raw sockets around it. Turns of the loop are made until what is waited for
 * is there; the test's own time limit is the only clock. */
#pragma once

#include "lib/net/net.h"
#include "sbc/edge/edge.h"
#include "tests/support/unit.h"

#define REQUEST "OPTIONS sip:b@example.com SIP/2.0\r\nl: 0\r\n\r\n"
#define REPLY "SIP/2.0 200 OK\r\nl: 0\r\n\r\n"

struct world {
	struct loop loop;
	struct edge *edge;
	struct endpoint udp;
	struct endpoint tcp;
	enum edge_filter verdict;
	bool answer;      /* every message with REPLY on its flow */
	bool close_after; /* and close its connection */
	int hang_up_fd;   /* 0: none; else closed by the next message, which goes on by `onward` */
	struct flow onward;
	unsigned messages;
	struct flow flow; /* of the last message */
	char bytes[1024]; /* the last message */
	unsigned malformed;
	uint16_t status;
	char why[64];
	unsigned failures;
	struct flow failed_flow;
	struct handle failed_txn;
	enum err failed_err;
};

#define until(world, condition)                                                                    \
	while (!(condition))                                                                       \
	loop_turn(&(world)->loop, 50)

/* With a UDP and a TCP listener; ip: instead of 127.0.0.1. */
void world_open(struct world *world, const struct edge_limits *limits);
void world_open_at(struct world *world, const struct edge_limits *limits, const char *ip);
void world_close(struct world *world);
struct flow flow_to(const struct world *world, enum sip_transport transport,
		    const struct endpoint *remote);
/* A port that was free a moment ago. */
struct endpoint free_endpoint(const char *ip, bool tcp);

int raw_udp(const char *ip, struct endpoint *ret_local);
void send_udp(int fd, const struct endpoint *to, struct slice bytes);
/* What has come to a raw socket, blocking for the first bytes; "" at the end of a stream. */
const char *raw_read(int fd, char storage[2048]);
int raw_connect(const struct endpoint *to);
void raw_write(int fd, const char *text);
bool at_end(int fd);

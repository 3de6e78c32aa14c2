/* SPDX-License-Identifier: MIT */
#include "tests/sim/net.h"

#include <stdlib.h>

#include "lib/base/wheel.h"

#define STATIONS_MAX 16u
#define START_MS     1000000u

struct packet {
	struct timer timer;
	struct flow flow; /* as the receiver sees it */
	size_t len;
	char bytes[];
};

struct sim_net {
	struct sim_conditions conditions;
	struct rand rand;
	struct wheel wheel;
	uint64_t now_ms;
	uint64_t stream_due_ms[STATIONS_MAX]; /* to a station: streams keep their order */
	struct sim_station stations[STATIONS_MAX];
	size_t station_count;
	struct sim_counters counters;
};

enum err sim_net_create(const struct sim_conditions *conditions, struct sim_net **ret)
{
	struct sim_net *net = calloc(1, sizeof(*net));

	if (!net)
		return ERR_NOMEM;
	net->conditions = *conditions;
	net->now_ms = START_MS;
	rand_init_seed(&net->rand, conditions->seed);
	wheel_init(&net->wheel, START_MS);
	*ret = net;
	return OK;
}

void sim_net_destroy(struct sim_net **net)
{
	struct timer *timer;

	while ((timer = wheel_pop(&(*net)->wheel, UINT64_MAX / 2)))
		free(container_of(timer, struct packet, timer));
	free(*net);
	*net = NULL;
}

void sim_net_attach(struct sim_net *net, const struct sim_station *station)
{
	ensure(net->station_count < STATIONS_MAX);
	net->stations[net->station_count++] = *station;
}

static struct sim_station *station_find(struct sim_net *net, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < net->station_count; i++)
		if (endpoint_eq(&net->stations[i].endpoint, endpoint))
			return &net->stations[i];
	return NULL;
}

static bool chance(struct sim_net *net, uint32_t permille)
{
	return rand_below(&net->rand, 1000) < permille;
}

static uint64_t due_ms(struct sim_net *net, const struct sim_station *to, bool stream)
{
	const struct sim_conditions *conditions = &net->conditions;
	uint32_t spread = conditions->delay_max_ms - conditions->delay_min_ms + 1;
	uint64_t due = net->now_ms + 1 + conditions->delay_min_ms + rand_below(&net->rand, spread);
	uint64_t *last = &net->stream_due_ms[to - net->stations];

	if (!stream)
		return due;
	*last = due > *last ? due : *last;
	return *last;
}

static enum err launch(struct sim_net *net, const struct flow *flow, struct slice bytes,
		       const struct sim_station *to)
{
	struct packet *packet = malloc(sizeof(*packet) + bytes.len);

	if (!packet)
		return ERR_NOMEM;
	packet->timer = (struct timer){ 0 };
	packet->flow = *flow;
	packet->flow.local = flow->remote;
	packet->flow.remote = flow->local;
	packet->len = bytes.len;
	memcpy(packet->bytes, bytes.p, bytes.len);
	wheel_start(&net->wheel, &packet->timer, due_ms(net, to, flow->transport != SIP_UDP));
	net->counters.under_way++;
	return OK;
}

enum err sim_net_send(struct sim_net *net, const struct flow *flow, struct slice bytes)
{
	const struct sim_station *to = station_find(net, &flow->remote);

	if (!to)
		return ERR_CLOSED;
	net->counters.sent++;
	if (flow->transport == SIP_UDP && chance(net, net->conditions.loss_permille)) {
		net->counters.lost++;
		return OK;
	}
	if (flow->transport == SIP_UDP && chance(net, net->conditions.duplicate_permille)) {
		net->counters.doubled++;
		if (launch(net, flow, bytes, to) < 0)
			return ERR_NOMEM;
	}
	return launch(net, flow, bytes, to);
}

static void deliver(struct sim_net *net, struct packet *packet)
{
	const struct sim_station *to = station_find(net, &packet->flow.local);

	net->counters.under_way--;
	net->counters.delivered++;
	to->receive(to->owner, &packet->flow, slice_of(packet->bytes, packet->len));
	free(packet);
}

void sim_net_run(struct sim_net *net, uint64_t ms)
{
	struct timer *timer;

	for (uint64_t end_ms = net->now_ms + ms; net->now_ms < end_ms;) {
		net->now_ms++;
		for (size_t i = 0; i < net->station_count; i++)
			if (net->stations[i].tick)
				net->stations[i].tick(net->stations[i].owner, net->now_ms);
		while ((timer = wheel_pop(&net->wheel, net->now_ms)))
			deliver(net, container_of(timer, struct packet, timer));
	}
}

uint64_t sim_net_now_ms(const struct sim_net *net)
{
	return net->now_ms;
}

struct rand *sim_net_rand(struct sim_net *net)
{
	return &net->rand;
}

const struct sim_counters *sim_net_counters(const struct sim_net *net)
{
	return &net->counters;
}

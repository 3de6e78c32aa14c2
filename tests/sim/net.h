/* SPDX-License-Identifier: MIT
 * A network in virtual time: datagrams are lost, doubled, delayed and thereby reordered, all from one
 * seed, so a run can be repeated; streams only delay. It owns the clock. Stations are whatever has an
 * address: a transaction table, a whole border, a user agent of a test. */
#pragma once

#include "lib/base/rand.h"
#include "sbc/effect/effect.h"
#include "sbc/sip/sip.h"

struct sim_net;

struct sim_conditions {
	uint64_t seed;
	uint32_t loss_permille;      /* of datagrams */
	uint32_t duplicate_permille; /* of datagrams */
	uint32_t delay_min_ms;
	uint32_t delay_max_ms;       /* for each packet anew: this is what reorders */
};

/* flow: local is the station's own address, remote where the packet came from. bytes: until return. */
typedef void sim_receive_fn(void *owner, const struct flow *flow, struct slice bytes);
/* Once every virtual millisecond, before packets are delivered. */
typedef void sim_tick_fn(void *owner, uint64_t now_ms);

struct sim_station {
	struct endpoint endpoint;
	sim_receive_fn *receive;
	sim_tick_fn *tick;
	void *owner;
};

must_use enum err sim_net_create(const struct sim_conditions *conditions, struct sim_net **ret);
void sim_net_destroy(struct sim_net **net);

/* At most 16; they stay to the end. */
void sim_net_attach(struct sim_net *net, const struct sim_station *station);

/* From flow->local to flow->remote; copied. ERR_CLOSED: no station has that address, which the
 * sender of a stream learns at once, and that of a datagram as if by ICMP. */
must_use enum err sim_net_send(struct sim_net *net, const struct flow *flow, struct slice bytes);

uint64_t sim_net_now_ms(const struct sim_net *net);
/* Random choices of the scenario, from the same seed. */
struct rand *sim_net_rand(struct sim_net *net);
void sim_net_run(struct sim_net *net, uint64_t ms);

struct sim_counters { uint64_t sent, lost, doubled, delivered, under_way; };
const struct sim_counters *sim_net_counters(const struct sim_net *net);

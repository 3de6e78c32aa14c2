/* SPDX-License-Identifier: MIT
 * Two associations, each with an identity of its own, and a network in memory between them that loses
 * datagrams, turns them around and lets tests look into them. */
#pragma once

#include "tests/support/unit.h"

#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/dtls/dtls_priv.h"

#define QUEUE 64

struct world;

struct end {
	struct world *world;
	struct dtls_identity *identity;
	struct dtls_engine *engine;
	struct dtls *dtls;
	struct ctl_dtls_setup setup;
	struct {
		unsigned char bytes[2048];
		size_t len;
	} out[QUEUE];
	unsigned sent; /* ever */
	unsigned queued;
	size_t longest;
	uint64_t lose; /* bits: of the datagrams it sends, by their order */
};

struct world {
	struct end ends[2]; /* 0: client */
	uint64_t now_ms;
	bool last_first; /* of what waits, the last one arrives first */
};

static inline void on_send(void *owner, const unsigned char *bytes, size_t len)
{
	struct end *end = owner;
	unsigned number = end->sent++;

	assert_true(len <= sizeof(end->out[0].bytes));
	if (len > end->longest)
		end->longest = len;
	if (number < 64 && end->lose >> number & 1)
		return;
	assert_true(end->queued < QUEUE);
	memcpy(end->out[end->queued].bytes, bytes, len);
	end->out[end->queued++].len = len;
}

static inline struct dtls_turn turn_of(struct world *world, struct end *end)
{
	return (struct dtls_turn){ world->now_ms, on_send, end };
}

static inline void world_init(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->now_ms = 1000000;
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		end->world = world;
		assert_int_equal(dtls_identity_create(&end->identity), OK);
		assert_int_equal(dtls_engine_create(end->identity, 8, &end->engine), OK);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		end->setup = (struct ctl_dtls_setup){
			.role = i == 0 ? CTL_DTLS_ACTIVE : CTL_DTLS_PASSIVE,
			.hash = CTL_HASH_SHA256,
			.fingerprint = dtls_identity_fingerprint(world->ends[1 - i].identity),
		};
		assert_null(dtls_setup_check(&end->setup));
	}
}

static inline void world_create(struct world *world)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &world->ends[i];

		assert_int_equal(dtls_create(end->engine, &end->setup, false, world->now_ms,
					     &end->dtls),
				 OK);
	}
}

static inline void world_fini(struct world *world)
{
	for (unsigned i = 0; i < 2; i++) {
		dtls_destroy(&world->ends[i].dtls);
		dtls_engine_destroy(&world->ends[i].engine);
		dtls_identity_destroy(&world->ends[i].identity);
	}
}

/* Carries what waits at `from`. False: nothing did. */
static inline bool carry(struct world *world, struct end *from, struct end *to)
{
	struct dtls_turn turn = turn_of(world, to);
	unsigned char bytes[2048];
	unsigned count = from->queued;

	from->queued = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = world->last_first ? count - 1 - i : i;

		memcpy(bytes, from->out[at].bytes, from->out[at].len);
		(void)dtls_receive(to->dtls, bytes, from->out[at].len, &turn);
	}
	return count > 0;
}

static inline void start(struct world *world)
{
	struct dtls_turn turn = turn_of(world, &world->ends[0]);

	(void)dtls_start(world->ends[0].dtls, &turn);
}

static inline bool settled(const struct world *world)
{
	return dtls_state(world->ends[0].dtls) != DTLS_HANDSHAKE &&
	       dtls_state(world->ends[1].dtls) != DTLS_HANDSHAKE;
}

/* Until both ends know, letting time pass where nothing moves: OpenSSL's timer is the system's. */
static inline void run(struct world *world)
{
	static const struct timespec nap = { .tv_nsec = 20000000 };

	for (unsigned i = 0; i < 1000 && !settled(world); i++) {
		bool moved = carry(world, &world->ends[0], &world->ends[1]);

		moved |= carry(world, &world->ends[1], &world->ends[0]);
		if (moved)
			continue;
		nanosleep(&nap, NULL);
		world->now_ms += 20;
		for (unsigned j = 0; j < 2; j++) {
			struct dtls_turn turn = turn_of(world, &world->ends[j]);

			(void)dtls_tick(world->ends[j].dtls, &turn);
		}
	}
}

static inline void assert_same_keys(struct world *world, enum ctl_srtp_suite suite, size_t len)
{
	struct dtls_keys keys[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(dtls_state(world->ends[i].dtls), DTLS_SECURED);
		assert_true(dtls_take_keys(world->ends[i].dtls, &keys[i]));
		assert_false(dtls_take_keys(world->ends[i].dtls, &keys[i]));
		assert_int_equal(keys[i].suite, suite);
		assert_int_equal(keys[i].len, len);
	}
	assert_memory_equal(keys[0].send, keys[1].receive, len);
	assert_memory_equal(keys[1].send, keys[0].receive, len);
	assert_memory_not_equal(keys[0].send, keys[0].receive, len);
}

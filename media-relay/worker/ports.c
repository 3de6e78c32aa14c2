/* SPDX-License-Identifier: MIT
 * lint: owns storage because a realm's pairs live as long as the realm. */
#include "media-relay/worker/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define OPEN_TRIES 512 /* ports of others that one call may meet before it is refused */

static void list_add_head(struct list *head, struct list *node)
{
	list_add_tail(head->next, node);
}

static struct port_pair *first_of(const struct list *list)
{
	return list_empty(list) ? NULL : container_of(list->next, struct port_pair, link);
}

enum err port_pool_init(struct port_pool *pool, struct io *io, const struct port_range *range,
			uint32_t idle_open_max)
{
	uint32_t first = (range->port_min + 1u) & ~1u;
	uint32_t all = range->port_max > first ? (range->port_max - first + 1u) / 2u : 0;
	uint32_t skip = (range->worker + range->workers - first / 2 % range->workers) %
			range->workers;
	uint32_t mine = all > skip ? (all - skip + range->workers - 1) / range->workers : 0;

	*pool = (struct port_pool){ .io = io, .address = range->address, .dscp = range->dscp,
				    .first = (uint16_t)(first + 2 * skip),
				    .step = (uint16_t)(2 * range->workers),
				    .idle_open_max = idle_open_max,
				    .patience_ms = PORTS_PATIENCE_MS };
	list_init(&pool->cold);
	list_init(&pool->resting);
	list_init(&pool->aside);
	pool->pairs = calloc(mine ? mine : 1, sizeof(*pool->pairs));
	if (!pool->pairs)
		return ERR_NOMEM;
	pool->pair_count = mine;
	for (uint32_t i = 0; i < mine; i++) {
		pool->pairs[i].number = (uint16_t)(pool->first + i * pool->step);
		list_add_tail(&pool->cold, &pool->pairs[i].link);
	}
	return OK;
}

static void pair_close(struct port_pair *pair)
{
	if (!pair->open)
		return;
	io_port_close(&pair->ports[0]);
	io_port_close(&pair->ports[1]);
	pair->open = false;
}

static enum err pair_open(struct port_pool *pool, struct port_pair *pair)
{
	struct endpoint local = { .ip = pool->address, .port = pair->number };
	enum err err = io_port_open(pool->io, &pair->ports[0], &local, pool->dscp);

	if (err != OK)
		return err;
	local.port++;
	err = io_port_open(pool->io, &pair->ports[1], &local, pool->dscp);
	if (err != OK) {
		io_port_close(&pair->ports[0]);
		return err;
	}
	pair->open = true;
	return OK;
}

void port_pool_fini(struct port_pool *pool)
{
	for (uint32_t i = 0; i < pool->pair_count; i++)
		pair_close(&pool->pairs[i]);
	free(pool->pairs);
	*pool = (struct port_pool){ .pairs = NULL };
}

void port_pool_retire(struct port_pool *pool)
{
	for (uint32_t i = 0; i < pool->pair_count; i++) {
		struct port_pair *pair = &pool->pairs[i];

		if (pair->state == PAIR_USED)
			continue;
		pair_close(pair);
		list_remove(&pair->link);
	}
	list_init(&pool->cold);
	list_init(&pool->resting);
	list_init(&pool->aside);
	pool->idle_open = 0;
	pool->idle_open_max = 0;
}

/* Takes it off its list. */
static void pair_unlink(struct port_pool *pool, struct port_pair *pair)
{
	list_remove(&pair->link);
	if (pair->open)
		pool->idle_open--;
}

static void pair_set_aside(struct port_pool *pool, struct port_pair *pair, uint64_t now_ms)
{
	pair->state = PAIR_ASIDE;
	pair->ready_ms = now_ms + PORTS_ASIDE_MS;
	list_add_tail(&pool->aside, &pair->link);
}

static enum err pair_claim(struct port_pool *pool, struct port_pair *pair, uint64_t now_ms)
{
	enum err err = OK;

	pair_unlink(pool, pair);
	if (!pair->open)
		err = pair_open(pool, pair);
	if (err == OK) {
		pair->state = PAIR_USED;
		pool->used++;
	} else if ((int)err == -EADDRINUSE) {
		pair_set_aside(pool, pair, now_ms);
	} else {
		pair->state = PAIR_FREE;
		list_add_head(&pool->cold, &pair->link);
	}
	return err;
}

/* One that is rested and open, else one without sockets, else one that others had. */
static struct port_pair *pool_next_pair(const struct port_pool *pool, uint64_t now_ms)
{
	struct port_pair *resting = first_of(&pool->resting);
	struct port_pair *cold = first_of(&pool->cold);
	struct port_pair *aside = first_of(&pool->aside);
	bool rested = resting && resting->ready_ms <= now_ms;

	if (rested && (resting->open || !cold))
		return resting;
	if (cold)
		return cold;
	return aside && aside->ready_ms <= now_ms ? aside : NULL;
}

/* Of a relay that was killed, the kernel closes sockets that a ring held (io_uring) some milliseconds
 * after its end, when the next one may be there already and wants their ports. */
static enum err pair_claim_patiently(struct port_pool *pool, struct port_pair *pair, uint64_t now_ms)
{
	const struct timespec a_while = { .tv_nsec = 1000000 };
	enum err err = pair_claim(pool, pair, now_ms);

	for (; (int)err == -EADDRINUSE && pool->patience_ms > 0; pool->patience_ms--) {
		(void)nanosleep(&a_while, NULL);
		err = pair_claim(pool, pair, now_ms);
	}
	return err;
}

static enum err pool_take_wanted(struct port_pool *pool, uint16_t want, uint64_t now_ms,
				 struct port_pair **ret)
{
	struct port_pair *pair;
	enum err err;

	if (!port_pool_has(pool, want))
		return ERR_EXHAUSTED;
	pair = &pool->pairs[(want - pool->first) / pool->step];
	if (pair->state == PAIR_USED || !list_linked(&pair->link))
		return ERR_EXHAUSTED;
	err = pair_claim_patiently(pool, pair, now_ms);
	if (err == OK)
		*ret = pair;
	return (int)err == -EADDRINUSE ? ERR_EXHAUSTED : err;
}

enum err port_pool_take(struct port_pool *pool, uint16_t want, uint64_t now_ms,
			struct port_pair **ret)
{
	if (want != 0)
		return pool_take_wanted(pool, want, now_ms, ret);
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct port_pair *pair = pool_next_pair(pool, now_ms);
		enum err err;

		if (!pair)
			return ERR_EXHAUSTED;
		err = pair_claim(pool, pair, now_ms);
		if (err == OK)
			*ret = pair;
		if ((int)err != -EADDRINUSE)
			return err;
	}
	return ERR_EXHAUSTED;
}

void port_pool_give(struct port_pool *pool, struct port_pair *pair, uint64_t now_ms)
{
	io_port_rest(&pair->ports[0]);
	io_port_rest(&pair->ports[1]);
	pool->used--;
	pair->state = PAIR_RESTING;
	pair->ready_ms = now_ms + PORTS_REST_MS;
	if (pool->idle_open >= pool->idle_open_max)
		pair_close(pair);
	else
		pool->idle_open++;
	list_add_tail(&pool->resting, &pair->link);
}

void port_pool_untake(struct port_pool *pool, struct port_pair *pair)
{
	io_port_rest(&pair->ports[0]);
	io_port_rest(&pair->ports[1]);
	pool->used--;
	pool->idle_open++;
	pair->state = PAIR_RESTING;
	pair->ready_ms = 0;
	list_add_head(&pool->resting, &pair->link);
}

void port_pool_reserve(struct port_pool *pool, uint16_t port, uint64_t now_ms)
{
	struct port_pair *pair;

	if (!port_pool_has(pool, port))
		return;
	pair = &pool->pairs[(port - pool->first) / pool->step];
	if (pair->state != PAIR_FREE || !list_linked(&pair->link))
		return;
	pair_unlink(pool, pair);
	pair_set_aside(pool, pair, now_ms);
}

bool port_pool_has(const struct port_pool *pool, uint16_t port)
{
	return port >= pool->first && (port - pool->first) % pool->step == 0 &&
	       (uint32_t)(port - pool->first) / pool->step < pool->pair_count;
}

/* SPDX-License-Identifier: MIT
 * Which of a realm's media addresses a port pair is taken from: the least used, so that all of them
 * run out together. What cannot be bound, because the address is not (or not yet) on this machine,
 * costs no call while another works; it is tried again before a call is refused, and after a while. */
#include "media-relay/worker/worker_priv.h"

#include <errno.h>

#define UNUSABLE_MS 5000u

bool worker_address_fits(const struct address *address, const struct ip_addr *local)
{
	if (local->family == IP_NONE)
		return true;
	if (ip_unspecified(local))
		return address->pool.address.family == local->family;
	return ip_eq(&address->pool.address, local);
}

static bool of_realm(const struct address *address, struct slice name)
{
	return address->named && slice_eq(slice_of(address->name, address->name_len), name);
}

struct search {
	struct worker *worker;
	const struct wish *wish;
	uint64_t tried[ADDRESS_SLOTS / 64]; /* bits */
	bool realm_seen;
};

/* Compares shares of the range that are in use. */
static bool less_used(const struct port_pool *a, const struct port_pool *b)
{
	return (uint64_t)a->used * b->pair_count < (uint64_t)b->used * a->pair_count;
}

static bool better(const struct search *search, uint32_t number, uint32_t best)
{
	const struct address *a = &search->worker->addresses[number];
	const struct address *b = &search->worker->addresses[best];
	uint64_t now_ms = search->worker->loop->now_ms;
	bool a_late = a->unusable_until_ms > now_ms;
	bool b_late = b->unusable_until_ms > now_ms;

	if (a_late != b_late)
		return b_late;
	if (number == search->wish->beside || best == search->wish->beside)
		return number == search->wish->beside;
	return less_used(&a->pool, &b->pool);
}

/* ADDRESS_SLOTS: there is none left to try. */
static uint32_t next_address(struct search *search)
{
	const struct worker *worker = search->worker;
	uint32_t best = ADDRESS_SLOTS;

	for (uint32_t i = 0; i < worker->address_end; i++) {
		if (!of_realm(&worker->addresses[i], search->wish->realm))
			continue;
		search->realm_seen = true;
		if (!worker_address_fits(&worker->addresses[i], &search->wish->local) ||
		    search->tried[i / 64] >> i % 64 & 1)
			continue;
		if (best == ADDRESS_SLOTS || better(search, i, best))
			best = i;
	}
	if (best != ADDRESS_SLOTS)
		search->tried[best / 64] |= UINT64_C(1) << best % 64;
	return best;
}

/* Once when it begins and once when it ends. */
static void note_usable(struct worker *worker, struct address *address, enum err err)
{
	bool unusable = err != OK;
	char storage[48];
	struct text text;

	address->unusable_until_ms = unusable ? worker->loop->now_ms + UNUSABLE_MS : 0;
	if (address->unusable == unusable)
		return;
	address->unusable = unusable;
	stats_set(worker->stats.row, address->unusable_id, unusable);
	text_init(&text, storage, sizeof(storage));
	ip_write(&text, &address->pool.address);
	log_write(worker->options.log, unusable ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		  unusable ? EVENT_media_address_unusable : EVENT_media_address_usable,
		  LOG_S("realm", slice_of(address->name, address->name_len)),
		  LOG_S("address", slice_of(text.p, text.len)), LOG_T("why", err_text(err)));
}

/* Everything but the end of the ports and of the files is about the address itself. */
static enum err take_at(struct worker *worker, struct address *address, uint16_t port,
			struct port_pair **ret)
{
	enum err err = port_pool_take(&address->pool, port, worker->loop->now_ms, ret);

	if (err != ERR_EXHAUSTED && (int)err != -EMFILE && (int)err != -ENFILE &&
	    (int)err != -ENOBUFS && (int)err != -ENOMEM && err != ERR_NOMEM)
		note_usable(worker, address, err);
	return err;
}

enum err worker_take_pair(struct worker *worker, const struct wish *wish, uint32_t *ret_address,
			  struct port_pair **ret)
{
	struct search search = { .worker = worker, .wish = wish };
	uint32_t number = next_address(&search);
	enum err err = search.realm_seen ? ERR_UNSUPPORTED : ERR_NOENT;

	while (number != ADDRESS_SLOTS) {
		enum err now = take_at(worker, &worker->addresses[number], wish->port, ret);

		if (now == OK) {
			*ret_address = number;
			return OK;
		}
		/* That ports are left, but not usable ones, says less than that none are. */
		if (err != ERR_EXHAUSTED)
			err = now;
		number = next_address(&search);
	}
	return err;
}

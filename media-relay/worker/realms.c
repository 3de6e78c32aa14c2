/* SPDX-License-Identifier: MIT
 * The media addresses of the realms in force. One whose range changed is a new one; the old one lives
 * on without a name until its last session ended. */
#include "media-relay/worker/worker_priv.h"

#include "lib/base/ensure.h"

static bool address_of_realm(const struct address *address, struct slice name)
{
	return slice_eq(slice_of(address->name, address->name_len), name);
}

/* Of all its addresses in force. */
static uint64_t realm_used(const struct worker *worker, struct slice name)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < worker->address_end; i++)
		if (worker->addresses[i].named && address_of_realm(&worker->addresses[i], name))
			used += worker->addresses[i].pool.used;
	return used;
}

static void count_used(struct worker *worker, const struct address *address)
{
	struct slice name = slice_of(address->name, address->name_len);

	stats_set(worker->stats.row, address->realm_used_id, realm_used(worker, name));
	stats_set(worker->stats.row, address->used_id, address->named ? address->pool.used : 0);
}

void worker_address_touch(struct worker *worker, uint32_t number)
{
	struct address *address = &worker->addresses[number];

	if (address->named)
		count_used(worker, address);
	else if (address->pool.pairs && address->pool.used == 0)
		port_pool_fini(&address->pool);
}

void worker_realms_fini(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->address_end; i++)
		if (worker->addresses[i].pool.pairs)
			port_pool_fini(&worker->addresses[i].pool);
}

static bool address_valid(const struct ctl_relay_realm *told)
{
	return told->name.len > 0 && told->name.len <= REALM_NAME_BYTES &&
	       told->address.family != IP_NONE && !ip_unspecified(&told->address) &&
	       !ip_multicast(&told->address) && told->port_min > 0 &&
	       told->port_max > told->port_min && told->dscp < 64 &&
	       (told->shown.family == IP_NONE || told->shown.family == told->address.family);
}

static bool ranges_meet(const struct ctl_relay_realm *a, const struct ctl_relay_realm *b)
{
	return ip_eq(&a->address, &b->address) && a->port_min <= b->port_max &&
	       b->port_min <= a->port_max;
}

static bool set_valid(const struct ctl_realm_set *set)
{
	if (set->realms_count > ADDRESS_MAX)
		return false;
	for (uint32_t i = 0; i < set->realms_count; i++) {
		if (!address_valid(&set->realms[i]))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (slice_eq(set->realms[i].name, set->realms[j].name) &&
			    ranges_meet(&set->realms[i], &set->realms[j]))
				return false;
	}
	return true;
}

static bool address_is(const struct address *address, const struct ctl_relay_realm *told)
{
	return address->named && address_of_realm(address, told->name) &&
	       ip_eq(&address->pool.address, &told->address) &&
	       address->port_min == told->port_min && address->port_max == told->port_max;
}

static const struct ctl_relay_realm *told_of(const struct ctl_realm_set *set,
					     const struct address *address)
{
	for (uint32_t i = 0; i < set->realms_count; i++)
		if (address_is(address, &set->realms[i]))
			return &set->realms[i];
	return NULL;
}

static bool address_known(const struct worker *worker, const struct ctl_relay_realm *told)
{
	for (uint32_t i = 0; i < worker->address_end; i++)
		if (address_is(&worker->addresses[i], told))
			return true;
	return false;
}

static void addresses_retire(struct worker *worker, const struct ctl_realm_set *set)
{
	for (uint32_t i = 0; i < worker->address_end; i++) {
		struct address *address = &worker->addresses[i];
		const struct ctl_relay_realm *told = told_of(set, address);

		if (!address->named)
			continue;
		if (told) {
			address->pool.dscp = told->dscp;
			address->shown = told->shown;
			continue;
		}
		address->named = false;
		address->unusable = false;
		stats_set(worker->stats.row, address->unusable_id, 0);
		count_used(worker, address);
		port_pool_retire(&address->pool);
		worker_address_touch(worker, i);
	}
}

/* Names are the operator's own, so odd ones only lose detail in a Prometheus label. */
static struct slice label_of(const struct ctl_relay_realm *told)
{
	return slice_is(told->name, CC_TOKEN) ? told->name : SLICE("other");
}

static stats_id gauge(struct worker *worker, struct text *labels, const char *name, const char *help)
{
	return stats_series(worker->options.stats, STATS_GAUGE, name,
			    labels->err == OK ? labels->p : "", help);
}

static void address_series(struct worker *worker, struct address *address,
			   const struct ctl_relay_realm *told)
{
	char storage[STATS_LABELS_BYTES];
	struct text labels;

	text_init(&labels, storage, sizeof(storage));
	text_printf(&labels, "realm=\"%.*s\"", SLICE_ARG(label_of(told)));
	text_char(&labels, '\0');
	address->realm_used_id = gauge(worker, &labels, "sbc_relay_port_pairs_in_use",
				       "RTP/RTCP port pairs that sessions have");
	text_init(&labels, storage, sizeof(storage));
	text_printf(&labels, "realm=\"%.*s\",address=\"", SLICE_ARG(label_of(told)));
	ip_write(&labels, &told->address);
	text_char(&labels, '"');
	text_char(&labels, '\0');
	address->used_id = gauge(worker, &labels, "sbc_relay_address_port_pairs_in_use",
				 "RTP/RTCP port pairs that sessions have, by media address");
	address->unusable_id = gauge(worker, &labels, "sbc_relay_address_unusable",
				     "workers that could not bind a media address and pass it over");
}

/* Calls of a former relay will want these again; until then nobody else gets them. */
static void reserve_left(const struct worker *worker, struct port_pool *pool)
{
	for (uint32_t i = 0; i < worker->memory.left_count; i++) {
		const struct memory_left *left = &worker->memory.left[i];

		if (left->slot != 0 && ip_eq(&left->local.ip, &pool->address))
			port_pool_reserve(pool, left->local.port, worker->loop->now_ms);
	}
}

static enum err address_make(struct worker *worker, const struct ctl_relay_realm *told)
{
	struct port_range range = { told->address, told->port_min, told->port_max, told->dscp,
				    worker->options.number, worker->options.count };
	uint32_t number = 0;
	struct address *address;
	enum err err;

	while (number < ADDRESS_SLOTS && worker->addresses[number].pool.pairs)
		number++;
	if (number == ADDRESS_SLOTS)
		return ERR_LIMIT;
	address = &worker->addresses[number];
	*address = (struct address){ .named = false };
	err = port_pool_init(&address->pool, &worker->io, &range, worker->options.idle_open_max);
	if (err != OK)
		return err;
	reserve_left(worker, &address->pool);
	memcpy(address->name, told->name.p, told->name.len);
	address->name_len = told->name.len;
	address->shown = told->shown;
	address->port_min = told->port_min;
	address->port_max = told->port_max;
	address_series(worker, address, told);
	address->named = true;
	if (number >= worker->address_end)
		worker->address_end = number + 1;
	return OK;
}

void worker_realm_set(struct worker *worker, const struct ctl_realm_set *set,
		      struct ctl_message *ret_answer)
{
	if (!set_valid(set)) {
		worker_fail(ret_answer, ERR_SYNTAX, "a realm has a name, addresses with ranges of "
						    "ports that do not meet, and a DSCP below 64");
		return;
	}
	addresses_retire(worker, set);
	for (uint32_t i = 0; i < set->realms_count; i++) {
		enum err err = OK;

		if (!address_known(worker, &set->realms[i]))
			err = address_make(worker, &set->realms[i]);
		if (err != OK) {
			worker_fail(ret_answer, err, err_text(err));
			return;
		}
	}
	ret_answer->type = CTL_done;
}

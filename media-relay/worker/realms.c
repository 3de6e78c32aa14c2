/* SPDX-License-Identifier: MIT
 * The realms in force. A realm whose range changed is a new one; the old one lives on without a name
 * until its last session ended. */
#include "media-relay/worker/worker_priv.h"

#include "lib/base/ensure.h"

static bool realm_is(const struct realm *realm, struct slice name)
{
	return realm->named && slice_eq(slice_of(realm->name, realm->name_len), name);
}

uint32_t worker_realm_find(const struct worker *worker, struct slice name)
{
	uint32_t number = 0;

	while (number < REALM_SLOTS && !realm_is(&worker->realms[number], name))
		number++;
	return number;
}

void worker_realm_touch(struct worker *worker, uint32_t number)
{
	struct realm *realm = &worker->realms[number];

	if (realm->named)
		stats_set(worker->stats.row, realm->used_id, realm->pool.used);
	else if (realm->pool.pairs && realm->pool.used == 0)
		port_pool_fini(&realm->pool);
}

void worker_realms_fini(struct worker *worker)
{
	for (uint32_t i = 0; i < REALM_SLOTS; i++)
		if (worker->realms[i].pool.pairs)
			port_pool_fini(&worker->realms[i].pool);
}

static bool realm_valid(const struct ctl_relay_realm *told)
{
	return told->name.len > 0 && told->name.len <= REALM_NAME_BYTES &&
	       told->address.family != IP_NONE && !ip_unspecified(&told->address) &&
	       !ip_multicast(&told->address) && told->port_min > 0 &&
	       told->port_max > told->port_min && told->dscp < 64;
}

static bool set_valid(const struct ctl_realm_set *set)
{
	if (set->realms_count > REALM_MAX)
		return false;
	for (uint32_t i = 0; i < set->realms_count; i++) {
		if (!realm_valid(&set->realms[i]))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (slice_eq(set->realms[i].name, set->realms[j].name))
				return false;
	}
	return true;
}

static bool same_range(const struct realm *realm, const struct ctl_relay_realm *told)
{
	return ip_eq(&realm->pool.address, &told->address) && realm->port_min == told->port_min &&
	       realm->port_max == told->port_max;
}

static const struct ctl_relay_realm *told_of(const struct ctl_realm_set *set,
					     const struct realm *realm)
{
	for (uint32_t i = 0; i < set->realms_count; i++)
		if (realm_is(realm, set->realms[i].name))
			return &set->realms[i];
	return NULL;
}

static void realms_retire(struct worker *worker, const struct ctl_realm_set *set)
{
	for (uint32_t i = 0; i < REALM_SLOTS; i++) {
		struct realm *realm = &worker->realms[i];
		const struct ctl_relay_realm *told = told_of(set, realm);

		if (!realm->named)
			continue;
		if (told && same_range(realm, told)) {
			realm->pool.dscp = told->dscp;
			continue;
		}
		stats_set(worker->stats.row, realm->used_id, 0);
		realm->named = false;
		port_pool_retire(&realm->pool);
		worker_realm_touch(worker, i);
	}
}

/* The name as a Prometheus label; names are the operator's own, so odd ones only lose detail. */
static stats_id used_series(struct worker *worker, struct slice name)
{
	char storage[STATS_LABELS_BYTES];
	struct text labels;

	text_init(&labels, storage, sizeof(storage));
	text_printf(&labels, "realm=\"%.*s\"", SLICE_ARG(slice_is(name, CC_TOKEN) ? name
										  : SLICE("other")));
	text_char(&labels, '\0');
	return stats_series(worker->options.stats, STATS_GAUGE, "sbc_relay_port_pairs_in_use",
			    labels.err == OK ? storage : "", "RTP/RTCP port pairs that sessions have");
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

static enum err realm_make(struct worker *worker, const struct ctl_relay_realm *told)
{
	struct port_range range = { told->address, told->port_min, told->port_max, told->dscp,
				    worker->options.number, worker->options.count };
	uint32_t number = 0;
	struct realm *realm;
	enum err err;

	while (number < REALM_SLOTS && worker->realms[number].pool.pairs)
		number++;
	if (number == REALM_SLOTS)
		return ERR_LIMIT;
	realm = &worker->realms[number];
	err = port_pool_init(&realm->pool, &worker->io, &range, worker->options.idle_open_max);
	if (err != OK)
		return err;
	reserve_left(worker, &realm->pool);
	memcpy(realm->name, told->name.p, told->name.len);
	realm->name_len = told->name.len;
	realm->port_min = told->port_min;
	realm->port_max = told->port_max;
	realm->used_id = used_series(worker, told->name);
	realm->named = true;
	return OK;
}

void worker_realm_set(struct worker *worker, const struct ctl_realm_set *set,
		      struct ctl_message *ret_answer)
{
	if (!set_valid(set)) {
		worker_fail(ret_answer, ERR_SYNTAX, "a realm has a name of its own, an address, a "
						    "range of ports and a DSCP below 64");
		return;
	}
	realms_retire(worker, set);
	for (uint32_t i = 0; i < set->realms_count; i++) {
		enum err err = OK;

		if (worker_realm_find(worker, set->realms[i].name) == REALM_SLOTS)
			err = realm_make(worker, &set->realms[i]);
		if (err != OK) {
			worker_fail(ret_answer, err, err_text(err));
			return;
		}
	}
	ret_answer->type = CTL_done;
}

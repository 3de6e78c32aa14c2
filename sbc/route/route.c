/* SPDX-License-Identifier: MIT
 * Choosing the route, and the order of its gateways. */
#include "sbc/route/route.h"

#include "sbc/route/route_priv.h"

/* Something that is ordered by priority and weight: a target, or a gateway of one. */
struct choice {
	uint32_t index;
	uint32_t priority;
	uint32_t weight;
};

/* One selection under way: the call, and what is known of its way so far. */
struct selection {
	const struct settings *settings;
	struct matcher matcher;
	struct rand *rand;
	struct arena *arena;
	uint32_t in_trunk;
	uint32_t realm;
	struct slice called;
	struct slice calling;
	const struct settings_route *route;
	struct route_target *targets;
	uint32_t count;
};

static enum err expression_holds(struct matcher *matcher, const pcre2_code *code,
				 struct slice number)
{
	return code ? matcher_run(matcher, code, number) : OK;
}

/* OK: every given field but the trunk holds. ERR_NOENT: not this route. */
static enum err route_holds(struct selection *selection, const struct settings_route *route)
{
	enum err err;

	if (route->match_realm != SETTINGS_NONE && route->match_realm != selection->realm)
		return ERR_NOENT;
	err = expression_holds(&selection->matcher, route->match_called, selection->called);
	if (err != OK)
		return err;
	return expression_holds(&selection->matcher, route->match_calling, selection->calling);
}

/* The routes of the call's trunk and those for any, merged in their order. */
static enum err route_find(struct selection *selection)
{
	const struct settings *settings = selection->settings;
	size_t own_count = 0;
	size_t any_count;
	const uint32_t *any = settings_routes_for(settings, SETTINGS_NONE, &any_count);
	const uint32_t *own = any;

	if (selection->in_trunk != SETTINGS_NONE)
		own = settings_routes_for(settings, selection->in_trunk, &own_count);
	while (own_count + any_count > 0) {
		bool take_own = own_count > 0 && (any_count == 0 || *own < *any);
		const struct settings_route *route = &settings->routes[take_own ? *own : *any];
		enum err err = route_holds(selection, route);

		if (err == OK)
			selection->route = route;
		if (err != ERR_NOENT)
			return err;
		own += take_own;
		own_count -= take_own;
		any += !take_own;
		any_count -= !take_own;
	}
	return ERR_NOENT;
}

static enum err rewrite(struct selection *selection)
{
	const struct settings_route *route = selection->route;
	enum err err = matcher_rewrite(&selection->matcher, route->rewrite_called,
				       route->rewrite_called_count, &selection->called);

	if (err != OK)
		return err;
	return matcher_rewrite(&selection->matcher, route->rewrite_calling,
			       route->rewrite_calling_count, &selection->calling);
}

/* Draws one of the first `count` choices, all of one priority: a running sum of weights against a
 * number from 0 to their sum, those of weight 0 first (RFC 2782, "Weight"). */
static size_t draw(const struct choice *choices, size_t count, struct rand *rand)
{
	uint32_t sum = 0;
	uint32_t pick;
	uint32_t at = 0;

	for (size_t i = 0; i < count; i++)
		sum += choices[i].weight;
	pick = sum > 0 ? rand_below(rand, sum + 1) : 0;
	for (size_t i = 0; i < count; i++)
		if (choices[i].weight == 0 && pick == 0)
			return i;
	for (size_t i = 0; i < count; i++) {
		at += choices[i].weight;
		if (at >= pick && choices[i].weight > 0)
			return i;
	}
	return 0;
}

static void swap(struct choice *a, struct choice *b)
{
	struct choice keep = *a;

	*a = *b;
	*b = keep;
}

/* Moves a drawn one of those with the lowest priority to the front. */
static void choose_next(struct choice *choices, size_t count, struct rand *rand)
{
	size_t group = 0;
	uint32_t lowest = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (choices[i].priority < lowest)
			lowest = choices[i].priority;
	for (size_t i = 0; i < count; i++)
		if (choices[i].priority == lowest)
			swap(&choices[i], &choices[group++]);
	swap(&choices[0], &choices[draw(choices, group, rand)]);
}

/* The gateways of one target, as far as there is room. */
static enum err append_gateways(struct selection *selection, uint32_t trunk)
{
	const struct conf_trunk *conf = selection->settings->trunks[trunk].conf;
	size_t count = conf->gateway_count;
	struct choice *choices = arena_array(selection->arena, count + 1, sizeof(*choices));

	if (!choices)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count; i++)
		choices[i] =
		    (struct choice){ i, conf->gateways[i].priority, conf->gateways[i].weight };
	for (size_t i = 0; i < count && selection->count < ROUTE_MAX_TARGETS; i++) {
		choose_next(choices + i, count - i, selection->rand);
		selection->targets[selection->count++] = (struct route_target){
			.trunk = trunk,
			.gateway = choices[i].index,
			.called_out = selection->called,
			.calling_out = selection->calling,
			.route_name = selection->route->conf->name,
		};
	}
	return OK;
}

static enum err append_targets(struct selection *selection)
{
	const struct settings_route *route = selection->route;
	size_t count = route->target_count;
	struct choice *choices = arena_array(selection->arena, count + 1, sizeof(*choices));
	enum err err = OK;

	selection->targets =
	    arena_array(selection->arena, ROUTE_MAX_TARGETS, sizeof(*selection->targets));
	if (!choices || !selection->targets)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < count; i++)
		choices[i] =
		    (struct choice){ i, route->targets[i].priority, route->targets[i].weight };
	for (size_t i = 0; i < count && err == OK && selection->count < ROUTE_MAX_TARGETS; i++) {
		choose_next(choices + i, count - i, selection->rand);
		err = append_gateways(selection, route->targets[choices[i].index].trunk);
	}
	if (err == OK && selection->count == 0)
		err = ERR_NOENT;
	return err;
}

enum err route_select(const struct settings *settings, uint32_t in_trunk, struct slice called,
		      struct slice calling, struct rand *rand, struct arena *arena,
		      struct route_target **ret_targets, uint32_t *ret_count)
{
	struct selection selection = {
		.settings = settings,
		.matcher = { .settings = settings, .arena = arena },
		.rand = rand,
		.arena = arena,
		.in_trunk = in_trunk,
		.realm =
		    in_trunk == SETTINGS_NONE ? SETTINGS_NONE : settings->trunks[in_trunk].realm,
		.called = called,
		.calling = calling,
	};
	enum err err;

	if (called.len > ROUTE_NUMBER_MAX_BYTES || calling.len > ROUTE_NUMBER_MAX_BYTES)
		return ERR_NOENT;
	err = route_find(&selection);
	if (err == OK)
		err = rewrite(&selection);
	if (err == OK)
		err = append_targets(&selection);
	if (err != OK)
		return err;
	*ret_targets = selection.targets;
	*ret_count = selection.count;
	return OK;
}

bool route_may_fail_over(const struct conf_trunk *trunk, uint16_t status)
{
	for (size_t i = 0; i < trunk->failover_code_count; i++)
		if (trunk->failover_codes[i] == status)
			return true;
	return false;
}

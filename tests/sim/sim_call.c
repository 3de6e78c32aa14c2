/* SPDX-License-Identifier: MIT
 * Thousands of calls through the whole border, in virtual time over networks that lose, double and
 * reorder: early and late offers, forks, failover, CANCEL and BYE at any moment, glare, lost and
 * forgotten ACKs, a relay that is short, silent, down or restarted, operators who hang up. Whatever
 * happens, every message that leaves is checked, and in the end nothing is held.
 *
 *	sim_call                          the ordinary seeds
 *	sim_call --seed 17 [--calls 500]  one seed over every network
 *	sim_call --seeds 1000             as many more
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/peer.h"
#include "tests/support/unit.h"

#define CALLS_MAX   20000u
#define CALL_GAP_MS 60u
#define SETTLE_MS   (15 * 60 * 1000u) /* an INVITE may ring three minutes at each of several targets */
#define WATCHES_PER_CALL 256u

static const char provisioning[] =
	"{\"realms\":[{\"name\":\"inside\",\"listeners\":[{\"transport\":\"udp\","
	"\"address\":\"192.0.2.2\"}],\"media\":{\"address\":\"192.0.2.2\"}},"
	"{\"name\":\"outside\",\"listeners\":[{\"transport\":\"udp\",\"address\":\"198.51.100.2\"}],"
	"\"media\":{\"address\":\"198.51.100.2\"}}],"
	"\"trunks\":[{\"name\":\"pbx\",\"realm\":\"inside\",\"timers\":{\"ring_s\":30},"
	"\"gateways\":[{\"uri\":\"sip:192.0.2.10:5060\"}]},"
	"{\"name\":\"a\",\"realm\":\"outside\",\"timers\":{\"ring_s\":65},"
	"\"auth\":{\"username\":\"u\",\"password\":\"p\"},\"gateways\":["
	"{\"uri\":\"sip:198.51.100.20:5060\",\"priority\":1},"
	"{\"uri\":\"sip:198.51.100.21:5060\",\"priority\":2}]},"
	"{\"name\":\"b\",\"realm\":\"outside\",\"timers\":{\"ring_s\":20},\"limits\":{\"calls\":25},"
	"\"gateways\":[{\"uri\":\"sip:gw.b.example\"}],\"sources\":[\"198.51.100.30/31\"],"
	"\"media\":{\"codecs\":[\"PCMU\",\"telephone-event\"]}},"
	"{\"name\":\"void\",\"realm\":\"outside\","
	"\"gateways\":[{\"uri\":\"sip:198.51.100.40:5060\"}]},"
	"{\"name\":\"lost\",\"realm\":\"outside\",\"gateways\":[{\"uri\":\"sip:none.example\"}],"
	"\"sources\":[\"198.51.100.50/32\"]}],"
	"\"routes\":["
	"{\"name\":\"1\",\"match\":{\"trunk\":\"pbx\",\"called\":\"^1\"},"
	"\"targets\":[{\"trunk\":\"a\"}]},"
	"{\"name\":\"2\",\"match\":{\"trunk\":\"pbx\",\"called\":\"^2\"},\"targets\":["
	"{\"trunk\":\"a\",\"priority\":1},{\"trunk\":\"b\",\"priority\":2}]},"
	"{\"name\":\"3\",\"match\":{\"trunk\":\"pbx\",\"called\":\"^3\"},\"targets\":["
	"{\"trunk\":\"void\",\"priority\":1},{\"trunk\":\"a\",\"priority\":2}]},"
	"{\"name\":\"4\",\"match\":{\"trunk\":\"pbx\",\"called\":\"^4\"},\"targets\":["
	"{\"trunk\":\"lost\",\"priority\":1},{\"trunk\":\"b\",\"priority\":2}]},"
	"{\"name\":\"5\",\"match\":{\"trunk\":\"pbx\",\"called\":\"^5\"},\"targets\":["
	"{\"trunk\":\"b\",\"priority\":1},{\"trunk\":\"a\",\"priority\":2}]},"
	"{\"name\":\"in\",\"match\":{\"trunk\":\"a\"},\"targets\":[{\"trunk\":\"pbx\"}]}]}";

/* What was seen of a dialog, or of an INVITE's final response. */
struct watch {
	uint64_t key; /* 0: free */
	uint32_t cseq;
	uint32_t branch;
	uint32_t sdp_rest;
	unsigned long sdp_version;
	bool sdp_seen;
	uint32_t final;
};

struct call_seen {
	bool invite_arrived;
	bool told; /* the caller knows the outcome */
	unsigned records;
};

struct sim {
	struct world world;
	struct call_seen *calls;
	struct watch *watches;
	struct arena_cache cache;
	struct arena arena;
	unsigned call_count;
	unsigned started;
	uint64_t seed;
	bool unruly; /* the relay and the operator disturb */
	uint64_t relay_back_ms;
};

static struct watch *watch_get(struct sim *sim, struct slice call_id, struct slice other)
{
	uint64_t key = (uint64_t)peer_hash(call_id) << 32 | peer_hash(other);
	uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15);

	key = key ? key : 1;
	for (;; at++) {
		struct watch *watch = &sim->watches[at % ((uint64_t)sim->call_count * WATCHES_PER_CALL)];

		if (watch->key == 0)
			watch->key = key;
		if (watch->key == key)
			return watch;
	}
}

static bool has(struct slice bytes, const char *needle)
{
	return slice_find(bytes, slice_text(needle)) < bytes.len;
}

static void wrong(const struct sim *sim, struct slice bytes, const char *what)
{
	fail_msg("seed %" PRIu64 ": %s:\n%.*s", sim->seed, what, SLICE_ARG(bytes));
}

static unsigned call_of_user(struct slice user)
{
	char number[16];

	raw_copy(number, sizeof(number), slice_head(user, slice_find_char(user, '@')));
	return (unsigned)strtoul(number + 1, NULL, 10);
}

static unsigned call_of_id(struct slice call_id)
{
	char text[96];
	unsigned call = 0;

	raw_copy(text, sizeof(text), call_id);
	assert_int_equal(sscanf(text, "acall-%u-", &call), 1);
	return call;
}

/* ---- what leaves ---- */

static void check_leaks(struct sim *sim, const struct flow *flow, struct slice bytes, bool to_caller)
{
	bool inside = flow->remote.ip.bytes[0] == 192;

	if (has(bytes, inside ? "198.51.100." : "192.0.2."))
		wrong(sim, bytes, "an address of the other side");
	if (to_caller && has(bytes, "btag-"))
		wrong(sim, bytes, "the callee's tag");
	if (!to_caller && (has(bytes, "acall-") || has(bytes, "atag-")))
		wrong(sim, bytes, "the caller's Call-ID or tag");
}

/* The o= version moves by one when, and only when, the rest does. */
static void check_sdp(struct sim *sim, struct slice bytes)
{
	struct watch *watch = watch_get(sim, raw_field(bytes, "Call-ID"), SLICE("sdp"));
	struct watch *same = watch_get(sim, raw_body(bytes), raw_branch(bytes));
	struct slice body = raw_body(bytes);
	size_t end = slice_find(body, SLICE("\r\ns="));
	char line[256];
	unsigned long version;
	uint32_t rest;

	if (body.len == 0 || same->sdp_seen)
		return; /* repeated ones keep what they said */
	same->sdp_seen = true;
	raw_copy(line, sizeof(line), slice_head(body, end));
	if (sscanf(line, "v=0\r\no=- %*u %lu IN ", &version) != 1)
		wrong(sim, bytes, "no o= line of ours");
	rest = peer_hash(slice_skip(body, end));
	if (watch->sdp_seen && rest == watch->sdp_rest && version != watch->sdp_version)
		wrong(sim, bytes, "a new o= version for the same SDP");
	if (watch->sdp_seen && rest != watch->sdp_rest && version != watch->sdp_version + 1)
		wrong(sim, bytes, "another SDP, and not the next o= version");
	watch->sdp_seen = true;
	watch->sdp_rest = rest;
	watch->sdp_version = version;
}

static void check_response(struct sim *sim, struct slice bytes, bool to_caller)
{
	struct watch *watch;

	if (!slice_eq(raw_method(bytes), SLICE("INVITE")) || raw_status(bytes) < 200)
		return;
	watch = watch_get(sim, raw_field(bytes, "Call-ID"), raw_branch(bytes));
	if (watch->final && watch->final != peer_hash(bytes))
		wrong(sim, bytes, "another final response to the same INVITE");
	watch->final = peer_hash(bytes);
	if (to_caller && raw_status(bytes) != 482) /* merged: the other one goes on */
		sim->calls[call_of_id(raw_field(bytes, "Call-ID"))].told = true;
}

static void check_request(struct sim *sim, struct slice bytes)
{
	struct slice method = raw_method(bytes);
	struct slice to_tag = raw_tag(bytes, "To");
	struct watch *watch;
	uint32_t branch = peer_hash(raw_branch(bytes));
	struct slice uri = raw_uri(bytes);

	if (slice_eq(method, SLICE("INVITE")) && to_tag.len == 0 &&
	    sim->calls[call_of_user(slice_skip(uri, 4))].told)
		wrong(sim, bytes, "an INVITE for a caller who knows the outcome");
	if (slice_eq(method, SLICE("ACK")) || slice_eq(method, SLICE("CANCEL")))
		return;
	watch = watch_get(sim, raw_field(bytes, "Call-ID"), to_tag);
	if (watch->branch == branch && watch->cseq == raw_cseq(bytes))
		return; /* again */
	if (watch_get(sim, raw_field(bytes, "Call-ID"), raw_branch(bytes))->cseq)
		return; /* again, after another one */
	if (raw_cseq(bytes) <= watch->cseq)
		wrong(sim, bytes, "a CSeq number that does not grow");
	watch->branch = branch;
	watch->cseq = raw_cseq(bytes);
	watch_get(sim, raw_field(bytes, "Call-ID"), raw_branch(bytes))->cseq = 1;
}

static enum err on_send(void *owner, const struct flow *flow, struct slice bytes)
{
	struct sim *sim = owner;
	bool to_caller = slice_starts(raw_field(bytes, "Call-ID"), SLICE("acall-"));
	struct sip_verdict verdict = { 0 };
	struct sip_msg msg;
	enum err err = sip_parse(&sim->arena, bytes, &sip_limits_default, &msg, &verdict);

	arena_reset(&sim->arena);
	if (err != OK)
		wrong(sim, bytes, verdict.why ? verdict.why : "malformed");
	check_leaks(sim, flow, bytes, to_caller);
	check_sdp(sim, bytes);
	if (raw_status(bytes))
		check_response(sim, bytes, to_caller);
	else
		check_request(sim, bytes);
	return sim_net_send(sim->world.net, flow, bytes);
}

static void on_record(void *owner, const struct ctl_call_info *info)
{
	struct sim *sim = owner;

	assert_true(info->legs_count > 0);
	sim->calls[call_of_id(info->legs[0].call_id)].records++;
	assert_true(info->result.len > 0 && info->ended_by.len > 0 && info->cause.len > 0);
	assert_true(info->sip_code >= 200);
	assert_true(info->ended_unix_ms >= info->started_unix_ms);
}

/* ---- the stations ---- */

static void border_station_receive(void *owner, const struct flow *flow, struct slice bytes)
{
	struct sim *sim = owner;

	if (slice_starts(bytes, SLICE("INVITE ")) && raw_tag(bytes, "To").len == 0) {
		struct call_seen *call = &sim->calls[call_of_id(raw_field(bytes, "Call-ID"))];

		call->invite_arrived = true;
	}
	border_receive(sim->world.border, flow, bytes);
}

static void agent_station_receive(void *owner, const struct flow *flow, struct slice bytes)
{
	struct sim *sim = owner;

	peer_receive(&sim->world, flow, bytes);
}

static void disturb(struct sim *sim, uint64_t now_ms)
{
	struct world *world = &sim->world;

	if (sim->relay_back_ms && now_ms >= sim->relay_back_ms) {
		border_relay_up(world->border, peer_chance(world, 50));
		sim->relay_back_ms = 0;
	}
	if (sim->started == sim->call_count || now_ms % 500 != 0)
		return;
	if (peer_chance(world, 10))
		border_media_timeout(world->border);
	if (peer_chance(world, 5))
		border_hangup(world->border);
	if (peer_chance(world, 1))
		border_hangup_all(world->border);
	if (!sim->relay_back_ms && peer_chance(world, 4)) {
		border_relay_down(world->border);
		sim->relay_back_ms = now_ms + peer_between(world, 1, 3000);
	}
}

static void start_call(struct sim *sim)
{
	struct world *world = &sim->world;
	char called[16];
	bool inward = peer_chance(world, 20);

	snprintf(called, sizeof(called), "%u%06u", inward ? 1 : peer_between(world, 1, 6),
		 sim->started);
	peer_call(world, sim->started++, inward ? peer_between(world, 1, 2) : 0, called);
}

static void tick(void *owner, uint64_t now_ms)
{
	struct sim *sim = owner;

	if (sim->unruly)
		disturb(sim, now_ms);
	border_tick(sim->world.border, now_ms);
	if (sim->started < sim->call_count && now_ms % CALL_GAP_MS == 0)
		start_call(sim);
	peer_tick(&sim->world, now_ms);
}

static void attach(struct sim *sim, struct endpoint *endpoint, const char *address,
		   sim_receive_fn *receive, bool ticks)
{
	struct sim_station station = { .receive = receive, .owner = sim };

	assert_int_equal(endpoint_parse(slice_text(address), endpoint), OK);
	station.endpoint = *endpoint;
	station.tick = ticks ? tick : NULL;
	sim_net_attach(sim->world.net, &station);
}

static void attach_all(struct sim *sim)
{
	static const char *const agents[] = { "192.0.2.10:5060",    "198.51.100.20:5060",
					      "198.51.100.21:5060", "198.51.100.30:5060",
					      "198.51.100.31:5060" };

	attach(sim, &sim->world.border_at[0], "192.0.2.2:5060", border_station_receive, true);
	attach(sim, &sim->world.border_at[1], "198.51.100.2:5060", border_station_receive, false);
	for (size_t i = 0; i < array_size(agents); i++)
		attach(sim, &sim->world.agents[i], agents[i], agent_station_receive, false);
}

/* ---- the end ---- */

static void check_parties(const struct sim *sim)
{
	for (unsigned i = 0; i < PEER_BUCKETS; i++) {
		for (const struct party *party = sim->world.parties[i]; party; party = party->next) {
			if (party->up_once && !party->bye_sent && !party->bye_received)
				fail_msg("seed %" PRIu64 ": the %s of call %u (%s) was left alone",
					 sim->seed, party->caller ? "caller" : "callee",
					 party->call, party->dialog.call_id);
			if (sim->world.perfect && party->fork_answered && !party->fork_bye)
				fail_msg("seed %" PRIu64 ": a fork of call %u was left alone",
					 sim->seed, party->call);
		}
	}
}

static void check_calls(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->call_count; i++) {
		const struct call_seen *call = &sim->calls[i];

		if (call->records != call->invite_arrived)
			fail_msg("seed %" PRIu64 ": call %u has %u records", sim->seed, i,
				 call->records);
		if (call->invite_arrived && !call->told)
			fail_msg("seed %" PRIu64 ": the caller of call %u never heard", sim->seed,
				 i);
	}
}

static void play(const char *name, const struct sim_conditions *conditions, unsigned calls,
		 bool unruly)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	struct border_config config = { .provisioning = provisioning,
					.hooks = { on_send, on_record, sim },
					.seed = conditions->seed,
					.capacity = CALLS_MAX,
					.relay_delay_ms = 30,
					.resolve_delay_ms = 400 };

	assert_non_null(sim);
	assert_int_equal(sim_net_create(conditions, &sim->world.net), OK);
	sim->seed = conditions->seed;
	sim->call_count = calls;
	sim->unruly = unruly;
	sim->world.perfect = conditions->delay_min_ms == conditions->delay_max_ms;
	sim->calls = calloc(calls, sizeof(*sim->calls));
	sim->watches = calloc((size_t)calls * WATCHES_PER_CALL, sizeof(*sim->watches));
	arena_cache_init(&sim->cache, 1u << 20);
	arena_init(&sim->arena, &sim->cache, 65536, 1u << 20);
	rand_init_seed(&sim->world.rand, conditions->seed + 7);
	wheel_init(&sim->world.wheel, sim_net_now_ms(sim->world.net));
	config.now_ms = sim_net_now_ms(sim->world.net);
	config.relay_short_permille = unruly ? 20 : 0;
	config.relay_silent_permille = unruly ? 10 : 0;
	sim->world.border = border_create(&config);
	attach_all(sim);
	sim_net_run(sim->world.net, (uint64_t)calls * CALL_GAP_MS + SETTLE_MS);
	printf("%-9s seed %" PRIu64 ": %u calls, %u answered, %" PRIu64 " packets, %" PRIu64
	       " lost\n",
	       name, conditions->seed, calls, sim->world.answered,
	       sim_net_counters(sim->world.net)->sent, sim_net_counters(sim->world.net)->lost);
	check_parties(sim);
	check_calls(sim);
	border_check_idle(sim->world.border);
	assert_int_equal(sim->world.txn_count, 0);
	peer_free_all(&sim->world);
	border_destroy(&sim->world.border);
	sim_net_destroy(&sim->world.net);
	arena_fini(&sim->arena);
	arena_cache_fini(&sim->cache);
	free(sim->watches);
	free(sim->calls);
	free(sim);
}

static const struct network {
	const char *name;
	struct sim_conditions conditions;
	bool unruly;
} networks[] = {
	{ "perfect", { .delay_min_ms = 5, .delay_max_ms = 5 }, false },
	{ "unruly", { .delay_min_ms = 1, .delay_max_ms = 60 }, true },
	{ "lossy",
	  { .loss_permille = 50, .duplicate_permille = 50, .delay_min_ms = 1, .delay_max_ms = 80 },
	  true },
	{ "terrible",
	  { .loss_permille = 200, .duplicate_permille = 200, .delay_min_ms = 1,
	    .delay_max_ms = 1500 },
	  true },
};

struct options {
	uint64_t seed;
	unsigned seeds;
	unsigned calls;
	const char *network; /* only this one */
};

static void play_network(const struct options *options, const struct network *network)
{
	struct sim_conditions conditions = network->conditions;

	for (unsigned i = 0; i < options->seeds; i++) {
		conditions.seed = options->seed + i;
		play(network->name, &conditions, options->calls, network->unruly);
	}
}

static struct options options_read(int argc, char **argv)
{
	struct options options = { .seed = 1, .seeds = 8, .calls = 400 };

	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned long value = strtoul(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--seed") == 0) {
			options.seed = value;
			options.seeds = 1;
		} else if (strcmp(argv[i], "--seeds") == 0) {
			options.seeds = (unsigned)value;
		} else if (strcmp(argv[i], "--calls") == 0) {
			options.calls = value < CALLS_MAX ? (unsigned)value : CALLS_MAX;
		} else if (strcmp(argv[i], "--network") == 0) {
			options.network = argv[i + 1];
		}
	}
	return options;
}

static void all_networks(void **state)
{
	const struct options *options = *state;

	for (size_t i = 0; i < array_size(networks); i++)
		if (!options->network || strcmp(options->network, networks[i].name) == 0)
			play_network(options, &networks[i]);
}

int main(int argc, char **argv)
{
	struct options options = options_read(argc, argv);
	const struct CMUnitTest tests[] = { cmocka_unit_test_prestate(all_networks, &options) };

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

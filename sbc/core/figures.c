/* SPDX-License-Identifier: MIT
 * What the process tells of itself in the shared map. Series with a trunk's name are made when the
 * trunk is first heard of and found again by its name.
 * lint: owns storage because a trunk's series are remembered for the life of the worker. */
#include "sbc/core/core_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/hash.h"

const double figures_setup_bounds[FIGURES_SETUP_BOUNDS] = { 0.05, 0.1, 0.25, 0.5, 1, 2,
							    3,	  5,   8,    13,  20 };
/* What users are satisfied with, table B.1 of G.107, and what is heard at all. */
static const double mos_bounds[] = { 2, 2.58, 3.1, 3.6, 4.03, 4.34 };
static const double jitter_bounds[] = { 0.005, 0.01, 0.02, 0.04, 0.08, 0.16 };
static const double loss_bounds[] = { 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2 };
static const double duration_bounds[] = { 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200 };

static const char *const reject_names[REJECT_COUNT] = {
	[REJECT_ACL] = "acl",	      [REJECT_MALFORMED] = "malformed",
	[REJECT_NO_ROUTE] = "no_route", [REJECT_LIMIT] = "limit",
	[REJECT_OVERLOAD] = "overload", [REJECT_RELAY_DOWN] = "relay_down",
	[REJECT_METHOD] = "method",   [REJECT_LOOP] = "loop",
};

static const char *const digit_names[CALL_DIGIT_WAYS] = {
	[CALL_DIGIT_INFO] = "info_to_event",
	[CALL_DIGIT_EVENT] = "event_to_info",
	[CALL_DIGIT_DROPPED] = "dropped",
};

static stats_id labelled(struct stats *stats, enum stats_kind kind, const char *name,
			 const char *key, const char *value, const char *help)
{
	char labels[STATS_LABELS_BYTES];

	snprintf(labels, sizeof(labels), "%s=\"%s\"", key, value);
	return stats_series(stats, kind, name, labels, help);
}

static void init_messages(struct core *core)
{
	struct figures *figures = &core->figures;

	for (unsigned i = 0; i < SIP_METHOD_COUNT; i++) {
		struct slice method = i ? sip_method_text((enum sip_method)i) : SLICE("other");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", SLICE_ARG(method));
		figures->requests[i] =
			labelled(core->stats, STATS_COUNTER, "sbc_sip_requests_received_total",
				 "method", name, "SIP requests that parsed well");
	}
	for (unsigned i = 1; i < 7; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%uxx", i);
		figures->responses[i] =
			labelled(core->stats, STATS_COUNTER, "sbc_sip_responses_received_total",
				 "class", name, "SIP responses that parsed well");
	}
	for (unsigned i = 0; i < REJECT_COUNT; i++)
		figures->rejected[i] =
			labelled(core->stats, STATS_COUNTER, "sbc_requests_rejected_total",
				 "reason", reject_names[i], "requests that were refused");
	for (unsigned i = 0; i < CALL_DIGIT_WAYS; i++)
		figures->digits[i] = labelled(core->stats, STATS_COUNTER, "sbc_dtmf_digits_total",
					      "way", digit_names[i],
					      "digits that changed between INFO and RFC 4733");
	for (unsigned i = 0; i < FIGURES_EDGE && edge_counter_name(i); i++)
		figures->edge[i] = labelled(core->stats, STATS_COUNTER, "sbc_edge_events_total",
					    "event", edge_counter_name(i),
					    "what happened at the SIP sockets");
}

void figures_init(struct core *core)
{
	static const struct {
		size_t offset;
		enum stats_kind kind;
		const char *name;
		const char *help;
	} table[] = {
#define ROW(field, kind, name, help) { offsetof(struct figures, field), kind, name, help }
		ROW(calls_live, STATS_GAUGE, "sbc_calls_live", "calls that hold a slot"),
		ROW(transactions, STATS_GAUGE, "sbc_sip_transactions_active",
		    "SIP transactions, lingering ones included"),
		ROW(relay_up, STATS_GAUGE, "sbc_relay_connected", "workers with a line to the relay"),
		ROW(connections, STATS_GAUGE, "sbc_connections_active", "SIP connections"),
		ROW(malformed, STATS_COUNTER, "sbc_sip_parse_errors_total",
		    "messages that could not be parsed"),
		ROW(leaks_blocked, STATS_COUNTER, "sbc_leaks_blocked_total",
		    "messages held back because they would have shown the other side"),
		ROW(one_way, STATS_COUNTER, "sbc_media_one_way_total",
		    "sides that fell silent while the other one spoke"),
		ROW(media_timeouts, STATS_COUNTER, "sbc_media_timeouts_total",
		    "silences that reached the trunk's limit"),
		ROW(retransmissions, STATS_COUNTER, "sbc_sip_retransmissions_total",
		    "messages that were sent again"),
		ROW(timeouts, STATS_COUNTER, "sbc_sip_transaction_timeouts_total",
		    "transactions without a final response"),
		ROW(cdrs_written, STATS_COUNTER, "sbc_cdrs_written_total",
		    "finished calls in the journal"),
		ROW(cdrs_lost, STATS_COUNTER, "sbc_cdrs_lost_total",
		    "finished calls that the journal could not take"),
		ROW(slow_turns, STATS_COUNTER, "sbc_slow_turns_total", "wake-ups of over 20 ms"),
		ROW(memory, STATS_GAUGE, "sbc_memory_pool_bytes", "memory in use by arenas"),
#undef ROW
	};
	struct figures *figures = &core->figures;

	for (size_t i = 0; i < array_size(table); i++)
		*(stats_id *)(void *)((char *)figures + table[i].offset) =
			stats_series(core->stats, table[i].kind, table[i].name, "", table[i].help);
	init_messages(core);
}

void figures_reject(struct worker *worker, enum reject_reason reason)
{
	stats_add(worker->row, worker->core->figures.rejected[reason], 1);
}

void figures_tick(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	struct figures *figures = &worker->core->figures;
	const struct edge_counters *edge = edge_counters(worker->edge);
	const struct txn_counters *txns = txn_counters(worker->txns);

	stats_set(worker->row, figures->calls_live, calls_live(worker->calls));
	stats_set(worker->row, figures->transactions, txn_count(worker->txns));
	stats_set(worker->row, figures->relay_up, worker->link.up);
	stats_set(worker->row, figures->connections, edge_connections(worker->edge));
	stats_set(worker->row, figures->leaks_blocked,
		  calls_figures(worker->calls)->leaks_blocked);
	for (unsigned i = 0; i < CALL_DIGIT_WAYS; i++)
		stats_set(worker->row, figures->digits[i],
			  calls_figures(worker->calls)->digits[i]);
	stats_set(worker->row, figures->one_way, calls_figures(worker->calls)->one_way);
	stats_set(worker->row, figures->media_timeouts,
		  calls_figures(worker->calls)->media_timeouts);
	stats_set(worker->row, figures->retransmissions, txns->sent_again);
	stats_set(worker->row, figures->timeouts, txns->timeouts + txns->ack_timeouts);
	stats_set(worker->row, figures->cdrs_written, journal_figures(worker->journal)->written);
	stats_set(worker->row, figures->cdrs_lost, journal_figures(worker->journal)->lost);
	stats_set(worker->row, figures->slow_turns, loop->slow_turns);
	stats_set(worker->row, figures->memory, worker->cache->used_bytes);
	for (unsigned i = 0; i < FIGURES_EDGE && edge_counter_name(i); i++)
		stats_set(worker->row, figures->edge[i], ((const uint64_t *)edge)[i]);
	loop_timer_start(loop, &worker->tick, 1000);
}

/* ---- by trunk ---- */

struct trunk_figures {
	struct map_node node; /* by trunk and direction */
	stats_id attempts;
	stats_id answered;
	stats_id setup_seconds;
	stats_id duration_seconds;
	stats_id mos; /* the trunk's, one set for both directions; 0: no media yet */
	stats_id jitter_seconds;
	stats_id loss_ratio;
};

static struct trunk_figures *trunk_figures(struct worker *worker, struct slice name,
					   const char *direction)
{
	struct stats *stats = worker->core->stats;
	char labels[STATS_LABELS_BYTES];
	struct trunk_figures *found;
	struct hash128 key = hash128(&worker->core->worker_key, name);
	struct map_node *node;

	key.lo ^= (unsigned char)direction[0];
	node = map_find(&worker->trunks, key);
	if (node)
		return container_of(node, struct trunk_figures, node);
	snprintf(labels, sizeof(labels), "trunk=\"%.*s\",direction=\"%s\"", SLICE_ARG(name),
		 direction);
	found = calloc(1, sizeof(*found));
	if (!found)
		return NULL;
	found->attempts = stats_series(stats, STATS_COUNTER, "sbc_call_attempts_total", labels,
				       "calls that were begun");
	found->answered = stats_series(stats, STATS_COUNTER, "sbc_calls_answered_total", labels,
				       "calls that were answered");
	found->duration_seconds = stats_histogram(stats, "sbc_call_duration_seconds", labels,
						  "talking time of answered calls", duration_bounds,
						  array_size(duration_bounds));
	found->setup_seconds = stats_histogram(stats, "sbc_call_post_dial_delay_seconds", labels,
					       "INVITE to the first ringing or answer",
					       figures_setup_bounds, FIGURES_SETUP_BOUNDS);
	map_insert(&worker->trunks, &found->node, key);
	return found;
}

void figures_forget_trunks(struct worker *worker)
{
	size_t cursor = 0;
	struct map_node *node = map_walk(&worker->trunks, &cursor, NULL);

	while (node) {
		struct map_node *next = map_walk(&worker->trunks, &cursor, node);

		free(container_of(node, struct trunk_figures, node));
		node = next;
	}
	map_fini(&worker->trunks);
}

/* Results come from a fixed table of literals, so these series are few and known by their address. */
static stats_id result_series(struct worker *worker, struct slice result)
{
	char labels[STATS_LABELS_BYTES];
	stats_id series;
	unsigned at = 0;

	while (at < array_size(worker->results) && worker->results[at].name) {
		if (worker->results[at].name == result.p)
			return worker->results[at].series;
		at++;
	}
	snprintf(labels, sizeof(labels), "result=\"%.*s\"", SLICE_ARG(result));
	series = stats_series(worker->core->stats, STATS_COUNTER, "sbc_calls_ended_total", labels,
			      "finished calls by result");
	if (at < array_size(worker->results)) {
		worker->results[at].name = result.p;
		worker->results[at].series = series;
	}
	return series;
}

static void quality_series(struct worker *worker, struct slice name, struct trunk_figures *trunk)
{
	struct stats *stats = worker->core->stats;
	char labels[STATS_LABELS_BYTES];

	if (trunk->mos)
		return;
	snprintf(labels, sizeof(labels), "trunk=\"%.*s\"", SLICE_ARG(name));
	trunk->mos = stats_histogram(stats, "sbc_stream_mos", labels,
				     "estimated opinion (G.107) of what the trunk sent", mos_bounds,
				     array_size(mos_bounds));
	trunk->jitter_seconds = stats_histogram(stats, "sbc_stream_jitter_seconds", labels,
						"jitter of what the trunk sent", jitter_bounds,
						array_size(jitter_bounds));
	trunk->loss_ratio = stats_histogram(stats, "sbc_stream_loss_ratio", labels,
					    "lost of what the trunk sent, 0 to 1", loss_bounds,
					    array_size(loss_bounds));
}

/* A stream of a finished call, as it came from the trunk. */
static void observe_stream(struct worker *worker, struct trunk_figures *trunk,
			   const struct ctl_media_info *media)
{
	double lost = media->packets_lost > 0 ? (double)media->packets_lost : 0;

	if (media->mos_x100 > 0)
		stats_observe(worker->row, trunk->mos, mos_bounds, array_size(mos_bounds),
			      media->mos_x100 / 100.0);
	stats_observe(worker->row, trunk->jitter_seconds, jitter_bounds,
		      array_size(jitter_bounds), media->jitter_us / 1e6);
	stats_observe(worker->row, trunk->loss_ratio, loss_bounds, array_size(loss_bounds),
		      lost / (lost + (double)media->packets_received));
}

static void record_quality(struct worker *worker, const struct ctl_call_info *info, uint32_t leg,
			   struct trunk_figures *trunk)
{
	for (uint32_t i = 0; i < info->media_count; i++) {
		const struct ctl_media_info *media = &info->media[i];

		if (media->side != leg || media->packets_received == 0 ||
		    !slice_eq(media->kind, SLICE("audio")))
			continue;
		quality_series(worker, info->legs[leg].trunk, trunk);
		observe_stream(worker, trunk, media);
	}
}

void figures_record(struct worker *worker, const struct ctl_call_info *info)
{
	static const char *const directions[2] = { "in", "out" };

	for (uint32_t leg = 0; leg < info->legs_count; leg++) {
		struct trunk_figures *trunk =
			trunk_figures(worker, info->legs[leg].trunk, directions[leg]);

		if (!trunk)
			continue;
		stats_add(worker->row, trunk->attempts, 1);
		if (info->answered_unix_ms) {
			stats_add(worker->row, trunk->answered, 1);
			stats_observe(worker->row, trunk->duration_seconds, duration_bounds,
				      array_size(duration_bounds), (double)info->duration_ms / 1000.0);
		}
		record_quality(worker, info, leg, trunk);
		if (info->ring_ms)
			stats_observe(worker->row, trunk->setup_seconds, figures_setup_bounds,
				      FIGURES_SETUP_BOUNDS, info->ring_ms / 1000.0);
	}
	stats_add(worker->row, result_series(worker, info->result), 1);
	if (slice_eq(info->cause, SLICE("no_route")))
		figures_reject(worker, REJECT_NO_ROUTE);
	else if (slice_eq(info->cause, SLICE("limit")))
		figures_reject(worker, REJECT_LIMIT);
	else if (slice_eq(info->cause, SLICE("relay_down")))
		figures_reject(worker, REJECT_RELAY_DOWN);
	else if (slice_eq(info->cause, SLICE("too_many_hops")))
		figures_reject(worker, REJECT_LOOP);
}

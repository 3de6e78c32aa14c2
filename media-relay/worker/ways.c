/* SPDX-License-Identifier: MIT
 * Moves flows into the kernel, to rings, and back. A flow goes up once some packets of one SSRC passed
 * the stages, so that a stream in disorder (two SSRCs in turn, a sender that starts over) stays where
 * it can be dealt with, and a short one costs nothing.
 * Always true: a flow's source is brought up to date before a stage looks at it. */
#include "media-relay/worker/ways.h"

#include <assert.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/worker_priv.h"

#define STEADY_PACKETS 8u   /* then the first look */
#define AGAIN_PACKETS 256u  /* and then one look in so many */
#define TOTALS_EVERY_MS 500u
#define RESTING_MS 200u     /* far longer than any packet is in the kernel */
#define NS_PER_MS 1000000u
#define NS_PER_US 1000u

struct resting {
	struct list link;
	struct handle handle;
	struct handle stream;
	uint8_t side;
	uint32_t place;
	uint32_t ssrc;
	struct fast_count taken;
	uint64_t due_ms;
};

/* Of the whole lane, whatever flow they were of. */
static void count_totals(struct worker *worker)
{
	const struct worker_stats *stats = &worker->stats;
	struct fast_total now = fast_lane_total(worker->ways.lane);
	struct fast_total *taken = &worker->ways.taken;
	uint64_t packets = now.packets - taken->packets, bytes = now.bytes - taken->bytes;
	uint64_t policed = now.policed - taken->policed;

	stats_add(stats->row, stats->packets_in, packets + policed);
	stats_add(stats->row, stats->packets_out, packets);
	stats_add(stats->row, stats->bytes_in, bytes);
	stats_add(stats->row, stats->bytes_out, bytes);
	stats_add(stats->row, stats->dropped[PACKET_DROP_RATE], policed);
	*taken = now;
}

static struct rtp_standing standing_of(const struct fast_count *count)
{
	return (struct rtp_standing){ .max_sequence = count->max_sequence,
				      .payload_type = count->payload_type,
				      .clock_hz = fast_clock_hz(count->ticks),
				      .jitter16 = count->jitter16,
				      .window = count->window,
				      .window_top = count->window_top };
}

/* A tick of the last weeks, or one that this turn's clock has not reached. */
static uint64_t ns_of(uint32_t tick, uint64_t now_ms)
{
	uint64_t now = now_ms * NS_PER_MS / FAST_TICK_NS;
	int32_t age = (int32_t)((uint32_t)now - tick);

	return (now - (uint64_t)(int64_t)age) * FAST_TICK_NS;
}

static void tell_moment(const struct fast_count *count, uint64_t now_ms, struct flow_news *ret)
{
	uint64_t last_ns = ns_of(count->last, now_ms);

	ret->last_packet_ms = last_ns / NS_PER_MS;
	if (fast_count_timestamp(count, last_ns, &ret->timestamp))
		ret->timestamp_us = last_ns / NS_PER_US;
}

/* What came to a place since *taken, which moves on. False: nothing. */
static bool place_news(const struct worker *worker, uint32_t place, struct fast_count *taken,
		       struct flow_news *ret)
{
	/* Copied once: the kernel writes on meanwhile. */
	const struct fast_count now = *(const volatile struct fast_count *)fast_place_count(
		worker->ways.lane, place);

	*ret = (struct flow_news){
		.packets = now.packets - taken->packets,
		.bytes = now.bytes - taken->bytes,
		.policed = now.policed - taken->policed,
		.reordered = now.reordered - taken->reordered,
		.duplicated = now.duplicated - taken->duplicated,
		.standing = standing_of(&now),
	};
	if (ret->packets > 0)
		tell_moment(&now, worker->loop->now_ms, ret);
	*taken = now;
	return ret->packets > 0 || ret->policed > 0;
}

static void take_from(struct worker *worker, struct way *way, uint32_t place)
{
	struct flow_news news;

	if (!place_news(worker, place, &way->taken, &news))
		return;
	news.ssrc = way->ssrc;
	session_flow_take(&worker->sessions, way->flow, &news);
}

void way_take(struct worker *worker, struct way *way)
{
	if (way->now == CTL_WAY_KERNEL)
		take_from(worker, way, way->entry.place);
}

void ways_take(struct worker *worker, struct stream *stream)
{
	for (unsigned i = 0; i < 2; i++)
		if (stream->sides[i].flows[COMPONENT_RTP].port)
			way_take(worker, worker_way_of(&stream->sides[i].flows[COMPONENT_RTP]));
}

static void count_ways(struct worker *worker)
{
	const struct ways *ways = &worker->ways;

	stats_set(worker->stats.row, ways->kernel_id, ways->kernel_count);
	stats_set(worker->stats.row, ways->ring_id, ways->ring_count);
}

/* ---- down ---- */

/* NULL (out of memory): the place is lost to further flows, and at most a packet to the figures. */
static void place_rest(struct worker *worker, const struct way *way, const struct fast_left *left)
{
	struct ways *ways = &worker->ways;
	struct handle handle;
	struct resting *resting = pool_take(&ways->resting_pool, &handle);

	if (!resting)
		return;
	resting->handle = handle;
	resting->stream = way->flow->side->stream->handle;
	resting->side = way->flow->side->number;
	resting->place = left->place;
	resting->ssrc = way->ssrc;
	resting->taken = left->count;
	resting->due_ms = worker->loop->now_ms + RESTING_MS;
	list_add_tail(&ways->resting, &resting->link);
}

static void log_way(const struct worker *worker, const struct way *way)
{
	const struct side *side = way->flow->side;

	log_write(worker->options.log, LOG_LEVEL_DEBUG, EVENT_stream_way,
		  LOG_U("session", side->stream->session->id), LOG_U("stream", side->stream->number),
		  LOG_U("side", side->number), LOG_T("way", ctl_way_name(way->now)),
		  LOG_T("why", way->why));
}

/* Because of `why`; it may come back. */
static void way_down(struct worker *worker, struct way *way, const char *why)
{
	struct ways *ways = &worker->ways;
	struct fast_left left;

	if (way->now == CTL_WAY_SOCKET)
		return;
	left.place = fast_entry_clear(ways->lane, &way->entry);
	if (way->now == CTL_WAY_KERNEL) {
		take_from(worker, way, left.place);
		ways->kernel_count--;
	} else {
		ways->ring_count--;
	}
	left.count = way->taken;
	place_rest(worker, way, &left);
	way->now = CTL_WAY_SOCKET;
	way->why = why;
	way->steady = 0;
	count_ways(worker);
	log_way(worker, way);
}

/* ---- up ---- */

static void rule_fill(const struct flow_plan *plan, uint8_t dscp, struct fast_rule *ret)
{
	const struct rtp_standing *standing = &plan->standing;

	*ret = (struct fast_rule){
		.local = plan->local,
		.source = plan->source,
		.out = plan->out,
		.target = plan->target,
		.ssrc = plan->ssrc,
		.dscp = dscp,
		.bytes_per_s = plan->police.bytes_per_s,
		.payload_count = plan->payload_count,
		.standing = { .max_sequence = standing->max_sequence,
			      .payload_type = standing->payload_type,
			      .ticks = fast_ticks(standing->clock_hz),
			      .jitter16 = standing->jitter16,
			      .window = standing->window,
			      .window_top = standing->window_top,
			      .busy_until = (uint32_t)(plan->police.busy_until_us * 1000u >> 10) },
	};
	for (unsigned i = 0; i < plan->payload_count; i++)
		ret->payloads[i] =
			(struct fast_rule_payload){ .in = plan->payloads[i].in,
						    .out = plan->payloads[i].out,
						    .clock_hz = plan->payloads[i].clock_hz };
}

static void way_up(struct worker *worker, struct way *way, enum ctl_way to, const char *why)
{
	struct ways *ways = &worker->ways;

	way->why = why;
	if (way->now == to)
		return;
	way->now = to;
	way->taken = (struct fast_count){ .packets = 0 };
	(*(to == CTL_WAY_KERNEL ? &ways->kernel_count : &ways->ring_count))++;
	count_ways(worker);
	if (!timer_running(&ways->timer.timer))
		loop_timer_start(worker->loop, &ways->timer, TOTALS_EVERY_MS);
	log_way(worker, way);
}

/* Into the kernel. False: *ret_why; *ret_waits: perhaps when the neighbours change. */
static bool try_kernel(struct worker *worker, struct way *way, const char **ret_why,
		       bool *ret_waits)
{
	struct ways *ways = &worker->ways;
	struct flow_plan plan;
	struct fast_left left;
	struct fast_rule rule;
	enum flow_fit fit = session_flow_plan(way->flow, &plan);

	*ret_why = fit == FLOW_FITS ? "the kernel forwards nothing" : flow_fit_text(fit);
	if (fit != FLOW_FITS || !ways->forwards)
		return false;
	if (way->now == CTL_WAY_XSK)
		way_down(worker, way, *ret_why);
	/* The kernel goes by one SSRC and one count of it. */
	if (way->now == CTL_WAY_KERNEL &&
	    (plan.ssrc != way->ssrc ||
	     way->flow->side->source.base_sequence != way->base_sequence))
		way_down(worker, way, "the sender started anew");
	rule_fill(&plan, worker_flow_dscp(worker, way->flow), &rule);
	*ret_waits = true;
	if (!fast_entry_set(ways->lane, &way->entry, &rule, &left, ret_why))
		return false;
	if (left.place != 0)
		place_rest(worker, way, &left);
	way->ssrc = plan.ssrc;
	way->base_sequence = way->flow->side->source.base_sequence;
	way_up(worker, way, CTL_WAY_KERNEL, flow_fit_text(FLOW_FITS));
	return true;
}

static void fetch_fill(const struct way *way, struct fast_rule *rule)
{
	struct flow_hot hot[FLOW_HOT_MAX];
	unsigned count = session_flow_hot(way->flow, hot);

	static_assert(FLOW_HOT_MAX < FAST_HOT_MAX, "all of it is fetched");
	for (unsigned i = 0; i < count; i++)
		rule->hot[i] = (struct fast_hot){ .at = hot[i].at, .bytes = hot[i].bytes };
	rule->hot[count] = (struct fast_hot){ .at = way, .bytes = sizeof(*way) };
}

/* To a ring, because of *why not into the kernel. False: *why is that of the sockets. */
static bool try_ring(struct worker *worker, struct way *way, const char **why, bool *ret_waits)
{
	struct ways *ways = &worker->ways;
	struct fast_rule rule = { .dscp = worker_flow_dscp(worker, way->flow) };
	struct flow_path path;
	const char *before;

	if (!ways->rings || !session_flow_path(way->flow, &path))
		return false;
	if (way->now == CTL_WAY_KERNEL)
		way_down(worker, way, *why);
	rule.local = path.local;
	rule.out = path.out;
	rule.target = path.target;
	fetch_fill(way, &rule);
	*ret_waits = true;
	before = *why;
	if (!fast_entry_ring(ways->lane, &way->entry, &rule, why))
		return false;
	way_up(worker, way, CTL_WAY_XSK, before);
	return true;
}

void way_review(struct worker *worker, struct way *way)
{
	const char *why;
	bool waits = false;

	if (!worker->ways.lane || !way->flow)
		return;
	way_take(worker, way);
	if (try_kernel(worker, way, &why, &waits) || try_ring(worker, way, &why, &waits))
		return;
	way->why = why;
	way_down(worker, way, why);
	if (!waits)
		fast_entry_forget(worker->ways.lane, &way->entry);
}

/* ---- packets that came by a socket or a ring ---- */

void way_before(struct worker *worker, struct way *way)
{
	if (way->now == CTL_WAY_KERNEL)
		way_take(worker, way);
}

bool way_send(struct worker *worker, struct fast_packet *ring, const struct packet *packet)
{
	struct way *way = container_of(ring->entry, struct way, entry);

	if (packet->out->component != COMPONENT_RTP)
		return false;
	if (fast_send(worker->ways.lane, ring, &packet->out->target, packet->len))
		return true;
	way->steady = 0; /* look again soon: it may have another target */
	return false;
}

/* In a ring, and the kernel would not take it: where it goes on to is looked after by who changes it, and
 * by way_send. */
static bool way_stays(const struct ways *ways, const struct way *way)
{
	struct flow_plan plan;

	return way->now == CTL_WAY_XSK &&
	       (!ways->forwards || session_flow_plan(way->flow, &plan) != FLOW_FITS);
}

/* Packets of one SSRC in a row, through the stages and out. */
static void way_steady(struct worker *worker, struct way *way, const struct rtp_source *source)
{
	if (way->ssrc != source->ssrc)
		way->steady = 0;
	way->ssrc = source->ssrc;
	way->steady++;
	if (way->steady == STEADY_PACKETS ||
	    (way->steady % AGAIN_PACKETS == 0 && !way_stays(&worker->ways, way)))
		way_review(worker, way);
}

void way_after(struct worker *worker, struct way *way, const struct packet *packet)
{
	const struct side *side = way->flow->side;
	const struct flow *other = &side->other->flows[COMPONENT_RTP];

	if (!worker->ways.lane || packet->kind != RTP_MEDIA)
		return;
	if (packet->latched && other->port) /* it has another target now */
		way_review(worker, worker_way_of(other));
	if (way->now == CTL_WAY_KERNEL && side->digits)
		way_review(worker, way); /* what came up may be the first of a digit */
	if (!packet->out)
		return;
	if (way->now != CTL_WAY_KERNEL)
		way_steady(worker, way, &side->source);
	else if (side->source.ssrc != way->ssrc ||
		 side->source.base_sequence != way->base_sequence)
		way_down(worker, way, "the sender started anew");
}

/* ---- time ---- */

static void resting_end(struct worker *worker, struct resting *resting)
{
	struct ways *ways = &worker->ways;
	struct stream *stream = pool_get(&worker->sessions.stream_pool, resting->stream);
	struct flow_news news;

	if (place_news(worker, resting->place, &resting->taken, &news) && stream) {
		news.ssrc = resting->ssrc;
		session_flow_take(&worker->sessions,
				  &stream->sides[resting->side].flows[COMPONENT_RTP], &news);
	}
	fast_place_give(ways->lane, resting->place);
	list_remove(&resting->link);
	pool_give(&ways->resting_pool, resting->handle);
}

static void on_timer(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	struct ways *ways = &worker->ways;

	count_totals(worker);
	list_each(node, &ways->resting) {
		struct resting *resting = container_of(node, struct resting, link);

		if (resting->due_ms > loop->now_ms)
			break;
		resting_end(worker, resting);
	}
	if (ways->rings)
		stats_set(worker->stats.row, ways->ring_lost_id, fast_lane_lost(ways->lane));
	if (ways->kernel_count > 0 || ways->ring_count > 0 || !list_empty(&ways->resting))
		loop_timer_start(loop, &ways->timer, TOTALS_EVERY_MS);
}

const char *way_reason(const struct worker *worker, const struct way *way)
{
	if (!way || !way->why)
		return flow_fit_text(FLOW_NO_PORT);
	return worker->ways.lane ? way->why : "there are only sockets here";
}

/* ---- life ---- */

static void on_again(void *owner, struct fast_entry *entry)
{
	way_review(owner, container_of(entry, struct way, entry));
}

void way_open(struct way *way, struct flow *flow)
{
	*way = (struct way){ .flow = flow, .why = flow_fit_text(FLOW_NOT_LATCHED) };
}

void way_close(struct worker *worker, struct way *way)
{
	if (worker->ways.lane && way->flow) {
		way_down(worker, way, "the port is given back");
		fast_entry_forget(worker->ways.lane, &way->entry);
	}
	*way = (struct way){ .flow = NULL };
}

enum err ways_init(struct worker *worker)
{
	struct ways *ways = &worker->ways;
	enum err err;

	list_init(&ways->resting);
	ways->timer = (struct loop_timer){ .fn = on_timer, .owner = worker };
	ways->kernel_id = stats_series(worker->options.stats, STATS_GAUGE,
				       "sbc_relay_kernel_flows", "",
				       "directions of streams that the kernel forwards");
	ways->ring_id = stats_series(worker->options.stats, STATS_GAUGE,
				     "sbc_relay_xdp_socket_flows", "",
				     "directions of streams that come and go by AF_XDP");
	ways->ring_lost_id = stats_series(worker->options.stats, STATS_COUNTER,
					  "sbc_relay_packets_dropped_total",
					  "reason=\"ring_full\"",
					  "packets that were not forwarded");
	if (!worker->options.fastpath)
		return OK;
	ways->forwards = fastpath_forwards(worker->options.fastpath);
	err = pool_init(&ways->resting_pool, sizeof(struct resting), 4 * worker->options.capacity);
	if (err != OK)
		return err;
	err = fast_lane_create(worker->options.fastpath, worker->options.number, worker->loop,
			       on_again, worker, &ways->lane);
	if (err == OK && fastpath_has_rings(worker->options.fastpath)) {
		err = fast_lane_listen(ways->lane, worker_on_ring);
		ways->rings = err == OK;
	}
	if (err == OK)
		return OK;
	log_write(worker->options.log, LOG_LEVEL_WARNING, EVENT_fast_path, LOG_T("way", "socket"),
		  LOG_T("why", err_text(err)));
	return OK;
}

void ways_fini(struct worker *worker)
{
	loop_timer_stop(worker->loop, &worker->ways.timer);
	fast_lane_destroy(&worker->ways.lane);
	pool_fini(&worker->ways.resting_pool);
}

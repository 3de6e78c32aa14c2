/* SPDX-License-Identifier: MIT
 * Moves flows into the kernel and back. A flow goes up once some packets of one SSRC passed the
 * stages, so that a stream in disorder (two SSRCs in turn, a sender that starts over) stays where it
 * can be dealt with, and a short one costs nothing.
 * Always true: a flow's source is brought up to date before a stage looks at it. */
#include "media-relay/worker/ways.h"

#include "lib/base/ensure.h"
#include "media-relay/worker/worker_priv.h"

#define STEADY_PACKETS 8u   /* then the first look */
#define AGAIN_PACKETS 256u  /* and then one look in so many */
#define TAKE_EVERY_MS 500u
#define RESTING_MS 200u     /* far longer than any packet is in the kernel */
#define NS_PER_MS 1000000u

struct resting {
	struct list link;
	struct handle handle;
	struct handle stream;
	uint8_t side;
	uint32_t place;
	struct fast_count taken;
	uint64_t due_ms;
};

static void count_news(struct worker *worker, const struct flow_news *news)
{
	const struct worker_stats *stats = &worker->stats;

	stats_add(stats->row, stats->packets_in, news->packets + news->policed);
	stats_add(stats->row, stats->packets_out, news->packets);
	stats_add(stats->row, stats->bytes_in, news->bytes);
	stats_add(stats->row, stats->bytes_out, news->bytes);
	stats_add(stats->row, stats->dropped[PACKET_DROP_RATE], news->policed);
}

static struct rtp_standing standing_of(const struct fast_count *count)
{
	return (struct rtp_standing){ .max_sequence = count->max_sequence,
				      .payload_type = count->payload_type,
				      .clock_hz = count->clock_hz,
				      .jitter16 = count->jitter16,
				      .window = count->window,
				      .window_top = count->window_top };
}

/* What came to a place since *taken, which moves on. False: nothing. */
static bool place_news(const struct ways *ways, uint32_t place, struct fast_count *taken,
		       struct flow_news *ret)
{
	/* Copied once: the kernel writes on meanwhile. */
	const struct fast_count now = *(const volatile struct fast_count *)fast_place_count(
		ways->lane, place);

	*ret = (struct flow_news){
		.packets = now.packets - taken->packets,
		.bytes = now.bytes - taken->bytes,
		.policed = now.policed - taken->policed,
		.reordered = (uint16_t)(now.reordered - taken->reordered),
		.duplicated = (uint16_t)(now.duplicated - taken->duplicated),
		.last_packet_ms = now.last_ns / NS_PER_MS,
		.standing = standing_of(&now),
	};
	*taken = now;
	return ret->packets > 0 || ret->policed > 0;
}

static void take_from(struct worker *worker, struct way *way, uint32_t place)
{
	struct flow_news news;

	if (!place_news(&worker->ways, place, &way->taken, &news))
		return;
	session_flow_take(&worker->sessions, way->flow, &news);
	count_news(worker, &news);
}

void way_take(struct worker *worker, struct way *way)
{
	if (way->in_kernel)
		take_from(worker, way, way->entry.place);
}

/* ---- down ---- */

/* NULL (out of memory): the place is lost to further flows, and at most a packet to the figures. */
static void place_rest(struct worker *worker, const struct way *way, uint32_t place)
{
	struct ways *ways = &worker->ways;
	struct handle handle;
	struct resting *resting = pool_take(&ways->resting_pool, &handle);

	if (!resting)
		return;
	resting->handle = handle;
	resting->stream = way->flow->side->stream->handle;
	resting->side = way->flow->side->number;
	resting->place = place;
	resting->taken = way->taken;
	resting->due_ms = worker->loop->now_ms + RESTING_MS;
	list_add_tail(&ways->resting, &resting->link);
}

static void log_way(const struct worker *worker, const struct way *way)
{
	const struct side *side = way->flow->side;

	log_write(worker->options.log, LOG_LEVEL_DEBUG, EVENT_stream_way,
		  LOG_U("session", side->stream->session->id), LOG_U("stream", side->stream->number),
		  LOG_U("side", side->number), LOG_T("way", way->in_kernel ? "kernel" : "socket"),
		  LOG_T("why", way->why));
}

/* Because of `why`; it may come back. */
static void way_down(struct worker *worker, struct way *way, const char *why)
{
	struct ways *ways = &worker->ways;
	uint32_t place;

	if (!way->in_kernel)
		return;
	place = fast_entry_clear(ways->lane, &way->entry);
	take_from(worker, way, place);
	place_rest(worker, way, place);
	way->in_kernel = false;
	way->why = why;
	way->steady = 0;
	list_remove(&way->link);
	stats_set(worker->stats.row, ways->kernel_id, --ways->kernel_count);
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
			      .clock_hz = standing->clock_hz,
			      .jitter16 = standing->jitter16,
			      .window = standing->window,
			      .window_top = standing->window_top,
			      .busy_until = (uint32_t)(plan->police.busy_until_us * 1000u >> 10) },
	};
	for (unsigned i = 0; i < plan->payload_count; i++)
		ret->payloads[i] = (struct fast_payload){ .in = plan->payloads[i].in,
							  .out = plan->payloads[i].out,
							  .clock_hz = plan->payloads[i].clock_hz };
}

static void way_up(struct worker *worker, struct way *way, const struct flow_plan *plan)
{
	struct ways *ways = &worker->ways;
	const struct side *side = way->flow->side;

	way->ssrc = plan->ssrc;
	way->base_sequence = side->source.base_sequence;
	if (way->in_kernel)
		return;
	way->in_kernel = true;
	way->taken = (struct fast_count){ .packets = 0 };
	way->why = flow_fit_text(FLOW_FITS);
	list_add_tail(&ways->kernel, &way->link);
	stats_set(worker->stats.row, ways->kernel_id, ++ways->kernel_count);
	if (!timer_running(&ways->timer.timer))
		loop_timer_start(worker->loop, &ways->timer, TAKE_EVERY_MS);
	log_way(worker, way);
}

void way_review(struct worker *worker, struct way *way)
{
	struct ways *ways = &worker->ways;
	struct flow_plan plan;
	struct fast_rule rule;
	enum flow_fit fit;
	const char *why;

	if (!ways->lane || !way->flow)
		return;
	way_take(worker, way);
	fit = session_flow_plan(way->flow, &plan);
	if (fit != FLOW_FITS) {
		way->why = flow_fit_text(fit);
		way_down(worker, way, way->why);
		fast_entry_forget(ways->lane, &way->entry);
		return;
	}
	/* The kernel goes by one SSRC and one count of it. */
	if (way->in_kernel && (plan.ssrc != way->ssrc ||
			       way->flow->side->source.base_sequence != way->base_sequence))
		way_down(worker, way, "the sender started anew");
	rule_fill(&plan, worker_flow_dscp(worker, way->flow), &rule);
	if (fast_entry_set(ways->lane, &way->entry, &rule, &why)) {
		way_up(worker, way, &plan);
	} else {
		way->why = why;
		way_down(worker, way, why);
	}
}

/* ---- packets that came by a socket ---- */

void way_before(struct worker *worker, struct way *way)
{
	if (way->in_kernel)
		way_take(worker, way);
}

/* Packets of one SSRC in a row, through the stages and out. */
static void way_steady(struct worker *worker, struct way *way, const struct rtp_source *source)
{
	if (way->ssrc != source->ssrc)
		way->steady = 0;
	way->ssrc = source->ssrc;
	if (++way->steady == STEADY_PACKETS || way->steady % AGAIN_PACKETS == 0)
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
	if (way->in_kernel && side->digits)
		way_review(worker, way); /* what came up may be the first of a digit */
	if (!packet->out)
		return;
	if (!way->in_kernel)
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

	if (place_news(ways, resting->place, &resting->taken, &news)) {
		count_news(worker, &news);
		if (stream)
			session_flow_take(&worker->sessions,
					  &stream->sides[resting->side].flows[COMPONENT_RTP],
					  &news);
	}
	fast_place_give(ways->lane, resting->place);
	list_remove(&resting->link);
	pool_give(&ways->resting_pool, resting->handle);
}

static void on_timer(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	struct ways *ways = &worker->ways;

	list_each(node, &ways->kernel)
		way_take(worker, container_of(node, struct way, link));
	list_each(node, &ways->resting) {
		struct resting *resting = container_of(node, struct resting, link);

		if (resting->due_ms > loop->now_ms)
			break;
		resting_end(worker, resting);
	}
	if (!list_empty(&ways->kernel) || !list_empty(&ways->resting))
		loop_timer_start(loop, &ways->timer, TAKE_EVERY_MS);
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

	list_init(&ways->kernel);
	list_init(&ways->resting);
	ways->timer = (struct loop_timer){ .fn = on_timer, .owner = worker };
	ways->kernel_id = stats_series(worker->options.stats, STATS_GAUGE,
				       "sbc_relay_kernel_flows", "",
				       "directions of streams that the kernel forwards");
	if (!worker->options.fastpath)
		return OK;
	err = pool_init(&ways->resting_pool, sizeof(struct resting), 4 * worker->options.capacity);
	if (err != OK)
		return err;
	err = fast_lane_create(worker->options.fastpath, worker->options.number, worker->loop,
			       on_again, worker, &ways->lane);
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

/* SPDX-License-Identifier: MIT
 * Where the session room's verdicts meet the ways in and out: a datagram in, at most one out, and
 * what time brings. */
#include "media-relay/worker/worker_priv.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "lib/base/ensure.h"

#define LINE_BYTES 64u /* of a processor's cache */

static_assert(IO_ROOM_BYTES >= SRTP_ROOM_BYTES && FAST_ROOM_BYTES >= SRTP_ROOM_BYTES,
	      "packets grow where they lie");

static stats_id counter(struct worker *worker, const char *name, const char *labels,
			const char *help)
{
	return stats_series(worker->options.stats, STATS_COUNTER, name, labels, help);
}

static void handshake_stats_init(struct worker *worker)
{
	static const char *const roles[] = { [CTL_DTLS_PASSIVE] = "server",
					     [CTL_DTLS_ACTIVE] = "client" };
	static const char *const results[SESSION_HANDSHAKE_RESULTS] = {
		[0] = "secured",
		[CTL_SECURITY_FINGERPRINT] = "fingerprint",
		[CTL_SECURITY_HANDSHAKE] = "handshake",
		[CTL_SECURITY_TIMEOUT] = "timeout",
		[CTL_SECURITY_PROFILE] = "profile",
	};
	struct worker_stats *s = &worker->stats;

	for (unsigned i = 0; i < array_size(roles) * array_size(results); i++) {
		unsigned role = i / array_size(results), result = i % array_size(results);
		char labels[64];

		snprintf(labels, sizeof(labels), "role=\"%s\",result=\"%s\"", roles[role],
			 results[result]);
		s->handshakes[role][result] = counter(worker, "sbc_dtls_handshakes_total", labels,
						      "DTLS handshakes that ended");
	}
	s->hellos_held = counter(worker, "sbc_dtls_hellos_held_total", "",
				 "DTLS hellos that came before the answer and were kept for it");
	s->hellos_asked = counter(worker, "sbc_dtls_hellos_asked_total", "",
				  "ClientHellos that were asked for a cookie");
	s->reports = counter(worker, "sbc_relay_rtcp_made_total", "",
			     "RTCP reports for peers that send none");
	s->associations = stats_series(worker->options.stats, STATS_GAUGE, "sbc_dtls_associations",
				       "", "DTLS associations");
}

void worker_stats_copy(struct worker *worker)
{
	const struct sessions *sessions = &worker->sessions;
	struct worker_stats *s = &worker->stats;

	stats_set(s->row, s->stray, worker->io.stray);
	stats_set(s->row, s->send_failed, worker->io.send_failed);
	stats_set(s->row, s->too_long, worker->io.too_long);
	stats_set(s->row, s->hellos_asked, sessions->hellos_asked);
	stats_set(s->row, s->hellos_held, sessions->hellos_held);
	stats_set(s->row, s->reports, sessions->reports_sent);
	stats_set(s->row, s->associations, dtls_engine_live(sessions->dtls));
	for (unsigned i = 0; i < 2 * SESSION_HANDSHAKE_RESULTS; i++)
		stats_set(s->row, s->handshakes[i / SESSION_HANDSHAKE_RESULTS][i % SESSION_HANDSHAKE_RESULTS],
			  sessions->handshakes[i / SESSION_HANDSHAKE_RESULTS]
					      [i % SESSION_HANDSHAKE_RESULTS]);
}

void worker_stats_init(struct worker *worker)
{
	struct worker_stats *s = &worker->stats;
	static const char packets[] = "RTP and RTCP packets";
	static const char bytes[] = "RTP and RTCP bytes";

	s->row = stats_row(worker->options.stats, worker->options.number);
	s->sessions = stats_series(worker->options.stats, STATS_GAUGE, "sbc_relay_sessions", "",
				   "media sessions");
	s->packets_in = counter(worker, "sbc_relay_packets_total", "direction=\"in\"", packets);
	s->packets_out = counter(worker, "sbc_relay_packets_total", "direction=\"out\"", packets);
	s->bytes_in = counter(worker, "sbc_relay_bytes_total", "direction=\"in\"", bytes);
	s->bytes_out = counter(worker, "sbc_relay_bytes_total", "direction=\"out\"", bytes);
	for (unsigned i = PACKET_DROP_FIRST; i < PACKET_VERDICTS; i++) {
		char labels[48];

		snprintf(labels, sizeof(labels), "reason=\"%s\"",
			 packet_verdict_name((enum packet_verdict)i));
		s->dropped[i] = counter(worker, "sbc_relay_packets_dropped_total", labels,
					"packets that were not forwarded");
	}
	s->stray = counter(worker, "sbc_relay_packets_dropped_total", "reason=\"no_session\"",
			   "packets that were not forwarded");
	s->send_failed = counter(worker, "sbc_relay_packets_dropped_total",
				 "reason=\"socket_full\"", "packets that were not forwarded");
	s->too_long = counter(worker, "sbc_relay_packets_dropped_total", "reason=\"too_long\"",
			      "packets that were not forwarded");
	for (unsigned i = 0; i < ICE_VERDICTS; i++) {
		char labels[48];

		snprintf(labels, sizeof(labels), "result=\"%s\"",
			 ice_verdict_name((enum ice_verdict)i));
		s->checks[i] = counter(worker, "sbc_relay_ice_checks_total", labels,
				       "STUN datagrams at sides with ICE");
	}
	handshake_stats_init(worker);
	s->recordings = stats_series(worker->options.stats, STATS_GAUGE, "sbc_relay_recordings", "",
				     "sessions that are being recorded");
	s->recorded = counter(worker, "sbc_relay_recorded_packets_total", "",
			      "packets given to recordings");
	s->unrecorded = counter(worker, "sbc_relay_recording_dropped_packets_total", "",
				"packets that recordings had no room for");
	s->recordings_failed = counter(worker, "sbc_relay_recordings_failed_total", "",
				       "recordings that ended because they could not be written");
	s->port_failures = counter(worker, "sbc_relay_port_allocation_failures_total", "",
				   "sessions refused for want of a port");
}

static struct ctl_srtp_crypto crypto_of(const struct dtls_keys *keys, const unsigned char *key)
{
	return (struct ctl_srtp_crypto){ .suite = (uint8_t)keys->suite,
					 .key = slice_of((const char *)key, keys->len) };
}

static void tell_owner(struct worker *worker, const struct session_event *event)
{
	const struct session *session = event->session;
	struct ctl_srtp_crypto keys[2] = { crypto_of(&event->keys, event->keys.receive),
					   crypto_of(&event->keys, event->keys.send) };
	struct ctl_message message = {
		.type = CTL_media_event,
		.media_event = { .session = session->id,
				 .stream = event->side->stream->number,
				 .side = event->side->number,
				 .kind = (uint8_t)event->kind,
				 .component = (uint8_t)event->component,
				 .source = event->source,
				 .value = event->value,
				 .keys = keys,
				 .keys_count = event->keys.suite != CTL_SRTP_NONE ? 2 : 0 },
	};
	struct worker_reply reply = { .kind = WORKER_EVENT,
				      .owner = session->owner,
				      .session = session->id,
				      .message = &message };

	if (worker_may_reply(worker))
		worker_reply(worker, &reply);
}

static void on_latched(struct worker *worker, const struct packet *packet)
{
	struct side *side = packet->flow->side;
	struct session_event event = { .session = side->stream->session,
				       .side = side,
				       .kind = CTL_MEDIA_LATCHED,
				       .source = packet->source };

	log_write(worker->options.log, LOG_LEVEL_DEBUG, EVENT_stream_latched,
		  LOG_U("session", side->stream->session->id), LOG_U("side", side->number),
		  LOG_E("source", &packet->source));
	if (packet->flow->component == COMPONENT_RTP)
		tell_owner(worker, &event);
}

static void on_resumed(struct worker *worker, const struct packet *packet)
{
	struct side *side = packet->flow->side;
	struct session_event event = { .session = side->stream->session,
				       .side = side,
				       .kind = CTL_MEDIA_RESUMED,
				       .source = packet->source };

	log_write(worker->options.log, LOG_LEVEL_INFO, EVENT_media_resumed,
		  LOG_U("session", side->stream->session->id), LOG_U("side", side->number));
	tell_owner(worker, &event);
}

/* A check, and what it changed. */
static enum packet_verdict on_signal(struct worker *worker, struct packet *packet)
{
	enum packet_verdict verdict;

	packet->check = ICE_VERDICTS;
	verdict = session_signal(&worker->sessions, packet);
	if (packet->check != ICE_VERDICTS)
		stats_add(worker->stats.row, worker->stats.checks[packet->check], 1);
	return verdict;
}

void worker_send(void *owner, struct flow *flow, const struct endpoint *to, const void *bytes,
		 size_t len)
{
	(void)owner;
	io_send(flow->port, to, bytes, len);
}

void worker_take(void *owner, struct flow *flow)
{
	way_take(owner, worker_way_of(flow));
}

static void remember_news(struct worker *worker, const struct flow *flow)
{
	if (worker->memory.memory && flow_has_news(flow))
		worker_remember(worker, flow->side);
}

/* ring: where it came from; NULL: a socket. */
static void handle(struct worker *worker, struct packet *packet, struct fast_packet *ring)
{
	struct worker_stats *stats = &worker->stats;
	bool movable = worker->ways.lane && packet->flow->component == COMPONENT_RTP;
	bool recorded = packet->flow->side->recorded;
	unsigned char *room = recorded ? worker_record_before(worker, packet) : NULL;
	enum packet_verdict verdict;

	stats_add(stats->row, stats->packets_in, 1);
	stats_add(stats->row, stats->bytes_in, packet->len);
	if (movable)
		way_before(worker, worker_way_of(packet->flow));
	verdict = session_packet(packet);
	if (packet->latched) {
		on_latched(worker, packet);
		if (worker->memory.memory)
			worker_remember(worker, packet->flow->side);
	}
	if (packet->resumed)
		on_resumed(worker, packet);
	if (verdict == PACKET_SIGNAL)
		verdict = on_signal(worker, packet);
	if (recorded)
		worker_record_after(worker, packet, verdict, room);
	remember_news(worker, packet->flow);
	if (verdict == PACKET_FORWARD) {
		remember_news(worker, packet->out);
		if (!ring || !way_send(worker, ring, packet))
			io_forward(packet->out->port, &packet->out->target, packet->bytes,
				   packet->len);
		stats_add(stats->row, stats->packets_out, 1);
		stats_add(stats->row, stats->bytes_out, packet->len);
	} else if (verdict != PACKET_CONSUMED) {
		stats_add(stats->row, stats->dropped[verdict], 1);
	}
	if (movable)
		way_after(worker, worker_way_of(packet->flow), packet);
}

/* The port that it will most likely leave by: known now, and in no cache where there are thousands. */
static void expect_port(const struct flow *flow)
{
	const char *port = (const char *)flow->side->other->flows[flow->component].port;

	for (size_t at = 0; port && at < sizeof(struct io_port); at += LINE_BYTES)
		__builtin_prefetch(port + at);
}

void worker_on_datagram(void *owner, const struct io_datagram *datagram)
{
	struct worker *worker = owner;
	struct packet packet = { .flow = datagram->flow,
				 .bytes = datagram->bytes,
				 .len = datagram->len,
				 .source = datagram->source,
				 .now_ms = worker->loop->now_ms,
				 .arrival_us = datagram->arrival_us };

	expect_port(packet.flow);
	handle(worker, &packet, NULL);
}

void worker_on_ring(void *owner, struct fast_packet *ring)
{
	struct worker *worker = owner;
	const struct way *way = container_of(ring->entry, struct way, entry);
	struct packet packet = { .flow = way->flow,
				 .bytes = ring->bytes,
				 .len = ring->len,
				 .source = ring->source,
				 .now_ms = worker->loop->now_ms,
				 .arrival_us = ring->arrival_us };

	handle(worker, &packet, ring);
}

static void on_ended(struct worker *worker, struct session *session)
{
	struct worker_reply reply = { .kind = WORKER_ENDED,
				      .owner = session->owner,
				      .session = session->id };

	log_write(worker->options.log, LOG_LEVEL_INFO, EVENT_session_closed,
		  LOG_U("session", session->id), LOG_T("why", "orphaned"));
	worker_end_session(worker, session);
	worker_reply(worker, &reply);
}

static void log_event(struct worker *worker, const struct session_event *event)
{
	static const struct {
		enum log_event event;
		const char *why;
	} table[] = {
		[CTL_MEDIA_NONE_YET] = { EVENT_media_timeout, "no_packet" },
		[CTL_MEDIA_TIMEOUT] = { EVENT_media_timeout, "silence" },
		[CTL_MEDIA_HOLD_TIMEOUT] = { EVENT_media_timeout, "hold" },
		[CTL_MEDIA_ONE_WAY] = { EVENT_media_one_way, "silent" },
		[CTL_MEDIA_RESUMED] = { EVENT_media_resumed, "kernel" },
		[CTL_MEDIA_ICE_CONNECTED] = { EVENT_media_path, "nominated" },
		[CTL_MEDIA_ICE_LOST] = { EVENT_media_path, "consent_expired" },
		[CTL_MEDIA_SECURED] = { EVENT_media_security, "secured" },
		[CTL_MEDIA_SECURITY_FAILED] = { EVENT_media_security, "failed" },
	};

	if (event->kind == CTL_MEDIA_DIGIT)
		return; /* it may be of a secret number */
	log_write(worker->options.log, LOG_LEVEL_INFO, table[event->kind].event,
		  LOG_U("session", event->session->id), LOG_U("side", event->side->number),
		  LOG_U("component", event->component),
		  LOG_T("why", table[event->kind].why), LOG_U("value", event->value));
}

/* Finer than the loop's: a report is answered with how long it was held. */
static uint64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

void worker_on_timers(struct loop *loop, void *owner)
{
	struct worker *worker = owner;
	struct session_event event;

	worker->sessions.now_us = clock_us(CLOCK_MONOTONIC);
	worker->sessions.unix_us = clock_us(CLOCK_REALTIME);
	while (worker_may_reply(worker) &&
	       sessions_pop(&worker->sessions, loop->now_ms, &event)) {
		if (!event.side) {
			on_ended(worker, event.session);
			continue;
		}
		log_event(worker, &event);
		tell_owner(worker, &event);
		if (event.side->told || event.side->told_one_way) /* its next packet is news */
			worker_review(worker, event.side->stream);
		explicit_bzero(&event.keys, sizeof(event.keys));
	}
}

/* SPDX-License-Identifier: MIT
 * The stages of one packet: classify, open (SRTP), learn, count, find the way out, rewrite, seal (SRTP).
 * Nothing here allocates, and nothing a packet says is believed before `open` and `learn`. */
#include "media-relay/session/session_priv.h"

#include <stddef.h>

#include "lib/base/ensure.h"
#include "media-relay/session/digits_priv.h"

#define LINE_BYTES 64u /* of a processor's cache */

typedef enum packet_verdict stage_fn(struct packet *packet);

/* UDPTL begins with its sequence number, so it may look like anything. */
static enum packet_verdict classify_raw(struct packet *packet)
{
	packet->kind = RTP_RAW;
	if (packet->len == 0)
		return PACKET_DROP_EMPTY;
	return packet->flow->component == COMPONENT_RTP ? PACKET_FORWARD : PACKET_DROP_MALFORMED;
}

static enum packet_verdict stage_classify(struct packet *packet)
{
	const struct flow *flow = packet->flow;

	if (flow->side->raw)
		return classify_raw(packet);
	packet->kind = (flow->side->secured ? rtp_classify_protected : rtp_classify)(
		packet->bytes, packet->len, &packet->header, &packet->ssrc);
	switch (packet->kind) {
	case RTP_MEDIA:
		packet->ssrc = packet->header.ssrc;
		return flow->component == COMPONENT_RTP ? PACKET_FORWARD : PACKET_DROP_MALFORMED;
	case RTP_CONTROL:
		/* RFC 5761: on one port only where both sides agreed to it. */
		return flow->component == COMPONENT_RTCP || flow->side->rtcp_mux ?
			       PACKET_FORWARD :
			       PACKET_DROP_MALFORMED;
	case RTP_STUN:
	case RTP_DTLS:
		return PACKET_SIGNAL;
	case RTP_EMPTY:
		return PACKET_DROP_EMPTY;
	case RTP_MALFORMED:
	case RTP_OTHER:
	case RTP_RAW:
		break;
	}
	return PACKET_DROP_MALFORMED;
}

static enum packet_verdict srtp_dropped(enum srtp_verdict verdict)
{
	static const enum packet_verdict verdicts[] = {
		[SRTP_OK] = PACKET_FORWARD,
		[SRTP_PLAIN] = PACKET_DROP_PLAIN,
		[SRTP_FORGED] = PACKET_DROP_AUTH,
		[SRTP_REPLAYED] = PACKET_DROP_REPLAY,
		[SRTP_EXHAUSTED] = PACKET_DROP_KEY_LIMIT,
	};

	return verdicts[verdict];
}

/* A packet on hold is opened too, so that the roll-over counter goes on. */
static enum packet_verdict stage_open(struct packet *packet)
{
	struct side *side = packet->flow->side;
	enum srtp_verdict verdict = SRTP_PLAIN;
	struct srtp *srtp;

	if (!side->secured || passes_through(side))
		return PACKET_FORWARD;
	srtp = flow_srtp(packet->flow);
	if (!latch_may_accept(packet))
		return PACKET_DROP_SOURCE;
	if (srtp)
		verdict = srtp_unprotect(srtp, packet->kind == RTP_CONTROL, packet->bytes,
					 packet->len, packet->now_ms, &packet->len);
	if (verdict == SRTP_REPLAYED)
		side->counters.packets_replayed++;
	else if (verdict != SRTP_OK && srtp) /* while hands are shaken there are no keys to be wrong by */
		side->counters.packets_forged++;
	if (verdict != SRTP_OK)
		return srtp_dropped(verdict);
	/* Its inside can be looked at only now. */
	if (rtp_classify(packet->bytes, packet->len, &packet->header, &packet->ssrc) !=
	    packet->kind)
		return PACKET_DROP_MALFORMED;
	if (packet->kind == RTP_MEDIA)
		packet->ssrc = packet->header.ssrc;
	return PACKET_FORWARD;
}

/* RTCP goes on while media is on hold (RFC 3264 5.1). */
static enum packet_verdict stage_direction(struct packet *packet)
{
	const struct side *side = packet->flow->side;

	if (packet->kind != RTP_CONTROL && !(side->direction & CTL_RECEIVE))
		return PACKET_DROP_DIRECTION;
	return PACKET_FORWARD;
}

static enum packet_verdict stage_learn(struct packet *packet)
{
	return latch_accept(packet) ? PACKET_FORWARD : PACKET_DROP_SOURCE;
}

static enum packet_verdict stage_police(struct packet *packet)
{
	return rtp_police_accept(&packet->flow->side->police, packet->len, packet->arrival_us) ?
		       PACKET_FORWARD :
		       PACKET_DROP_RATE;
}

static uint32_t clock_hz(const struct side *side, uint8_t payload_type)
{
	for (unsigned i = 0; i < side->payload_count; i++) {
		const struct side_payload *it = &side->payloads[i];

		if (it->payload_type == payload_type)
			return it->kind == CTL_PAYLOAD_EVENT ? 0 : it->clock_hz;
	}
	return rtp_static_clock_hz(payload_type);
}

static enum packet_verdict stage_count(struct packet *packet)
{
	struct side *side = packet->flow->side;

	if (packet->kind == RTP_CONTROL) {
		side->counters.rtcp_received++;
		side->last_control_ms = packet->now_ms;
		if (!passes_through(side)) /* else it is encrypted */
			report_read(packet);
		return PACKET_FORWARD;
	}
	side->counters.packets_received++;
	side->counters.bytes_received += packet->arrived_len;
	side->last_packet_ms = packet->now_ms;
	packet->resumed = side->told || side->told_one_way;
	side->told = false;
	side->told_one_way = false;
	if (packet->kind == RTP_MEDIA)
		digits_before(packet);
	if (packet->kind == RTP_MEDIA)
		rtp_source_count(&side->source, &packet->header, packet->arrival_us,
				 clock_hz(side, packet->header.payload_type));
	/* One side of a fax is silent for minutes: both are heard, or none. */
	if (packet->kind == RTP_RAW) {
		side->other->last_packet_ms = packet->now_ms;
		side->other->told = false;
		side->other->told_one_way = false;
	}
	return PACKET_FORWARD;
}

/* For a recording: later stages may encrypt it for the other side. */
static enum packet_verdict stage_copy(struct packet *packet)
{
	if (packet->plain) {
		memcpy(packet->plain, packet->bytes, packet->len);
		packet->plain_len = packet->len;
	}
	return PACKET_FORWARD;
}

struct flow *side_way_out(struct side *side, enum rtp_kind kind)
{
	enum component component =
		kind == RTP_CONTROL && !side->rtcp_mux ? COMPONENT_RTCP : COMPONENT_RTP;
	struct flow *out = &side->flows[component];

	if (!out->port || out->target.ip.family == IP_NONE || out->target.port == 0 ||
	    ip_unspecified(&out->target.ip))
		return NULL;
	return out;
}

static enum packet_verdict stage_digits(struct packet *packet)
{
	if (packet->kind != RTP_MEDIA || passes_through(packet->flow->side))
		return PACKET_FORWARD;
	return digits_pass(packet);
}

static enum packet_verdict stage_way_out(struct packet *packet)
{
	struct side *other = packet->flow->side->other;

	if (packet->kind != RTP_CONTROL && !(other->direction & CTL_TRANSMIT))
		return PACKET_DROP_DIRECTION;
	packet->out = side_way_out(other, packet->kind);
	return packet->out ? PACKET_FORWARD : PACKET_DROP_NO_WAY;
}

static void map_payload(const struct side *side, struct packet *packet)
{
	for (unsigned i = 0; i < side->payload_count; i++) {
		const struct side_payload *it = &side->payloads[i];

		if (it->payload_type != packet->header.payload_type)
			continue;
		if (it->out & CTL_PAYLOAD_OUT)
			packet->bytes[1] = (packet->bytes[1] & 0x80u) | (it->out & 0x7fu);
		return;
	}
}

uint64_t side_name_seed(const struct side *side)
{
	return 2 * side->stream->session->id + side->number;
}

/* What leaves in other words than it came: the other side's payload numbers, and nobody's names. */
static enum packet_verdict stage_rewrite(struct packet *packet)
{
	const struct side *side = packet->flow->side;

	if (passes_through(side))
		return PACKET_FORWARD;
	if (packet->kind == RTP_MEDIA) {
		map_payload(side, packet);
		digits_rewrite(packet);
		return PACKET_FORWARD;
	}
	if (packet->kind != RTP_CONTROL)
		return PACKET_FORWARD;
	if (!side->other->feedback)
		packet->len = rtcp_drop_feedback(packet->bytes, packet->len);
	rtcp_scrub(packet->bytes, packet->len, side_name_seed(side));
	digits_rewrite_control(packet);
	return packet->len > 0 ? PACKET_FORWARD : PACKET_DROP_FEEDBACK;
}

static enum packet_verdict stage_seal(struct packet *packet)
{
	struct srtp *srtp;

	if (!packet->out->side->secured || passes_through(packet->out->side))
		return PACKET_FORWARD;
	srtp = flow_srtp(packet->out);
	if (!srtp)
		return PACKET_DROP_PLAIN;
	return srtp_dropped(srtp_protect(srtp, packet->kind == RTP_CONTROL, packet->bytes,
					 packet->len, &packet->len));
}

/* The timestamps of events stand still (RFC 4733 2.5.1.3), so they tell no time. */
static void count_sender(const struct packet *packet)
{
	struct side *side = packet->flow->side;
	struct rtcp_sender *sent = &side->reports.sent;

	rtcp_sender_of(sent, packet->ssrc);
	sent->packets++;
	sent->octets += (uint32_t)packet->header.payload_len;
	if (packet->header.payload_type != side->source.payload_type)
		return;
	sent->timestamp = packet->header.timestamp;
	sent->at_us = packet->arrival_us;
}

static enum packet_verdict stage_count_out(struct packet *packet)
{
	struct side_counters *counters = &packet->out->side->counters;

	if (packet->kind == RTP_CONTROL) {
		counters->rtcp_sent++;
	} else {
		counters->packets_sent++;
		counters->bytes_sent += packet->len;
		if (packet->kind == RTP_MEDIA)
			count_sender(packet);
	}
	return PACKET_FORWARD;
}

enum packet_verdict packet_leave(struct packet *packet)
{
	enum packet_verdict verdict = stage_seal(packet);

	return verdict == PACKET_FORWARD ? stage_count_out(packet) : verdict;
}

static void expect(uintptr_t from, size_t len)
{
	for (size_t at = 0; at < len; at += LINE_BYTES)
		__builtin_prefetch((const void *)(from + at), 1);
}

/* Whether the other side stands before or behind is not looked up, for that would be waiting. */
void session_expect(const struct flow *flow)
{
	uintptr_t side = (uintptr_t)flow - offsetof(struct side, flows);
	uintptr_t others[] = { side - sizeof(struct side), side + sizeof(struct side) };

	if (!flow)
		return;
	expect(side, offsetof(struct side, flows[COMPONENT_RTCP]));
	for (unsigned i = 0; i < array_size(others); i++) {
		expect(others[i], offsetof(struct side, counters) + LINE_BYTES);
		expect(others[i] + offsetof(struct side, flows), LINE_BYTES);
	}
}

enum packet_verdict session_packet(struct packet *packet)
{
	static stage_fn *const stages[] = {
		stage_classify, stage_open,    stage_direction, stage_learn,     stage_police,
		stage_count,    stage_copy,    stage_digits,    stage_way_out,   stage_rewrite,
		stage_seal,     stage_count_out,
	};

	packet->arrived_len = packet->len;
	packet->latched = false;
	packet->resumed = false;
	packet->out = NULL;
	for (size_t i = 0; i < array_size(stages); i++) {
		enum packet_verdict verdict = stages[i](packet);

		if (verdict == PACKET_SIGNAL || verdict == PACKET_CONSUMED)
			return verdict;
		if (verdict != PACKET_FORWARD) {
			packet->flow->side->counters.packets_dropped++;
			return verdict;
		}
	}
	return PACKET_FORWARD;
}

const char *packet_verdict_name(enum packet_verdict verdict)
{
	static const char *const names[PACKET_VERDICTS] = {
		[PACKET_FORWARD] = "forward",
		[PACKET_SIGNAL] = "signal",
		[PACKET_CONSUMED] = "consumed",
		[PACKET_DROP_EMPTY] = "empty",
		[PACKET_DROP_STUN] = "stun",
		[PACKET_DROP_DTLS] = "dtls",
		[PACKET_DROP_MALFORMED] = "malformed",
		[PACKET_DROP_SOURCE] = "source",
		[PACKET_DROP_PLAIN] = "plain",
		[PACKET_DROP_AUTH] = "auth",
		[PACKET_DROP_REPLAY] = "replay",
		[PACKET_DROP_KEY_LIMIT] = "key_limit",
		[PACKET_DROP_DIRECTION] = "direction",
		[PACKET_DROP_FEEDBACK] = "feedback",
		[PACKET_DROP_RATE] = "rate",
		[PACKET_DROP_NO_WAY] = "no_way",
		[PACKET_DROP_LATE] = "late",
	};

	return names[verdict];
}

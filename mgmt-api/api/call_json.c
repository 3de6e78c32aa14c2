/* SPDX-License-Identifier: MIT
 * A call as JSON, live or as a CDR: the same fields by the same names. Figures of a live call come
 * from the relay, matched by stream and side. */
#include "mgmt-api/api/api_priv.h"

static void put_endpoint(struct json_out *out, const char *key, const struct endpoint *endpoint)
{
	char storage[ENDPOINT_TEXT_BYTES];

	if (endpoint->ip.family == IP_NONE)
		json_put_null(out, key);
	else
		json_put_str(out, key, slice_text(endpoint_text(endpoint, storage)));
}

static const char *state_name(unsigned state)
{
	static const char *const names[] = {
		[CTL_CALL_ROUTING] = "routing",	  [CTL_CALL_RINGING] = "ringing",
		[CTL_CALL_ANSWERED] = "answered", [CTL_CALL_ENDING] = "ending",
		[CTL_CALL_ENDED] = "ended",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void put_leg(struct json_out *out, const struct ctl_leg_info *leg)
{
	json_open_object(out, NULL);
	json_put_str_or_null(out, "trunk", leg->trunk);
	json_put_str_or_null(out, "realm", leg->realm);
	json_put_str_or_null(out, "call_id", leg->call_id);
	json_put_str_or_null(out, "remote", leg->remote);
	json_put_str_or_null(out, "transport", leg->transport);
	json_put_str_or_null(out, "gateway", leg->gateway);
	json_close_object(out);
}

/* The relay's figures in place of those that sbcd holds. */
static struct ctl_media_info joined(const struct ctl_media_info *media,
				    const struct ctl_stream_stats *stats)
{
	struct ctl_media_info info = *media;

	info.local = stats->local;
	info.remote = stats->learned.ip.family != IP_NONE ? stats->learned : stats->remote;
	info.packets_received = stats->packets_received;
	info.packets_sent = stats->packets_sent;
	info.bytes_received = stats->bytes_received;
	info.bytes_sent = stats->bytes_sent;
	info.packets_lost = stats->packets_lost;
	info.jitter_us = stats->jitter_us;
	info.mos_x100 = stats->mos_x100;
	info.packets_reordered = stats->packets_reordered;
	info.packets_duplicated = stats->packets_duplicated;
	info.round_trip_us = stats->round_trip_us;
	info.reported = stats->reported;
	info.reported_lost = stats->reported_lost;
	info.reported_jitter_us = stats->reported_jitter_us;
	info.way = stats->way;
	info.way_reason = stats->way_reason;
	if (stats->suite != CTL_SRTP_NONE) /* where keys pass the relay knows none */
		info.suite = stats->suite;
	info.packets_forged = stats->packets_forged;
	info.packets_replayed = stats->packets_replayed;
	return info;
}

/* What the peer says it got of what was sent to it. */
static void put_reported(struct json_out *out, const struct ctl_media_info *media)
{
	if (!media->reported) {
		json_put_null(out, "reported");
		return;
	}
	json_open_object(out, "reported");
	json_put_i64(out, "packets_lost", media->reported_lost);
	json_put_fixed(out, "jitter_ms", media->reported_jitter_us, 3);
	json_close_object(out);
}

static void put_quality(struct json_out *out, const struct ctl_media_info *media)
{
	json_put_u64(out, "packets_reordered", media->packets_reordered);
	json_put_u64(out, "packets_duplicated", media->packets_duplicated);
	if (media->round_trip_us == 0)
		json_put_null(out, "round_trip_ms");
	else
		json_put_fixed(out, "round_trip_ms", media->round_trip_us, 3);
	put_reported(out, media);
}

static void put_media(struct json_out *out, const struct ctl_media_info *media)
{
	json_open_object(out, NULL);
	json_put_u64(out, "stream", media->stream);
	json_put_u64(out, "side", media->side);
	json_put_str_or_null(out, "kind", media->kind);
	json_put_str_or_null(out, "codec", media->codec);
	put_endpoint(out, "local", &media->local);
	put_endpoint(out, "remote", &media->remote);
	json_put_str(out, "srtp", slice_text(ctl_srtp_suite_name(media->suite)));
	json_put_str(out, "way", slice_text(ctl_way_name(media->way)));
	json_put_str_or_null(out, "way_reason", media->way_reason);
	json_put_u64(out, "packets_received", media->packets_received);
	json_put_u64(out, "packets_sent", media->packets_sent);
	json_put_u64(out, "bytes_received", media->bytes_received);
	json_put_u64(out, "bytes_sent", media->bytes_sent);
	json_put_i64(out, "packets_lost", media->packets_lost);
	json_put_u64(out, "packets_forged", media->packets_forged);
	json_put_u64(out, "packets_replayed", media->packets_replayed);
	json_put_fixed(out, "jitter_ms", media->jitter_us, 3);
	if (media->mos_x100 == 0)
		json_put_null(out, "mos");
	else
		json_put_fixed(out, "mos", media->mos_x100, 2);
	put_quality(out, media);
	json_close_object(out);
}

static const struct ctl_stream_stats *stats_find(const struct ctl_session_stats *stats,
						 const struct ctl_media_info *media)
{
	for (uint32_t i = 0; stats && i < stats->streams_count; i++)
		if (stats->streams[i].stream == media->stream &&
		    stats->streams[i].side == media->side)
			return &stats->streams[i];
	return NULL;
}

static void put_all_media(struct json_out *out, const struct ctl_call_info *call,
			  const struct ctl_session_stats *stats)
{
	json_open_array(out, "media");
	for (uint32_t i = 0; i < call->media_count; i++) {
		const struct ctl_stream_stats *found = stats_find(stats, &call->media[i]);
		struct ctl_media_info info = call->media[i];

		if (found)
			info = joined(&call->media[i], found);
		put_media(out, &info);
	}
	/* sbcd may not have told of a stream yet; what flows is shown all the same. */
	for (uint32_t i = 0; stats && call->media_count == 0 && i < stats->streams_count; i++) {
		struct ctl_media_info bare = { .stream = stats->streams[i].stream,
					       .side = stats->streams[i].side };
		struct ctl_media_info info = joined(&bare, &stats->streams[i]);

		put_media(out, &info);
	}
	json_close_array(out);
}

static void put_attempts(struct json_out *out, const struct ctl_call_info *call)
{
	json_open_array(out, "attempts");
	for (uint32_t i = 0; i < call->attempts_count; i++) {
		const struct ctl_attempt_info *attempt = &call->attempts[i];

		json_open_object(out, NULL);
		json_put_str_or_null(out, "trunk", attempt->trunk);
		json_put_str_or_null(out, "gateway", attempt->gateway);
		if (attempt->sip_code == 0)
			json_put_null(out, "sip_code");
		else
			json_put_u64(out, "sip_code", attempt->sip_code);
		json_put_str_or_null(out, "reason", attempt->reason);
		json_put_time(out, "started_at", attempt->started_unix_ms);
		json_put_u64(out, "duration_ms", attempt->duration_ms);
		json_close_object(out);
	}
	json_close_array(out);
}

static void put_recording(struct json_out *out, const struct ctl_session_stats *stats)
{
	static const char *const states[] = {
		[CTL_RECORDING_OFF] = "off",
		[CTL_RECORDING_ARRIVED] = "arrived",
		[CTL_RECORDING_DECRYPTED] = "decrypted",
		[CTL_RECORDING_FAILED] = "failed",
	};

	if (!stats || stats->recording == CTL_RECORDING_OFF ||
	    stats->recording > CTL_RECORDING_FAILED) {
		json_put_null(out, "recording");
		return;
	}
	json_open_object(out, "recording");
	json_put_str(out, "state", slice_text(states[stats->recording]));
	json_put_u64(out, "packets", stats->packets_recorded);
	json_put_u64(out, "packets_dropped", stats->packets_unrecorded);
	json_close_object(out);
}

static void put_end(struct json_out *out, const struct ctl_call_info *call)
{
	json_put_time(out, "ended_at", call->ended_unix_ms);
	json_put_u64(out, "duration_ms", call->duration_ms);
	json_put_u64(out, "ring_ms", call->ring_ms);
	json_put_str_or_null(out, "result", call->result);
	if (call->sip_code == 0)
		json_put_null(out, "sip_code");
	else
		json_put_u64(out, "sip_code", call->sip_code);
	json_put_str_or_null(out, "ended_by", call->ended_by);
	json_put_str_or_null(out, "cause", call->cause);
}

void call_json(struct json_out *out, const struct ctl_call_info *call,
	       const struct ctl_session_stats *stats, bool cdr)
{
	json_open_object(out, NULL);
	json_put_str(out, "id", call->id);
	json_put_str(out, "state", slice_text(cdr ? "ended" : state_name(call->state)));
	json_put_time(out, "started_at", call->started_unix_ms);
	json_put_time(out, "answered_at", call->answered_unix_ms);
	json_put_str(out, "calling", call->calling);
	json_put_str(out, "called", call->called);
	json_put_str_or_null(out, "called_out", call->called_out);
	json_put_str_or_null(out, "route", call->route);
	json_put_u64(out, "config_version", call->config_version);
	if (cdr)
		put_end(out, call);
	json_open_array(out, "legs");
	for (uint32_t i = 0; i < call->legs_count; i++)
		put_leg(out, &call->legs[i]);
	json_close_array(out);
	put_all_media(out, call, stats);
	if (!cdr)
		put_recording(out, stats);
	put_attempts(out, call);
	json_close_object(out);
}

/* SPDX-License-Identifier: MIT
 * Recording of sessions: what the operator asked for, and the packets. What arrives is recorded as it
 * arrived, or as it was once its SRTP was taken off; nothing of strangers and floods is. */
#include "media-relay/worker/worker_priv.h"

#include "lib/base/ensure.h"

/* The packet path looks at a side only. */
static void session_mark(struct worker *worker, struct session *session,
			 struct recording *recording)
{
	worker->recording_count += recording != NULL;
	worker->recording_count -= session->recording != NULL;
	session->recording = recording;
	stats_set(worker->stats.row, worker->stats.recordings, worker->recording_count);
	list_each(node, &session->streams) {
		struct stream *stream = container_of(node, struct stream, link);

		stream->sides[0].recorded = recording != NULL;
		stream->sides[1].recorded = recording != NULL;
		worker_review(worker, stream); /* the kernel records nothing */
	}
}

static enum err record_begin(struct worker *worker, struct session *session, const char *path,
			     bool decrypted)
{
	struct recording *recording;
	enum err err = OK;

	if (session->recording)
		return ERR_EXISTS;
	if (!worker->recorder)
		err = recorder_create(RECORDER_SPARE_BYTES, &worker->recorder);
	if (err != OK)
		return err;
	recording = recorder_begin(worker->recorder, path, decrypted, &err);
	if (!recording)
		return err;
	session->recording_failed = false;
	session_mark(worker, session, recording);
	log_write(worker->options.log, LOG_LEVEL_INFO, EVENT_recording, LOG_U("session", session->id),
		  LOG_T("state", "begun"), LOG_T("path", path));
	return OK;
}

static void record_end(struct worker *worker, struct session *session, const char *state)
{
	struct recording *recording = session->recording;

	log_write(worker->options.log,
		  session->recording_failed ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, EVENT_recording,
		  LOG_U("session", session->id), LOG_T("state", state),
		  LOG_U("packets", recording->packets), LOG_U("dropped", recording->dropped));
	recorder_end(worker->recorder, &recording);
	session_mark(worker, session, NULL);
}

void worker_record_stop(struct worker *worker, struct session *session)
{
	if (session->recording)
		record_end(worker, session, "ended");
}

void worker_execute_record(struct worker *worker, uint32_t owner,
			   const struct ctl_session_record *told, struct ctl_message *answer)
{
	struct session *session = session_find(&worker->sessions, owner, told->session);
	struct slice path = arena_printf(&worker->arena, "%.*s", SLICE_ARG(told->path));
	enum err err;

	answer->type = CTL_done;
	if (!session) {
		worker_fail(answer, ERR_NOENT, "session: there is none of this number");
	} else if (!told->on && !session->recording) {
		worker_fail(answer, ERR_NOENT, "the session is not being recorded");
	} else if (!told->on) {
		worker_record_stop(worker, session);
	} else {
		err = path.len > 0 && recorder_path_good(told->path) ?
			      record_begin(worker, session, path.p, told->decrypted) :
			      ERR_SYNTAX;
		if (err != OK)
			worker_fail(answer, err, err_text(err));
	}
}

/* ---- packets ---- */

unsigned char *worker_record_before(struct worker *worker, struct packet *packet)
{
	struct recording *recording = packet->flow->side->stream->session->recording;
	unsigned char *room = recorder_reserve(worker->recorder, recording, packet->len);

	packet->plain_len = packet->len;
	if (room && recording->decrypted) {
		packet->plain_len = 0;
		packet->plain = room;
	} else if (room && packet->len > 0) {
		memcpy(room, packet->bytes, packet->len);
	}
	return room;
}

static bool worth_recording(const struct packet *packet, enum packet_verdict verdict)
{
	return packet->plain_len > 0 && verdict != PACKET_DROP_SOURCE &&
	       verdict != PACKET_DROP_RATE && verdict != PACKET_DROP_AUTH &&
	       verdict != PACKET_DROP_REPLAY;
}

void worker_record_after(struct worker *worker, const struct packet *packet,
			 enum packet_verdict verdict, const unsigned char *room)
{
	struct session *session = packet->flow->side->stream->session;
	struct recorded recorded = { .from = packet->source,
				     .to = packet->flow->local,
				     .arrival_us = packet->arrival_us };

	if (!room) {
		stats_add(worker->stats.row, worker->stats.unrecorded, 1);
	} else if (worth_recording(packet, verdict)) {
		recorder_commit(worker->recorder, session->recording, &recorded,
				packet->plain_len);
		stats_add(worker->stats.row, worker->stats.recorded, 1);
	}
	if (!recorder_failed(worker->recorder, session->recording))
		return;
	session->recording_failed = true;
	stats_add(worker->stats.row, worker->stats.recordings_failed, 1);
	record_end(worker, session, "failed");
}

void worker_record_stats(const struct session *session, struct ctl_session_stats *ret)
{
	const struct recording *recording = session->recording;

	if (!recording) {
		ret->recording = session->recording_failed ? CTL_RECORDING_FAILED : CTL_RECORDING_OFF;
		return;
	}
	ret->recording = recording->decrypted ? CTL_RECORDING_DECRYPTED : CTL_RECORDING_ARRIVED;
	ret->packets_recorded = recording->packets;
	ret->packets_unrecorded = recording->dropped;
}

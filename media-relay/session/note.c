/* SPDX-License-Identifier: MIT
 * Things to tell that did not come from a timer: kept until the caller asks for events, by handle,
 * because the session may be gone by then. */
#include "media-relay/session/session_priv.h"

#include "lib/base/ensure.h"

/* When there is no room the oldest stays: the newest is told by the figures, too. */
void session_note(struct sessions *sessions, const struct flow *flow,
		  enum ctl_media_event_kind kind, uint32_t value, const struct endpoint *source,
		  const struct dtls_keys *keys)
{
	struct session_note *note = &sessions->notes[sessions->note_count];
	const struct side *side = flow->side;

	if (sessions->note_count == array_size(sessions->notes))
		return;
	*note = (struct session_note){ .session = side->stream->session->handle,
				       .stream = side->stream->number,
				       .side = side->number,
				       .component = flow->component,
				       .kind = kind,
				       .value = value };
	if (source)
		note->source = *source;
	if (keys)
		note->keys = *keys;
	sessions->note_count++;
}

static bool note_resolve(struct sessions *sessions, const struct session_note *note,
			 struct session_event *ret)
{
	struct session *session = pool_get(&sessions->session_pool, note->session);
	struct stream *stream = session ? session_stream(session, note->stream) : NULL;

	if (!stream)
		return false;
	*ret = (struct session_event){ .session = session,
				       .side = &stream->sides[note->side],
				       .component = note->component,
				       .kind = note->kind,
				       .value = note->value,
				       .keys = note->keys,
				       .source = note->source };
	return true;
}

bool session_note_pop(struct sessions *sessions, struct session_event *ret)
{
	while (sessions->note_count > 0) {
		struct session_note note = sessions->notes[0];
		bool found = note_resolve(sessions, &note, ret);

		sessions->note_count--;
		memmove(sessions->notes, sessions->notes + 1,
			sessions->note_count * sizeof(note));
		explicit_bzero(&sessions->notes[sessions->note_count], sizeof(note));
		explicit_bzero(&note, sizeof(note));
		if (found)
			return true;
	}
	return false;
}

/* SPDX-License-Identifier: MIT
 * Copies of what was said, whole in an arena of the terms. */
#include "sbc/media/media_priv.h"

/* Names that nearly every call has cost no memory. */
static const struct slice known_encodings[] = {
	SLICE_INIT("PCMU"), SLICE_INIT("PCMA"), SLICE_INIT("telephone-event"), SLICE_INIT("opus"),
	SLICE_INIT("G722"), SLICE_INIT("G729"), SLICE_INIT("CN"),	       SLICE_INIT("GSM"),
	SLICE_INIT("AMR"),  SLICE_INIT("AMR-WB"), SLICE_INIT("iLBC"), SLICE_INIT("t38"),
};

static enum err keep_encoding(struct arena *arena, struct slice *encoding)
{
	for (size_t i = 0; i < array_size(known_encodings); i++) {
		if (slice_eq(*encoding, known_encodings[i])) {
			*encoding = known_encodings[i];
			return OK;
		}
	}
	return arena_keep(arena, *encoding, encoding);
}

static enum err keep_codecs(struct arena *arena, struct media_line *line)
{
	struct media_codec *codecs = arena_array(arena, line->codec_count, sizeof(*codecs));
	enum err err = codecs ? OK : ERR_NOMEM;

	for (unsigned i = 0; err == OK && i < line->codec_count; i++) {
		codecs[i] = line->codecs[i];
		err = keep_encoding(arena, &codecs[i].encoding);
		if (err == OK && codecs[i].fmtp.len > 0)
			err = arena_keep(arena, codecs[i].fmtp, &codecs[i].fmtp);
	}
	line->codecs = codecs;
	return err;
}

/* Keys and ICE's credentials, with the texts that belong to them. */
static enum err keep_secure(struct arena *arena, struct media_line *line)
{
	struct media_secure *secure;
	enum err err;

	if (!line->secure)
		return OK;
	secure = arena_new(arena, struct media_secure);
	if (!secure)
		return ERR_NOMEM;
	*secure = *line->secure;
	line->secure = secure;
	err = media_pass_keep(arena, &secure->pass);
	if (err == OK)
		err = arena_keep(arena, secure->tls_id, &secure->tls_id);
	if (err == OK)
		err = arena_keep(arena, secure->ufrag, &secure->ufrag);
	if (err == OK)
		err = arena_keep(arena, secure->password, &secure->password);
	return err;
}

/* Of a carried line the kind and proto are known names, and its codecs its formats. */
static enum err keep_line(struct arena *arena, struct media_line *line)
{
	enum err err = arena_keep(arena, line->mid, &line->mid);

	if (err == OK && line->carried) {
		line->kind_text = SLICE_NONE;
		line->proto_text = SLICE_NONE;
		line->format = SLICE_NONE;
		err = keep_secure(arena, line);
		return err == OK ? keep_codecs(arena, line) : err;
	}
	line->secure = NULL;
	line->codecs = NULL;
	line->codec_count = 0;
	if (err == OK)
		err = arena_keep(arena, line->kind_text, &line->kind_text);
	if (err == OK)
		err = arena_keep(arena, line->proto_text, &line->proto_text);
	if (err == OK)
		err = arena_keep(arena, line->format, &line->format);
	return err;
}

enum err media_keep(struct arena *arena, const struct media_said *said, struct media_said *ret)
{
	struct media_said kept = *said;
	enum err err = OK;

	kept.lines = arena_array(arena, said->count > 0 ? said->count : 1, sizeof(*kept.lines));
	if (!kept.lines)
		return ERR_NOMEM;
	for (unsigned i = 0; err == OK && i < said->count; i++) {
		kept.lines[i] = said->lines[i];
		err = keep_line(arena, &kept.lines[i]);
	}
	if (err == OK)
		*ret = kept;
	return err;
}

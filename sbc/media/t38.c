/* SPDX-License-Identifier: MIT
 * Fax over UDPTL (T.38 annex D, RFC 3362): an m=image line, taken as a line with the one codec "t38",
 * whose parameters are its attributes. Like fmtp they are written anew from a list of those that are
 * known, with values of known forms. */
#include "sbc/media/media_priv.h"

#define NUMBER_MAX_CHARS 10u
#define TEXT_BYTES       512u

enum t38_form { T38_NUMBER, T38_FLAG /* alone, or 0 or 1 */, T38_WORD };

static const struct {
	struct slice name;
	enum t38_form form;
	struct slice words[3]; /* T38_WORD: one of these */
} attributes[] = {
	{ SLICE_INIT("T38FaxVersion"), T38_NUMBER, { { 0 } } },
	{ SLICE_INIT("T38MaxBitRate"), T38_NUMBER, { { 0 } } },
	{ SLICE_INIT("T38FaxFillBitRemoval"), T38_FLAG, { { 0 } } },
	{ SLICE_INIT("T38FaxTranscodingMMR"), T38_FLAG, { { 0 } } },
	{ SLICE_INIT("T38FaxTranscodingJBIG"), T38_FLAG, { { 0 } } },
	{ SLICE_INIT("T38FaxRateManagement"), T38_WORD,
	  { SLICE_INIT("transferredTCF"), SLICE_INIT("localTCF") } },
	{ SLICE_INIT("T38FaxMaxBuffer"), T38_NUMBER, { { 0 } } },
	{ SLICE_INIT("T38FaxMaxDatagram"), T38_NUMBER, { { 0 } } },
	{ SLICE_INIT("T38FaxMaxIFP"), T38_NUMBER, { { 0 } } },
	{ SLICE_INIT("T38FaxUdpEC"), T38_WORD,
	  { SLICE_INIT("t38UDPRedundancy"), SLICE_INIT("t38UDPFEC"), SLICE_INIT("t38UDPNoEC") } },
};

bool media_is_t38(const struct sdp_media *media)
{
	struct slice formats = media->formats;
	struct slice format;
	bool more = true;

	if (media->kind != SDP_IMAGE || media->proto != SDP_UDPTL)
		return false;
	while (more) {
		more = slice_cut(&formats, CC_WSP, &format);
		if (slice_eq_nocase(more ? format : formats, SLICE("t38")))
			return true;
	}
	return false;
}

/* The value as it may be said again; false: it is not to be. */
static bool clean(size_t which, struct slice value, struct slice *ret)
{
	*ret = value;
	switch (attributes[which].form) {
	case T38_NUMBER:
		return value.len > 0 && value.len <= NUMBER_MAX_CHARS && slice_is(value, CC_DIGIT);
	case T38_FLAG:
		return value.len == 0 || slice_eq(value, SLICE("0")) || slice_eq(value, SLICE("1"));
	case T38_WORD:
		break;
	}
	for (size_t i = 0; i < array_size(attributes[which].words); i++) {
		*ret = attributes[which].words[i];
		if (ret->len > 0 && slice_eq_nocase(value, *ret))
			return true;
	}
	return false;
}

/* Each at most once, in our order. */
static void put_attribute(struct text *text, const struct sdp_media *media, size_t which)
{
	for (size_t i = 0; i < media->attribute_count; i++) {
		const struct sdp_attribute *from = &media->attributes[i];
		struct slice value;

		if (!slice_eq_nocase(from->name, attributes[which].name) ||
		    !clean(which, from->value, &value))
			continue;
		text_lit(text, "a=");
		text_slice(text, attributes[which].name);
		if (value.len > 0) {
			text_char(text, ':');
			text_slice(text, value);
		}
		text_lit(text, "\r\n");
		return;
	}
}

enum err media_read_t38(const struct media_leg *leg, const struct sdp_media *media,
			struct arena *turn, struct media_line *line)
{
	static const struct slice encoding = SLICE_INIT("t38");
	struct text text;

	if (!media_allows(leg, encoding))
		return OK;
	line->codecs = arena_new(turn, struct media_codec);
	if (!line->codecs)
		return ERR_NOMEM;
	text_init_arena(&text, turn, TEXT_BYTES);
	for (size_t which = 0; which < array_size(attributes); which++)
		put_attribute(&text, media, which);
	line->codecs[0] = (struct media_codec){ .encoding = encoding, .fmtp = text_done(&text) };
	line->codec_count = 1;
	return text.err;
}

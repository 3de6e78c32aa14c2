/* SPDX-License-Identifier: MIT
 * Format parameters that may cross from one side to the other. A parameter passes when its name is in
 * the table and its value is of that name's kind; so that a line cannot carry a stranger's text. */
#include "sbc/media/media_priv.h"

enum value_kind {
	VALUE_NUMBER, /* one number, maybe negative */
	VALUE_LIST,   /* numbers with , - . / between them */
	VALUE_HEX,
	VALUE_BASE64, /* parameter sets of video codecs */
	VALUE_WORD,   /* one of `words` */
};

static const struct slice words[] = {
	SLICE_INIT("yes"),     SLICE_INIT("no"),      SLICE_INIT("on"),
	SLICE_INIT("off"),     SLICE_INIT("vad"),     SLICE_INIT("nb"),
	SLICE_INIT("wb"),      SLICE_INIT("swb"),     SLICE_INIT("fb"),
	SLICE_INIT("nb-wb"),   SLICE_INIT("nb-swb"),  SLICE_INIT("nb-fb"),
	SLICE_INIT("wb-swb"),  SLICE_INIT("wb-fb"),   SLICE_INIT("swb-fb"),
	SLICE_INIT("generic"), SLICE_INIT("AAC-hbr"), SLICE_INIT("AAC-lbr"),
	SLICE_INIT("SRST"),    SLICE_INIT("MRST"),
};

#define NUMBER(name) { SLICE_INIT(name), VALUE_NUMBER }
#define LIST(name) { SLICE_INIT(name), VALUE_LIST }
#define HEX(name) { SLICE_INIT(name), VALUE_HEX }
#define BASE64(name) { SLICE_INIT(name), VALUE_BASE64 }
#define WORD(name) { SLICE_INIT(name), VALUE_WORD }

static const struct {
	struct slice name;
	enum value_kind kind;
} parameters[] = {
	/* G.729, G.723.1, G.722.1, iLBC, speex (RFC 4856, 5577, 3952, 5574) */
	WORD("annexb"), WORD("annexa"), NUMBER("bitrate"), NUMBER("mode"), WORD("mode"), WORD("vbr"),
	WORD("cng"),
	/* AMR and AMR-WB (RFC 4867) */
	NUMBER("octet-align"), LIST("mode-set"), NUMBER("mode-change-period"),
	NUMBER("mode-change-capability"), NUMBER("mode-change-neighbor"), NUMBER("max-red"),
	NUMBER("crc"), NUMBER("robust-sorting"), NUMBER("interleaving"), NUMBER("channels"),
	/* EVS (3GPP TS 26.445 annex A) */
	LIST("br"), LIST("br-send"), LIST("br-recv"), WORD("bw"), WORD("bw-send"), WORD("bw-recv"),
	NUMBER("cmr"), NUMBER("ch-aw-recv"), NUMBER("ch-send"), NUMBER("ch-recv"), NUMBER("dtx"),
	NUMBER("dtx-recv"), NUMBER("hf-only"), NUMBER("evs-mode-switch"),
	/* opus (RFC 7587), SILK */
	NUMBER("maxplaybackrate"), NUMBER("sprop-maxcapturerate"), NUMBER("maxaveragebitrate"),
	NUMBER("stereo"), NUMBER("sprop-stereo"), NUMBER("cbr"), NUMBER("useinbandfec"),
	NUMBER("usedtx"), NUMBER("minptime"), NUMBER("ptime"), NUMBER("maxptime"),
	/* H.264 (RFC 6184); MPEG-4 shares the first */
	HEX("profile-level-id"), NUMBER("packetization-mode"), NUMBER("level-asymmetry-allowed"),
	NUMBER("max-mbps"), NUMBER("max-smbps"), NUMBER("max-fs"), NUMBER("max-cpb"),
	NUMBER("max-dpb"), NUMBER("max-br"), NUMBER("max-rcmd-nalu-size"),
	NUMBER("redundant-pic-cap"), BASE64("sprop-parameter-sets"),
	NUMBER("in-band-parameter-sets"), NUMBER("sprop-interleaving-depth"),
	/* H.265 (RFC 7798) */
	NUMBER("profile-space"), NUMBER("profile-id"), NUMBER("tier-flag"), NUMBER("level-id"),
	HEX("interop-constraints"), HEX("profile-compatibility-indicator"), WORD("tx-mode"),
	BASE64("sprop-vps"), BASE64("sprop-sps"), BASE64("sprop-pps"),
	/* VP8, VP9, AV1, H.263 */
	NUMBER("max-fr"), NUMBER("profile"), NUMBER("level-idx"), NUMBER("tier"), NUMBER("level"),
	NUMBER("SQCIF"), NUMBER("QCIF"), NUMBER("CIF"), NUMBER("CIF4"), NUMBER("CIF16"),
	/* MPEG-4 audio (RFC 3640, 6416) */
	HEX("config"), NUMBER("cpresent"), NUMBER("object"), NUMBER("streamtype"),
	NUMBER("sizelength"), NUMBER("indexlength"), NUMBER("indexdeltalength"),
	/* repair (RFC 4588), text (RFC 4103), G.729.1 and G.711.1 */
	NUMBER("apt"), NUMBER("rtx-time"), NUMBER("cps"), NUMBER("maxbitrate"), NUMBER("mbs"),
};

static bool is_list(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!char_is(value.p[i], CC_DIGIT) && !memchr(",-./", value.p[i], 4))
			return false;
	return value.len > 0 && value.len <= 64;
}

static bool is_base64(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!char_is(value.p[i], CC_DIGIT | CC_ALPHA) && !memchr("+/=,", value.p[i], 4))
			return false;
	return value.len > 0 && value.len <= 1024;
}

static bool is_word(struct slice value)
{
	for (size_t i = 0; i < array_size(words); i++)
		if (slice_eq(value, words[i]))
			return true;
	return false;
}

static bool value_fits(enum value_kind kind, struct slice value)
{
	switch (kind) {
	case VALUE_NUMBER:
		if (value.len > 1 && value.p[0] == '-')
			value = slice_skip(value, 1);
		return slice_is(value, CC_DIGIT) && value.len <= 10;
	case VALUE_LIST:
		return is_list(value);
	case VALUE_HEX:
		return slice_is(value, CC_HEX) && value.len <= 512;
	case VALUE_BASE64:
		return is_base64(value);
	case VALUE_WORD:
		return is_word(value);
	}
	return false;
}

/* The table's spelling of the name; an empty slice when it does not pass. */
static struct slice parameter_name(struct slice name, struct slice value)
{
	for (size_t i = 0; i < array_size(parameters); i++)
		if (slice_eq_nocase(name, parameters[i].name) &&
		    value_fits(parameters[i].kind, value))
			return parameters[i].name;
	return SLICE_NONE;
}

static void write_parameter(struct text *text, struct slice parameter)
{
	struct slice name;

	parameter = slice_trim(parameter, CC_WSP);
	if (!slice_cut_char(&parameter, '=', &name))
		return;
	parameter = slice_trim(parameter, CC_WSP);
	name = parameter_name(slice_trim(name, CC_WSP), parameter);
	if (name.len == 0)
		return;
	if (text->len > 0)
		text_char(text, ';');
	text_slice(text, name);
	text_char(text, '=');
	text_slice(text, parameter);
}

struct slice media_fmtp_clean(struct arena *turn, struct slice encoding, struct slice fmtp)
{
	struct slice parameter;
	struct text text;

	fmtp = slice_trim(fmtp, CC_WSP);
	if (fmtp.len == 0)
		return SLICE_NONE;
	/* RFC 4733: events, like 0-15,32; RFC 2198: payload types, like 0/5. */
	if (slice_eq_nocase(encoding, SLICE("telephone-event")) ||
	    slice_eq_nocase(encoding, SLICE("red")))
		return is_list(fmtp) ? fmtp : SLICE_NONE;
	/* Names are copied from the table and may be as long as what was read, never longer. */
	text_init(&text, arena_alloc(turn, fmtp.len), fmtp.len);
	if (!text.p)
		return SLICE_NONE;
	while (slice_cut_char(&fmtp, ';', &parameter))
		write_parameter(&text, parameter);
	write_parameter(&text, fmtp);
	return text_done(&text);
}

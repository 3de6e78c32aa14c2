/* SPDX-License-Identifier: MIT
 * The lines of a session description. Two passes: the first checks every byte and counts, so that the
 * second cuts fixed arrays. Where the field is laxer than RFC 8866 the reason stands beside it; none
 * of the laxities lets a byte through that was not looked at. */
#include "sbc/sdp/sdp_priv.h"

#include "lib/base/ensure.h"

const struct sdp_limits sdp_limits_default = {
	.max_bytes = 32768, .max_lines = 1000, .max_media = 32, .max_codecs = 64
};

struct counts {
	size_t lines, media, attributes, bandwidths;
};

/* NUL and bare CR are outside the grammar; the other controls are within that of some fields
 * (byte-string) but have no honest use, so nobody has to ask what a peer would make of them. */
static bool has_control(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (char_is(line.p[i], CC_CTL) && line.p[i] != '\t')
			return true;
	return false;
}

/* The next line without its end. The last one may lack it: bodies are cut off by Content-Length, and
 * phones forget the end. */
static bool line_next(struct slice *text, struct slice *ret_line)
{
	struct slice line;

	if (text->len == 0)
		return false;
	if (!slice_cut_char(text, '\n', &line)) {
		line = *text;
		*text = slice_of(text->p + text->len, 0);
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	*ret_line = line;
	return true;
}

/* Blank lines are taken at the very end only: a doubled last line end is common. */
static bool only_blank(struct slice text)
{
	struct slice line;

	while (line_next(&text, &line))
		if (line.len > 0)
			return false;
	return true;
}

static enum err count_lines(struct slice text, const struct sdp_limits *limits,
			    struct counts *ret, unsigned *ret_line)
{
	struct counts counts = { 0 };
	struct slice line;

	if (text.len > limits->max_bytes) {
		*ret_line = 1;
		return ERR_LIMIT;
	}
	while (line_next(&text, &line)) {
		*ret_line = (unsigned)++counts.lines;
		if (counts.lines > limits->max_lines)
			return ERR_LIMIT;
		if (line.len == 0 && only_blank(text))
			break;
		if (line.len < 2 || line.p[1] != '=' || has_control(line))
			return ERR_SYNTAX;
		counts.media += line.p[0] == 'm';
		counts.attributes += line.p[0] == 'a';
		counts.bandwidths += line.p[0] == 'b';
		if (counts.media > limits->max_media)
			return ERR_LIMIT;
	}
	*ret = counts;
	return OK;
}

/* The last word of *text, which loses it. */
static struct slice cut_last(struct slice *text)
{
	size_t at = text->len;
	struct slice word;

	while (at > 0 && text->p[at - 1] != ' ')
		at--;
	word = slice_skip(*text, at);
	*text = slice_trim(slice_head(*text, at), CC_WSP);
	return word;
}

/* Numbers of o= have no upper bound in the grammar; above 2^64 they are all taken for the largest. */
static enum err parse_saturated(struct slice digits, uint64_t *ret)
{
	enum err err = parse_u64(digits, ret);

	if (err == ERR_LIMIT)
		*ret = UINT64_MAX;
	return err == ERR_LIMIT ? OK : err;
}

/* o=<username> <session id> <version> <nettype> <addrtype> <address>. Read from the right, since user
 * names with spaces are sent although the grammar has none. */
static enum err read_origin(struct sdp_reader *reader, struct slice value)
{
	struct sdp_origin origin;
	struct slice address_type, net_type, version, id;

	value = slice_trim(value, CC_WSP);
	origin.address = cut_last(&value);
	address_type = cut_last(&value);
	net_type = cut_last(&value);
	version = cut_last(&value);
	id = cut_last(&value);
	origin.username = value;
	if (value.len == 0 || !sdp_is_token(net_type) || !sdp_is_token(address_type) ||
	    parse_saturated(id, &origin.session_id) != OK ||
	    parse_saturated(version, &origin.version) != OK)
		return ERR_SYNTAX;
	reader->sdp->origin = origin;
	return OK;
}

/* c=<nettype> <addrtype> <address>[/ttl[/count]]. Of several for one m-line (layered multicast) the
 * first holds. The address itself says its family: "IP4 ::1" is seen. */
static enum err read_connection(struct sdp_reader *reader, struct slice value)
{
	struct sdp_connection connection = { .given = true };
	struct sdp_connection *into =
		reader->media ? &reader->media->connection : &reader->sdp->connection;
	struct slice net_type, address_type, address;

	value = slice_trim(value, CC_WSP);
	if (!slice_cut(&value, CC_WSP, &net_type) || !slice_cut(&value, CC_WSP, &address_type) ||
	    !sdp_is_token(net_type) || !sdp_is_token(address_type))
		return ERR_SYNTAX;
	if (!slice_cut_char(&value, '/', &address))
		address = value;
	if (ip_parse(address, &connection.ip) != OK) {
		if (!slice_is(address, CC_HOST))
			return ERR_SYNTAX;
		connection.host = address;
	}
	if (!into->given)
		*into = connection;
	return OK;
}

/* b=<type>:<number>. */
static enum err read_bandwidth(struct sdp_reader *reader, struct slice value)
{
	struct sdp_bandwidth bandwidth;

	value = slice_trim(value, CC_WSP);
	if (!slice_cut_char(&value, ':', &bandwidth.type) || !sdp_is_token(bandwidth.type) ||
	    parse_saturated(value, &bandwidth.value) != OK)
		return ERR_SYNTAX;
	*reader->next_bandwidth++ = bandwidth;
	if (reader->media)
		reader->media->bandwidth_count++;
	else
		reader->sdp->bandwidth_count++;
	return OK;
}

/* The payload types of an RTP m-line; what is no number below 128, or comes twice, is passed over. */
static enum err read_formats(struct sdp_reader *reader)
{
	struct sdp_media *media = reader->media;
	struct slice rest = media->formats;
	struct slice word;
	size_t count = 1;

	for (size_t i = 0; i < rest.len; i++)
		count += rest.p[i] == ' ';
	if (count > reader->limits->max_codecs)
		return ERR_LIMIT;
	media->codecs = arena_array(reader->arena, count, sizeof(*media->codecs));
	if (!media->codecs)
		return ERR_NOMEM;
	for (bool more = rest.len > 0; more;) {
		struct sdp_codec *codec = &media->codecs[media->codec_count];
		uint32_t number;

		more = slice_cut(&rest, CC_WSP, &word);
		if (!more)
			word = rest;
		if (parse_u32(word, &number) != OK || number >= SDP_PAYLOAD_TYPES ||
		    reader->codec_at[number] != 0)
			continue;
		if (!sdp_static_codec((uint8_t)number, codec))
			*codec = (struct sdp_codec){ .payload_type = (uint8_t)number };
		reader->codec_at[number] = (uint8_t)++media->codec_count;
	}
	return OK;
}

static bool proto_valid(struct slice text)
{
	struct slice part;

	while (slice_cut_char(&text, '/', &part))
		if (!sdp_is_token(part))
			return false;
	return sdp_is_token(text);
}

static bool formats_valid(struct slice text)
{
	struct slice word;

	while (slice_cut(&text, CC_WSP, &word))
		if (!sdp_is_token(word))
			return false;
	return sdp_is_token(text);
}

/* m=<media> <port>[/<count>] <proto> <fmt> … A rejected line without any format ("m=application 0 *")
 * is sent by some, and can harm nobody. */
static enum err read_media(struct sdp_reader *reader, struct slice value)
{
	struct sdp_media media = { .port_count = 1, .direction = reader->sdp->direction };
	struct slice port, first;

	value = slice_trim(value, CC_WSP);
	if (!slice_cut(&value, CC_WSP, &media.kind_text) || !slice_cut(&value, CC_WSP, &port))
		return ERR_SYNTAX;
	if (!slice_cut(&value, CC_WSP, &media.proto_text)) {
		media.proto_text = value;
		value = slice_of(value.p + value.len, 0);
	}
	media.formats = value;
	if (slice_cut_char(&port, '/', &first)) {
		if (parse_u16(port, &media.port_count) != OK || media.port_count == 0)
			return ERR_SYNTAX;
		port = first;
	}
	if (!sdp_is_token(media.kind_text) || parse_u16(port, &media.port) != OK ||
	    !proto_valid(media.proto_text))
		return ERR_SYNTAX;
	if (!formats_valid(media.formats) && (media.formats.len > 0 || media.port != 0))
		return ERR_SYNTAX;
	media.kind = sdp_kind_find(media.kind_text);
	media.proto = sdp_proto_find(media.proto_text);
	media.attributes = reader->next_attribute;
	media.bandwidths = reader->next_bandwidth;
	reader->media = &reader->sdp->media[reader->sdp->media_count++];
	*reader->media = media;
	memset(reader->codec_at, 0, sizeof(reader->codec_at));
	return sdp_proto_is_rtp(media.proto) ? read_formats(reader) : OK;
}

/* Lines of one part may come in any order: phones put b= before c= and a= before t=, and it means
 * the same. An unknown letter refuses the whole, as RFC 8866 section 5 demands. */
static enum err read_line(struct sdp_reader *reader, char letter, struct slice value)
{
	switch (letter) {
	case 'm':
		return read_media(reader, value);
	case 'a':
		sdp_attribute_read(reader, value);
		return OK;
	case 'c':
		return read_connection(reader, value);
	case 'b':
		return read_bandwidth(reader, value);
	case 'i':
	case 'k':
		return OK;
	case 's':
		reader->sdp->session_name = value;
		return reader->media ? ERR_SYNTAX : OK;
	case 't':
	case 'r':
	case 'z':
	case 'u':
	case 'e':
	case 'p':
		return reader->media ? ERR_SYNTAX : OK;
	default:
		return ERR_SYNTAX;
	}
}

/* v= and o= open it, in this order. s= and t= may be missing: they say nothing in offer/answer
 * (RFC 3264 section 5), and small devices leave them out. */
static enum err read_all(struct sdp_reader *reader, struct slice text, unsigned *ret_line)
{
	struct slice line;
	enum err err = OK;

	*ret_line = 0;
	while (err == OK && line_next(&text, &line) && line.len > 0) {
		struct slice value = slice_skip(line, 2);

		++*ret_line;
		if (*ret_line == 1)
			err = line.p[0] == 'v' && slice_eq(slice_trim(value, CC_WSP), SLICE("0")) ?
				      OK :
				      ERR_SYNTAX;
		else if (*ret_line == 2)
			err = line.p[0] == 'o' ? read_origin(reader, value) : ERR_SYNTAX;
		else
			err = read_line(reader, line.p[0], value);
	}
	if (err == OK && *ret_line < 2) {
		++*ret_line;
		err = ERR_SYNTAX;
	}
	return err;
}

enum err sdp_parse(struct arena *arena, struct slice text, const struct sdp_limits *limits,
		   struct sdp *ret, unsigned *ret_line)
{
	struct sdp sdp = { .direction = SDP_SENDRECV };
	struct sdp_reader reader = { .arena = arena, .limits = limits, .sdp = &sdp };
	struct counts counts;
	enum err err = count_lines(text, limits, &counts, ret_line);

	if (err != OK)
		return err;
	/* One more than needed: an array of none would look like a full arena. */
	sdp.media = arena_array(arena, counts.media + 1, sizeof(*sdp.media));
	sdp.attributes = arena_array(arena, counts.attributes + 1, sizeof(*sdp.attributes));
	sdp.bandwidths = arena_array(arena, counts.bandwidths + 1, sizeof(*sdp.bandwidths));
	if (!sdp.media || !sdp.attributes || !sdp.bandwidths)
		return ERR_NOMEM;
	reader.next_attribute = sdp.attributes;
	reader.next_bandwidth = sdp.bandwidths;
	err = read_all(&reader, text, ret_line);
	if (err == OK)
		*ret = sdp;
	return err;
}

const struct sdp_connection *sdp_media_connection(const struct sdp *sdp,
						  const struct sdp_media *media)
{
	return media->connection.given ? &media->connection : &sdp->connection;
}

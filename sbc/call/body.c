/* SPDX-License-Identifier: MIT
 * Two passes: the first gathers the parts that may cross, in their order; the second writes them.
 * SDP is never among them: where it stood, the other leg's own is written. */
#include "sbc/call/body.h"

#include "lib/base/ensure.h"

#define BODY_MAX_DEPTH      4u
#define BODY_HEAD_BYTES     256u
#define BODY_ID_CHARS       24u
#define BODY_BOUNDARY_CHARS 26u /* 130 bits: no sender can put it into his octets */

struct leaf {
	bool sdp; /* the place of the SDP */
	struct sip_part part;
	struct slice type; /* as the operator wrote it */
	struct slice head; /* the lines above it, written anew */
	struct slice id;   /* its new Content-ID, without brackets; empty: it had none */
};

struct gather {
	const struct body_rules *rules;
	struct leaf leaves[BODY_MAX_PARTS + 1];
	size_t count;
	bool sdp;     /* one was seen */
	bool refused; /* something stays behind that must be understood */
};

struct body body_of(const struct sip_msg *msg)
{
	struct body body = { .type = sip_value(msg, SIP_HDR_CONTENT_TYPE),
			     .disposition = sip_value(msg, SIP_HDR_CONTENT_DISPOSITION),
			     .routing = sip_value(msg, SIP_HDR_GEOLOCATION_ROUTING),
			     .octets = msg->body };
	struct sip_cursor cursor = { 0 };
	struct slice value;
	struct sip_address address;

	while (body.reference.len == 0 && sip_next(msg, SIP_HDR_GEOLOCATION, &cursor, &value))
		if (sip_address_parse(value, &address) == OK &&
		    slice_starts_nocase(address.uri_text, SLICE("cid:")))
			body.reference = slice_skip(address.uri_text, 4);
	return body;
}

/* ---- what may cross ---- */

/* The operator's own writing of this type; empty: it is not named. */
static struct slice named(const struct conf_trunk *trunk, struct slice type)
{
	for (size_t i = 0; i < trunk->body_count; i++)
		if (slice_eq_nocase(trunk->bodies[i], type))
			return trunk->bodies[i];
	return SLICE_NONE;
}

static struct slice allowed(const struct body_rules *rules, struct slice type)
{
	struct slice found = named(rules->from, type);

	return found.len > 0 && rules->to ? named(rules->to, type) : found;
}

/* handling=required or optional (RFC 3261 20.11); empty: not said. */
static struct slice handling(struct slice disposition)
{
	struct slice params = slice_skip(disposition, slice_find_char(disposition, ';'));
	struct slice value;

	if (!sip_param_find(params, SLICE("handling"), &value))
		return SLICE_NONE;
	if (slice_eq_nocase(value, SLICE("required")))
		return SLICE("required");
	return slice_eq_nocase(value, SLICE("optional")) ? SLICE("optional") : SLICE_NONE;
}

/* The octets are what the type says, or go through unchanged with the word that says how. */
static bool transfer_known(struct slice encoding)
{
	static const struct slice words[] = { SLICE_INIT("7bit"), SLICE_INIT("8bit"),
					      SLICE_INIT("binary"), SLICE_INIT("base64"),
					      SLICE_INIT("quoted-printable") };

	for (size_t i = 0; i < array_size(words); i++)
		if (slice_eq_nocase(words[i], encoding))
			return true;
	return encoding.len == 0;
}

static void leaf_take(struct gather *gather, const struct sip_part *part)
{
	struct slice type = sip_media_type(part->content_type);
	struct leaf leaf = { .part = *part };

	if (slice_eq_nocase(type, SLICE("application/sdp"))) {
		leaf.sdp = true;
		if (!gather->sdp) /* a second one never crosses */
			gather->leaves[gather->count++] = leaf;
		gather->sdp = true;
		return;
	}
	leaf.type = allowed(gather->rules, type);
	if (leaf.type.len > 0 && part->encoding.len == 0 &&
	    transfer_known(part->transfer_encoding) && gather->count - gather->sdp < BODY_MAX_PARTS)
		gather->leaves[gather->count++] = leaf;
	else if (slice_eq(handling(part->disposition), SLICE("required")))
		gather->refused = true;
}

static void gather_parts(struct gather *gather, struct slice type, struct slice octets,
			 unsigned depth)
{
	struct sip_parts parts;
	struct sip_part part;

	if (depth == BODY_MAX_DEPTH || sip_parts_init(type, octets, &parts) != OK)
		return;
	while (sip_parts_next(&parts, &part)) {
		if (slice_starts_nocase(part.content_type, SLICE("multipart/")))
			gather_parts(gather, part.content_type, part.body, depth + 1);
		else
			leaf_take(gather, &part);
	}
}

/* A part that does not say how it is to be handled is taken for optional: most senders of location
 * or metadata leave it out, and would get no call through. A body of its own is what the request is
 * about, so there the default of RFC 3261 20.11 holds. */
static void gather_body(struct gather *gather, const struct body *body)
{
	struct sip_part whole = { .content_type = body->type,
				  .disposition = body->disposition,
				  .body = body->octets };

	if (body->octets.len == 0)
		return;
	if (slice_starts_nocase(body->type, SLICE("multipart/"))) {
		gather_parts(gather, body->type, body->octets, 0);
		return;
	}
	leaf_take(gather, &whole);
	if (gather->count == 0 && !slice_eq(handling(body->disposition), SLICE("optional")))
		gather->refused = true;
}

uint16_t body_verdict(const struct body_rules *rules, const struct body *body)
{
	struct gather gather = { .rules = rules };

	gather_body(&gather, body);
	if (gather.refused)
		return 415;
	return gather.count > gather.sdp && body->octets.len > BODY_MAX_BYTES ? 413 : 0;
}

/* ---- written anew ---- */

/* Those parameters whose values are tokens, or quoted strings without escapes. */
static void write_type(struct text *text, const struct leaf *leaf)
{
	struct slice params =
	    slice_skip(leaf->part.content_type, slice_find_char(leaf->part.content_type, ';'));
	struct slice name;
	struct slice value;

	text_slice(text, leaf->type);
	while (sip_param_next(&params, &name, &value)) {
		bool quoted = value.len >= 2 && value.p[0] == '"' &&
			      slice_find_char(value, '\\') == value.len;

		for (size_t i = 0; quoted && i < value.len; i++)
			quoted = !char_is(value.p[i], CC_CTL);
		if (!slice_is(name, CC_TOKEN) || (!quoted && !slice_is(value, CC_TOKEN)))
			continue;
		text_char(text, ';');
		text_slice(text, name);
		text_char(text, '=');
		text_slice(text, value);
	}
}

static void write_disposition(struct text *text, const struct leaf *leaf)
{
	struct slice how = sip_media_type(leaf->part.disposition);
	struct slice must = handling(leaf->part.disposition);

	if (!slice_is(how, CC_TOKEN))
		return;
	text_lit(text, "Content-Disposition: ");
	text_slice(text, how);
	if (must.len > 0) {
		text_lit(text, ";handling=");
		text_slice(text, must);
	}
	text_lit(text, "\r\n");
}

static enum err write_head(struct leaf *leaf, struct rand *rand, struct arena *arena)
{
	struct text text;

	if (leaf->part.content_id.len > 0) {
		text_init_arena(&text, arena, BODY_ID_CHARS + sizeof("@sbc.invalid"));
		rand_text(rand, &text, BODY_ID_CHARS);
		text_lit(&text, "@sbc.invalid");
		if (text.err != OK)
			return text.err;
		leaf->id = text_done(&text);
	}
	text_init_arena(&text, arena, BODY_HEAD_BYTES);
	text_lit(&text, "Content-Type: ");
	write_type(&text, leaf);
	text_lit(&text, "\r\n");
	write_disposition(&text, leaf);
	if (leaf->id.len > 0) {
		text_lit(&text, "Content-ID: <");
		text_slice(&text, leaf->id);
		text_lit(&text, ">\r\n");
	}
	if (leaf->part.transfer_encoding.len > 0) {
		text_lit(&text, "Content-Transfer-Encoding: ");
		text_slice(&text, leaf->part.transfer_encoding);
		text_lit(&text, "\r\n");
	}
	leaf->head = text_done(&text);
	return text.err;
}

/* Heads for all; those that would show something of the other side drop their part. */
static enum err write_heads(struct gather *gather, const struct leak_set *secrets,
			    struct rand *rand, struct arena *arena)
{
	size_t kept = 0;

	for (size_t i = 0; i < gather->count; i++) {
		struct leaf *leaf = &gather->leaves[i];
		enum err err = leaf->sdp ? OK : write_head(leaf, rand, arena);

		if (err != OK)
			return err;
		if (leak_find(secrets, leaf->head).len == 0)
			gather->leaves[kept++] = *leaf;
		else if (slice_eq(handling(leaf->part.disposition), SLICE("required")))
			gather->refused = true;
	}
	gather->count = kept;
	return OK;
}

/* The part that Geolocation's cid: names, if it crosses. A location held elsewhere does not (RFC
 * 6442 4.1 would have the other side ask there). ERR_NOENT: none. */
static enum err find_located(const struct gather *gather, const struct body *body,
			     struct arena *arena, struct slice *ret_id)
{
	struct slice reference = SLICE_NONE;
	enum err err = sip_user_unescape(arena, body->reference, &reference); /* RFC 2392 2 */

	for (size_t i = 0; err == OK && reference.len > 0 && i < gather->count; i++) {
		struct slice id = gather->leaves[i].part.content_id;

		if (gather->leaves[i].id.len > 0 && id.len > 2 && id.p[0] == '<' &&
		    slice_eq(slice_of(id.p + 1, id.len - 2), reference)) {
			*ret_id = gather->leaves[i].id;
			return OK;
		}
	}
	return err == OK ? ERR_NOENT : err;
}

static void write_location(struct text *text, struct slice id, struct slice routing)
{
	text_lit(text, "Geolocation: <cid:");
	text_slice(text, id);
	text_lit(text, ">\r\n");
	if (!slice_eq_nocase(routing, SLICE("yes")) && !slice_eq_nocase(routing, SLICE("no")))
		return;
	text_lit(text, "Geolocation-Routing: ");
	text_slice(text, routing);
	text_lit(text, "\r\n");
}

/* The headers of the message that belong to a multipart. */
static enum err write_headers(const struct gather *gather, const struct body *body,
			      struct arena *arena, struct slice *ret)
{
	struct slice id = SLICE_NONE;
	struct text text;
	enum err err = find_located(gather, body, arena, &id);

	if (err != OK && err != ERR_NOENT)
		return err;
	text_init_arena(&text, arena, BODY_HEAD_BYTES);
	text_lit(&text, "MIME-Version: 1.0\r\n");
	if (id.len > 0)
		write_location(&text, id, body->routing);
	*ret = text_done(&text);
	return text.err;
}

static void write_part(struct text *text, struct slice boundary, struct slice head,
		       struct slice octets)
{
	text_lit(text, "--");
	text_slice(text, boundary);
	text_lit(text, "\r\n");
	text_slice(text, head);
	text_lit(text, "\r\n");
	text_slice(text, octets);
	text_lit(text, "\r\n");
}

static enum err write_mixed(const struct gather *gather, const struct body *body, struct slice sdp,
			    struct rand *rand, struct arena *arena, struct body_out *ret)
{
	static const struct slice sdp_head = SLICE_INIT("Content-Type: application/sdp\r\n");
	size_t bytes = sdp.len + BODY_HEAD_BYTES;
	struct slice boundary;
	struct text text;

	text_init_arena(&text, arena, BODY_BOUNDARY_CHARS);
	rand_text(rand, &text, BODY_BOUNDARY_CHARS);
	if (text.err != OK)
		return text.err;
	boundary = text_done(&text);
	for (size_t i = 0; i < gather->count; i++)
		bytes += gather->leaves[i].part.body.len + gather->leaves[i].head.len + 64;
	text_init_arena(&text, arena, bytes);
	if (sdp.len > 0 && !gather->sdp)
		write_part(&text, boundary, sdp_head, sdp);
	for (size_t i = 0; i < gather->count; i++) {
		const struct leaf *leaf = &gather->leaves[i];

		if (!leaf->sdp)
			write_part(&text, boundary, leaf->head, leaf->part.body);
		else if (sdp.len > 0)
			write_part(&text, boundary, sdp_head, sdp);
	}
	text_lit(&text, "--");
	text_slice(&text, boundary);
	text_lit(&text, "--\r\n");
	if (text.err != OK)
		return text.err;
	ret->octets = text_done(&text);
	ret->type = arena_printf(arena, "multipart/mixed;boundary=%.*s", SLICE_ARG(boundary));
	return ret->type.len > 0 ? write_headers(gather, body, arena, &ret->headers) : ERR_NOMEM;
}

/* A body of its own stays one where no SDP joins it. */
static enum err write_single(const struct leaf *leaf, struct arena *arena, struct body_out *ret)
{
	struct text text;

	text_init_arena(&text, arena, BODY_HEAD_BYTES);
	write_type(&text, leaf);
	if (text.err != OK)
		return text.err;
	ret->type = text_done(&text);
	text_init_arena(&text, arena, BODY_HEAD_BYTES);
	write_disposition(&text, leaf);
	ret->headers = text_done(&text);
	ret->octets = leaf->part.body;
	return text.err;
}

enum err body_join(const struct body_rules *rules, const struct body *body, struct slice sdp,
		   const struct leak_set *secrets, struct rand *rand, struct arena *arena,
		   struct body_out *ret)
{
	struct body_out out = { .type = SLICE("application/sdp"), .octets = sdp };
	struct gather gather = { .rules = rules };
	enum err err;

	gather_body(&gather, body);
	err = write_heads(&gather, secrets, rand, arena);
	if (err != OK)
		return err;
	out.refused = gather.refused;
	out.unread = gather.count > gather.sdp;
	if (out.unread && sdp.len == 0 && !slice_starts_nocase(body->type, SLICE("multipart/")))
		err = write_single(&gather.leaves[0], arena, &out);
	else if (out.unread)
		err = write_mixed(&gather, body, sdp, rand, arena, &out);
	if (err == OK)
		*ret = out;
	return err;
}

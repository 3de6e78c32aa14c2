/* SPDX-License-Identifier: MIT
 * The table, and how a dialog comes to be on either side. */
#include "sbc/dialog/dialog.h"

#include "lib/base/ensure.h"

static struct hash128 dialog_key(const struct dialog_table *table, struct slice call_id,
				 struct slice local_tag)
{
	struct hash128 a = hash128(&table->key, call_id);
	struct hash128 b = hash128(&table->key, local_tag);

	/* Not symmetric: a Call-ID cannot play the part of a tag. */
	return (struct hash128){ a.lo ^ (b.lo * 3), a.hi + (b.hi ^ b.lo) };
}

enum err dialog_table_init(struct dialog_table *table, struct hash_key key, size_t expected)
{
	table->key = key;
	return map_init(&table->map, expected);
}

void dialog_table_fini(struct dialog_table *table)
{
	map_fini(&table->map);
}

void dialog_list(struct dialog_table *table, struct dialog *dialog)
{
	ensure(!dialog->listed);
	map_insert(&table->map, &dialog->node,
		   dialog_key(table, dialog->call_id, dialog->local_tag));
	dialog->listed = true;
}

void dialog_unlist(struct dialog_table *table, struct dialog *dialog)
{
	if (dialog->listed)
		map_remove(&table->map, &dialog->node);
	dialog->listed = false;
}

struct dialog *dialog_find(const struct dialog_table *table, const struct sip_msg *request)
{
	struct map_node *node =
		map_find(&table->map, dialog_key(table, request->call_id, request->to_tag));

	return node ? container_of(node, struct dialog, node) : NULL;
}

bool dialog_tag_ours(struct slice tag)
{
	for (size_t i = 0; i < tag.len; i++)
		if (!char_is(tag.p[i], CC_DIGIT) && !(tag.p[i] >= 'a' && tag.p[i] <= 'v'))
			return false;
	return tag.len == DIALOG_TAG_CHARS;
}

bool dialog_from_peer(const struct dialog *dialog, const struct sip_msg *request)
{
	return dialog->established && slice_eq(dialog->remote_tag, request->from_tag);
}

enum err dialog_keep(struct arena *arena, struct slice value, struct slice *slot, size_t *room)
{
	char *p;

	if (value.len > *room) {
		size_t want = value.len < 64 ? 64 : value.len + value.len / 2;

		p = arena_alloc(arena, want);
		if (!p)
			return ERR_NOMEM;
		*room = want;
	} else {
		/* The room was taken from the owner's arena, so it may be written. */
		memcpy(&p, &slot->p, sizeof(p));
	}
	if (value.len > 0)
		memmove(p, value.p, value.len);
	*slot = slice_of(p, value.len);
	return OK;
}

/* The URI of the first Contact. */
static enum err contact_uri(const struct sip_msg *msg, struct slice *ret)
{
	struct sip_cursor cursor = { 0 };
	struct sip_address contact;
	struct slice value;
	enum err err;

	if (!sip_next(msg, SIP_HDR_CONTACT, &cursor, &value))
		return ERR_NOENT;
	err = sip_address_parse(value, &contact);
	if (err != OK)
		return err;
	if (contact.uri.scheme != SIP_SCHEME_SIP && contact.uri.scheme != SIP_SCHEME_SIPS)
		return ERR_SYNTAX;
	*ret = contact.uri_text;
	return OK;
}

enum err dialog_refresh(struct dialog *dialog, struct arena *arena, const struct sip_msg *msg)
{
	struct slice target;
	enum err err = contact_uri(msg, &target);

	if (err == ERR_NOENT || (err == OK && slice_eq(target, dialog->remote_target)))
		return OK;
	if (err != OK)
		return err;
	return dialog_keep(arena, target, &dialog->remote_target, &dialog->target_room);
}

/* Record-Route values into dialog->routes, reversed for the UAC (12.1.2). */
static enum err keep_routes(struct dialog *dialog, struct arena *arena, const struct sip_msg *msg,
			    bool reversed)
{
	struct sip_cursor cursor = { 0 };
	struct slice found[DIALOG_MAX_ROUTES];
	struct slice value;
	size_t count = 0;

	while (sip_next(msg, SIP_HDR_RECORD_ROUTE, &cursor, &value)) {
		if (count == DIALOG_MAX_ROUTES)
			return ERR_LIMIT;
		found[count++] = value;
	}
	dialog->route_count = 0;
	if (count == 0)
		return OK;
	dialog->routes = arena_array(arena, count, sizeof(*dialog->routes));
	if (!dialog->routes)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		enum err err = arena_keep(arena, found[reversed ? count - 1 - i : i],
					  &dialog->routes[i]);

		if (err != OK)
			return err;
	}
	dialog->route_count = count;
	return OK;
}

/* An address without its tag and other parameters, as it will stand in our From or To. */
static enum err keep_party(struct arena *arena, const struct sip_address *address,
			   struct slice *ret)
{
	struct text text;

	text_init_arena(&text, arena, address->display.len + address->uri_text.len + 6);
	if (address->display.len > 0) {
		/* A name beyond ASCII may have come without the quotes that it needs (25.1). */
		if (address->display.p[0] == '"' || slice_is(address->display, CC_TOKEN | CC_WSP))
			text_slice(&text, address->display);
		else
			sip_write_quoted(&text, address->display);
		text_char(&text, ' ');
	}
	text_char(&text, '<');
	text_slice(&text, address->uri_text);
	text_char(&text, '>');
	*ret = text_done(&text);
	return text.err;
}

enum err dialog_accept(struct dialog *dialog, struct arena *arena, const struct sip_msg *invite,
		       const struct flow *flow, struct rand *rand)
{
	struct text tag;
	enum err err;

	dialog->flow = *flow;
	dialog->remote_cseq = invite->cseq.number;
	err = arena_keep(arena, invite->call_id, &dialog->call_id);
	if (err == OK)
		err = arena_keep(arena, invite->from_tag, &dialog->remote_tag);
	if (err == OK)
		err = keep_party(arena, &invite->from, &dialog->remote);
	if (err == OK)
		err = keep_party(arena, &invite->to, &dialog->local);
	if (err == OK)
		err = keep_routes(dialog, arena, invite, false);
	if (err == OK)
		err = dialog_refresh(dialog, arena, invite);
	if (err == OK && dialog->remote_target.len == 0)
		err = ERR_SYNTAX; /* 8.1.1.8: an INVITE has exactly one Contact */
	if (err != OK)
		return err;
	dialog->established = true;
	if (invite->to_tag.len > 0)
		return arena_keep(arena, invite->to_tag, &dialog->local_tag);
	text_init_arena(&tag, arena, DIALOG_TAG_CHARS + 1);
	rand_text(rand, &tag, DIALOG_TAG_CHARS);
	dialog->local_tag = text_done(&tag);
	return tag.err;
}

enum err dialog_establish(struct dialog *dialog, struct arena *arena,
			  const struct sip_msg *response)
{
	bool same = dialog->established && slice_eq(dialog->remote_tag, response->to_tag);
	enum err err = OK;

	if (!same) {
		err = arena_keep(arena, response->to_tag, &dialog->remote_tag);
		/* 13.2.2.4: the 2xx has the last word on the route set, so an early dialog's is
		 * only replaced, never merged. */
		if (err == OK)
			err = keep_routes(dialog, arena, response, true);
	}
	if (err == OK)
		err = dialog_refresh(dialog, arena, response);
	if (err == OK)
		dialog->established = true;
	return err;
}

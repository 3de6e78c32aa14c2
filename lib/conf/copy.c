/* SPDX-License-Identifier: MIT
 * A deep copy of a provisioning tree, by the same tables that read it. */
#include "lib/conf/conf_priv.h"

static enum err object_copy(struct arena *arena, const struct object *object, void *target);

static enum err uri_copy(struct arena *arena, struct conf_gateway *gateway)
{
	const char *old = gateway->uri.p;
	enum err err = arena_keep(arena, gateway->uri, &gateway->uri);

	/* The host is a part of the URI. */
	if (err == OK)
		gateway->host.p = gateway->uri.p + (gateway->host.p - old);
	return err;
}

static enum err scalar_copy(struct arena *arena, const struct field *field, void *at)
{
	switch (field->kind) {
	case FIELD_NAME:
	case FIELD_TEXT:
	case FIELD_SECRET:
	case FIELD_HOST:
	case FIELD_IP_TEXT:
	case FIELD_CODEC:
	case FIELD_CONTENT_TYPE:
	case FIELD_REGEX:
		return arena_keep(arena, *(struct slice *)at, at);
	case FIELD_URI:
		return uri_copy(arena, at);
	case FIELD_WORD:
	case FIELD_U16:
	case FIELD_U32:
	case FIELD_BOOL:
	case FIELD_IP:
	case FIELD_PREFIX:
	case FIELD_ENDPOINT:
	case FIELD_OBJECT:
	case FIELD_LIST:
	case FIELD_KINDS:
		break;
	}
	return OK; /* values */
}

/* `target` holds the old list; afterwards its own. */
static enum err list_copy(struct arena *arena, const struct field *field, void *target)
{
	enum err err = OK;
	size_t count;
	void *items;
	void *old;

	memcpy(&old, (char *)target + field->offset, sizeof(old));
	memcpy(&count, (char *)target + field->count_offset, sizeof(count));
	items = arena_array(arena, count + 1, field->item_size);
	if (!items)
		return ERR_NOMEM;
	if (count > 0)
		memcpy(items, old, count * field->item_size);
	memcpy((char *)target + field->offset, &items, sizeof(items));
	for (size_t i = 0; i < count && err == OK; i++) {
		void *at = (char *)items + i * field->item_size;

		err = field->item->kind == FIELD_OBJECT
			  ? object_copy(arena, field->item->object, at)
			  : scalar_copy(arena, field->item, at);
	}
	return err;
}

static enum err object_copy(struct arena *arena, const struct object *object, void *target)
{
	enum err err = OK;

	for (size_t i = 0; i < object->count && err == OK; i++) {
		const struct field *field = &object->fields[i];

		if (field->kind == FIELD_OBJECT)
			err = object_copy(arena, field->object, (char *)target + field->offset);
		else if (field->kind == FIELD_LIST)
			err = list_copy(arena, field, target);
		else
			err = scalar_copy(arena, field, (char *)target + field->offset);
	}
	return err;
}

enum err conf_provisioning_copy(struct arena *arena, const struct conf_provisioning *from,
				struct conf_provisioning *ret)
{
	struct conf_provisioning copy = *from;
	enum err err = object_copy(arena, &conf_provisioning_object, &copy);

	if (err == OK)
		*ret = copy;
	return err;
}

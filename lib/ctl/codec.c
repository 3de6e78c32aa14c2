/* SPDX-License-Identifier: MIT
 * Encoder and decoder that walk field descriptors made from messages.def. A list is a u32 count and
 * its records; the decoder checks a count against the bytes left before it allocates, so that a
 * lying count costs nothing. */
#include "lib/ctl/ctl.h"

#include <string.h>

#include "lib/base/wire.h"

enum field_kind {
	KIND_U8,
	KIND_U16,
	KIND_U32,
	KIND_U64,
	KIND_I64,
	KIND_STR,
	KIND_IP,
	KIND_ENDPOINT,
	KIND_LIST,
	KIND_END,
};

struct field {
	enum field_kind kind;
	uint32_t offset;
	uint32_t count_offset;       /* KIND_LIST */
	uint32_t inner_size;         /* KIND_LIST */
	const struct field *inner;   /* KIND_LIST */
};

#define FIELD(kind, record, field) { kind, offsetof(struct ctl_##record, field), 0, 0, NULL },
#define CTL_RECORD(record) static const struct field record##_fields[] = {
#define CTL_U8(record, field) FIELD(KIND_U8, record, field)
#define CTL_U16(record, field) FIELD(KIND_U16, record, field)
#define CTL_U32(record, field) FIELD(KIND_U32, record, field)
#define CTL_U64(record, field) FIELD(KIND_U64, record, field)
#define CTL_I64(record, field) FIELD(KIND_I64, record, field)
#define CTL_STR(record, field) FIELD(KIND_STR, record, field)
#define CTL_IP(record, field) FIELD(KIND_IP, record, field)
#define CTL_ENDPOINT(record, field) FIELD(KIND_ENDPOINT, record, field)
#define CTL_LIST(record, inner_record, field)                                                      \
	{ KIND_LIST, offsetof(struct ctl_##record, field),                                         \
	  offsetof(struct ctl_##record, field##_count), sizeof(struct ctl_##inner_record),         \
	  inner_record##_fields },
#define CTL_END(record)                                                                            \
	{ KIND_END, 0, 0, 0, NULL }                                                                \
	}                                                                                          \
	;
#define CTL_MESSAGE(number, record, meaning)
#include "lib/ctl/messages.def"
#include "lib/ctl/undef.h"

struct message_type {
	uint16_t number;
	const char *name;
	const struct field *fields;
	size_t offset; /* of its record in struct ctl_message */
};

static const struct message_type message_types[] = {
#define CTL_MESSAGE(number, record, meaning)                                                       \
	{ number, #record, record##_fields, offsetof(struct ctl_message, record) },
#include "lib/ctl/nofields.h"
#include "lib/ctl/messages.def"
#include "lib/ctl/undef.h"
};

#define CTL_HEADER_BYTES 8u
#define CTL_MAX_DEPTH 4

static const struct message_type *type_find(unsigned number)
{
	for (size_t i = 0; i < sizeof(message_types) / sizeof(message_types[0]); i++)
		if (message_types[i].number == number)
			return &message_types[i];
	return NULL;
}

const char *ctl_type_name(enum ctl_type type)
{
	const struct message_type *found = type_find((unsigned)type);

	return found ? found->name : "unknown";
}

static void put_ip(struct wire_writer *writer, const struct ip_addr *ip)
{
	wire_put_u8(writer, ip->family);
	if (ip->family == IP_V4)
		wire_put_bytes(writer, ip->bytes, 4);
	else if (ip->family == IP_V6)
		wire_put_bytes(writer, ip->bytes, 16);
}

static void get_ip(struct wire_reader *reader, struct ip_addr *ret)
{
	struct slice bytes;

	memset(ret, 0, sizeof(*ret));
	ret->family = wire_get_u8(reader);
	if (ret->family != IP_NONE && ret->family != IP_V4 && ret->family != IP_V6)
		reader->err = ERR_SYNTAX;
	if (reader->err != OK || ret->family == IP_NONE)
		return;
	bytes = wire_get_bytes(reader, ret->family == IP_V4 ? 4 : 16);
	memcpy(ret->bytes, bytes.p, bytes.len);
}

/* record: a struct ctl_<record> that `fields` describe. */
static void put_record(struct wire_writer *writer, const struct field *fields, const void *record)
{
	for (const struct field *f = fields; f->kind != KIND_END; f++) {
		const void *at = (const char *)record + f->offset;

		switch (f->kind) {
		case KIND_U8:
			wire_put_u8(writer, *(const uint8_t *)at);
			break;
		case KIND_U16:
			wire_put_u16(writer, *(const uint16_t *)at);
			break;
		case KIND_U32:
			wire_put_u32(writer, *(const uint32_t *)at);
			break;
		case KIND_U64:
		case KIND_I64:
			wire_put_u64(writer, *(const uint64_t *)at);
			break;
		case KIND_STR: {
			const struct slice *s = at;

			if (s->len > UINT16_MAX)
				writer->err = ERR_LIMIT;
			wire_put_u16(writer, (uint16_t)s->len);
			wire_put_bytes(writer, s->p, s->len);
			break;
		}
		case KIND_IP:
			put_ip(writer, at);
			break;
		case KIND_ENDPOINT:
			put_ip(writer, &((const struct endpoint *)at)->ip);
			wire_put_u16(writer, ((const struct endpoint *)at)->port);
			break;
		case KIND_LIST: {
			const char *items = *(char *const *)at;
			uint32_t count;

			memcpy(&count, (const char *)record + f->count_offset, sizeof(count));
			wire_put_u32(writer, count);
			for (uint32_t i = 0; i < count && writer->err == OK; i++)
				put_record(writer, f->inner, items + (size_t)i * f->inner_size);
			break;
		}
		case KIND_END:
			break;
		}
	}
}

static void get_record(struct wire_reader *reader, struct arena *arena, const struct field *fields,
		       void *record, int depth);

static void get_list(struct wire_reader *reader, struct arena *arena, const struct field *f,
		     void *record, int depth)
{
	uint32_t count = wire_get_u32(reader);
	char *items = NULL;

	/* Every record takes a byte at least. */
	if (count > wire_left(reader) || depth >= CTL_MAX_DEPTH)
		reader->err = ERR_SYNTAX;
	if (reader->err != OK)
		return;
	if (count > 0) {
		items = arena_array(arena, count, f->inner_size);
		if (!items) {
			reader->err = ERR_NOMEM;
			return;
		}
	}
	memcpy((char *)record + f->offset, &items, sizeof(items));
	memcpy((char *)record + f->count_offset, &count, sizeof(count));
	for (uint32_t i = 0; i < count && reader->err == OK; i++)
		get_record(reader, arena, f->inner, items + (size_t)i * f->inner_size, depth + 1);
}

static void get_record(struct wire_reader *reader, struct arena *arena, const struct field *fields,
		       void *record, int depth)
{
	for (const struct field *f = fields; f->kind != KIND_END && reader->err == OK; f++) {
		void *at = (char *)record + f->offset;

		switch (f->kind) {
		case KIND_U8:
			*(uint8_t *)at = wire_get_u8(reader);
			break;
		case KIND_U16:
			*(uint16_t *)at = wire_get_u16(reader);
			break;
		case KIND_U32:
			*(uint32_t *)at = wire_get_u32(reader);
			break;
		case KIND_U64:
		case KIND_I64:
			*(uint64_t *)at = wire_get_u64(reader);
			break;
		case KIND_STR:
			*(struct slice *)at = wire_get_bytes(reader, wire_get_u16(reader));
			break;
		case KIND_IP:
			get_ip(reader, at);
			break;
		case KIND_ENDPOINT:
			get_ip(reader, &((struct endpoint *)at)->ip);
			((struct endpoint *)at)->port = wire_get_u16(reader);
			break;
		case KIND_LIST:
			get_list(reader, arena, f, record, depth);
			break;
		case KIND_END:
			break;
		}
	}
}

enum err ctl_encode(const struct ctl_message *message, void *storage, size_t cap, size_t *ret_len)
{
	const struct message_type *type = type_find((unsigned)message->type);
	struct wire_writer writer;

	if (!type)
		return ERR_UNSUPPORTED;
	wire_writer_init(&writer, storage, cap);
	wire_put_u16(&writer, type->number);
	wire_put_u16(&writer, 0);
	wire_put_u32(&writer, message->request);
	put_record(&writer, type->fields, (const char *)message + type->offset);
	if (writer.err == OK)
		*ret_len = writer.len;
	return writer.err;
}

enum err ctl_decode(struct arena *arena, const void *bytes, size_t len, struct ctl_message *ret)
{
	const struct message_type *type;
	struct wire_reader reader;
	uint16_t reserved;

	wire_reader_init(&reader, bytes, len);
	memset(ret, 0, sizeof(*ret));
	type = type_find(wire_get_u16(&reader));
	reserved = wire_get_u16(&reader);
	ret->request = wire_get_u32(&reader);
	if (reader.err != OK || !type || reserved != 0)
		return ERR_SYNTAX;
	ret->type = (enum ctl_type)type->number;
	get_record(&reader, arena, type->fields, (char *)ret + type->offset, 0);
	if (reader.err == OK && wire_left(&reader) != 0)
		return ERR_SYNTAX;
	return reader.err;
}

enum err ctl_call_info_encode(const struct ctl_call_info *info, void *storage, size_t cap,
			      size_t *ret_len)
{
	struct wire_writer writer;

	wire_writer_init(&writer, storage, cap);
	put_record(&writer, call_info_fields, info);
	if (writer.err == OK)
		*ret_len = writer.len;
	return writer.err;
}

enum err ctl_call_info_decode(struct arena *arena, const void *bytes, size_t len,
			      struct ctl_call_info *ret)
{
	struct wire_reader reader;

	wire_reader_init(&reader, bytes, len);
	memset(ret, 0, sizeof(*ret));
	get_record(&reader, arena, call_info_fields, ret, 0);
	if (reader.err == OK && wire_left(&reader) != 0)
		return ERR_SYNTAX;
	return reader.err;
}

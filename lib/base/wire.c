/* SPDX-License-Identifier: MIT */
#include "lib/base/wire.h"

void wire_reader_init(struct wire_reader *reader, const void *p, size_t len)
{
	*reader = (struct wire_reader){ .p = p, .len = len };
}

struct slice wire_get_bytes(struct wire_reader *reader, size_t len)
{
	struct slice bytes;

	if (reader->err != OK || wire_left(reader) < len) {
		reader->err = ERR_SYNTAX;
		return slice_of("", 0);
	}
	bytes = slice_of((const char *)reader->p + reader->at, len);
	reader->at += len;
	return bytes;
}

static uint64_t get_be(struct wire_reader *reader, size_t len)
{
	struct slice bytes = wire_get_bytes(reader, len);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.len; i++)
		value = value << 8 | (unsigned char)bytes.p[i];
	return value;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
	return (uint8_t)get_be(reader, 1);
}

uint16_t wire_get_u16(struct wire_reader *reader)
{
	return (uint16_t)get_be(reader, 2);
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
	return (uint32_t)get_be(reader, 4);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
	return get_be(reader, 8);
}

void wire_writer_init(struct wire_writer *writer, void *storage, size_t cap)
{
	*writer = (struct wire_writer){ .p = storage, .cap = cap };
}

void wire_put_bytes(struct wire_writer *writer, const void *p, size_t len)
{
	if (writer->err != OK || writer->cap - writer->len < len) {
		writer->err = ERR_LIMIT;
		return;
	}
	if (len > 0)
		memcpy(writer->p + writer->len, p, len);
	writer->len += len;
}

static void put_be(struct wire_writer *writer, uint64_t value, size_t len)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(value >> (8 * (len - 1 - i)));
	wire_put_bytes(writer, bytes, len);
}

void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
	put_be(writer, value, 1);
}

void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
	put_be(writer, value, 2);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
	put_be(writer, value, 4);
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
	put_be(writer, value, 8);
}

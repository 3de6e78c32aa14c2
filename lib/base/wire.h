/* SPDX-License-Identifier: MIT
 * Sticky reader and writer of binary fields, big-endian. After the first failure reads give zeros,
 * writes do nothing, and err tells. They are here whole because a record is many small fields. */
#pragma once

#include <endian.h>

#include "lib/base/slice.h"

struct wire_reader {
	const unsigned char *p;
	size_t len;
	size_t at;
	enum err err; /* ERR_SYNTAX: read past the end */
};

struct wire_writer {
	unsigned char *p;
	size_t cap;
	size_t len;
	enum err err; /* ERR_LIMIT: no room */
};

/* ---- reading ---- */

static inline void wire_reader_init(struct wire_reader *reader, const void *p, size_t len)
{
	*reader = (struct wire_reader){ .p = p, .len = len };
}

static inline size_t wire_left(const struct wire_reader *reader)
{
	return reader->len - reader->at;
}

/* Borrowed from the reader's bytes; empty after a failure. */
static inline struct slice wire_get_bytes(struct wire_reader *reader, size_t len)
{
	struct slice bytes = { "", 0 };

	if (reader->err != OK || wire_left(reader) < len) {
		reader->err = ERR_SYNTAX;
		return bytes;
	}
	bytes = slice_of((const char *)reader->p + reader->at, len);
	reader->at += len;
	return bytes;
}

/* The next bytes as the last ones of a big-endian word. */
static inline uint64_t wire_get_be(struct wire_reader *reader, size_t len)
{
	struct slice bytes = wire_get_bytes(reader, len);
	unsigned char word[8] = { 0 };
	uint64_t value;

	if (bytes.len == len)
		memcpy(word + sizeof(word) - len, bytes.p, len);
	memcpy(&value, word, sizeof(value));
	return be64toh(value);
}

static inline uint8_t wire_get_u8(struct wire_reader *reader)
{
	return (uint8_t)wire_get_be(reader, 1);
}

static inline uint16_t wire_get_u16(struct wire_reader *reader)
{
	return (uint16_t)wire_get_be(reader, 2);
}

static inline uint32_t wire_get_u32(struct wire_reader *reader)
{
	return (uint32_t)wire_get_be(reader, 4);
}

static inline uint64_t wire_get_u64(struct wire_reader *reader)
{
	return wire_get_be(reader, 8);
}

/* ---- writing ---- */

static inline void wire_writer_init(struct wire_writer *writer, void *storage, size_t cap)
{
	*writer = (struct wire_writer){ .p = storage, .cap = cap };
}

static inline void wire_put_bytes(struct wire_writer *writer, const void *p, size_t len)
{
	if (writer->err != OK || writer->cap - writer->len < len) {
		writer->err = ERR_LIMIT;
		return;
	}
	if (len > 0)
		memcpy(writer->p + writer->len, p, len);
	writer->len += len;
}

static inline void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
	wire_put_bytes(writer, &value, sizeof(value));
}

static inline void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
	value = htobe16(value);
	wire_put_bytes(writer, &value, sizeof(value));
}

static inline void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
	value = htobe32(value);
	wire_put_bytes(writer, &value, sizeof(value));
}

static inline void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
	value = htobe64(value);
	wire_put_bytes(writer, &value, sizeof(value));
}

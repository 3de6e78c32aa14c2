/* SPDX-License-Identifier: MIT
 * Sticky reader and writer of binary fields, big-endian. After the first failure reads give zeros,
 * writes do nothing, and err tells. */
#pragma once

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

void wire_reader_init(struct wire_reader *reader, const void *p, size_t len);
uint8_t wire_get_u8(struct wire_reader *reader);
uint16_t wire_get_u16(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
/* Borrowed from the reader's bytes; empty after a failure. */
struct slice wire_get_bytes(struct wire_reader *reader, size_t len);
static inline size_t wire_left(const struct wire_reader *reader)
{
	return reader->len - reader->at;
}

void wire_writer_init(struct wire_writer *writer, void *storage, size_t cap);
void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u16(struct wire_writer *writer, uint16_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_bytes(struct wire_writer *writer, const void *p, size_t len);

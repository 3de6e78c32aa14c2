/* SPDX-License-Identifier: MIT
 * The CDR journal's files, as sbcd writes them and mgmt-apid reads them: state_dir/journal/
 * cdr-<worker>-<first_seq:016x>.journal, each JOURNAL_SEGMENT_BYTES long and mapped by both sides.
 * A header, then records aligned to 8 bytes; all numbers little-endian.
 *
 * The length word of a record is stored last (release), so a reader that loads it first (acquire)
 * sees a record whole or not at all, also when the writer is killed in the middle. Length 0 is the
 * end so far; JOURNAL_FULL says that the next record, whose seq is the next, stands in the next file.
 * A worker's numbers rise by one from record to record, over files and over restarts of sbcd. */
#pragma once

#include <stdatomic.h>

#include "lib/base/slice.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the mapped structures are little-endian");

#define JOURNAL_MAGIC "SBCCDR1" /* with its NUL: 8 bytes */
#define JOURNAL_VERSION 1u
#define JOURNAL_SEGMENT_BYTES (UINT32_C(4) << 20)
#define JOURNAL_FULL UINT32_MAX
#define JOURNAL_NAME_FORMAT "cdr-%u-%016llx.journal" /* worker, (unsigned long long)first_seq */
#define JOURNAL_NAME_BYTES 48u

struct journal_header {
	char magic[8];
	uint32_t version;
	uint32_t worker;
	uint64_t first_seq;
	uint64_t created_unix_ms;
	uint8_t zero[32];
};

struct journal_record {
	_Atomic uint32_t length; /* of the payload that follows; stored last */
	uint32_t crc;            /* journal_crc(seq, payload) */
	uint64_t seq;
};

_Static_assert(sizeof(struct journal_header) == 64, "the header is part of the format");
_Static_assert(sizeof(struct journal_record) == 16, "so is the record's head");

/* Bytes that a record takes, with its head and the padding to the next. */
static inline size_t journal_record_bytes(size_t payload_len)
{
	return (sizeof(struct journal_record) + payload_len + 7) & ~(size_t)7;
}

/* Whether a record at offset `at` leaves room for the mark JOURNAL_FULL behind it. */
static inline bool journal_record_fits(size_t at, size_t payload_len)
{
	return payload_len < JOURNAL_SEGMENT_BYTES &&
	       at + journal_record_bytes(payload_len) + sizeof(struct journal_record) <=
		       JOURNAL_SEGMENT_BYTES;
}

/* CRC-32 (ISO-HDLC, as in zlib) over the eight bytes of seq and the payload. */
uint32_t journal_crc(uint64_t seq, struct slice payload);

/* The two numbers of a file name. ERR_SYNTAX: not the name of a segment. */
must_use enum err journal_name_parse(const char *name, uint32_t *ret_worker, uint64_t *ret_first_seq);

/* SPDX-License-Identifier: MIT
 * The layout of the shared file, for its writer and its reader. */
#pragma once

#include "lib/stats/stats.h"

#define STATS_MAGIC 0x7362637374617473ull
#define STATS_VERSION 2u
#define STATS_MAX_ROWS 256u
#define STATS_PROGRAM_BYTES 32u

struct stats_header {
	uint64_t magic;
	uint32_t version;
	uint32_t rows;
	uint32_t max_series;
	_Atomic uint32_t series; /* whole entries; grows by release stores */
	char program[STATS_PROGRAM_BYTES];
};

struct stats_entry {
	uint32_t kind;
	char name[STATS_NAME_BYTES];
	char labels[STATS_LABELS_BYTES];
	char help[STATS_HELP_BYTES];
};

#define STATS_PAGE_BYTES 4096u
#define STATS_STEP 4096u /* series that blocks are taken for at once; whole pages of either kind */
#define STATS_ROW_BYTES (STATS_MAX_SERIES * sizeof(uint64_t))
#define STATS_TABLE_AT STATS_PAGE_BYTES
#define STATS_ROWS_AT                                                                              \
	(STATS_TABLE_AT +                                                                          \
	 (STATS_MAX_SERIES * sizeof(struct stats_entry) + STATS_PAGE_BYTES - 1) /                   \
		 STATS_PAGE_BYTES * STATS_PAGE_BYTES)

static inline size_t stats_file_bytes(unsigned rows)
{
	return STATS_ROWS_AT + rows * STATS_ROW_BYTES;
}

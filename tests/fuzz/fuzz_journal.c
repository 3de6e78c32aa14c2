/* SPDX-License-Identifier: MIT
 * Segments of the CDR journal: any bytes end in an end, a mark or damage, records are inside the
 * file and come in order of place, and nothing outside of the map is read. */
#include "lib/base/ensure.h"
#include "lib/ctl/journal_format.h"
#include "mgmt-api/store/store_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) char map[JOURNAL_SEGMENT_BYTES];
	struct journal_segment segment = { .map = map };
	uint64_t offset = sizeof(struct journal_header);
	enum journal_verdict verdict;
	uint64_t before;
	struct slice record;
	uint64_t seq;

	size = size < sizeof(map) ? size : sizeof(map);
	memcpy(map, data, size);
	do {
		before = offset;
		verdict = journal_segment_next(&segment, &offset, &seq, &record);
		if (verdict == JOURNAL_VERDICT_RECORD)
			ensure(offset > before && record.p >= map + before &&
			       record.p + record.len <= map + sizeof(map));
	} while (verdict == JOURNAL_VERDICT_RECORD);
	memset(map, 0, size);
	return 0;
}

/* SPDX-License-Identifier: MIT
 * One pass over the bytes of a message: the first control byte from `p` on. Line ends and bytes
 * that must not be there are found by the same look. */
#pragma once

#include <stddef.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Below 0x20, or 0x7f; `end` when there is none. Reads nothing at or behind `end`. */
static inline const char *sip_scan_control(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i low = _mm_set1_epi8(0x1f);
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hits = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, low), bytes),
					    _mm_cmpeq_epi8(bytes, del));
		unsigned mask = (unsigned)_mm_movemask_epi8(hits);

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && (unsigned char)*p >= 0x20 && *p != 0x7f)
		p++;
	return p;
}

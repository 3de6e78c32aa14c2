/* SPDX-License-Identifier: MIT
 * What every cmocka test includes, in the order cmocka wants it. */
#pragma once

#include <setjmp.h> /* cmocka needs the type; our own code never uses it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/slice.h"

#define assert_slice(s, text)                                                                      \
	do {                                                                                       \
		struct slice assert_slice_got = (s);                                               \
		assert_int_equal(assert_slice_got.len, strlen(text));                              \
		assert_memory_equal(assert_slice_got.p, text, strlen(text));                       \
	} while (0)

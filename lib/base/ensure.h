/* SPDX-License-Identifier: MIT
 * ensure() guards our own invariants and stays in release builds.
 * Never use it on bytes from outside: those get an error, a counter, a closed peer. */
#pragma once

#include <stddef.h>

__attribute__((noreturn, cold)) void ensure_failed(const char *cond, const char *file, int line);

#define ensure(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			ensure_failed(#cond, __FILE__, __LINE__);                                  \
	} while (0)

#define array_size(a) (sizeof(a) / sizeof((a)[0]))

/* The object of `type` whose embedded `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* SPDX-License-Identifier: MIT
 * Files of messages: our own below tests/vectors/sip, and the given ones, which may be absent. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/sbc/sip/sip_fixture.h"

#define VECTOR_MAX_BYTES 400000u

/* Where the given messages are. */
static inline const char *corpora_folder(void)
{
	const char *folder = getenv("SBC_CORPORA");

	return folder ? folder : SBC_SOURCE_ROOT "/../shared/corpora";
}

/* The file's bytes in memory of exactly that size, so that a sanitizer sees a read past the end;
 * the caller frees them. p NULL: no such file. */
static inline struct slice vector_read(const char *path)
{
	static char storage[VECTOR_MAX_BYTES];
	FILE *file = fopen(path, "rb");
	size_t len;
	char *copy;

	if (!file)
		return SLICE_NONE;
	len = fread(storage, 1, sizeof(storage), file);
	fclose(file);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, storage, len);
	return slice_of(copy, len);
}

static inline void vector_free(struct slice bytes)
{
	free((void *)(uintptr_t)bytes.p);
}

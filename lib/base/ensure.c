/* SPDX-License-Identifier: MIT */
#include "lib/base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, cond);
	abort();
}

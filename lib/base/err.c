/* SPDX-License-Identifier: MIT */
#include "lib/base/err.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

const char *err_text(enum err err)
{
	static const struct {
		enum err err;
		const char *text;
	} table[] = {
#define X(name, value, text) { name, text },
		ERR_TABLE(X)
#undef X
	};

	if (err == OK)
		return "ok";
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].err == err)
			return table[i].text;
	if ((int)err < 0 && (int)err > -2000)
		return strerrordesc_np(-(int)err) ? strerrordesc_np(-(int)err) : "unknown error";
	return "unknown error";
}

enum err err_from_errno(void)
{
	return (enum err)(-errno);
}

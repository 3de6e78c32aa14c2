/* SPDX-License-Identifier: MIT
 * Base64 (RFC 4648 section 4), for keys in SDP. */
#pragma once

#include "lib/base/text.h"

/* Characters that `len` bytes take, with padding. */
#define BASE64_CHARS(len) (((len) + 2) / 3 * 4)

/* With padding. */
void text_base64(struct text *text, const void *bytes, size_t len);

/* Padding may be missing (some leave it out), whole or not at all. ERR_SYNTAX: a stray character, bits
 * set behind the last byte, an impossible length; ERR_LIMIT: more than cap bytes. */
must_use enum err base64_decode(struct slice text, void *storage, size_t cap, size_t *ret_len);

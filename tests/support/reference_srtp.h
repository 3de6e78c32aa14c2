/* SPDX-License-Identifier: MIT
 * libsrtp2 as a judge and a ruler. It is loaded, not linked: it has functions of the same names as
 * our room. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/ctl/ctl.h"

struct reference;

/* False: it is not installed. */
bool reference_load(void);
/* One direction, with a window of 128 packets. The key and the MKI are those of `crypto`; no suite
 * with keys of 192 bits. */
struct reference *reference_create(const struct ctl_srtp_crypto *crypto, bool sends);
void reference_destroy(struct reference *reference);
/* False: refused. bytes: with 64 bytes of room behind them. */
bool reference_protect(struct reference *reference, bool control, unsigned char *bytes, size_t len,
		       size_t *ret_len);
bool reference_unprotect(struct reference *reference, bool control, unsigned char *bytes,
			 size_t len, size_t *ret_len);

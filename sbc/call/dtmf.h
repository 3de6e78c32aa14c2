/* SPDX-License-Identifier: MIT
 * A digit as the body of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") and
 * application/dtmf (the digit alone). No RFC describes either; what is taken here is what gateways and
 * phones are seen to send. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/slice.h"
#include "sbc/media/media.h"

#define DTMF_DEFAULT_MS 160u /* where nothing is said of it */
#define DTMF_MIN_MS 40u      /* ITU-T Q.24: shorter is no digit */
#define DTMF_MAX_MS 6000u

/* The type is about digits, whether dtmf_parse takes it or not. */
bool dtmf_is_type(struct slice type);
/* type: without parameters. ERR_UNSUPPORTED: another type; ERR_SYNTAX: no digit, or two; a duration that
 * is no number. */
must_use enum err dtmf_parse(struct slice type, struct slice body, struct media_digit *ret);
/* application/dtmf-relay. Empty: no memory. */
struct slice dtmf_write(struct arena *arena, const struct media_digit *digit);
